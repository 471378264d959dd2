/** The answer in a sentence, and the sentences that explain it. */
import type { LayerTax } from "../sweep/layer-tax.ts";
import type { SweepComparison, SweepRequirement } from "../sweep-record.ts";
import { choiceSentences } from "./answer-choice.ts";
import { effectSentences } from "./answer-effects.ts";
import { goalSentences } from "./answer-goals.ts";
import { growthOf, offeredOf } from "./answer-growth.ts";
import { layerSentences } from "./answer-layers.ts";
import { pickSentences } from "./answer-pick.ts";
import { requirementSentences } from "./answer-requirements.ts";
import { type StepsInput, stepSentences } from "./answer-steps.ts";
import type { Entry, RunSummary, TimeLine } from "./model.ts";
import {
  formatBandwidth,
  formatCount,
  formatMetric,
  formatNs,
  formatSeconds,
  hasBetter,
  higherIsBetter,
  metricHeading,
  metricTitle,
} from "./units.ts";

export interface AnswerInput {
  readonly state: "complete" | "partial";
  readonly preview: boolean;
  readonly metrics: readonly string[];
  readonly entries: readonly Entry[];
  readonly comparisons: readonly SweepComparison[];
  readonly minEffect: number;
  readonly timeLines: readonly TimeLine[];
  /** Of the sweep. */
  readonly pick: { readonly parameter: string; readonly within: number } | null;
  readonly baseline: Readonly<Record<string, string>> | null;
  /** Whether the baseline is one of the choices, or what a burden is compared with. */
  readonly asks?: "choice" | "effect";
  readonly steps?: NonNullable<StepsInput["steps"]>;
  readonly requirements?: readonly SweepRequirement[];
  /** All that was measured for them. */
  readonly runs?: readonly RunSummary[];
  /** Of a sweep over several layers. */
  readonly layerTax?: readonly LayerTax[];
}

/** The first sentence stands alone. */
export function answerOf(input: AnswerInput): readonly string[] {
  const [only] = input.entries;
  if (only === undefined) {
    return ["No operation completed, so there is nothing to report."];
  }
  const apart = besideEachOther(input.entries);
  const best = () => (apart.length > 0 ? apart : bestOfEach(input));
  const one = input.entries.length === 1;
  const growth = one ? [] : [...growthOf(input.entries), ...offeredOf(input.entries)];
  // What grew with the load says which was highest, too.
  const plain = one
    ? [describe(only), ...waitingOf(only, input.timeLines), ...steadyOf(input.timeLines)]
    : growth.length > 0
      ? [...growth, ...best().slice(1)]
      : [...best(), ...steadyOf(input.timeLines)];
  const label = input.preview ? "Preview, no verdict: " : "Partial results: ";
  if (input.preview || input.state === "partial") {
    const [first = "", ...rest] = plain;
    return [`${label}${first}`, ...rest.map(capital)];
  }
  const decided = [
    ...requirementSentences(
      (input.requirements ?? []).filter(({ goal }) => goal === undefined),
      input.entries,
      input.runs,
    ),
    ...goalSentences(input),
    ...pickSentences(input),
    ...(input.asks === "effect" ? effectSentences(input) : choiceSentences(input)),
    ...stepSentences(input),
  ];
  const layers = decided.length > 0 ? [] : layerSentences(input.layerTax ?? []);
  const told = decided.length > 0 ? decided : layers;
  // Below verdicts, what was merely measured best says nothing more.
  return (told.length > 0 ? told : plain).map(capital);
}

/** Words of our own that may begin a sentence; names such as io_uring keep their form. */
const lowerStart = new Set(["from", "the", "trace", "at"]);

function capital(text: string): string {
  const [word = ""] = text.split(" ");
  return lowerStart.has(word) ? `${word[0]?.toUpperCase()}${text.slice(1)}` : text;
}

