/**
 * Wilcoxon's signed ranks of paired differences, with Hodges and Lehmann's estimate and the interval that
 * belong to it; exact.
 */
import { assert } from "../../engine/base/assert.ts";

export interface PairedShift {
  /** Hodges and Lehmann's: the median of the averages of all two differences. */
  readonly shift: number;
  /** `null`: too few pairs for an interval. */
  readonly low: number | null;
  readonly high: number | null;
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

/** The averages of all two differences, each also with itself, ascending. */
export function walshAverages(differences: readonly number[]): readonly number[] {
  const averages: number[] = [];
  for (const [place, difference] of differences.entries()) {
    for (const other of differences.slice(place)) {
      averages.push((difference + other) / 2);
    }
  }
  return averages.sort((a, b) => a - b);
}

/** Of at least one difference. */
export function signedRanks(differences: readonly number[], confidence = 0.95): PairedShift {
  assert(differences.length > 0, "pairs are needed");
  const averages = walshAverages(differences);
  const at = (place: number) => averages[place] as number;
  const last = averages.length - 1;
  const shift = (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2;
  const chances = rankSumChances(differences.length);
  const upTo = (limit: number) =>
    chances.slice(0, limit + 1).reduce((sum, chance) => sum + chance, 0);
  // The averages above 0 are as many as the ranks of positive differences sum to (Tukey). What is just 0
  // speaks for neither side: counted against both, so that p and the interval always agree.
  const above = averages.filter((average) => average > 0).length;
  const below = averages.filter((average) => average < 0).length;
  const p = Math.min(1, 2 * upTo(averages.length - Math.max(above, below)));
  // As many averages are left out at each end as the test at this confidence would reject.
  let out = 0;
  while (out < averages.length && upTo(out) <= (1 - confidence) / 2 + 1e-15) {
    out += 1;
  }
  return out === 0
    ? { shift, low: null, high: null, p }
    : { shift, low: at(out - 1), high: at(last - out + 1), p };
}
