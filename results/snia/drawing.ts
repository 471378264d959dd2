/** What is drawn of a test of the SNIA PTS, in every format. */
import type { Drawing } from "../report/write.ts";
import { sniaCharts } from "./charts.ts";
import type { SniaModel } from "./load.ts";
import { renderSniaHtml } from "./report-html.ts";
import { renderSniaMarkdown } from "./report-markdown.ts";

export function sniaDrawing(model: SniaModel): Drawing {
  const conformant = model.snia.deviations.length === 0;
  return {
    // Charts that stand alone say it too.
    name: conformant ? model.name : `${model.name} (not conformant)`,
    charts: sniaCharts(model),
    html: () => renderSniaHtml(model),
    markdown: () => renderSniaMarkdown(model),
    csv: null,
    model,
  };
}
