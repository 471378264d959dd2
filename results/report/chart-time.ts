/** Rates and latency over time, with warm-up, steady state and silences marked. */

import {
  bandwidthLabel,
  countLabel,
  type Form,
  ink,
  keyOf,
  logDomain,
  logTicks,
  nsLabel,
  orderedPalette,
  type PanelGrid,
  palette,
  panelGrid,
  panels,
  shade,
  softInk,
  styled,
  topLegend,
} from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import { frameLayer, markCode } from "./mark-codes.ts";
import type { Entry, ReportModel, Span, TimeLine } from "./model.ts";
import { formatMetric, formatNs, formatSeconds } from "./units.ts";

interface Row {
  readonly panel: string;
  readonly line: string;
  readonly run: string;
  readonly seconds: number;
  readonly iops: number;
  readonly bw: number;
  readonly p99: number | null;
  readonly service99: number | null;
  /** Drawn with a mark to point at. */
  readonly probe: boolean;
  readonly code: string;
  readonly lineCode: string;
}

/** Part of the time axis that is marked. */
interface Mark {
  readonly mark: "warm-up" | "steady state" | "nothing completed";
  readonly panel: string;
  readonly start: number;
  readonly end: number;
  /** Stands above it where it has room; empty in small panels, whose caption explains it. */
  readonly label: string;
}

/** Panels of a sweep that are open at first; more of them bury what comes after. */
const mostOpen = 4;
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
  const places = new Map(model.entries.map((entry, at) => [entry.id, at]));
  const rows = lines.flatMap((line) =>
    rowsOf(line, byId.get(line.entry), places.get(line.entry) ?? -1, small, stride),
  );
  const marks = marksOf(lines, byId, small);
  const cells = lines.flatMap((line) => {
    const entry = byId.get(line.entry);
    return entry === undefined ? [] : [{ ...entry, name: panelOf(entry, small) }];
  });
  const has = (name: Mark["mark"]) => marks.some(({ mark }) => mark === name);
  const notes = [
    has("warm-up") ? " The shaded part is warm-up and counts in no figure." : "",
    has("steady state") ? " The bar above the plot is the steady state." : "",
  ];
  // Where operations waited to be sent, the two times part, and the difference is the wait.
  const open = !small && lines.every((line) => byId.get(line.entry)?.openLoop === true);
  return {
    name: "time",
    title: small ? "Each run over time" : "Over time",
    caption:
      `Means per interval and the interval's 99th percentile of response time${open ? " (solid) and of service time (dotted)" : ""} on a logarithmic axis; of jobs joined, the worst one's.` +
      `${model.kind === "repeat" ? " One line per repeat." : ""}${small && model.runs.some((run) => run.repeat > 1) ? " The first repeat of each point." : ""}${notes.join("")}`,
    folded:
      small && new Set(cells.map((cell) => cell.name)).size > mostOpen
        ? `Each run over time (${lines.length} lines)`
        : null,
    spec: (form) =>
      small
        ? smallSpec(rows, marks, form, panelGrid(cells, form))
        : tallSpec(rows, marks, form, open),
  };
}

function panelOf(entry: Entry | undefined, small: boolean): string {
  return small && entry !== undefined ? `${entry.facet}: ${entry.series}` : "";
}

