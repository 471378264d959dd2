/** How much of the differences between runs each parameter explains, with the interval. */
import { type Form, formWidth, ink, palette, softInk, styled } from "../../report/chart-style.ts";
import type { Chart } from "../../report/charts.ts";
import { textWidth } from "../../report/fonts.ts";
import { markCode } from "../../report/mark-codes.ts";
import { metricTitle } from "../../report/units.ts";
import { percentOf } from "../answer.ts";
import type { TuneRecord } from "../tune-record.ts";

interface Row {
  readonly label: string;
  readonly share: number;
  readonly low: number;
  readonly high: number;
  readonly code: string;
}

const rowPx = 22;

export function importanceChart(record: TuneRecord): Chart | null {
  if (record.importance.length === 0) {
    return null;
  }
  return {
    name: "importance",
    title: "What mattered",
    caption:
      "Share of the differences between runs that a parameter explains by itself, over the whole space, with its 95% " +
      "interval. What is missing to the whole is noise, and parameters that act together only.",
    folded: null,
    spec: (form) => specOf(record, form),
  };
}

function rowsOf(record: TuneRecord, metric: string): readonly Row[] {
  return record.importance
    .filter((each) => each.metric === metric)
    .map(({ parameter, share, effect, best }) => {
      const range = `${percentOf(share.low)} to ${percentOf(share.high)}`;
      const tip = `${parameter}: ${percentOf(share.value)} (${range}); best at ${best}, ${effect.value.toFixed(2)} times as good as the worst`;
      const { value, low, high } = share;
      return { label: parameter, share: value, low, high, code: markCode({ entry: -1, tip }) };
    });
}

function specOf(record: TuneRecord, form: Form) {
  const names = [...new Set(record.importance.map(({ parameter }) => parameter))];
  const widest = Math.max(...names.map((name) => textWidth(name, 11, false)));
  const labelPx = Math.min(widest + 16, formWidth[form] * 0.5);
  const metrics = record.goals.map(({ metric }) => metric);
  const across = form === "phone" ? 1 : metrics.length;
  const width = Math.floor((formWidth[form] - labelPx - 20 * (across - 1) - 40) / across);
  const cells = metrics.map((metric, place) => {
    const labelled = place % across === 0;
    return cell(rowsOf(record, metric), { metric, names, labelPx, width, labelled });
  });
  const spec = form === "phone" ? { vconcat: cells } : { hconcat: cells, spacing: 20 };
  return styled(spec, "What mattered, by parameter", form);
}

interface CellFacts {
  readonly metric: string;
  readonly names: readonly string[];
  readonly labelPx: number;
  readonly width: number;
  readonly labelled: boolean;
}

function cell(rows: readonly Row[], facts: CellFacts): object {
  const { metric, names, labelPx, width, labelled } = facts;
  const x = {
    field: "share",
    type: "quantitative",
    title: `Share of the differences in ${metricTitle(metric)}`,
    scale: { domain: [0, 1], nice: false },
    axis: { format: ".0%", tickCount: 5 },
  };
  const y = {
    field: "label",
    type: "nominal",
    sort: names,
    scale: { domain: names },
    title: null,
    axis: labelled
      ? { labelLimit: labelPx - 8, minExtent: labelPx - 10, maxExtent: labelPx }
      : { labels: false, ticks: false },
  };
  return {
    data: { values: rows },
    width,
    height: rowPx * names.length,
    layer: [
      {
        mark: { type: "bar", color: palette[4], height: { band: 0.6 } },
        encoding: { x, y, description: { field: "code", type: "nominal" } },
      },
      {
        mark: { type: "rule", color: ink, strokeWidth: 1.5, aria: false },
        encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, y },
      },
      {
        mark: { type: "tick", color: softInk, thickness: 1.5, height: 8, aria: false },
        encoding: { x: { ...x, field: "high" }, y },
      },
    ],
  };
}
