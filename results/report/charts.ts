/** The charts of a report as Vega-Lite specifications with their data inside. */
import type { TopLevelSpec } from "vega-lite";
import { comparisonChart } from "./chart-comparison.ts";
import { heatChart } from "./chart-heat.ts";
import { loadLatencyChart } from "./chart-load-latency.ts";
import { percentileChart } from "./chart-percentiles.ts";
import type { Form } from "./chart-style.ts";
import { timeChart } from "./chart-time.ts";
import type { ReportModel } from "./model.ts";

export interface Chart {
  /** Name of its file and of its anchor in the page. */
  readonly name: string;
  readonly title: string;
  /** How to read it; stands below the chart. */
  readonly caption: string;
  /** Title of the fold that hides it at first; null when it is always open. */
  readonly folded: string | null;
  readonly spec: (form: Form) => TopLevelSpec;
}

/** Charts in the order of the report; those without data are left out. */
export function chartsOf(model: ReportModel): readonly Chart[] {
  if (model.entries.length === 0) {
    return [];
  }
  const charts: (Chart | null)[] = [
    loadLatencyChart(model),
    percentileChart(model),
    comparisonChart(model),
    heatChart(model),
    timeChart(model),
  ];
  return charts.filter((chart) => chart !== null);
}
