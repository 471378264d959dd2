/** Rates and latency over time, with the warm-up shaded. */

import {
  bandwidthLabel,
  countLabel,
  type Form,
  keyOf,
  logDomain,
  logTicks,
  nsLabel,
  orderedPalette,
  palette,
  panels,
  shade,
  styled,
  topLegend,
} from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import type { Entry, ReportModel, TimeLine } from "./model.ts";
import { formatMetric, formatNs } from "./units.ts";

interface Row {
  readonly panel: string;
  readonly line: string;
  readonly run: string;
  readonly seconds: number;
  readonly iops: number;
  readonly bw: number;
  readonly p99: number | null;
  /** Drawn with a mark to point at. */
  readonly probe: boolean;
  readonly tip: string;
}

interface Shade {
  readonly panel: string;
  readonly start: number;
  readonly end: number;
}

/** Marks to point at over the whole chart; each costs some 300 bytes. */
const mostProbes = 120;

/** Null when series.csv had no usable line. */
export function timeChart(model: ReportModel): Chart | null {
  const lines = model.timeLines.filter((line) => line.rows.length > 1);
  if (lines.length === 0) {
    return null;
  }
  const byId = new Map(model.entries.map((entry) => [entry.id, entry]));
  const small = model.kind === "sweep";
  const total = lines.reduce((sum, line) => sum + line.rows.length, 0);
  const stride = Math.max(1, Math.ceil(total / mostProbes));
  const rows = lines.flatMap((line) => rowsOf(line, byId.get(line.entry), small, stride));
  const shades = shadesOf(lines, byId, small);
  const warm = shades.length > 0 ? " The shaded part is warm-up and counts in no figure." : "";
  return {
    name: "time",
    title: small ? "Each run over time" : "Over time",
    caption:
      `Means per interval and the interval's 99th percentile of response time (log scale); of jobs joined, the worst one's.` +
      `${small && model.runs.some((run) => run.repeat > 1) ? " The first repeat of each point." : ""}${warm}`,
    spec: (form) => (small ? smallSpec(rows, shades, form) : tallSpec(rows, shades, form)),
  };
}

function panelOf(entry: Entry | undefined, small: boolean): string {
  return small && entry !== undefined ? `${entry.facet}: ${entry.series}` : "";
}

function rowsOf(
  line: TimeLine,
  entry: Entry | undefined,
  small: boolean,
  stride: number,
): readonly Row[] {
  const label = entry?.label ?? line.entry;
  const short = label.slice(entry?.series.length ?? 0).replace(/^, /, "");
  const name = small ? short || label : `${entry?.facet ?? ""}, ${label}`;
  const repeat = small || line.run === "." ? "" : `, repeat ${line.repeat}`;
  return line.rows.map((row, index) => {
    const seconds = row.ms / 1000;
    const p99 = row.p99 !== null && row.p99 > 0 ? row.p99 : null;
    const latency = p99 === null ? "no operation completed" : `response p99 ${formatNs(p99)}`;
    return {
      panel: panelOf(entry, small),
      line: name,
      run: line.run,
      seconds,
      iops: row.iops,
      bw: row.bw,
      p99,
      probe: index % stride === 0,
      tip:
        `${name}${repeat}, at ${seconds.toFixed(2)} s: ${formatMetric("iops", row.iops)} IOPS, ` +
        `${formatMetric("bw", row.bw)}, ${latency}`,
    };
  });
}

function shadesOf(
  lines: readonly TimeLine[],
  byId: ReadonlyMap<string, Entry>,
  small: boolean,
): readonly Shade[] {
  const found = new Map<string, Shade>();
  for (const line of lines) {
    const panel = panelOf(byId.get(line.entry), small);
    const start = line.warmupStartMs / 1000;
    const end = line.warmupEndMs / 1000;
    if (end > start) {
      found.set(`${panel}|${start}|${end}`, { panel, start, end });
    }
  }
  return [...found.values()];
}

interface Panel {
  readonly field: "iops" | "bw" | "p99";
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly legend: boolean;
  readonly timeTitle: boolean;
  readonly form: Form;
}

