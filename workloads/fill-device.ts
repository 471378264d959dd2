/** `fill_device`: a job that writes until its file system is full. */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";

/** Bytes that a file of so many bytes cannot grow to: its job ends by ENOSPC before. */
export function beyondFull(path: string, presentBytes: number): number {
  const { bsize, bavail } = statfsSync(dirname(path));
  return presentBytes + bavail * bsize + 2 ** 30;
}
