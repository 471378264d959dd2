/**
 * Checks a report beside its results: the data inside it and the cells of its table against what the
 * results give now. Pictures are drawn from the same data.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { OsdynoError } from "../engine/base/error.ts";
import { loadReport } from "./report/load.ts";
import type { ReportModel } from "./report/model.ts";
import { tableOf } from "./report/table.ts";
import type { SweepRecord } from "./sweep-record.ts";
import type { Ledger } from "./verify-ledger.ts";

/** Parts of a report that are figures; texts about them may be worded anew. */
const figures = [
  "entries",
  "comparisons",
  "steps",
  "timeLines",
  "heatMaps",
  "shares",
  "loadCurve",
] as const;

/** Answers how many reports there were. */
export function checkReport(directory: string, ledger: Ledger): number {
  const files = ["report.html", "report.json"].filter((name) => existsSync(join(directory, name)));
  if (files.length === 0) {
    return 0;
  }
  let now: ReportModel;
  try {
    now = loadReport(directory);
  } catch (error) {
    const why = error instanceof OsdynoError ? error.line : String(error);
    ledger.notes.push(
      `${files.join(", ")}: not checked, no report can be made of the results: ${why}`,
    );
    return files.length;
  }
  for (const name of files) {
    const text = readFileSync(join(directory, name), "utf8");
    const model = name.endsWith(".json") ? parsed(text) : dataInside(text);
    if (model === null) {
      ledger.disagreements.push(`${name}: the data of the report are not readable`);
      continue;
    }
    for (const part of figures.filter((each) => (now[each] ?? model[each]) !== undefined)) {
      // Through JSON, as the report's own data went.
      const computed = JSON.parse(JSON.stringify(now[part] ?? null)) as unknown;
      compare(`${name} ${part}`, model[part] ?? null, computed, ledger);
    }
    if (name.endsWith(".html")) {
      checkCells(text, now, ledger);
    }
  }
  return files.length;
}

function parsed(text: string): Partial<ReportModel> | null {
  try {
    return JSON.parse(text) as Partial<ReportModel>;
  } catch {
    return null;
  }
}

/** The model that a page carries for its readers. */
export function dataInside(page: string): Partial<ReportModel> | null {
  const found = /href="data:application\/gzip;base64,([A-Za-z0-9+/=]+)"/.exec(page)?.[1];
  if (found === undefined) {
    return null;
  }
  try {
    return parsed(gunzipSync(Buffer.from(found, "base64")).toString("utf8"));
  } catch {
    return null;
  }
}

/**
 * Where the runs are elsewhere: what the report says of verdicts is what sweep.json says, and its table is
 * that of the data inside it.
 */
export function checkReportAlone(directory: string, sweep: SweepRecord, ledger: Ledger): number {
  const file = join(directory, "report.html");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const model = dataInside(text);
  if (model === null) {
    return 0;
  }
  checkCells(text, model as ReportModel, ledger);
  compare("report.html comparisons", model.comparisons ?? null, sweep.comparisons, ledger);
  compare("report.html steps", model.steps ?? null, sweep.steps ?? null, ledger);
  compare("report.html requirements", model.requirements, sweep.requirements ?? [], ledger);
  if (sweep.load_curve !== undefined) {
    compare("report.html loadCurve", model.loadCurve, sweep.load_curve, ledger);
  }
  return 1;
}

/** More differences of one part are the same difference again. */
const mostTold = 5;

/** Every figure of a part, however deep. */
export function compare(what: string, published: unknown, computed: unknown, ledger: Ledger): void {
  const before = ledger.disagreements.length;
  walk(what, published, computed, ledger);
  const told = ledger.disagreements.splice(before);
  ledger.disagreements.push(...told.slice(0, mostTold));
  if (told.length > mostTold) {
    ledger.disagreements.push(`${what}: ${told.length - mostTold} more figures differ`);
  }
}

function walk(what: string, published: unknown, computed: unknown, ledger: Ledger): void {
  if (typeof computed === "number") {
    ledger.same(what, typeof published === "number" ? published : undefined, computed);
  } else if (computed !== null && typeof computed === "object") {
    const ours = computed as Readonly<Record<string, unknown>>;
    const theirs = (published ?? {}) as Readonly<Record<string, unknown>>;
    for (const key of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
      walk(`${what}.${key}`, theirs[key], ours[key], ledger);
    }
  } else if (computed === undefined) {
    // A part that this version does not know is no figure of the results.
    ledger.notes.push(`${what}: not checked, the report is of another version`);
  } else {
    ledger.sameText(what, String(published), String(computed));
  }
}

/** The cells as a reader sees them, by row and column. */
export function cellsOf(page: string): ReadonlyMap<string, string> {
  const cells = new Map<string, string>();
  for (const [, row = "", rest = ""] of page.matchAll(/<tr data-e="(\d+)">([\s\S]*?)<\/tr>/g)) {
    for (const [, name = "", text = ""] of rest.matchAll(/<td[^>]*data-m="([^"]*)">([^<]*)/g)) {
      cells.set(`${row} ${name}`, text);
    }
  }
  return cells;
}

function checkCells(page: string, model: ReportModel, ledger: Ledger): void {
  const cells = cellsOf(page);
  const table = tableOf(model);
  for (const row of table.groups.flatMap((group) => group.rows)) {
    for (const [place, cell] of row.cells.entries()) {
      const name = table.metrics[place] ?? "";
      const shown = cells.get(`${row.at} ${name === "bw" ? "bw.decimal" : name}`);
      const text = name === "bw" ? cell.text.replace(/ \(.*\)/, "") : cell.text;
      ledger.sameText(`report.html, ${row.label}, ${name}`, shown, text);
    }
  }
}
