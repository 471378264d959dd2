/** Statistics over replicates: medians and their distribution-free intervals. */
import { median as middle } from "simple-statistics";
import { assert } from "../engine/base/assert.ts";

/** Median with a confidence interval; `low`/`high` are null when there are too few values for one. */
export interface MedianInterval {
  readonly median: number;
  readonly low: number | null;
  readonly high: number | null;
  /** Coverage actually reached, 0 to 1; null without an interval. */
  readonly coverage: number | null;
}

/** Probability that a binomial(n, 1/2) variable is below `limit`. */
function binomialBelow(n: number, limit: number): number {
  let term = 0.5 ** n;
  let sum = 0;
  for (let k = 0; k < limit; k += 1) {
    sum += term;
    term = (term * (n - k)) / (k + 1);
  }
  return sum;
}

/**
 * The ranks (from 1) of the order statistics that enclose the median with at least `confidence`; null
 * when even the extremes do not (n < 6 at 95%). Source: sign test inverted, exact binomial.
 */
export function medianRanks(n: number, confidence: number): readonly [number, number] | null {
  let found: readonly [number, number] | null = null;
  for (let low = 1; low <= n / 2; low += 1) {
    if (1 - 2 * binomialBelow(n, low) >= confidence) {
      found = [low, n + 1 - low];
    }
  }
  return found;
}

/** Median and interval of at least one value. */
export function medianInterval(values: readonly number[], confidence = 0.95): MedianInterval {
  assert(values.length > 0, "a median needs a value");
  const sorted = [...values].sort((a, b) => a - b);
  const ranks = medianRanks(sorted.length, confidence);
  return {
    median: middle(sorted),
    low: ranks === null ? null : (sorted[ranks[0] - 1] ?? null),
    high: ranks === null ? null : (sorted[ranks[1] - 1] ?? null),
    coverage: ranks === null ? null : 1 - 2 * binomialBelow(sorted.length, ranks[0]),
  };
}