function rowsOf(
  line: TimeLine,
  entry: Entry | undefined,
  at: number,
  small: boolean,
  stride: number,
): readonly Row[] {
  const label = entry?.label ?? line.entry;
  const short = label.slice(entry?.series.length ?? 0).replace(/^, /, "");
  const name = small ? short || label : `${entry?.facet ?? ""}, ${label}`;
  const repeat = small || line.run === "." ? "" : `, repeat ${line.repeat}`;
  return line.rows.flatMap((row, index) => {
    const seconds = row.ms / 1000;
    const p99 = row.p99 !== null && row.p99 > 0 ? row.p99 : null;
    const latency =
      row.p99 === null ? "no operation completed" : `response p99 ${formatNs(row.p99)}`;
    const code = { entry: at, name };
    const service99 = row.service99 !== null && row.service99 > 0 ? row.service99 : null;
    const end = {
      panel: panelOf(entry, small),
      line: name,
      run: line.run,
      seconds,
      iops: row.iops,
      bw: row.bw,
      p99,
      service99,
      probe: index % stride === 0,
      lineCode: markCode(code),
      code: markCode({
        ...code,
        tip:
          `${name}${repeat}, at ${seconds.toFixed(2)} s: ${formatMetric("iops", row.iops)} IOPS, ` +
          `${formatMetric("bw", row.bw)}, ${latency}`,
      }),
    };
    // A mean holds for its whole interval: a line that slopes to it would show what nobody measured.
    const before = line.rows[index - 1]?.ms ?? line.startMs;
    return small ? [end] : [{ ...end, seconds: before / 1000, probe: false }, end];
  });
}

