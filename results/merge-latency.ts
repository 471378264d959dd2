/**
 * Distributions of several fio records as one: counts of buckets add, percentiles are computed of the
 * sum. Percentiles are never averaged: where a part has no buckets, the sum has no percentiles.
 */
import { percentileKey } from "./histogram.ts";
import { mergePlat, type PlatBuckets, platIndex, platMiddle, platPercentiles } from "./plat.ts";
import type { FioLatency } from "./run-record.ts";

/** Count, mean and sum of squared deviations of values that were merged. */
export interface Moments {
  readonly N: number;
  readonly mean: number;
  readonly squares: number;
}

/** Moments of two sets of values together (Chan, Golub, LeVeque 1979). */
export function addMoments(a: Moments, b: Moments): Moments {
  const count = a.N + b.N;
  if (count === 0) {
    return a;
  }
  const delta = b.mean - a.mean;
  return {
    N: count,
    mean: a.mean + (delta * b.N) / count,
    squares: a.squares + b.squares + (delta * delta * a.N * b.N) / count,
  };
}

/** From what fio prints: the deviation is that of a sample. */
export function momentsOf(latency: {
  readonly N: number;
  readonly mean: number;
  readonly stddev: number;
}): Moments {
  const squares = latency.stddev ** 2 * Math.max(0, latency.N - 1);
  return { N: latency.N, mean: latency.mean, squares };
}

export function deviationOf({ N: count, squares }: Moments): number {
  return count > 1 ? Math.sqrt(squares / (count - 1)) : 0;
}

const bucketsOf = (latency: FioLatency): PlatBuckets =>
  Object.entries(latency.bins ?? {}).map(
    ([middle, count]) => [platIndex(Number(middle)), count] as const,
  );

/** Whether a part's buckets are all there. */
function whole(latency: FioLatency): boolean {
  return latency.N === 0 || bucketsOf(latency).reduce((sum, [, n]) => sum + n, 0) === latency.N;
}

export interface MergedLatency {
  readonly latency: FioLatency;
  /** Percentiles were published, but could not be merged. */
  readonly lostPercentiles: boolean;
}

/** One latency of several records; percentiles are those that any of them has. */
export function mergeFioLatency(parts: readonly FioLatency[]): MergedLatency {
  const filled = parts.filter((part) => part.N > 0);
  const moments = filled.map(momentsOf).reduce(addMoments, { N: 0, mean: 0, squares: 0 });
  const head: FioLatency = {
    min: filled.length === 0 ? 0 : Math.min(...filled.map((part) => part.min)),
    max: filled.length === 0 ? 0 : Math.max(...filled.map((part) => part.max)),
    mean: moments.mean,
    stddev: deviationOf(moments),
    N: moments.N,
  };
  const asked = filled.flatMap((part) => Object.keys(part.percentile ?? {}).map(Number));
  if (filled.length === 0 || !filled.every(whole)) {
    return { latency: head, lostPercentiles: asked.length > 0 };
  }
  const buckets = mergePlat(filled.map(bucketsOf));
  const bins = Object.fromEntries(
    buckets.map(([index, count]) => [String(platMiddle(index)), count]),
  );
  if (asked.length === 0) {
    return { latency: { ...head, bins }, lostPercentiles: false };
  }
  const percentile = Object.fromEntries(
    platPercentiles(buckets, [...new Set(asked)]).map(([p, ns]) => [percentileKey(p), ns]),
  );
  return { latency: { ...head, percentile, bins }, lostPercentiles: false };
}
