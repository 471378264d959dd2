/** Writes the report of a results directory in one of its formats. */
import { existsSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { temporarySuffix } from "../growing-file.ts";
import { makeFolders } from "../make-folders.ts";
import { sealAdded } from "../seal.ts";
import { sniaDrawing } from "../snia/drawing.ts";
import { holdsSnia, loadSnia } from "../snia/load.ts";
import { tuneDrawing } from "../tune/report/drawing.ts";
import { isTuneDirectory, loadTuneReport } from "../tune/report/load.ts";
import { type Chart, chartsOf } from "./charts.ts";
import { renderCsv } from "./csv.ts";
import { renderHtml } from "./html.ts";
import { loadReport } from "./load.ts";
import { renderMarkdown } from "./markdown.ts";
import type { ReportModel } from "./model.ts";
import { renderPng, renderSvg } from "./render.ts";

export const reportFormats = ["html", "md", "json", "csv", "svg", "png"] as const;
export type ReportFormat = (typeof reportFormats)[number];

export interface ReportOptions {
  /** Default `html`. */
  readonly format?: ReportFormat;
  /**
   * A file; for `svg` and `png` a directory, which gets one file per chart. Default: `report.html`,
   * `report.md`, `report.json`, `report.csv` or `charts/` in the results directory.
   */
  readonly out?: string;
}

export interface WrittenReport {
  /** Paths written, in the order of the report. */
  readonly files: readonly string[];
}

/** What there is to be drawn of a directory, in every format. */
export interface Drawing {
  readonly name: string;
  readonly charts: readonly Chart[];
  readonly html: () => Promise<string>;
  readonly markdown: () => string;
  /** Null: this kind has none. */
  readonly csv: (() => string) | null;
  /** For `--format json`. */
  readonly model: unknown;
}

/** Reads `dir`. @throws OsdynoError `bad-input` when it holds no results */
export function drawingOf(dir: string): Drawing {
  if (holdsSnia(dir)) {
    return sniaDrawing(loadSnia(dir));
  }
  return isTuneDirectory(dir) ? tuneDrawing(loadTuneReport(dir)) : plainDrawing(loadReport(dir));
}

/** What a run without a label is called: its directory's name, until that is changed. */
export function renamedDrawing(dir: string, title: string): Drawing {
  if (holdsSnia(dir) || isTuneDirectory(dir)) {
    return drawingOf(dir);
  }
  const model = loadReport(dir);
  const named = model.kind === "sweep" || model.name !== model.source;
  return plainDrawing(named ? model : { ...model, name: title });
}

function plainDrawing(model: ReportModel): Drawing {
  return {
    name: model.name,
    charts: chartsOf(model),
    html: () => renderHtml(model),
    markdown: () => renderMarkdown(model),
    csv: () => renderCsv(model),
    model,
  };
}

/**
 * Reads `dir` and writes its report. @throws OsdynoError `bad-input` when `dir` holds no results, `io`
 * when the report cannot be written.
 */
export async function writeReport(
  dir: string,
  options: ReportOptions = {},
): Promise<WrittenReport> {
  const drawing = drawingOf(dir);
  const format = options.format ?? "html";
  const written =
    format === "svg" || format === "png"
      ? await writeCharts(drawing, format, options.out ?? join(dir, "charts"))
      : [await writeText(drawing, format, options.out ?? join(dir, `report.${format}`))];
  if (options.out === undefined) {
    sealAdded(dir, written);
  }
  return { files: written };
}

/** The report as text. */
export async function renderReport(model: ReportModel, format: TextFormat): Promise<string> {
  return await renderDrawing(plainDrawing(model), format);
}

type TextFormat = Exclude<ReportFormat, "svg" | "png">;

export async function renderDrawing(drawing: Drawing, format: TextFormat): Promise<string> {
  switch (format) {
    case "html":
      return await drawing.html();
    case "md":
      return drawing.markdown();
    case "json":
      return `${JSON.stringify(drawing.model, null, 2)}
`;
    case "csv":
      if (drawing.csv === null) {
        throw new OsdynoError(
          "bad-input",
          `${drawing.name}: reports of this kind have no csv; --format json has the data`,
        );
      }
      return drawing.csv();
  }
}

async function writeText(drawing: Drawing, format: TextFormat, file: string): Promise<string> {
  if (existsSync(file) && statSync(file).isDirectory()) {
    throw new OsdynoError("bad-input", `--out ${file}: it is a directory; name a file in it`);
  }
  writeAside(file, await renderDrawing(drawing, format));
  return file;
}

async function writeCharts(
  { name, charts }: Drawing,
  format: "svg" | "png",
  dir: string,
): Promise<readonly string[]> {
  if (existsSync(dir) && !statSync(dir).isDirectory()) {
    throw new OsdynoError("bad-input", `--out ${dir}: it is a file; charts need a directory`);
  }
  const files: string[] = [];
  for (const chart of charts) {
    // Alone, a chart needs its title and a ground of its own.
    const title = {
      text: `${name}: ${chart.title}`,
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
    makeFolders(dirname(file));
    writeFileSync(temporary, content);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    const why = error instanceof Error ? error.message : String(error);
    throw new OsdynoError("io", `cannot write the report to ${file}: ${why}`, {}, error);
  }
}
