/** Writes the history of many results in one of the formats of reports. */
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { metricFacts, nearestMetric } from "../metrics.ts";
import { renderPng, renderSvg } from "../report/render.ts";
import { type ReportFormat, writeAside } from "../report/write.ts";
import { historyChart } from "./chart.ts";
import { type HistoryModel, type HistoryRules, historyOf } from "./history.ts";
import { readItems } from "./items.ts";
import { renderHistoryHtml, renderHistoryMarkdown } from "./page.ts";

/** What a history shows when nobody says. */
export const historyMetrics = ["iops", "response.p50", "response.p99", "cpu_us_per_io"];

export interface ReadHistory {
  readonly model: HistoryModel;
  readonly skipped: readonly { readonly path: string; readonly why: string }[];
}

/** Reads the history of what the directories hold. @throws OsdynoError `bad-input` for an unknown metric. */
export function readHistory(
  directories: readonly string[],
  metrics: readonly string[],
  rules: HistoryRules,
): ReadHistory {
  for (const name of metrics) {
    if (metricFacts(name) === null) {
      const nearest = nearestMetric(name);
      const hint = nearest === null ? "" : `, did you mean '${nearest}'?`;
      throw new OsdynoError("bad-input", `no metric '${name}'${hint}`);
    }
  }
  const { items, skipped } = readItems(directories, metrics);
  return { model: historyOf(items, metrics, rules), skipped };
}

/** The text of a history. */
export async function renderHistory(
  model: HistoryModel,
  format: Exclude<ReportFormat, "svg" | "png" | "csv">,
): Promise<string> {
  switch (format) {
    case "html":
      return await renderHistoryHtml(model);
    case "md":
      return renderHistoryMarkdown(model);
    case "json":
      return `${JSON.stringify(model, null, 2)}\n`;
  }
}

/** A file a line, in a directory; answers their paths. */
export async function writeHistoryCharts(
  model: HistoryModel,
  format: "svg" | "png",
  out: string,
): Promise<readonly string[]> {
  const files: string[] = [];
  for (const [place, line] of model.lines.entries()) {
    const chart = historyChart(line, place);
    const title = { text: `History: ${line.name}`, anchor: "start", fontSize: 14, offset: 12 };
    const svg = await renderSvg({ ...chart.spec("wide"), title, background: "#ffffff" } as never);
    const file = join(out, `${chart.name}.${format}`);
    writeAside(file, format === "svg" ? svg : renderPng(svg));
    files.push(file);
  }
  return files;
}
