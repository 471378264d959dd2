/** Plots of the composite block workload: demand variation, demand intensity, confidence levels. */
import {
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
import { formatCount } from "../report/units.ts";
import { type HeatCell, heatSpec } from "./charts-grid.ts";
import type { SniaModel } from "./load.ts";
import { compositeLoads, mostMeanNs } from "./procedures.ts";
import type { CellFigures } from "./record.ts";

interface Load {
  readonly threads: number;
  readonly depth: number;
  readonly iops: number;
  readonly ns: number;
}

function loadsOf(cells: readonly CellFigures[]): readonly Load[] {
  return cells.flatMap(({ cell, iops, latency_mean_ns: ns }) => {
    const match = /^t(\d+)-q(\d+)$/.exec(cell);
    return match === null || iops <= 0
      ? []
      : [{ threads: Number(match[1]), depth: Number(match[2]), iops, ns }];
  });
}

export function compositeCharts({ snia }: SniaModel): readonly (Chart | null)[] {
  if (snia.test !== "composite") {
    return [];
  }
  const loads = loadsOf(snia.runs.find(({ id }) => id === "matrix")?.cells ?? []);
  const closer = snia.runs
    .filter(({ kind }) => kind === "histograms")
    .flatMap(({ cells }) => cells.at(-1) ?? [])
    // Too few operations for any percentile draw nothing.
    .filter(({ percentile }) => Object.keys(percentile).length > 0);
  return loads.length === 0
    ? []
    : [variation(loads), intensity(loads), closer.length === 0 ? null : confidence(closer)];
}

function variation(loads: readonly Load[]): Chart {
  const cells = loads.map(({ threads, depth, iops }): HeatCell => {
    const text = formatCount(iops);
    return { column: String(depth), row: String(threads), value: iops, text };
  });
  const axes = {
    ...{ columnTitle: "Operations outstanding of each thread", rowTitle: "Threads" },
    ...{ columns: compositeLoads.map(String), rows: compositeLoads.map(String) },
  };
  return {
    name: "variation",
    title: "Demand variation",
    caption: "IOPS of each load; the stronger the colour the more, by logarithm.",
    folded: null,
    spec: (form) => heatSpec(cells, axes, "IOPS over threads and operations outstanding", form),
  };
}

function intensity(loads: readonly Load[]): Chart {
  return {
    name: "intensity",
    title: "Demand intensity",
    caption:
      "Mean response time at the IOPS reached; a line for each number of threads. The dashed line is the 5 ms above which the standard chooses no load. Both axes are logarithmic.",
    folded: null,
    spec: (form) => intensitySpec(loads, form),
  };
}

function intensitySpec(loads: readonly Load[], form: Form) {
  const rows = loads.map((load) => ({ ...load, line: `${load.threads} threads` }));
  const key = keyOf(rows.map(({ line }) => line));
  const xDomain = logDomain(rows.map(({ iops }) => iops));
  const yDomain = logDomain(rows.map(({ ns }) => ns));
  const x = {
    field: "iops",
    type: "quantitative",
    title: "IOPS",
    scale: { type: "log", domain: xDomain, nice: false },
    axis: { values: logTicks(...xDomain, form === "phone" ? 5 : 10), labelExpr: countLabel },
  };
  const y = {
    field: "ns",
    type: "quantitative",
    title: "Mean response time",
    scale: { type: "log", domain: yDomain, nice: false },
    axis: { values: logTicks(...yDomain, 8), labelExpr: nsLabel },
  };
  const color = {
    field: "line",
    type: "nominal",
    scale: { domain: key.domain, range: key.colours },
    legend: topLegend(key.domain, form, false),
  };
  const shape = { ...color, scale: { domain: key.domain, range: key.shapes } };
  const bound =
    mostMeanNs < yDomain[1]
      ? [
          {
            data: { values: [{ ns: mostMeanNs }] },
            mark: { type: "rule", strokeDash: [6, 4], color: "#5a5a5a" },
            encoding: { y },
          },
        ]
      : [];
  return styled(
    {
      data: { values: rows },
      width: formWidth[form] - 80,
      height: 300,
      layer: [
        ...bound,
        { mark: { type: "line" }, encoding: { x, y, color, order: { field: "depth" } } },
        {
          mark: { type: "point", filled: true, size: 45, opacity: 1 },
          encoding: { x, y, color, shape },
        },
      ],
    },
    "Mean response time over IOPS",
    form,
  );
}

function confidence(closer: readonly CellFigures[]): Chart {
  return {
    name: "confidence",
    title: "Response time confidence levels",
    caption:
      "The response time that a share of the operations stays within, at the three loads. Shares with fewer than ten samples beyond them are left out.",
    folded: null,
    spec: (form) => confidenceSpec(closer, form),
  };
}

function confidenceSpec(closer: readonly CellFigures[], form: Form) {
  const rows = closer.flatMap(({ cell, percentile }) =>
    Object.entries(percentile).map(([key, ns]) => ({ line: cell, share: `${Number(key)}%`, ns })),
  );
  const key = keyOf(rows.map(({ line }) => line));
  const shares = [...new Set(rows.map(({ share }) => share))];
  const domain = logDomain(rows.map(({ ns }) => ns));
  const x = {
    field: "share",
    type: "ordinal",
    sort: shares,
    title: "Operations within",
    axis: { labelAngle: 0 },
  };
  const y = {
    field: "ns",
    type: "quantitative",
    title: "Response time",
    scale: { type: "log", domain, nice: false },
    axis: { values: logTicks(...domain, 8), labelExpr: nsLabel },
  };
  const color = {
    field: "line",
    type: "nominal",
    scale: { domain: key.domain, range: key.colours },
    legend: topLegend(key.domain, form, false),
  };
  const shape = { ...color, scale: { domain: key.domain, range: key.shapes } };
  return styled(
    {
      data: { values: rows },
      width: formWidth[form] - 80,
      height: 260,
      layer: [
        { mark: { type: "line" }, encoding: { x, y, color } },
        {
          mark: { type: "point", filled: true, size: 55, opacity: 1 },
          encoding: { x, y, color, shape },
        },
      ],
    },
    "Response time over confidence level",
    form,
  );
}
