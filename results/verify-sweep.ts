/** Checks `sweep.json` against the runs of its points: every comparison is made again. */
import { join } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { fileExists, packedFacts, readText } from "./files.ts";
import type { RunRecord } from "./run-record.ts";
import { readRun } from "./run-schema.ts";
import { sniaAskedOtherwise } from "./snia/file-asked.ts";
import { distributionsOf } from "./sweep/distributions.ts";
import { askedOtherwise } from "./sweep/file-record.ts";
import type { FiguresOf } from "./sweep/judge.ts";
import {
  comparisonsOf,
  figuresOf,
  layerTaxesOf,
  requirementsOf,
  stepsOf,
} from "./sweep/judge-again.ts";
import type { SweepComparison, SweepRecord } from "./sweep-record.ts";
import type { Verification } from "./verify.ts";
import { Ledger } from "./verify-ledger.ts";
import { checkLoadCurve } from "./verify-load-curve.ts";
import { checkReport, checkReportAlone, compare } from "./verify-report.ts";
import { checkSnia } from "./verify-snia.ts";
import { checkPooledStages } from "./verify-stages.ts";

/** Ratios and p are the same computation on the same figures: they differ by rounding at most. */
const rounding = 1e-9;

/** The comparisons of a sweep and the figures of its report. Its runs are checked by `verifyRun`. */
export function verifySweep(directory: string): Verification {
  const ledger = new Ledger();
  const sweep = readSweep(directory);
  const records = recordsOf(directory, sweep, ledger);
  const missing = records.flat().filter((record) => record === null).length;
  const total = records.flat().length;
  if (missing > 0) {
    const text = `${missing} of ${total} runs are not there: comparisons cannot be made again`;
    const list = sweep.state === "complete" && missing < total ? "disagreements" : "notes";
    ledger[list].push(text);
  }
  checkPacked(directory, sweep, records, ledger);
  ledger.disagreements.push(
    ...(sweep.snia === undefined ? askedOtherwise(sweep) : sniaAskedOtherwise(sweep)),
  );
  if (missing === 0) {
    checkComparisons(sweep, records as readonly (readonly RunRecord[])[], ledger);
    if (sweep.distributions !== undefined) {
      const computed = JSON.parse(JSON.stringify(distributionsOf(directory, sweep))) as unknown;
      compare("sweep.json distributions", sweep.distributions, computed, ledger);
    }
  }
  if (sweep.load_curve !== undefined) {
    checkLoadCurve(directory, sweep.load_curve, ledger);
  }
  const reports = checkReports(directory, sweep, missing === total, ledger);
  if (sweep.state === "partial") {
    ledger.notes.push(`the sweep is partial: ${sweep.reason ?? "no reason is given"}`);
  }
  return {
    directory,
    state: sweep.state,
    filesChecked: 1 + reports,
    numbersChecked: ledger.numbers,
    disagreements: ledger.disagreements,
    notes: ledger.notes,
  };
}

/** What a packed sweep has of its points instead of its runs, and what it says was left out. */
function checkPacked(
  directory: string,
  { points }: SweepRecord,
  records: readonly (readonly (RunRecord | null)[])[],
  ledger: Ledger,
): void {
  const facts = packedFacts(directory);
  for (const [place, { id }] of (facts?.stages_pooled === true ? points : []).entries()) {
    const runs = (records[place] ?? []).filter((record) => record !== null);
    checkPooledStages(
      id,
      runs.map(({ jobs }) => jobs),
      ledger,
    );
  }
  ledger.notes.push(...(facts?.left_out ?? []).map((text) => `packed without ${text}`));
}

/** `alone`: no run is there. Answers how many reports there were. */
function checkReports(
  directory: string,
  sweep: SweepRecord,
  alone: boolean,
  ledger: Ledger,
): number {
  if (sweep.snia !== undefined) {
    return checkSnia(directory, sweep, ledger);
  }
  return alone ? checkReportAlone(directory, sweep, ledger) : checkReport(directory, ledger);
}