/** All figures of one configuration. */
function describe(entry: Entry): string {
  const figure = (metric: string) => entry.metrics[metric];
  const iops = figure("iops");
  const bandwidth = figure("bw");
  const rates = [
    iops === undefined ? "" : `${formatCount(iops.value)} IOPS`,
    bandwidth === undefined ? "" : formatBandwidth(bandwidth.value),
  ].filter((text) => text !== "");
  const times = ["p50", "p99", "p99.9"].flatMap((name) => {
    const value = figure(`response.${name}`);
    return value?.solid === true ? [`${name} ${formatNs(value.value)}`] : [];
  });
  const latency = times.length === 0 ? "" : `, response ${times.join(", ")}`;
  const driven = entry.label.startsWith("null device") ? "on a" : "with";
  return `${entry.facet} ${driven} ${entry.label} reached ${rates.join(", ")}${latency}.`;
}

/** Where a single window was steady; the figures beside it are of the whole measured time. */
function steadyOf(lines: readonly TimeLine[]): readonly string[] {
  const spans = new Map(
    lines.flatMap(({ run, steady }) =>
      steady === null ? [] : [[`${run}|${steady.startMs}|${steady.endMs}`, steady] as const],
    ),
  );
  const [span] = spans.values();
  if (span?.iops === undefined || spans.size > 1) {
    return [];
  }
  const at = (ms: number) => formatSeconds(ms / 1000);
  return [
    `Steady state was attained from ${at(span.startMs)} to ${at(span.endMs)}, at ` +
      `${formatCount(span.iops)} IOPS in all; the other figures are of the whole time after the warm-up.`,
  ];
}

/** Response time beyond this many times service time is mostly waiting. */
const mostlyWaiting = 2;

/** Silences, and how far response and service time part: what an average hides. */
function waitingOf(entry: Entry, lines: readonly TimeLine[]): readonly string[] {
  const [line] = lines.filter((one) => one.stalls.length > 0);
  const [stall] = line?.stalls ?? [];
  const response = entry.metrics["response.p99"];
  const service = entry.metrics["service.p99"];
  const parted =
    entry.openLoop &&
    response?.solid === true &&
    service?.solid === true &&
    response.value > mostlyWaiting * service.value
      ? `response p99, counted from when an operation was due, is ${formatNs(response.value)}; ` +
        `service p99, counted from when the target got it, is ${formatNs(service.value)}`
      : null;
  if (stall === undefined) {
    return parted === null ? [] : [`Operations waited before the target got them: ${parted}.`];
  }
  const at = (ms: number) => formatSeconds(ms / 1000);
  const more = (line?.stalls.length ?? 1) - 1;
  const others = more === 0 ? "" : ` and ${more} more time${more === 1 ? "" : "s"}`;
  const silence =
    `Nothing completed for ${at(stall.endMs - stall.startMs)} (from ${at(stall.startMs)} to ` +
    `${at(stall.endMs)})${others}`;
  if (parted !== null) {
    return [`${silence}, and what fell due meanwhile had to wait: ${parted}.`];
  }
  return entry.openLoop
    ? [`${silence}.`]
    : [
        `${silence}; in a closed loop only the operations in flight show it, since nothing else is sent.`,
      ];
}

/** More than these are found faster in the table. */
const mostBeside = 4;

/** Entries that nobody chose among, such as the two directions of a mixed job: each with its figures. */
function besideEachOther(entries: readonly Entry[]): readonly string[] {
  if (entries.length > mostBeside || byFacet(entries).size < entries.length) {
    return [];
  }
  const same = new Set(entries.map((entry) => entry.label)).size === 1;
  const parts = entries.map((entry) => {
    const iops = entry.metrics["iops"];
    const p99 = entry.metrics["response.p99"];
    const wait = p99?.solid === true ? `, response p99 ${formatNs(p99.value)}` : "";
    const what = entry.facet.replace(/, (?=reads$|writes$|trims$)/, " ");
    return `${formatCount(iops?.value ?? 0)} IOPS for ${what}${same ? "" : ` (${entry.label})`}${wait}`;
  });
  const whom = same ? ` (${entries[0]?.label})` : "";
  return [`${parts.join("; ")}${whom}.`];
}

