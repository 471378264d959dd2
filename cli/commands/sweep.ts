/** `osdyno sweep`: every point of a matrix, repeated in randomised blocks, resumable. */
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import type { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { enduranceLines } from "../../results/endurance.ts";
import { enduranceIn } from "../../results/endurance-ledger.ts";
import { readNoise } from "../../results/noise-record.ts";
import { loadedPlugIns, loadPlugIns } from "../../results/plug-ins.ts";
import { drawReport } from "../../results/report/draw.ts";
import { loadReport } from "../../results/report/load.ts";
import { runDirectoryName, runsRoot } from "../../results/run-directory.ts";
import { readRun } from "../../results/run-schema.ts";
import { isSniaFile } from "../../results/snia/spec.ts";
import {
  plansOf,
  type SweepRequest,
  settled,
  sweepPoints,
} from "../../results/sweep/plan-sweep.ts";
import { withPlugIns } from "../../results/sweep/plug-ins.ts";
import { preparationsOf, runSweep, type SweepResult } from "../../results/sweep/run-sweep.ts";
import { loadSweepPlugIns, readSweep, type SweepSpec } from "../../results/sweep/spec.ts";
import { looksOf } from "../../results/sweep/stop.ts";
import { tableText } from "../../results/sweep/table-text.ts";
import { formatBytes } from "../../results/units.ts";
import { jobInputs } from "../../workloads/job/arguments.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { showcmd } from "../../workloads/job/showcmd.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { scanTraces } from "../../workloads/trace/plan.ts";
import { type DryStop, dryRun } from "../dry-run.ts";
import { checkFioFlags, fioFlags } from "../fio-flags.ts";
import { watchInterrupts } from "../interrupt.ts";
import { tellingKept } from "../kept-line.ts";
import { type Outputs, outputsOf, writeResult } from "../outputs.ts";
import { parsedJson, parsedText } from "../parse-only.ts";
import { makeProgress, quietProgress } from "../progress.ts";
import { runEvents } from "../run-events.ts";
import { type RunFlag, runFlags } from "../run-flags.ts";
import { sniaSweep } from "../snia.ts";
import { type SplitArguments, splitArguments } from "../split-arguments.ts";
import { fioFlagCommand } from "./fio-flag-command.ts";
import { checkJunit, judgeThresholds, last, settingsOf, wholeNumber, writeJunit } from "./run.ts";

/** What a flag means here, where that is not what it means for one run. */
const sweepHelp: Readonly<Record<string, string>> = {
  repeat: "runs of each point, in as many randomised blocks (default: the file's)",
  seed: "seed of the order of the runs and of their streams (default 1)",
  out: "the sweep's directory (default: results/runs/<time>-<name>)",
  "output-format": "normal (default): the table; json: sweep.json",
};

/** Flags of one run's job or progress. */
const ofRun: readonly string[] = [
  ...["cmdhelp", "enghelp", "warnings-fatal", "readonly", "max-jobs"],
  ...["eta-interval", "eta-newline", "load-curve"],
];

const sweepFlags: readonly RunFlag[] = [
  ...runFlags
    .filter((flag) => !ofRun.includes(flag.name))
    .map((flag) => ({ ...flag, help: sweepHelp[flag.name] ?? flag.help })),
  { name: "resume", value: true, help: "finish the sweep in this directory" },
  { name: "budget", value: true, help: "start no further run after this time, e.g. 20m" },
  {
    name: "scale",
    value: true,
    help: "of a test of the SNIA PTS: none, or capacity=SIZE,minute=TIME,cycles=N instead of the file's",
  },
];

/** `90`, `90s`, `20m`, `2h` in seconds. */
export function seconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h)?$/.exec(text);
  if (match === null) {
    throw new OsdynoError("bad-input", `--budget ${text}: give a time such as 90s, 20m or 2h`);
  }
  return Number(match[1]) * { s: 1, m: 60, h: 3600 }[(match[2] ?? "s") as "s" | "m" | "h"];
}

export interface SweepOutcome {
  readonly result: SweepResult;
  readonly report: string | null;
}

/** The sweep file and fio keys that override it. */
function sweepArguments(jobs: readonly string[]): { file: string; overrides: readonly string[] } {
  const [file, ...overrides] = jobs;
  if (file === undefined || file.startsWith("-")) {
    throw new OsdynoError(
      "bad-input",
      "name the sweep file first (osdyno list profiles shows some)",
    );
  }
  const inputs = jobInputs(overrides, (name) => name);
  const stray = inputs.find((input) => input.kind === "file");
  if (stray !== undefined) {
    throw new OsdynoError(
      "bad-input",
      `${stray.name}: a sweep takes one file and fio keys as --KEY=VALUE`,
    );
  }
  return { file, overrides };
}

