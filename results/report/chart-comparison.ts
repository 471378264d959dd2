/** All configurations side by side, one column per metric: the table as a picture. */

import { metricFacts } from "../metrics.ts";
import { byFacet } from "./answer.ts";
import { type Form, formWidth, ink, keyOf, logTicks, styled } from "./chart-style.ts";
import { axisTitle, figureLabel } from "./chart-units.ts";
import type { Chart } from "./charts.ts";
import { textWidth } from "./fonts.ts";
import { markCode } from "./mark-codes.ts";
import type { Entry, ReportModel } from "./model.ts";
import { formatMetric, formatShort, isTime, metricTitle } from "./units.ts";

interface Row {
  readonly label: string;
  readonly series: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Of each repeat. */
  readonly values: readonly number[];
  readonly text: string;
  readonly code: string;
  /** The same without words, for what stands beside the mark. */
  readonly bareCode: string;
}

const mostMetrics = 6;
/** Metrics side by side. */
const mostAcross = 3;
const rowPx = 17;

/** Null where nothing stands beside anything else. */
export function comparisonChart(model: ReportModel): Chart | null {
  const metrics = model.metrics
    .filter((metric) => model.entries.some((entry) => entry.metrics[metric]?.solid === true))
    .slice(0, mostMetrics);
  const alone = byFacet(model.entries).size === model.entries.length;
  if (alone || metrics.length === 0) {
    return null;
  }
  const repeated = model.entries.some((entry) => entry.replicates > 1);
  return {
    name: "comparison",
    title: "Configurations compared",
    caption:
      `${sidesOf(metrics)}. ` +
      (repeated ? "Bars are medians of the repeats, which are the dots." : "Each bar is one run."),
    folded: null,
    spec: (form) => specOf(model.entries, metrics, form),
  };
}

/** Which way each metric is better. */
function sidesOf(metrics: readonly string[]): string {
  const parts = metrics.flatMap((metric) => {
    const better = metricFacts(metric)?.better ?? "none";
    const side = better === "higher" ? "longer is better" : "shorter is better";
    return better === "none" ? [] : [`${metricTitle(metric)}: ${side}`];
  });
  return parts.join("; ").replace(/^[a-z]/, (letter) => letter.toUpperCase());
}

function specOf(entries: readonly Entry[], metrics: readonly string[], form: Form) {
  const key = keyOf(entries.map((entry) => entry.series));
  const widest = Math.max(...entries.map((entry) => textWidth(entry.label, 11, false)));
  const labelPx = Math.min(widest + 16, formWidth[form] * 0.45);
  const across = form === "phone" ? 1 : Math.min(mostAcross, metrics.length);
  const cellPx = Math.floor((formWidth[form] - labelPx - 20 * (across - 1) - 30) / across);
  const blocks = [...byFacet(entries)].flatMap(([facet, own]) => {
    const shown = metrics.filter((metric) => own.some((e) => e.metrics[metric]?.solid === true));
    const cells = shown.map((metric, index) => {
      const labelled = index % across === 0;
      return cell({
        all: entries,
        facet,
        own,
        metric,
        key,
        width: cellPx,
        labelled,
        labelPx,
        first: index === 0,
      });
    });
    if (cells.length === 0) {
      return [];
    }
    const rows = Array.from({ length: Math.ceil(cells.length / across) }, (_, row) =>
      cells.slice(row * across, (row + 1) * across),
    );
    return form === "phone" ? cells : rows.map((hconcat) => ({ hconcat, spacing: 20 }));
  });
  return styled({ vconcat: blocks, spacing: 26 }, "Configurations compared by metric", form);
}

interface Cell {
  /** Entries of the model, which name marks by their place in it. */
  readonly all: readonly Entry[];
  readonly facet: string;
  readonly own: readonly Entry[];
  readonly metric: string;
  readonly key: ReturnType<typeof keyOf>;
  readonly width: number;
  readonly labelled: boolean;
  readonly labelPx: number;
  readonly first: boolean;
}

