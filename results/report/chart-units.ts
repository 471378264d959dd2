/** Units on the axes of charts: of every metric, at each label or in the title. */
import { metricFacts } from "../metrics.ts";
import { bandwidthLabel, countLabel, nsLabel } from "./chart-style.ts";
import { isBandwidth, isTime, metricHeading } from "./units.ts";

/** Vega expression that writes a figure of the metric. */
export function figureLabel(metric: string): string {
  if (isTime(metric)) {
    return nsLabel;
  }
  if (isBandwidth(metric)) {
    return bandwidthLabel;
  }
  switch (metricFacts(metric)?.unit) {
    case "us":
      return "format(datum.value, '~r') + ' \\u00b5s'";
    case "bytes":
      return "format(datum.value / 1048576, '~r') + ' MiB'";
    case "ratio":
      return "format(datum.value, '~p')";
    default:
      return countLabel;
  }
}

/** Name of an axis; with the unit where its labels cannot bear it. */
export function axisTitle(metric: string): string {
  const heading = metricHeading(metric);
  return metricFacts(metric)?.unit === "1/s" ? `${heading} (operations per second)` : heading;
}