/** `--repeat` stands for the file's `repeat:`; a stop rule goes on from there. */
function withRepeat(spec: SweepSpec, repeat: number | null): SweepSpec {
  const { until } = spec;
  if (repeat === null) {
    return spec;
  }
  const most = until === null ? null : { ...until, maxRepeat: Math.max(until.maxRepeat, repeat) };
  return { ...spec, repeat, until: most };
}

/** What a command line asks for; reads the sweep file and creates nothing. */
function sweepRequest(
  own: SplitArguments["own"],
  jobs: readonly string[],
  command: readonly string[],
  signal: AbortSignal,
): Omit<SweepRequest, "events"> {
  const { file, overrides } = sweepArguments(jobs);
  const { endurance: given, ...settings } = settingsOf(own, command, signal);
  const read = withPlugIns(readSweep(file), loadedPlugIns(), settings.stack?.settings ?? []);
  const spec = withRepeat(read, wholeNumber(own, "repeat", 1));
  const resume = last(own, "resume");
  const name = settings.label === "" ? spec.name : settings.label;
  const out = resume ?? last(own, "out") ?? join(runsRoot, runDirectoryName(Date.now(), name));
  const budget = last(own, "budget");
  const endurance = enduranceIn(resolve(out), resume !== undefined, given?.choice ?? null);
  const host = hostEnvironment();
  const variables = { SCRATCH: host.variables["SCRATCH"] ?? scratchDirectory() };
  return {
    spec,
    directory: resolve(out),
    resume: resume !== undefined,
    seed: settings.seed ?? 1,
    overrides,
    sections: own.get("section") ?? [],
    noise: readNoise(),
    budgetSeconds: budget === undefined ? null : seconds(budget),
    settings: { ...settings, ...(endurance === null ? {} : { endurance }), report: false },
    variables,
    environment: { ...host, variables: { ...host.variables, ...variables } },
  };
}

/** Runs and reports a sweep; used by the command and by `npm start`. */
async function perform(
  request: Omit<SweepRequest, "events">,
  own: SplitArguments["own"],
): Promise<SweepOutcome> {
  const progress = makeProgress(!own.has("no-progress"));
  const events = runEvents(progress);
  const point: SweepRequest["events"]["point"] = ({ parameters }, repetition, done, total) =>
    events.begin(
      `${done + 1}/${total} ${Object.values(parameters).join(", ")} (repeat ${repetition})`,
    );
  const preparing: SweepRequest["events"]["preparing"] = ({ bytes }) =>
    events.begin(`preparing a store: ${formatBytes(bytes)} are written and deleted`);
  // Of a single block there is nothing yet that the end does not tell.
  const { repeat } = request.spec;
  const standing: SweepRequest["events"]["standing"] = (text, block) => {
    if (repeat > 1) {
      progress.board(text, block);
    }
  };
  try {
    const result = await runSweep({
      ...request,
      events: { ...events, point, standing, preparing },
    });
    progress.end();
    if (result.completed === 0 && result.failure !== null) {
      throw result.failure;
    }
    if (own.has("no-report")) {
      return { result, report: null };
    }
    return { result, report: await drawReport(result.directory) };
  } finally {
    progress.end();
  }
}

/** Reads, runs and reports a sweep: what `npm start` does. */
export async function sweepWith(
  args: readonly string[],
  command: readonly string[],
): Promise<SweepOutcome> {
  const { own, jobs } = splitArguments(args, sweepFlags);
  await loadPlugIns(own.get("plugin") ?? []);
  await loadSweepPlugIns(sweepArguments(jobs).file);
  const interrupts = watchInterrupts();
  try {
    return await perform(sweepRequest(own, jobs, command, interrupts.signal), own);
  } finally {
    interrupts.release();
  }
}

/** The thresholds of every run that was made; false when one is missed. */
function judgeSweep({ directory, record }: SweepResult, own: SplitArguments["own"]): boolean {
  const runs = record.points
    .flatMap((point) => point.runs)
    .filter((run) => existsSync(join(directory, run, "run.json")))
    .map((run) => ({ name: run, record: readRun(join(directory, run)) }));
  writeJunit(own, runs);
  return judgeThresholds(runs.map((each) => each.record));
}

