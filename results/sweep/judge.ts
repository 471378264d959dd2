/**
 * Verdicts of a sweep: each point against the one that differs from it in the baseline's parameters
 * only. The one place where a sweep decides anything; reports print what it says.
 */
import { metricFacts } from "../metrics.ts";
import { medianInterval } from "../statistics.ts";
import type { SweepComparison } from "../sweep-record.ts";
import { adjusted, pairedRatio } from "./paired.ts";
import type { Point } from "./points.ts";

/** Figures of a metric by block; null where a run has none. */
export type FiguresOf = (point: string, metric: string) => readonly (number | null)[];

export interface JudgeInput {
  readonly points: readonly Point[];
  readonly metrics: readonly string[];
  /** Values of the base's parameters; null: nothing is compared. */
  readonly baseline: Readonly<Record<string, string>> | null;
  readonly figures: FiguresOf;
}

const confidence = 0.95;
/** Ratios this near to 1 are no difference that anybody would act on. */
const margin = 0.02;
/** Fewer pairs have no interval at this confidence. */
const leastPairs = 6;

/** The point that this one is compared with; null for a base and where there is none. */
export function baseOf(
  point: Point,
  points: readonly Point[],
  baseline: Readonly<Record<string, string>>,
): Point | null {
  const wanted = { ...point.parameters, ...baseline };
  const names = Object.keys(wanted);
  const base = points.find((each) => names.every((name) => each.parameters[name] === wanted[name]));
  if (base === undefined) {
    // A parameter that acts at the candidate only has no value at the base.
    const near = points.filter((each) =>
      Object.entries(baseline).every(([name, value]) => each.parameters[name] === value),
    );
    return near.length === 1 && near[0] !== point ? (near[0] ?? null) : null;
  }
  return base === point ? null : base;
}

interface Pairs {
  readonly base: readonly number[];
  readonly candidate: readonly number[];
}

/** Blocks in which both sides have a figure above 0. */
function pairsOf(base: readonly (number | null)[], candidate: readonly (number | null)[]): Pairs {
  const both = base.flatMap((value, block) => {
    const other = candidate[block] ?? null;
    return value !== null && other !== null && value > 0 && other > 0 ? [[value, other]] : [];
  });
  return {
    base: both.map(([value]) => value ?? 0),
    candidate: both.map(([, value]) => value ?? 0),
  };
}

type Judged = Pick<SweepComparison, "verdict" | "reason" | "runs_needed">;

function percent(ratio: number): string {
  return `${Number((100 * Math.abs(ratio - 1)).toPrecision(2))}%`;
}

function verdictOf(found: Comparison, p: number): Judged {
  const { metric, pairs, ratio, low, high } = found;
  if (pairs < leastPairs) {
    const reason = `${pairs} pairs of runs; an interval needs ${leastPairs}`;
    return { verdict: "unclear", reason, runs_needed: leastPairs };
  }
  if (low > 1 - margin && high < 1 + margin) {
    const reason = `the whole interval lies within ${percent(1 + margin)} of no difference`;
    return { verdict: "same", reason, runs_needed: null };
  }
  if ((low > 1 || high < 1) && p <= 1 - confidence) {
    const better = metricFacts(metric)?.better ?? "none";
    const sided = ratio > 1 ? "higher" : "lower";
    const reason = `${percent(ratio)} ${sided}, p ${p.toPrecision(2)} after adjustment`;
    const verdict = better === "none" ? "unclear" : better === sided ? "better" : "worse";
    return { verdict, reason, runs_needed: null };
  }
  // The interval narrows with the root of the number of runs; it must reach the estimate's distance.
  const width = Math.log(high / low) / 2;
  const wanted = Math.max(Math.abs(Math.log(ratio)), Math.log(1 + margin));
  const more = Math.ceil(pairs * (width / wanted) ** 2);
  const reason = "the interval contains no difference as well as one that would matter";
  return { verdict: "unclear", reason, runs_needed: Math.max(pairs + 1, more) };
}

interface Comparison {
  readonly metric: string;
  readonly base: string;
  readonly candidate: string;
  readonly pairs: number;
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly p: number;
}

/** Compares every point with its base in every metric that has a better side. */
export function judge({ points, metrics, baseline, figures }: JudgeInput): SweepComparison[] {
  if (baseline === null) {
    return [];
  }
  const found: Comparison[] = [];
  for (const metric of metrics.filter((name) => metricFacts(name)?.better !== "none")) {
    for (const point of points) {
      const base = baseOf(point, points, baseline);
      const pairs =
        base === null ? null : pairsOf(figures(base.id, metric), figures(point.id, metric));
      if (base !== null && pairs !== null && pairs.base.length > 1) {
        const { ratio, low, high, p } = pairedRatio(pairs.base, pairs.candidate, confidence);
        const ids = { base: base.id, candidate: point.id };
        found.push({ metric, ...ids, pairs: pairs.base.length, ratio, low, high, p });
      }
    }
  }
  const ps = adjusted(found.map((each) => each.p));
  return found.map((each, place) => {
    const p = ps[place] ?? each.p;
    const { metric, base, candidate, ratio } = each;
    // JSON has no infinity: without an interval the bounds are those of the estimate.
    const [low, high] = each.low === 0 ? [ratio, ratio] : [each.low, each.high];
    return { metric, base, candidate, ratio, low, high, p, ...verdictOf(each, p) };
  });
}

/** Half-width of the interval of a median, as a share of it; null when there are too few values. */
export function relativeWidth(figures: readonly (number | null)[]): number | null {
  const values = figures.filter((value) => value !== null);
  if (values.length === 0) {
    return null;
  }
  const { median, low, high } = medianInterval(values, confidence);
  return low === null || high === null || median === 0 ? null : (high - low) / 2 / median;
}
