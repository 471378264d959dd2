/** Cumulative distributions of response time, laid over one another. */

import { arrange } from "./chart-percentiles.ts";
import {
  type Form,
  keyOf,
  logDomain,
  logTicks,
  nsLabel,
  orderedPalette,
  ownAxes,
  palette,
  panelGrid,
  panels,
  styled,
  topLegend,
} from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import { markCode } from "./mark-codes.ts";
import type { Entry, ReportModel } from "./model.ts";
import { formatNs } from "./units.ts";

interface Row {
  readonly panel: string;
  readonly line: string;
  readonly ns: number;
  readonly share: number;
  readonly order: number;
  readonly probe: boolean;
  readonly code: string;
  readonly lineCode: string;
}

/** Points to aim at on each line. */
const probed = new Set([0.1, 0.25, 0.5, 0.75, 0.9, 0.99]);

/** Null when no histogram was found, or nothing in one took any time. */
export function distributionChart(model: ReportModel): Chart | null {
  const entries = model.entries.filter((entry) => entry.cdf.length > 2);
  if (entries.length === 0) {
    return null;
  }
  const { panel, line, choices = false } = arrange(entries);
  const rows = entries.flatMap((entry) =>
    rowsOf(entry, model.entries.indexOf(entry), panel(entry), line(entry)),
  );
  if (rows.length === 0) {
    return null;
  }
  const cells = entries.map((entry) => ({ ...entry, name: panel(entry) }));
  const grid = (form: Form) => panelGrid(cells, form);
  return {
    name: "distribution",
    title: "Distribution of response time",
    caption:
      "Share of the operations that completed within a response time; further left is faster, and a steep line is a " +
      "steady one. The slowest hundredth is drawn larger in the percentiles above.",
    folded: "Cumulative distributions",
    spec: (form) => specOf(rows, form, grid(form), choices),
  };
}

function rowsOf(entry: Entry, at: number, panel: string, line: string): readonly Row[] {
  return entry.cdf
    .filter(([, ns]) => ns > 0)
    .map(([share, ns], order) => {
      const percent = `${Number((100 * share).toPrecision(3))}%`;
      const tip = `${entry.facet}, ${entry.label}: ${percent} within ${formatNs(ns)}`;
      const common = { panel, line, ns, share, order, probe: probed.has(share) };
      const code = markCode({ entry: at, name: line, tip });
      return { ...common, code, lineCode: markCode({ entry: at, name: line }) };
    });
}

function specOf(
  rows: readonly Row[],
  form: Form,
  { names, most }: ReturnType<typeof panelGrid>,
  choices: boolean,
): ReturnType<typeof styled> {
  const { columns, width } = panels(names.length, form, most);
  const lines = rows.map((row) => row.line);
  const key = keyOf(lines, names.length > 1 && !choices ? orderedPalette : palette);
  const domain = logDomain(rows.map((row) => row.ns));
  const encoding = {
    x: {
      field: "ns",
      type: "quantitative",
      title: "Response time",
      scale: { type: "log", domain, nice: false },
      axis: {
        values: logTicks(domain[0], domain[1], Math.max(3, Math.floor(width / 62))),
        labelExpr: nsLabel,
      },
    },
    y: {
      field: "share",
      type: "quantitative",
      title: "Operations completed",
      scale: { domain: [0, 1], nice: false },
      axis: { format: "~%", tickCount: 5 },
    },
    color: {
      field: "line",
      type: "nominal",
      scale: { domain: key.domain, range: key.colours },
      legend: key.domain.length > 1 ? topLegend(key.domain, form, true) : null,
    },
  };
  const plot = {
    width,
    height: names.length > 1 ? 190 : 260,
    layer: [
      {
        mark: { type: "line", strokeWidth: 1.8 },
        encoding: {
          ...encoding,
          order: { field: "order", type: "quantitative" },
          description: { field: "lineCode", type: "nominal" },
        },
      },
      {
        transform: [{ filter: "datum.probe" }],
        mark: { type: "point", filled: true, size: 22, opacity: 1 },
        encoding: { ...encoding, description: { field: "code", type: "nominal" } },
      },
    ],
  };
  const data = { values: rows };
  const facet = { field: "panel", type: "nominal", title: null, sort: names };
  const spec =
    names.length > 1 ? { data, facet, columns, ...ownAxes(form), spec: plot } : { data, ...plot };
  return styled(spec, "Cumulative distribution of response time", form);
}
