/** The report of a tuning in every format. */
import type { Drawing } from "../../report/write.ts";
import { renderTuneHtml, tuneCharts } from "./html.ts";
import type { TuneReport } from "./load.ts";
import { renderTuneMarkdown } from "./markdown.ts";

export function tuneDrawing(report: TuneReport): Drawing {
  return {
    name: report.record.name,
    charts: tuneCharts(report),
    html: () => renderTuneHtml(report),
    markdown: () => renderTuneMarkdown(report),
    csv: null,
    model: report.record,
  };
}