function cell({ all, facet, own, metric, key, width, labelled, labelPx, first }: Cell): object {
  const rows = own.flatMap((entry) => rowOf(entry, all.indexOf(entry), metric));
  const most = rows.reduce((max, row) => Math.max(max, row.high), 0);
  const least = rows.reduce((min, row) => Math.min(min, row.low), most);
  // Times over more than a decade would leave most bars as slivers; bars of those start at the axis.
  const log = isTime(metric) && least > 0 && most / least > 10;
  const floor = log ? 10 ** Math.floor(Math.log10(least * 0.9)) : 0;
  // Room for the figure behind the longest bar.
  const longest = rows.reduce((px, row) => Math.max(px, textWidth(row.text, 10, false)), 0) + 10;
  const share = Math.max(0.4, 1 - longest / width);
  const end = log ? floor * (most / floor) ** (1 / share) : most / share;
  const x = {
    field: "value",
    type: "quantitative",
    title: `${axisTitle(metric)}${log ? ", log scale" : ""}`,
    scale: log
      ? { type: "log", domain: [floor, end], nice: false }
      : { domain: [0, end || 1], nice: false },
    axis: {
      labelExpr: figureLabel(metric),
      ...(log
        ? { values: logTicks(floor, end, Math.floor(width / 60)) }
        : { tickCount: width < 220 ? 3 : 4 }),
      labelOverlap: true,
    },
  };
  const y = {
    field: "label",
    type: "nominal",
    sort: own.map((entry) => entry.label),
    scale: { domain: own.map((entry) => entry.label), paddingInner: 0.25 },
    title: null,
    axis: labelled
      ? { labelLimit: labelPx - 8, minExtent: labelPx - 10, maxExtent: labelPx }
      : { labels: false, ticks: false },
  };
  const color = {
    field: "series",
    type: "nominal",
    scale: { domain: key.domain, range: key.colours },
    legend: null,
  };
  return {
    ...(first ? { title: { text: facet, anchor: "start", fontSize: 12, color: ink } } : {}),
    data: { values: rows },
    width,
    height: rowPx * own.length,
    layer: [
      {
        mark: { type: "bar" },
        encoding: {
          x,
          ...(log ? { x2: { datum: floor } } : {}),
          y,
          color,
          description: { field: "code", type: "nominal" },
        },
      },
      {
        mark: { type: "rule", strokeWidth: 1.5, color: ink, aria: false },
        transform: [{ filter: "datum.high > datum.low" }],
        encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, y },
      },
      {
        mark: { type: "circle", size: 16, color: ink, opacity: 0.7, aria: false },
        transform: [{ filter: "datum.values.length > 1" }, { flatten: ["values"] }],
        encoding: { x: { ...x, field: "values" }, y },
      },
      {
        mark: { type: "text", align: "left", dx: 4, color: ink },
        encoding: {
          x: { ...x, field: "high" },
          y,
          text: { field: "text" },
          description: { field: "bareCode", type: "nominal" },
        },
      },
    ],
  };
}

function rowOf(entry: Entry, at: number, metric: string): readonly Row[] {
  const value = entry.metrics[metric];
  if (value?.solid !== true) {
    return [];
  }
  const text = formatShort(metric, value.value);
  const spread =
    value.values.length > 1
      ? ` (${formatMetric(metric, value.low)} to ${formatMetric(metric, value.high)} over ${value.values.length} runs)`
      : "";
  return [
    {
      label: entry.label,
      series: entry.series,
      value: value.value,
      low: value.low,
      high: value.high,
      values: value.values,
      text,
      bareCode: markCode({ entry: at, name: entry.series }),
      code: markCode({
        entry: at,
        name: entry.series,
        tip: `${entry.facet}, ${entry.label}: ${metricTitle(metric)} ${formatMetric(metric, value.value)}${spread}`,
      }),
    },
  ];
}
