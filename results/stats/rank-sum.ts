/**
 * Two sides without pairs: Mann and Whitney's test, the Hodges-Lehmann estimate of the shift with its
 * interval, and Cliff's delta.
 */
import { assert } from "../../engine/base/assert.ts";
import { normalQuantile } from "./order-statistics.ts";

/**
 * With ties the exact distribution is that of all ways to deal the values out to the sides; up to so many
 * pairs of values it takes a few milliseconds.
 */
const exactTiesUpTo = 900;

/** Above it the exact distribution of U is not worth its time: the normal one is right to 1e-3 by then. */
const exactUpTo = 50;

/** `ways[u]`: of how many arrangements of m and n values without ties the statistic is u. */
function arrangements(m: number, n: number): Float64Array {
  // Coefficients of the Gaussian binomial (m+n over m), by multiplying and dividing by 1 - q^k.
  const most = m * n;
  let ways = new Float64Array(most + 1);
  ways[0] = 1;
  for (let k = 1; k <= m; k += 1) {
    const up = n + k;
    const times = Float64Array.from(ways);
    for (let u = most; u >= up; u -= 1) {
      times[u] = (times[u] as number) - (ways[u - up] as number);
    }
    for (let u = k; u <= most; u += 1) {
      times[u] = (times[u] as number) + (times[u - k] as number);
    }
    ways = times;
  }
  return ways;
}

/**
 * The same with ties, which count half: `ways[2u]` of how many ways to deal the values out, m to the first side
 * and n to the second. `sizes` are those of the groups of equal values, ascending.
 */
function tiedArrangements(m: number, n: number, sizes: readonly number[]): Float64Array {
  const most = 2 * m * n;
  // By how many of the values so far are on the first side.
  let ways = Array.from({ length: m + 1 }, () => new Float64Array(most + 1));
  (ways[0] as Float64Array)[0] = 1;
  let seen = 0;
  for (const size of sizes) {
    const next = Array.from({ length: m + 1 }, () => new Float64Array(most + 1));
    for (const [first, from] of ways.entries()) {
      const second = seen - first;
      let choices = 1;
      for (let more = 0; more <= Math.min(size, m - first); more += 1) {
        const to = next[first + more] as Float64Array;
        const gain = 2 * more * second + more * (size - more);
        // Where a side would have more than it has values, nothing is dealt.
        if (second >= 0 && second + size - more <= n) {
          for (let u = 0; u + gain <= most; u += 1) {
            to[u + gain] = (to[u + gain] as number) + choices * (from[u] as number);
          }
        }
        choices = (choices * (size - more)) / (more + 1);
      }
    }
    ways = next;
    seen += size;
  }
  return ways[m] as Float64Array;
}

/** Probability that U is at most `limit`. */
function chanceUpTo(ways: Float64Array, limit: number): number {
  let below = 0;
  let all = 0;
  for (const [u, count] of ways.entries()) {
    all += count;
    below += u <= limit ? count : 0;
  }
  return below / all;
}

