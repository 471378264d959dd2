/** Latency over time as a heat map: how many operations took how long, and when. */
import { byFacet } from "./answer.ts";
import {
  type Form,
  formWidth,
  gridInk,
  ink,
  logTicks,
  nsLabel,
  sequential,
  shade,
  softInk,
  styled,
} from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import { bucketStart, bucketsPerOctave } from "./heat-grid.ts";
import { frameLayer } from "./mark-codes.ts";
import type { Entry, HeatMap, ReportModel, TimeLine } from "./model.ts";

/** Fewer columns show nothing over time. */
const leastColumns = 4;

interface Panel {
  readonly entry: Entry;
  /** Place of the entry in the model. */
  readonly at: number;
  readonly map: HeatMap;
  readonly title: string;
  readonly line: TimeLine | undefined;
}

/** A rectangle of the map: seconds, ns, and a step of the colour scale. */
interface Cell {
  readonly start: number;
  readonly end: number;
  readonly low: number;
  readonly high: number;
  readonly level: number;
}

/** What all panels of a chart share. */
interface Frame {
  readonly seconds: number;
  readonly low: number;
  readonly high: number;
  /** Smallest count of each step. */
  readonly steps: readonly number[];
  readonly bucketsPerCell: number;
}

/** Null when no entry has enough intervals. */
export function heatChart(model: ReportModel): Chart | null {
  const panels = panelsOf(model);
  if (panels.length === 0) {
    return null;
  }
  const sweep = model.kind === "sweep";
  const both = panels.some((panel) => panel.map.kind === "service");
  const repeats = model.entries.some((entry) => entry.replicates > 1);
  return {
    name: "heat",
    title: "Latency over time",
    caption:
      `Each cell counts the operations that completed in that time with that latency: ` +
      "the stronger the colour the more, blank is none. Latency is on a logarithmic axis." +
      (both
        ? " Above, response time counts from when an operation was due; below, service time from when it was handed to the target: waiting shows only above."
        : "") +
      (repeats ? " All repeats are laid over one another." : "") +
      (!sweep && panels.some(({ line }) => line !== undefined && line.warmupEndMs > 0)
        ? " The dashed line is the end of the warm-up, which counts in no figure."
        : "") +
      (!sweep && panels.some(({ line }) => line !== undefined && line.steady !== null)
        ? " The bar along the top is the steady state."
        : ""),
    folded: sweep ? `Latency over time of each point (${panels.length} heat maps)` : null,
    spec: (form) => (sweep ? gridSpec(panels, form) : stackSpec(panels, form)),
  };
}

function panelsOf(model: ReportModel): readonly Panel[] {
  const sweep = model.kind === "sweep";
  const several = model.entries.length > 1;
  const both = model.heatMaps.some((map) => map.kind === "service");
  return model.heatMaps.flatMap((map) => {
    const at = model.entries.findIndex((entry) => entry.id === map.entry);
    const entry = model.entries[at];
    // A sweep's reader compares points; service times of each would double the page.
    if (entry === undefined || map.columns.length < leastColumns) {
      return [];
    }
    if (sweep && map.kind === "service") {
      return [];
    }
    const kind = map.kind === "response" ? "Response time" : "Service time";
    const title = sweep
      ? entry.label
      : [both ? kind : "", several ? `${entry.facet}, ${entry.label}` : ""]
          .filter((part) => part !== "")
          .join(": ");
    const line = model.timeLines.find((one) => one.entry === entry.id);
    return [{ entry, at, map, title, line }];
  });
}

function frameOf(panels: readonly Panel[], bucketsPerCell: number): Frame {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  let most = 1;
  let seconds = 0;
  for (const { map, line } of panels) {
    const own = (map.startMs + map.columnMs * map.columns.length) / 1000;
    // The last column may reach beyond the run's end.
    seconds = Math.max(seconds, Math.min(own, (line?.rows.at(-1)?.ms ?? own * 1000) / 1000));
    for (const column of map.columns) {
      const counts = coarse(column, bucketsPerCell);
      for (const [cell, count] of counts) {
        low = Math.min(low, cell);
        high = Math.max(high, cell + 1);
        most = Math.max(most, count);
      }
    }
  }
  const edge = (cell: number) => bucketStart(cell * bucketsPerCell);
  return { seconds, low: edge(low), high: edge(high), steps: stepsOf(most), bucketsPerCell };
}

/** Half decades while seven of them reach, decades beyond. */
function stepsOf(most: number): readonly number[] {
  const steps: number[] = [];
  for (let e = 0; 10 ** e <= most; e += 1) {
    steps.push(10 ** e);
    if (most < 2000 && 3 * 10 ** e <= most) {
      steps.push(3 * 10 ** e);
    }
  }
  return steps.slice(0, sequential.length);
}

function coarse(column: readonly number[], bucketsPerCell: number): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (let i = 0; i + 1 < column.length; i += 2) {
    const cell = Math.floor((column[i] ?? 0) / bucketsPerCell);
    counts.set(cell, (counts.get(cell) ?? 0) + (column[i + 1] ?? 0));
  }
  return counts;
}

