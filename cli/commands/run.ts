/** `osdyno run`: job files and fio keys in, a run directory, a table and a report out. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { fioDocument } from "../../results/fio-output.ts";
import { normalOutput, wantsColor } from "../../results/normal-output.ts";
import { type PerformedRun, performRun, type RunSettings } from "../../results/perform.ts";
import { runDirectoryName, runsRoot } from "../../results/run-directory.ts";
import type { RunRecord } from "../../results/run-record.ts";
import { parseThreshold, thresholdLine } from "../../results/threshold.ts";
import { formatBytes } from "../../results/units.ts";
import { jobInputs } from "../../workloads/job/arguments.ts";
import { hostEnvironment, readJobFile } from "../../workloads/job/host-environment.ts";
import type { ParsedJobs } from "../../workloads/job/model.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { resolvedToJson } from "../../workloads/job/resolved-json.ts";
import { showcmd } from "../../workloads/job/showcmd.ts";
import { planRun } from "../../workloads/planner.ts";
import { layoutBytes } from "../../workloads/runner/layout.ts";
import { judgeWrites } from "../../workloads/safety.ts";
import { scratchDirectory, scratchPlaces } from "../../workloads/scratch.ts";
import { watchInterrupts } from "../interrupt.ts";
import { formatSeconds, makeProgress } from "../progress.ts";
import { runEvents } from "../run-events.ts";
import { laterFlags, refuseLaterFlags, runFlags } from "../run-flags.ts";
import { type SplitArguments, splitArguments } from "../split-arguments.ts";

type Own = SplitArguments["own"];

const last = (own: Own, name: string): string | undefined => own.get(name)?.at(-1);

function wholeNumber(own: Own, name: string, low: number): number | null {
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

/** Job files, `-` and fio keys of a command line, as the parser takes them. */
export function parseArguments(own: Own, jobs: readonly string[]): ParsedJobs {
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
  return parseJobs(jobInputs(jobs, readJobFile), environment, {
    sections: own.get("section") ?? [],
  });
}

/** Settings that `run` and `sweep` share. */
export function settingsOf(own: Own, command: readonly string[], signal: AbortSignal): RunSettings {
  const intervalMs = wholeNumber(own, "interval", 10) ?? 1000;
  return {
    command: ["osdyno", ...command],
    label: last(own, "label") ?? "",
    target: last(own, "target") ?? null,
    path: choice(own, "path", ["native", "engine"], "native"),
    seed: wholeNumber(own, "seed", 0),
    destroy: own.has("destroy"),
    live: last(own, "live") ?? null,
    thresholds: (own.get("threshold") ?? []).map(parseThreshold),
    report: !own.has("no-report"),
    intervalMs,
    workingDirectory: process.cwd(),
    signal,
  };
}

/** A label from the job files or the first job. */
function labelOf(own: Own, jobs: readonly string[], parsed: ParsedJobs): string {
  const file = jobs.find((name) => !name.startsWith("-"));
  const stem = file
    ?.split("/")
    .at(-1)
    ?.replace(/\.[^.]*$/, "");
  return last(own, "label") ?? stem ?? parsed.jobs[0]?.name ?? "run";
}

