/** Files for the devices of a key-value store's own, where no device is named. */
import { closeSync, ftruncateSync, openSync, rmSync, statSync } from "node:fs";
import { OsdynoError } from "../base/error.ts";
import type { OptionSet } from "../options/option-set.ts";
import { type OtherRole, otherPaths, otherRoles } from "./store-devices.ts";

const leastBytes = 64 * 2 ** 20;

/**
 * Bytes of the file for a device: as set; a db device of no set size has a twenty-fifth of the main one,
 * as is customary.
 */
export function otherFileBytes(options: OptionSet, role: OtherRole, mainBytes: number): number {
  const set = options.number(`bluestore_block_${role}_size`);
  const bytes = set > 0 ? set : Math.max(leastBytes, Math.floor(mainBytes / 25));
  return bytes - (bytes % 65536);
}

function sizeOf(options: OptionSet, role: OtherRole, mainPath: string): number {
  const main = statSync(mainPath, { throwIfNoEntry: false })?.size ?? 0;
  return otherFileBytes(options, role, main);
}

/** `made` has it as soon as it is there. */
function makeFile(path: string, sizeBytes: number, made: string[]): void {
  const file = openSync(path, "wx");
  try {
    made.push(path);
    ftruncateSync(file, sizeBytes);
  } finally {
    closeSync(file);
  }
}

/**
 * Makes the files that are not there; the paths of those it made. Throws `bad-input` with one line, and
 * has made none then.
 */
export function makeOtherFiles(mainPath: string, options: OptionSet): readonly string[] {
  const others = otherPaths(options, null);
  const made: string[] = [];
  const taken = new Set([mainPath]);
  for (const role of otherRoles) {
    const path = others[role];
    if (path === null) {
      continue;
    }
    try {
      if (taken.has(path)) {
        throw new Error("is another device of the store already");
      }
      taken.add(path);
      if (statSync(path, { throwIfNoEntry: false }) === undefined) {
        makeFile(path, sizeOf(options, role, mainPath), made);
      }
    } catch (error) {
      for (const each of made) {
        rmSync(each, { force: true });
      }
      const reason = error instanceof Error ? error.message : String(error);
      const setting = `bluestore_block_${role}_path=${path}`;
      // Somebody else has just made it.
      const late = (error as NodeJS.ErrnoException).code === "EEXIST";
      throw new OsdynoError(late ? "unsafe" : "bad-input", `${setting}: ${reason}`, {}, error);
    }
  }
  return made;
}
