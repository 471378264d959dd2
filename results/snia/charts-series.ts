/** Plots over time, and over what was written: saturation, idle recovery, cross stimulus. */
import {
  bandwidthLabel,
  countLabel,
  type Form,
  formWidth,
  keyOf,
  logDomain,
  logTicks,
  nsLabel,
  styled,
  topLegend,
} from "../report/chart-style.ts";
import type { Chart } from "../report/charts.ts";
import type { SeriesModel, SeriesPoint, SniaModel } from "./load.ts";

interface Line {
  readonly line: string;
  readonly x: number;
  readonly value: number;
}

interface Axes {
  readonly x: { readonly title: string; readonly labelExpr?: string };
  readonly y: { readonly title: string; readonly labelExpr: string };
  /** Logarithmic where values are far apart. */
  readonly mayBeLog: boolean;
}

/** More points than this are drawn as the means of neighbours. */
const mostPoints = 1500;

function thinned(points: readonly SeriesPoint[]): readonly SeriesPoint[] {
  const stride = Math.ceil(points.length / mostPoints);
  if (stride <= 1) {
    return points;
  }
  const thin: SeriesPoint[] = [];
  for (let at = 0; at < points.length; at += stride) {
    const part = points.slice(at, at + stride);
    const last = part.at(-1);
    const mean = (pick: (point: SeriesPoint) => number) =>
      part.reduce((sum, point) => sum + pick(point), 0) / part.length;
    if (last !== undefined) {
      thin.push({
        ...last,
        iops: mean(({ iops }) => iops),
        bw_bytes: mean(({ bw_bytes: bytes }) => bytes),
        mean_ns: mean(({ mean_ns: ns }) => ns),
        max_ns: Math.max(...part.map(({ max_ns: ns }) => ns)),
      });
    }
  }
  return thin;
}

function lineSpec(lines: readonly Line[], axes: Axes, what: string, form: Form, dots: boolean) {
  const key = keyOf(lines.map(({ line }) => line));
  const values = lines.map(({ value }) => value).filter((value) => value > 0);
  const log = axes.mayBeLog && values.length > 0 && Math.max(...values) / Math.min(...values) > 20;
  const domain = logDomain(values);
  const x = {
    field: "x",
    type: "quantitative",
    title: axes.x.title,
    scale: { nice: false, zero: true },
    axis: {
      tickCount: 8,
      ...(axes.x.labelExpr === undefined ? {} : { labelExpr: axes.x.labelExpr }),
    },
  };
  const y = {
    field: "value",
    type: "quantitative",
    title: axes.y.title,
    scale: log
      ? { type: "log", domain, nice: false }
      : { domain: [0, 1.08 * Math.max(1e-9, ...values)], nice: false },
    axis: {
      labelExpr: axes.y.labelExpr,
      ...(log ? { values: logTicks(...domain, 8) } : { tickCount: 6 }),
    },
  };
  const color = {
    field: "line",
    type: "nominal",
    scale: { domain: key.domain, range: key.colours },
    legend: key.domain.length > 1 ? topLegend(key.domain, form, !dots) : null,
  };
  const mark = dots
    ? { type: "point", filled: true, size: 16, opacity: 0.8 }
    : { type: "line", strokeWidth: 1.5 };
  return styled(
    {
      data: { values: lines.filter(({ value }) => value > 0 || !log) },
      width: formWidth[form] - 80,
      height: form === "phone" ? 220 : 260,
      mark,
      encoding: { x, y, color },
    },
    what,
    form,
  );
}

/** Seconds of the test in a unit that suits their number. */
function timeAxis(seconds: number): { title: string; per: number } {
  return seconds > 7200
    ? { title: "Time (hours)", per: 3600 }
    : seconds > 300
      ? { title: "Time (minutes)", per: 60 }
      : { title: "Time (seconds)", per: 1 };
}

export function seriesCharts(model: SniaModel): readonly Chart[] {
  switch (model.snia.test) {
    case "write-saturation":
      return saturation(model.series[0]);
    case "cross-stimulus":
      return crossStimulus(model.series);
    case "host-idle":
      return hostIdle(model.series);
    default:
      return [];
  }
}

function chart(name: string, title: string, caption: string, spec: Chart["spec"]): Chart {
  return { name, title, caption, folded: null, spec };
}