function dryRun(parsed: ParsedJobs, settings: RunSettings, json: boolean): number {
  const plan = planRun(parsed.jobs, {
    target: settings.target,
    path: settings.path,
    seed: settings.seed,
    directory: settings.workingDirectory,
  });
  const places = scratchPlaces().map((place) => place.path);
  const verdict = judgeWrites(plan, { destroy: settings.destroy, scratch: places });
  const layout = layoutBytes(plan);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ plan, layoutBytes: layout, safety: verdict }, null, 2)}\n`,
    );
    return verdict.allowed ? 0 : 4;
  }
  const lines = plan.phases.flatMap((phase, number) => [
    `phase ${number + 1} of ${plan.phases.length}: ${phase.jobs.length} job thread(s)`,
    ...phase.jobs.map((job) => {
      const files = job.files.map(
        (file) =>
          `${file.path} [${file.offsetBytes}, ${file.offsetBytes + file.sizeBytes})${file.created ? " (created)" : ""}`,
      );
      const bytes = job.ioBytes === null ? "until its runtime ends" : formatBytes(job.ioBytes);
      return `  ${job.resolved.name}.${job.jobnum}: ${job.resolved.rw}, iodepth ${job.iodepth}, ${bytes}: ${files.join(", ")}`;
    }),
  ]);
  lines.push(
    `time: ${plan.expectedSeconds === null ? "not known (no runtime)" : formatSeconds(plan.expectedSeconds)}`,
    `laid out first: ${formatBytes(layout)}`,
    `written by the jobs: ${plan.expectedWriteBytes === null ? "as much as the runtime allows" : formatBytes(plan.expectedWriteBytes)}`,
    ...verdict.files.map(
      (file) => `safety: ${file.path} ${file.reason}: ${file.allowed ? "allowed" : "REFUSED"}`,
    ),
  );
  if (verdict.files.length === 0) {
    lines.push("safety: nothing is written");
  }
  process.stdout.write(`${lines.join("\n")}\n`);
  return verdict.allowed ? 0 : 4;
}

function writeOutput(path: string | undefined, text: string): void {
  if (path === undefined) {
    process.stdout.write(text);
    return;
  }
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

function show(own: Own, runs: readonly PerformedRun[]): void {
  const format = choice(own, "output-format", ["normal", "json", "json+"], "normal");
  const output = last(own, "output");
  const records = runs.map((run) => run.record);
  if (format !== "normal") {
    const documents = runs.map((run) => fioDocument(run.record, format === "json+"));
    // Several repeats are one document still: an array of fio documents.
    writeOutput(
      output,
      documents.length === 1 ? (documents[0] ?? "") : `[\n${documents.join(",\n")}]\n`,
    );
    return;
  }
  const color = output === undefined && wantsColor(process.stdout);
  const text = records.map((record) => normalOutput(record, { color })).join("\n");
  writeOutput(output, text.endsWith("\n") ? text : `${text}\n`);
}

function judgeThresholds(records: readonly RunRecord[]): boolean {
  const results = records.flatMap((record) => record.osdyno.threshold_results ?? []);
  for (const result of results) {
    process.stderr.write(`${thresholdLine(result)}\n`);
  }
  return results.every((result) => result.passed);
}

async function performAll(
  own: Own,
  jobs: readonly string[],
  parsed: ParsedJobs,
  settings: RunSettings,
): Promise<{ runs: PerformedRun[]; directory: string }> {
  const repeat = wholeNumber(own, "repeat", 1) ?? 1;
  const label = labelOf(own, jobs, parsed);
  const out = last(own, "out");
  const progress = makeProgress(!own.has("no-progress"));
  const events = runEvents(progress);
  const base =
    repeat === 1
      ? (out ?? null)
      : resolve(out ?? join(runsRoot, runDirectoryName(Date.now(), label)));
  const runs: PerformedRun[] = [];
  const ownFiles: string[] = [];
  try {
    for (let number = 1; number <= repeat; number += 1) {
      events.begin(repeat === 1 ? label : `${label} ${number}/${repeat}`);
      if (base !== null && repeat > 1) {
        mkdirSync(base, { recursive: true });
      }
      const run = await performRun({
        parsed,
        directory: repeat === 1 ? base : join(base ?? "", String(number)),
        settings: {
          ...settings,
          label,
          // Replicates differ in their streams, reproducibly.
          seed: repeat === 1 || settings.seed === null ? settings.seed : settings.seed + number - 1,
        },
        events,
        ownFiles,
      });
      runs.push(run);
      ownFiles.push(...run.created);
      if (run.failure !== null) {
        break;
      }
    }
  } finally {
    progress.end();
  }
  const directory = repeat === 1 ? (runs[0]?.directory ?? "") : (base ?? "");
  if (repeat > 1 && settings.report && runs.length > 0) {
    const { writeReport } = await import("../../results/report/write.ts");
    await writeReport(directory);
  }
  return { runs, directory };
}

async function run(args: readonly string[]): Promise<number> {
  const { own, jobs } = splitArguments(args, [...runFlags, ...laterFlags]);
  refuseLaterFlags(own);
  choice(own, "output-format", ["normal", "json", "json+"], "normal");
  const parsed = parseArguments(own, jobs);
  for (const note of parsed.notes) {
    const { file, line } = note.place;
    process.stderr.write(`note: ${file}:${line}: ${note.message}\n`);
  }
  if (own.has("showcmd")) {
    process.stdout.write(showcmd(parsed));
    return 0;
  }
  if (own.has("parse-only")) {
    if (own.has("json")) {
      const document = { jobs: parsed.jobs.map(resolvedToJson), notes: parsed.notes };
      process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    }
    return 0;
  }
  const interrupts = watchInterrupts();
  try {
    const settings = settingsOf(own, ["run", ...args], interrupts.signal);
    if (own.has("dry-run")) {
      return dryRun(parsed, settings, own.has("json"));
    }
    const { runs, directory } = await performAll(own, jobs, parsed, settings);
    show(own, runs);
    const good = judgeThresholds(runs.map((each) => each.record));
    const shown = relative(process.cwd(), directory);
    process.stderr.write(`results: ${shown.startsWith("..") ? directory : shown || "."}\n`);
    const failure = runs.find((each) => each.failure !== null)?.failure;
    if (failure !== null && failure !== undefined) {
      throw failure;
    }
    return good ? 0 : 3;
  } finally {
    interrupts.release();
  }
}

export function runCommand(finish: (code: number) => void): Command {
  const command = new Command("run")
    .description("run job files or fio keys (--KEY=VALUE) and record the result")
    .usage("[JOBFILE...] [fio keys as --KEY=VALUE] [options]")
    .argument("[jobs...]", "job files, - for stdin, and fio's keys")
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(async () => {
      const args = process.argv.slice(process.argv.indexOf("run") + 1);
      if (args.includes("--help") || args.includes("-h")) {
        command.outputHelp();
        return;
      }
      finish(await run(args));
    });
  const lines = [...runFlags, ...laterFlags].map(
    (flag) => `  --${`${flag.name}${flag.value ? " X" : ""}`.padEnd(24)} ${flag.help}`,
  );
  command.addHelpText("after", `\nFlags:\n${lines.join("\n")}`);
  return command;
}
