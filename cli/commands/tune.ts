/** `osdyno tune`: searches a space of options, job keys and host knobs, and confirms what it finds. */
import { join, relative, resolve } from "node:path";
import type { Command } from "commander";
import { OsdynoError } from "../../engine/base/error.ts";
import { enduranceLines } from "../../results/endurance.ts";
import { enduranceIn } from "../../results/endurance-ledger.ts";
import { loadedPlugIns, loadPlugIns } from "../../results/plug-ins.ts";
import { drawReport } from "../../results/report/draw.ts";
import { runDirectoryName, runsRoot } from "../../results/run-directory.ts";
import { leastSeconds, type SweepRequest } from "../../results/sweep/plan-sweep.ts";
import { type GivenSetting, type PlugInWords, withPlugIns } from "../../results/sweep/plug-ins.ts";
import type { TuneRequest } from "../../results/tune/request.ts";
import {
  checkedPlans,
  confirmingRuns,
  previewOf,
  runTune,
  settledTune,
} from "../../results/tune/run-tune.ts";
import { methods } from "../../results/tune/search.ts";
import { sizeOf } from "../../results/tune/space.ts";
import { loadTunePlugIns, readTune, type TuneSpec } from "../../results/tune/spec.ts";
import { boardText } from "../../results/tune/standing.ts";
import { spaceOf } from "../../results/tune/trials.ts";
import { formatBytes, ofVirtualTime } from "../../results/units.ts";
import { jobInputs } from "../../workloads/job/arguments.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { scratchDirectory } from "../../workloads/scratch.ts";
import { checkFioFlags, fioFlags } from "../fio-flags.ts";
import { watchInterrupts } from "../interrupt.ts";
import { tellingKept } from "../kept-line.ts";
import { type Outputs, outputsOf, writeResult } from "../outputs.ts";
import { formatSeconds, makeProgress, quietProgress } from "../progress.ts";
import { runEvents } from "../run-events.ts";
import { type RunFlag, runFlags } from "../run-flags.ts";
import { type SplitArguments, splitArguments } from "../split-arguments.ts";
import { fioFlagCommand } from "./fio-flag-command.ts";
import { last, settingsOf } from "./run.ts";
import { seconds } from "./sweep.ts";

type Own = SplitArguments["own"];

/** What a flag means here, where that is not what it means for one run. */
const tuneHelp: Readonly<Record<string, string>> = {
  seed: "seed of the search, of the order of the confirmation and of the runs (default: the file's)",
  out: "the tuning's directory (default: results/runs/<time>-<name>)",
  "output-format": "normal (default): the answer; json: tune.json",
  "dry-run": "print the space, the runs and the time, and check every value",
};

const shared: readonly string[] = [
  ...["section", "target", "set", "preset", "plugin", "device-class", "seed", "label", "out"],
  ...["path", "clock", "destroy", "output-format", "output", "json", "interval", "dry-run"],
  ...["no-progress", "no-report", "help", "endurance", "generator-cpus", "target-cpus", "shape"],
];

const tuneFlags: readonly RunFlag[] = [
  ...runFlags
    .filter(({ name }) => shared.includes(name))
    .map((flag) => ({ ...flag, help: tuneHelp[flag.name] ?? flag.help })),
  { name: "method", value: true, help: `${methods.join(", ")} (default: the file's)` },
  { name: "budget", value: true, help: "time for everything, e.g. 20m (default: the file's)" },
  { name: "resume", value: true, help: "finish the tuning in this directory" },
];

/** The tune file and fio keys that override it. */
function tuneArguments(jobs: readonly string[]): { file: string; overrides: readonly string[] } {
  const [file, ...overrides] = jobs;
  if (file === undefined || file.startsWith("-")) {
    const hint = "name the tune file first (osdyno list profiles shows some)";
    throw new OsdynoError("bad-input", hint);
  }
  const stray = jobInputs(overrides, (name) => name).find((input) => input.kind === "file");
  if (stray !== undefined) {
    const what = `${stray.name}: a tuning takes one file and fio keys as --KEY=VALUE`;
    throw new OsdynoError("bad-input", what);
  }
  return { file, overrides };
}

