/** `osdyno run`: job files and fio keys in, a run directory, a table and a report out. */

import { basename, join, relative, resolve } from "node:path";
import type { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { EnduranceBudget, enduranceLines, readEndurance } from "../../results/endurance.ts";
import { checkLogPaths } from "../../results/fio-logs.ts";
import { plannedJobs } from "../../results/job-names.ts";
import { checkThresholds } from "../../results/metric-reach.ts";
import { wantsColor } from "../../results/normal-output.ts";
import { renderRuns } from "../../results/output-formats.ts";
import {
  type PerformedRun,
  performRun,
  type RunSettings,
  safePlan,
} from "../../results/perform.ts";
import { loadedPlugIns, loadPlugIns } from "../../results/plug-ins.ts";
import { drawReport } from "../../results/report/draw.ts";
import { checkOut, clearRepeats, runDirectoryName, runsRoot } from "../../results/run-directory.ts";
import type { RunRecord } from "../../results/run-record.ts";
import { parseThreshold, thresholdLine, thresholdsJunit } from "../../results/threshold.ts";
import { writeWhole } from "../../results/whole-file.ts";
import { readCpuSet } from "../../workloads/cpu-set.ts";
import { jobInputs } from "../../workloads/job/arguments.ts";
import {
  hostEnvironment,
  readJobFile,
  standardInput,
} from "../../workloads/job/host-environment.ts";
import type { ParsedJobs } from "../../workloads/job/model.ts";
import { readTime } from "../../workloads/job/number-value.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { showcmd } from "../../workloads/job/showcmd.ts";
import { checkMemory, filesOf, seedOfRun } from "../../workloads/planner.ts";
import { checkSpace } from "../../workloads/runner/layout.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { readShape } from "../../workloads/shape-profile.ts";
import { readDeviceClass, readSetting, type StackChoice } from "../../workloads/stack.ts";
import { scanTraces, traceFiles } from "../../workloads/trace/plan.ts";
import { dryRun } from "../dry-run.ts";
import { checkFioFlags, fioFlags } from "../fio-flags.ts";
import { watchInterrupts } from "../interrupt.ts";
import { keyHelp } from "../key-help.ts";
import { checkCurve, loadCurve } from "../load-curve.ts";
import { checkPlace, keepApart, type Outputs, outputsOf, writeResult } from "../outputs.ts";
import { parsedJson, parsedText, printNotes } from "../parse-only.ts";
import { type Eta, makeProgress, type Progress } from "../progress.ts";
import { runEvents } from "../run-events.ts";
import { runFlags } from "../run-flags.ts";
import { type SplitArguments, splitArguments } from "../split-arguments.ts";
import { fioFlagCommand } from "./fio-flag-command.ts";

type Own = SplitArguments["own"];

export const last = (own: Own, name: string): string | undefined => own.get(name)?.at(-1);

export function wholeNumber(own: Own, name: string, low: number): number | null {
  const text = last(own, name);
  if (text === undefined) {
    return null;
  }
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < low) {
    throw new OsdynoError("bad-input", `--${name} ${text}: give a whole number of ${low} or more`);
  }
  return value;
}

function choice<T extends string>(own: Own, name: string, allowed: readonly T[], normal: T): T {
  const text = last(own, name) ?? normal;
  const found = allowed.find((value) => value === text);
  if (found === undefined) {
    throw new OsdynoError("bad-input", `--${name} ${text}: choose ${allowed.join(", ")}`);
  }
  return found;
}

interface ParsedArguments {
  readonly parsed: ParsedJobs;
  /** Job files as named. */
  readonly files: readonly string[];
}

/** Job files, `-` and fio keys of a command line, parsed. */
function parseArguments(
  own: Own,
  jobs: readonly string[],
  /** Further keys of every job. */
  more: readonly string[] = [],
): ParsedArguments {
  const host = hostEnvironment();
  const environment = {
    ...host,
    variables: { ...host.variables, SCRATCH: host.variables["SCRATCH"] ?? scratchDirectory() },
  };
  if (jobs.length === 0) {
    throw new OsdynoError(
      "bad-input",
      "no job: name a job file (osdyno list profiles shows some), or give --name=JOB --rw=... --filename=...",
    );
  }
  const inputs = jobInputs(jobs, readJobFile);
  const further = more.length === 0 ? [] : [{ kind: "args", args: [...more] } as const];
  const parsed = parseJobs([...inputs, ...further], environment, {
    sections: own.get("section") ?? [],
    target: last(own, "target") ?? null,
  });
  const files = inputs.flatMap((input) => (input.kind === "file" ? [input.name] : []));
  return { parsed, files };
}

