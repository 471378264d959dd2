/** The percentile plot on the HDR scale: each further nine takes the same room. */

import {
  type Form,
  ink,
  keyOf,
  type Label,
  logDomain,
  logPixel,
  logTicks,
  nsLabel,
  orderedPalette,
  ownAxes,
  type PanelGrid,
  palette,
  panelGrid,
  panels,
  roomyLabels,
  styled,
  topLegend,
} from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import { frameLayer, markCode } from "./mark-codes.ts";
import type { Entry, ReportModel } from "./model.ts";
import { formatNs } from "./units.ts";

interface Row {
  readonly panel: string;
  readonly line: string;
  readonly kind: "response" | "service";
  readonly rest: number;
  readonly ns: number;
  readonly at: number;
  readonly tip: string;
  readonly last: boolean;
}

/** Lines that one panel can hold and still be read. */
const mostLines = 8;

/** Null when no histogram was found, or nothing in one took any time. */
export function percentileChart(model: ReportModel): Chart | null {
  const entries = model.entries.filter((entry) => entry.spectrum.response.length > 1);
  if (entries.length === 0) {
    return null;
  }
  const arranged = arrange(entries);
  const rows = entries.flatMap((entry) =>
    rowsOf(entry, model.entries.indexOf(entry), arranged.panel(entry), arranged.line(entry)),
  );
  if (rows.length === 0) {
    return null;
  }
  const cells = entries.map((entry) => ({ ...entry, name: arranged.panel(entry) }));
  return {
    name: "percentiles",
    title: "Percentiles of latency",
    caption:
      "Response time (completed - intended, solid) and service time (completed - submitted, dashed) by percentile; each " +
      "step to the right leaves a tenth of the operations. Lines end where fewer than 10 samples lie beyond. " +
      (model.entries.some((entry) => entry.openLoop)
        ? "Where the two part, operations waited to be sent."
        : "In a closed loop the two nearly coincide."),
    folded: null,
    spec: (form) => specOf(rows, form, panelGrid(cells, form), arranged.choices ?? false),
  };
}

/** Few entries share one panel; else a panel per facet, and per facet and series when that is still too many. */
export function arrange(entries: readonly Entry[]): {
  readonly panel: (entry: Entry) => string;
  readonly line: (entry: Entry) => string;
  /** Lines are choices, which have no order. */
  readonly choices?: boolean;
} {
  const facets = new Set(entries.map((entry) => entry.facet));
  if (entries.length <= 4) {
    return {
      panel: () => "",
      line: (entry) => (facets.size > 1 ? `${entry.facet}, ${entry.label}` : entry.label),
    };
  }
  const counts = new Map<string, number>();
  for (const { facet } of entries) {
    counts.set(facet, (counts.get(facet) ?? 0) + 1);
  }
  const series = new Set(entries.map((entry) => entry.series));
  const cells = new Set(entries.map((entry) => `${entry.facet}|${entry.series}`));
  if (Math.max(...counts.values()) <= mostLines / 2) {
    const choices = cells.size === entries.length;
    return { panel: (entry) => entry.facet, line: (entry) => entry.label, choices };
  }
  if (cells.size === entries.length && Math.max(...counts.values()) <= mostLines) {
    // Choices beside each other: over one another they are compared.
    return { panel: (entry) => entry.facet, line: (entry) => entry.label, choices: true };
  }
  return {
    panel: (entry) => (series.size > 1 ? `${entry.facet}: ${entry.series}` : entry.facet),
    line: (entry) => entry.label.slice(entry.series.length).replace(/^, /, "") || entry.label,
  };
}

function rowsOf(entry: Entry, at: number, panel: string, line: string): readonly Row[] {
  return (["response", "service"] as const).flatMap((kind) => {
    const points = entry.spectrum[kind].filter(([, ns]) => ns > 0);
    return points.map(([rest, ns], index) => ({
      panel,
      line,
      kind,
      rest,
      ns,
      at,
      tip: `${entry.facet}, ${entry.label}: ${kind} p${percentText(rest)} ${formatNs(ns)}`,
      last: index === points.length - 1,
    }));
  });
}

/** 1000 -> `99.9` */
function percentText(rest: number): string {
  const digits = Math.max(0, Math.ceil(Math.log10(rest)) - 1);
  return String(Number((100 * (1 - 1 / rest)).toFixed(digits)));
}

