/**
 * Two sides of a comparison, each a list of figures of independent runs: by how much they differ, how
 * sure that is, and what follows. The rules are those of harness.md 5.2.
 */
import { cliffsDelta, rankSum, shiftOf } from "./rank-sum.ts";
import { mostPairs, signFlips } from "./sign-flips.ts";
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

/** The fewest pairs, or runs a side, whose ranks can decide anything at this confidence; at least six. */
export function fewestRuns(confidence: number, paired: boolean): number {
  // Of all arrangements two are the most extreme ones.
  let arrangements = 2;
  let runs = 1;
  for (; runs < leastRuns || 2 / arrangements > 1 - confidence + 1e-12; runs += 1) {
    const next = runs + 1;
    arrangements *= paired ? 2 : (2 * next * (2 * next - 1)) / next ** 2;
  }
  return runs;
}

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
    const sizes = { runs: both.length, paired: true, cliffsDelta: cliffsDelta(a, b) };
    const { ratio, low, high, p } = pairedRatio(a, b, confidence);
    if (both.length <= mostPairs) {
      const flips = signFlips(
        both.map(([x, y]) => Math.log(y / x)),
        confidence,
      );
      const [from = null, to = null] = flips.interval?.map(Math.exp) ?? [];
      return { ...sizes, ratio, low: from, high: to, p: flips.p };
    }
    const known = Number.isFinite(high);
    return { ...sizes, ratio, low: known ? low : null, high: known ? high : null, p };
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
  const fewest = fewestRuns(confidence, paired);
  if (low === null || high === null || runs < fewest) {
    const reason = `${runs} ${what}; an interval needs ${fewest}`;
    return { verdict: "unclear", reason, runsNeeded: Math.max(fewest, runs + 1) };
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
  const sided = ratio > 1 ? "higher" : "lower";
  if (significant && Math.abs(ratio - 1) >= margin) {
    const reason = `${percent(ratio)} ${sided}, p ${p.toPrecision(2)} after adjustment`;
    const verdict = better === "none" ? "unclear" : better === sided ? "better" : "worse";
    return { verdict, reason, runsNeeded: null };
  }
  const reason = significant
    ? `${percent(ratio)} ${sided}, which is less than what counts (${percent(1 + margin)}), but it may be more`
    : "the interval contains no difference as well as one that would matter";
  return { verdict: "unclear", reason, runsNeeded: runsToDecide(difference, low, high, margin) };
}

/**
 * An interval narrows with the root of the number of runs. It is to leave out either no difference, or, when
 * the estimate is within the margin, the margin; of an estimate close to it no closer than half the margin
 * is asked for, as the estimate is uncertain itself.
 */
function runsToDecide(
  { runs, ratio }: Difference,
  low: number,
  high: number,
  margin: number,
): number {
  const width = Math.log(high / low) / 2;
  const distance = Math.abs(Math.log(ratio));
  const most = Math.log(1 + margin);
  const wanted = distance >= most ? distance : Math.max(most - distance, most / 2);
  // With no margin nothing is ever the same.
  return wanted === 0 ? runs + 1 : Math.max(runs + 1, Math.ceil(runs * (width / wanted) ** 2));
}
