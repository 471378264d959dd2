/**
 * What the page's script must know of a mark travels through Vega in the mark's description, the only
 * text that reaches the SVG, and becomes attributes there.
 */

/** Not in any name that a person types. */
const separator = "\u241f";
const begin = "@@";

export interface MarkCode {
  /** Place of the entry in the model; -1 for a mark of none. */
  readonly entry: number;
  /** Name of the mark's line in the legend of colours. */
  readonly name?: string;
  /** Name in the legend of dashes: `p99`, `service`. */
  readonly kind?: string;
  /** What a reader is told of it; empty for lines, whose points speak for them. */
  readonly tip?: string;
}

export function markCode({ entry, name = "", kind = "", tip = "" }: MarkCode): string {
  return `${begin}${[entry, name, kind, tip].join(separator)}`;
}

/** Axis of a plot: type of scale, value at its left or lower end, value at the other end. */
export type PlotAxis = readonly ["linear" | "log", number, number];

export interface PlotFrame {
  readonly kind: "time" | "heat" | "percentiles" | "curve";
  readonly x: PlotAxis;
  readonly y: PlotAxis;
  /** Place of the entry in the model where the plot shows a single one; else -1. */
  readonly entry: number;
  /** Buckets in a cell of a heat map. */
  readonly buckets?: number;
}

/** An invisible mark over the whole plot, from which the script takes the scales. */
export function frameLayer(frame: PlotFrame, panel?: string): object {
  const text = `${begin}frame${separator}${JSON.stringify(frame)}`;
  return {
    data: { values: [{ code: text, ...(panel === undefined ? {} : { panel }) }] },
    mark: { type: "rect", opacity: 0 },
    encoding: {
      x: { datum: frame.x[1] },
      x2: { datum: frame.x[2] },
      y: { datum: frame.y[1] },
      y2: { datum: frame.y[2] },
      description: { field: "code", type: "nominal" },
    },
  };
}

const coded = new RegExp(`<(\\w+)([^>]*?) aria-label="${begin}([^"]*)"([^>]*)>`, "g");
const roles = / role="[^"]*"| aria-roledescription="[^"]*"/g;

/** Codes become attributes for the script (`inline`) or vanish; the words for the reader stay. */
export function decodeMarks(svg: string, inline: boolean): string {
  return svg.replaceAll(coded, (_, tag: string, before: string, code: string, after: string) => {
    const rest = `${before}${after}`.replaceAll(roles, "");
    return `<${tag}${attributes(code, inline)}${rest}>`;
  });
}

function attributes(code: string, inline: boolean): string {
  const [entry = "", name = "", kind = "", tip = ""] = code.split(separator);
  if (entry === "frame") {
    return inline ? ` data-frame="${name}"` : "";
  }
  const own = [
    ["e", entry],
    ["n", name],
    ["k", kind],
  ] as const;
  const data = own
    .filter(([, value]) => value !== "" && value !== "-1")
    .map(([key, value]) => ` data-${key}="${value}"`);
  const spoken = tip === "" ? "" : ` role="img" aria-label="${tip}"`;
  return `${inline ? data.join("") : ""}${spoken}`;
}
