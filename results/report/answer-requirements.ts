/** The answer of a sweep that required figures of its points: whether they were reached. */
import type { SweepRequirement } from "../sweep-record.ts";
import type { Entry, RunSummary } from "./model.ts";
import { formatMetric, formatSeconds, formatShare, metricTitle } from "./units.ts";

/** Of single runs of one point: beyond it they are not samples of one level, and a median is of neither. */
const severalLevels = 2;

/** Yes, no or undecided in one sentence, then a sentence for each figure that was required. */
export function requirementSentences(
  requirements: readonly SweepRequirement[],
  entries: readonly Entry[],
  runs: readonly RunSummary[] = [],
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
  return [
    `${first}${levelsOf(requirements, entries)}`,
    ...requirements.map((each) => sentence(each, entries)),
    ...measuredWhen(runs),
  ];
}

/** Smallest and largest single run, and how many times the one the other is; null of fewer than two. */
function spreadOf({ metric, point }: SweepRequirement, entries: readonly Entry[]) {
  const value = entries.find((entry) => entry.point === point)?.metrics[metric];
  return value === undefined || value.values.length < 2 || value.low <= 0
    ? null
    : { low: value.low, high: value.high, times: value.high / value.low };
}

/** What an answer from one stretch of time cannot promise. */
function levelsOf(requirements: readonly SweepRequirement[], entries: readonly Entry[]): string {
  const wide = requirements.flatMap((each) => {
    const times = spreadOf(each, entries)?.times ?? 1;
    const what = `${metricTitle(each.metric)} of ${placeOf(each, entries)} ${factor(times)} times`;
    return times > severalLevels ? [what] : [];
  });
  return wide.length === 0
    ? ""
    : ` The device has several levels, and the answer holds for what was measured: single runs lie apart in ${[...new Set(wide)].join(", ")}.`;
}

const factor = (times: number) => String(Number(times.toPrecision(3)));

/** When and over how long the runs were made, and how busy others kept the machine meanwhile. */
function measuredWhen(runs: readonly RunSummary[]): readonly string[] {
  const starts = runs.map(({ started }) => Date.parse(started)).filter(Number.isFinite);
  if (starts.length === 0) {
    return [];
  }
  const ends = runs.map(({ started, seconds }) => Date.parse(started) + seconds * 1000);
  const [from, to] = [Math.min(...starts), Math.max(...ends.filter(Number.isFinite))];
  const at = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
  return [
    `Measured from ${at(from)} to ${at(to)} UTC, ${runs.length} runs within ` +
      `${formatSeconds(Math.round((to - from) / 1000))}; ${othersOf(runs)}.`,
  ];
}

function othersOf(runs: readonly RunSummary[]): string {
  const shares = runs.flatMap(({ othersCpuShare: share }) => (share === undefined ? [] : [share]));
  const told = runs.filter(({ others }) => others.length > 0).length;
  if (shares.length === 0) {
    return "what others had of the machine meanwhile was not recorded";
  }
  const [low, high] = [Math.min(...shares), Math.max(...shares)].map(formatShare);
  const more = told === 0 ? "" : `, enough to be told of ${told} of ${runs.length} runs`;
  return `others had ${low === high ? low : `${low} to ${high}`} of the CPUs meanwhile${more}`;
}

function placeOf(requirement: SweepRequirement, entries: readonly Entry[]): string {
  const entry = entries.find(({ point }) => point === requirement.point);
  return Object.values(entry?.parameters ?? {}).join(", ") || requirement.point;
}

const words = { met: "reached", missed: "missed", unclear: "undecided" } as const;

function sentence(requirement: SweepRequirement, entries: readonly Entry[]): string {
  const { metric, median, low, high, verdict, because } = requirement;
  const place = placeOf(requirement, entries);
  const spread = spreadOf(requirement, entries);
  const figure = (value: number) => formatMetric(metric, value);
  const range = low === null || high === null ? "" : `, interval ${figure(low)} to ${figure(high)}`;
  const measured = median === null ? "not measured" : `median ${figure(median)}${range}`;
  const apart =
    spread === null
      ? ""
      : `, single runs ${figure(spread.low)} to ${figure(spread.high)} (${factor(spread.times)} times)`;
  const why = because === "" ? "" : ` (${because})`;
  return `${place}: ${requirement.threshold} is ${words[verdict]}, ${measured}${apart}${why}.`;
}
