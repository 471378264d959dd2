/** The answer of a sweep that required figures of its points: whether they were reached. */
import type { SweepRequirement } from "../sweep-record.ts";
import type { Entry } from "./model.ts";
import { formatMetric } from "./units.ts";

/** Yes, no or undecided in one sentence, then a sentence for each figure that was required. */
export function requirementSentences(
  requirements: readonly SweepRequirement[],
  entries: readonly Entry[],
): readonly string[] {
  if (requirements.length === 0) {
    return [];
  }
  const of = (verdict: SweepRequirement["verdict"]) =>
    requirements.filter((each) => each.verdict === verdict).length;
  const [missed, unclear, all] = [of("missed"), of("unclear"), requirements.length];
  const first =
    missed > 0
      ? `No: ${missed} of ${all} required figures ${missed === 1 ? "is" : "are"} missed.`
      : unclear > 0
        ? `Undecided: ${unclear} of ${all} required figures cannot be told from the limit by these runs.`
        : `Yes: ${all === 1 ? "the required figure is" : `all ${all} required figures are`} reached.`;
  return [first, ...requirements.map((each) => sentence(each, entries))];
}

const words = { met: "reached", missed: "missed", unclear: "undecided" } as const;

function sentence(requirement: SweepRequirement, entries: readonly Entry[]): string {
  const { metric, median, low, high, verdict, because } = requirement;
  const entry = entries.find(({ point }) => point === requirement.point);
  const place = Object.values(entry?.parameters ?? {}).join(", ") || requirement.point;
  const figure = (value: number) => formatMetric(metric, value);
  const range = low === null || high === null ? "" : `, interval ${figure(low)} to ${figure(high)}`;
  const measured = median === null ? "not measured" : `median ${figure(median)}${range}`;
  const why = because === "" ? "" : ` (${because})`;
  return `${place}: ${requirement.threshold} is ${words[verdict]}, ${measured}${why}.`;
}
