import type { StageBuckets } from "../run-outcome.ts";

/** log2 of half the sub-buckets of an HdrHistogram with three digits. */
const halfBits = 10;
const half = 2 ** halfBits;
const chunks = 33;
/** Where the last bucket begins, which holds everything longer too. */
const lastBucketNs = 2047 * 2 ** 31;

/** The bucket of an HdrHistogram from 1 ns to 1 hour with three digits, as `native/crates/core/src/hdr.rs` has it. */
function bucketOf(ns: number): number {
  if (ns < 2 * half) {
    return ns;
  }
  let high = ns;
  let shift = 0;
  if (ns >= 2 ** 31) {
    high = Math.floor(ns / 2 ** 16);
    shift = 16;
  }
  shift += 31 - Math.clz32(high) - halfBits;
  return shift * half + Math.floor(ns / 2 ** shift);
}

/**
 * Times of one stage: exact totals, and the buckets of an HdrHistogram. Room is made for those powers
 * of two only that come up: a stage has a dozen of them, and a run a dozen stages for each clone.
 */
export class StageTimes {
  count = 0;
  minNs = Number.POSITIVE_INFINITY;
  maxNs = 0;
  sumNs = 0;
  sumSquares = 0;
  readonly #chunks: (Uint32Array | null)[] = new Array<Uint32Array | null>(chunks).fill(null);

  /** `times`: it stands for so many that were not taken. */
  add(timeNs: number, times = 1): void {
    const ns = Math.max(0, Math.round(timeNs));
    this.count += times;
    this.sumNs += ns * times;
    this.sumSquares += ns * ns * times;
    if (ns < this.minNs) {
      this.minNs = ns;
    }
    if (ns > this.maxNs) {
      this.maxNs = ns;
    }
    const bucket = bucketOf(Math.min(ns, lastBucketNs));
    const number = bucket >>> halfBits;
    let chunk = this.#chunks[number] as Uint32Array | null;
    if (chunk === null) {
      chunk = new Uint32Array(half);
      this.#chunks[number] = chunk;
    }
    const at = bucket & (half - 1);
    chunk[at] = (chunk[at] as number) + times;
  }

  /** Buckets that are not empty, ascending. */
  buckets(): StageBuckets {
    const filled: [number, number][] = [];
    for (const [number, chunk] of this.#chunks.entries()) {
      for (const [at, count] of (chunk ?? []).entries()) {
        if (count > 0) {
          filled.push([number * half + at, count]);
        }
      }
    }
    return filled;
  }
}
