/** The answer of a tuning in sentences; the first one stands alone. */
import { formatMetric, metricFacts } from "../metrics.ts";
import { differenceText, intervalText } from "../recorded-difference.ts";
import { leastSeconds } from "../sweep/plan-sweep.ts";
import type { SweepComparison } from "../sweep-record.ts";
import { changedOf } from "./standard.ts";
import { defaultId } from "./trials.ts";
import type { TuneConfirmed, TuneImportance, TuneKept, TuneRecord } from "./tune-record.ts";

type Answered = Omit<TuneRecord, "answer">;

/** `12%`, `0.4%`. */
export function percentOf(share: number): string {
  return `${Number((100 * share).toPrecision(Math.abs(share) < 0.1 ? 2 : 3))}%`;
}

/** `bs=64k, iodepth=8`; what does not act, and what is the default anyway, is left out. */
export function settingsText(
  parameters: Readonly<Record<string, string>>,
  standard: Readonly<Record<string, string>>,
): string {
  const parts = Object.entries(changedOf(parameters, standard));
  return parts.length === 0
    ? "nothing set"
    : parts.map(([name, value]) => `${name}=${value}`).join(", ");
}

const label = (metric: string) => metricFacts(metric)?.label ?? metric;

/** `23% higher IOPS (95% interval 18% to 28% higher)`. */
function changeText(each: SweepComparison): string {
  const { metric, ratio, low, high } = each;
  if (ratio === null) {
    const range = intervalText(each);
    const interval = range === null ? "no interval" : `95% interval ${range}`;
    return `${label(metric)} ${differenceText(each)} (${interval})`;
  }
  const signed = (value: number) => `${value >= 1 ? "+" : ""}${percentOf(value - 1)}`;
  const none = low === null || high === null || intervalText(each) === null;
  const interval = none ? "no interval" : `95% interval ${signed(low)} to ${signed(high)}`;
  return `${label(metric)} ${signed(ratio)} (${interval})`;
}

function medianText(record: Answered, trial: string): string {
  const belief = record.beliefs.find((each) => each.trial === trial);
  const parts = record.goals.map(({ metric }) => {
    const figure = belief?.figures[metric] ?? null;
    return `${label(metric)} ${figure === null ? "not measured" : formatMetric(metric, figure)}`;
  });
  return parts.join(", ");
}

function parametersOf(record: Answered, trial: string): Readonly<Record<string, string>> {
  return record.trials.find(({ id }) => id === trial)?.parameters ?? {};
}

/** Limits that a side did not keep in the median of its fresh runs. */
function brokenBy({ kept }: Answered, configuration: string): readonly TuneKept[] {
  return kept.filter((each) => {
    const mostly = each.kept * 2 > each.runs;
    return each.configuration === configuration && each.runs > 0 && !mostly;
  });
}

export function brokenLimits(record: Answered, configuration: string): readonly string[] {
  return brokenBy(record, configuration).map(({ limit }) => limit);
}

function winnerSentence(record: Answered, winner: TuneConfirmed): string {
  const { configuration, trial, verdict } = winner;
  const settings = settingsText(parametersOf(record, trial), record.standard);
  const own = record.goals.flatMap(({ metric }) =>
    record.comparisons.filter((c) => c.metric === metric && c.candidate === configuration),
  );
  const change = own.map(changeText).join("; ");
  const broken = brokenLimits(record, configuration);
  if (broken.length > 0) {
    return `${settings} did not keep ${broken.join(" and ")} in fresh runs, so it is no answer (${change}).`;
  }
  const against = `in ${record.planned.pairs} fresh pairs of runs against the default`;
  const verdicts = own.map((each) => each.verdict);
  if (verdicts.includes("better") && verdicts.includes("worse")) {
    const told = own.map((each) => `${each.verdict} in ${changeText(each)}`).join("; ");
    return `${settings} is a trade against the default: ${told}, ${against}; which goal counts more decides.`;
  }
  switch (verdict) {
    case "better":
      return `${settings} is better than the default: ${change}, ${against}.`;
    case "worse":
      return `Nothing found beats the default: the best of the search, ${settings}, is worse in fresh runs: ${change}.`;
    case "same":
      return `Nothing found beats the default: the best of the search, ${settings}, is the same in fresh runs: ${change}.`;
    default: {
      const needed = own.flatMap(({ runs_needed: runs }) => runs ?? []);
      const more =
        needed.length === 0 ? "" : `; about ${Math.max(...needed)} pairs would decide it`;
      return `Whether ${settings} beats the default is not clear: ${change}, ${against}${more}.`;
    }
  }
}

