/** The response curve with its knee. */
import {
  countLabel,
  type Form,
  formWidth,
  logDomain,
  logTicks,
  nsLabel,
  palette,
  softInk,
  styled,
  topLegend,
} from "../report/chart-style.ts";
import type { Chart } from "../report/charts.ts";
import type { CurvePoint, LoadCurve } from "./curve.ts";

const percentiles = ["p50", "p99", "p99.9"] as const;

function figureOf(point: CurvePoint, percentile: (typeof percentiles)[number]): number | null {
  switch (percentile) {
    case "p50":
      return point.p50_ns;
    case "p99":
      return point.p99_ns;
    case "p99.9":
      return point.p999_ns;
  }
}

/** Null when there are fewer than two rates. */
export function curveChart(curve: LoadCurve): Chart | null {
  if (curve.points.length < 2) {
    return null;
  }
  return {
    name: "load-curve",
    title: "Response time under load",
    caption:
      "Response time, counted from when an operation was due, at the offered rate of an open loop. Hollow marks: the target did not keep up, and the times grow with the length of the run. " +
      "The solid line is the knee, where IOPS divided by the mean response time is greatest; the dashed line is what the same job reaches as a closed loop. The axis of time is logarithmic.",
    folded: null,
    spec: (form) => curveSpec(curve, form),
  };
}

function curveSpec(curve: LoadCurve, form: Form) {
  const rows = curve.points.flatMap((point) =>
    percentiles.flatMap((line) => {
      const ns = figureOf(point, line);
      const state = point.saturated ? "saturated" : "kept up with";
      return ns === null || ns <= 0 ? [] : [{ line, iops: point.offered_iops, ns, state }];
    }),
  );
  const lines = percentiles.filter((line) => rows.some((row) => row.line === line));
  const domain = logDomain(rows.map(({ ns }) => ns));
  const most = Math.max(curve.closed.iops, ...rows.map(({ iops }) => iops));
  const x = {
    field: "iops",
    type: "quantitative",
    title: "Offered rate (operations per second)",
    scale: { domain: [0, 1.03 * most], nice: false },
    axis: { labelExpr: countLabel, tickCount: form === "phone" ? 5 : 10 },
  };
  const y = {
    field: "ns",
    type: "quantitative",
    title: "Response time",
    scale: { type: "log", domain, nice: false },
    axis: { values: logTicks(...domain, 9), labelExpr: nsLabel },
  };
  const color = {
    field: "line",
    type: "nominal",
    scale: { domain: lines, range: palette.slice(0, lines.length) },
    legend: topLegend(lines, form, true),
  };
  const knee = curve.points.find(({ id }) => id === curve.knee);
  const rule = (iops: number, dash: readonly number[], text: string) => [
    {
      data: { values: [{ iops }] },
      mark: { type: "rule", color: softInk, strokeWidth: 1.5, strokeDash: dash },
      encoding: { x },
    },
    {
      data: { values: [{ iops, text }] },
      mark: { type: "text", align: "right", dx: -5, y: 10, color: softInk, fontSize: 11 },
      encoding: { x, text: { field: "text" } },
    },
  ];
  return styled(
    {
      data: { values: rows },
      width: formWidth[form] - 80,
      height: form === "phone" ? 260 : 340,
      layer: [
        ...(knee === undefined ? [] : rule(knee.offered_iops, [1, 0], "knee")),
        ...rule(curve.closed.iops, [6, 4], "closed loop"),
        { mark: { type: "line" }, encoding: { x, y, color } },
        {
          transform: [{ filter: "datum.state == 'kept up with'" }],
          mark: { type: "point", filled: true, size: 50, opacity: 1 },
          encoding: { x, y, color },
        },
        {
          transform: [{ filter: "datum.state == 'saturated'" }],
          mark: { type: "point", filled: false, size: 60, strokeWidth: 2, opacity: 1 },
          encoding: { x, y, color },
        },
      ],
    },
    "Response time over the offered rate",
    form,
  );
}
