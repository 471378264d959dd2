/** The standard's plots as Vega-Lite specifications with their data inside. */
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
import { compositeCharts } from "./charts-composite.ts";
import { gridChart } from "./charts-grid.ts";
import { seriesCharts } from "./charts-series.ts";
import type { RoundsModel, SniaModel } from "./load.ts";
import { type Followed, iopsBlocks, iopsMixes, latencyBlocks, latencyMixes } from "./procedures.ts";
import type { CellFigures } from "./record.ts";

/** Axis of a followed figure: its title, and how its ticks are written. */
export function axisOf(figure: Followed["figure"]): { title: string; labelExpr: string } {
  switch (figure) {
    case "iops":
      return { title: "IOPS", labelExpr: countLabel };
    case "bw_bytes":
      return { title: "Throughput", labelExpr: bandwidthLabel };
    case "latency_mean_ns":
      return { title: "Mean response time", labelExpr: nsLabel };
  }
}

/** In the order of the standard's report; those without data are left out. */
export function sniaCharts(model: SniaModel): readonly Chart[] {
  const { snia, rounds } = model;
  const several = rounds.length > 1;
  const steady = rounds.flatMap((one, place) => {
    const name = several ? `-${place + 1}` : "";
    const title = several ? `, ${one.section}` : "";
    return [convergenceChart(one, name, title), windowChart(one, name, title)];
  });
  const [first] = rounds;
  const grid =
    first === undefined
      ? null
      : snia.test === "iops"
        ? gridChart(first, "iops", iopsMixes, iopsBlocks)
        : snia.test === "latency"
          ? gridChart(first, "latency_mean_ns", latencyMixes, latencyBlocks)
          : null;
  return [grid, ...steady, ...seriesCharts(model), ...compositeCharts(model)].filter(
    (chart) => chart !== null,
  );
}

function cellLabel(cell: string): string {
  const match = /^r(\d+)-([\d.]+k?)$/.exec(cell);
  if (match === null) {
    return cell;
  }
  const bytes = match[2]?.endsWith("k") ? Number.parseFloat(match[2]) : Number(match[2]) / 1024;
  return `${match[1] === "0" ? "writes" : match[1] === "100" ? "reads" : `R/W ${match[1]}`} of ${bytes} KiB`;
}

/** Of every block size with writes only, round by round; of throughput the reads as well. */
function convergenceChart({ byRound, verdict }: RoundsModel, name: string, title: string): Chart {
  const figure = verdict.followed[0]?.figure ?? "iops";
  const shown = byRound.filter(
    ({ cell }) => /^r0-/.test(cell) || figure === "bw_bytes" || cell === "check",
  );
  const values = shown.flatMap(({ cell, rounds }) =>
    rounds.map((one, at) => ({ cell: cellLabel(cell), round: at + 1, value: one[figure] })),
  );
  return {
    name: `convergence${name}`,
    title: `Steady state convergence${title}`,
    caption:
      "Each line is a block size, each mark a round; the shaded rounds are the measurement window that was judged last. The axis is logarithmic where the lines are far apart.",
    folded: null,
    spec: (form) => convergenceSpec(values, figure, verdict.window, form),
  };
}

function convergenceSpec(
  values: readonly { readonly cell: string; readonly round: number; readonly value: number }[],
  figure: Followed["figure"],
  window: RoundsModel["verdict"]["window"],
  form: Form,
) {
  const key = keyOf(values.map(({ cell }) => cell));
  const figures = values.map(({ value }) => value).filter((value) => value > 0);
  const domain = logDomain(figures);
  const log = figures.length > 0 && Math.max(...figures) / Math.min(...figures) > 10;
  const last = Math.max(1, ...values.map(({ round }) => round));
  const x = {
    field: "round",
    type: "quantitative",
    title: "Round",
    scale: { domain: [0.5, last + 0.5], nice: false },
    axis: {
      values: Array.from({ length: last }, (_, at) => at + 1),
      format: "d",
      labelOverlap: true,
    },
  };
  const { title, labelExpr } = axisOf(figure);
  const y = {
    field: "value",
    type: "quantitative",
    title,
    scale: log
      ? { type: "log", domain, nice: false }
      : { domain: [0, 1.1 * Math.max(1e-9, ...figures)], nice: false },
    axis: { labelExpr, ...(log ? { values: logTicks(...domain, 8) } : { tickCount: 6 }) },
  };
  const color = {
    field: "cell",
    type: "nominal",
    scale: { domain: key.domain, range: key.colours },
    legend: key.domain.length > 1 ? topLegend(key.domain, form, false) : null,
  };
  const shape = { ...color, scale: { domain: key.domain, range: key.shapes } };
  const band =
    window === null
      ? []
      : [
          {
            data: { values: [{ from: window.first - 0.5, to: window.last + 0.5 }] },
            mark: { type: "rect", color: "#8a8a8a", opacity: 0.16 },
            encoding: { x: { ...x, field: "from" }, x2: { field: "to" } },
          },
        ];
  return styled(
    {
      data: { values: values.filter(({ value }) => value > 0 || !log) },
      width: formWidth[form] - 80,
      height: form === "phone" ? 240 : 300,
      layer: [
        ...band,
        { mark: { type: "line" }, encoding: { x, y, color } },
        {
          mark: { type: "point", filled: true, size: 50, opacity: 1 },
          encoding: { x, y, color, shape },
        },
      ],
    },
    "Figures of each block size over rounds",
    form,
  );
}

