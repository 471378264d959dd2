/**
 * Latency distributions as hdr-histogram-js holds them: decoded from the base64 V2 form, merged
 * without loss, summarised into the records of `run.json`.
 */
import { build, encodeIntoCompressedBase64, type JsHistogram } from "hdr-histogram-js";
import { OsdynoError } from "../engine/base/error.ts";
import type { LatencyRecord, TimeTotals } from "../workloads/run-outcome.ts";
import { eachCount } from "./hdr-payload.ts";
import type { OsdynoLatency } from "./run-record.ts";
import { percentileRanks } from "./stats/order-statistics.ts";

export type Histogram = JsHistogram;

/** Geometry of every histogram of a run: declared for 1 ns to 1 hour, with three significant digits. */
const geometry = { lowestNs: 1, highestNs: 3_600_000_000_000, digits: 3 } as const;

/** Where the last bucket begins, which holds everything longer too (`native/crates/core/src/hdr.rs`). */
export const lastBucketNs = 2047 * 2 ** 31;

/** Percentiles that every latency of ours has, whatever the job asks for. */
export const standardPercentiles: readonly number[] = [50, 90, 99, 99.9, 99.99];

/** An empty histogram; 64-bit counts, so that no bucket can overflow. */
export function emptyHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: geometry.lowestNs,
    highestTrackableValue: geometry.highestNs,
    numberOfSignificantValueDigits: geometry.digits,
    bitBucketSize: 64,
  }) as Histogram;
}

let emptyText: string | undefined;

/** The base64 form of a histogram without counts, for intervals in which nothing completed. */
export function emptyHistogramText(): string {
  emptyText ??= encodeIntoCompressedBase64(emptyHistogram());
  return emptyText;
}

/** Adds what a compressed V2 text holds; an empty text holds nothing. */
export function addEncoded(sum: Histogram, base64: string): void {
  if (base64 === "") {
    return;
  }
  const { digits, lowest, highest } = eachCount(base64, (index, count) =>
    sum.recordValueWithCount(sum.valueFromIndex(index), count),
  );
  if (
    digits !== geometry.digits ||
    lowest !== geometry.lowestNs ||
    highest !== geometry.highestNs
  ) {
    throw new OsdynoError(
      "io",
      `a histogram was recorded with ${digits} digits from ${lowest} to ${highest}, not as osdyno does`,
    );
  }
}

/** Decodes the compressed V2 form; an empty text is an empty histogram. */
export function decodeHistogram(base64: string): Histogram {
  const histogram = emptyHistogram();
  addEncoded(histogram, base64);
  return histogram;
}

/** The highest value, as its bucket's end, that a compressed V2 text holds; 0 when it is empty. */
export function highestEncoded(base64: string): number {
  let last = -1;
  if (base64 !== "") {
    eachCount(base64, (index) => {
      last = index;
    });
  }
  shape ??= emptyHistogram();
  return last < 0 ? 0 : shape.highestEquivalentValue(shape.valueFromIndex(last));
}

/** An empty histogram that answers questions about buckets. */
let shape: Histogram | undefined;

export function mergeHistograms(parts: readonly Histogram[]): Histogram {
  const sum = emptyHistogram();
  for (const part of parts) {
    if (part.totalCount > 0) {
      sum.add(part);
    }
  }
  return sum;
}

