/** Why a run is not as it should be, told from what its execution came to. */
import { OsdynoError } from "../engine/base/error.ts";
import type { Execution } from "../workloads/runner/execute.ts";

const invalidArgument = 22;
const directHint =
  "direct=1 takes whole blocks only: make bs=, offset= and blockalign= multiples of the device's block size";

/** What went wrong, worst first: an I/O error, a verification mismatch, a signal, lost results. */
export function failureOf(
  { phases, problem: notStarted, damage = [], room = [] }: Execution,
  signal: AbortSignal,
  problem: string | null,
): OsdynoError | null {
  const jobs = phases.flatMap((phase) => phase.outcome.jobs);
  const failed = jobs.find((job) => job.error !== null);
  if (failed?.error !== undefined && failed.error !== null) {
    const { errno, message } = failed.error;
    const direct = phases.some(({ jobs: planned }) => planned.some((job) => job.resolved.direct));
    const [found] = [...room, ...damage];
    const hint =
      errno === invalidArgument && direct
        ? `; ${directHint}`
        : found === undefined
          ? ""
          : `; ${found}`;
    return new OsdynoError("io", `job ${failed.name}: ${message}${hint}`);
  }
  // `continue_on_error=verify` says that mismatches are to be counted only.
  const judged = phases.flatMap((phase) =>
    phase.outcome.jobs.filter((_, place) => !phase.jobs[place]?.resolved.ends.continueOn.verify),
  );
  const corrupt = judged.find((job) => (job.verify?.mismatchCount ?? 0) > 0);
  if (corrupt?.verify !== undefined && corrupt.verify !== null) {
    const first = corrupt.verify.mismatches[0];
    const where =
      first === undefined
        ? ""
        : `; the first in ${first.file} at ${first.offsetBytes} (${first.what}: expected ${first.expected}, found ${first.found})`;
    return new OsdynoError(
      "verify",
      `job ${corrupt.name}: verification found ${corrupt.verify.mismatchCount} wrong block(s)${where}`,
    );
  }
  if (notStarted !== null) {
    return notStarted;
  }
  if (signal.aborted) {
    return new OsdynoError("interrupted", `stopped by ${signal.reason}`);
  }
  return problem === null ? null : new OsdynoError("io", problem);
}