function stackOf(own: Own): StackChoice {
  const deviceClass = last(own, "device-class");
  const shape = last(own, "shape");
  return {
    preset: last(own, "preset") ?? null,
    settings: (own.get("set") ?? []).map((text) => readSetting(text, "--set")),
    deviceClass: deviceClass === undefined ? null : readDeviceClass(deviceClass),
    ...(shape === undefined ? {} : { shape: readShape(shape, process.cwd()) }),
    ...cpusOf(own),
  };
}

/** `--generator-cpus` and `--target-cpus`; nothing when neither is given. */
function cpusOf(own: Own): Pick<StackChoice, "cpus"> {
  const read = (name: string) => {
    const text = last(own, name);
    return text === undefined ? null : readCpuSet(`--${name}`, text);
  };
  const cpus = { generator: read("generator-cpus"), target: read("target-cpus") };
  return cpus.generator === null && cpus.target === null ? {} : { cpus };
}

function enduranceOf(own: Own): Pick<RunSettings, "endurance"> {
  const text = last(own, "endurance");
  return text === undefined
    ? {}
    : { endurance: new EnduranceBudget(readEndurance(text, process.cwd())) };
}

/** `--stages`: `off` is 0. */
function stagesOf(own: Own): number | "auto" {
  const text = last(own, "stages") ?? "auto";
  return text === "auto" ? "auto" : text === "off" ? 0 : (wholeNumber(own, "stages", 1) ?? 0);
}

/** Settings that `run` and `sweep` share. */
export function settingsOf(own: Own, command: readonly string[], signal: AbortSignal): RunSettings {
  const intervalMs = wholeNumber(own, "interval", 10);
  const clock = choice(own, "clock", ["real", "virtual"], "real");
  return {
    command: ["osdyno", ...command],
    label: last(own, "label") ?? "",
    target: last(own, "target") ?? null,
    path: choice(own, "path", ["native", "engine"], clock === "virtual" ? "engine" : "native"),
    clock,
    stagesOneIn: stagesOf(own),
    seed: wholeNumber(own, "seed", 0),
    destroy: own.has("destroy"),
    live: last(own, "live") ?? null,
    stack: stackOf(own),
    ...enduranceOf(own),
    plugIns: loadedPlugIns(),
    thresholds: (own.get("threshold") ?? []).map(parseThreshold),
    report: !own.has("no-report"),
    intervalMs,
    workingDirectory: process.cwd(),
    signal,
  };
}

/** A label from the job file or the first job. */
function labelOf(files: readonly string[], parsed: ParsedJobs): string {
  const file = files.find((name) => name !== standardInput);
  const stem = file === undefined ? undefined : basename(file).replace(/\.[^.]*$/, "");
  return stem ?? parsed.jobs[0]?.name ?? "run";
}

/** What was shown while the run went on: a file must hold all of it, one after the other. */
interface Shown {
  text: string;
}

function show(outputs: Outputs, shown: Shown, records: readonly RunRecord[]): void {
  const stream = outputs.live === "-" ? process.stderr : process.stdout;
  const color = outputs.file === null && wantsColor(stream);
  const text = renderRuns(
    records.map((record) => ({ record })),
    { ...outputs, color },
  );
  shown.text = outputs.file === null ? text : shown.text + text;
  writeResult(outputs, shown.text);
}

function etaOf(own: Own): Eta {
  return choice(own, "eta", ["auto", "always", "never"], "auto");
}

/** A time of at least 100 ms in ms; fio reads bare numbers as seconds. */
function timeMs(own: Own, name: string): number | null {
  const text = last(own, name);
  if (text === undefined) {
    return null;
  }
  const ms = Number(readTime(text, true) ?? 0n) / 1000;
  if (ms < 100) {
    throw new OsdynoError("bad-input", `--${name} ${text}: give at least 100ms`);
  }
  return ms;
}

/** Milliseconds between two results while the run goes on. */
function statusEveryMs(own: Own): number | null {
  return timeMs(own, "status-interval");
}

/** Progress as the flags want it. */
function progressOf(own: Own): Progress {
  const everyMs = timeMs(own, "eta-interval") ?? timeMs(own, "eta-newline");
  return makeProgress(
    !own.has("no-progress"),
    etaOf(own),
    everyMs === null ? null : everyMs / 1000,
  );
}

