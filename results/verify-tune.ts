/**
 * Checks `tune.json`: figures of its runs against them, the order of the search and what was concluded against
 * those figures (the model and its draws follow from them), the confirmation against its sweep, the files of
 * `answer/`, and the tables of the report.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { escapeHtml } from "./report/html-markup.ts";
import { completeRun } from "./sweep/sweep-directory.ts";
import { answerOf } from "./tune/answer.ts";
import { conclude, historyOf, namesOf, referencesOf } from "./tune/conclude.ts";
import { confirmedOf, keptOf, namedComparisons } from "./tune/confirmed.ts";
import { tuneAskedOtherwise } from "./tune/file-asked.ts";
import { figuresOf } from "./tune/measuring.ts";
import { recordTables } from "./tune/report/html.ts";
import { limitOf, recordedProblem } from "./tune/trials.ts";
import { asSweep, confirmName, readConfirm, readTuneRecord } from "./tune/tune-directory.ts";
import type { TuneRecord, TuneStep } from "./tune/tune-record.ts";
import type { Verification } from "./verify.ts";
import { Ledger } from "./verify-ledger.ts";
import { compare } from "./verify-report.ts";
import { checkTables, pageTables } from "./verify-tables.ts";
import { checkAnswerFiles, checkSearch } from "./verify-tune-answer.ts";

const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

/** Figures as the runs have them; as they are published where a run is not there. */
function checkSteps(directory: string, record: TuneRecord, ledger: Ledger): readonly TuneStep[] {
  let missing = 0;
  const steps = record.steps.map((step): TuneStep => {
    const run = completeRun(directory, step.run);
    if (run === null) {
      // A configuration that could not run has none.
      missing += step.figures === null ? 0 : 1;
      return step;
    }
    const figures = figuresOf(run, record.metrics);
    compare(`tune.json ${step.run}`, step.figures, plain(figures), ledger);
    return { ...step, figures };
  });
  if (missing > 0) {
    const text = `${missing} of ${steps.length} runs are not there: their figures are taken as they are`;
    ledger.notes.push(text);
  }
  return steps;
}

/** A configuration's parameters are those of its place in the space. */
function checkTrials({ trials, space }: TuneRecord, ledger: Ledger): void {
  for (const { id, parameters, choice } of trials) {
    for (const [at, [name, { values }]] of Object.entries(space).entries()) {
      const said = parameters[name];
      const place = choice?.[at];
      if (place !== undefined && said !== undefined && said !== "-") {
        ledger.sameText(`tune.json ${id} ${name}`, said, String(values[place]));
      }
    }
  }
}

function checkConclusions(record: TuneRecord, ledger: Ledger): TuneRecord {
  const history = historyOf(record);
  if (!history.some(({ figures }) => figures !== null)) {
    return record;
  }
  const { leading, chosen, metrics } = record;
  const count = Math.max(1, leading.length, chosen.length);
  const found = conclude(
    recordedProblem(record),
    history,
    metrics,
    namesOf(record),
    count,
    referencesOf(record),
  );
  for (const part of ["beliefs", "front", "importance", "noise", "leading"] as const) {
    compare(`tune.json ${part}`, record[part], plain(found[part]), ledger);
  }
  if (chosen.length > 0) {
    compare("tune.json chosen", chosen, plain(found.leading), ledger);
  }
  return { ...record, ...found };
}

/** What the fresh pairs say; without their sweep the verdicts follow from the comparisons as they are. */
function checkConfirmation(directory: string, record: TuneRecord, ledger: Ledger): TuneRecord {
  const sweep = readConfirm(directory);
  const comparisons = sweep === null ? record.comparisons : namedComparisons(sweep);
  let { kept } = record;
  if (sweep === null) {
    if (record.comparisons.length > 0) {
      const text = `${confirmName}/ is not there: comparisons and limits of the confirmation are taken as they are`;
      ledger.notes.push(text);
    }
  } else {
    compare("tune.json comparisons", record.comparisons, plain(comparisons), ledger);
    const place = join(directory, confirmName);
    const runs = sweep.points.flatMap((point) => point.runs);
    if (runs.every((run) => completeRun(place, run) !== null)) {
      const limits = record.limits.map(limitOf);
      kept = keptOf({ limits }, sweep, (run) => completeRun(place, run));
      compare("tune.json kept", record.kept, plain(kept), ledger);
    }
  }
  const confirmed =
    record.confirmed.length === 0 && record.comparisons.length === 0
      ? record.confirmed
      : confirmedOf(record.goals, record.chosen, comparisons);
  compare("tune.json confirmed", record.confirmed, plain(confirmed), ledger);
  return { ...record, comparisons, kept, confirmed };
}

const numbersIn = (text: string) => text.match(/\d+(\.\d+)?/g)?.join(" ") ?? "";

/** Sentences may be worded anew by another version: their numbers may not differ. */
function checkAnswer(record: TuneRecord, ledger: Ledger): void {
  for (const [place, sentence] of answerOf(record).entries()) {
    const said = record.answer[place] ?? "";
    const what = `tune.json answer, sentence ${place + 1}, its numbers`;
    ledger.sameText(what, numbersIn(said), numbersIn(sentence));
  }
}

/** The sweep that those see who know sweeps only. */
function checkSweep(directory: string, record: TuneRecord, ledger: Ledger): number {
  const file = join(directory, "sweep.json");
  if (!existsSync(file)) {
    return 0;
  }
  const published = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const computed = asSweep(record, readConfirm(directory));
  for (const part of ["points", "comparisons"] as const) {
    compare(`sweep.json ${part}`, published[part], plain(computed[part]), ledger);
  }
  return 1;
}

/** Answers how many reports there were. */
function checkReports(directory: string, record: TuneRecord, ledger: Ledger): number {
  const page = join(directory, "report.html");
  const data = join(directory, "report.json");
  if (existsSync(page)) {
    const text = readFileSync(page, "utf8");
    checkTables(text, pageTables(recordTables(record)), ledger);
    for (const sentence of record.answer) {
      const shown = text.includes(`<p>${escapeHtml(sentence)}</p>`) ? sentence : undefined;
      ledger.sameText("report.html, answer", shown, sentence);
    }
  }
  if (existsSync(data)) {
    const published = JSON.parse(readFileSync(data, "utf8")) as Record<string, unknown>;
    for (const part of ["steps", "beliefs", "importance", "front", "comparisons"] as const) {
      compare(`report.json ${part}`, published[part], plain(record[part]), ledger);
    }
  }
  return [page, data].filter((file) => existsSync(file)).length;
}

/** Everything that a tuning says of its runs; those of the confirmation are a sweep's. */
export function verifyTune(directory: string): Verification {
  const ledger = new Ledger();
  const published = readTuneRecord(directory);
  ledger.disagreements.push(...tuneAskedOtherwise(published));
  const steps = checkSteps(directory, published, ledger);
  checkTrials(published, ledger);
  checkSearch(recordedProblem(published), { ...published, steps }, ledger);
  const concluded = checkConclusions({ ...published, steps }, ledger);
  const record = checkConfirmation(directory, concluded, ledger);
  checkAnswer(record, ledger);
  const answers = checkAnswerFiles(directory, record, ledger);
  const files = 1 + answers + checkSweep(directory, record, ledger);
  if (published.state === "partial") {
    ledger.notes.push(`the tuning is partial: ${published.reason ?? "no reason is given"}`);
  }
  return {
    directory,
    state: published.state,
    filesChecked: files + checkReports(directory, record, ledger),
    numbersChecked: ledger.numbers,
    disagreements: ledger.disagreements,
    notes: ledger.notes,
  };
}