function marksOf(
  lines: readonly TimeLine[],
  byId: ReadonlyMap<string, Entry>,
  small: boolean,
): readonly Mark[] {
  const found = new Map<string, Mark>();
  for (const line of lines) {
    const panel = panelOf(byId.get(line.entry), small);
    const add = (mark: Mark["mark"], span: Span, label: string) => {
      const start = span.startMs / 1000;
      const end = span.endMs / 1000;
      if (end > start) {
        found.set(`${panel}|${mark}|${start}|${end}`, { mark, panel, start, end, label });
      }
    };
    // The name of a silence says more than theirs, and has to stay readable.
    const named = !small && line.stalls.length === 0;
    const warmup = { startMs: line.warmupStartMs, endMs: line.warmupEndMs };
    add("warm-up", warmup, named ? "warm-up" : "");
    if (line.steady !== null) {
      add("steady state", line.steady, named ? "steady state" : "");
    }
    // Small panels have no room for words, and a line that breaks off says the same.
    for (const span of small ? [] : line.stalls) {
      const length = formatSeconds((span.endMs - span.startMs) / 1000);
      add("nothing completed", span, `nothing completed for ${length}`);
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
  /** Names the silences; the first of several plots above each other. */
  readonly labels: boolean;
  /** Draws service time beside response time. */
  readonly both: boolean;
}

/** Layers of one quantity over time; the data come from outside, told apart by `mark`. */
function layers(rows: readonly Row[], panel: Panel): object {
  const { field } = panel;
  const ordered = rows.some((row) => row.panel !== "");
  const key = keyOf(
    rows.map((row) => row.line),
    ordered ? orderedPalette : palette,
  );
  const last = rows.reduce((most, row) => Math.max(most, row.seconds), 0);
  const low = panel.both ? rows.map((row) => row.service99 ?? 0) : [];
  const domain = logDomain([...rows.map((row) => row.p99 ?? 0), ...low]);
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
    // All plots leave the same room for their labels, so that their time axes stand below one another.
    axis: time
      ? { values: ticks, labelExpr: nsLabel, ...labelRoom }
      : {
          labelExpr: field === "bw" ? bandwidthLabel : countLabel,
          ...labelRoom,
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
  const description = { field: "lineCode", type: "nominal" };
  return {
    width: panel.width,
    height: panel.height,
    layer: [
      ...markLayers(x, panel, last),
      ...(time && panel.both
        ? [
            {
              transform: [{ filter: "!datum.mark" }],
              mark: { type: "line", strokeWidth: 1.4, strokeDash: [2, 2], opacity: 0.85 },
              encoding: {
                x,
                y: { ...y, field: "service99" },
                color,
                detail: { field: "run" },
                description,
              },
            },
          ]
        : []),
      {
        transform: [{ filter: "!datum.mark" }],
        mark: { type: "line", strokeWidth: 1.6 },
        encoding: { x, y, color, strokeDash, detail: { field: "run" }, description },
      },
      ...(field === "iops"
        ? [
            {
              // Its words tell all quantities, so that one mark per time is enough for all plots.
              transform: [{ filter: "!datum.mark && datum.probe" }],
              mark: { type: "point", shape: "square", filled: true, size: 16, opacity: 0 },
              encoding: { x, y, color, description: { field: "code", type: "nominal" } },
            },
          ]
        : []),
      ...(ordered || !time ? [] : [frameLayer(frameOf(last, domain))]),
    ],
  };
}

const labelRoom = { minExtent: 54, maxExtent: 54 };

/** Only the plot with a known y range is asked for its scales; the others share its x axis. */
function frameOf(last: number, [low, high]: readonly [number, number]) {
  return { kind: "time", entry: -1, x: ["linear", 0, last], y: ["log", low, high] } as const;
}

/** Width of a letter of a label, pixels; a little more than the mean one. */
const labelPx = 6.5;

/** The warm-up as a shade, the steady state as a bar along the top, silences between two rules. */
function markLayers(x: object, panel: Panel, last: number): readonly object[] {
  const span = { x: { ...x, field: "start" }, x2: { field: "end" } };
  const of = (mark: Mark["mark"]) => [{ filter: `datum.mark == '${mark}'` }];
  const silent = of("nothing completed");
  const rule = { type: "rule", color: softInk, strokeDash: [3, 3], aria: false };
  const room = `(datum.end - datum.start) * ${panel.width / last} > ${labelPx} * length(datum.label)`;
  const named = [
    { filter: `datum.mark && datum.label && (datum.mark == 'nothing completed' || ${room})` },
    { calculate: "(datum.start + datum.end) / 2", as: "middle" },
  ];
  return [
    { transform: of("warm-up"), mark: { type: "rect", color: shade, aria: false }, encoding: span },
    {
      transform: of("steady state"),
      mark: { type: "rule", color: ink, strokeWidth: 3, aria: false },
      encoding: { ...span, y: { value: 0 } },
    },
    ...["start", "end"].map((field) => ({
      transform: silent,
      mark: rule,
      encoding: { x: { ...x, field } },
    })),
    ...(panel.labels
      ? [
          {
            transform: named,
            mark: { type: "text", dy: -7, color: ink, fontSize: 11, aria: false },
            encoding: {
              x: { ...x, field: "middle" },
              y: { value: 0 },
              text: { field: "label" },
            },
          },
        ]
      : []),
  ];
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

function valuesOf(rows: readonly Row[], marks: readonly Mark[]): readonly object[] {
  return [...marks, ...rows];
}

/** One run: three quantities above each other on one time axis. */
function tallSpec(rows: readonly Row[], marks: readonly Mark[], form: Form, both: boolean) {
  const { width } = panels(1, form, 1);
  const height = form === "phone" ? 130 : 150;
  return styled(
    {
      data: { values: valuesOf(rows, marks) },
      spacing: 14,
      resolve: apart,
      vconcat: quantities.map(({ field, title: usual }, index) => {
        const title = field === "p99" && both ? "p99 latency" : usual;
        const timeTitle = index === quantities.length - 1;
        const first = index === 0;
        const shown = { legend: first, labels: first, timeTitle, both };
        return layers(rows, { field, title, width, height, form, ...shown });
      }),
    },
    "IOPS, bandwidth and p99 response time over time",
    form,
  );
}

/** A sweep: small panels per facet and series. */
function smallSpec(
  rows: readonly Row[],
  marks: readonly Mark[],
  form: Form,
  { names, most }: PanelGrid,
) {
  const { columns, width } = panels(names.length, form, most);
  const shown = quantities.filter(({ field }) => field !== "bw");
  return styled(
    {
      data: { values: valuesOf(rows, marks) },
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
        resolve: {
          axis: { x: form === "phone" ? "independent" : "shared", y: "independent" },
          scale: { y: field === "p99" ? "shared" : "independent" },
        },
        spec: layers(rows, {
          field,
          title,
          width: columns === 1 ? width : width - 30,
          height: 110,
          legend: index === 0,
          timeTitle: true,
          labels: false,
          both: false,
          form,
        }),
      })),
    },
    "IOPS and p99 response time of each run over time",
    form,
  );
}
