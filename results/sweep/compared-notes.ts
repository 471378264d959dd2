/** What a sweep with a baseline does not compare, in words: for the terminal and the report. */
import { leastRuns } from "../stats/verdict.ts";
import type { SweepRecord } from "../sweep-record.ts";
import { loneText } from "./judge.ts";

/** Without capitals and full stops; none where there is no baseline. */
export function comparedNotes(sweep: SweepRecord): readonly string[] {
  const { points, baseline, preview } = sweep;
  if (baseline === undefined || baseline === null || points.length < 2) {
    return [];
  }
  const lone = loneText(points, baseline);
  const fewest = Math.min(...points.map(({ runs }) => runs.length));
  const runs = fewest === 1 ? "one run" : `${fewest} runs`;
  const few = `there are no verdicts: each point has ${runs}, and an interval of 95% needs ${leastRuns} (--repeat ${leastRuns})`;
  return [
    ...(preview ? ["there are no verdicts: a preview compares nothing with the baseline"] : []),
    ...(!preview && fewest < leastRuns ? [few] : []),
    ...(lone === null ? [] : [lone]),
  ];
}
