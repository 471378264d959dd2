/** What each class of operations had: as a part of the capacity, and of all that was served. */
import type { RunPlan } from "../workloads/plan-model.ts";
import { directions, type MeasuredJob, outcomesOf } from "./fio-record.ts";
import type { RunCapacity, RunRecord } from "./run-record.ts";

type Counters = Readonly<Record<string, number>>;
type Shares = Readonly<Record<string, number>>;
type ShareRecord = Pick<RunRecord["osdyno"], "capacity" | "share" | "served">;

/** Bytes that an operation of a class counted for in mClock, on average: at least those of a small random one. */
export function costOf(
  name: string,
  counters: Counters | undefined,
  { iops, bandwidth_bytes }: Pick<RunCapacity, "iops" | "bandwidth_bytes">,
): number {
  const ops = counters?.[`scheduler.${name}.ops`] ?? 0;
  const cost = counters?.[`scheduler.${name}.cost_bytes`] ?? 0;
  return ops > 0 && cost > 0 ? cost / ops : bandwidth_bytes / iops;
}

function servedOf(jobs: readonly MeasuredJob[]): Shares {
  const counts = new Map<string, number>();
  let all = 0;
  for (const job of jobs) {
    const { opClass } = job.planned.resolved;
    const ios = outcomesOf([job], directions).reduce((sum, each) => sum + each.ios, 0);
    counts.set(opClass, (counts.get(opClass) ?? 0) + ios);
    all += ios;
  }
  return all === 0 ? {} : Object.fromEntries([...counts].map(([name, ios]) => [name, ios / all]));
}

/** Operations a second, by each job's own time: jobs end when their last operation has. */
function rateOf(job: MeasuredJob): number {
  return outcomesOf([job], directions).reduce(
    (sum, { ios, runtimeNs }) => sum + (runtimeNs === 0 ? 0 : (ios * 1e9) / runtimeNs),
    0,
  );
}

const timeOf = (job: MeasuredJob) =>
  Math.max(0, ...outcomesOf([job], directions).map(({ runtimeNs }) => runtimeNs));

/** Parts of the capacity of all targets together; null where one's is not known. */
function shareOf(
  jobs: readonly MeasuredJob[],
  capacities: readonly RunCapacity[],
  counters: Counters | undefined,
): Shares | null {
  const known = new Map(capacities.map((each) => [each.target, each]));
  const whole = capacities.reduce((sum, each) => sum + each.bandwidth_bytes, 0);
  const seconds = new Map<number, number>();
  for (const job of jobs) {
    seconds.set(job.phase, Math.max(seconds.get(job.phase) ?? 0, timeOf(job)));
  }
  const all = [...seconds.values()].reduce((sum, each) => sum + each, 0);
  const shares = new Map<string, number>();
  for (const job of jobs) {
    const capacity = known.get(job.planned.files[0]?.path ?? "");
    if (capacity?.known !== true || all === 0) {
      return null;
    }
    const { opClass } = job.planned.resolved;
    const bytes = rateOf(job) * costOf(opClass, counters, capacity);
    const part = (seconds.get(job.phase) ?? 0) / all;
    shares.set(opClass, (shares.get(opClass) ?? 0) + (bytes / whole) * part);
  }
  return shares.size === 0 ? null : Object.fromEntries(shares);
}

/** Told where there are several classes, or something that knows them. */
export function classShares(
  jobs: readonly MeasuredJob[],
  { chains }: RunPlan,
  capacity: readonly RunCapacity[],
  counters: Counters | undefined,
): ShareRecord {
  const served = servedOf(jobs);
  const scheduled = chains.some(({ layers }) => layers.includes("scheduler"));
  const told = Object.keys(served).length > (scheduled ? 0 : 1);
  const share = told ? shareOf(jobs, capacity, counters) : null;
  return {
    ...(capacity.length === 0 ? {} : { capacity }),
    ...(share === null ? {} : { share }),
    ...(told ? { served } : {}),
  };
}
