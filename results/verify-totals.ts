/** Rates of a run as a whole, and its thresholds, from the numbers of its jobs. */
import type { Direction } from "../workloads/run-outcome.ts";
import { directions } from "./fio-record.ts";
import type { JobRecord, OsdynoTotal, RunRecord } from "./run-record.ts";
import { checkThreshold } from "./threshold.ts";
import type { Ledger } from "./verify-ledger.ts";

/** A direction of fio's record, as far as time goes. */
function runtimeMs(job: JobRecord, which: readonly Direction[]): number {
  const own = [...which, "mixed"].map((name) => {
    const record = job[name] as { readonly runtime?: number } | undefined;
    return record?.runtime ?? 0;
  });
  return Math.max(0, ...own);
}

/**
 * Operations by the longest time of each phase. fio's times are whole milliseconds, and where an operation
 * waited from the warm-up on, the time that counts is shorter than fio's, but not than the job's.
 */
export function checkRates(
  what: string,
  jobs: readonly JobRecord[],
  direction: Direction | "all",
  total: OsdynoTotal,
  ledger: Ledger,
): void {
  const which = direction === "all" ? directions : [direction];
  const phases = [...new Set(jobs.map((job) => job.osdyno.phase))];
  const longest = (time: (job: JobRecord) => number) =>
    phases.reduce((sum, phase) => {
      const own = jobs.filter((job) => job.osdyno.phase === phase);
      return sum + Math.max(0, ...own.map(time));
    }, 0);
  const whole = longest((job) => runtimeMs(job, which));
  const least = longest((job) => {
    // Clones that report as one have the sum of their times there.
    const measured = Number(job["job_runtime"] ?? 0) / Math.max(1, job.osdyno.sources.length);
    const own = runtimeMs(job, which);
    return measured > 0 ? Math.min(own, measured) : own;
  });
  // A few milliseconds of rounding say nothing about a rate.
  const slack = phases.length + 1;
  if (total.ios === 0 || least <= 10 * slack) {
    return;
  }
  const high = (total.ios * 1000) / (least - slack);
  const low = (total.ios * 1000) / (whole + slack);
  const middle = (high + low) / 2;
  ledger.same(`${what} ${direction} iops`, total.iops, middle, (high - low) / 2);
  const bandwidth = (total.iops * total.bytes) / total.ios;
  ledger.same(`${what} ${direction} bw_bytes`, total.bw_bytes, bandwidth, 1e-6 * bandwidth);
}

/** What each threshold was held against, and what came of it. */
export function checkThresholds(record: RunRecord, ledger: Ledger): void {
  for (const published of record.osdyno.threshold_results ?? []) {
    const { value, passed } = checkThreshold(record, published.threshold);
    const what = `threshold '${published.threshold}'`;
    ledger.sameText(`${what} value`, String(published.value), String(value));
    ledger.sameText(`${what} passed`, String(published.passed), String(passed));
  }
}
