/** From a Vega-Lite specification to SVG, and from SVG to PNG. Runs in Node without a canvas. */
import { Resvg } from "@resvg/resvg-js";
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { fontFiles, textWidth } from "./fonts.ts";

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
  useFontMetrics();
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: "none" });
  try {
    return slim(await view.toSVG());
  } finally {
    view.finalize();
  }
}

/** Half the bytes of a chart are digits that nobody sees and roles that repeat the label. */
function slim(svg: string): string {
  return svg
    .replaceAll(/ (?:transform|d)="[^"]*"/g, (part) => part.replaceAll(/(\.\d\d)\d+/g, "$1"))
    .replaceAll(/ role="graphics-symbol" aria-roledescription="(?:point|bar)"/g, ' role="img"');
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
