/**
 * Two sides of a comparison, each a list of figures of independent runs: by how much they differ, how
 * sure that is, and what follows. The rules are those of harness.md 5.2.
 */
import { medianInterval } from "./order-statistics.ts";
import { pairedShift } from "./paired.ts";
import { cliffsDelta, rankSum, shiftOf } from "./rank-sum.ts";

export type Verdict = "better" | "worse" | "same" | "unclear";

export interface VerdictRules {
  readonly confidence: number;
  /** A ratio this near to 1, as a share, is no difference that anybody would act on. */
  readonly margin: number;
  /** Which direction is good; `none`: neither. */
  readonly better: "higher" | "lower" | "none";
  /** Differences between equal runs of this machine, as a share: below it nothing is believed. */
  readonly noiseFloor?: number;
  /** Figures for a person, in their unit. */
  readonly format?: (value: number) => string;
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

/** Figures of which some are 0, so that no ratio can be formed: how far they lie apart, in their own unit. */
export interface Gap {
  readonly runs: number;
  readonly paired: boolean;
  /** Candidate less base, and the interval; `null`: too few runs for one. */
  readonly gap: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly p: number;
  readonly cliffsDelta: number;
  /** Of the base's figures. */
  readonly median: number;
}

/** Both sides' figures of runs that have one; of pairs those of which both have. */
export interface Sides {
  readonly base: readonly number[];
  readonly candidate: readonly number[];
}

type Figures = readonly (number | null | undefined)[];

export function sidesOf(base: Figures, candidate: Figures, paired: boolean): Sides {
  const own = (values: Figures) =>
    values.flatMap((value) => (value === null || value === undefined ? [] : [value]));
  if (!paired) {
    return { base: own(base), candidate: own(candidate) };
  }
  const both = base.flatMap((value, place) => {
    const other = candidate[place];
    const whole = value !== null && value !== undefined && other !== null && other !== undefined;
    return whole ? [[value, other] as const] : [];
  });
  return { base: both.map(([value]) => value), candidate: both.map(([, value]) => value) };
}

/** By ratio; by difference where a figure is 0 or less. `null`: a side has no figure. */
export function contrastOf(
  { base, candidate }: Sides,
  paired: boolean,
  confidence = 0.95,
): Difference | Gap | null {
  if (base.length === 0 || candidate.length === 0) {
    return null;
  }
  const runs = Math.min(base.length, candidate.length);
  const sizes = { runs, paired, cliffsDelta: cliffsDelta(base, candidate) };
  const apart = (map: (value: number) => number) => {
    const [a, b] = [base.map(map), candidate.map(map)];
    return paired
      ? pairedShift(
          b.map((value, place) => value - (a[place] as number)),
          confidence,
        )
      : { ...shiftOf(a, b, confidence), p: rankSum(base, candidate).p };
  };
  if ([...base, ...candidate].every((value) => value > 0)) {
    const { shift, low, high, p } = apart(Math.log);
    const bound = (value: number | null) => (value === null ? null : Math.exp(value));
    return { ...sizes, ratio: Math.exp(shift), low: bound(low), high: bound(high), p };
  }
  const { shift, low, high, p } = apart((value) => value);
  return { ...sizes, gap: shift, low, high, p, median: medianInterval(base).median };
}

/** The same by ratio only, of the figures above 0; `null`: there are none. */
export function differenceOf(
  base: readonly number[],
  candidate: readonly number[],
  paired: boolean,
  confidence = 0.95,
): Difference | null {
  const above = (values: readonly number[]) => values.map((value) => (value > 0 ? value : null));
  const found = contrastOf(sidesOf(above(base), above(candidate), paired), paired, confidence);
  return found !== null && "ratio" in found ? found : null;
}

/** The fewest runs a side whose ranks can decide anything at this confidence; at least six. */
export function fewestRuns(confidence: number, paired: boolean): number {
  // Of all arrangements two are the most extreme ones. The t test has no such bound.
  let arrangements = 2;
  let runs = 1;
  for (; runs < leastRuns || (!paired && 2 / arrangements > 1 - confidence + 1e-12); runs += 1) {
    const next = runs + 1;
    arrangements *= (2 * next * (2 * next - 1)) / next ** 2;
  }
  return runs;
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

/** A difference as it is decided: 0 is none, whatever it is measured in. */
interface Apart {
  readonly runs: number;
  readonly shift: number;
  readonly low: number;
  readonly high: number;
  /** What does not count on either side; as a ratio's interval lies unevenly around 1, so do these. */
  readonly least: readonly [below: number, above: number];
  readonly size: string;
  readonly within: string;
}

function apartOf(
  found: Difference | Gap,
  low: number,
  high: number,
  { margin, format = String }: VerdictRules,
): Apart {
  const { runs } = found;
  if ("ratio" in found) {
    const shift = Math.log(found.ratio);
    const least = [Math.log(1 - margin), Math.log(1 + margin)] as const;
    const bounds = { low: Math.log(low), high: Math.log(high) };
    const size = percent(found.ratio);
    return { runs, shift, ...bounds, least, size, within: percent(1 + margin) };
  }
  const most = margin * Math.abs(found.median);
  const within = most === 0 ? "nothing" : format(most);
  const size = format(Math.abs(found.gap));
  return { runs, shift: found.gap, low, high, least: [-most, most], size, within };
}

/** Decides, with the p value adjusted for all comparisons that were made. */
export function decide(found: Difference | Gap, p: number, rules: VerdictRules): Decision {
  const { runs, paired } = found;
  const { confidence, better, noiseFloor = 0 } = rules;
  const what = paired ? "pairs of runs" : "runs a side";
  if (found.low === null || found.high === null || runs < leastRuns) {
    const fewest = fewestRuns(confidence, paired);
    const reason = `${runs} ${what}; an interval needs ${fewest}`;
    return { verdict: "unclear", reason, runsNeeded: Math.max(fewest, runs + 1) };
  }
  const apart = apartOf(found, found.low, found.high, rules);
  const { shift, low, high, least, size, within } = apart;
  if (low === 0 && high === 0) {
    return { verdict: "same", reason: "there is no difference at all", runsNeeded: null };
  }
  if (low > least[0] && high < least[1]) {
    const reason = `the whole interval lies within ${within} of no difference`;
    return { verdict: "same", reason, runsNeeded: null };
  }
  const alone = low > 0 || high < 0;
  const significant = alone && p <= 1 - confidence;
  if (significant && "ratio" in found && Math.abs(found.ratio - 1) < noiseFloor) {
    const reason = `${size} is less than equal runs differ on this machine (${percent(1 + noiseFloor)})`;
    return { verdict: "unclear", reason, runsNeeded: null };
  }
  const sided = shift > 0 ? "higher" : "lower";
  if (significant && (shift >= least[1] || shift <= least[0])) {
    const reason = `${size} ${sided}, p ${p.toPrecision(2)} after adjustment`;
    const verdict = better === "none" ? "unclear" : better === sided ? "better" : "worse";
    return { verdict, reason, runsNeeded: null };
  }
  const reason = significant
    ? `${size} ${sided}, which is less than what counts (${within}), but it may be more`
    : alone
      ? `the interval leaves out no difference, but among all that was compared p is ${p.toPrecision(2)}`
      : "the interval contains no difference as well as one that would matter";
  return { verdict: "unclear", reason, runsNeeded: runsToDecide(apart, significant || !alone) };
}

/**
 * An interval narrows with the root of the number of runs. It is to leave out either no difference, or, when
 * the estimate is within the margin, the margin; of an estimate close to it no closer than half the margin
 * is asked for, as the estimate is uncertain itself. Where it leaves out no difference already, and only the
 * adjustment stands against it, half as many runs again are a guess.
 */
function runsToDecide({ runs, shift, low, high, least }: Apart, byWidth: boolean): number {
  if (!byWidth) {
    return Math.ceil(1.5 * runs);
  }
  const width = (high - low) / 2;
  const distance = Math.abs(shift);
  const [, most] = least;
  const wanted = distance >= most ? distance : Math.max(most - distance, most / 2);
  // With no margin nothing is ever the same.
  return wanted === 0 ? runs + 1 : Math.max(runs + 1, Math.ceil(runs * (width / wanted) ** 2));
}
