/** IOPS against latency: how much waiting each step of load costs. */

import {
  countLabel,
  type Form,
  ink,
  keyOf,
  type Label,
  logDomain,
  logPixel,
  logTicks,
  logValue,
  nsLabel,
  ownAxes,
  panels,
  placeLabels,
  styled,
  topLegend,
} from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import { frameLayer, markCode } from "./mark-codes.ts";
import type { Entry, ReportModel } from "./model.ts";
import { formatCount, formatNs } from "./units.ts";

interface Row {
  readonly facet: string;
  readonly series: string;
  readonly depth: number;
  readonly depthText: string;
  readonly percentile: string;
  readonly iops: number;
  readonly ns: number;
  readonly low: number;
  readonly high: number;
  readonly name: string;
  readonly at: number;
  readonly tip: string;
}

/** Null when no entry has both figures. */
export function loadLatencyChart(model: ReportModel): Chart | null {
  const found = model.entries.flatMap((entry, at) => rowsOf(entry, at));
  if (found.length === 0) {
    return null;
  }
  const open = model.entries.every((entry) => entry.openLoop);
  const cloud = model.entries.length <= mostClouds ? cloudOf(model) : [];
  const lines = new Set(found.map((row) => `${row.facet}|${row.series}`)).size;
  const joined = lines < found.length / 2;
  // Points without a line share one panel, so that they can be compared.
  const rows = joined || lines > 8 ? found : found.map((row) => ({ ...row, ...alone(row) }));
  const steps = open ? "offered rates" : "operations outstanding";
  return {
    name: "iops-latency",
    title: "IOPS against response time",
    caption:
      (joined
        ? `Median (p50, dashed) and 99th percentile (p99, solid) of response time at the IOPS reached; lines connect the ${steps}, which the numbers give. `
        : "Median (p50) and 99th percentile (p99) of response time at the IOPS reached. ") +
      (cloud.length > 0 && !joined ? "Small dots: each interval's p99. " : "") +
      "Further right is more work, lower is less waiting. Both axes are logarithmic.",
    folded: null,
    spec: (form) => specOf(rows, form, joined, joined ? [] : cloud),
  };
}

/** One interval of one run. */
interface Dot {
  readonly facet: string;
  readonly series: string;
  readonly iops: number;
  readonly ns: number;
}

/** More entries than this would hide each other's clouds. */
const mostClouds = 4;
const mostDots = 400;

/** IOPS and p99 of the measured intervals: how steady the one figure is. */
function cloudOf(model: ReportModel): readonly Dot[] {
  const dots = model.timeLines.flatMap((line) => {
    const entry = model.entries.find((one) => one.id === line.entry);
    const series = entry === undefined ? "" : `${entry.facet}, ${entry.label}`;
    return line.rows
      .filter((row) => row.ms > line.warmupEndMs && row.iops > 0)
      .flatMap(({ iops, p99 }) => {
        return p99 === null || p99 <= 0 ? [] : [{ facet: "", series, iops, ns: p99 }];
      });
  });
  const stride = Math.max(1, Math.ceil(dots.length / mostDots));
  return dots.filter((_, index) => index % stride === 0);
}

function alone(row: Row): { readonly facet: string; readonly series: string } {
  return { facet: "", series: row.name };
}

function rowsOf(entry: Entry, at: number): readonly Row[] {
  const iops = entry.metrics["iops"];
  if (iops === undefined || iops.value <= 0) {
    return [];
  }
  return ["p50", "p99"].flatMap((percentile) => {
    const ns = entry.metrics[`response.${percentile}`];
    if (ns?.solid !== true || ns.value <= 0) {
      return [];
    }
    const { facet, series, depth, label } = entry;
    const name = `${facet}, ${label}`;
    const tip = `${name}: ${formatCount(iops.value)} IOPS, response ${percentile} ${formatNs(ns.value)}`;
    const { low, high } = ns;
    const depthText = formatCount(depth).replace(/\.0+(?=[kM]|$)/, "");
    return [
      {
        facet,
        series,
        depth,
        depthText,
        percentile,
        iops: iops.value,
        ns: ns.value,
        low,
        high,
        name,
        at,
        tip,
      },
    ];
  });
}

/** A label for each row that has room for one, at values of its own; the upper rows are served first. */
function labelsOf(
  rows: readonly Row[],
  wanted: (row: Row) => string | null,
  { xDomain, yDomain, width, height }: Frame,
): readonly object[] {
  const at = (row: Row) => ({
    panel: row.facet,
    x: logPixel(row.iops, xDomain, width),
    // Pixels count from the top.
    y: height - logPixel(row.ns, yDomain, height),
  });
  const sorted = [...rows]
    .sort((a, b) => b.ns - a.ns)
    .flatMap((row) => {
      const text = wanted(row);
      return text === null ? [] : [{ row, text }];
    });
  const places = placeLabels(
    sorted.map(({ row, text }) => ({ ...at(row), text })),
    rows.map(at),
    linesOf(rows, at),
    width,
    height,
  );
  return sorted.flatMap(({ row, text }, index) => {
    const place = places[index];
    return place === null || place === undefined
      ? []
      : [
          {
            facet: row.facet,
            text,
            iops: logValue(place.x, xDomain, width),
            ns: logValue(height - place.y, yDomain, height),
            code: markCode({ entry: row.at, name: row.series, kind: row.percentile }),
          },
        ];
  });
}