/** Average, its 10% to both sides, and the fitted line over the window's rounds. */
function windowChart({ verdict }: RoundsModel, name: string, title: string): Chart | null {
  const { window, verdicts, followed } = verdict;
  if (window === null || verdicts.length === 0) {
    return null;
  }
  return {
    name: `window${name}`,
    title: `Steady state measurement window${title}`,
    caption:
      "Marks: the window's rounds. Solid line: their average; dashed: 10% above and below it; dotted: the line fitted to the rounds. Steady: all marks within 20% of the average of each other, and the fitted line rising or falling by at most 10% of it.",
    folded: null,
    spec: (form) => {
      const width = Math.floor(
        form === "phone"
          ? formWidth[form] - 80
          : (formWidth[form] - 90 * verdicts.length) / verdicts.length,
      );
      const panels = verdicts.map((one, place) =>
        windowPanel(one, followed[place], window.first, Math.min(width, 640)),
      );
      const spec = form === "phone" ? { vconcat: panels } : { hconcat: panels };
      return styled(spec, "The measurement window with its average and fitted line", form);
    },
  };
}

function windowPanel(
  { values, average, slope, intercept }: RoundsModel["verdict"]["verdicts"][number],
  followed: Followed | undefined,
  first: number,
  width: number,
) {
  const { title, labelExpr } = axisOf(followed?.figure ?? "iops");
  const lines = [
    { kind: "average", dash: [1, 0], at: () => average },
    { kind: "above", dash: [6, 4], at: () => 1.1 * average },
    { kind: "below", dash: [6, 4], at: () => 0.9 * average },
    { kind: "fit", dash: [2, 3], at: (place: number) => intercept + slope * (place + 1) },
  ];
  const rows = values.map((value, place) => ({ round: first + place, value }));
  const all = [...values, 0.85 * average, 1.15 * average];
  const scale = { domain: [Math.min(...all), Math.max(...all)], nice: true, zero: false };
  const x = {
    field: "round",
    type: "quantitative",
    title: "Round",
    scale: { domain: [first - 0.4, first + values.length - 0.6], nice: false },
    axis: { values: rows.map(({ round }) => round), format: "d" },
  };
  const y = {
    field: "value",
    type: "quantitative",
    title,
    scale,
    axis: { labelExpr, tickCount: 6 },
  };
  return {
    title: { text: followed?.label ?? "", fontSize: 11, anchor: "start", limit: width + 40 },
    width,
    height: 220,
    layer: [
      ...lines.map(({ kind, dash, at }) => ({
        data: { values: rows.map(({ round }, place) => ({ round, value: at(place), kind })) },
        mark: {
          type: "line",
          strokeWidth: 1.5,
          color: kind === "fit" ? "#b3401f" : "#5a5a5a",
          strokeDash: dash,
        },
        encoding: { x, y },
      })),
      {
        data: { values: rows },
        mark: { type: "point", filled: true, size: 70, opacity: 1, color: "#2a5899" },
        encoding: { x, y },
      },
    ],
  };
}

/** A cell's figure by its name; null when it is not there. */
export function figureOf(
  cells: readonly CellFigures[],
  name: string,
  figure: Followed["figure"],
): number | null {
  return cells.find(({ cell }) => cell === name)?.[figure] ?? null;
}
