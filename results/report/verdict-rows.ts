/** The comparisons of a sweep as its reports print them: one place for words and digits. */
import { differenceText, intervalText } from "../recorded-difference.ts";
import type { SweepComparison } from "../sweep-record.ts";
import type { Entry, ReportModel } from "./model.ts";
import { formatMetric, formatShort, metricHeading } from "./units.ts";

export interface VerdictRow {
  /** Place of the candidate among the entries; -1 without one. */
  readonly at: number;
  readonly candidate: string;
  readonly base: string;
  /** Of the very figures that were compared; `-` where the record has none. */
  readonly medians: string;
  readonly difference: string;
  readonly interval: string;
  readonly p: string;
  readonly verdict: SweepComparison["verdict"];
  readonly why: string;
}

export interface VerdictGroup {
  readonly metric: string;
  readonly heading: string;
  readonly rows: readonly VerdictRow[];
}

/** Metric by metric, in the order in which they were asked for. */
export function verdictGroups(model: ReportModel): readonly VerdictGroup[] {
  return groupsOf(model, model.comparisons);
}

/** The same of each value of a parameter against the one before it; null where nobody asked for that. */
export function stepGroups(
  model: ReportModel,
): { readonly title: string; readonly groups: readonly VerdictGroup[] } | null {
  const { along, comparisons = [] } = model.steps ?? {};
  const title = `Steps of ${along}: each value against the one before it`;
  return comparisons.length === 0 ? null : { title, groups: groupsOf(model, comparisons) };
}

function groupsOf(
  model: ReportModel,
  comparisons: readonly SweepComparison[],
): readonly VerdictGroup[] {
  const metrics = [...new Set(comparisons.map((each) => each.metric))];
  return metrics.map((metric) => ({
    metric,
    heading: `${metricHeading(metric)}${overText(model, metric)}`,
    rows: comparisons.filter((each) => each.metric === metric).map((each) => rowOf(model, each)),
  }));
}

/** Which operations a comparison is over, where a reader might take it for fewer. */
export function overText(model: ReportModel, metric: string): string {
  const own = /^(read|write|trim)\.|^(share|served)\.|^counter\.|@/.test(metric);
  const points = new Set(model.comparisons.flatMap((each) => [each.base, each.candidate]));
  const mixed = [...points].some((point) => entriesOf(model, point).length > 1);
  return mixed && !own ? ", all operations together" : "";
}

function rowOf(model: ReportModel, each: SweepComparison): VerdictRow {
  const { metric, p, verdict, reason, runs_needed: needed } = each;
  const figure = (value: number | undefined) =>
    value === undefined ? "-" : formatShort(metric, value);
  return {
    at: placeOf(model, each.candidate),
    candidate: labelOf(model, each.candidate),
    base: labelOf(model, each.base),
    medians: `${figure(each.candidate_median)} against ${figure(each.base_median)}`,
    difference: differenceText(each, formatShort),
    interval: intervalText(each, formatShort) ?? "-",
    p: p < 0.0001 ? "<0.0001" : p.toFixed(4),
    verdict,
    why: needed === null ? reason : `${reason}; about ${needed} runs of each would decide`,
  };
}

type WithEntries = Pick<ReportModel, "entries">;

function entriesOf(model: WithEntries, point: string): readonly Entry[] {
  return model.entries.filter((each) => each.point === point);
}

/** Place of a point's entry among all; -1 where it has several, none of which is the whole point. */
export function placeOf(model: WithEntries, point: string): number {
  return entriesOf(model, point).length === 1
    ? model.entries.findIndex((each) => each.point === point)
    : -1;
}

/**
 * What a reader calls a point: the label of its entry, with its workload where there are several. Of a point
 * with several entries, such as reads and writes, what they have in common: never the name of one of them.
 * Points that would be called the same are told apart by those of their parameters that differ.
 */
export function labelOf(model: WithEntries, point: string): string {
  const label = plainLabelOf(model, point);
  const parameters = parametersOf(model, point);
  const others = [...new Set(model.entries.map((each) => each.point))]
    .filter((other) => other !== point && plainLabelOf(model, other) === label)
    .map((other) => parametersOf(model, other));
  const own = Object.entries(parameters).flatMap(([name, value]) =>
    others.some((other) => other[name] !== value) && value !== "-" ? [`${name} ${value}`] : [],
  );
  return [...own, label].join(", ");
}

function loadOf({ facet }: Entry): string {
  return facet.replace(/, (?:reads|writes|trims)$/, "");
}

function parametersOf(model: WithEntries, point: string): Readonly<Record<string, string>> {
  return entriesOf(model, point)[0]?.parameters ?? {};
}

function plainLabelOf(model: WithEntries, point: string): string {
  const own = entriesOf(model, point);
  const [first] = own;
  if (first === undefined) {
    return point;
  }
  if (own.length === 1) {
    const facets = new Set(model.entries.map((each) => each.facet));
    return facets.size > 1 ? `${first.facet}, ${first.label}` : first.label;
  }
  const shared = (of: (entry: Entry) => string) =>
    own.every((each) => of(each) === of(first)) ? of(first) : null;
  const names = Object.values(first.parameters).filter((value) => value !== "-");
  const common =
    shared((entry) => entry.label) ??
    shared((entry) => entry.series) ??
    (names.length > 0 ? names.join(", ") : point);
  // Reads and writes of one mixed job are one workload, beside which there may be others.
  const load = shared(loadOf);
  const loads = new Set(model.entries.map(loadOf));
  return load === null || loads.size < 2 ? common : `${load}, ${common}`;
}

export interface RequirementRow {
  readonly name: string;
  readonly threshold: string;
  readonly median: string;
  readonly interval: string;
  readonly verdict: string;
  readonly because: string;
}

/** What points had to reach, and whether they did. */
export function requirementRows(model: ReportModel): readonly RequirementRow[] {
  return model.requirements.map((each) => {
    const { metric, median, low, high } = each;
    return {
      name: labelOf(model, each.point),
      threshold: each.threshold,
      median: median === null ? "-" : formatMetric(metric, median),
      interval:
        low === null || high === null
          ? "-"
          : `${formatShort(metric, low)} to ${formatShort(metric, high)}`,
      verdict: each.verdict,
      because: each.goal === true ? "asked: which reach it" : each.because,
    };
  });
}