/** Layers of one quantity over time; the data come from outside, told apart by `shade`. */
function layers(rows: readonly Row[], panel: Panel): object {
  const { field } = panel;
  const ordered = rows.some((row) => row.panel !== "");
  const key = keyOf(
    rows.map((row) => row.line),
    ordered ? orderedPalette : palette,
  );
  const last = rows.reduce((most, row) => Math.max(most, row.seconds), 0);
  const domain = logDomain(rows.map((row) => row.p99 ?? 0));
  const ticks = logTicks(domain[0], domain[1], Math.floor(panel.height / 24));
  const time = field === "p99";
  const x = {
    field: "seconds",
    type: "quantitative",
    title: panel.timeTitle ? "Time since the run's start (s)" : null,
    scale: { domain: [0, last], nice: false },
    axis: { tickCount: Math.max(3, Math.floor(panel.width / 80)), grid: false },
  };
  const y = {
    field,
    type: "quantitative",
    title: panel.title,
    scale: time ? { type: "log", domain, nice: false } : { zero: true },
    axis: time
      ? { values: ticks, labelExpr: nsLabel }
      : {
          labelExpr: field === "bw" ? bandwidthLabel : countLabel,
          minExtent: 36,
          tickCount: Math.max(3, Math.floor(panel.height / 34)),
        },
  };
  const color = {
    field: "line",
    type: "nominal",
    scale: { domain: key.domain, range: key.colours },
    legend: panel.legend && key.domain.length > 1 ? topLegend(key.domain, panel.form, true) : null,
  };
  const strokeDash = {
    field: "line",
    type: "nominal",
    scale: {
      domain: key.domain,
      range: key.domain.map((_, index) => dashes[index % dashes.length]),
    },
    legend: color.legend,
  };
  return {
    width: panel.width,
    height: panel.height,
    layer: [
      {
        transform: [{ filter: "datum.shade" }],
        mark: { type: "rect", color: shade, aria: false },
        encoding: { x: { ...x, field: "start" }, x2: { field: "end" } },
      },
      {
        transform: [{ filter: "!datum.shade" }],
        mark: { type: "line", strokeWidth: 1.6, aria: false },
        encoding: { x, y, color, strokeDash, detail: { field: "run" } },
      },
      {
        transform: [{ filter: `!datum.shade && datum.probe && isValid(datum.${field})` }],
        mark: { type: "point", filled: true, size: 22, opacity: 0 },
        encoding: { x, y, color, description: { field: "tip", type: "nominal" } },
      },
    ],
  };
}

/** Only the first part shows a legend; shared scales would merge it with the others' absence. */
const apart = { scale: { color: "independent", strokeDash: "independent" } };

const dashes = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 3, 2, 3],
  [10, 4],
  [4, 1],
  [1, 3],
  [6, 2, 1, 2, 1, 2],
];

const quantities = [
  { field: "iops", title: "IOPS" },
  { field: "bw", title: "Bandwidth" },
  { field: "p99", title: "Response p99" },
] as const;

function valuesOf(rows: readonly Row[], shades: readonly Shade[]): readonly object[] {
  return [...shades.map((one) => ({ ...one, shade: true })), ...rows];
}

/** One run: three quantities above each other on one time axis. */
function tallSpec(rows: readonly Row[], shades: readonly Shade[], form: Form) {
  const { width } = panels(1, form, 1);
  const height = form === "phone" ? 130 : 150;
  return styled(
    {
      data: { values: valuesOf(rows, shades) },
      spacing: 14,
      resolve: apart,
      vconcat: quantities.map(({ field, title }, index) => {
        const timeTitle = index === quantities.length - 1;
        return layers(rows, { field, title, width, height, legend: index === 0, timeTitle, form });
      }),
    },
    "IOPS, bandwidth and p99 response time over time",
    form,
  );
}

/** A sweep: small panels per facet and series. */
function smallSpec(rows: readonly Row[], shades: readonly Shade[], form: Form) {
  const names = [...new Set(rows.map((row) => row.panel))];
  const { columns, width } = panels(names.length, form, names.length === 4 ? 2 : 3);
  const shown = quantities.filter(({ field }) => field !== "bw");
  return styled(
    {
      data: { values: valuesOf(rows, shades) },
      spacing: 30,
      resolve: apart,
      vconcat: shown.map(({ field, title }, index) => ({
        facet: {
          field: "panel",
          type: "nominal",
          title: null,
          sort: names,
          header: { labelFontSize: 11 },
        },
        columns,
        resolve: field === "p99" ? {} : { scale: { y: "independent" } },
        spec: layers(rows, {
          field,
          title,
          width: field === "p99" || columns === 1 ? width : width - 26,
          height: 110,
          legend: index === 0,
          timeTitle: true,
          form,
        }),
      })),
    },
    "IOPS and p99 response time of each run over time",
    form,
  );
}