function saturation(series: SeriesModel | undefined): readonly Chart[] {
  const points = thinned(series?.points ?? []);
  if (points.length === 0) {
    return [];
  }
  const { title, per } = timeAxis(points.at(-1)?.seconds ?? 0);
  const rate = { title: "IOPS", labelExpr: countLabel };
  const time = { title: "Response time", labelExpr: nsLabel };
  const iops = (x: (point: SeriesPoint) => number): readonly Line[] =>
    points.map((point) => ({ line: "IOPS", x: x(point), value: point.iops }));
  const latency = points.flatMap(({ seconds, mean_ns: mean, max_ns: max }): Line[] => [
    { line: "mean", x: seconds / per, value: mean },
    { line: "longest", x: seconds / per, value: max },
  ]);
  const gigabytes = { title: "Written (GB)" };
  return [
    chart("saturation", "IOPS over time", "Each mark is a round.", (form) =>
      lineSpec(
        iops(({ seconds }) => seconds / per),
        { x: { title }, y: rate, mayBeLog: false },
        "IOPS over time",
        form,
        true,
      ),
    ),
    chart("saturation-bytes", "IOPS over bytes written", "Each mark is a round.", (form) =>
      lineSpec(
        iops(({ written_bytes: bytes }) => bytes / 1e9),
        { x: gigabytes, y: rate, mayBeLog: false },
        "IOPS over bytes written",
        form,
        true,
      ),
    ),
    chart("saturation-latency", "Response time over time", "Of each round.", (form) =>
      lineSpec(
        latency,
        { x: { title }, y: time, mayBeLog: true },
        "Response time over time",
        form,
        true,
      ),
    ),
  ];
}

/** Steps one after the other on one axis of time. */
function inARow(
  series: readonly SeriesModel[],
): readonly { readonly of: SeriesModel; readonly from: number }[] {
  let from = 0;
  return series.map((of) => {
    const placed = { of, from };
    from += of.points.at(-1)?.seconds ?? 0;
    return placed;
  });
}

function crossStimulus(series: readonly SeriesModel[]): readonly Chart[] {
  const placed = inARow(series);
  const end = placed.at(-1);
  const { title, per } = timeAxis((end?.from ?? 0) + (end?.of.points.at(-1)?.seconds ?? 0));
  const lines = (value: (point: SeriesPoint) => number, name?: string): readonly Line[] =>
    placed.flatMap(({ of, from }) =>
      thinned(of.points).map((point) => ({
        line: name ?? of.title,
        x: (from + point.seconds) / per,
        value: value(point),
      })),
    );
  if (series.length === 0) {
    return [];
  }
  const rate = { title: "Throughput", labelExpr: bandwidthLabel };
  const time = { title: "Response time", labelExpr: nsLabel };
  return [
    chart(
      "cross-throughput",
      "Throughput around the switches",
      "Sequential writes, random writes, and sequential writes again, one after the other.",
      (form) =>
        lineSpec(
          lines(({ bw_bytes: bytes }) => bytes),
          { x: { title }, y: rate, mayBeLog: false },
          "Throughput over time",
          form,
          false,
        ),
    ),
    chart("cross-latency", "Response time around the switches", "Of each sample.", (form) =>
      lineSpec(
        [...lines(({ mean_ns: ns }) => ns, "mean"), ...lines(({ max_ns: ns }) => ns, "longest")],
        { x: { title }, y: time, mayBeLog: true },
        "Response time over time",
        form,
        true,
      ),
    ),
  ];
}

function hostIdle(series: readonly SeriesModel[]): readonly Chart[] {
  const placed = inARow(series);
  const end = placed.at(-1);
  const { title, per } = timeAxis((end?.from ?? 0) + (end?.of.points.at(-1)?.seconds ?? 0));
  const lines = placed.flatMap(({ of, from }) =>
    thinned(of.points).map(({ seconds, iops }): Line => {
      const line = of.id.startsWith("idle-") ? of.title : "writes without a pause";
      return { line, x: (from + seconds) / per, value: iops };
    }),
  );
  return lines.length === 0
    ? []
    : [
        chart(
          "idle",
          "IOPS of bursts and of continuous writes",
          "Each mark is a burst of writes after an idle time, or a sample of the writes between two states.",
          (form) =>
            lineSpec(
              lines,
              { x: { title }, y: { title: "IOPS", labelExpr: countLabel }, mayBeLog: false },
              "IOPS over time",
              form,
              true,
            ),
        ),
      ];
}