/** Throws `bad-input` when `sweep.json` is not readable as a sweep's. */
export function readSweep(directory: string): SweepRecord {
  const file = join(directory, "sweep.json");
  let sweep: SweepRecord;
  try {
    sweep = JSON.parse(readText(file)) as SweepRecord;
  } catch (error) {
    throw new OsdynoError("bad-input", "is not readable as JSON", { file }, error);
  }
  if (!Array.isArray(sweep?.points) || !Array.isArray(sweep.comparisons)) {
    throw new OsdynoError("bad-input", "has no points and comparisons of a sweep", { file });
  }
  return sweep;
}

/** By point and block; null where a run is not there or is no complete one. */
function recordsOf(
  directory: string,
  sweep: SweepRecord,
  ledger: Ledger,
): readonly (readonly (RunRecord | null)[])[] {
  return sweep.points.map(({ runs }) =>
    runs.map((run) => {
      if (!fileExists(join(directory, run, "run.json"))) {
        return null;
      }
      try {
        const record = readRun(join(directory, run));
        return record.state === "complete" ? record : null;
      } catch (error) {
        ledger.disagreements.push(`${run}: ${error instanceof Error ? error.message : error}`);
        return null;
      }
    }),
  );
}

function checkComparisons(
  sweep: SweepRecord,
  records: readonly (readonly RunRecord[])[],
  ledger: Ledger,
): void {
  const figures = figuresOf(sweep, records);
  checkAll("comparisons", sweep.comparisons, comparisonsOf(sweep, figures), ledger);
  if (sweep.steps !== undefined) {
    checkAll("steps", sweep.steps.comparisons, stepsOf(sweep, figures), ledger);
  }
  checkRequirements(sweep, figures, ledger);
  if (sweep.layer_tax !== undefined) {
    const computed = JSON.parse(JSON.stringify(layerTaxesOf(sweep, records))) as unknown;
    compare("sweep.json layer_tax", sweep.layer_tax, computed, ledger);
  }
}

function checkAll(
  what: string,
  published: readonly SweepComparison[],
  computed: readonly SweepComparison[],
  ledger: Ledger,
): void {
  ledger.same(`sweep.json ${what}`, published.length, computed.length);
  const keyOf = (each: SweepComparison) => `${each.metric} ${each.base} ${each.candidate}`;
  const known = new Map(published.map((each) => [keyOf(each), each]));
  for (const each of computed) {
    checkComparison(keyOf(each), known.get(keyOf(each)), each, ledger);
  }
}

/** What was required of single points. */
function checkRequirements(sweep: SweepRecord, figures: FiguresOf, ledger: Ledger): void {
  for (const [published, computed] of requirementsOf(sweep, figures)) {
    const { threshold: text, point: id } = published;
    const what = `${id} ${text}`;
    for (const name of ["median", "low", "high", "verdict"] as const) {
      ledger.sameText(`${what} ${name}`, String(published[name]), String(computed?.[name]));
    }
  }
}

function checkComparison(
  what: string,
  published: SweepComparison | undefined,
  computed: SweepComparison,
  ledger: Ledger,
): void {
  const names = [
    "ratio",
    "low",
    "high",
    "base_median",
    "candidate_median",
    "p_alone",
    "p",
  ] as const;
  for (const name of names) {
    checkFigure(`${what} ${name}`, published?.[name], computed[name], ledger);
  }
  for (const name of ["value", "low", "high"] as const) {
    checkFigure(`${what} gap ${name}`, published?.gap?.[name], computed.gap?.[name], ledger);
  }
  ledger.sameText(`${what} verdict`, published?.verdict, computed.verdict);
  // A forecast, which each version may make otherwise.
  if (published !== undefined && published.runs_needed !== computed.runs_needed) {
    ledger.notes.push(
      `${what} runs_needed: published ${published.runs_needed}, this version forecasts ${computed.runs_needed}`,
    );
  }
}

/** A figure that there may be none of, on either side. */
function checkFigure(
  what: string,
  published: number | null | undefined,
  computed: number | null | undefined,
  ledger: Ledger,
): void {
  if (computed === null || computed === undefined) {
    ledger.sameText(what, String(published ?? null), "null");
  } else {
    ledger.same(what, published ?? undefined, computed, rounding * Math.abs(computed));
  }
}
