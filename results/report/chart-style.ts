/** What all charts share: palette, fonts, axes with units. */
import type { TopLevelSpec } from "vega-lite";
import { fontFamily, textWidth } from "./fonts.ts";

/**
 * After Okabe and Ito's palette for colour-blind readers, moved as little as it takes for every colour
 * to stand out from white by 3:1 and for all pairs to differ under each colour blindness, the first four
 * by far (`report-colours.test.ts` simulates them). The report's style sheet maps each colour to a lighter one in the dark scheme.
 */
export const palette: readonly string[] = [
  "#2870b4",
  "#e06a0d",
  "#09a672",
  "#cb77a5",
  "#3899d4",
  "#a16201",
  "#795093",
  "#454544",
];

/** For lines in an order (depths): light to dark, so that grey shows the order too. */
export const orderedPalette: readonly string[] = [
  "#c08604",
  "#d76229",
  "#d04558",
  "#a8337a",
  "#7d2d8a",
  "#4d2888",
  "#2e296d",
  "#171a46",
];

/**
 * For counts, few to many: one hue from light to dark, so that the order survives every kind of colour
 * blindness and a grey printer. Its light end still stands out from white: lone outliers have it.
 */
export const sequential: readonly string[] = [
  "#a3c6e6",
  "#7daedb",
  "#5792cc",
  "#3a75b8",
  "#2a5899",
  "#1f3d78",
  "#141f50",
];

/** Told apart without colour. */
export const shapes: readonly string[] = [
  "circle",
  "square",
  "triangle-up",
  "diamond",
  "cross",
  "triangle-down",
  "triangle-right",
  "stroke",
];

export const ink = "#1a1a1a";
export const softInk = "#5a5a5a";
export const gridInk = "#d9d9d9";
export const shade = "#e8e8e8";
/** Of words on a cell of a strong colour; the ground of the page, whatever its scheme. */
export const paper = "#fdfdfd";
/** Of words on a cell of a middling colour, which is dark on either ground. */
export const middleInk = "#1a1a1b";

/** Colour of words on a cell of `sequential`. */
export function inkOn(step: number): string {
  return step >= 3 ? paper : step === 2 ? middleInk : ink;
}

/** Names and their colours and shapes, in order of appearance. */
export interface Key {
  readonly domain: readonly string[];
  readonly colours: readonly string[];
  readonly shapes: readonly string[];
}

export function keyOf(names: readonly string[], colours: readonly string[] = palette): Key {
  const domain = [...new Set(names)];
  const pick = (list: readonly string[]) => domain.map((_, i) => list[i % list.length] ?? "");
  return { domain, colours: pick(colours), shapes: pick(shapes) };
}

const micro = "\\u00b5";

/** Vega expression that writes a number of ns with its unit. */
export const nsLabel =
  "datum.value == 0 ? '0' : " +
  "datum.value >= 1e9 ? format(datum.value / 1e9, '~r') + ' s' : " +
  "datum.value >= 1e6 ? format(datum.value / 1e6, '~r') + ' ms' : " +
  `datum.value >= 1e3 ? format(datum.value / 1e3, '~r') + ' ${micro}s' : ` +
  "format(datum.value, '~r') + ' ns'";

/** Vega expression that writes a count: 0.5, 20k, 1.5M. */
export const countLabel =
  "abs(datum.value) < 1 ? format(datum.value, '~g') : format(datum.value, '~s')";

/** Vega expression that writes bytes per second: 4 MB/s. */
export const bandwidthLabel = "replace(format(datum.value, '~s'), /([a-zA-Z]?)$/, ' $1') + 'B/s'";

/** Round values times powers of ten within [low, high], as many as fit but at most `most`. */
export function logTicks(low: number, high: number, most: number): readonly number[] {
  for (const steps of [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 5], [1, 3], [1]]) {
    const ticks = ticksOf(low, high, steps);
    if (ticks.length <= most || steps.length === 1) {
      const stride = Math.ceil(ticks.length / most);
      return ticks.filter((_, index) => index % stride === 0);
    }
  }
  return [];
}

function ticksOf(low: number, high: number, steps: readonly number[]): readonly number[] {
  const ticks: number[] = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e += 1) {
    for (const step of steps) {
      const value = Number(`${step}e${e}`);
      if (value >= low && value <= high) {
        ticks.push(value);
      }
    }
  }
  return ticks;
}

