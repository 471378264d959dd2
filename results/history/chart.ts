/** A line of a history as a chart: a mark a result, its levels, and where they changed. */
import { changeText } from "../recorded-difference.ts";
import { type Form, formWidth, ink, palette, softInk, styled } from "../report/chart-style.ts";
import { figureLabel } from "../report/chart-units.ts";
import type { Chart } from "../report/charts.ts";
import { markCode } from "../report/mark-codes.ts";
import { formatMetric, metricHeading, metricTitle } from "../report/units.ts";
import type { HistoryLine, HistoryMetric } from "./history.ts";

const verdictColours = { better: palette[2], worse: palette[1], same: softInk, unclear: softInk };

/** The chart of a line; `place` among all lines names its file. */
export function historyChart(line: HistoryLine, place: number): Chart {
  const several = line.metrics.some(({ points }) => points.some((point) => point.runs > 1));
  const odd = line.metrics.some(({ outliers }) => outliers.length > 0);
  return {
    name: `history-${place + 1}`,
    title: line.name,
    caption:
      "Each mark is a result, in the order of time; bars are levels (medians) between changes, which dashed lines mark." +
      (several ? " Thin lines reach from the smallest repeat to the largest." : "") +
      (odd ? " Crosses lie far from their level." : ""),
    folded: null,
    spec: (form) => specOf(line, form),
  };
}

function specOf(line: HistoryLine, form: Form): ReturnType<typeof styled> {
  const width = formWidth[form] - 90;
  const cells = line.metrics.map((metric, place) =>
    cellOf(metric, width, place === line.metrics.length - 1),
  );
  const spec = { vconcat: cells, spacing: 22, resolve: { scale: { color: "independent" } } };
  return styled(spec, `History of ${line.name}`, form);
}

function cellOf(history: HistoryMetric, width: number, last: boolean): object {
  const { metric, points, levels, changes, outliers } = history;
  const rows = points.map((point, at) => ({
    at,
    value: point.value,
    low: point.low,
    high: point.high,
    odd: outliers.includes(at),
    code: markCode({
      entry: -1,
      name: "",
      tip:
        `${point.started.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC")}, ${point.source}: ` +
        `${metricTitle(metric)} ${formatMetric(metric, point.value)}${outliers.includes(at) ? ", far from its level" : ""}`,
    }),
  }));
  const low = Math.min(...rows.map((row) => row.low));
  const high = Math.max(...rows.map((row) => row.high));
  // A history is about change: the axis need not begin at zero, but a flat line must look flat.
  const middle = (low + high) / 2;
  const half = Math.max((high - low) * 0.62, Math.abs(middle) * 0.06);
  const y = {
    field: "value",
    type: "quantitative",
    title: metricHeading(metric),
    scale: { domain: [Math.max(0, middle - half), middle + half], nice: false, zero: false },
    axis: { labelExpr: figureLabel(metric), tickCount: 4, minExtent: 44 },
  };
  const x = xOf(points, width, last);
  const steps = levels.map(({ from, to, value }) => ({ from: from - 0.4, to: to - 0.6, value }));
  const marks = changes.map((change) => ({
    at: change.at - 0.5,
    text: `${change.verdict} ${changeText(change.ratio)}`,
    verdict: change.verdict,
    // Words of a change near the right end stand left of its line.
    left: change.at > points.length * 0.75,
    code: markCode({
      entry: -1,
      tip: `${change.verdict} from ${change.started.slice(0, 10)} on: ${changeText(change.ratio)}`,
    }),
  }));
  const text = (left: boolean) => ({
    data: { values: marks },
    transform: [{ filter: `datum.left == ${left}` }],
    mark: {
      type: "text",
      align: left ? "right" : "left",
      dx: left ? 4 : -4,
      dy: -5,
      fontSize: 11,
      color: ink,
      aria: false,
    },
    encoding: { x: { ...x, field: "at" }, y: { value: 0 }, text: { field: "text" } },
  });
  const description = { field: "code", type: "nominal" };
  return {
    width,
    height: 150,
    layer: [
      {
        data: { values: marks },
        mark: { type: "rule", strokeDash: [4, 3], strokeWidth: 1.5 },
        encoding: {
          x: { ...x, field: "at" },
          color: {
            field: "verdict",
            type: "nominal",
            scale: { domain: Object.keys(verdictColours), range: Object.values(verdictColours) },
            legend: null,
          },
          description,
        },
      },
      text(false),
      text(true),
      {
        data: { values: rows },
        transform: [{ filter: "datum.high > datum.low" }],
        mark: { type: "rule", strokeWidth: 1, color: softInk, aria: false },
        encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } },
      },
      {
        data: { values: steps },
        mark: { type: "rule", strokeWidth: 3, color: ink, opacity: 0.75, aria: false },
        encoding: { x: { ...x, field: "from" }, x2: { field: "to" }, y },
      },
      ...[false, true].map((odd) => ({
        data: { values: rows },
        transform: [{ filter: `datum.odd == ${odd}` }],
        mark: odd
          ? { type: "point", shape: "cross", filled: true, size: 60, color: palette[1], opacity: 1 }
          : { type: "point", filled: true, size: 34, color: palette[0], opacity: 1 },
        encoding: { x, y, description },
      })),
    ],
  };
}

/** Results stand side by side whatever the time between them; their days are the labels. */
function xOf(points: HistoryMetric["points"], width: number, titled: boolean): object {
  const most = Math.max(2, Math.floor(width / 84));
  const stride = Math.max(1, Math.ceil(points.length / most));
  const ticks = points.flatMap((_, at) => (at % stride === 0 ? [at] : []));
  const days = new Set(points.map((point) => point.started.slice(0, 10))).size;
  const label = (at: number) => {
    const started = points[at]?.started ?? "";
    return days > points.length / 2 ? started.slice(0, 10) : started.slice(5, 16).replace("T", " ");
  };
  const names = ticks.map((at) => `datum.value == ${at} ? '${label(at)}' : `).join("");
  return {
    field: "at",
    type: "quantitative",
    title: titled ? "Result (UTC)" : null,
    scale: { domain: [-0.6, points.length - 0.4], nice: false },
    axis: { values: ticks, labelExpr: `${names}''`, grid: false, labelOverlap: true },
  };
}
