/** Counts of operations by time and latency, gathered from interval histograms of any number. */
import { emptyHistogram, type Histogram } from "../histogram.ts";

/** Buckets per doubling of the latency: each is 9% wide. */
export const bucketsPerOctave = 8;

/** What a heat map is drawn from. Column i begins at `startMs + i * columnMs`. */
export interface HeatColumns {
  readonly startMs: number;
  readonly columnMs: number;
  /**
   * Per column the buckets with counts, as bucket, count, bucket, count, ...; bucket b holds the
   * latencies from 2^(b/8) up to 2^((b+1)/8) ns.
   */
  readonly columns: readonly (readonly number[])[];
}

export function bucketOf(ns: number): number {
  return ns < 1 ? 0 : Math.floor(Math.log2(ns) * bucketsPerOctave + 1e-9);
}

/** Lower bound of a bucket, ns. */
export function bucketStart(bucket: number): number {
  return 2 ** (bucket / bucketsPerOctave);
}

let bucketOfIndex: Int16Array | undefined;

/** Bucket of each place in a histogram's counts; all histograms of ours have one geometry. */
function bucketTable(): Int16Array {
  if (bucketOfIndex === undefined) {
    const empty = emptyHistogram();
    // The widest histogram is asked, so that no index is ever out of the table.
    bucketOfIndex = Int16Array.from({ length: empty.countsArrayLength }, (_, index) =>
      bucketOf(empty.medianEquivalentValue(empty.valueFromIndex(index))),
    );
  }
  return bucketOfIndex;
}

/**
 * A column is as wide as the first interval; whenever there would be more than `most` columns, their
 * width doubles, so that runs of any length fit.
 */
export class HeatGrid {
  readonly #most: number;
  #columnMs = 0;
  #columns = new Map<number, Map<number, number>>();

  constructor(most: number) {
    this.#most = most;
  }

  /** `startMs` counts from the run's start. Intervals without operations only fix the width. */
  add(startMs: number, lengthMs: number, histogram: Histogram): void {
    if (this.#columnMs === 0) {
      this.#columnMs = Math.max(1, Math.round(lengthMs));
    }
    if (histogram.totalCount === 0) {
      return;
    }
    // The middle: the ends of intervals wander by microseconds. What completes after the last whole
    // interval was in flight in it; a column of its own would look like a part of the run.
    const stump = lengthMs < this.#columnMs / 2 && startMs > 0;
    const middle = Math.max(0, stump ? startMs - lengthMs / 2 - 1 : startMs + lengthMs / 2);
    while (middle / this.#columnMs >= this.#most) {
      this.#widen();
    }
    const at = Math.floor(middle / this.#columnMs);
    const column = this.#columns.get(at) ?? new Map<number, number>();
    this.#columns.set(at, column);
    const table = bucketTable();
    let left = histogram.totalCount;
    for (let index = 0; left > 0 && index < histogram.countsArrayLength; index += 1) {
      const count = histogram.getCountAtIndex(index);
      if (count > 0) {
        left -= count;
        const bucket = table[index] ?? 0;
        column.set(bucket, (column.get(bucket) ?? 0) + count);
      }
    }
  }

  /** Adds another grid, e.g. of a repetition. */
  merge(other: HeatGrid): void {
    if (other.#columnMs === 0) {
      return;
    }
    if (this.#columnMs === 0) {
      this.#columnMs = other.#columnMs;
    }
    while (this.#columnMs < other.#columnMs) {
      this.#widen();
    }
    for (const [at, counts] of other.#columns) {
      const own = Math.floor(((at + 0.5) * other.#columnMs) / this.#columnMs);
      const column = this.#columns.get(own) ?? new Map<number, number>();
      this.#columns.set(own, column);
      for (const [bucket, count] of counts) {
        column.set(bucket, (column.get(bucket) ?? 0) + count);
      }
    }
  }

  #widen(): void {
    const wider = new Map<number, Map<number, number>>();
    for (const [at, counts] of this.#columns) {
      const column = wider.get(at >> 1);
      if (column === undefined) {
        wider.set(at >> 1, counts);
      } else {
        for (const [bucket, count] of counts) {
          column.set(bucket, (column.get(bucket) ?? 0) + count);
        }
      }
    }
    this.#columns = wider;
    this.#columnMs *= 2;
  }

  /** Null when nothing was counted. */
  toColumns(): HeatColumns | null {
    const places = [...this.#columns.keys()].sort((a, b) => a - b);
    const first = places[0];
    const last = places.at(-1);
    if (first === undefined || last === undefined) {
      return null;
    }
    const columns: number[][] = [];
    for (let at = first; at <= last; at += 1) {
      const counts = [...(this.#columns.get(at) ?? [])].sort(([a], [b]) => a - b);
      columns.push(counts.flat());
    }
    return { startMs: first * this.#columnMs, columnMs: this.#columnMs, columns };
  }
}