/** Lower tail of the standard normal distribution: a series near the middle, a continued fraction far out. */
export function normalBelow(z: number): number {
  if (z > 0) {
    return 1 - normalBelow(-z);
  }
  const x = -z;
  if (x > 6) {
    // Continued fraction of the tail.
    let fraction = 0;
    for (let k = 60; k >= 1; k -= 1) {
      fraction = k / (x + fraction);
    }
    return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI) / (x + fraction);
  }
  let term = x;
  let sum = x;
  for (let k = 1; k < 200; k += 1) {
    term *= (x * x) / (2 * k + 1);
    sum += term;
  }
  return 0.5 - (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

export interface RankSum {
  /** Pairs in which the first side is the larger one; ties count half. */
  readonly u: number;
  /** Two-sided. */
  readonly p: number;
  readonly pLess: number;
  readonly pGreater: number;
  readonly exact: boolean;
}

/** How many values there are of each, ascending. */
function groupSizes(values: readonly number[]): number[] {
  const sizes = new Map<number, number>();
  for (const value of values) {
    sizes.set(value, (sizes.get(value) ?? 0) + 1);
  }
  return [...sizes].sort(([a], [b]) => a - b).map(([, size]) => size);
}

/**
 * Whether `first` tends to be less or more than `second`; exact when neither is long. The normal distribution,
 * which stands in for long ones with ties, gives less than the least that a few values can give.
 */
export function rankSum(first: readonly number[], second: readonly number[]): RankSum {
  const m = first.length;
  const n = second.length;
  assert(m > 0 && n > 0, "both sides need a value");
  let u = 0;
  for (const a of first) {
    for (const b of second) {
      u += a > b ? 1 : a === b ? 0.5 : 0;
    }
  }
  const groups = groupSizes([...first, ...second]);
  const ties = groups.filter((size) => size > 1);
  if (ties.length === 0 && Math.max(m, n) <= exactUpTo) {
    const ways = arrangements(m, n);
    const pLess = chanceUpTo(ways, u);
    const pGreater = chanceUpTo(ways, m * n - u);
    return { u, p: Math.min(1, 2 * Math.min(pLess, pGreater)), pLess, pGreater, exact: true };
  }
  if (m * n <= exactTiesUpTo) {
    const ways = tiedArrangements(m, n, groups);
    const pLess = chanceUpTo(ways, 2 * u);
    // With ties the two tails are not alike: the upper one is the lower one of what is left to `second`.
    const pGreater = chanceUpTo(ways.toReversed(), 2 * (m * n - u));
    return { u, p: Math.min(1, 2 * Math.min(pLess, pGreater)), pLess, pGreater, exact: true };
  }
  const total = m + n;
  const tied = ties.reduce((sum, size) => sum + size ** 3 - size, 0);
  const spread = Math.sqrt(((m * n) / 12) * (total + 1 - tied / (total * (total - 1))));
  const from = (value: number) => (spread === 0 ? 0 : (value - (m * n) / 2) / spread);
  const pLess = normalBelow(from(u + 0.5));
  const pGreater = normalBelow(-from(u - 0.5));
  return { u, p: Math.min(1, 2 * Math.min(pLess, pGreater)), pLess, pGreater, exact: false };
}

export interface Shift {
  readonly shift: number;
  /** `null`: too few values for an interval at this confidence. */
  readonly low: number | null;
  readonly high: number | null;
}

/** How much `second` lies above `first`: the median of all differences, and the interval of the test. */
export function shiftOf(
  first: readonly number[],
  second: readonly number[],
  confidence = 0.95,
): Shift {
  const differences = second.flatMap((b) => first.map((a) => b - a)).sort((a, b) => a - b);
  const count = differences.length;
  assert(count > 0, "both sides need a value");
  const at = (place: number) => differences[place] as number;
  const shift = (at(Math.floor((count - 1) / 2)) + at(Math.ceil((count - 1) / 2))) / 2;
  const tail = (1 - confidence) / 2;
  const m = first.length;
  const n = second.length;
  let out = 0;
  if (Math.max(m, n) <= exactUpTo) {
    const ways = arrangements(m, n);
    while (out * 2 < count && chanceUpTo(ways, out) <= tail) {
      out += 1;
    }
  } else {
    const spread = Math.sqrt((m * n * (m + n + 1)) / 12);
    out = Math.max(0, Math.floor(count / 2 + normalQuantile(tail) * spread));
  }
  return out === 0
    ? { shift, low: null, high: null }
    : { shift, low: at(out - 1), high: at(count - out) };
}

/** Cliff's delta: how much more often `second` is the larger one than the smaller one, -1 to 1. */
export function cliffsDelta(first: readonly number[], second: readonly number[]): number {
  let balance = 0;
  for (const a of first) {
    for (const b of second) {
      balance += Math.sign(b - a);
    }
  }
  return balance / (first.length * second.length);
}
