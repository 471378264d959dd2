/** Flags of `osdyno bench` and what its tables share. */
import { statfsSync } from "node:fs";
import { OsdynoError } from "../../engine/base/error.ts";

export interface BenchFlags {
  readonly rounds?: string;
  readonly runtime: string;
  readonly size: string;
  readonly keys: string;
  readonly commits: string;
  readonly objects: string;
  readonly capacity: string;
  readonly steps: string;
  readonly seed: string;
  readonly out?: string;
  readonly json?: true;
  readonly conform?: string;
  readonly plugin?: readonly string[];
}

export function wholeNumber(name: string, text: string, low: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < low) {
    throw new OsdynoError("bad-input", `--${name} ${text}: give a whole number of ${low} or more`);
  }
  return value;
}

/** Where Linux keeps files that are nothing but memory, and what statfs says of such a place. */
export const memoryFolder = "/dev/shm";
const tmpfsMagic = 0x01021994;

export function onTmpfs(folder: string): boolean {
  try {
    return statfsSync(folder).type === tmpfsMagic;
  } catch {
    return false;
  }
}
