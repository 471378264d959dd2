/** `osdyno results ls|show|rm|merge|judge|pack|query|verify`. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import Table from "cli-table3";
import { Command } from "commander";
import pc from "picocolors";
import { OsdynoError } from "../../engine/base/error.ts";
import { type KeptBench, keptBench } from "../../results/bench/kept.ts";
import { archiveName } from "../../results/files.ts";
import { clientDocument } from "../../results/fio-output.ts";
import { mergeResults } from "../../results/merge.ts";
import { wantsColor } from "../../results/normal-output.ts";
import { parseOutputFormats, parseTerseVersion, renderRuns } from "../../results/output-formats.ts";
import { resultsKind } from "../../results/ownership.ts";
import { packResults } from "../../results/pack/pack-results.ts";
import { queryResults } from "../../results/query/query.ts";
import { tablesText } from "../../results/query/tables.ts";
import { csvText, jsonText, tableText } from "../../results/query/text.ts";
import { loadReport } from "../../results/report/load.ts";
import { verdictGroups } from "../../results/report/verdict-rows.ts";
import { writeReport } from "../../results/report/write.ts";
import { runsRoot } from "../../results/run-directory.ts";
import {
  findResults,
  listRuns,
  type ResultsEntry,
  removeRun,
  showRun,
} from "../../results/store.ts";
import { judgedAgain } from "../../results/sweep/judge-again.ts";
import { loadSweepPlugIns, readSweep as readSweepFile } from "../../results/sweep/spec.ts";
import { writeRecord } from "../../results/sweep/sweep-directory.ts";
import { tableText as sweepTable } from "../../results/sweep/table-text.ts";
import type { SweepComparison } from "../../results/sweep-record.ts";
import { isTuneDirectory } from "../../results/tune/report/load.ts";
import { formatBytes, formatCount, formatNs } from "../../results/units.ts";
import type { Verification } from "../../results/verify.ts";
import { verifyBench } from "../../results/verify-bench.ts";
import { verifyPages } from "../../results/verify-page.ts";
import { verifyResults } from "../../results/verify-results.ts";
import { readSweep } from "../../results/verify-sweep.ts";
import { writeWhole } from "../../results/whole-file.ts";

import { printBench } from "./bench-output.ts";

interface Where {
  readonly root: string;
  readonly json?: boolean;
}

const print = (text: string) => process.stdout.write(text);
const printJson = (value: unknown) => print(`${JSON.stringify(value, null, 2)}\n`);

export function resultsCommand(): Command {
  const command = new Command("results").description("list, show, check and remove results");
  const withRoot = (sub: Command) =>
    sub.option("--root <dir>", "directory that holds the runs", runsRoot);
  withRoot(command.command("ls").description("what results there are, oldest first"))
    .option("--json", "one JSON document")
    .action((options: Where) => list(options));
  withRoot(command.command("show").description("the tables of a run, sweep or bench, as after it"))
    .argument("<run>", "directory, name, label or `latest`")
    .option("--json", "run.json; an array for several runs; sweep.json")
    .option(
      "--output-format <formats>",
      "normal, json, json+, terse; several with commas",
      "normal",
    )
    .option("--terse-version <n>", "2, 3, 4 or 5", "3")
    .action((run: string, options: Where & { outputFormat: string; terseVersion: string }) =>
      show(run, options),
    );
  withRoot(command.command("rm").description("remove results; touches nothing that is not ours"))
    .argument("<runs...>", "directories, names, labels or `latest`")
    .action((runs: string[], options: Where) => remove(runs, options));
  command
    .command("merge")
    .description("several results as one, as fio's client does: histograms are added")
    .argument("<results...>", "files of fio's JSON (json+), run directories")
    .option("--output-format <format>", "json or json+", "json+")
    .option("--output <file>", "write it there instead of stdout")
    .action((results: string[], options: { outputFormat: string; output?: string }) =>
      merge(results, options),
    );
  withRoot(command.command("judge").description("judge sweeps again by the rules of this version"))
    .argument("<sweeps...>", "sweep.json and report.html are written anew from their runs")
    .option("--by <file>", "the sweep file as it is now: its question, metrics, goals, baseline")
    .action((sweeps: string[], options: Where & { by?: string }) => judge(sweeps, options));
  withRoot(
    command.command("pack").description("results to publish: record, report, runs in one file"),
  )
    .argument("<results>", "directory, name or label of a run, sweep or tuning")
    .requiredOption("--out <dir>", "where; published results there are made anew")
    .option("--json", "one JSON document")
    .addHelpText(
      "after",
      `\nDIR holds the record, report.html and ${archiveName}, which every command reads as if its runs lay there:\n` +
        "verify recomputes every number from it, report draws it again. `tar --zstd -xf` unpacks it, too.",
    )
    .action((results: string, options: Where & { out: string }) => pack(results, options));
  withRoot(command.command("query").description("answer SQL over all results; only reads"))
    .argument("<sql>", "one SELECT, e.g. 'SELECT label, iops FROM runs ORDER BY started'")
    .argument("[results...]", "directories, names or labels; all of --root without any")
    .option("--json", "an array with an object a row")
    .option("--csv", "a header line and a line a row")
    .addHelpText(
      "after",
      `\nTables:\n${tablesText()}\n\nTables join by run, and by sweep and point.`,
    )
    .action((sql: string, results: string[], options: Where & { csv?: true }) =>
      query(sql, results, options),
    );
  withRoot(command.command("verify").description("recompute the numbers from the raw data"))
    .argument("<runs...>", "directories, names, labels or `latest`")
    .option("--json", "one JSON document")
    .action((runs: string[], options: Where) => verify(runs, options));
  return command;
}

function list(options: Where): void {
  const entries = listRuns(options.root);
  if (options.json === true) {
    printJson(entries);
    return;
  }
  if (entries.length === 0) {
    print(`no results in ${options.root}; osdyno run makes some\n`);
    return;
  }
  const colors = pc.createColors(wantsColor(process.stdout));
  const table = new Table({
    head: ["name", "kind", "state", "runs", "IOPS", "response p99"].map((title) =>
      colors.bold(title),
    ),
    colAligns: ["left", "left", "left", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const entry of entries) {
    table.push(listRow(entry, colors.yellow));
  }
  print(`${table.toString()}\n`);
}

function listRow(entry: ResultsEntry, warn: (text: string) => string): string[] {
  return [
    entry.name,
    entry.kind,
    entry.state === "complete" ? entry.state : warn(entry.state),
    entry.runs === entry.planned ? String(entry.runs) : `${entry.runs} of ${entry.planned}`,
    entry.iops === null ? "" : formatCount(entry.iops),
    entry.responseP99Ns === null ? "" : formatNs(entry.responseP99Ns),
  ];
}

function show(run: string, options: Where & { outputFormat: string; terseVersion: string }): void {
  const formats = parseOutputFormats(options.outputFormat);
  const terseVersion = parseTerseVersion(options.terseVersion);
  const bench = benchOf(run, options.root);
  if (bench !== null) {
    printBench(bench.hotPath, bench.document, options.json === true || formats.includes("json"));
    return;
  }
  const found = findResults(run, options.root);
  if (resultsKind(found) === "sweep" && formats.every((format) => format === "normal")) {
    showSweep(found, options.json === true);
    return;
  }
  const runs = showRun(found);
  if (options.json === true) {
    printJson(runs.length === 1 ? runs[0]?.record : runs.map((one) => one.record));
    return;
  }
  const [first, second] = runs;
  if (formats.some((format) => format.startsWith("json")) && (first === undefined || second)) {
    throw new OsdynoError(
      "bad-input",
      `${run}: holds ${runs.length} runs, and ${options.outputFormat} is one document; name one of them`,
    );
  }
  const shown = runs.map(({ path, record }) => ({ directory: path, record }));
  print(renderRuns(shown, { formats, terseVersion }));
}

/** A bench that was kept there, by path or by its name under `root`. */
function benchOf(text: string, root: string): KeptBench | null {
  return keptBench(text) ?? keptBench(resolve(root, text));
}