/** Entries by panel, in order of appearance. */
export function byFacet(entries: readonly Entry[]): ReadonlyMap<string, readonly Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.facet) ?? [];
    group.push(entry);
    groups.set(entry.facet, group);
  }
  return groups;
}

/** The entry with the best measured figure of a metric; null when none has a solid one. */
export function bestBy(entries: readonly Entry[], metric: string): Entry | null {
  const sign = higherIsBetter(metric) ? 1 : -1;
  let best: Entry | null = null;
  for (const entry of entries) {
    const value = entry.metrics[metric];
    const leader = best?.metrics[metric];
    if (
      value?.solid === true &&
      (leader === undefined || sign * (value.value - leader.value) > 0)
    ) {
      best = entry;
    }
  }
  return best;
}

/** Panels named in a sentence; more would hide the answer. */
const mostNamed = 4;

function bestOfEach(input: AnswerInput): readonly string[] {
  const sentences: string[] = [];
  const facets = byFacet(input.entries);
  // A single configuration per panel was not chosen among others.
  const chosen = facets.size < input.entries.length;
  for (const metric of input.metrics.slice(0, 2)) {
    if (!hasBetter(metric)) {
      sentences.push(...spanSentence(metric, input.entries));
      continue;
    }
    const found = [...facets].flatMap(([facet, entries]) => {
      const best = bestBy(entries, metric);
      const value = best?.metrics[metric];
      return best === null || value === undefined ? [] : [{ facet, best, value: value.value }];
    });
    if (found.length > 0) {
      sentences.push(bestSentence(metric, found, chosen));
    }
  }
  const [first, ...rest] = sentences;
  if (first === undefined) {
    return ["No figure rests on enough samples to be shown."];
  }
  return [first, ...rest.map(capital)];
}

/** Of a metric that is neither good nor bad, such as a share: where it was highest, where lowest. */
function spanSentence(metric: string, entries: readonly Entry[]): readonly string[] {
  const solid = entries.flatMap((entry) => {
    const value = entry.metrics[metric];
    return value?.solid === true ? [{ label: entry.label, value: value.value }] : [];
  });
  const [first, ...others] = solid;
  if (first === undefined) {
    return [];
  }
  const highest = others.reduce((a, b) => (b.value > a.value ? b : a), first);
  const lowest = others.reduce((a, b) => (b.value < a.value ? b : a), first);
  const figure = ({ label, value }: typeof first) => `${formatMetric(metric, value)} (${label})`;
  const heading = metricHeading(metric);
  return highest.value === lowest.value
    ? [`${heading}: ${formatMetric(metric, first.value)} everywhere.`]
    : [`${heading}: from ${figure(lowest)} to ${figure(highest)}.`];
}

interface BestOne {
  readonly facet: string;
  readonly best: Entry;
  readonly value: number;
}

function bestSentence(metric: string, found: readonly BestOne[], chosen: boolean): string {
  const word = higherIsBetter(metric) ? "the highest" : "the lowest";
  const title = metricTitle(metric);
  const labels = new Set(found.map((one) => one.best.label));
  const same = chosen && found.length > 1 && labels.size === 1;
  const parts = found.map(({ facet, best, value }) => {
    const figure = `${formatMetric(metric, value)} for ${facet}`;
    return same ? figure : `${figure} (${best.label})`;
  });
  if (parts.length > mostNamed) {
    const left = parts.length - mostNamed + 1;
    parts.splice(mostNamed - 1, parts.length, `${left} more in the table`);
  }
  const text = parts.join(same ? ", " : "; ");
  if (same) {
    return `${[...labels].join("")} had ${word} ${title} in every workload: ${text}.`;
  }
  return chosen ? `${word} ${title} measured: ${text}.` : `${metricHeading(metric)}: ${text}.`;
}