/** fio's flags that refuse jobs: `--warnings-fatal`, `--readonly`, `--max-jobs`. */
function checkJobs(own: Own, parsed: ParsedJobs): void {
  if (own.has("warnings-fatal") && parsed.notes.length > 0) {
    throw new OsdynoError("bad-input", "--warnings-fatal: there are notes on the job, see above");
  }
  const most = wholeNumber(own, "max-jobs", 1);
  const count = parsed.jobs.reduce((sum, job) => sum + job.numjobs, 0);
  if (most !== null && count > most) {
    throw new OsdynoError("bad-input", `--max-jobs ${most}: there are ${count} jobs`);
  }
  const writer = parsed.jobs.find(
    ({ rw, objects }) => objects !== null || (rw !== "read" && rw !== "randread"),
  );
  if (own.has("readonly") && writer !== undefined) {
    throw new OsdynoError("unsafe", `--readonly: job ${writer.name} has rw=${writer.rw}`);
  }
}

/** Says how each threshold was met; false when one was missed. */
export function judgeThresholds(records: readonly RunRecord[]): boolean {
  const results = records.flatMap((record) => record.osdyno.threshold_results ?? []);
  for (const result of results) {
    process.stderr.write(`${thresholdLine(result)}\n`);
  }
  return results.every((result) => result.passed);
}

interface Performed {
  readonly runs: readonly PerformedRun[];
  readonly directory: string;
  /** What went wrong first; null when all went well. */
  readonly failure: OsdynoError | null;
}

/** One run in `--out` or a new directory. */
async function performOne(parsed: ParsedJobs, settings: RunSettings, own: Own): Promise<Performed> {
  const progress = progressOf(own);
  const events = runEvents(progress);
  events.begin(settings.label);
  try {
    const directory = last(own, "out") ?? null;
    const run = await performRun({ parsed, directory, settings, events });
    return { runs: [run], directory: run.directory, failure: run.failure };
  } finally {
    progress.end();
  }
}

/** Independent runs in `1/`, `2/`, ... of one directory; ends with the first that fails. */
async function performRepeats(
  parsed: ParsedJobs,
  settings: RunSettings,
  own: Own,
  repeat: number,
): Promise<Performed> {
  const progress = progressOf(own);
  const events = runEvents(progress);
  const { label, seed } = settings;
  const first = seedOfRun(parsed.jobs, seed);
  const base = resolve(last(own, "out") ?? join(runsRoot, runDirectoryName(Date.now(), label)));
  clearRepeats(base);
  const runs: PerformedRun[] = [];
  let failure: OsdynoError | null = null;
  try {
    for (let number = 1; number <= repeat && failure === null; number += 1) {
      events.begin(`${label} ${number}/${repeat}`);
      const run = await performRun({
        parsed,
        directory: join(base, String(number)),
        // Replicates differ in their streams, reproducibly; the first is as without --repeat.
        settings: { ...settings, seed: number === 1 ? seed : first + number - 1 },
        events,
        ownFiles: runs.flatMap((each) => each.created),
      });
      runs.push(run);
      failure = run.failure;
    }
  } catch (error) {
    // What the runs before it measured counts.
    if (runs.length === 0 || !(error instanceof OsdynoError)) {
      throw error;
    }
    failure = error;
  } finally {
    progress.end();
  }
  if (settings.report) {
    await drawReport(base);
  }
  return { runs, directory: base, failure };
}

/** `--junit` without a threshold would say that all is well. Throws `bad-input`. */
export function checkJunit(own: Own): void {
  const file = last(own, "junit");
  if (file !== undefined && !own.has("threshold")) {
    throw new OsdynoError("bad-input", `--junit ${file}: there is no --threshold to write down`);
  }
  if (file !== undefined) {
    checkPlace("junit", file);
  }
}

/** Writes the thresholds of runs where `--junit` says. */
export function writeJunit(own: Own, runs: Parameters<typeof thresholdsJunit>[0]): void {
  const file = last(own, "junit");
  if (file !== undefined) {
    writeWhole(file, thresholdsJunit(runs));
  }
}

/** Everything that can be known to be wrong before something is created. */
function checkFirst(
  parsed: ParsedJobs,
  settings: RunSettings,
  own: Own,
  outputs: Outputs,
  files: readonly string[],
): void {
  const out = last(own, "out");
  if (out !== undefined) {
    checkOut(out, (wholeNumber(own, "repeat", 1) ?? 1) === 1 ? "run" : "repeat");
  }
  const plan = safePlan({ parsed, directory: out ?? null, settings });
  checkThresholds(settings, [plan]);
  checkJunit(own);
  checkMemory(plan);
  checkSpace([plan]);
  const traces = plan.phases.flatMap(({ jobs }) => jobs.flatMap(traceFiles));
  const used = [...files, ...traces, ...filesOf(plan).map((file) => file.path)];
  keepApart(outputs, used);
  statusEveryMs(own);
  etaOf(own);
  timeMs(own, "eta-interval");
  timeMs(own, "eta-newline");
  if ((wholeNumber(own, "repeat", 1) ?? 1) === 1) {
    checkLogPaths(plannedJobs(plan), settings.workingDirectory, used);
  }
}