/** The range of positive values with room at both ends, for a logarithmic axis. */
export function logDomain(values: readonly number[]): readonly [number, number] {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  if (positive.length === 0) {
    return [1, 10];
  }
  const low = positive.reduce((a, b) => Math.min(a, b));
  const high = positive.reduce((a, b) => Math.max(a, b));
  // A single value still gets an axis: a third of a decade to both sides.
  const room = high / low < 2 ? 2 : (high / low) ** 0.06;
  return [low / room, high * room];
}

/** Widths of drawing: a page or a file, and a phone. */
export type Form = "wide" | "phone";
export const formWidth: Readonly<Record<Form, number>> = { wide: 880, phone: 350 };

/** A legend above the chart in as many columns as fit. */
export function topLegend(names: readonly string[], form: Form, stroke: boolean): object {
  const widest = names.reduce((most, name) => Math.max(most, textWidth(name, 11, false)), 0);
  const columns = Math.max(
    1,
    Math.min(names.length, Math.floor((formWidth[form] - 70) / (widest + 40))),
  );
  // Strokes need length to show their dashes; the padding puts both kinds of legend on one line.
  const look = stroke ? { symbolType: "stroke", symbolSize: 300 } : { padding: 4 };
  return { orient: "top", direction: "horizontal", columns, title: null, ...look };
}

/** A label that may be drawn or left out. */
export interface Label {
  readonly panel: string;
  /** Pixels. */
  readonly x: number;
  readonly y: number;
}

/** Which labels can be drawn without touching one another; earlier ones win. */
export function roomyLabels(
  labels: readonly Label[],
  widthPx: number,
  heightPx: number,
): Set<Label> {
  const kept = new Set<Label>();
  for (const label of labels) {
    const free = [...kept].every(
      (other) =>
        other.panel !== label.panel ||
        Math.abs(other.x - label.x) >= widthPx ||
        Math.abs(other.y - label.y) >= heightPx,
    );
    if (free) {
      kept.add(label);
    }
  }
  return kept;
}

/** A label that wants a place near its mark. */
export interface WantedLabel extends Label {
  readonly text: string;
}

/** The middle of a label, pixels. */
export interface PlacedLabel {
  readonly x: number;
  readonly y: number;
}

const labelFontPx = 10;
/** Half the height of a label, and how far a mark reaches. */
const halfLabelPx = 6;
const markPx = 5;

/**
 * A place around its mark for each label, clear of other labels, of marks and of lines and inside
 * the plot; null where there is none. Earlier ones choose first.
 * @param lines points along the lines, some pixels apart
 */
export function placeLabels(
  labels: readonly WantedLabel[],
  marks: readonly Label[],
  lines: readonly Label[],
  widthPx: number,
  heightPx: number,
): readonly (PlacedLabel | null)[] {
  const taken: {
    readonly panel: string;
    readonly x: number;
    readonly y: number;
    readonly half: number;
  }[] = [];
  return labels.map((label) => {
    const half = textWidth(label.text, labelFontPx, false) / 2 + 1;
    const side = half + markPx + 3;
    const places = [
      [0, -12],
      [side, 0],
      [-side, 0],
      [0, 12],
      [side, -10],
      [-side, -10],
      [side, 10],
      [-side, 10],
    ].map(([dx = 0, dy = 0]) => ({ x: label.x + dx, y: label.y + dy }));
    const blocked = (list: readonly Label[], { x, y }: PlacedLabel) =>
      list.some(
        (mark) =>
          mark.panel === label.panel &&
          Math.abs(mark.x - x) < half + markPx &&
          Math.abs(mark.y - y) < halfLabelPx + markPx,
      );
    const free = places.find((place) => {
      const { x, y } = place;
      const inside = x - half >= 0 && x + half <= widthPx && y >= halfLabelPx && y <= heightPx;
      const apart = taken.every(
        (other) =>
          other.panel !== label.panel ||
          Math.abs(other.x - x) >= other.half + half + 2 ||
          Math.abs(other.y - y) >= 2 * halfLabelPx,
      );
      return inside && apart && !blocked(marks, place) && !blocked(lines, place);
    });
    if (free !== undefined) {
      taken.push({ panel: label.panel, ...free, half });
    }
    return free ?? null;
  });
}

