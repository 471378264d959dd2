/**
 * The answer to "up to which value does it still pay" (`steps: depth`): how far the first metric still got
 * better from each value to the next, by the verdicts, and what waiting did over the same steps.
 */
import { ratioOf } from "../recorded-difference.ts";
import type { SweepComparison } from "../sweep-record.ts";
import type { Entry } from "./model.ts";
import { hasBetter, higherIsBetter, isTime, metricHeading, metricTitle } from "./units.ts";

export interface StepsInput {
  readonly metrics: readonly string[];
  readonly entries: readonly Entry[];
  readonly baseline: Readonly<Record<string, string>> | null;
  readonly steps?: { readonly along: string; readonly comparisons: readonly SweepComparison[] };
}

/** More than these are found faster in the table. */
const mostGroups = 4;

interface Step {
  readonly from: string;
  readonly to: string;
  readonly main: SweepComparison;
  readonly time: SweepComparison | undefined;
}

/** Points that differ in the parameter only, from its first value to its last. */
interface Line {
  /** What the baseline's parameters are, e.g. the engine; empty when there are none. */
  readonly name: string;
  readonly steps: readonly Step[];
}

/** A sentence for each group of lines that differ in the baseline's parameters only. */
export function stepSentences(input: StepsInput): readonly string[] {
  const { steps, metrics } = input;
  const main = metrics.find(hasBetter);
  if (steps === undefined || main === undefined) {
    return [];
  }
  const time = metrics.find((name) => name !== main && isTime(name));
  const groups = [...linesOf(input, steps, main, time)];
  const left = groups.length - mostGroups;
  return [
    ...groups
      .slice(0, mostGroups)
      .map(([place, lines]) => sentenceOf(place, steps.along, main, time, lines)),
    ...(left > 0 ? [`${left} more groups of steps are in the table.`] : []),
  ];
}

function linesOf(
  { entries, baseline }: StepsInput,
  { along, comparisons }: NonNullable<StepsInput["steps"]>,
  main: string,
  time: string | undefined,
): ReadonlyMap<string, readonly Line[]> {
  const parametersOf = (point: string) =>
    entries.find((entry) => entry.point === point)?.parameters ?? {};
  const groups = new Map<string, Map<string, Step[]>>();
  for (const each of comparisons.filter(({ metric }) => metric === main)) {
    const { [along]: to = "", ...others } = parametersOf(each.candidate);
    const own = Object.entries(others).filter(([, value]) => value !== "-");
    const named = (ours: boolean) =>
      own.filter(([name]) => (baseline?.[name] !== undefined) === ours);
    const place = named(false)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
    const name = named(true)
      .map(([, value]) => value)
      .join(", ");
    const same = (other: SweepComparison) =>
      other.metric === time && other.base === each.base && other.candidate === each.candidate;
    const lines = groups.get(place) ?? new Map<string, Step[]>();
    const from = parametersOf(each.base)[along] ?? "";
    const step = { from, to, main: each, time: comparisons.find(same) };
    groups.set(place, lines.set(name, [...(lines.get(name) ?? []), step]));
  }
  return new Map(
    [...groups].map(([place, lines]) => [
      place,
      [...lines].map(([name, steps]) => ({ name, steps })),
    ]),
  );
}

function sentenceOf(
  place: string,
  along: string,
  main: string,
  time: string | undefined,
  lines: readonly Line[],
): string {
  const at = place === "" ? "" : `at ${place}, `;
  const steps = new Map<string, Step[]>();
  for (const step of lines.flatMap((line) => line.steps)) {
    const key = `from ${step.from} to ${step.to}`;
    steps.set(key, [...(steps.get(key) ?? []), step]);
  }
  const parts = [...steps].map(([key, own]) => `${key} ${stepText(own, main, time)}`);
  const text = `${at}${metricHeading(main)}: ${reachText(along, main, lines)}; ${parts.join("; ")}.`;
  return text.replace(/^[a-z]/, (letter) => letter.toUpperCase());
}

/** How far one line was shown to get better, and what became of the step after that. */
function reachOf(along: string, main: string, steps: readonly Step[]): readonly [string, string] {
  const moving = higherIsBetter(main) ? "higher" : "lower";
  const open = steps.findIndex((step) => step.main.verdict !== "better");
  const next = steps[open];
  if (next === undefined) {
    return [`${moving} with each step up to ${along} ${steps.at(-1)?.to ?? ""}`, ""];
  }
  const { verdict } = next.main;
  const how = verdict === "unclear" ? `${next.to} undecided` : `at ${next.to} ${verdict}`;
  const end = `${along} ${next.from}`;
  return open === 0
    ? [`not shown to be ${moving} beyond ${end}`, ` (${how})`]
    : [`${moving} with each step up to ${end}`, ` (${how})`];
}

/** Lines that reach equally far are named together. */
function reachText(along: string, main: string, lines: readonly Line[]): string {
  const reached = new Map<string, { how: string; names: string[] }>();
  for (const { name, steps } of lines) {
    const [end, how] = reachOf(along, main, steps);
    const key = `${end}${how}`;
    const known = reached.get(key)?.names ?? [];
    reached.set(key, { how, names: name === "" ? known : [...known, name] });
  }
  return [...reached]
    .map(([key, { how, names }]) => {
      const end = key.slice(0, key.length - how.length);
      const all = reached.size === 1 && names.length > 1;
      const whom = all ? " with every choice" : names.length > 0 ? ` with ${listed(names)}` : "";
      return `${end}${whom}${how}`;
    })
    .join(", ");
}

/** `x1.90 to x2.60`, or of one line its factor with the interval. */
function factorText(own: readonly SweepComparison[]): string {
  const factor = (ratio: number) => `x${ratio.toPrecision(3)}`;
  const ratios = own.map(ratioOf);
  const [low = "", high = ""] = [Math.min(...ratios), Math.max(...ratios)].map(factor);
  const [only] = own;
  if (own.length === 1 && only?.low != null && only.high !== null) {
    return `${low} (${factor(only.low)} to ${factor(only.high)})`;
  }
  return low === high ? low : `${low} to ${high}`;
}

/** Whether a figure was shown to grow by more than another one: their intervals lie apart. */
function growsMore(time: SweepComparison | undefined, main: SweepComparison): boolean {
  return time?.low != null && main.high !== null && time.low > Math.max(1, main.high);
}

/** By which factors the figures of all lines changed, and whether waiting was shown to grow more. */
function stepText(own: readonly Step[], main: string, time: string | undefined): string {
  const rate = factorText(own.map((step) => step.main));
  const times = own.flatMap((step) => step.time ?? []);
  if (time === undefined || times.length === 0) {
    return rate;
  }
  const more = own.filter((step) => growsMore(step.time, step.main)).length;
  const where = more === own.length ? "" : ` in ${more} of ${own.length}`;
  const faster = higherIsBetter(main) && more > 0 ? `, shown to grow more${where}` : "";
  return `${rate} (${metricTitle(time)} ${factorText(times)}${faster})`;
}

function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}
