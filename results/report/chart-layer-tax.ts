/** What each layer adds to the response time of what is below it: a waterfall for each percentile. */
import { type LayerTax, type TaxPercentile, taxPercentiles } from "../sweep/layer-tax.ts";
import { type Form, formWidth, ink, nsLabel, palette, softInk, styled } from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import { textWidth } from "./fonts.ts";
import { addedTitle, signedNs, stacksOf, type TaxStack } from "./layer-tax-text.ts";
import { markCode } from "./mark-codes.ts";
import type { ReportModel } from "./model.ts";
import { formatNs } from "./units.ts";

/** More stacks than this are in the table only. */
const mostStacks = 6;
const rowPx = 22;

const kinds = ["lowest", "adds", "saves"] as const;
const colours = [softInk, palette[1], palette[2]];

interface Row {
  readonly row: string;
  readonly kind: (typeof kinds)[number];
  readonly from: number;
  readonly to: number;
  /** Where the bar's end lies with what is added at its bounds; null without an interval. */
  readonly low: number | null;
  readonly high: number | null;
  /** Where the text begins. */
  readonly end: number;
  readonly text: string;
  readonly code: string;
}

/** Null where no sweep measured a stack. */
export function layerTaxChart({ layerTax, entries }: ReportModel): Chart | null {
  const stacks = stacksOf(layerTax).slice(0, mostStacks);
  if (stacks.length === 0) {
    return null;
  }
  const more = stacksOf(layerTax).length - stacks.length;
  return {
    name: "layer-tax",
    title: "What each layer adds",
    caption:
      "Response times from the lowest target upwards: each bar reaches from the layers below to those with the next one, " +
      "orange where it is slower, green where it is faster; the line is the 95% interval of what is added, by pairs of runs " +
      `of one block.${more > 0 ? ` ${more} more are in the table.` : ""}`,
    folded: null,
    spec: (form) => spec(stacks, placesOf(entries), form),
  };
}

const placesOf = (entries: ReportModel["entries"]) =>
  new Map(entries.map((entry, place) => [`${entry.point}|${entry.direction}`, place]));

function rowOf(
  tax: LayerTax,
  stack: TaxStack,
  percentile: TaxPercentile,
  places: ReadonlyMap<string, number>,
): readonly Row[] {
  const own = tax.response_ns[percentile];
  if (own === undefined) {
    return [];
  }
  const row = addedTitle(tax);
  const entry = places.get(`${tax.point}|${tax.direction}`) ?? -1;
  const added = tax.added_ns?.[percentile];
  const below = stack.rows.find(({ point }) => point === tax.below)?.response_ns[percentile];
  if (added === undefined || below === undefined) {
    const text = formatNs(own.median);
    const code = markCode({ entry, tip: `${row}, ${percentile}: ${text}` });
    const at = { from: 0, to: own.median, low: null, high: null, end: own.median };
    return [{ row, kind: "lowest", ...at, text, code }];
  }
  const { median, low, high } = added;
  const to = below.median + median;
  const bounds = low === null || high === null ? "" : ` [${signedNs(low)}, ${signedNs(high)}]`;
  const reach = high === null ? to : below.median + high;
  return [
    {
      row,
      kind: median > 0 ? "adds" : "saves",
      from: below.median,
      to,
      // Nobody answers before he is asked, whatever a difference of other runs says.
      low: low === null ? null : Math.max(0, below.median + low),
      high: high === null ? null : Math.max(0, below.median + high),
      end: Math.max(below.median, to, reach),
      text: signedNs(median),
      code: markCode({ entry, tip: `${row}, ${percentile}: ${signedNs(median)}${bounds}` }),
    },
  ];
}

function spec(stacks: readonly TaxStack[], places: ReadonlyMap<string, number>, form: Form) {
  const names = stacks.flatMap(({ rows }) => rows.map(addedTitle));
  const labelPx = Math.min(
    Math.max(...names.map((name) => textWidth(name, 11, false))) + 16,
    formWidth[form] * 0.4,
  );
  const across = form === "phone" ? 1 : taxPercentiles.length;
  const width = Math.floor((formWidth[form] - labelPx - 24 * (across - 1) - 30) / across);
  const blocks = stacks.flatMap((stack) => {
    const cells = taxPercentiles.flatMap((percentile) => {
      const rows = stack.rows.flatMap((tax) => rowOf(tax, stack, percentile, places));
      return rows.length < 2 ? [] : [{ percentile, rows }];
    });
    const drawn = cells.map(({ percentile, rows }, index) =>
      cell(rows, {
        percentile,
        width,
        labelPx,
        labelled: index % across === 0,
        title: index === 0 ? stack.title : null,
      }),
    );
    return form === "phone" ? drawn : [{ hconcat: drawn, spacing: 24 }];
  });
  return styled({ vconcat: blocks, spacing: 26 }, "What each layer adds", form);
}

interface CellFacts {
  readonly percentile: TaxPercentile;
  readonly width: number;
  readonly labelPx: number;
  readonly labelled: boolean;
  readonly title: string | null;
}

function cell(rows: readonly Row[], facts: CellFacts): object {
  const { percentile, width, labelPx, labelled, title } = facts;
  const longest = Math.max(...rows.map(({ text }) => textWidth(text, 10, false))) + 14;
  const most = Math.max(...rows.map(({ end }) => end), 1);
  const x = {
    field: "from",
    type: "quantitative",
    title: `response ${percentile}`,
    scale: { domain: [0, most / Math.max(0.4, 1 - longest / width)], nice: false },
    axis: { labelExpr: nsLabel, tickCount: 4, labelOverlap: true },
  };
  const names = rows.map(({ row }) => row);
  const y = {
    field: "row",
    type: "nominal",
    sort: names,
    scale: { domain: names, paddingInner: 0.25 },
    title: null,
    axis: labelled
      ? { labelLimit: labelPx - 8, minExtent: labelPx - 10, maxExtent: labelPx }
      : { labels: false, ticks: false },
  };
  const color = {
    field: "kind",
    type: "nominal",
    scale: { domain: kinds, range: colours },
    legend: null,
  };
  return {
    ...(title === null
      ? {}
      : { title: { text: title, anchor: "start", fontSize: 12, color: ink } }),
    data: { values: rows },
    width,
    height: rowPx * rows.length,
    layer: [
      {
        mark: { type: "bar" },
        encoding: {
          x,
          x2: { field: "to" },
          y,
          color,
          description: { field: "code", type: "nominal" },
        },
      },
      {
        mark: { type: "rule", strokeWidth: 1.5, color: ink, aria: false },
        transform: [{ filter: "isValid(datum.low)" }],
        encoding: { x: { ...x, field: "low" }, x2: { field: "high" }, y },
      },
      {
        mark: { type: "text", align: "left", dx: 5, color: ink, aria: false },
        encoding: { x: { ...x, field: "end" }, y, text: { field: "text" } },
      },
    ],
  };
}
