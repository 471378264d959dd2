/** The answer of a sweep that asked which of its points reach something, and what that costs. */
import { differenceText } from "../recorded-difference.ts";
import type { SweepComparison, SweepRequirement } from "../sweep-record.ts";
import type { Entry } from "./model.ts";
import { inMemory } from "./not-persistent.ts";
import { formatShort, hasBetter, higherIsBetter, metricHeading, metricTitle } from "./units.ts";

interface GoalInput {
  readonly metrics: readonly string[];
  readonly entries: readonly Entry[];
  readonly comparisons: readonly SweepComparison[];
  readonly requirements?: readonly SweepRequirement[];
}

/** A sentence a goal: which points reach it, with the figure, and what the first other metric is there. */
export function goalSentences(input: GoalInput): readonly string[] {
  const goals = (input.requirements ?? []).filter(({ goal }) => goal === true);
  return [...new Set(goals.map(({ threshold }) => threshold))].map((threshold) =>
    goalSentence(
      input,
      threshold,
      goals.filter((each) => each.threshold === threshold),
    ),
  );
}

function goalSentence(
  input: GoalInput,
  threshold: string,
  goals: readonly SweepRequirement[],
): string {
  const metric = goals[0]?.metric ?? "";
  const other = input.metrics.find((name) => name !== metric && hasBetter(name));
  const others = other === undefined ? new Map() : mediansOf(input.comparisons, other);
  const sign = other === undefined || higherIsBetter(other) ? -1 : 1;
  const rank = ({ point }: SweepRequirement) => sign * (others.get(point) ?? 0);
  const text = ({ point, median }: SweepRequirement, withOther: boolean) => {
    const value = others.get(point);
    const figures = [
      median === null ? "not measured" : formatShort(metric, median),
      ...(withOther && other !== undefined && value !== undefined
        ? [`${metricTitle(other)} ${formatShort(other, value)}`]
        : []),
    ];
    const price = withOther ? priceOf(input, metric, point) : "";
    return `${nameOf(input.entries, point)} (${figures.join(", ")}${price})`;
  };
  const of = (verdict: SweepRequirement["verdict"]) =>
    goals.filter((each) => each.verdict === verdict).sort((a, b) => rank(a) - rank(b));
  const list = (some: readonly SweepRequirement[], withOther: boolean) =>
    listed(some.map((each) => text(each, withOther)));
  const [met, missed, unclear] = [of("met"), of("missed"), of("unclear")];
  const limit = threshold.slice(metric.length).trim();
  const lead =
    met.length === 0
      ? `No choice was shown to bring the ${metricTitle(metric)} to ${limit}`
      : `${metricHeading(metric)} ${limit}: reached with ${list(met, true)}`;
  const rest = [
    ...(missed.length > 0 ? [`not with ${list(missed, false)}`] : []),
    ...(unclear.length > 0 ? [`undecided with ${list(unclear, false)}`] : []),
  ];
  return `${[lead, ...rest].join("; ")}.`;
}

/** More than these are found in the table. */
const mostPrices = 2;

/** What a point that reaches the goal was shown to be worse in than what it is compared with. */
function priceOf({ metrics, comparisons }: GoalInput, goal: string, point: string): string {
  const worse = metrics.flatMap((metric) =>
    comparisons.filter(
      (each) =>
        each.metric === metric &&
        metric !== goal &&
        each.candidate === point &&
        each.verdict === "worse",
    ),
  );
  const named = worse
    .slice(0, mostPrices)
    .map((each) => `${metricTitle(each.metric)} ${differenceText(each, formatShort)}`);
  return named.length === 0 ? "" : `; at the price of ${named.join(", ")}`;
}

function mediansOf(
  comparisons: readonly SweepComparison[],
  metric: string,
): ReadonlyMap<string, number> {
  return new Map(
    comparisons
      .filter((each) => each.metric === metric)
      .flatMap(({ base, candidate, base_median: ours, candidate_median: theirs }) => [
        ...(ours === undefined ? [] : [[base, ours] as const]),
        ...(theirs === undefined ? [] : [[candidate, theirs] as const]),
      ]),
  );
}

function nameOf(entries: readonly Entry[], point: string): string {
  const entry = entries.find((each) => each.point === point);
  const values = Object.values(entry?.parameters ?? {}).filter((value) => value !== "-");
  const name = values.length === 0 ? point : values.join(", ");
  return entry?.inMemory === true ? inMemory(name) : name;
}

function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}
