/** `osdyno results ls|show|rm|merge|verify`. */
import Table from "cli-table3";
import { Command } from "commander";
import pc from "picocolors";
import { OsdynoError } from "../../engine/base/error.ts";
import { clientDocument } from "../../results/fio-output.ts";
import { mergeResults } from "../../results/merge.ts";
import { wantsColor } from "../../results/normal-output.ts";
import { parseOutputFormats, parseTerseVersion, renderRuns } from "../../results/output-formats.ts";
import { runsRoot } from "../../results/run-directory.ts";
import {
  findResults,
  listRuns,
  type ResultsEntry,
  removeRun,
  runPaths,
  showRun,
} from "../../results/store.ts";
import { formatCount, formatNs } from "../../results/units.ts";
import { type Verification, verifyRun } from "../../results/verify.ts";
import { writeWhole } from "../../results/whole-file.ts";

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
  withRoot(command.command("show").description("the tables of a run, as after the run"))
    .argument("<run>", "directory, name, label or `latest`")
    .option("--json", "run.json; an array for several runs")
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
  const runs = showRun(findResults(run, options.root));
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

function remove(runs: readonly string[], options: Where): void {
  // All are looked up before the first is removed: a mistyped name removes nothing.
  const paths = runs.map((run) => findResults(run, options.root));
  for (const path of new Set(paths)) {
    removeRun(path);
    process.stderr.write(`removed ${path}\n`);
  }
}

function verify(runs: readonly string[], options: Where): void {
  const found = runs
    .flatMap((run) => runPaths(findResults(run, options.root)))
    .map((path) => verifyRun(path));
  if (options.json === true) {
    printJson(found);
  } else {
    print(found.map(verificationText).join(""));
  }
  const wrong = found.filter((one) => one.disagreements.length > 0);
  if (wrong.length > 0) {
    throw new OsdynoError(
      "verify",
      `${wrong.length} of ${found.length} runs do not agree with their raw data`,
    );
  }
}

function verificationText(found: Verification): string {
  const count = found.disagreements.length;
  const verdict = count === 0 ? "agrees" : `${count} disagreements`;
  const state = found.state === "partial" ? ", partial run" : "";
  const head = `${found.directory}: ${verdict} (${found.filesChecked} files, ${found.numbersChecked} numbers${state})`;
  const lines = [
    ...found.disagreements.map((line) => `  ${line}`),
    ...found.notes.map((line) => `  note: ${line}`),
  ];
  return `${[head, ...lines].join("\n")}\n`;
}