/** What stands first: the verdict on the winner, or why there is none. */
function verdictSentences(record: Answered): readonly string[] {
  const [first, ...others] = record.confirmed;
  if (first !== undefined && record.comparisons.length > 0) {
    return [winnerSentence(record, first), ...others.map((one) => winnerSentence(record, one))];
  }
  const [leading] = record.leading;
  if (leading === undefined) {
    const ran = record.beliefs.length;
    return ran === 0
      ? ["Nothing was measured yet, so there is no answer."]
      : [
          `No configuration of the ${ran} that ran keeps ${record.limits.join(" and ")}, so there is no answer.`,
        ];
  }
  const settings = settingsText(parametersOf(record, leading), record.standard);
  if (record.preview === true) {
    return [
      `No verdict: runs of less than ${leastSeconds} s are a preview, which gets none; the best so far is ${settings} (${medianText(record, leading)}). Give the job runtime=${leastSeconds} or more for a verdict.`,
    ];
  }
  return [
    `No verdict yet: the best so far is ${settings} (${medianText(record, leading)}), not confirmed against the default.`,
  ];
}

function limitSentence({ kept, confirmed }: Answered): readonly string[] {
  const [first] = confirmed;
  const own = kept.filter(({ configuration }) => configuration === first?.configuration);
  return own.flatMap(({ limit, kept: good, runs, median }) => {
    const metric = limit.split(/[\s<>=]/)[0] ?? "";
    const figure = median === null ? "" : `, median ${formatMetric(metric, median)}`;
    const base = kept.find((each) => each.configuration === defaultId && each.limit === limit);
    const other = base === undefined ? "" : `; the default kept it in ${base.kept} of ${base.runs}`;
    return runs === 0 ? [] : [`${limit} held in ${good} of ${runs} fresh runs${figure}${other}.`];
  });
}

function importanceText({ parameter, share, effect, best }: TuneImportance): string {
  return (
    `${parameter} (${percentOf(share.value)} of the differences between runs, ` +
    `${percentOf(share.low)} to ${percentOf(share.high)}; best at ${best}, ` +
    `${effect.value.toFixed(2)} times as good as the worst)`
  );
}

/** A share whose interval begins above this is more than nothing. */
const leastShare = 0.01;

function importanceSentence({ importance, goals, noise }: Answered): readonly string[] {
  return goals.flatMap(({ metric }) => {
    const own = importance.filter((each) => each.metric === metric);
    const clear = own.filter(({ share }) => share.low > leastShare).slice(0, 3);
    const spread = noise[metric];
    const runs =
      spread === undefined ? "" : ` Runs of one configuration differ by ${percentOf(spread)}.`;
    if (own.length === 0) {
      return [];
    }
    return clear.length === 0
      ? [`No parameter is shown to matter for ${label(metric)}.${runs}`]
      : [`What mattered for ${label(metric)}: ${clear.map(importanceText).join("; ")}.${runs}`];
  });
}

function searchSentence({ steps, trials, choices, method, seed, front, goals }: Answered): string {
  const searched = steps.filter(({ why }) => why !== "reference");
  const failed = trials.filter((trial) => trial.failed !== undefined).length;
  const some = failed === 0 ? "" : `; ${failed} could not run`;
  const both = goals.length > 1 ? `; ${front.length} of them are not beaten in both goals` : "";
  return (
    `The search (${method}, seed ${seed}) made ${searched.length} runs of ` +
    `${trials.filter(({ choice }) => choice !== null).length} configurations out of ${choices}${some}${both}.`
  );
}

export function answerOf(record: Answered): readonly string[] {
  const sentences = verdictSentences(record);
  const partial = record.state === "partial" ? "Partial results: " : "";
  const [first = "", ...rest] = sentences;
  return [
    `${partial}${first}`,
    ...rest,
    ...limitSentence(record),
    ...importanceSentence(record),
    searchSentence(record),
  ];
}
