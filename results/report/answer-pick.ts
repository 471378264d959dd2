/**
 * The answer to "how small may it be": `pick: {smallest: NAME, within: 5%}`. Values are gone through from the
 * baseline's downwards for as long as the whole interval of each lies within the share; so what is claimed of
 * all of them together is as sure as a single interval, however many there are (a fixed sequence of tests).
 */
import { intervalText } from "../recorded-difference.ts";
import { numberOf } from "../sweep/values.ts";
import type { SweepComparison } from "../sweep-record.ts";
import { type ChoiceInput, placeOf, shortened } from "./answer-choice.ts";
import type { Entry } from "./model.ts";
import { formatShort, higherIsBetter, metricTitle } from "./units.ts";

/** More values than these are a matter of the table. */
const mostNamed = 4;

/** What the interval of a comparison says of a value. */
type Standing = "within" | "short" | "undecided";

/** Candidate by base at the ends of the interval; null without one. */
function boundsOf(each: SweepComparison): readonly [number, number] | null {
  const { gap, low, high, base_median: base = 0 } = each;
  if (gap !== undefined) {
    return gap.low === null || gap.high === null || base <= 0
      ? null
      : [1 + gap.low / base, 1 + gap.high / base];
  }
  const hasInterval = intervalText(each, formatShort) !== null;
  return hasInterval && low !== null && high !== null ? [low, high] : null;
}

function standingOf(each: SweepComparison | undefined, within: number): Standing {
  const bounds = each === undefined ? null : boundsOf(each);
  if (each === undefined || bounds === null) {
    return "undecided";
  }
  const [low, high] = bounds;
  if (higherIsBetter(each.metric)) {
    return low >= 1 - within ? "within" : high < 1 - within ? "short" : "undecided";
  }
  return high <= 1 + within ? "within" : low > 1 + within ? "short" : "undecided";
}

interface Value {
  readonly text: string;
  readonly entry: Entry;
  readonly compared: SweepComparison | undefined;
  readonly standing: Standing;
}

function namesOf(values: readonly Value[]): string {
  const left = values.length - mostNamed;
  const named = values.slice(0, mostNamed).map(({ text }) => text);
  return `${named.join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}

function listed(of: Standing, what: string, values: readonly Value[]): readonly string[] {
  const own = values.filter(({ standing }) => standing === of);
  return own.length === 0 ? [] : [`${what}: ${namesOf(own)}`];
}

/** Medians on both sides with the interval, and what the second metric does meanwhile. */
function figuresOf(input: ChoiceInput, { entry, compared }: Value, base: Entry): string {
  const [metric = "", second] = input.metrics;
  const at = (of: Entry, name: string) => {
    const value = of.metrics[name];
    return value?.solid === true ? formatShort(name, value.value) : "-";
  };
  const { candidate_median: candidate, base_median: median } = compared ?? {};
  const medians =
    candidate === undefined || median === undefined
      ? `${at(entry, metric)} against ${at(base, metric)}`
      : `${formatShort(metric, candidate)} against ${formatShort(metric, median)}`;
  const interval = compared === undefined ? null : intervalText(compared, formatShort);
  const meanwhile =
    second === undefined
      ? []
      : [`${metricTitle(second)} ${at(entry, second)} against ${at(base, second)}`];
  return [medians, ...(interval === null ? [] : [`interval ${interval}`]), ...meanwhile].join(", ");
}

/** The points of one base, smallest value first; without those that are larger than the base's. */
function valuesOf(input: ChoiceInput, base: Entry, parameter: string, within: number): Value[] {
  const { [parameter]: wanted = "", ...others } = base.parameters;
  const [metric] = input.metrics;
  const least = numberOf(wanted);
  const seen = new Set<string>();
  const values = input.entries.flatMap((entry): Value[] => {
    const { [parameter]: text = "", ...own } = entry.parameters;
    const size = numberOf(text);
    const other = JSON.stringify(own) !== JSON.stringify(others);
    const smaller = size === null || least === null ? text !== wanted : size < least;
    if (other || !smaller || seen.has(entry.point)) {
      return [];
    }
    seen.add(entry.point);
    const compared = input.comparisons.find(
      (each) =>
        each.metric === metric && each.base === base.point && each.candidate === entry.point,
    );
    return [{ text, entry, compared, standing: standingOf(compared, within) }];
  });
  return values.sort((a, b) => (numberOf(a.text) ?? 0) - (numberOf(b.text) ?? 0));
}

function partOf(input: ChoiceInput, base: Entry, share: string): string | null {
  const { pick } = input;
  const [metric = ""] = input.metrics;
  if (pick === null) {
    return null;
  }
  const { parameter, within } = pick;
  const values = valuesOf(input, base, parameter, within);
  if (values.length === 0) {
    return null;
  }
  const sure = [];
  for (const value of values.toReversed()) {
    if (value.standing !== "within") {
      break;
    }
    sure.push(value);
  }
  const smallest = sure.at(-1);
  const rest = values.slice(0, values.length - sure.length).toReversed();
  const wanted = base.parameters[parameter] ?? "";
  const tail = [
    ...listed("undecided", "undecided", rest),
    ...listed("short", "shown to fall short", rest),
    ...listed("within", "within it, but below one that is undecided", rest),
  ];
  const title = metricTitle(metric);
  if (smallest !== undefined) {
    const more = tail.length === 0 ? "" : `; ${tail.join("; ")}`;
    return `the smallest ${parameter} shown to keep ${title} within ${share} of ${wanted}'s: ${smallest.text} (${figuresOf(input, smallest, base)}${more})`;
  }
  const [next] = rest;
  if (next?.standing === "short") {
    return `no ${parameter} below ${wanted} keeps ${title} within ${share} of ${wanted}'s: ${next.text} was shown to fall short (${figuresOf(input, next, base)})`;
  }
  const runs = Math.max(0, ...rest.map(({ compared }) => compared?.runs ?? 0));
  const why = rest.every(({ compared }) => compared === undefined || boundsOf(compared) === null)
    ? `; ${runs < 2 ? "one run of each has" : `${runs} runs of each have`} no interval`
    : "";
  const measured = next === undefined ? "" : ` (at ${next.text} ${figuresOf(input, next, base)})`;
  return `the runs do not decide how small ${parameter} can be to keep ${title} within ${share} of ${wanted}'s: ${tail.join("; ")}${measured}${why}`;
}

/** A sentence for each base, from the intervals of the comparisons; empty without such a rule. */
export function pickSentences(input: ChoiceInput): readonly string[] {
  const { pick, baseline } = input;
  const [metric] = input.metrics;
  if (pick === null || baseline === null || metric === undefined) {
    return [];
  }
  const share = `${Number((pick.within * 100).toPrecision(3))}%`;
  const wanted = baseline[pick.parameter];
  const bases = new Map<string, Entry>();
  for (const entry of input.entries) {
    if (entry.parameters[pick.parameter] === wanted && !bases.has(entry.point)) {
      bases.set(entry.point, entry);
    }
  }
  const parts = [...bases.values()].flatMap((base) => {
    const part = partOf(input, base, share);
    return part === null ? [] : [`${placeOf(input, base.point)}${part}`];
  });
  const text = shortened(parts, "; ").replace(/^[a-z]/, (letter) => letter.toUpperCase());
  return parts.length === 0 ? [] : [`${text}.`];
}
