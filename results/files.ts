/**
 * Files of results, wherever they are: on the disk, or in the archive of a packed directory
 * (`runs.tar.zst`), whose files are read as if they lay beside it.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { OsdynoError } from "../engine/base/error.ts";
import { readTar } from "./pack/tar.ts";

export const archiveName = "runs.tar.zst";
/** In the archive: how it was made, and what was left out. */
export const packedName = "packed.json";
/** What no archive of runs is larger than. */
const mostBytes = 1 << 30;

interface Archive {
  readonly directory: string;
  readonly stamp: string;
  readonly files: ReadonlyMap<string, Buffer>;
  /** Names directly below each folder. */
  readonly folders: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The last ones that were read: a verification goes through one after the other. */
const known = new Map<string, Archive>();
const mostKnown = 4;

function foldersOf(names: Iterable<string>): ReadonlyMap<string, ReadonlySet<string>> {
  const folders = new Map<string, Set<string>>();
  for (const name of names) {
    for (let at = name; at !== "."; at = dirname(at)) {
      const folder = folders.get(dirname(at)) ?? new Set();
      folder.add(basename(at));
      folders.set(dirname(at), folder);
    }
  }
  return folders;
}

function read(file: string): ReadonlyMap<string, Buffer> {
  let archive: Buffer;
  try {
    archive = zstdDecompressSync(readFileSync(file), { maxOutputLength: mostBytes });
  } catch (error) {
    throw new OsdynoError("bad-input", "cannot be unpacked; is it whole?", { file }, error);
  }
  return readTar(archive, file);
}

/** The archive of `directory`; null when it has none. */
function archiveOf(directory: string): Archive | null {
  const file = join(directory, archiveName);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile() !== true) {
    return null;
  }
  const stamp = `${found.ino} ${found.size} ${found.mtimeMs}`;
  const before = known.get(directory);
  if (before?.stamp === stamp) {
    return before;
  }
  const files = read(file);
  const archive = { directory, stamp, files, folders: foldersOf(files.keys()) };
  known.delete(directory);
  known.set(directory, archive);
  for (const oldest of [...known.keys()].slice(0, -mostKnown)) {
    known.delete(oldest);
  }
  return archive;
}

interface Place {
  readonly archive: Archive;
  /** Within it; `.` is its top. */
  readonly name: string;
}

/** Where a path would be in the archive of a directory around it; null when there is none. */
function placeOf(path: string): Place | null {
  const full = resolve(path);
  for (let directory = full; ; directory = dirname(directory)) {
    const archive = archiveOf(directory);
    if (archive !== null) {
      return { archive, name: relative(directory, full) || "." };
    }
    if (dirname(directory) === directory) {
      return null;
    }
  }
}

function packed(path: string): Buffer | null {
  const place = placeOf(path);
  return place?.archive.files.get(place.name) ?? null;
}

/** Whether there is such a file or folder. */
export function fileExists(path: string): boolean {
  if (existsSync(path)) {
    return true;
  }
  const place = placeOf(path);
  const { archive, name } = place ?? {};
  return name !== undefined && (archive?.files.has(name) || archive?.folders.has(name)) === true;
}

/** Throws what `readFileSync` does when there is no such file, `bad-input` for a damaged archive. */
export function readText(path: string, encoding: "utf8" | "latin1" = "utf8"): string {
  const content = existsSync(path) ? null : packed(path);
  return content === null ? readFileSync(path, encoding) : content.toString(encoding);
}

/** A file that is only in an archive; null: it is on the disk, or nowhere. */
export function packedText(path: string, encoding: "utf8" | "latin1"): string | null {
  return existsSync(path) ? null : (packed(path)?.toString(encoding) ?? null);
}

/** Names of a folder, sorted. Throws what `readdirSync` does when there is no such folder. */
export function listFolder(path: string): readonly string[] {
  const place = placeOf(path);
  const inside = place?.archive.folders.get(place.name) ?? [];
  const outside = existsSync(path) || place === null ? readdirSync(path) : [];
  return [...new Set([...outside, ...inside])].sort();
}

/** How the archive that a path lies in was made. */
export interface PackedFacts {
  readonly schema: "osdyno-packed-1";
  readonly runs: number;
  /** What its directory had, bytes. */
  readonly source_bytes: number;
  /** One line each. */
  readonly left_out: readonly string[];
  /** Stages have one histogram for all runs of a point, at the first of them. */
  readonly stages_pooled: boolean;
}

/** Null where nothing is packed, and for files on the disk. */
export function packedFacts(path: string): PackedFacts | null {
  const place = existsSync(join(path, "run.json")) ? null : placeOf(path);
  const text = place?.archive.files.get(packedName)?.toString("utf8");
  return text === undefined ? null : (JSON.parse(text) as PackedFacts);
}