/** Cells of one step that follow each other in time become one; sorted by step, so paths join. */
/** `0.1 s x 19%`: how long and how wide a cell is. */
function cellText(map: HeatMap, frame: Frame): string {
  const seconds = Number((map.columnMs / 1000).toPrecision(3));
  const step = 2 ** (frame.bucketsPerCell / bucketsPerOctave) - 1;
  return `${seconds} s x ${Math.round(step * 100)}%`;
}

function cellsOf(map: HeatMap, frame: Frame): readonly Cell[] {
  const open = new Map<number, Cell>();
  const done: Cell[] = [];
  map.columns.forEach((column, index) => {
    const start = (map.startMs + index * map.columnMs) / 1000;
    const end = Math.min(frame.seconds, start + map.columnMs / 1000);
    if (end <= start) {
      return;
    }
    const counts = coarse(column, frame.bucketsPerCell);
    for (const [cell, before] of open) {
      if (!counts.has(cell)) {
        done.push(before);
        open.delete(cell);
      }
    }
    for (const [cell, count] of counts) {
      const level = frame.steps.findLastIndex((least) => count >= least);
      const before = open.get(cell);
      if (before?.level === level) {
        open.set(cell, { ...before, end });
        continue;
      }
      if (before !== undefined) {
        done.push(before);
      }
      const low = bucketStart(cell * frame.bucketsPerCell);
      const high = bucketStart((cell + 1) * frame.bucketsPerCell);
      open.set(cell, { start, end, low, high, level });
    }
  });
  return [...done, ...open.values()].sort((a, b) => a.level - b.level || a.start - b.start);
}

/** Colours of the steps, spread over the palette. */
function colours(count: number): readonly string[] {
  const last = sequential.length - 1;
  return Array.from({ length: count }, (_, i) => {
    const at = count === 1 ? last : Math.round((i * last) / (count - 1));
    return sequential[at] ?? ink;
  });
}

function stepNames(steps: readonly number[]): readonly string[] {
  return steps.map((least, i) => {
    const next = steps[i + 1];
    const most = next === undefined ? undefined : next - 1;
    return most === undefined
      ? `${least} or more`
      : most === least
        ? `${least}`
        : `${least}-${most}`;
  });
}

interface Look {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly titleSize: number;
  readonly legend: boolean;
  readonly timeTitle: boolean;
  readonly yAxis: boolean;
}

function panelSpec(panel: Panel, frame: Frame, look: Look): object {
  const names = stepNames(frame.steps);
  const cells = cellsOf(panel.map, frame).map((cell) => ({ ...cell, step: names[cell.level] }));
  const x = {
    type: "quantitative",
    title: look.timeTitle
      ? look.width > 400
        ? "Time since the run's start (s)"
        : "Time (s)"
      : null,
    scale: { domain: [0, frame.seconds], nice: false },
    axis: { tickCount: Math.max(2, Math.floor(look.width / 80)), grid: false },
  };
  const y = {
    type: "quantitative",
    title: look.yAxis ? (panel.map.kind === "service" ? "Service time" : "Response time") : null,
    scale: { type: "log", domain: [frame.low, frame.high], nice: false },
    axis: {
      values: logTicks(frame.low, frame.high, Math.max(2, Math.floor(look.height / 22))),
      labelExpr: nsLabel,
      grid: false,
      ...(look.yAxis ? {} : { labels: false, ticks: false }),
    },
  };
  const color = {
    field: "step",
    type: "nominal",
    scale: { domain: names, range: colours(names.length) },
    legend: look.legend
      ? {
          orient: "top",
          direction: "horizontal",
          title: `Operations in a cell of ${cellText(panel.map, frame)}`,
          symbolType: "square",
          symbolStrokeWidth: 0,
          columns: look.width > 500 ? names.length : 3,
        }
      : null,
  };
  const time = { kind: "heat", entry: panel.at, buckets: frame.bucketsPerCell } as const;
  return {
    ...(look.title === ""
      ? {}
      : {
          title: {
            text: look.title,
            anchor: "start",
            frame: "group",
            fontSize: look.titleSize,
            fontWeight: look.titleSize > 11 ? "bold" : "normal",
            color: ink,
            offset: 4,
            limit: look.width + 20,
          },
        }),
    width: look.width,
    height: look.height,
    layer: [
      ...spans(panel.line, x),
      {
        data: { values: cells },
        mark: { type: "rect", aria: false, stroke: null },
        encoding: {
          x: { ...x, field: "start" },
          x2: { field: "end" },
          y: { ...y, field: "low" },
          y2: { field: "high" },
          color,
        },
      },
      ...(look.width > 200 ? edges(panel.line, x) : []),
      frameLayer({ ...time, x: ["linear", 0, frame.seconds], y: ["log", frame.low, frame.high] }),
    ],
  };
}

