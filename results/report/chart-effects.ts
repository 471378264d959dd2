/** Each comparison of a sweep: how far the candidate lies from its baseline, with the interval. */
import { changeText, intervalText } from "../recorded-difference.ts";
import type { SweepComparison } from "../sweep-record.ts";
import { type Form, formWidth, ink, palette, softInk, styled } from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import { textWidth } from "./fonts.ts";
import { markCode } from "./mark-codes.ts";
import type { ReportModel } from "./model.ts";
import { hasBetter, higherIsBetter, metricHeading, metricTitle } from "./units.ts";
import { labelOf, placeOf } from "./verdict-rows.ts";

interface Row {
  readonly label: string;
  /** Candidate by base. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly verdict: SweepComparison["verdict"];
  readonly code: string;
}

/** Side by side, and how many are shown where nothing was decided. */
const mostAcross = 3;
/** More rows than this are read in the table of verdicts. */
const mostRows = 40;
const rowPx = 17;

const verdicts = ["better", "worse", "same", "unclear"] as const;
const colours = [palette[2], palette[1], softInk, "#9a9a9a"];
const shapes = ["triangle-up", "triangle-down", "square", "circle"];

/** Null without intervals: fewer than six blocks, or nothing was compared. */
export function effectsChart(model: ReportModel): Chart | null {
  const metrics = shownMetrics(model);
  const [first] = metrics;
  if (first === undefined || rowsOf(model, first).length > mostRows) {
    return null;
  }
  const sides = metrics.map(
    (metric) =>
      `${metricTitle(metric)}: ${hasBetter(metric) ? (higherIsBetter(metric) ? "right is" : "left is") : "neither side is"} better`,
  );
  return {
    name: "effects",
    title: "Difference from the baseline",
    caption:
      "Ratio of each configuration to its baseline (the line at no difference) with the 95% interval, by pairs of runs " +
      `of one block. ${sides.join("; ").replace(/^[a-z]/, (letter) => letter.toUpperCase())}.${apartText(model, metrics)}`,
    folded: null,
    spec: (form) => specOf(model, metrics, form),
  };
}

/** Every metric in which something was decided, and the first one; the first few where nothing was. */
function shownMetrics(model: ReportModel): readonly string[] {
  const all = model.metrics.filter((metric) => rowsOf(model, metric).length > 0);
  const decided = all.filter((metric) =>
    model.comparisons.some((each) => each.metric === metric && each.verdict !== "unclear"),
  );
  return decided.length === 0
    ? all.slice(0, mostAcross)
    : all.filter((metric, place) => place === 0 || decided.includes(metric));
}

/** Comparisons that a reader will look for here in vain. */
function apartText(model: ReportModel, metrics: readonly string[]): string {
  const apart = model.comparisons.filter(
    ({ metric, ratio }) => ratio === null && metrics.includes(metric),
  ).length;
  return apart === 0
    ? ""
    : ` ${apart} comparison${apart === 1 ? "" : "s"} with figures of 0, of which there is no ratio, ${apart === 1 ? "stands" : "stand"} in the table.`;
}

function rowsOf(model: ReportModel, metric: string): readonly Row[] {
  return model.comparisons
    .filter((each) => each.metric === metric)
    .flatMap((each) => {
      const { candidate, ratio, low, high, verdict } = each;
      // What has no ratio has no place on an axis of ratios; the table of verdicts has it.
      if (ratio === null || low === null || high === null || intervalText(each) === null) {
        return [];
      }
      const label = labelOf(model, candidate);
      const at = placeOf(model, candidate);
      const tip = `${label}: ${metricTitle(metric)} ${changeText(ratio)} (${changeText(low)} to ${changeText(high)}), ${verdict}`;
      return [{ label, ratio, low, high, verdict, code: markCode({ entry: at, tip }) }];
    });
}

function specOf(model: ReportModel, metrics: readonly string[], form: Form) {
  const labels = [
    ...new Set(metrics.flatMap((metric) => rowsOf(model, metric)).map((r) => r.label)),
  ];
  const widest = Math.max(...labels.map((label) => textWidth(label, 11, false)));
  const labelPx = Math.min(widest + 16, formWidth[form] * (form === "phone" ? 0.56 : 0.45));
  const across = form === "phone" ? 1 : Math.min(mostAcross, metrics.length);
  const width = Math.floor((formWidth[form] - labelPx - 20 * (across - 1) - 30) / across);
  const cells = metrics.map((metric, index) =>
    cell(rowsOf(model, metric), { metric, labels, labelPx, width, labelled: index % across === 0 }),
  );
  const lines = cells
    .flatMap((_, place) => (place % across === 0 ? [cells.slice(place, place + across)] : []))
    .map((line) => (line.length === 1 ? line[0] : { hconcat: line, spacing: 20 }));
  const spec = lines.length === 1 ? { ...lines[0] } : { vconcat: lines };
  return styled(spec, "Difference from the baseline, with intervals", form);
}

interface CellFacts {
  readonly metric: string;
  readonly labels: readonly string[];
  readonly labelPx: number;
  readonly width: number;
  readonly labelled: boolean;
}

/** Ratios are as far from 1 upwards as downwards on a logarithmic axis. */
function cell(rows: readonly Row[], facts: CellFacts): object {
  const { metric, labels, labelPx, width, labelled } = facts;
  const far = Math.max(...rows.map((row) => Math.max(row.high, 1 / row.low)), 1.02) ** 1.05;
  const steps = [1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10, 30, 100];
  const step = steps.findLast((each) => each ** 1.2 <= far) ?? 1.01;
  const x = {
    field: "ratio",
    type: "quantitative",
    title: `${metricHeading(metric)}, difference`,
    scale: { type: "log", domain: [1 / far, far], nice: false },
    axis: {
      values: [1 / step, 1, step],
      labelExpr: "(datum.value > 1 ? '+' : '') + format(datum.value - 1, '.2~p')",
    },
  };
  const y = {
    field: "label",
    type: "nominal",
    sort: labels,
    scale: { domain: labels },
    title: null,
    axis: labelled
      ? { labelLimit: labelPx - 8, minExtent: labelPx - 10, maxExtent: labelPx }
      : { labels: false, ticks: false },
  };
  const color = {
    field: "verdict",
    type: "nominal",
    scale: { domain: verdicts, range: colours },
    // The same in every cell: they share one.
    legend: { orient: "top", direction: "horizontal", title: null },
  };
  const shape = { ...color, scale: { domain: verdicts, range: shapes } };
  const description = { field: "code", type: "nominal" };
  return {
    data: { values: rows },
    width,
    height: rowPx * labels.length,
    layer: [
      {
        mark: { type: "rule", color: ink, strokeWidth: 1, aria: false },
        encoding: { x: { datum: 1, type: "quantitative" } },
      },
      {
        mark: { type: "rule", strokeWidth: 2, aria: false },
        encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, y, color },
      },
      {
        mark: { type: "point", filled: true, size: 60, opacity: 1 },
        encoding: { x, y, color, shape, description },
      },
    ],
  };
}