/** The file with what the command line says instead. */
function withFlags(tune: TuneSpec, own: Own): TuneSpec {
  const name = last(own, "method");
  const method = name === undefined ? tune.method : methods.find((each) => each === name);
  if (method === undefined) {
    throw new OsdynoError("bad-input", `--method ${name}: give one of ${methods.join(", ")}`);
  }
  const time = last(own, "budget");
  const budget = time === undefined ? tune.budget : { ...tune.budget, seconds: seconds(time) };
  return { ...tune, method, budget };
}

const plugInWords: PlugInWords = {
  nobody: "no configuration",
  noAxis: "the space has no parameter that",
  axis: "the space at",
};

/** Plug-ins join the space where it lists values of the option that selects them. */
function withOwnPlugIns(tune: TuneSpec, given: readonly GivenSetting[]): TuneSpec {
  return { ...tune, sweep: withPlugIns(tune.sweep, loadedPlugIns(), given, plugInWords) };
}

interface Asked {
  readonly tune: TuneSpec;
  readonly base: Omit<SweepRequest, "events">;
}

function requestOf(
  own: Own,
  jobs: readonly string[],
  command: readonly string[],
  signal: AbortSignal,
): Asked {
  const { file, overrides } = tuneArguments(jobs);
  const { endurance: given, ...settings } = settingsOf(own, command, signal);
  const tune = withOwnPlugIns(withFlags(readTune(file), own), settings.stack?.settings ?? []);
  const resume = last(own, "resume");
  const name = settings.label === "" ? tune.sweep.name : settings.label;
  const out = resume ?? last(own, "out") ?? join(runsRoot, runDirectoryName(Date.now(), name));
  const endurance = enduranceIn(resolve(out), resume !== undefined, given?.choice ?? null);
  const host = hostEnvironment();
  const variables = { SCRATCH: host.variables["SCRATCH"] ?? scratchDirectory() };
  return {
    tune,
    base: {
      spec: tune.sweep,
      directory: resolve(out),
      resume: resume !== undefined,
      seed: settings.seed ?? tune.seed,
      overrides,
      sections: own.get("section") ?? [],
      budgetSeconds: null,
      settings: { ...settings, ...(endurance === null ? {} : { endurance }), report: false },
      variables,
      environment: { ...host, variables: { ...host.variables, ...variables } },
    },
  };
}

/** What all runs are going to write; those of the default stand for all. */
function enduranceOf({ tune, base }: TuneRequest, eachBytes: number | null): readonly string[] {
  const { endurance } = base.settings;
  const { runs } = tune.budget;
  const known = eachBytes !== null && runs !== null && !base.resume;
  return endurance === undefined
    ? []
    : enduranceLines(endurance.choice, known ? eachBytes * runs : null, endurance.beforeBytes);
}

const quietEvents = { point() {}, standing() {}, preparing() {} };

function enduranceText({ tune, base }: Asked): string {
  const asked = {
    tune,
    base: { ...base, events: { ...runEvents(quietProgress()), ...quietEvents } },
  };
  const [first] = base.resume ? [] : checkedPlans(asked, []);
  return `${enduranceOf(asked, first?.plan.expectedWriteBytes ?? null).join("\n")}\n`;
}

