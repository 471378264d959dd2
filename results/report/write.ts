/** Writes the report of a results directory in one of its formats. */
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { temporarySuffix } from "../growing-file.ts";
import { sealAdded } from "../seal.ts";
import { chartsOf } from "./charts.ts";
import { renderHtml } from "./html.ts";
import { loadReport } from "./load.ts";
import { renderMarkdown } from "./markdown.ts";
import type { ReportModel } from "./model.ts";
import { renderPng, renderSvg } from "./render.ts";

export const reportFormats = ["html", "md", "json", "svg", "png"] as const;
export type ReportFormat = (typeof reportFormats)[number];

export interface ReportOptions {
  /** Default `html`. */
  readonly format?: ReportFormat;
  /**
   * A file; for `svg` and `png` a directory, which gets one file per chart. Default: `report.html`,
   * `report.md`, `report.json` or `charts/` in the results directory.
   */
  readonly out?: string;
}

export interface WrittenReport {
  /** Paths written, in the order of the report. */
  readonly files: readonly string[];
  readonly model: ReportModel;
}

/**
 * Reads `dir` and writes its report. @throws OsdynoError `bad-input` when `dir` holds no results, `io`
 * when the report cannot be written.
 */
export async function writeReport(
  dir: string,
  options: ReportOptions = {},
): Promise<WrittenReport> {
  const model = loadReport(dir);
  const format = options.format ?? "html";
  const written =
    format === "svg" || format === "png"
      ? await writeCharts(model, format, options.out ?? join(dir, "charts"))
      : [await writeText(model, format, options.out ?? join(dir, `report.${format}`))];
  if (options.out === undefined) {
    sealAdded(dir, written);
  }
  return { files: written, model };
}

/** The report as text. */
export async function renderReport(
  model: ReportModel,
  format: Exclude<ReportFormat, "svg" | "png">,
): Promise<string> {
  switch (format) {
    case "html":
      return await renderHtml(model);
    case "md":
      return renderMarkdown(model);
    case "json":
      return `${JSON.stringify(model, null, 2)}\n`;
  }
}

async function writeText(
  model: ReportModel,
  format: Exclude<ReportFormat, "svg" | "png">,
  file: string,
): Promise<string> {
  if (existsSync(file) && statSync(file).isDirectory()) {
    throw new OsdynoError("bad-input", `--out ${file}: it is a directory; name a file in it`);
  }
  writeAside(file, await renderReport(model, format));
  return file;
}

async function writeCharts(
  model: ReportModel,
  format: "svg" | "png",
  dir: string,
): Promise<readonly string[]> {
  if (existsSync(dir) && !statSync(dir).isDirectory()) {
    throw new OsdynoError("bad-input", `--out ${dir}: it is a file; charts need a directory`);
  }
  const files: string[] = [];
  for (const chart of chartsOf(model)) {
    // Alone, a chart needs its title and a ground of its own.
    const title = {
      text: `${model.name}: ${chart.title}`,
      anchor: "start",
      fontSize: 14,
      offset: 12,
    };
    const svg = await renderSvg({ ...chart.spec("wide"), title, background: "#ffffff" } as never);
    const file = join(dir, `${chart.name}.${format}`);
    writeAside(file, format === "svg" ? svg : renderPng(svg));
    files.push(file);
  }
  return files;
}

/** Under a temporary name first, so that a reader never sees half a file. */
export function writeAside(file: string, content: string | Uint8Array): void {
  const temporary = `${file}${temporarySuffix}`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(temporary, content);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    const why = error instanceof Error ? error.message : String(error);
    throw new OsdynoError("io", `cannot write the report to ${file}: ${why}`, {}, error);
  }
}
