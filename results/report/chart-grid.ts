/** Two parameters of a sweep against each other: a map per metric, with its figure in each cell. */
import { numberOf } from "../sweep/values.ts";
import {
  type Form,
  formWidth,
  ink,
  inkOn,
  palette,
  sequential,
  softInk,
  styled,
} from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import { textWidth } from "./fonts.ts";
import { markCode } from "./mark-codes.ts";
import type { Entry, ReportModel } from "./model.ts";
import { formatMetric, formatShort, higherIsBetter, metricHeading, metricTitle } from "./units.ts";

/** A parameter and its values in the order of the map. */
export interface GridAxis {
  readonly name: string;
  readonly values: readonly string[];
}

export interface Grid {
  readonly x: GridAxis;
  readonly y: GridAxis;
  /** Entries of one map, by what else is varied. */
  readonly panels: readonly { readonly title: string; readonly entries: readonly Entry[] }[];
}

const leastValues = 3;
/** More columns than these leave no room for a figure. */
const mostColumns = 16;
const mostMetrics = 3;
const mostPanels = 6;
/** Of the combinations, so many must be there. */
const leastShare = 0.6;

/** The two parameters with the most values and all that a map needs; null when the sweep has none. */
export function gridOf(model: ReportModel): Grid | null {
  const axes = Object.keys(model.parameters)
    .map((name) => ({ name, values: valuesOf(model, name) }))
    .filter((axis) => axis.values.length >= leastValues)
    .sort((a, b) => b.values.length - a.values.length);
  const [x, y, third] = axes;
  if (x === undefined || y === undefined || third !== undefined || x.values.length > mostColumns) {
    return null;
  }
  const panels = panelsOf(model, [x.name, y.name]);
  const cells = x.values.length * y.values.length;
  const alone = panels.every(({ entries }) => {
    const keys = new Set(
      entries.map((entry) => `${entry.parameters[x.name]}|${entry.parameters[y.name]}`),
    );
    return keys.size === entries.length && entries.length >= leastShare * cells;
  });
  return panels.length <= mostPanels && alone ? { x, y, panels } : null;
}

/** Numbers in their order, names as the sweep file has them; points where it does not act have none. */
function valuesOf(model: ReportModel, name: string): readonly string[] {
  const there = new Set(model.entries.map((entry) => entry.parameters[name] ?? "-"));
  const values = (model.parameters[name] ?? []).filter(
    (value) => value !== "-" && there.has(value),
  );
  const numbers = values.map(numberOf);
  return numbers.some((number) => number === null)
    ? values
    : [...values].sort((a, b) => (numberOf(a) ?? 0) - (numberOf(b) ?? 0));
}

function panelsOf(model: ReportModel, axes: readonly string[]): Grid["panels"] {
  const others = Object.keys(model.parameters).filter(
    (name) => !axes.includes(name) && (model.parameters[name]?.length ?? 0) > 1,
  );
  // Directions of one point stand in maps of their own; those of different points are what was varied.
  const several = new Set(model.entries.map((entry) => entry.point)).size < model.entries.length;
  const panels = new Map<string, Entry[]>();
  for (const entry of model.entries) {
    const parts = [
      ...others.map((name) => `${name} ${entry.parameters[name] ?? "-"}`),
      ...(several ? [`${entry.direction}s`] : []),
    ];
    const title = parts.join(", ");
    panels.set(title, [...(panels.get(title) ?? []), entry]);
  }
  return [...panels].map(([title, entries]) => ({ title, entries }));
}

/** Null unless the sweep varies two parameters with at least three values each. */
export function gridChart(model: ReportModel): Chart | null {
  const grid = gridOf(model);
  const metrics = model.metrics
    .filter((metric) => model.entries.some((entry) => entry.metrics[metric]?.solid === true))
    .slice(0, mostMetrics);
  if (grid === null || metrics.length === 0) {
    return null;
  }
  const best = metrics.map(
    (metric) => `${metricTitle(metric)}: ${higherIsBetter(metric) ? "the highest" : "the lowest"}`,
  );
  return {
    name: "grid",
    title: `${grid.y.name} by ${grid.x.name}`,
    caption:
      "Medians of each combination; the stronger the colour, the larger the figure. Framed: the best one measured " +
      `(${best.join("; ")}).`,
    folded: null,
    spec: (form) => specOf(model, grid, metrics, form),
  };
}

interface Cell {
  readonly x: string;
  readonly y: string;
  readonly step: number;
  readonly text: string;
  readonly ink: string;
  readonly best: boolean;
  readonly code: string;
}

