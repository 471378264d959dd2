/**
 * Each value of a parameter against the one before it (`steps: NAME`): up to which value a figure still
 * changes. The same test as of comparisons with the baseline, adjusted among the steps of a metric.
 */
import type { SweepComparison } from "../sweep-record.ts";
import { type JudgedPoint, type JudgeInput, judgeAgainst } from "./judge.ts";

export interface StepsInput extends Omit<JudgeInput, "baseline"> {
  readonly along: string;
  /** Of the parameter, in the order of the sweep file. */
  readonly values: readonly string[];
}

/** Answers the point that differs from one in the nearest value before its own, of those that are there. */
function beforeOf(
  points: readonly JudgedPoint[],
  along: string,
  values: readonly string[],
): (point: JudgedPoint) => JudgedPoint | null {
  const keyOf = ({ parameters }: JudgedPoint, value = parameters[along]) =>
    JSON.stringify(
      Object.entries({ ...parameters, [along]: value }).sort(([a], [b]) => a.localeCompare(b)),
    );
  const known = new Map(points.map((point) => [keyOf(point), point]));
  return (point) => {
    const earlier = values.slice(0, Math.max(0, values.indexOf(point.parameters[along] ?? "")));
    return earlier.reduceRight<JudgedPoint | null>(
      (found, value) => found ?? known.get(keyOf(point, value)) ?? null,
      null,
    );
  };
}

export function judgeSteps(input: StepsInput): SweepComparison[] {
  return judgeAgainst(input, beforeOf(input.points, input.along, input.values));
}
