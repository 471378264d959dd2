/**
 * Two sides of a comparison, each a list of figures of independent runs: by how much they differ, how
 * sure that is, and what follows. The rules are those of harness.md 5.2.
 */
import { cliffsDelta, rankSum, shiftOf } from "./rank-sum.ts";
import { pairedRatio } from "./signed-rank.ts";

export type Verdict = "better" | "worse" | "same" | "unclear";

export interface VerdictRules {
  readonly confidence: number;
  /** A ratio this near to 1, as a share, is no difference that anybody would act on. */
  readonly margin: number;
  /** Which direction is good; `none`: neither. */
  readonly better: "higher" | "lower" | "none";
  /** Differences between equal runs of this machine, as a share: below it nothing is believed. */
  readonly noiseFloor?: number;
}

/** A difference and its uncertainty, before anything is decided. */
export interface Difference {
  /** Figures on either side, or pairs of them. */
  readonly runs: number;
  readonly paired: boolean;
  /** Candidate by base, and the interval; `null`: too few runs for one. */
  readonly ratio: number;
  readonly low: number | null;
  readonly high: number | null;
  /** Two-sided; not adjusted for further comparisons. */
  readonly p: number;
  readonly cliffsDelta: number;
}

/** The fewest runs a side of which an interval at 95% is told. */
export const leastRuns = 6;

const above = (values: readonly number[]) => values.filter((value) => value > 0);

/** Compares figures above 0; with `paired`, those at one place are of one block. `null`: nothing to compare. */
export function differenceOf(
  base: readonly number[],
  candidate: readonly number[],
  paired: boolean,
  confidence = 0.95,
): Difference | null {
  if (paired) {
    const both = base
      .map((value, place) => [value, candidate[place] ?? 0] as const)
      .filter(([a, b]) => a > 0 && b > 0);
    if (both.length === 0) {
      return null;
    }
    const a = both.map(([value]) => value);
    const b = both.map(([, value]) => value);
    const { ratio, low, high, p } = pairedRatio(a, b, confidence);
    const known = Number.isFinite(high);
    return {
      runs: both.length,
      paired: true,
      ratio,
      low: known ? low : null,
      high: known ? high : null,
      p,
      cliffsDelta: cliffsDelta(a, b),
    };
  }
  const a = above(base);
  const b = above(candidate);
  if (a.length === 0 || b.length === 0) {
    return null;
  }
  const { shift, low, high } = shiftOf(a.map(Math.log), b.map(Math.log), confidence);
  return {
    runs: Math.min(a.length, b.length),
    paired: false,
    ratio: Math.exp(shift),
    low: low === null ? null : Math.exp(low),
    high: high === null ? null : Math.exp(high),
    p: rankSum(a, b).p,
    cliffsDelta: cliffsDelta(a, b),
  };
}

export interface Decision {
  readonly verdict: Verdict;
  /** Why, in words; no full stop. */
  readonly reason: string;
  /** Runs a side that would probably decide it; `null`: it is decided. */
  readonly runsNeeded: number | null;
}

/** A share as people read it: two digits. */
export function percent(ratio: number): string {
  return `${Number((100 * Math.abs(ratio - 1)).toPrecision(2))}%`;
}

/** Decides, with the p value adjusted for all comparisons that were made. */
export function decide(difference: Difference, p: number, rules: VerdictRules): Decision {
  const { runs, ratio, low, high, paired } = difference;
  const { confidence, margin, better, noiseFloor = 0 } = rules;
  const what = paired ? "pairs of runs" : "runs a side";
  if (low === null || high === null || runs < leastRuns) {
    const reason = `${runs} ${what}; an interval needs ${leastRuns}`;
    return { verdict: "unclear", reason, runsNeeded: leastRuns };
  }
  if (low > 1 - margin && high < 1 + margin) {
    const reason = `the whole interval lies within ${percent(1 + margin)} of no difference`;
    return { verdict: "same", reason, runsNeeded: null };
  }
  const significant = (low > 1 || high < 1) && p <= 1 - confidence;
  if (significant && Math.abs(ratio - 1) < noiseFloor) {
    const reason = `${percent(ratio)} is less than equal runs differ on this machine (${percent(1 + noiseFloor)})`;
    return { verdict: "unclear", reason, runsNeeded: null };
  }
  if (significant) {
    const sided = ratio > 1 ? "higher" : "lower";
    const reason = `${percent(ratio)} ${sided}, p ${p.toPrecision(2)} after adjustment`;
    const verdict = better === "none" ? "unclear" : better === sided ? "better" : "worse";
    return { verdict, reason, runsNeeded: null };
  }
  // An interval narrows with the root of the number of runs; it must reach the estimate's distance.
  const width = Math.log(high / low) / 2;
  const wanted = Math.max(Math.abs(Math.log(ratio)), Math.log(1 + margin));
  const needed = Math.max(runs + 1, Math.ceil(runs * (width / wanted) ** 2));
  const reason = "the interval contains no difference as well as one that would matter";
  return { verdict: "unclear", reason, runsNeeded: needed };
}
