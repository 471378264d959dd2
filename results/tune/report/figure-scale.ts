/** The scale of a metric's figures: logarithmic where they span far, with ticks in its unit. */
import { countLabel, logDomain, logTicks, nsLabel } from "../../report/chart-style.ts";
import { isTime } from "../../report/units.ts";

/** Figures that span more than this are seen by their ratios. */
const wide = 5;

export function figureScale(metric: string, figures: readonly number[]): object {
  const labelExpr = isTime(metric) ? nsLabel : countLabel;
  if (Math.max(...figures) / Math.min(...figures) <= wide) {
    return {
      scale: { type: "linear", zero: false, nice: true },
      axis: { labelExpr, tickCount: 6 },
    };
  }
  const domain = logDomain(figures);
  const values = logTicks(domain[0], domain[1], 8);
  return { scale: { type: "log", domain, nice: false }, axis: { labelExpr, values } };
}
