/** Flags of `osdyno bench` and what its tables share. */
import { statfsSync } from "node:fs";
import { OsdynoError } from "../../engine/base/error.ts";
import type { MedianInterval } from "../../results/stats/order-statistics.ts";

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

/** A median, with its interval if there is one. */
export function range(value: MedianInterval, scale: number, digits: number): string {
  const show = (each: number) => (each / scale).toFixed(digits);
  const interval =
    value.low === null || value.high === null ? "" : ` [${show(value.low)}, ${show(value.high)}]`;
  return `${show(value.median)}${interval}`;
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
