/** Medians and percentiles with distribution-free intervals, by the ranks of what was observed. */
import { median as middle } from "simple-statistics";
import { assert } from "../../engine/base/assert.ts";

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

/** Samples that must lie beyond a percentile for it to be told (harness.md 5.2). */
export const leastBeyond = 10;

/** Fewest samples of which a percentile (0 to 100) is told. */
export function samplesFor(percentile: number): number {
  // Rounded: 100 - 99.9 is not quite a tenth.
  return Math.ceil(Number((leastBeyond / (1 - percentile / 100)).toPrecision(12)));
}

/** Logarithms of k!, kept once they were needed. */
const logFactorials: number[] = [0];

function logFactorial(k: number): number {
  for (let next = logFactorials.length; next <= k; next += 1) {
    logFactorials.push((logFactorials[next - 1] ?? 0) + Math.log(next));
  }
  return logFactorials[k] ?? 0;
}

/** The smallest k at which a binomial(n, share) variable is at most k with at least `chance`. */
function binomialQuantile(n: number, share: number, chance: number): number {
  let sum = 0;
  for (let k = 0; k < n; k += 1) {
    const ways = logFactorial(n) - logFactorial(k) - logFactorial(n - k);
    sum += Math.exp(ways + k * Math.log(share) + (n - k) * Math.log1p(-share));
    if (sum >= chance) {
      return k;
    }
  }
  return n;
}

/** Above it the binomial is its normal approximation, which is right to a rank there. */
const exactUpTo = 200_000;

/** z of the standard normal distribution for a lower tail; Acklam's rational approximation, error 1e-9. */
export function normalQuantile(chance: number): number {
  if (chance > 0.5) {
    return -normalQuantile(1 - chance);
  }
  const tail = chance < 0.02425;
  if (tail) {
    const q = Math.sqrt(-2 * Math.log(chance));
    const up =
      ((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q -
        2.549732539343734) *
        q +
        4.374664141464968) *
        q +
      2.938163982698783;
    const down =
      (((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q +
        3.754408661907416) *
        q +
      1;
    return up / down;
  }
  const q = chance - 0.5;
  const r = q * q;
  const up =
    (((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r +
      138.357751867269) *
      r -
      30.66479806614716) *
      r +
      2.506628277459239) *
    q;
  const down =
    ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r +
      66.80131188771972) *
      r -
      13.28068155288572) *
      r +
    1;
  return up / down;
}

/**
 * Ranks (from 1) of the samples that enclose a percentile with this confidence; `null`: fewer than
 * `leastBeyond` samples lie beyond it.
 */
export function percentileRanks(
  n: number,
  percentile: number,
  confidence = 0.95,
): readonly [number, number] | null {
  if (n < samplesFor(percentile)) {
    return null;
  }
  const share = percentile / 100;
  const tail = (1 - confidence) / 2;
  if (n <= exactUpTo) {
    const low = binomialQuantile(n, share, tail);
    const high = binomialQuantile(n, share, 1 - tail) + 1;
    return [Math.max(1, low), Math.min(n, high)];
  }
  const reach = -normalQuantile(tail) * Math.sqrt(n * share * (1 - share));
  return [Math.max(1, Math.floor(n * share - reach)), Math.min(n, Math.ceil(n * share + reach))];
}