/** Position of a value on a logarithmic axis, in pixels from its low end. */
export function logPixel(value: number, domain: readonly [number, number], px: number): number {
  return (px * Math.log(value / domain[0])) / Math.log(domain[1] / domain[0]);
}

/** A panel of a chart that shows one facet and series. */
export interface GridPanel {
  readonly facet: string;
  readonly series: string;
  readonly name: string;
}

/** The value at a place of a logarithmic axis: the inverse of `logPixel`. */
export function logValue(place: number, domain: readonly [number, number], px: number): number {
  return domain[0] * Math.exp((place * Math.log(domain[1] / domain[0])) / px);
}

/** The order of panels, and how many stand side by side. */
export interface PanelGrid {
  readonly names: readonly string[];
  readonly most: number;
}

/**
 * Panels in an order in which rows and columns mean something where all combinations are there: one
 * facet a column and one series a row, or the other way round, whichever comes closest to three columns.
 * On a phone they stand below each other, facet by facet.
 */
export function panelGrid(panels: readonly GridPanel[], form: Form): PanelGrid {
  const cells = [...new Map(panels.map((panel) => [panel.name, panel])).values()];
  const facets = [...new Set(cells.map((cell) => cell.facet))];
  const series = [...new Set(cells.map((cell) => cell.series))];
  const most = [3, 4, 2].find((n) => n === facets.length || n === series.length);
  const both = facets.length > 1 && series.length > 1;
  const full = both && cells.length === facets.length * series.length;
  if (form === "phone" || !full || most === undefined) {
    return { names: cells.map((cell) => cell.name), most: cells.length === 4 ? 2 : 3 };
  }
  const across = most === facets.length;
  const [outer, inner] = across ? [series, facets] : [facets, series];
  const names = outer.flatMap((row) =>
    inner.flatMap((column) => {
      const [facet, own] = across ? [column, row] : [row, column];
      return cells.filter((cell) => cell.facet === facet && cell.series === own);
    }),
  );
  return { names: names.map((cell) => cell.name), most };
}

/** Panels side by side, and the width of each one's plot. */
export function panels(
  count: number,
  form: Form,
  most: number,
): { readonly columns: number; readonly width: number } {
  const columns = form === "phone" ? 1 : Math.min(count, most);
  const axis = 78;
  const gap = 24;
  return {
    columns,
    width: Math.floor((formWidth[form] - axis - gap * (columns - 1)) / columns),
  };
}

/** Panels of a phone stand below each other: each needs its own axis to be read while scrolling. */
export function ownAxes(form: Form): object {
  return form === "phone" ? { resolve: { axis: { x: "independent" } } } : {};
}

/** Title-free specification with the house's look; figures carry their titles in the page. */
export function styled(spec: object, description: string, form: Form): TopLevelSpec {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    description,
    background: "transparent",
    padding: 4,
    ...spec,
    config: {
      font: fontFamily,
      view: { stroke: gridInk },
      axis: {
        labelColor: softInk,
        titleColor: ink,
        titleFontWeight: "normal",
        titleFontSize: 12,
        labelFontSize: 11,
        gridColor: gridInk,
        domainColor: softInk,
        tickColor: softInk,
        titlePadding: 8,
        labelSeparation: 6,
      },
      legend: {
        labelColor: ink,
        titleColor: softInk,
        titleFontWeight: "normal",
        titleFontSize: 11,
        labelFontSize: 11,
        labelLimit: 300,
        titleLimit: 320,
        symbolSize: 90,
        symbolStrokeWidth: 2,
        // Side by side they would make a phone's chart wider than its screen.
        layout: { top: { direction: form === "phone" ? "vertical" : "horizontal", margin: 12 } },
      },
      header: {
        labelColor: ink,
        labelFontSize: 12,
        labelFontWeight: "bold",
        titleColor: ink,
        labelLimit: 320,
      },
      line: { strokeWidth: 2 },
      text: { color: ink, fontSize: 10 },
      facet: { spacing: 24 },
    },
  } as unknown as TopLevelSpec;
}
