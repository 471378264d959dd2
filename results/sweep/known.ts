/** Whether a directory holds a record to go on with: of a sweep, a tuning, a test of the SNIA PTS. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { temporarySuffix } from "../growing-file.ts";
import { checkOut } from "../run-directory.ts";

/**
 * True: the record is there and to be resumed; false: the directory is free to begin in. What was
 * killed before it had said anything is cleared away. Throws `bad-input` when it is the other way
 * round than asked, or the directory is somebody else's.
 * @param noun what the record is of: `sweep`, `tuning`
 */
export function holdsRecord(
  directory: string,
  resume: boolean,
  recordName: string,
  noun: string,
): boolean {
  if (!existsSync(join(directory, recordName))) {
    if (resume) {
      throw new OsdynoError("bad-input", `--resume ${directory}: there is no ${recordName}`);
    }
    const half = `${recordName}${temporarySuffix}`;
    if (existsSync(directory) && readdirSync(directory).join() === half) {
      rmSync(join(directory, half));
    }
    checkOut(directory, "sweep");
    return false;
  }
  if (!resume) {
    throw new OsdynoError(
      "bad-input",
      `${directory} holds a ${noun} already; use --resume ${directory} or another --out`,
    );
  }
  return true;
}
