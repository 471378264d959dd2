/** Where the time of operations went, stage after stage: a waterfall, or a bar for each of many entries. */
import { type Form, formWidth, ink, nsLabel, palette, softInk, styled } from "./chart-style.ts";
import type { Chart } from "./charts.ts";
import { textWidth } from "./fonts.ts";
import { markCode } from "./mark-codes.ts";
import type { Entry, ReportModel } from "./model.ts";
import { type StageEntry, type StageShare, stageTitle } from "./stage-entries.ts";
import { formatNs, formatShare } from "./units.ts";

/** More entries than this stand as bars below each other. */
const mostWaterfalls = 4;
const mostBars = 40;
/** Smaller parts are slivers; the table has them. */
const leastShare = 0.001;
const rowPx = 19;

/** Layers have the colours of their place in the chain, whatever else is there. */
const layers = ["device", "scheduler", "store", "writelog", "clientcache", "qos"];

function colourOf(layer: string): string {
  const place = layers.indexOf(layer);
  return palette[place < 0 ? layers.length : place] ?? softInk;
}

/** Null where no operation passed more than one stage, or none took any time, as in virtual time it may be. */
export function stageChart(model: ReportModel): Chart | null {
  const stages = model.stages.filter((each) =>
    each.stages.some(({ share, perOpNs }) => share >= leastShare && perOpNs > 0),
  );
  if (stages.length === 0) {
    return null;
  }
  const few = stages.length <= mostWaterfalls;
  const shown = stages.slice(0, few ? mostWaterfalls : mostBars);
  const more = stages.length - shown.length;
  const traced = stages.reduce((sum, each) => sum + each.traced, 0);
  const ops = stages.reduce((sum, each) => sum + each.ops, 0);
  const part =
    traced === ops
      ? "all operations"
      : `one operation in ${(ops / Math.max(1, traced)).toPrecision(2)}, at random`;
  return {
    name: "stages",
    title: "Where the time went",
    caption:
      `Mean time of an operation in each layer, ${few ? "one stage after the other, " : ""}as it passes them; pale: it waited for its ` +
      `turn, full: something was done for it. Together they are the mean service time. Taken of ${part}.` +
      (more > 0 ? ` ${more} more configurations are in the table.` : ""),
    folded: null,
    spec: (form) => (few ? waterfalls(model, shown, form) : bars(model, shown, form)),
  };
}

function titleOf({ entries }: ReportModel, { entry, direction }: StageEntry): string {
  return stagedTitle(entries, entry, direction);
}

/** What an entry's stages are headed with. */
export function stagedTitle(
  entries: readonly Entry[],
  place: number,
  direction: StageEntry["direction"],
): string {
  const entry = entries[place];
  if (entry === undefined) {
    return direction;
  }
  // Of jobs that ran at once the facet holds the name.
  const alike = entries.filter(({ label }) => label === entry.label);
  const apart = new Set(alike.map(({ facet }) => facet.replace(/, (?:reads|writes|trims)\b/, "")));
  return apart.size > 1 ? `${entry.facet}, ${entry.label}` : `${entry.label}, ${direction}s`;
}

function tipOf(title: string, stage: StageShare): string {
  return `${title}, ${stageTitle(stage)}: ${formatShare(stage.share)} of the service time, ${formatNs(stage.perOpNs)} each`;
}

interface Part {
  readonly row: string;
  readonly layer: string;
  readonly kind: "queued" | "worked";
  readonly from: number;
  readonly to: number;
  readonly text: string;
  readonly code: string;
}

function partsOf(title: string, each: StageEntry, rowOf: (stage: StageShare) => string): Part[] {
  let from = 0;
  return each.stages.flatMap((stage): Part[] => {
    const start = from;
    from += stage.perOpNs;
    if (stage.share < leastShare) {
      return [];
    }
    const { layer, kind, perOpNs, share } = stage;
    return [
      {
        row: rowOf(stage),
        layer,
        kind,
        from: start,
        to: from,
        text: `${formatNs(perOpNs)}, ${formatShare(share)}`,
        code: markCode({ entry: each.entry, tip: tipOf(title, stage) }),
      },
    ];
  });
}

function colour(parts: readonly Part[]): object {
  const domain = [...new Set(parts.map(({ layer }) => layer))];
  return {
    field: "layer",
    type: "nominal",
    scale: { domain, range: domain.map(colourOf) },
    legend: { orient: "top", direction: "horizontal", title: null },
  };
}

/** Ordinal: how much of something shows has an order. */
const opacity = {
  field: "kind",
  type: "ordinal",
  scale: { domain: ["queued", "worked"], range: [0.45, 1] },
  legend: null,
};

function layered(parts: readonly Part[], rows: readonly string[], all: readonly Part[], px: Px) {
  const most = Math.max(...parts.map(({ to }) => to), 1);
  const longest = px.texts ? Math.max(...parts.map(({ text }) => textWidth(text, 10, false))) : 0;
  const share = Math.max(0.4, 1 - (longest + 12) / px.width);
  const x = {
    field: "from",
    type: "quantitative",
    title: "time since the operation was handed over",
    scale: { domain: [0, most / share], nice: false },
    axis: { labelExpr: nsLabel, tickCount: px.width < 260 ? 3 : 6, labelOverlap: true },
  };
  const y = {
    field: "row",
    type: "nominal",
    sort: rows,
    scale: { domain: rows, paddingInner: 0.2 },
    title: null,
    axis: { labelLimit: px.labels - 8, minExtent: px.labels - 10, maxExtent: px.labels },
  };
  return {
    data: { values: parts },
    width: px.width,
    height: rowPx * rows.length,
    layer: [
      {
        mark: { type: "bar" },
        encoding: {
          x,
          x2: { field: "to" },
          y,
          color: colour(all),
          opacity,
          description: { field: "code", type: "nominal" },
        },
      },
      ...(px.texts
        ? [
            {
              mark: { type: "text", align: "left", dx: 4, color: ink, aria: false },
              encoding: { x: { ...x, field: "to" }, y, text: { field: "text" } },
            },
          ]
        : []),
    ],
  };
}

interface Px {
  readonly width: number;
  readonly labels: number;
  /** Figures stand behind the bars. */
  readonly texts: boolean;
}

function pixels(names: readonly string[], form: Form, texts: boolean): Px {
  const widest = Math.max(...names.map((name) => textWidth(name, 11, false)));
  const labels = Math.min(widest + 16, formWidth[form] * 0.45);
  return { labels, width: Math.floor(formWidth[form] - labels - 30), texts };
}

function waterfalls(model: ReportModel, shown: readonly StageEntry[], form: Form) {
  const blocks = shown.map((each) => {
    const title = titleOf(model, each);
    return { title, parts: partsOf(title, each, stageTitle) };
  });
  const all = blocks.flatMap(({ parts }) => parts);
  const px = pixels(
    all.map(({ row }) => row),
    form,
    true,
  );
  const cells = blocks.map(({ title, parts }) => ({
    title: { text: title, anchor: "start", fontSize: 12, color: ink },
    ...layered(parts, [...new Set(parts.map(({ row }) => row))], all, px),
  }));
  return styled({ vconcat: cells, spacing: 22 }, "Mean time of an operation by stage", form);
}

function bars(model: ReportModel, shown: readonly StageEntry[], form: Form) {
  const titles = shown.map((each) => titleOf(model, each));
  const parts = shown.flatMap((each, at) => {
    const title = titles[at] ?? "";
    return partsOf(title, each, () => title);
  });
  const spec = layered(parts, titles, parts, pixels(titles, form, false));
  return styled(spec, "Mean time of an operation by layer, for each configuration", form);
}
