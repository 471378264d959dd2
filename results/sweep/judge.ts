/**
 * Verdicts of a sweep: each point against the one that differs from it in the baseline's parameters
 * only. The one place where a sweep decides anything; reports print what it says.
 */
import { formatMetric, metricFacts } from "../metrics.ts";
import { asRecorded } from "../recorded-difference.ts";
import { benjaminiHochberg } from "../stats/adjust.ts";
import { medianInterval } from "../stats/order-statistics.ts";
import {
  contrastOf,
  type Difference,
  decide,
  type Gap,
  type Sides,
  sidesOf,
} from "../stats/verdict.ts";
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
/** Value of a parameter that does not act at a point (`when:`). */
export const notActing = "-";
/** Points that are named where many are meant. */
const mostNamed = 4;
/** Unless the sweep file says otherwise. */
export const usualMargin = 0.02;

/** Whether a parameter has one value only at each combination of the baseline's: they change together. */
function tiedTo(
  baseline: Readonly<Record<string, string>>,
  points: readonly JudgedPoint[],
): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) {
      return before;
    }
    const values = new Map<string, string | undefined>();
    const tied = points.every(({ parameters }) => {
      const key = JSON.stringify(Object.keys(baseline).map((each) => parameters[each]));
      const value = parameters[name];
      const first = values.has(key) ? values.get(key) : value;
      values.set(key, first);
      return first === value;
    });
    known.set(name, tied);
    return tied;
  };
}

/**
 * Answers the point that one is compared with: the one that differs from it in the baseline's parameters
 * only, in those that act at one of both only, and in those that change with the baseline's. Null for a base
 * itself, and where no point is so, or several are.
 */
export function basesOf<P extends JudgedPoint>(
  points: readonly P[],
  baseline: Readonly<Record<string, string>>,
): (point: P) => P | null {
  const own = Object.entries(baseline);
  const bases = points.filter(({ parameters }) =>
    own.every(([name, value]) => parameters[name] === value),
  );
  const tied = tiedTo(baseline, points);
  return (point) => {
    if (bases.includes(point)) {
      return null;
    }
    const others = (base: P) =>
      [...new Set([...Object.keys(point.parameters), ...Object.keys(base.parameters)])].filter(
        (name) => !Object.hasOwn(baseline, name),
      );
    const alike = (base: P, loosely: boolean) =>
      others(base).every((name) => {
        const [here, there] = [point.parameters[name], base.parameters[name]];
        const idle = [here, there].some((value) => value === undefined || value === notActing);
        return here === there || (loosely && (idle || tied(name)));
      });
    const exact = bases.find((base) => alike(base, false));
    const near = bases.filter((base) => alike(base, true));
    return exact ?? (near.length === 1 ? (near[0] ?? null) : null);
  };
}

/** Points that are no base and have none. */
export function withoutBase<P extends JudgedPoint>(
  points: readonly P[],
  baseline: Readonly<Record<string, string>>,
): readonly P[] {
  const baseOf = basesOf(points, baseline);
  const isBase = ({ parameters }: P) =>
    Object.entries(baseline).every(([name, value]) => parameters[name] === value);
  return points.filter((point) => !isBase(point) && baseOf(point) === null);
}

/** In words what is not compared with anything, and why; null when all is. */
export function loneText(
  points: readonly JudgedPoint[],
  baseline: Readonly<Record<string, string>>,
): string | null {
  const lone = withoutBase(points, baseline);
  if (lone.length === 0) {
    return null;
  }
  const names = Object.keys(baseline).join(" and ");
  const of = ({ parameters }: JudgedPoint) =>
    Object.entries(parameters)
      .filter(([, value]) => value !== notActing)
      .map(([name, value]) => `${name}=${value}`)
      .join(", ");
  const shown = lone.slice(0, mostNamed).map(of).join("; ");
  const more = lone.length > mostNamed ? `; and ${lone.length - mostNamed} more` : "";
  return (
    `${lone.length} of ${points.length} points ${lone.length === 1 ? "is" : "are"} compared with ` +
    `nothing, as there is not just one point that differs in ${names} only: ${shown}${more}`
  );
}

/** What is compared, before all p values are known. */
interface Compared {
  readonly metric: string;
  readonly base: string;
  readonly candidate: string;
  /** Of the blocks in which both have a figure. */
  readonly sides: Sides;
  readonly found: Difference | Gap;
}

/**
 * Compares every point with its base in every metric that has a better side. A verdict needs both: an
 * interval that does not hold 1, and a p of the same test that is small enough after adjustment for all
 * comparisons of the metric. Where a figure is 0, differences take the place of ratios.
 */
export function judge(input: JudgeInput): SweepComparison[] {
  const { points, baseline } = input;
  return baseline === null ? [] : judgeAgainst(input, basesOf(points, baseline));
}

/** The same of any pairs: `baseOf` answers what a point is compared with. */
export function judgeAgainst(
  input: Omit<JudgeInput, "baseline">,
  baseOf: (point: JudgedPoint) => JudgedPoint | null,
): SweepComparison[] {
  const { metrics } = input;
  const compared = comparedOf(input, baseOf);
  const adjusted = new Map(
    metrics.flatMap((metric) => {
      const own = compared.filter((each) => each.metric === metric);
      const ps = benjaminiHochberg(own.map(({ found }) => found.p));
      return own.map((each, place) => [each, ps[place] ?? each.found.p] as const);
    }),
  );
  return compared.map((each) => comparisonOf(each, adjusted.get(each) ?? each.found.p, input));
}

function comparedOf(
  input: Omit<JudgeInput, "baseline">,
  baseOf: (point: JudgedPoint) => JudgedPoint | null,
): Compared[] {
  const { points, metrics, figures, confidence = usualConfidence } = input;
  return metrics
    .filter((name) => metricFacts(name)?.better !== "none")
    .flatMap((metric) =>
      points.flatMap((point) => {
        const base = baseOf(point);
        if (base === null) {
          return [];
        }
        const sides = sidesOf(figures(base.id, metric), figures(point.id, metric), true);
        const found = contrastOf(sides, true, confidence);
        return found === null || found.runs < 2
          ? []
          : [{ metric, base: base.id, candidate: point.id, sides, found }];
      }),
    );
}

function comparisonOf(
  { metric, base, candidate, sides, found }: Compared,
  p: number,
  { confidence = usualConfidence, margin = usualMargin }: Omit<JudgeInput, "baseline">,
): SweepComparison {
  const better = metricFacts(metric)?.better ?? "none";
  const format = (value: number) => formatMetric(metric, value);
  const { verdict, reason, runsNeeded } = decide(found, p, { confidence, margin, better, format });
  return {
    metric,
    base,
    candidate,
    ...asRecorded(found),
    base_median: medianInterval(sides.base).median,
    candidate_median: medianInterval(sides.candidate).median,
    runs: found.runs,
    p_alone: found.p,
    p,
    verdict,
    reason,
    runs_needed: runsNeeded,
  };
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