/** The warm-up, which counts in no figure, is shaded as in the other charts. */
function spans(line: TimeLine | undefined, x: object): readonly object[] {
  if (line === undefined || line.warmupEndMs <= line.warmupStartMs) {
    return [];
  }
  const values = [{ start: line.warmupStartMs / 1000, end: line.warmupEndMs / 1000 }];
  return [
    {
      data: { values },
      mark: { type: "rect", color: shade, aria: false },
      encoding: { x: { ...x, field: "start" }, x2: { field: "end" } },
    },
  ];
}

/** What cells would cover: where the warm-up ends, and the steady state. */
function edges(line: TimeLine | undefined, x: object): readonly object[] {
  const at = (ms: number) => ms / 1000;
  const ends = line === undefined || line.warmupEndMs <= line.warmupStartMs ? [] : [line];
  const steady = line?.steady ?? null;
  return [
    ...ends.map((own) => ({
      data: { values: [{ end: at(own.warmupEndMs) }] },
      mark: { type: "rule", color: ink, strokeDash: [5, 4], aria: false },
      encoding: { x: { ...x, field: "end" } },
    })),
    ...(steady === null ? [] : [steady]).map((span) => ({
      data: { values: [{ start: at(span.startMs), end: at(span.endMs) }] },
      mark: { type: "rule", color: ink, strokeWidth: 4, aria: false },
      encoding: { x: { ...x, field: "start" }, x2: { field: "end" }, y: { value: 0 } },
    })),
  ];
}

const shared = { view: { stroke: gridInk }, axis: { domainColor: softInk } };

/** A run: panels of full width above each other. */
function stackSpec(panels: readonly Panel[], form: Form) {
  const frame = frameOf(panels, form === "phone" ? 4 : 2);
  const width = formWidth[form] - 78;
  const height = form === "phone" ? 150 : panels.length > 2 ? 150 : 190;
  const last = panels.length - 1;
  return styled(
    {
      spacing: 18,
      resolve: { scale: { color: "independent" } },
      vconcat: panels.map((panel, index) => {
        const title = panels.length > 1 ? panel.title : "";
        const at = { legend: index === 0, timeTitle: index === last, yAxis: true };
        return panelSpec(panel, frame, { width, height, title, titleSize: 12, ...at });
      }),
      ...shared,
    },
    "Latency over time",
    form,
  );
}

/** A sweep: small panels, those of a question together. */
function gridSpec(panels: readonly Panel[], form: Form) {
  const frame = frameOf(panels, bucketsPerOctave / 2);
  const columns = form === "phone" ? 2 : 4;
  const gap = 14;
  const width = Math.floor((formWidth[form] - 70 - gap * (columns - 1)) / columns);
  const height = form === "phone" ? 74 : 84;
  const groups = [...byFacet(panels.map((panel) => panel.entry))];
  const blocks = groups.map(([facet, entries], group) => {
    const own = panels.filter((panel) => entries.includes(panel.entry));
    const rows: object[] = [];
    for (let start = 0; start < own.length; start += columns) {
      const row = own.slice(start, start + columns).map((panel, index) => {
        const first = group === 0 && start === 0 && index === 0;
        const at = { legend: false, timeTitle: start + columns >= own.length, yAxis: index === 0 };
        const title = panel.title;
        return {
          spec: panelSpec(panel, frame, { width, height, title, titleSize: 10, ...at }),
          first,
        };
      });
      rows.push({ spacing: gap, hconcat: row.map((one) => one.spec) });
    }
    const title = { text: facet, anchor: "start", fontSize: 12, color: ink };
    return { title, spacing: 10, vconcat: rows };
  });
  return styled(
    {
      spacing: 22,
      resolve: { scale: { color: "independent" } },
      vconcat: [...legendOf(frame, form, panels[0]?.map), ...blocks],
      ...shared,
    },
    "Latency over time of each point",
    form,
  );
}

/** One legend for all panels: a row of squares with their counts. */
function legendOf(frame: Frame, form: Form, map: HeatMap | undefined): readonly object[] {
  const size = map === undefined ? "" : ` of ${cellText(map, frame)}`;
  const names = stepNames(frame.steps);
  const range = colours(names.length);
  const width = formWidth[form] - 60;
  const values = names.map((name, index) => ({ name, at: index + 0.15 }));
  const x = {
    field: "at",
    type: "quantitative",
    scale: { domain: [0, Math.max(names.length, form === "phone" ? 4 : 8)], nice: false },
    axis: null,
  };
  return [
    {
      title: {
        text: `Operations in a cell${size}`,
        anchor: "start",
        fontSize: 11,
        fontWeight: "normal",
        color: softInk,
        offset: 2,
      },
      view: { stroke: null },
      width,
      height: 14,
      data: { values },
      layer: [
        {
          mark: {
            type: "point",
            shape: "square",
            size: 100,
            filled: true,
            opacity: 1,
            aria: false,
          },
          encoding: {
            x,
            color: {
              field: "name",
              type: "nominal",
              scale: { domain: names, range },
              legend: null,
            },
          },
        },
        {
          mark: { type: "text", align: "left", dx: 10, fontSize: 10, color: ink, aria: false },
          encoding: { x, text: { field: "name" } },
        },
      ],
    },
  ];
}
