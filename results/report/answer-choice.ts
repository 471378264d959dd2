/** The answer of a sweep that chose among configurations: what is better than the baseline, and by how much. */
import {
  changeText,
  differenceText,
  intervalText,
  isHigher,
  ratioOf,
} from "../recorded-difference.ts";
import type { SweepComparison } from "../sweep-record.ts";
import type { Entry } from "./model.ts";
import { inMemory } from "./not-persistent.ts";
import { formatShort, hasBetter, higherIsBetter, isTime, metricTitle } from "./units.ts";

export interface ChoiceInput {
  readonly metrics: readonly string[];
  readonly entries: readonly Entry[];
  readonly comparisons: readonly SweepComparison[];
  /** Differences within this share are none. */
  readonly minEffect: number;
  /** The answer is the smallest value of this parameter that comes within a share of the base. */
  readonly pick: { readonly parameter: string; readonly within: number } | null;
  readonly baseline: Readonly<Record<string, string>> | null;
}

/** More than these are found faster in the table. */
const mostGroups = 4;
const mostNamed = 4;
/** Beside the first, of metrics in which something was decided. */
const mostSentences = 3;
/** Nobody makes more than these; a forecast from noise is not worth a figure then. */
const mostRuns = 100;

/** A metric with the comparisons of each base. */
export interface Judged {
  readonly metric: string;
  readonly groups: readonly (readonly SweepComparison[])[];
}

/**
 * What was decided: a sentence per metric with a better side, in the order of the sweep file, then one that
 * names what was not told apart. Where that is so of the first metric but not of all, the first sentence,
 * which stands alone in lists of reports, says both. Empty when nothing was compared.
 */
export function choiceSentences(input: ChoiceInput): readonly string[] {
  const judged = judgedOf(input);
  const [main] = judged;
  if (main === undefined) {
    return [];
  }
  const isOpen = ({ groups }: Judged) => groups.every(allUnclear);
  const open = judged.filter((each) => isOpen(each) && each !== main);
  const decided = judged.filter((each) => !isOpen(each) && each !== main);
  const lead = isOpen(main) ? (decided.find(differs) ?? decided[0]) : undefined;
  const but = lead === undefined ? "" : `; but ${sentenceOf(input, lead)}`;
  const rest = decided.filter((each) => each !== lead);
  return [
    `${sentenceOf(input, main)}${but}`,
    ...rest.slice(0, mostSentences).map((each) => sentenceOf(input, each)),
    ...remainder(rest.slice(mostSentences), open),
  ].map((text) => `${text.replace(/^[a-z]/, (letter) => letter.toUpperCase())}.`);
}

/** Metrics with a better side that were compared, in the order of the sweep file. */
export function judgedOf(input: Pick<ChoiceInput, "metrics" | "comparisons">): readonly Judged[] {
  return input.metrics.filter(hasBetter).flatMap((metric): Judged[] => {
    const own = input.comparisons.filter((each) => each.metric === metric);
    const bases = [...new Set(own.map((each) => each.base))];
    const groups = bases.map((base) => own.filter((each) => each.base === base));
    return groups.length === 0 ? [] : [{ metric, groups }];
  });
}

/** Whether all of some comparisons are open. */
export function allUnclear(group: readonly SweepComparison[]): boolean {
  return group.every(({ verdict }) => verdict === "unclear");
}

/** More than that choices are the same. */
function differs({ groups }: Judged): boolean {
  return groups.flat().some(({ verdict }) => verdict === "better" || verdict === "worse");
}

function remainder(decided: readonly Judged[], open: readonly Judged[]): readonly string[] {
  const names = (list: readonly Judged[]) => list.map(({ metric }) => titleOf(metric)).join(", ");
  const parts = [
    ...(decided.length === 0 ? [] : [`decided, in the table: ${names(decided)}`]),
    ...(open.length === 0 ? [] : [`not told apart: ${names(open)}`]),
  ];
  return parts.length === 0 ? [] : [parts.join("; ")];
}

function sentenceOf(input: ChoiceInput, { metric, groups }: Judged): string {
  const same = everywhere(input, metric, groups);
  if (same !== null) {
    return same;
  }
  const open = groups.length > 1 ? groups.filter(allUnclear) : [];
  const parts = groups
    .filter((group) => !open.includes(group))
    .map((group) => groupPart(input, metric, group));
  const places = open.map(([first]) => placeOf(input, first?.base ?? "").replace(/, $/, ""));
  const text = shortened(parts, "; ");
  return open.length === 0 ? text : `${text}; not told apart ${someOf(places)}`;
}

