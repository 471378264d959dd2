/**
 * Checks a test of the SNIA PTS: what `sweep.json` says of its runs against them, its verdicts against the
 * rule, and the figures of its report. The procedure itself follows from what was asked for.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { escapeHtml } from "./report/html-markup.ts";
import { chosenLoads } from "./snia/composite-choice.ts";
import { deviationsOf } from "./snia/device.ts";
import { measuredOf } from "./snia/figures.ts";
import { type SniaModel, sniaModelOf } from "./snia/load.ts";
import { proceduresOf, runId, type Section, type SniaSizes, type Step } from "./snia/procedures.ts";
import type { SniaRecord, SniaRun, SniaVerdict } from "./snia/record.ts";
import type { SniaSpec } from "./snia/spec.ts";
import { type SniaTable, tablesOf, verdictLines, verificationTables } from "./snia/tables.ts";
import { pieceOf, roundsVerdict, saturationVerdict } from "./snia/verdicts.ts";
import { completeRun } from "./sweep/sweep-directory.ts";
import type { SweepRecord } from "./sweep-record.ts";
import type { Ledger } from "./verify-ledger.ts";
import { compare } from "./verify-report.ts";
import { checkTables, type PageTable } from "./verify-tables.ts";

const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

/** What was asked for, as far as steps and verdicts follow from it. */
function specOf(sweep: SweepRecord, snia: SniaRecord): SniaSpec {
  const { test, edition, class: deviceClass, threads, depth, purge, endurance } = snia;
  return {
    ...{ file: "sweep.json", name: sweep.name, question: sweep.question, target: snia.target },
    ...{ test: test as SniaSpec["test"], edition: edition as SniaSpec["edition"], deviceClass },
    ...{ sizeBytes: null, activeRange: 1, threads, depth, purge, people: snia.people },
    scale: { capacityBytes: null, minuteSeconds: snia.minute_seconds, cycles: snia.cycles },
    ratedWriteBytes: endurance.rated_bytes,
    mostWriteBytes: endurance.most_bytes,
  };
}

/** The runs as their own files have them; those that are not there as they are published. */
function checkRuns(directory: string, snia: SniaRecord, ledger: Ledger) {
  let missing = 0;
  const runs = snia.runs.map((published): SniaRun => {
    const record = completeRun(directory, published.run);
    if (record === null) {
      missing += 1;
      return published;
    }
    const computed = { ...published, ...measuredOf(record) };
    compare(`sweep.json snia ${published.id}`, published, plain(computed), ledger);
    return computed;
  });
  return { runs, missing };
}

/** Rounds end with the first window that is steady, wherever the published ones end. */
function roundsAgain(
  section: Section,
  step: Extract<Step, { kind: "rounds" }>,
  runs: readonly SniaRun[],
): SniaVerdict {
  for (let count = 1; count < runs.length; count += 1) {
    const verdict = roundsVerdict(section, step, runs.slice(0, count), "open");
    if (verdict.steady) {
      return verdict;
    }
  }
  return roundsVerdict(section, step, runs, runs.length === step.most ? "rounds" : "open");
}

function checkVerdicts(
  directory: string,
  sections: readonly Section[],
  snia: SniaRecord,
  missing: number,
  ledger: Ledger,
): readonly SniaVerdict[] {
  const all = sections.flatMap((section) => section.steps.map((step) => ({ section, step })));
  const computed = all.flatMap(({ section, step }): SniaVerdict[] => {
    const own = snia.runs.filter((run) => run.section === section.id && run.step === step.id);
    if (own.length === 0) {
      return [];
    }
    if (step.kind === "rounds") {
      return [roundsAgain(section, step, own)];
    }
    // The rounds of a saturation are in the runs' own files.
    return step.kind === "saturate" && missing === 0
      ? [saturationVerdict(section, step, saturated(directory, own, step))]
      : [];
  });
  const known = missing === 0 ? snia.verdicts.length : computed.length;
  ledger.same("sweep.json snia verdicts", known, computed.length);
  for (const verdict of computed) {
    const name = runId({ id: verdict.section, title: "", steps: [] }, verdict.step);
    const published = snia.verdicts.find(
      ({ section, step }) => section === verdict.section && step === verdict.step,
    );
    compare(`sweep.json snia verdict of ${name}`, published, plain(verdict), ledger);
  }
  return missing === 0 ? computed : snia.verdicts;
}