/** A bucket with counts: its lowest and highest value in ns. */
export interface RecordedBucket {
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** The buckets that hold counts, ascending. */
export function* recordedBuckets(histogram: Histogram): Generator<RecordedBucket> {
  let left = histogram.totalCount;
  for (let index = 0; left > 0 && index < histogram.countsArrayLength; index += 1) {
    const count = histogram.getCountAtIndex(index);
    if (count > 0) {
      const low = histogram.valueFromIndex(index);
      left -= count;
      yield { low, high: histogram.highestEquivalentValue(low), count };
    }
  }
}

/**
 * The highest value equivalent to the bucket that the percentile falls in, within the exact extremes; of the
 * last bucket, which has no end, the largest there was.
 */
export function valueAt(
  histogram: Histogram,
  percentile: number,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  const value = histogram.getValueAtPercentile(percentile);
  return value >= lastBucketNs ? max : Math.min(Math.max(value, min), max);
}

/** Key of a percentile in fio's form, e.g. `99.900000`. */
export function percentileKey(percentile: number): string {
  return percentile.toFixed(6);
}

/** Exact totals of several distributions together. */
export function mergeTotals(parts: readonly TimeTotals[]): TimeTotals {
  const filled = parts.filter((part) => part.count > 0);
  return {
    count: filled.reduce((sum, part) => sum + part.count, 0),
    minNs: filled.length === 0 ? 0 : Math.min(...filled.map((part) => part.minNs)),
    maxNs: filled.length === 0 ? 0 : Math.max(...filled.map((part) => part.maxNs)),
    sumNs: filled.reduce((sum, part) => sum + part.sumNs, 0),
    sumSquares: filled.reduce((sum, part) => sum + part.sumSquares, 0),
  };
}

/** Mean and the sample form (n - 1) of the standard deviation, as fio reports it. */
export function meanAndDeviation(totals: TimeTotals): { mean: number; stddev: number } {
  const { count, sumNs, sumSquares } = totals;
  if (count === 0) {
    return { mean: 0, stddev: 0 };
  }
  const mean = sumNs / count;
  // The difference of two large sums may come out a little below zero.
  const squares = Math.max(0, sumSquares - sumNs * mean);
  return { mean, stddev: count > 1 ? Math.sqrt(squares / (count - 1)) : 0 };
}

/** Totals and distribution of one or several latencies. */
export interface Distribution {
  readonly totals: TimeTotals;
  readonly histogram: Histogram;
}

/** Histograms that are not in use: each takes 270 kB, and a wide run merges hundreds. */
const spares: Histogram[] = [];

/** Answers what `use` makes of the merged records; the distribution MUST NOT outlive the call. */
export function withMerged<T>(
  records: readonly LatencyRecord[],
  use: (merged: Distribution) => T,
): T {
  const histogram = spares.pop() ?? emptyHistogram();
  try {
    for (const record of records) {
      addEncoded(histogram, record.hdr);
    }
    return use({ totals: mergeTotals(records), histogram });
  } finally {
    histogram.reset();
    spares.push(histogram);
  }
}

/** Summary with percentiles as `valueAt` gives them. Without a value there is no percentile. */
export function summarise(
  distribution: Distribution,
  percentiles: readonly number[],
): OsdynoLatency {
  const { totals, histogram } = distribution;
  const list = [...new Set([...standardPercentiles, ...percentiles])].sort((a, b) => a - b);
  const percentile: Record<string, number> = {};
  const extremes = { min: totals.minNs, max: totals.maxNs };
  if (totals.count > 0) {
    for (const p of list) {
      percentile[percentileKey(p)] = valueAt(histogram, p, extremes);
    }
  }
  return {
    N: totals.count,
    min: totals.minNs,
    max: totals.maxNs,
    ...meanAndDeviation(totals),
    percentile,
  };
}

/**
 * Between which values percentiles lie with 95%: those of the samples whose ranks enclose them. A percentile
 * with fewer than ten samples beyond it has none.
 */
export function percentileIntervals({
  totals: { minNs, maxNs },
  histogram,
}: Distribution): Readonly<Record<string, readonly [number, number]>> {
  const count = histogram.totalCount;
  const atRank = (rank: number) =>
    valueAt(histogram, (100 * rank) / count, { min: minNs, max: maxNs });
  return Object.fromEntries(
    standardPercentiles.flatMap((percentile) => {
      const ranks = percentileRanks(count, percentile);
      return ranks === null
        ? []
        : [[percentileKey(percentile), [atRank(ranks[0]), atRank(ranks[1])] as const]];
    }),
  );
}