async function measure(
  parsed: ParsedJobs,
  settings: RunSettings,
  own: Own,
  outputs: Outputs,
): Promise<number> {
  const repeat = wholeNumber(own, "repeat", 1) ?? 1;
  const shown: Shown = { text: "" };
  const everyMs = statusEveryMs(own);
  const status =
    everyMs === null
      ? {}
      : { status: { everyMs, show: (record: RunRecord) => show(outputs, shown, [record]) } };
  const { runs, directory, failure } =
    repeat === 1
      ? await performOne(parsed, { ...settings, ...status, logs: "working-directory" }, own)
      : await performRepeats(parsed, settings, own, repeat);
  let unshown: OsdynoError | null = null;
  try {
    show(
      outputs,
      shown,
      runs.map((each) => each.record),
    );
  } catch (error) {
    if (!(error instanceof OsdynoError)) {
      throw error;
    }
    unshown = error;
  }
  const good = judgeThresholds(runs.map((each) => each.record));
  writeJunit(
    own,
    runs.map(({ record }, place) => {
      const number = runs.length === 1 ? "" : ` ${place + 1}`;
      return { name: `${settings.label}${number}`, record };
    }),
  );
  const place = relative(process.cwd(), directory);
  process.stderr.write(`results: ${place.startsWith("..") ? directory : place || "."}\n`);
  const wrong = failure ?? unshown;
  if (wrong !== null) {
    throw wrong;
  }
  return good ? 0 : 3;
}

/** What will be written, before anything is; `times` null: nobody knows how many runs there will be. */
function tellEndurance(parsed: ParsedJobs, settings: RunSettings, times: number | null): void {
  const { endurance } = settings;
  if (endurance !== undefined) {
    const { expectedWriteBytes: bytes } = safePlan({ parsed, directory: null, settings });
    const all = bytes === null || times === null ? null : bytes * times;
    process.stderr.write(`${enduranceLines(endurance.choice, all).join("\n")}\n`);
  }
}

async function run(args: readonly string[]): Promise<number> {
  checkFioFlags(args);
  const { own, jobs } = splitArguments(args, [...runFlags, ...fioFlags]);
  const help = keyHelp(last(own, "cmdhelp") ?? null, last(own, "enghelp") ?? null);
  if (help !== null) {
    process.stdout.write(help);
    return 0;
  }
  await loadPlugIns(own.get("plugin") ?? []);
  const { parsed, files } = parseArguments(own, jobs);
  printNotes(parsed.notes);
  checkJobs(own, parsed);
  if (own.has("showcmd")) {
    process.stdout.write(showcmd(parsed));
    return 0;
  }
  const outputs = outputsOf(own);
  if (own.has("parse-only")) {
    writeResult(outputs, outputs.format === "normal" ? parsedText(parsed) : parsedJson(parsed));
    return 0;
  }
  const interrupts = watchInterrupts();
  try {
    const common = settingsOf(own, ["run", ...args], interrupts.signal);
    const settings = { ...common, label: last(own, "label") ?? labelOf(files, parsed) };
    await scanTraces(parsed.jobs, settings.workingDirectory, interrupts.signal);
    if (own.has("dry-run")) {
      dryRun([{ name: "", parsed, settings }], last(own, "out"), outputs);
      return 0;
    }
    if (own.has("load-curve")) {
      checkCurve(own, parsed);
      checkThresholds(settings, [
        safePlan({ parsed, directory: last(own, "out") ?? null, settings }),
      ]);
      const parse = (keys: readonly string[]) => parseArguments(own, jobs, keys).parsed;
      tellEndurance(parsed, settings, null);
      return await loadCurve({ own, settings, outputs, parse });
    }
    checkFirst(parsed, settings, own, outputs, files);
    tellEndurance(parsed, settings, wholeNumber(own, "repeat", 1) ?? 1);
    return await measure(parsed, settings, own, outputs);
  } finally {
    interrupts.release();
  }
}

export function runCommand(finish: (code: number) => void): Command {
  return fioFlagCommand(
    {
      name: "run",
      description: "run job files or fio keys (--KEY=VALUE) and record the result",
      usage: "[JOBFILE...] [fio keys as --KEY=VALUE] [options]",
      argument: ["[jobs...]", "job files, - for stdin, and fio's keys"],
      flags: runFlags,
      run: run,
    },
    finish,
  );
}
