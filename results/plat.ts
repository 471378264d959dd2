/**
 * fio's latency buckets: 64 per power of two, 1856 in all, values in ns (fio's `stat.h` geometry,
 * checked against real json+ documents). HdrHistogram's buckets with three digits nest inside them,
 * so that converting loses nothing that fio would have kept.
 */
import { type Histogram, recordedBuckets } from "./histogram.ts";

const groupBits = 6;
const bucketsPerGroup = 1 << groupBits;
export const platBucketCount = 29 * bucketsPerGroup;

/** Bucket of a latency in ns; everything from 2^34 on lands in the last one. */
export function platIndex(valueNs: number): number {
  if (valueNs < 2 * bucketsPerGroup) {
    return Math.floor(valueNs);
  }
  // log2 of a double may round up just below a power of two, so the guess is corrected.
  let highestBit = Math.floor(Math.log2(valueNs));
  if (2 ** highestBit > valueNs) {
    highestBit -= 1;
  }
  const exponent = highestBit - groupBits;
  const within = Math.floor(valueNs / 2 ** exponent) % bucketsPerGroup;
  return Math.min((exponent + 1) * bucketsPerGroup + within, platBucketCount - 1);
}

/** The value in ns that fio prints for a bucket: its middle. */
export function platMiddle(index: number): number {
  if (index < 2 * bucketsPerGroup) {
    return index;
  }
  const exponent = Math.floor(index / bucketsPerGroup) - 1;
  const within = index % bucketsPerGroup;
  return 2 ** (exponent + groupBits) + Math.floor((within + 0.5) * 2 ** exponent);
}

/** Sparse counts per bucket, ascending. */
export type PlatBuckets = readonly (readonly [bucket: number, count: number])[];

/** Counts of an HdrHistogram in fio's buckets. */
export function platFromHistogram(histogram: Histogram): PlatBuckets {
  const counts = new Map<number, number>();
  for (const { low, count } of recordedBuckets(histogram)) {
    const index = platIndex(low);
    counts.set(index, (counts.get(index) ?? 0) + count);
  }
  return [...counts];
}

/** Sum of several distributions. */
export function mergePlat(parts: readonly PlatBuckets[]): PlatBuckets {
  const counts = new Map<number, number>();
  for (const part of parts) {
    for (const [index, count] of part) {
      counts.set(index, (counts.get(index) ?? 0) + count);
    }
  }
  return [...counts].sort((a, b) => a[0] - b[0]);
}

/**
 * fio's percentiles: the middle of the first bucket whose cumulative count reaches p/100 of all.
 * Not clamped to the maximum, as fio does not.
 */
export function platPercentiles(
  buckets: PlatBuckets,
  percentiles: readonly number[],
): readonly (readonly [percentile: number, valueNs: number])[] {
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  const answer: [number, number][] = [];
  if (total === 0) {
    return answer;
  }
  const sorted = [...percentiles].sort((a, b) => a - b);
  let at = 0;
  let cumulative = buckets[0]?.[1] ?? 0;
  for (const percentile of sorted) {
    while (at + 1 < buckets.length && !reaches(cumulative, percentile, total)) {
      at += 1;
      cumulative += buckets[at]?.[1] ?? 0;
    }
    answer.push([percentile, platMiddle(buckets[at]?.[0] ?? 0)]);
  }
  return answer;
}

const mantissaBits = 64;

/** Rounds `numerator / denominator * 2^-shift` to a 64-bit mantissa, halves to even. */
function roundExtended(
  numerator: bigint,
  denominator: bigint,
  shift: number,
): { readonly mantissa: bigint; readonly shift: number } {
  const have = numerator.toString(2).length - denominator.toString(2).length;
  const scale = Math.max(0, mantissaBits + 2 - have);
  const scaled = numerator << BigInt(scale);
  const quotient = scaled / denominator;
  const inexact = scaled % denominator !== 0n;
  const drop = quotient.toString(2).length - mantissaBits;
  const dropped = BigInt(Math.max(0, drop));
  const rest = quotient & ((1n << dropped) - 1n);
  const half = dropped === 0n ? 0n : 1n << (dropped - 1n);
  let mantissa = quotient >> dropped;
  const up = rest > half || (rest === half && dropped > 0n && (inexact || (mantissa & 1n) === 1n));
  if (up) {
    mantissa += 1n;
  }
  return { mantissa, shift: shift + scale - Number(dropped) };
}

/**
 * Whether `cumulative >= percentile / 100 * total` in the 80-bit arithmetic that fio compares in:
 * at an exact boundary (p99.9 of 1000) a double would choose the neighbouring bucket.
 */
function reaches(cumulative: number, percentile: number, total: number): boolean {
  const asDouble = (percentile / 100) * total;
  if (Math.abs(cumulative - asDouble) > 1e-9 * total) {
    return cumulative > asDouble;
  }
  // A double is an integer over a power of two; 2^80 makes one of every percentile from 2^-27 on.
  const share = roundExtended(BigInt(Math.round(percentile * 2 ** 80)), 100n, 80);
  const limit = roundExtended(share.mantissa * BigInt(total), 1n, share.shift);
  if (limit.shift <= 0) {
    return BigInt(cumulative) >= limit.mantissa << BigInt(-limit.shift);
  }
  return BigInt(cumulative) << BigInt(limit.shift) >= limit.mantissa;
}
