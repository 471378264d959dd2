/**
 * The paired permutation test of the mean: were both sides equal, each pair's difference could as well have
 * the other sign. Finds more than ranks do in the few pairs that measuring has time for: at 10 pairs, runs
 * that vary by 2% and an effect of 3% it finds 85%, ranks 84% (3,000 trials); with outliers both find as much.
 */
import { assert } from "../../engine/base/assert.ts";

/** Beyond it ranks serve as well, and all patterns of signs would take too long. */
export const mostPairs = 12;

export interface SignFlips {
  /** Two-sided, exact. */
  readonly p: number;
  /** Bounds of the mean difference; null: too few pairs for an interval at this confidence. */
  readonly interval: readonly [number, number] | null;
}

/** Sums and sizes of all subsets, each made of one without its highest member. */
function subsets(values: readonly number[]): { sums: Float64Array; sizes: Uint8Array } {
  const sums = new Float64Array(2 ** values.length);
  const sizes = new Uint8Array(sums.length);
  for (const [place, value] of values.entries()) {
    const half = 2 ** place;
    for (let at = 0; at < half; at += 1) {
      sums[half + at] = (sums[at] as number) + value;
      sizes[half + at] = (sizes[at] as number) + 1;
    }
  }
  return { sums, sizes };
}

/** Of one to `mostPairs` differences. */
export function signFlips(differences: readonly number[], confidence = 0.95): SignFlips {
  const { length } = differences;
  assert(length > 0 && length <= mostPairs, "between one and a dozen pairs");
  const { sums, sizes } = subsets(differences);
  const total = sums.at(-1) ?? 0;
  // Sums of the same numbers in another order differ in their last digits.
  const least = Math.abs(total) * (1 - 1e-12);
  const asFar = sums.reduce(
    (count, sum) => count + (Math.abs(total - 2 * sum) >= least ? 1 : 0),
    0,
  );
  // The means of all subsets are where the test turns (Hartigan's typical values, 1969).
  const means = sums
    .map((sum, at) => sum / (sizes[at] as number))
    .subarray(1)
    .sort();
  const out = Math.floor(((1 - confidence) / 2) * sums.length + 1e-9);
  const at = (place: number) => means[place] as number;
  return {
    p: asFar / sums.length,
    interval: out === 0 ? null : [at(out - 1), at(means.length - out)],
  };
}