/** What holds of every one of several groups, in a few words; null when they differ. */
function everywhere(
  input: ChoiceInput,
  metric: string,
  groups: readonly (readonly SweepComparison[])[],
): string | null {
  const [any] = groups;
  if (any === undefined || groups.length < 2) {
    return null;
  }
  if (groups.every(allUnclear)) {
    return `nowhere do the runs tell the choices apart in ${titleOf(metric)}`;
  }
  if (groups.flat().every(({ verdict }) => verdict === "same")) {
    return `${titleOf(metric)}: no choice differs by more than ${marginText(input)} in any comparison`;
  }
  const leaders = groups.flatMap((group) => bestOf(metric, group) ?? []);
  const names = new Set(leaders.map((each) => nameOf(input, each.candidate)));
  if (leaders.length < groups.length || names.size !== 1 || groups.length > mostGroups) {
    return null;
  }
  const parts = leaders.map((each) => {
    const place = placeOf(input, each.base).replace(/, $/, "");
    return `${differenceText(each, formatShort)} ${place} (${figuresText(each)}${priceOf(input, each)})`;
  });
  const bases = new Set(leaders.map((each) => nameOf(input, each.base)));
  // Only verdicts are claims: of another that was shown to be better, too, the ratio was smaller.
  const others = new Set(
    groups
      .flatMap((group) => group.filter((each) => each.verdict === "better"))
      .filter((each) => !leaders.includes(each))
      .map((each) => nameOf(input, each.candidate)),
  );
  const also = others.size === 0 ? "" : `; also better, by less: ${someOf([...others])}`;
  return `${titleOf(metric)}: ${[...names].join("")} is better than ${[...bases].join(" or ")} in every comparison, ${parts.join("; ")}${also}`;
}

/** The figures that were compared, not those of a part of the operations. */
export function figuresText(each: SweepComparison): string {
  const figure = (value: number | undefined) =>
    value === undefined ? "-" : formatShort(each.metric, value);
  const interval = intervalText(each, formatShort);
  const range = interval === null ? "" : `, interval ${interval}`;
  return `medians ${figure(each.candidate_median)} against ${figure(each.base_median)}${range}`;
}

/** Medians of the points of a group, as far as they were compared. */
function mediansOf(group: readonly SweepComparison[]): ReadonlyMap<string, number> {
  return new Map(
    group.flatMap((each) => [
      ...(each.base_median === undefined ? [] : [[each.base, each.base_median] as const]),
      ...(each.candidate_median === undefined
        ? []
        : [[each.candidate, each.candidate_median] as const]),
    ]),
  );
}

/** What is better in a later metric may be worse in the first one, which the question is about. */
function priceOf(input: ChoiceInput, { base, candidate, metric }: SweepComparison): string {
  const main = input.metrics.find(hasBetter);
  const same = (each: SweepComparison) => each.base === base && each.candidate === candidate;
  const own = input.comparisons.find((each) => each.metric === main && same(each));
  return own === undefined || own.metric === metric || own.verdict !== "worse"
    ? ""
    : `; at the price of ${titleOf(own.metric)} ${differenceText(own, formatShort)}`;
}

export function marginText({ minEffect }: ChoiceInput): string {
  return percent(1 + minEffect).replace(/\.0%/, "%");
}

