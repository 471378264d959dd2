/** What points must reach, each judged by the interval of the median over its runs. */
import { medianInterval } from "../stats/order-statistics.ts";
import type { SweepRequirement } from "../sweep-record.ts";
import { keeps, type Threshold } from "../threshold.ts";
import type { FiguresOf, JudgedPoint } from "./judge.ts";
import type { Requirement } from "./spec.ts";
import { ruleHolds } from "./values.ts";

function verdictOf(
  threshold: Threshold,
  interval: { readonly low: number | null; readonly high: number | null },
): SweepRequirement["verdict"] {
  const { low, high } = interval;
  if (low === null || high === null) {
    return "unclear";
  }
  const kept = [low, high].filter((bound) => keeps(threshold, bound)).length;
  return kept === 2 ? "met" : kept === 0 ? "missed" : "unclear";
}

/** One judgement for each requirement and each point that it is asked of. */
export function judgeRequirements(
  requirements: readonly Requirement[],
  points: readonly JudgedPoint[],
  figures: FiguresOf,
): SweepRequirement[] {
  return requirements.flatMap(({ threshold, at, because, goal }) =>
    points
      .filter(({ parameters }) => ruleHolds(at, parameters))
      .map(({ id }) => {
        const { metric, text } = threshold;
        const values = figures(id, metric).filter((value) => value !== null);
        const interval =
          values.length === 0 ? { median: null, low: null, high: null } : medianInterval(values);
        const { median, low, high } = interval;
        const verdict = verdictOf(threshold, interval);
        const judged = { threshold: text, metric, point: id, median, low, high, verdict, because };
        return goal === undefined ? judged : { ...judged, goal };
      }),
  );
}