/** What will be done; plans the default and every value, and creates nothing. */
function dryText(request: TuneRequest): string {
  const { tune, base } = settledTune(request, []);
  const plans = checkedPlans({ tune, base }, []);
  const space = spaceOf(tune);
  const each = plans[0]?.plan.expectedSeconds ?? null;
  const { runs, seconds: time } = tune.budget;
  const virtual = base.settings.clock === "virtual";
  const total =
    runs === null || each === null
      ? "not known"
      : virtual
        ? `${formatSeconds(runs * each)} ${ofVirtualTime}`
        : `about ${formatSeconds(runs * (each + 1))}`;
  const asked = [
    ...(runs === null ? [] : [`${runs} runs`]),
    ...(time === null ? [] : [`${formatSeconds(time)} of time`]),
  ];
  return [
    ...space.map(({ name, values }) => `${name}: ${values.join(", ")}`),
    `space: ${sizeOf(space)} configurations; ${plans.length - 1} values of ${space.length} parameters checked`,
    `goals: ${tune.goals.map(({ direction, metric }) => `${direction} ${metric}`).join(", ")}`,
    ...(tune.limits.length === 0
      ? []
      : [`limits: ${tune.limits.map(({ text }) => text).join(", ")}`]),
    `search: ${tune.method}; budget ${asked.join(", ")}, of which ${confirmingRuns(tune)} runs are the confirmation`,
    `time: ${total}`,
    ...(previewOf(request, plans).preview === true
      ? [
          `note: runs of less than ${leastSeconds} s are a preview: the confirmation gives no verdict; give the job runtime=${leastSeconds} or more`,
        ]
      : []),
    ...tune.sweep.notes.map((note) => `note: ${note}`),
    ...enduranceOf(request, plans[0]?.plan.expectedWriteBytes ?? null),
    "",
  ].join("\n");
}

async function measure(request: Asked, own: Own, outputs: Outputs): Promise<number> {
  const progress = makeProgress(!own.has("no-progress"));
  const events = runEvents(progress);
  const point: SweepRequest["events"]["point"] = ({ id, parameters }, repetition, done, total) => {
    const what = Object.entries(parameters)
      .map(([name, value]) => `${name}=${value}`)
      .join(", ");
    events.begin(`${done + 1}/${total} ${id} (${repetition}) ${what}`);
  };
  const preparing: SweepRequest["events"]["preparing"] = ({ bytes }) =>
    events.begin(`preparing a store: ${formatBytes(bytes)} are written and deleted`);
  const standing: SweepRequest["events"]["standing"] = (text, whole) => progress.board(text, whole);
  try {
    const { tune, base } = request;
    const result = await runTune({
      tune,
      base: { ...base, events: { ...events, point, preparing, standing } },
    });
    progress.end();
    const { record, directory, failure, completed } = result;
    if (completed === 0 && failure !== null) {
      throw failure;
    }
    if (!own.has("no-report")) {
      await drawReport(directory);
    }
    const text =
      outputs.format === "normal"
        ? [...record.answer, "", boardText(record)].join("\n")
        : JSON.stringify(record, null, 2);
    writeResult(outputs, `${text}\n`);
    const shown = relative(process.cwd(), directory);
    process.stderr.write(`results: ${shown.startsWith("..") ? directory : shown}\n`);
    if (failure !== null) {
      throw failure;
    }
    return 0;
  } finally {
    progress.end();
  }
}

async function tune(args: readonly string[]): Promise<number> {
  checkFioFlags(args);
  const { own, jobs } = splitArguments(args, [...tuneFlags, ...fioFlags]);
  await loadPlugIns(own.get("plugin") ?? []);
  await loadTunePlugIns(tuneArguments(jobs).file);
  const outputs = outputsOf(own);
  const interrupts = watchInterrupts();
  try {
    const request = requestOf(own, jobs, ["tune", ...args], interrupts.signal);
    if (own.has("dry-run")) {
      const events = { ...runEvents(quietProgress()), ...quietEvents };
      const { base } = request;
      writeResult(outputs, dryText({ tune: request.tune, base: { ...base, events } }));
      return 0;
    }
    if (request.base.settings.endurance !== undefined) {
      process.stderr.write(enduranceText(request));
    }
    return await tellingKept(request.base.directory, "tune.json", () =>
      measure(request, own, outputs),
    );
  } finally {
    interrupts.release();
  }
}

export function tuneCommand(finish: (code: number) => void): Command {
  return fioFlagCommand(
    {
      name: "tune",
      description: "search for the best configuration, and confirm it against the default",
      usage: "FILE.yaml [fio keys as --KEY=VALUE] [options]",
      argument: ["[file]", "the tune file"],
      flags: tuneFlags,
      run: tune,
    },
    finish,
  );
}
