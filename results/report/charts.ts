/** The charts of a report as Vega-Lite specifications with their data inside. */
import type { TopLevelSpec } from "vega-lite";
import { findOption } from "../../engine/options/registry.ts";
import { curveChart } from "../load-curve/chart-curve.ts";
import { axisChart } from "./chart-axis.ts";
import { comparisonChart } from "./chart-comparison.ts";
import { distributionChart } from "./chart-distribution.ts";
import { effectsChart } from "./chart-effects.ts";
import { gridChart } from "./chart-grid.ts";
import { heatChart } from "./chart-heat.ts";
import { layerTaxChart } from "./chart-layer-tax.ts";
import { loadLatencyChart } from "./chart-load-latency.ts";
import { percentileChart } from "./chart-percentiles.ts";
import { shareChart } from "./chart-shares.ts";
import { stageChart } from "./chart-stages.ts";
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

/** Whether a parameter is varied that is no key of the load. */
function choosesOptions({ parameters }: ReportModel): boolean {
  return Object.entries(parameters).some(([name, values]) => {
    return values.length > 1 && (name === "target" || findOption(name) !== undefined);
  });
}

/** Charts in the order of the report; those without data are left out. */
export function chartsOf(model: ReportModel): readonly Chart[] {
  if (model.entries.length === 0) {
    return [];
  }
  const overAxis = axisChart(model);
  // After the verdicts' effects comes what a sweep asks for: over a numeric parameter as lines,
  // among choices as bars.
  const curve = model.loadCurve === undefined ? null : curveChart(model.loadCurve);
  const asked = curve ?? overAxis ?? (choosesOptions(model) ? comparisonChart(model) : null);
  const charts: (Chart | null)[] = [
    effectsChart(model),
    asked,
    layerTaxChart(model),
    gridChart(model),
    curve === null ? loadLatencyChart(model) : null,
    percentileChart(model),
    distributionChart(model),
    asked === null ? comparisonChart(model) : null,
    stageChart(model),
    shareChart(model),
    heatChart(model),
    timeChart(model),
  ];
  return charts.filter((chart) => chart !== null);
}
