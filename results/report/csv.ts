/** The figures of a report as CSV: a line a configuration and metric, every digit kept. */
import { metricFacts } from "../metrics.ts";
import { csvText } from "../query/text.ts";
import type { ReportModel } from "./model.ts";

const fixed = [
  "point",
  "configuration",
  "facet",
  "direction",
  "metric",
  "unit",
  "median",
  "low",
  "high",
  "solid",
  "runs",
  "values",
];

/**
 * Columns: the point and its parameters, the metric with its unit, the median of the runs, the smallest and
 * the largest, whether it is solid (1; 0: a percentile with fewer than 10 samples beyond it), and each run's.
 */
export function renderCsv(model: ReportModel): string {
  const parameters = Object.keys(model.parameters).filter((name) => !fixed.includes(name));
  const rows = model.entries.flatMap((entry) =>
    Object.entries(entry.metrics).map(([metric, { value, low, high, values, solid }]) => [
      entry.point,
      entry.label,
      entry.facet,
      entry.direction,
      metric,
      metricFacts(metric)?.unit ?? "",
      value,
      low,
      high,
      solid ? 1 : 0,
      values.length,
      values.join(" "),
      ...parameters.map((name) => entry.parameters[name] ?? null),
    ]),
  );
  return csvText({ columns: [...fixed, ...parameters], rows });
}