function specOf(model: ReportModel, grid: Grid, metrics: readonly string[], form: Form) {
  const across = form === "phone" ? 1 : Math.min(2, metrics.length);
  const labels = grid.y.values.map((value) => textWidth(value, 11, false));
  const labelPx = Math.min(Math.max(...labels) + 44, 160);
  const width = Math.floor((formWidth[form] - across * (labelPx + 16)) / across);
  const maps = metrics.flatMap((metric) =>
    grid.panels.map(({ title, entries }) => {
      const heading = metricHeading(metric);
      return {
        title: {
          text: title === "" ? heading : `${heading}, ${title}`,
          anchor: "start",
          fontSize: 12,
          color: ink,
        },
        ...map({ model, grid, entries, metric, width }),
      };
    }),
  );
  const columns = grid.panels.length > 1 ? Math.min(across, grid.panels.length) : across;
  const spec = { concat: maps, columns, spacing: { column: 22, row: 24 } };
  return styled(spec, `${grid.y.name} by ${grid.x.name}`, form);
}

interface MapFacts {
  readonly model: ReportModel;
  readonly grid: Grid;
  readonly entries: readonly Entry[];
  readonly metric: string;
  readonly width: number;
}

/** Below this a figure does not fit beside its neighbours: only colours are drawn then. */
const leastCellPx = 34;

function map({ model, grid, entries, metric, width }: MapFacts): object {
  const { x, y } = grid;
  const cells = cellsOf(model, grid, entries, metric);
  const cellPx = width / x.values.length;
  const widest = Math.max(...cells.map((cell) => textWidth(cell.text, 10, false)));
  const readable = cellPx >= Math.max(leastCellPx, widest + 4);
  const position = (name: "x" | "y", { values, name: title }: GridAxis) => ({
    field: name,
    type: "ordinal",
    sort: values,
    scale: { domain: values, paddingInner: 0, paddingOuter: 0 },
    title,
    axis: { labelAngle: 0, labelOverlap: true, grid: false, labelLimit: 110 },
  });
  const encoding = {
    x: position("x", x),
    y: position("y", { ...y, values: y.values.toReversed() }),
  };
  const description = { field: "code", type: "nominal" };
  return {
    data: { values: cells },
    width,
    height: 30 * y.values.length,
    layer: [
      {
        mark: { type: "rect" },
        encoding: {
          ...encoding,
          color: {
            field: "step",
            type: "ordinal",
            scale: { domain: sequential.map((_, step) => step), range: sequential },
            legend: null,
          },
          description,
        },
      },
      {
        transform: [{ filter: "datum.best" }],
        mark: { type: "rect", filled: false, stroke: palette[1], strokeWidth: 3, aria: false },
        encoding,
      },
      ...(readable
        ? [...new Set(sequential.map((_, step) => inkOn(step)))].map((colour) => ({
            transform: [{ filter: `datum.ink == '${colour}'` }],
            mark: { type: "text", color: colour, fontSize: 10, aria: false },
            encoding: { ...encoding, text: { field: "text" } },
          }))
        : []),
      ...(cells.length < x.values.length * y.values.length
        ? [{ mark: { type: "point", opacity: 0, color: softInk, aria: false }, encoding }]
        : []),
    ],
  };
}

/** Figures over more than a decade are told apart by their logarithms. */
const logBeyond = 10;

function cellsOf(
  model: ReportModel,
  { x, y }: Grid,
  entries: readonly Entry[],
  metric: string,
): readonly Cell[] {
  const solid = entries.filter((entry) => entry.metrics[metric]?.solid === true);
  const figure = (entry: Entry) => entry.metrics[metric]?.value ?? 0;
  const values = solid.map(figure);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const log = low > 0 && high / low > logBeyond;
  const place = log ? Math.log : (value: number) => value;
  const span = place(high) - place(low);
  const best = higherIsBetter(metric) ? high : low;
  return solid.map((entry) => {
    const value = figure(entry);
    const share = span > 0 ? (place(value) - place(low)) / span : 0;
    const step = Math.min(sequential.length - 1, Math.floor(share * sequential.length));
    const at = model.entries.indexOf(entry);
    const [own, other] = [entry.parameters[x.name] ?? "", entry.parameters[y.name] ?? ""];
    const where = `${x.name} ${own}, ${y.name} ${other}`;
    const tip = `${where}: ${metricTitle(metric)} ${formatMetric(metric, value)}`;
    return {
      x: own,
      y: other,
      step,
      text: formatShort(metric, value),
      ink: inkOn(step),
      best: value === best,
      code: markCode({ entry: at, tip }),
    };
  });
}
