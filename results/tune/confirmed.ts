/** What the fresh pairs say: a verdict for each winner, and whether the limits were kept. */
import { metric } from "../metrics.ts";
import type { RunRecord } from "../run-record.ts";
import type { SweepComparison, SweepRecord } from "../sweep-record.ts";
import { type Goal, keeps, median } from "./problem.ts";
import type { TuneSpec } from "./spec.ts";
import { sideName, winnerName } from "./trials.ts";
import type { TuneConfirmed, TuneKept } from "./tune-record.ts";

/** Every limit at every side, from the runs that are there. */
export function keptOf(
  { limits }: Pick<TuneSpec, "limits">,
  { points }: SweepRecord,
  runOf: (run: string) => RunRecord | null,
): readonly TuneKept[] {
  return points.flatMap(({ id, parameters, runs }) => {
    const there = runs.flatMap((run) => runOf(run) ?? []);
    return limits.map((limit): TuneKept => {
      const figures = there.flatMap((record) => metric(record, limit.metric) ?? []);
      return {
        configuration: parameters[sideName] ?? id,
        limit: limit.text,
        median: figures.length === 0 ? null : median(figures),
        kept: figures.filter((figure) => keeps(limit, figure)).length,
        runs: there.length,
      };
    });
  });
}

/** The comparisons of the confirming sweep by the names of its sides. */
export function namedComparisons({ points, comparisons }: SweepRecord): readonly SweepComparison[] {
  const named = new Map(points.map(({ id, parameters }) => [id, parameters[sideName] ?? id]));
  return comparisons.map((each) => ({
    ...each,
    base: named.get(each.base) ?? each.base,
    candidate: named.get(each.candidate) ?? each.candidate,
  }));
}

type Verdict = SweepComparison["verdict"];

/** Of several goals: better in one and worse in none, the other way round, or neither. */
function together(verdicts: readonly Verdict[]): Verdict {
  const better = verdicts.includes("better");
  const worse = verdicts.includes("worse");
  if (better !== worse) {
    return better ? "better" : "worse";
  }
  return verdicts.length > 0 && verdicts.every((each) => each === "same") ? "same" : "unclear";
}

export function confirmedOf(
  goals: readonly Goal[],
  chosen: readonly string[],
  comparisons: readonly SweepComparison[],
): readonly TuneConfirmed[] {
  return chosen.map((trial, place) => {
    const configuration = winnerName(place);
    const own = goals.flatMap(({ metric: name }) =>
      comparisons.filter((each) => each.metric === name && each.candidate === configuration),
    );
    return { configuration, trial, verdict: together(own.map(({ verdict }) => verdict)) };
  });
}
