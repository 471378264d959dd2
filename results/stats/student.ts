/** Student's t distribution, and the paired test by it. */
import { assert } from "../../engine/base/assert.ts";

/** Lanczos' coefficients for g = 7 (Numerical Recipes' form of Godfrey's table). */
const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313,
  -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
  1.5056327351493116e-7,
];

/** Logarithm of the gamma function of a value above 0.5. */
function logGamma(value: number): number {
  const x = value - 1;
  const t = x + 7.5;
  const sum = lanczos.reduce((total, c, place) => total + (place === 0 ? c : c / (x + place)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (x + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** The continued fraction of the incomplete beta function, by Lentz' method; quick for x < (a+1)/(a+b+2). */
function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  let c = 1;
  let d = 1 / Math.max(tiny, 1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 300; m += 1) {
    for (const numerator of [
      (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
      (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
    ]) {
      d = 1 + numerator * d;
      c = 1 + numerator / c;
      d = 1 / (Math.abs(d) < tiny ? tiny : d);
      c = Math.abs(c) < tiny ? tiny : c;
      fraction *= d * c;
    }
    if (Math.abs(d * c - 1) < 1e-15) {
      break;
    }
  }
  return fraction;
}

/** The regularised incomplete beta function. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) {
    return x <= 0 ? 0 : 1;
  }
  const front = Math.exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x),
  );
  return x < (a + 1) / (a + b + 2)
    ? (front * betaFraction(x, a, b)) / a
    : 1 - (front * betaFraction(1 - x, b, a)) / b;
}

/** Two-sided probability of a t at least so far from 0, with `df` (1 or more) degrees of freedom. */
export function studentP(t: number, df: number): number {
  assert(df >= 1, "a degree of freedom is needed");
  return incompleteBeta(df / (df + t * t), df / 2, 0.5);
}

/** The t that a variable of so many degrees of freedom exceeds with this chance. */
export function studentQuantile(chance: number, df: number): number {
  let [low, high] = [0, 1000];
  for (let round = 0; round < 60; round += 1) {
    const middle = (low + high) / 2;
    if (studentP(middle, df) / 2 > chance) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return high;
}

/** What the t test of at least two paired differences says of their mean. */
export function pairedStudent(
  differences: readonly number[],
  confidence: number,
): { readonly low: number; readonly high: number; readonly p: number } {
  const n = differences.length;
  assert(n >= 2, "pairs are needed");
  const mean = differences.reduce((sum, each) => sum + each, 0) / n;
  const squares = differences.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  const error = Math.sqrt(squares / (n - 1) / n);
  if (error === 0) {
    // Figures that do not vary, such as counts of bytes: any difference is one.
    return { low: mean, high: mean, p: Number(mean === 0) };
  }
  const reach = studentQuantile((1 - confidence) / 2, n - 1) * error;
  return { low: mean - reach, high: mean + reach, p: studentP(mean / error, n - 1) };
}
