/** Each metric over the numeric parameter of a sweep: a line per choice, a dot per run. */
import { metricFacts } from "../metrics.ts";
import {
  type Form,
  formWidth,
  ink,
  keyOf,
  logDomain,
  logTicks,
  styled,
  topLegend,
} from "./chart-style.ts";
import { axisTitle, figureLabel } from "./chart-units.ts";
import type { Chart } from "./charts.ts";
import { markCode } from "./mark-codes.ts";
import type { ReportModel } from "./model.ts";
import { lineOf, type NumericAxis, numericAxis, panelOf } from "./sweep-axes.ts";
import { formatMetric, metricHeading, metricTitle } from "./units.ts";

interface Row {
  readonly line: string;
  readonly x: number;
  readonly value: number;
  readonly code: string;
  readonly lineCode: string;
}

interface Dot {
  readonly line: string;
  readonly x: number;
  readonly value: number;
}

const mostMetrics = 6;
/** Metrics side by side. */
const across = 3;
/** Values that differ by more need a logarithmic axis for the small ones to be seen. */
const logBeyond = 20;

/** Null when no parameter of the sweep has numbers for values. */
export function axisChart(model: ReportModel): Chart | null {
  const axis = numericAxis(model);
  const metrics = model.metrics
    .filter((metric) => model.entries.some((entry) => entry.metrics[metric]?.solid === true))
    .slice(0, mostMetrics);
  if (axis === null || metrics.length === 0) {
    return null;
  }
  const repeated = model.entries.some((entry) => entry.replicates > 1);
  return {
    name: "axis",
    title: `Figures over ${axis.name}`,
    caption: `${lineText(model, axis)} connect the medians${repeated ? " of the repeats, each of which is a small dot" : ""}. ${metrics
      .flatMap((metric) => {
        const better = metricFacts(metric)?.better ?? "none";
        return better === "none" ? [] : [`${metricHeading(metric)}: ${better} is better.`];
      })
      .join(" ")}`,
    folded: null,
    spec: (form) => specOf(model, axis, metrics, form),
  };
}

/** What the lines are of, where one other parameter tells them apart. */
function lineText(model: ReportModel, axis: NumericAxis): string {
  const others = Object.entries(model.parameters).filter(
    ([name, values]) => name !== axis.name && values.length > 1,
  );
  const [only, second] = others;
  const name = only?.[0] ?? "";
  return only === undefined || second !== undefined ? "Lines" : `Lines, one for each ${name},`;
}

function specOf(model: ReportModel, axis: NumericAxis, metrics: readonly string[], form: Form) {
  const panels = [...new Set(model.entries.map((entry) => panelOf(entry, axis)))];
  const lines = model.entries.map((entry) => lineOf(model, entry, axis));
  const key = keyOf(lines);
  // Four stand two by two; a panel's metrics are never mixed with those of the next.
  const columns =
    form === "phone" ? 1 : metrics.length === 4 ? 2 : Math.min(across, metrics.length);
  const width = Math.floor((formWidth[form] - columns * 78) / columns);
  const groups = panels.map((panel) =>
    metrics.map((metric, index) => ({
      ...cell({ model, axis, panel, metric, key, width }),
      // An empty title keeps the plots of a row on one line.
      title: {
        text: index === 0 && panels.length > 1 ? panel : " ",
        anchor: "start",
        fontSize: 12,
        color: ink,
      },
    })),
  );
  const colour = {
    field: "line",
    type: "nominal",
    scale: { domain: key.domain, range: key.colours },
    legend: key.domain.length > 1 ? topLegend(key.domain, form, false) : null,
  };
  const shape = { ...colour, scale: { domain: key.domain, range: key.shapes } };
  const spec = {
    vconcat: groups.map((cells) => ({
      concat: cells.map((one) => withColour(one, colour, shape)),
      columns,
      spacing: { column: 18, row: 14 },
    })),
    spacing: 14,
    resolve: { scale: { color: "shared", shape: "shared" } },
  };
  return styled(spec, `Figures over ${axis.name}`, form);
}