function saturated(
  directory: string,
  runs: readonly SniaRun[],
  step: Extract<Step, { kind: "saturate" }>,
) {
  return runs.map((run) => pieceOf(directory, run, step));
}

/** The three loads whose response times are looked at follow from the matrix. */
function checkLoads(sections: readonly Section[], snia: SniaRecord, ledger: Ledger): void {
  for (const { steps } of sections) {
    for (const step of steps) {
      const matrix = snia.runs.find(({ id }) => step.kind === "histograms" && id === step.of);
      if (matrix !== undefined) {
        const names = chosenLoads(matrix.cells).map(({ name }) => `${step.id}-${name}`);
        const own = snia.runs.filter((run) => run.step === step.id).map(({ id }) => id);
        const cut = names.slice(0, own.length);
        ledger.sameText("sweep.json snia loads chosen", own.join(" "), cut.join(" "));
      }
    }
  }
}

/** What is known here of how the test differs from the standard must be said. */
function checkDeviations(
  spec: SniaSpec,
  sizes: SniaSizes,
  sections: number,
  snia: SniaRecord,
  ledger: Ledger,
): void {
  const parts = new Set(snia.runs.map(({ part }) => part)).size;
  const device = { target: snia.target, kind: snia.target_kind, sizeBytes: sizes.capacityBytes };
  const known = deviationsOf(spec, device, sizes, {
    ...{ sections, trimmed: null, overrides: [], virtual: false },
    interruptions: Math.max(0, parts - 1),
  });
  for (const line of known) {
    const said = snia.deviations.includes(line) ? line : undefined;
    ledger.sameText("sweep.json snia deviations", said, line);
  }
}

/** As the page has it. */
function asPage({ title, columns, rows }: SniaTable): PageTable {
  return {
    title: escapeHtml(title),
    columns,
    rows: rows.map((row) => row.map((text) => escapeHtml(text).trim())),
  };
}

/** Answers how many reports there were. */
function checkReports(directory: string, model: SniaModel, ledger: Ledger): number {
  const page = join(directory, "report.html");
  const data = join(directory, "report.json");
  if (existsSync(page)) {
    const text = readFileSync(page, "utf8");
    checkTables(text, [...tablesOf(model), ...verificationTables(model)].map(asPage), ledger);
    for (const line of verdictLines(model)) {
      const shown = text.includes(`<p>${escapeHtml(line)}</p>`) ? line : undefined;
      ledger.sameText("report.html, answer", shown, line);
    }
    const conformant = model.snia.deviations.length === 0;
    const stamped = text.includes("<b>NOT CONFORMANT</b>");
    ledger.sameText("report.html, conformant", String(!stamped), String(conformant));
  }
  if (existsSync(data)) {
    const published = JSON.parse(readFileSync(data, "utf8")) as Partial<SniaModel>;
    for (const part of ["rounds", "series"] as const) {
      compare(`report.json ${part}`, published[part], plain(model[part]), ledger);
    }
    compare("report.json verdicts", published.snia?.verdicts, plain(model.snia.verdicts), ledger);
  }
  return [page, data].filter((file) => existsSync(file)).length;
}

/** Answers how many files of reports were checked. */
export function checkSnia(directory: string, sweep: SweepRecord, ledger: Ledger): number {
  const { snia: published } = sweep;
  if (published === undefined) {
    return 0;
  }
  const { runs, missing } = checkRuns(directory, published, ledger);
  const spec = specOf(sweep, published);
  const sizes = { capacityBytes: published.capacity_bytes, activeBytes: published.active_bytes };
  const sections = proceduresOf(spec, sizes);
  const { endurance } = published;
  const written = runs.reduce((sum, run) => sum + run.written_bytes, endurance.lost_bytes);
  ledger.same("sweep.json snia written_bytes", endurance.written_bytes, written);
  const own = { ...published, runs };
  const verdicts = checkVerdicts(directory, sections, own, missing, ledger);
  checkLoads(sections, own, ledger);
  checkDeviations(spec, sizes, sections.length, published, ledger);
  if (missing > 0) {
    const text = `${missing} of ${runs.length} runs are not there: their figures are taken as they are, and the report is not checked`;
    ledger.notes.push(text);
    return 0;
  }
  const snia = { ...own, verdicts, endurance: { ...endurance, written_bytes: written } };
  return checkReports(directory, sniaModelOf(directory, { ...sweep, snia }), ledger);
}
