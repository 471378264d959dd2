/**
 * Verdicts of a sweep: each point against the one that differs from it in the baseline's parameters
 * only. The one place where a sweep decides anything; reports print what it says.
 */
import { metricFacts } from "../metrics.ts";
import { benjaminiHochberg } from "../stats/adjust.ts";
import { medianInterval } from "../stats/order-statistics.ts";
import { pairedStudentP } from "../stats/student.ts";
import { type Difference, decide, differenceOf } from "../stats/verdict.ts";
import type { SweepComparison } from "../sweep-record.ts";

/** What of a point decides with which other it is compared. */
export interface JudgedPoint {
  readonly id: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Figures of a metric by block; null where a run has none. */
export type FiguresOf = (point: string, metric: string) => readonly (number | null)[];

export interface JudgeInput {
  readonly points: readonly JudgedPoint[];
  readonly metrics: readonly string[];
  /** Values of the base's parameters; null: nothing is compared. */
  readonly baseline: Readonly<Record<string, string>> | null;
  readonly figures: FiguresOf;
  /** Of the intervals and of the p values' level; more than the usual one at looks before the end. */
  readonly confidence?: number;
  /** Ratios this near to 1, as a share, are no difference that anybody would act on. */
  readonly margin?: number;
}

const usualConfidence = 0.95;
/** Unless the sweep file says otherwise. */
export const usualMargin = 0.02;

/** The point that this one is compared with; null for a base and where there is none. */
export function baseOf<P extends JudgedPoint>(
  point: P,
  points: readonly P[],
  baseline: Readonly<Record<string, string>>,
): P | null {
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

/** What is compared, before all p values are known. */
interface Compared {
  readonly metric: string;
  readonly base: string;
  readonly candidate: string;
  readonly difference: Difference;
  /** Not adjusted. */
  readonly p: number;
}

/** Figures by block, so that one of each block is a pair; 0 where a run has none. */
const byBlock = (figures: readonly (number | null)[]) => figures.map((figure) => figure ?? 0);

/** Of the blocks in which both sides have a figure above 0. */
function pairedP(base: readonly number[], candidate: readonly number[]): number {
  const both = base.flatMap((value, block) => {
    const other = candidate[block] ?? 0;
    return value > 0 && other > 0 ? [[value, other] as const] : [];
  });
  return pairedStudentP(
    both.map(([value]) => value),
    both.map(([, value]) => value),
  );
}

/**
 * Compares every point with its base in every metric that has a better side. A verdict needs both: an
 * interval by ranks that does not hold 1, and a p by the t test on logarithms that is small enough after
 * adjustment for all comparisons of the metric.
 */
export function judge({
  points,
  metrics,
  baseline,
  figures,
  confidence = usualConfidence,
  margin = usualMargin,
}: JudgeInput): SweepComparison[] {
  if (baseline === null) {
    return [];
  }
  const found: Compared[] = [];
  for (const metric of metrics.filter((name) => metricFacts(name)?.better !== "none")) {
    for (const point of points) {
      const base = baseOf(point, points, baseline);
      const a = base === null ? [] : byBlock(figures(base.id, metric));
      const b = byBlock(figures(point.id, metric));
      const difference = base === null ? null : differenceOf(a, b, true, confidence);
      if (base !== null && difference !== null && difference.runs > 1) {
        const p = pairedP(a, b);
        found.push({ metric, base: base.id, candidate: point.id, difference, p });
      }
    }
  }
  const adjusted = new Map(
    metrics.flatMap((metric) => {
      const own = found.filter((each) => each.metric === metric);
      const ps = benjaminiHochberg(own.map((each) => each.p));
      return own.map((each, place) => [each, ps[place] ?? each.p] as const);
    }),
  );
  return found.map((each) => {
    const { metric, base, candidate, difference } = each;
    const p = adjusted.get(each) ?? each.p;
    const better = metricFacts(metric)?.better ?? "none";
    const { verdict, reason, runsNeeded } = decide(difference, p, { confidence, margin, better });
    // JSON has no infinity: without an interval the bounds are those of the estimate.
    const { ratio, low, high } = difference;
    const bounds = { low: low ?? ratio, high: high ?? ratio };
    return {
      metric,
      base,
      candidate,
      ratio,
      ...bounds,
      p,
      verdict,
      reason,
      runs_needed: runsNeeded,
    };
  });
}

/** Half-width of the interval of a median, as a share of it; null when there are too few values. */
export function relativeWidth(figures: readonly (number | null)[]): number | null {
  const values = figures.filter((value) => value !== null);
  if (values.length === 0) {
    return null;
  }
  const { median, low, high } = medianInterval(values, usualConfidence);
  return low === null || high === null || median === 0 ? null : (high - low) / 2 / median;
}