/** The same colours in each cell, so that they share one legend. */
function withColour(cell: { readonly layer: readonly object[] }, color: object, shape: object) {
  const layer = cell.layer.map((each) => {
    const { encoding, ...rest } = each as { readonly encoding: object };
    const point = "shape" in encoding ? { shape } : {};
    return { ...rest, encoding: { ...encoding, color, ...point } };
  });
  return { ...cell, layer };
}

interface Cell {
  readonly model: ReportModel;
  readonly axis: NumericAxis;
  readonly panel: string;
  readonly metric: string;
  readonly key: ReturnType<typeof keyOf>;
  readonly width: number;
}

function cell({ model, axis, panel, metric, width }: Cell) {
  const rows: Row[] = [];
  const dots: Dot[] = [];
  for (const [at, entry] of model.entries.entries()) {
    const figure = entry.metrics[metric];
    const x = axis.numbers[axis.texts.indexOf(entry.parameters[axis.name] ?? "")];
    if (panelOf(entry, axis) !== panel || figure?.solid !== true || x === undefined) {
      continue;
    }
    const line = lineOf(model, entry, axis);
    const value = formatMetric(metric, figure.value);
    const tip = `${entry.facet}, ${entry.label}: ${metricTitle(metric)} ${value}`;
    rows.push({
      line,
      x,
      value: figure.value,
      code: markCode({ entry: at, name: line, tip }),
      lineCode: markCode({ entry: -1, name: line }),
    });
    dots.push(...figure.values.map((each) => ({ line, x, value: each })));
  }
  const values = dots.map((dot) => dot.value);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const yLog = low > 0 && high / low > logBeyond;
  const y = {
    field: "value",
    type: "quantitative",
    title: axisTitle(metric),
    scale: yLog
      ? { type: "log", domain: logDomain(values), nice: false }
      : { domain: [0, (high || 1) * 1.05], nice: false },
    axis: {
      labelExpr: figureLabel(metric),
      ...(yLog ? { values: logTicks(...logDomain(values), 7) } : { tickCount: 5 }),
    },
  };
  const encoding = { x: xOf(axis, width), y };
  const layer: { readonly encoding: object }[] = [
    {
      mark: { type: "line" },
      encoding: { ...encoding, description: { field: "lineCode", type: "nominal" } },
    } as never,
    ...(dots.length > rows.length
      ? [
          {
            data: { values: dots },
            mark: { type: "circle", size: 14, opacity: 0.55, aria: false },
            encoding,
          } as never,
        ]
      : []),
    {
      mark: { type: "point", filled: true, size: 55, opacity: 1 },
      encoding: { ...encoding, shape: {}, description: { field: "code", type: "nominal" } },
    } as never,
  ];
  return { data: { values: rows }, width, height: 200, layer };
}

/** Each value that was measured has its tick, as far as there is room. */
function xOf(axis: NumericAxis, width: number): object {
  const { numbers, texts } = axis;
  const first = numbers[0] ?? 0;
  const last = numbers.at(-1) ?? 1;
  const log = first > 0 && last / first >= 8;
  const most = Math.max(2, Math.floor(width / 34));
  const stride = Math.ceil(numbers.length / most);
  const ticks = numbers.filter((_, place) => place % stride === 0);
  const names = ticks
    .map((tick) => `datum.value == ${tick} ? '${texts[numbers.indexOf(tick)]}' : `)
    .join("");
  return {
    field: "x",
    type: "quantitative",
    title: axis.name,
    scale: log
      ? { type: "log", domain: logDomain(numbers), nice: false }
      : { domain: [first, last], nice: false, zero: false, padding: 8 },
    axis: { values: ticks, labelExpr: `${names}datum.label`, labelOverlap: true },
  };
}
