/** The comparisons of a sweep as its reports print them: one place for words and digits. */
import type { SweepComparison } from "../sweep-record.ts";
import type { ReportModel } from "./model.ts";
import { formatMetric, formatShort, metricHeading } from "./units.ts";

export interface VerdictRow {
  /** Place of the candidate among the entries; -1 without one. */
  readonly at: number;
  readonly candidate: string;
  readonly base: string;
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

/** `+12.3%`: candidate by base. */
export function changeText(ratio: number): string {
  const percent = (100 * (ratio - 1)).toFixed(1);
  return percent.startsWith("-") ? percent.replace(/^-0\.0$/, "0.0").concat("%") : `+${percent}%`;
}

/** Metric by metric, in the order in which they were asked for. */
export function verdictGroups(model: ReportModel): readonly VerdictGroup[] {
  const metrics = [...new Set(model.comparisons.map((each) => each.metric))];
  return metrics.map((metric) => ({
    metric,
    heading: metricHeading(metric),
    rows: model.comparisons
      .filter((each) => each.metric === metric)
      .map((each) => rowOf(model, each)),
  }));
}

function rowOf(model: ReportModel, each: SweepComparison): VerdictRow {
  const { low, high, ratio, p, verdict, reason, runs_needed: needed } = each;
  return {
    at: model.entries.findIndex((entry) => entry.point === each.candidate),
    candidate: labelOf(model, each.candidate),
    base: labelOf(model, each.base),
    difference: changeText(ratio),
    interval: low === high ? "-" : `${changeText(low)} to ${changeText(high)}`,
    p: p < 0.0001 ? "<0.0001" : p.toFixed(4),
    verdict,
    why: needed === null ? reason : `${reason}; about ${needed} runs of each would decide`,
  };
}

/** What a reader calls a point: its label, with its workload where there are several. */
export function labelOf(model: ReportModel, point: string): string {
  const entry = model.entries.find((each) => each.point === point);
  if (entry === undefined) {
    return point;
  }
  const facets = new Set(model.entries.map((each) => each.facet));
  return facets.size > 1 ? `${entry.facet}, ${entry.label}` : entry.label;
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
      because: each.because,
    };
  });
}