const quantileTicks = [1, 2, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

function specOf(rows: readonly Row[], form: Form, grid: PanelGrid, choices: boolean) {
  const { names } = grid;
  const { columns, width } = panels(names.length, form, grid.most);
  const lines = rows.map((row) => row.line);
  const key = keyOf(lines, names.length > 1 && !choices ? orderedPalette : palette);
  // The fastest few may be a thousandth of the median; the axis begins where a quarter is done.
  const usual = rows.filter((row) => row.rest >= 4 / 3);
  const domain = logDomain((usual.length > 0 ? usual : rows).map((row) => row.ns));
  const far = rows.reduce((most, row) => Math.max(most, row.rest), 10);
  const labels = quantileTicks.map((rest) => `${rest}: '${percentText(rest)}%'`).join(", ");
  const x = {
    field: "rest",
    type: "quantitative",
    title: "Percentile (HDR scale)",
    scale: { type: "log", domain: [1, far * far ** 0.04] as const, nice: false },
    axis: {
      values: quantileTicks.filter((rest) => rest <= far && (rest !== 1 || width > 500)),
      labelExpr: `{${labels}}[datum.value]`,
    },
  };
  const y = {
    field: "ns",
    type: "quantitative",
    title: "Latency",
    scale: { type: "log", domain, nice: false },
    axis: { values: logTicks(domain[0], domain[1], 9), labelExpr: nsLabel },
  };
  const color = {
    field: "line",
    type: "nominal",
    scale: { domain: key.domain, range: key.colours },
    legend: key.domain.length > 1 ? topLegend(key.domain, form, false) : null,
  };
  const dash = {
    field: "kind",
    type: "nominal",
    scale: {
      domain: ["response", "service"],
      range: [
        [1, 0],
        [4, 3],
      ],
    },
    legend: topLegend(["response", "service"], form, true),
  };
  const shape = { ...color, scale: { domain: key.domain, range: key.shapes } };
  const description = { field: "code", type: "nominal" };
  const lineCode = { field: "lineCode", type: "nominal" };
  const layer = [
    {
      // Not `clip`: its ids would be the same in every chart of the page.
      mark: { type: "line" },
      transform: [{ filter: `datum.ns >= ${domain[0]}` }],
      encoding: { x, y, color, strokeDash: dash, description: lineCode },
    },
    {
      // Marks to point at: one at each whole number of nines, and at the end.
      mark: { type: "point", filled: true, size: 34, opacity: 1 },
      transform: [
        {
          filter: `datum.kind == 'response' && (datum.whole || datum.last) && datum.ns >= ${domain[0]}`,
        },
      ],
      encoding: { x, y, color, shape, description },
    },
    {
      mark: { type: "text", align: "left", dx: 6, color: ink },
      transform: [{ filter: "datum.labelled" }],
      encoding: { x, y, text: { field: "short" }, description: lineCode },
    },
  ];
  const height = names.length === 1 ? 340 : 240;
  const ends = rows
    .filter((row) => row.last && row.kind === "response")
    .map((row) => {
      const at: Label = { panel: row.panel, x: 0, y: logPixel(row.ns, domain, height) };
      return { row, at };
    });
  const kept = roomyLabels(ends.map((end) => end.at).reverse(), 1, 11);
  const labelled = new Set(ends.filter((end) => kept.has(end.at)).map((end) => end.row));
  const values = rows.map((row) => ({
    ...row,
    code: markCode({ entry: row.at, name: row.line, kind: row.kind, tip: row.tip }),
    lineCode: markCode({ entry: row.at, name: row.line, kind: row.kind }),
    whole: quantileTicks.includes(row.rest) || Math.abs(row.rest - 2) < 0.3,
    labelled: labelled.has(row),
    // A single panel has its legend close by, and its names are long.
    short:
      names.length > 1 && key.domain.length > 1 && !choices
        ? row.line.replace(/ outstanding| offered\/s/, "")
        : "",
  }));
  const frame = {
    kind: "percentiles",
    entry: -1,
    x: ["log", ...x.scale.domain],
    y: ["log", ...domain],
  } as const;
  const plot = {
    width,
    height,
    layer: [...layer, ...(names.length === 1 ? [frameLayer(frame)] : [])],
  };
  return styled(
    names.length === 1
      ? { data: { values }, ...plot }
      : {
          data: { values },
          facet: { field: "panel", type: "nominal", title: null, sort: names },
          columns,
          ...ownAxes(form),
          spec: plot,
        },
    "Latency by percentile on the HDR scale",
    form,
  );
}
