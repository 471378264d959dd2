/** `verify.json`: the SHA-256 of every file of results in a run directory. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { join, relative } from "node:path";
import { writeWhole } from "./whole-file.ts";

export const sealName = "verify.json";
export const sealSchemaName = "osdyno-verify-1";

export interface Seal {
  readonly schema: string;
  /** SHA-256 in hex by path relative to the run directory. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * What results are kept in. A job may have its data files in the run's own directory: those are
 * not.
 */
const resultsFile = /\.(json|csv|hlog|html|md|svg|png)$/;

/** Paths of the files of a run, relative, sorted, without the seal itself. */
export function sealedFiles(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && resultsFile.test(entry.name))
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .filter((path) => path !== sealName)
    .sort();
}

/** Hashes a file in pieces: histogram logs of a long run do not fit in memory. */
export function sha256OfFile(path: string): string {
  const hash = createHash("sha256");
  const piece = Buffer.alloc(1 << 20);
  const file = openSync(path, "r");
  try {
    for (;;) {
      const length = readSync(file, piece, 0, piece.length, null);
      if (length === 0) {
        return hash.digest("hex");
      }
      hash.update(piece.subarray(0, length));
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Adds files written later (a report) to an existing seal and leaves the other hashes as they are, so
 * that a change since the run is still found. Nothing happens without a seal.
 */
export function sealAdded(directory: string, paths: readonly string[]): void {
  const sealPath = join(directory, sealName);
  let seal: Seal;
  try {
    seal = JSON.parse(readFileSync(sealPath, "utf8")) as Seal;
  } catch {
    return;
  }
  const added = paths.map((path) => [relative(directory, path), sha256OfFile(path)] as const);
  const files = Object.fromEntries(
    [...Object.entries(seal.files), ...added].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  writeWhole(sealPath, `${JSON.stringify({ ...seal, files }, null, 2)}\n`);
}

/** Writes `verify.json` anew; the writer calls it when all files of the run are there. */
export function sealRun(directory: string): Seal {
  const files = Object.fromEntries(
    sealedFiles(directory).map((path) => [path, sha256OfFile(join(directory, path))]),
  );
  const seal: Seal = { schema: sealSchemaName, files };
  writeWhole(join(directory, sealName), `${JSON.stringify(seal, null, 2)}\n`);
  return seal;
}
