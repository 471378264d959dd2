/** Benches that were kept in a directory. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { benchText } from "./bench-text.ts";
import { benchedHotPaths } from "./hot-paths.ts";

export interface KeptBench {
  readonly directory: string;
  readonly hotPath: string;
  readonly document: object;
}

/** Of another version, or damaged, it gives no table. */
function checkWhole(file: string, hotPath: string, document: object): void {
  try {
    benchText(hotPath, document);
  } catch (error) {
    throw new OsdynoError("bad-input", "is no whole bench of this version", { file }, error);
  }
}

/** The bench in a directory; null when it holds none. Throws `bad-input` for one that is not whole. */
export function keptBench(directory: string): KeptBench | null {
  const path = resolve(directory);
  let names: readonly string[];
  try {
    names = readdirSync(path);
  } catch {
    return null;
  }
  for (const name of names) {
    const hotPath = /^bench-([a-z]+)\.json$/.exec(name)?.[1] ?? "";
    if (benchedHotPaths.some((known) => known.name === hotPath)) {
      const document = readBench(join(path, name));
      if (document !== null) {
        checkWhole(join(path, name), hotPath, document);
        return { directory: path, hotPath, document };
      }
    }
  }
  return null;
}

function readBench(path: string): object | null {
  try {
    const document = JSON.parse(readFileSync(path, "utf8")) as { readonly schema?: unknown } | null;
    return document?.schema === "osdyno-bench-1" ? document : null;
  } catch {
    return null;
  }
}
