/** Two settings and a figure as a map of colours with the figures in it: the standard's 3-D plot, flat. */
import { type Form, formWidth, ink, sequential, styled } from "../report/chart-style.ts";
import type { Chart } from "../report/charts.ts";
import { formatCount, formatNs } from "../report/units.ts";
import { mixName, sizeName } from "./cells.ts";
import type { RoundsModel } from "./load.ts";

/** On strong colours; the page exchanges it on a dark ground, where those are the light ones. */
export const lightInk = "#fefefe";

export interface HeatCell {
  readonly column: string;
  readonly row: string;
  readonly value: number;
  readonly text: string;
}

export interface HeatAxes {
  readonly columnTitle: string;
  readonly rowTitle: string;
  readonly columns: readonly string[];
  readonly rows: readonly string[];
}

/** Cells by the logarithm of their values, the stronger the larger. */
export function heatSpec(cells: readonly HeatCell[], axes: HeatAxes, what: string, form: Form) {
  const logs = cells.map(({ value }) => Math.log(Math.max(value, 1e-9)));
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const steps = sequential.length;
  const values = cells.map((cell, place) => {
    const share = high > low ? ((logs[place] ?? low) - low) / (high - low) : 0.5;
    const level = Math.min(steps - 1, Math.floor(share * steps));
    return { ...cell, level, hue: level >= 3 ? lightInk : ink };
  });
  const x = {
    field: "column",
    type: "ordinal",
    sort: axes.columns,
    title: axes.columnTitle,
    axis: { orient: "top", labelAngle: 0 },
  };
  const y = { field: "row", type: "ordinal", sort: axes.rows, title: axes.rowTitle };
  const color = {
    field: "level",
    type: "ordinal",
    scale: { domain: sequential.map((_, at) => at), range: sequential },
    legend: null,
  };
  const hue = { field: "hue", type: "nominal", scale: null };
  return styled(
    {
      data: { values },
      width: Math.min(formWidth[form] - 90, form === "phone" ? 280 : 100 * axes.columns.length),
      height: 34 * axes.rows.length,
      encoding: { x, y },
      layer: [
        { mark: { type: "rect" }, encoding: { color } },
        {
          mark: { type: "text", fontSize: form === "phone" ? 8 : 11 },
          encoding: { text: { field: "text" }, color: hue },
        },
      ],
    },
    what,
    form,
  );
}

/** A figure over block sizes and mixes. */
export function gridChart(
  rounds: RoundsModel,
  figure: "iops" | "latency_mean_ns",
  mixes: readonly number[],
  blocks: readonly number[],
): Chart | null {
  const iops = figure === "iops";
  const cells = blocks.flatMap((bytes) =>
    mixes.flatMap((mix): HeatCell[] => {
      const found = rounds.cells.find(({ cell }) => cell === `r${mix}-${sizeName(bytes)}`);
      const value = found?.[figure] ?? 0;
      const text = iops ? formatCount(value) : formatNs(value);
      return found === undefined || value <= 0
        ? []
        : [{ column: mixName(mix), row: `${bytes / 1024} KiB`, value, text }];
    }),
  );
  if (cells.length === 0) {
    return null;
  }
  const axes: HeatAxes = {
    columnTitle: "Share of reads / writes",
    rowTitle: "Block size",
    columns: mixes.map(mixName),
    rows: blocks.map((bytes) => `${bytes / 1024} KiB`),
  };
  const what = iops ? "IOPS" : "Mean response time";
  return {
    name: "matrix",
    title: `${what} over block size and mix`,
    caption: `${iops ? "IOPS" : "Mean response times"} of the measurement window; the stronger the colour the ${iops ? "more" : "longer"}, by logarithm.`,
    folded: null,
    spec: (form) => heatSpec(cells, axes, `${what} over block size and mix`, form),
  };
}
