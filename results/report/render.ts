/** From a Vega-Lite specification to SVG, and from SVG to PNG. Runs in Node without a canvas. */
import { Resvg } from "@resvg/resvg-js";
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { fontFiles, textWidth } from "./fonts.ts";
import { decodeMarks } from "./mark-codes.ts";

interface TextItem {
  readonly fontSize?: number;
  readonly fontWeight?: string | number;
  readonly limit?: number;
}

/** Vega's own estimate without a canvas is a third too wide, which tears legends and axes apart. */
function useFontMetrics(): void {
  const metrics = (vega as unknown as { textMetrics: Record<string, unknown> }).textMetrics;
  metrics["width"] = (item: TextItem, text: unknown): number => {
    const weight = item.fontWeight ?? "normal";
    const bold = weight === "bold" || Number(weight) >= 600;
    const width = textWidth(String(text ?? "").trim(), item.fontSize ?? 11, bold);
    return width;
  };
}

/** Draws the chart. The SVG has a viewBox and its size in pixels; text names its font. */
export async function renderSvg(spec: TopLevelSpec): Promise<string> {
  return decodeMarks(await draw(spec), false);
}

/** The same for the page, which brings fonts and looks of its own and a script that reads marks. */
export async function renderInline(spec: TopLevelSpec): Promise<string> {
  return lean(decodeMarks(await draw(spec), true));
}

async function draw(spec: TopLevelSpec): Promise<string> {
  useFontMetrics();
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: "none" });
  try {
    return slim(await view.toSVG());
  } finally {
    view.finalize();
  }
}

/** Digits that nobody sees are dropped, and cells of one colour in a row become one path. */
function slim(svg: string): string {
  return svg
    .replaceAll(/ (?:transform|d)="[^"]*"/g, (part) => part.replaceAll(/(\.\d\d)\d+/g, "$1"))
    .replaceAll(/(?:<path d="[^"]*" fill="#\w+"\/>){2,}/g, joinPaths);
}

/** Neighbours of one colour; they must not overlap in a way that shows, which opaque ones do not. */
function joinPaths(run: string): string {
  let joined = "";
  let fill = "";
  for (const [, d = "", own = ""] of run.matchAll(/<path d="([^"]*)" fill="(#\w+)"\/>/g)) {
    joined += own === fill ? d : `${fill === "" ? "" : `" fill="${fill}"/>`}<path d="${d}`;
    fill = own;
  }
  return `${joined}" fill="${fill}"/>`;
}

/** What a browser need not build: empty shapes, hidden labels, defaults, roles of bare groups. */
function lean(svg: string): string {
  return svg
    .replaceAll(/<path class="foreground"[^>]*\/>/g, "")
    .replaceAll(/<path class="background"[^>]*d="M0,0h0v0h0Z"[^>]*\/>/g, "")
    .replaceAll(/<text [^>]* opacity="0">[^<]*<\/text>/g, "")
    .replaceAll(/ role="graphics-object" aria-roledescription="[^"]*"/g, "")
    .replaceAll(/ (?:pointer-events="none"|opacity="1"|font-family="[^"]*")/g, "")
    .replaceAll(/ class="mark-\w+ (role-(?:mark|legend-label|legend-symbol))[^"]*"/g, ' class="$1"')
    .replaceAll(/ class="mark-[^"]*"/g, "");
}

/** PNG at `scale` times the SVG's size, on white, with the project's fonts and no others. */
export function renderPng(svg: string, scale = 2): Uint8Array {
  const image = new Resvg(svg, {
    background: "#ffffff",
    fitTo: { mode: "zoom", value: scale },
    font: { fontFiles: [...fontFiles], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" },
  });
  return image.render().asPng();
}