/** A sweep as after it ran: its answer, its table and its verdicts. */
function showSweep(directory: string, json: boolean): void {
  if (json) {
    print(readFileSync(join(directory, "sweep.json"), "utf8"));
    return;
  }
  const model = loadReport(directory);
  const verdicts = verdictGroups(model).flatMap(({ heading, rows }) =>
    rows.map((row) => {
      const { candidate, base, difference, interval, verdict } = row;
      return `${heading}, ${candidate} against ${base}: ${verdict}, ${difference} (${interval})`;
    }),
  );
  const lines = [
    model.name,
    ...(model.question === null ? [] : [model.question]),
    "",
    ...model.answer,
    "",
    sweepTable(model),
    ...verdicts,
    `results: ${directory}`,
  ];
  print(`${lines.join("\n")}\n`);
}

function merge(
  results: readonly string[],
  options: { readonly outputFormat: string; readonly output?: string },
): void {
  const [format, ...more] = parseOutputFormats(options.outputFormat);
  if (more.length > 0 || (format !== "json" && format !== "json+")) {
    const text = options.outputFormat;
    throw new OsdynoError(
      "bad-input",
      `--output-format ${text}: results merge makes json or json+`,
    );
  }
  const { document, notes } = mergeResults(results, Date.now());
  for (const note of notes) {
    process.stderr.write(`note: ${note}\n`);
  }
  const text = clientDocument(document, format === "json+");
  if (options.output === undefined) {
    print(text);
    return;
  }
  try {
    writeWhole(options.output, text);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new OsdynoError("io", `--output ${options.output}: cannot write (${code})`, {}, error);
  }
}

