/** Files that a run writes traces to: `write_iolog` and `merge_blktrace_file`. */
import { closeSync, openSync, readSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import type { ResolvedJob } from "../job/model.ts";
import { lookUp, refuse } from "../planned-path.ts";
import type { IologSpec } from "./model.ts";

const iologStart = Buffer.from("fio version ");
/** Both byte orders of blktrace's magic. */
const blktraceStarts = [
  Buffer.from([0x07, 0x74, 0x61, 0x65]),
  Buffer.from([0x65, 0x61, 0x74, 0x07]),
];

function startOf(path: string): Buffer {
  const bytes = Buffer.alloc(16);
  const file = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(file);
  }
}

/** Refuses to write a trace where something else stands: a device, a folder, a file that is no trace. */
function checkRecord(job: ResolvedJob, key: string, path: string, starts: readonly Buffer[]): void {
  const found = lookUp(path);
  if (found === null) {
    return;
  }
  if (!found.isFile()) {
    refuse(job, `${key}=${path}: there is something that is no file; name a new file`);
  }
  const start = startOf(path);
  const isTrace = starts.some((own) => start.subarray(0, own.length).equals(own));
  if (found.size > 0 && !isTrace) {
    refuse(job, `${key}=${path}: there is a file that is no trace; name a new one`);
  }
}

/**
 * `write_iolog` of one clone. fio lets jobs that run at once write into each other when they share a
 * file: here each but the first of them has a number of its own after the name (`taken` counts them).
 */
export function planIolog(
  job: ResolvedJob,
  files: readonly string[],
  directory: string,
  taken: Map<string, number>,
): IologSpec | null {
  const { iologPath } = job.logs;
  if (iologPath === null) {
    return null;
  }
  const shared = resolve(directory, iologPath);
  const before = taken.get(shared) ?? 0;
  taken.set(shared, before + 1);
  const path = before === 0 ? shared : `${shared}.${before}`;
  checkRecord(job, "write_iolog", path, [iologStart]);
  const absolute = [...job.filenames, ...job.directories].some(isAbsolute);
  const names = files.map((file) => (absolute ? file : relative(directory, file)));
  const blank = names.find((name) => /\s/.test(name));
  if (blank !== undefined) {
    refuse(job, `write_iolog: an iolog cannot name ${JSON.stringify(blank)}, which has blanks`);
  }
  return { path, names };
}

/** Where the merged traces of a job are written; null = nowhere. */
export function mergedPath(job: ResolvedJob, directory: string): string | null {
  const merge = job.replay?.merge ?? null;
  if (merge === null) {
    return null;
  }
  const path = resolve(directory, merge.path);
  if (job.replay?.paths.some((own) => resolve(directory, own) === path) === true) {
    refuse(job, `merge_blktrace_file=${path} is one of the traces that are merged`);
  }
  checkRecord(job, "merge_blktrace_file", path, [iologStart, ...blktraceStarts]);
  return path;
}