/** Pixels between the points that stand for a line. */
const linePx = 6;

/** Points along the lines that connect the rows of a series and percentile in the order of depths. */
function linesOf(rows: readonly Row[], at: (row: Row) => Label): readonly Label[] {
  const lines = new Map<string, Row[]>();
  for (const row of rows) {
    const key = `${row.facet}|${row.series}|${row.percentile}`;
    lines.set(key, [...(lines.get(key) ?? []), row]);
  }
  return [...lines.values()].flatMap((line) => {
    const places = line.toSorted((a, b) => a.depth - b.depth).map(at);
    return places.slice(1).flatMap((to, index) => {
      const from = places[index] ?? to;
      const count = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / linePx);
      return Array.from({ length: count }, (_, step) => ({
        panel: to.panel,
        x: from.x + ((to.x - from.x) * step) / count,
        y: from.y + ((to.y - from.y) * step) / count,
      }));
    });
  });
}

interface Frame {
  readonly xDomain: readonly [number, number];
  readonly yDomain: readonly [number, number];
  readonly width: number;
  readonly height: number;
}

function specOf(rows: readonly Row[], form: Form, joined: boolean, cloud: readonly Dot[]) {
  const facets = [...new Set(rows.map((row) => row.facet))];
  const { columns, width } = panels(facets.length, form, 3);
  const key = keyOf(rows.map((row) => row.series));
  const xDomain = logDomain([...rows, ...cloud].map((row) => row.iops));
  const yDomain = logDomain([
    ...rows.flatMap((row) => [row.low, row.high]),
    ...cloud.map((dot) => dot.ns),
  ]);
  const height = form === "phone" ? 240 : columns === 1 ? 340 : 280;
  const x = {
    field: "iops",
    type: "quantitative",
    title: "IOPS (operations per second)",
    scale: { type: "log", domain: xDomain, nice: false },
    axis: {
      values: logTicks(xDomain[0], xDomain[1], Math.max(3, Math.floor(width / 48))),
      labelExpr: countLabel,
    },
  };
  const y = {
    field: "ns",
    type: "quantitative",
    title: "Response time",
    scale: { type: "log", domain: yDomain, nice: false },
    axis: { values: logTicks(yDomain[0], yDomain[1], 9), labelExpr: nsLabel },
  };
  const colour = {
    field: "series",
    type: "nominal",
    scale: { domain: key.domain, range: key.colours },
    legend: key.domain.length > 1 ? topLegend(key.domain, form, false) : null,
  };
  const shape = {
    ...colour,
    scale: { domain: key.domain, range: key.shapes },
  };
  const dash = {
    field: "percentile",
    type: "nominal",
    scale: {
      domain: ["p99", "p50"],
      range: [
        [1, 0],
        [5, 4],
      ],
    },
    legend: joined ? topLegend(["p99", "p50"], form, true) : null,
  };
  const base = { x, y, color: colour };
  // Labels travel with the rows, so that each comes into its own panel.
  const measured = [{ filter: "!datum.text" }];
  const bare = { field: "bareCode", type: "nominal" };
  const layer = [
    ...(cloud.length === 0
      ? []
      : [
          {
            data: { values: cloud },
            mark: { type: "point", size: 14, opacity: 0.45, strokeWidth: 1, aria: false },
            encoding: base,
          },
        ]),
    {
      mark: { type: "rule", strokeWidth: 1 },
      transform: [{ filter: "datum.high > datum.low * 1.02" }],
      encoding: { ...base, y: { ...y, field: "low" }, y2: { field: "high" }, description: bare },
    },
    {
      transform: measured,
      mark: { type: "line" },
      encoding: {
        ...base,
        description: { field: "lineCode", type: "nominal" },
        strokeDash: dash,
        detail: [{ field: "percentile" }],
        order: { field: "depth", type: "quantitative" },
      },
    },
    {
      transform: measured,
      mark: { type: "point", filled: true, size: 60, opacity: 1 },
      encoding: { ...base, shape, description: { field: "code", type: "nominal" } },
    },
    {
      transform: [{ filter: "datum.text" }],
      mark: { type: "text", baseline: "middle", color: ink },
      encoding: {
        x,
        y,
        text: { field: "text" },
        description: { field: "code", type: "nominal" },
      },
    },
  ];
  const frame = {
    kind: "curve",
    entry: -1,
    x: ["log", ...xDomain],
    y: ["log", ...yDomain],
  } as const;
  const plot = {
    width,
    height,
    layer: [...layer, ...(facets.length === 1 ? [frameLayer(frame)] : [])],
  };
  const labels = labelsOf(
    rows,
    (row) => (joined ? (row.percentile === "p99" ? row.depthText : null) : row.percentile),
    { xDomain, yDomain, width, height },
  );
  const values = rows.map((row) => {
    const { at, tip } = row;
    const common = { name: row.series, kind: row.percentile };
    return {
      ...row,
      code: markCode({ ...common, entry: at, tip }),
      bareCode: markCode({ ...common, entry: at }),
      lineCode: markCode({ ...common, entry: -1 }),
    };
  });
  const data = { values: [...values, ...labels] };
  return styled(
    facets.length === 1
      ? { data, ...plot }
      : {
          data,
          facet: { field: "facet", type: "nominal", title: null, sort: facets },
          columns,
          ...ownAxes(form),
          spec: plot,
        },
    "IOPS against response time, p50 and p99",
    form,
  );
}