async function judge(
  sweeps: readonly string[],
  options: Where & { readonly by?: string },
): Promise<void> {
  if (options.by !== undefined) {
    await loadSweepPlugIns(options.by);
  }
  const by = options.by === undefined ? null : readSweepFile(options.by);
  const found = sweeps.map((sweep) => findResults(sweep, options.root));
  for (const directory of found) {
    const before = readSweep(directory);
    const record = judgedAgain(directory, before, by);
    writeRecord(directory, record);
    await writeReport(directory);
    const verdicts = new Map(before.comparisons.map((each) => [keyOf(each), each.verdict]));
    const changed = record.comparisons.filter((each) => verdicts.get(keyOf(each)) !== each.verdict);
    const of = `${record.comparisons.length} comparisons`;
    print(`${directory}: ${of}, ${changed.length} of them with another verdict\n`);
    for (const each of changed) {
      const was = verdicts.get(keyOf(each)) ?? "not compared";
      print(`  ${keyOf(each)}: ${was} before, ${each.verdict} now\n`);
    }
  }
}

const keyOf = ({ metric, candidate, base }: SweepComparison) =>
  `${metric}, ${candidate} against ${base}`;

async function pack(results: string, options: Where & { readonly out: string }): Promise<void> {
  const from = isTuneDirectory(results) ? resolve(results) : findResults(results, options.root);
  const packed = await packResults(from, options.out);
  if (options.json === true) {
    printJson(packed);
    return;
  }
  const { directory, runs, bytes, sourceBytes, leftOut } = packed;
  const of = `${runs} ${runs === 1 ? "run" : "runs"}, ${formatBytes(bytes)} of ${formatBytes(sourceBytes)}`;
  print(`${directory}: ${of}\n${leftOut.map((line) => `  left out: ${line}\n`).join("")}`);
}

function query(
  sql: string,
  results: readonly string[],
  options: Where & { readonly csv?: true },
): void {
  if (options.json === true && options.csv === true) {
    throw new OsdynoError("bad-input", "--json and --csv exclude each other; give one of them");
  }
  const paths =
    results.length > 0
      ? [...new Set(results.map((name) => findResults(name, options.root)))]
      : listRuns(options.root).map(({ path }) => path);
  const answer = queryResults(paths, sql);
  for (const { path, why } of answer.skipped) {
    process.stderr.write(`note: left out ${path}: ${why}\n`);
  }
  print(
    options.json === true
      ? jsonText(answer)
      : options.csv === true
        ? csvText(answer)
        : tableText(answer),
  );
}

function remove(runs: readonly string[], options: Where): void {
  // All are looked up before the first is removed: a mistyped name removes nothing.
  const paths = runs.map((run) => findResults(run, options.root));
  for (const path of new Set(paths)) {
    removeRun(path);
    process.stderr.write(`removed ${path}\n`);
  }
}

async function verify(runs: readonly string[], options: Where): Promise<void> {
  const found: Verification[] = [];
  const empty: string[] = [];
  for (const run of runs) {
    const own = await verificationsOf(run, options.root);
    found.push(...own);
    // Partial results may have been cut short before there was a number.
    if (own.every(({ state, numbersChecked }) => state === "complete" && numbersChecked === 0)) {
      empty.push(run);
    }
  }
  if (options.json === true) {
    printJson(found);
  } else {
    print(found.map(verificationText).join(""));
  }
  const wrong = found.filter((one) => one.disagreements.length > 0);
  if (wrong.length > 0) {
    throw new OsdynoError(
      "verify",
      `${wrong.length} of ${found.length} results do not agree with their raw data`,
    );
  }
  if (empty.length > 0) {
    const why =
      "there is nothing to check: what it was made of is not there; results pack keeps it";
    throw new OsdynoError("verify", `${empty.join(", ")}: ${why}`);
  }
}

/** What one argument names, with its pages. */
async function verificationsOf(run: string, root: string): Promise<readonly Verification[]> {
  const bench = benchOf(run, root);
  if (bench !== null) {
    return [verifyBench(bench)];
  }
  const directory = isTuneDirectory(run) ? resolve(run) : findResults(run, root);
  return [...verifyResults(directory), ...(await verifyPages(directory))];
}

function verificationText(found: Verification): string {
  const count = found.disagreements.length;
  const verdict =
    count > 0
      ? `${count} ${count === 1 ? "disagreement" : "disagreements"}`
      : found.numbersChecked === 0
        ? "nothing to check"
        : "agrees";
  const state = found.state === "partial" ? ", partial run" : "";
  const head = `${found.directory}: ${verdict} (${found.filesChecked} files, ${found.numbersChecked} numbers${state})`;
  const lines = [
    ...found.disagreements.map((line) => `  ${line}`),
    ...found.notes.map((line) => `  note: ${line}`),
  ];
  return `${[head, ...lines].join("\n")}\n`;
}