export function someOf(names: readonly string[]): string {
  const left = names.length - mostNamed;
  return `${names.slice(0, mostNamed).join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}

/** How many times as good. */
function gainOf(metric: string, each: SweepComparison): number {
  return higherIsBetter(metric) ? ratioOf(each) : 1 / ratioOf(each);
}

/** Of the candidates that were shown to be better the one with the largest ratio; null without one. */
function bestOf(metric: string, group: readonly SweepComparison[]): SweepComparison | null {
  const gain = (each: SweepComparison) => gainOf(metric, each);
  const better = group.filter(({ verdict }) => verdict === "better");
  return better.sort((a, b) => gain(b) - gain(a))[0] ?? null;
}

export function shortened(parts: readonly string[], glue: string): string {
  const left = parts.length - mostGroups + 1;
  return parts.length > mostGroups
    ? [...parts.slice(0, mostGroups - 1), `${left} more groups in the table`].join(glue)
    : parts.join(glue);
}

function entryOf(input: ChoiceInput, point: string): Entry | undefined {
  return input.entries.find((entry) => entry.point === point);
}

/** What distinguishes a point from its base, or its label. */
export function nameOf(input: ChoiceInput, point: string): string {
  const entry = entryOf(input, point);
  const own = Object.keys(input.baseline ?? {})
    .map((name) => entry?.parameters[name] ?? "-")
    .filter((value) => value !== "-");
  const short = own.join(", ");
  return own.length === 0
    ? (entry?.label ?? point)
    : entry?.inMemory === true
      ? inMemory(short)
      : short;
}

/** Where the group's points are, if there are several groups: what the bases differ in. */
export function placeOf(input: ChoiceInput, base: string): string {
  const bases = [...new Set(input.comparisons.map((each) => each.base))];
  const entry = entryOf(input, base);
  const parts = Object.entries(entry?.parameters ?? {}).flatMap(([name, value]) => {
    const values = new Set(bases.map((each) => entryOf(input, each)?.parameters[name]));
    return values.size > 1 && input.baseline?.[name] === undefined ? [`${name} ${value}`] : [];
  });
  return parts.length === 0 ? "" : `at ${parts.join(", ")}, `;
}

/** As the table of verdicts writes it, without its sign. */
function percent(ratio: number): string {
  return changeText(ratio).replace(/^[+-]/, "");
}

export function titleOf(metric: string): string {
  const title = metricTitle(metric);
  return isTime(metric) && !/\btime\b|\bof\b/.test(title) ? `${title} time` : title;
}

/** Nothing is decided: what was measured best all the same, and how many runs would tell. */
function undecided(
  input: ChoiceInput,
  metric: string,
  group: readonly SweepComparison[],
  figure: (point: string) => string,
): string {
  const [first] = group;
  const sign = higherIsBetter(metric) ? 1 : -1;
  const ids = [first?.base ?? "", ...group.map((each) => each.candidate)];
  const medians = mediansOf(group);
  const value = (id: string) => sign * (medians.get(id) ?? Number.NaN);
  const best = ids.reduce((a, b) => (value(b) > value(a) ? b : a));
  const needed = group.flatMap((each) => each.runs_needed ?? []);
  const most = Math.max(0, ...needed);
  const count = most > mostRuns ? `more than ${mostRuns}` : `about ${most}`;
  const more = most === 0 ? "" : `; ${count} runs of each would`;
  const word = sign > 0 ? "highest" : "lowest";
  return (
    `the runs do not tell the choices apart in ${titleOf(metric)} ` +
    `(${word} measured: ${nameOf(input, best)}${figure(best).replace(/[()]/g, "")}${more})`
  );
}

function groupPart(input: ChoiceInput, metric: string, group: readonly SweepComparison[]): string {
  const gain = (each: SweepComparison) => gainOf(metric, each);
  const of = (verdict: SweepComparison["verdict"]) =>
    group.filter((each) => each.verdict === verdict).sort((a, b) => gain(b) - gain(a));
  const [better, worse, same, unclear] = [of("better"), of("worse"), of("same"), of("unclear")];
  const baseId = group[0]?.base ?? "";
  const base = nameOf(input, baseId);
  const place = placeOf(input, baseId);
  const figure = (point: string) => {
    const value = mediansOf(group).get(point);
    return value === undefined ? "" : ` (${formatShort(metric, value)})`;
  };
  const names = (list: readonly SweepComparison[]) =>
    someOf(list.map((each) => nameOf(input, each.candidate)));
  const [best, ...rest] = better;
  if (unclear.length === group.length) {
    return `${place}${undecided(input, metric, group, figure)}`;
  }
  const tail = [
    rest.length > 0 ? `also better: ${changesText(input, rest)}` : "",
    worse.length > 0 ? `worse: ${changesText(input, worse)}` : "",
    same.length > 0 ? `no different: ${names(same)}` : "",
    unclear.length > 0 ? `undecided: ${names(unclear)}` : "",
  ].filter((part) => part !== "");
  const more = tail.length === 0 ? "" : ` (${tail.join("; ")})`;
  if (best !== undefined) {
    const moreOrLess = isHigher(best) ? "higher" : "lower";
    const size = differenceText(best, formatShort).replace(/^[+-]/, "");
    const figures = `${figuresText(best)}${priceOf(input, best)}`;
    return (
      `${place}${titleOf(metric)}: ${nameOf(input, best.candidate)} is better than ${base}, ` +
      `${size} ${moreOrLess} (${[figures, ...tail].join("; ")})`
    );
  }
  const lead =
    worse.length === group.length
      ? `${titleOf(metric)}: best with ${base}${figure(baseId).replace(/ \((.*)\)/, ", $1")}`
      : same.length === group.length
        ? `${titleOf(metric)} does not depend on the choice: nothing differs from ${base}${figure(baseId)} by more than ${marginText(input)}`
        : `${titleOf(metric)}: nothing was shown to be better than ${base}${figure(baseId)}${worse.length > 0 ? ", which stays the choice" : ""}`;
  return `${place}${lead}${same.length === group.length ? "" : more}`;
}

/** Each with its difference; of many the nearest to the best and the farthest from it. */
function changesText(input: ChoiceInput, list: readonly SweepComparison[]): string {
  const texts = list.map(
    (each) => `${nameOf(input, each.candidate)} ${differenceText(each, formatShort)}`,
  );
  return texts.length <= mostNamed + 1
    ? texts.join(", ")
    : `${texts.length} others, from ${texts[0]} to ${texts.at(-1)}`;
}
