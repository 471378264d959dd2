/** What readers must know of how the rate went within the runs. */
import type { Caveat, RunSummary } from "./model.ts";
import { names } from "./run-names.ts";
import { formatShare } from "./units.ts";

/** Less is no drift that anybody would act on. */
const leastDrift = 0.03;
const level = 0.01;

/** Times at which something happened, as people read them. */
function seconds(all: readonly number[]): string {
  const shown = all.slice(0, 3).map((ms) => `${Number((ms / 1000).toPrecision(3))} s`);
  return all.length > 3 ? `${shown.join(", ")} and ${all.length - 3} more` : shown.join(" and ");
}

interface Seen {
  readonly run: string;
  readonly words: string;
}

/** What is said of one run; the times are those of one that stands for all. */
function seenIn({ path, course }: RunSummary): Seen[] {
  if (course === null) {
    return [];
  }
  const { warm_up_ms: warm, drift, change_points_ms: changes, outlier_count: outliers } = course;
  const drifts = drift.p <= level && Math.abs(drift.share) >= leastDrift;
  const words = [
    ...(warm > 0
      ? [`its first ${seconds([warm])} differ from the rest (a longer ramp_time= leaves them out)`]
      : []),
    ...(changes.length > 0 ? [`it changed for good at ${seconds(changes)}`] : []),
    ...(drifts && changes.length === 0
      ? [
          `it ${drift.share > 0 ? "rose" : "fell"} by ${formatShare(Math.abs(drift.share))} from start to end`,
        ]
      : []),
    ...(outliers > 0
      ? [`${outliers} of ${course.samples} samples lie far off (${seconds(course.outliers_ms)})`]
      : []),
  ];
  return words.length === 0 ? [] : [{ run: path, words: words.join("; ") }];
}

/** Samples of a run say whether it was steady; how sure its figures are only further runs say. */
export function aboutCourse(runs: readonly RunSummary[]): readonly Caveat[] {
  const seen = runs.flatMap(seenIn);
  const [first] = seen;
  if (first === undefined) {
    return [];
  }
  const which = runs.length === 1 ? "" : ` in ${seen.length} of ${runs.length} runs`;
  const where = runs.length === 1 ? "" : `${names([first.run])}: `;
  const text = `The rate was not the same all the time${which}: ${where}${first.words}.`;
  return [{ kind: "course", weight: "mind", text }];
}
