/**
 * Paired comparison of replicates: the same block measured both sides, so that a drift of the machine
 * leaves their ratio alone. Wilcoxon's signed-rank test and the Hodges-Lehmann estimate that belongs to
 * it, on logarithms, both exact.
 */
import { assert } from "../../engine/base/assert.ts";

export interface PairedRatio {
  /** Candidate divided by base. */
  readonly ratio: number;
  /** Bounds of the interval; 0 and infinity when there are too few pairs for one. */
  readonly low: number;
  readonly high: number;
  /** Two-sided. */
  readonly p: number;
}

/**
 * `chance[w]`: the probability that the ranks of n differences with a positive sign sum to `w` when both
 * signs are equally likely.
 */
function rankSumChances(n: number): readonly number[] {
  let chances = [1];
  for (let rank = 1; rank <= n; rank += 1) {
    const next = new Array<number>(chances.length + rank).fill(0);
    for (const [sum, chance] of chances.entries()) {
      next[sum] = (next[sum] ?? 0) + chance / 2;
      next[sum + rank] = (next[sum + rank] ?? 0) + chance / 2;
    }
    chances = next;
  }
  return chances;
}

/** Probability of a sum of at most `limit`. */
function chanceUpTo(chances: readonly number[], limit: number): number {
  return chances.slice(0, Math.floor(limit) + 1).reduce((sum, chance) => sum + chance, 0);
}

/** Sum of the ranks of the positive differences; equal sizes share their ranks, zeros have none. */
function positiveRankSum(differences: readonly number[]): { sum: number; count: number } {
  const sorted = differences
    .filter((difference) => difference !== 0)
    .sort((a, b) => Math.abs(a) - Math.abs(b));
  let sum = 0;
  for (let start = 0; start < sorted.length; ) {
    const size = Math.abs(sorted[start] ?? 0);
    let end = start;
    while (end < sorted.length && Math.abs(sorted[end] ?? 0) === size) {
      end += 1;
    }
    const positive = sorted.slice(start, end).filter((difference) => difference > 0).length;
    sum += (positive * (start + 1 + end)) / 2;
    start = end;
  }
  return { sum, count: sorted.length };
}

/** At least one pair of positive values; pair i is of the same block. */
export function pairedRatio(
  base: readonly number[],
  candidate: readonly number[],
  confidence = 0.95,
): PairedRatio {
  assert(base.length === candidate.length && base.length > 0, "pairs are needed");
  const logs = base.map((value, place) => Math.log(candidate[place] ?? 0) - Math.log(value));
  const averages: number[] = [];
  for (const [place, log] of logs.entries()) {
    for (const other of logs.slice(place)) {
      averages.push((log + other) / 2);
    }
  }
  averages.sort((a, b) => a - b);
  const at = (place: number) => averages[place] ?? Number.NaN;
  const last = averages.length - 1;
  const middle = (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2;
  const { sum, count } = positiveRankSum(logs);
  const most = (count * (count + 1)) / 2;
  const chances = rankSumChances(count);
  const p = Math.min(1, 2 * chanceUpTo(chances, Math.min(sum, most - sum)));
  // As many averages are left out at each end as the test at this confidence would reject.
  const all = rankSumChances(logs.length);
  let out = 0;
  while (chanceUpTo(all, out) <= (1 - confidence) / 2) {
    out += 1;
  }
  const [low, high] =
    out === 0
      ? [0, Number.POSITIVE_INFINITY]
      : [Math.exp(at(out - 1)), Math.exp(at(last - out + 1))];
  return { ratio: Math.exp(middle), low, high, p };
}
