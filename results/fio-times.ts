/** fio's own times of a run, from the bins of its records. */
import { mergePlat, platIndex, platPercentiles } from "./plat.ts";
import type { FioLatency, JobRecord } from "./run-record.ts";

export type DirectionPrefix = "read" | "write" | "trim" | "all";
export type FioTime = "clat" | "lat" | "slat";

export function isFioTime(time: string): time is FioTime {
  return time === "clat" || time === "lat" || time === "slat";
}

/**
 * The directions of fio's records that a metric covers; `mixed` stands in where they were joined.
 */
function fioLatencies(job: JobRecord, time: FioTime, direction: DirectionPrefix): FioLatency[] {
  const names = direction === "all" ? ["read", "write", "trim"] : [direction];
  const found = names.filter((name) => job[name] !== undefined);
  const used = found.length === 0 && direction === "all" ? ["mixed"] : found;
  return used.flatMap((name) => {
    const record = job[name] as Readonly<Record<string, FioLatency>> | undefined;
    const latency = record?.[`${time}_ns`];
    return latency === undefined || latency.N === 0 ? [] : [latency];
  });
}

/**
 * fio's own figure from its bins, so that it is there for every percentile and for several jobs.
 */
export function fioStatistic(
  jobs: readonly JobRecord[],
  time: FioTime,
  direction: DirectionPrefix,
  statistic: "mean" | "max" | "min" | number,
): number | null {
  const records = jobs.flatMap((job) => fioLatencies(job, time, direction));
  if (records.length === 0) {
    return null;
  }
  if (statistic === "mean") {
    const count = records.reduce((sum, record) => sum + record.N, 0);
    return records.reduce((sum, record) => sum + record.mean * record.N, 0) / count;
  }
  if (statistic === "max" || statistic === 100) {
    return Math.max(...records.map((record) => record.max));
  }
  if (statistic === "min") {
    return Math.min(...records.map((record) => record.min));
  }
  const buckets = mergePlat(
    records.map((record) =>
      Object.entries(record.bins ?? {}).map(
        ([middle, count]) => [platIndex(Number(middle)), count] as const,
      ),
    ),
  );
  return platPercentiles(buckets, [statistic])[0]?.[1] ?? null;
}