async function measure(
  request: Omit<SweepRequest, "events">,
  own: SplitArguments["own"],
  outputs: Outputs,
): Promise<number> {
  const { result } = await perform(request, own);
  const text =
    outputs.format === "normal"
      ? tableText(loadReport(result.directory))
      : JSON.stringify(result.record, null, 2);
  writeResult(outputs, `${text}\n`);
  const good = own.has("threshold") ? judgeSweep(result, own) : true;
  const shown = relative(process.cwd(), result.directory);
  process.stderr.write(`results: ${shown.startsWith("..") ? result.directory : shown}\n`);
  if (result.failure !== null) {
    throw result.failure;
  }
  return good ? 0 : 3;
}

/** What a dry run says of a stop rule. */
function dryStop(spec: SweepSpec): DryStop | null {
  const { until } = spec;
  if (until === null) {
    return null;
  }
  const { maxRepeat, timeSeconds, within, decided } = until;
  const looks = within !== null || decided ? looksOf(spec).map(({ runs }) => runs) : [];
  return { most: maxRepeat, looks, timeSeconds };
}

async function sweep(args: readonly string[]): Promise<number> {
  checkFioFlags(args);
  const { own, jobs } = splitArguments(args, [...sweepFlags, ...fioFlags]);
  await loadPlugIns(own.get("plugin") ?? []);
  if (!isSniaFile(sweepArguments(jobs).file)) {
    await loadSweepPlugIns(sweepArguments(jobs).file);
  }
  const outputs = outputsOf(own);
  const interrupts = watchInterrupts();
  const command = ["sweep", ...args];
  try {
    const { file, overrides } = sweepArguments(jobs);
    if (isSniaFile(file)) {
      const budget = last(own, "budget");
      const budgetSeconds = budget === undefined ? null : seconds(budget);
      const { signal } = interrupts;
      return await sniaSweep({ file, overrides, own, command, budgetSeconds, signal }, outputs);
    }
    if (own.has("scale")) {
      throw new OsdynoError("bad-input", `--scale is for tests of the SNIA PTS; ${file} is none`);
    }
    const request = sweepRequest(own, jobs, command, interrupts.signal);
    const events = { ...runEvents(quietProgress()), point() {}, standing() {}, preparing() {} };
    const points = () => sweepPoints({ ...request, events });
    if (own.has("showcmd")) {
      process.stdout.write(
        points()
          .map(({ run }) => showcmd(run.parsed))
          .join(""),
      );
      return 0;
    }
    if (own.has("parse-only")) {
      const documents = points().map(({ point, run }) => ({
        point,
        ...JSON.parse(parsedJson(run.parsed)),
      }));
      const texts = points().map(({ point, run }) => `# ${point.id}\n${parsedText(run.parsed)}`);
      const json = `${JSON.stringify(documents, null, 2)}\n`;
      writeResult(outputs, outputs.format === "normal" ? texts.join("\n") : json);
      return 0;
    }
    for (const { run } of points()) {
      const { workingDirectory } = request.settings;
      await scanTraces(run.parsed.jobs, workingDirectory, interrupts.signal);
    }
    if (own.has("dry-run")) {
      const asked = settled({ ...request, events }, []);
      const runs = sweepPoints(asked).map(({ point, run }) => ({ name: point.id, ...run }));
      const { repeat, notes } = asked.spec;
      dryRun(runs, request.directory, outputs, {
        ...{ repeat, notes, until: dryStop(asked.spec) },
        preparations: preparationsOf(asked),
      });
      return 0;
    }
    checkJunit(own);
    tellEndurance({ ...request, events });
    return await tellingKept(request.directory, "sweep.json", () => measure(request, own, outputs));
  } finally {
    interrupts.release();
  }
}

/** What all runs are going to write, before anything is; of what is resumed nobody knows how much is left. */
function tellEndurance(request: SweepRequest): void {
  const { settings, spec, resume } = request;
  if (settings.endurance !== undefined) {
    const each = resume ? [null] : plansOf(request, []).map((plan) => plan.expectedWriteBytes);
    const { until } = spec;
    const once = each.includes(null)
      ? null
      : each.reduce<number>((sum, one) => sum + (one ?? 0), 0);
    const bytes = once === null ? null : once * (until?.maxRepeat ?? spec.repeat);
    const { choice, beforeBytes } = settings.endurance;
    const lines = enduranceLines(choice, bytes, beforeBytes);
    process.stderr.write(`${lines.join("\n")}\n`);
  }
}

export function sweepCommand(finish: (code: number) => void): Command {
  return fioFlagCommand(
    {
      name: "sweep",
      description: "run every point of a sweep file, in randomised blocks, and report on all",
      usage: "FILE.yaml [fio keys as --KEY=VALUE] [options]",
      argument: ["[file]", "the sweep file"],
      flags: sweepFlags,
      run: sweep,
    },
    finish,
  );
}
