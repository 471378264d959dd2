/** Files and devices that jobs write to as they are: shared with other jobs, kept from whoever wants one alone. */
import { statSync } from "node:fs";
import { OsdynoError } from "../../engine/base/error.ts";
import type { Holds } from "../../engine/os/hold.ts";
import type { RunPlan } from "../plan-model.ts";
import { changes } from "../safety.ts";

/**
 * Takes those that are there; to be called once more when all are laid out. Throws `unsafe` when somebody has
 * one alone, as a store or a write log that is open.
 */
export function holdJobFiles(plans: readonly RunPlan[], holds: Holds): void {
  for (const job of plans.flatMap(({ phases }) => phases.flatMap(({ jobs }) => jobs))) {
    for (const file of job.files.filter(({ kind }) => kind === "file" || kind === "block")) {
      const found = statSync(file.path, { throwIfNoEntry: false });
      const lockable = found?.isFile() === true || found?.isBlockDevice() === true;
      if (lockable && changes(job, file)) {
        takeShared(file.path, holds);
      }
    }
  }
}

function takeShared(path: string, holds: Holds): void {
  try {
    holds.take(path, "shared");
  } catch (error) {
    // One that may be written to and not be read, or a file system without locks: nobody has it alone then.
    if (!(error instanceof OsdynoError && error.code === "io")) {
      throw error;
    }
  }
}
