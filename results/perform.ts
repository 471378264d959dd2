/**
 * Performs a run and records it: plan, safety verdict, layout, measurement, run directory, report.
 * Everything that `osdyno run`, sweeps and repeats do with one run passes through here.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import type { StageClock } from "../engine/device/stages.ts";
import { Holds } from "../engine/os/hold.ts";
import type { ParsedJobs } from "../workloads/job/model.ts";
import {
  hasPath,
  type MeasuredPhase,
  type PlannedJob,
  type RunPlan,
} from "../workloads/plan-model.ts";
import { filesOf, planRun, seedOfRun } from "../workloads/planner.ts";
import type { RunPoll } from "../workloads/run-outcome.ts";
import { DeviceMonitor } from "../workloads/runner/device-monitor.ts";
import {
  type Execution,
  execute,
  type Standing,
  type WriteBudget,
} from "../workloads/runner/execute.ts";
import { FileWatch } from "../workloads/runner/file-watch.ts";
import { holdJobFiles } from "../workloads/runner/job-holds.ts";
import { holesNote, layOut } from "../workloads/runner/layout.ts";
import { jobSpec } from "../workloads/runner/native-plan.ts";
import { StageRecorder } from "../workloads/runner/stage-recorder.ts";
import { checkVirtual, virtualTime } from "../workloads/runner/virtual-time.ts";
import { judgeWrites, lostStores, refuseUnsafe } from "../workloads/safety.ts";
import { scratchPlaces } from "../workloads/scratch.ts";
import { recordOptions, type StackChoice } from "../workloads/stack.ts";
import { storeNotes } from "../workloads/store-plan.ts";
import { traceNotes } from "../workloads/trace/plan.ts";
import { writeMerged } from "../workloads/trace/scan.ts";
import { assembleRun, type RunInput } from "./assemble.ts";
import { withCreateOnly } from "./create-only.ts";
import type { EnduranceBudget } from "./endurance.ts";
import { collectEnvironment } from "./environment.ts";
import { FioLogs } from "./fio-logs.ts";
import { usualIntervalMs } from "./interval-length.ts";
import { IntervalStatistics } from "./interval-statistics.ts";
import { plannedJobs } from "./job-names.ts";
import { type LiveFeed, openLiveFeed } from "./live.ts";
import { withCapacities } from "./mclock-capacity.ts";
import type { LoadedPlugIn } from "./plug-ins.ts";
import { drawReport } from "./report/draw.ts";
import { logPartsName, logsName, RunWriter } from "./run-directory.ts";
import { failureOf } from "./run-failure.ts";
import type { RunRecord } from "./run-record.ts";
import { type RunFollower, RunSinks, type RunSinksParts } from "./run-sinks.ts";
import { SteadyStates } from "./steady-state.ts";
import { evaluateThreshold, type Threshold } from "./threshold.ts";

/** What holds for every run of a command. */
export interface RunSettings {
  /** The command line, one argument each. */
  readonly command: readonly string[];
  readonly label: string;
  /** Replaces the jobs' targets. */
  readonly target: string | null;
  readonly path: "native" | "engine";
  /** `virtual`: time jumps from event to event of the synthetic device; with `path` engine only. */
  readonly clock?: "real" | "virtual";
  /**
   * One operation in so many has the times of its stages taken, on the engine path; `auto`: as many as cost
   * nothing to speak of; 0 and default: none.
   */
  readonly stagesOneIn?: number | "auto";
  readonly seed: number | null;
  readonly destroy: boolean;
  /** `--live`: a file, `-` for stdout. */
  readonly live: string | null;
  readonly report: boolean;
  /** Recorded with the results; whoever called judges them. */
  readonly thresholds: readonly Threshold[];
  /** Length of an interval of the time series; null = by the run's length. */
  readonly intervalMs: number | null;
  /** Relative file names of jobs are taken from here. */
  readonly workingDirectory: string;
  readonly signal: AbortSignal;
  /** What of the user's own takes part. */
  readonly plugIns?: readonly LoadedPlugIn[];
  /** What the command may write; shared by its runs. */
  readonly endurance?: EnduranceBudget;
  /** Options of the stack that the jobs run on; default: none is chosen. */
  readonly stack?: StackChoice;
  /** Where fio's log files go: with the run (default), or where fio puts them. */
  readonly logs?: "run-directory" | "working-directory";
  /** `--status-interval`: shown is what was measured so far, a partial record. */
  readonly status?: { readonly everyMs: number; readonly show: (record: RunRecord) => void };
}

/** What of the settings decides the plan and its verdict. */
export type PlanSettings = Pick<
  RunSettings,
  "target" | "path" | "clock" | "seed" | "destroy" | "workingDirectory" | "stack" | "endurance"
>;

/** What a run tells while it goes on. */
export interface RunEvents {
  layout(path: string, doneBytes: number, totalBytes: number): void;
  progress(poll: RunPoll, jobs: readonly PlannedJob[]): void;
  note(line: string): void;
}

export interface RunRequest {
  readonly parsed: ParsedJobs;
  /** The run directory; null = a new one under `results/runs`. */
  readonly directory: string | null;
  readonly settings: RunSettings;
  readonly events: RunEvents;
  /** Files that earlier runs of the same command created: this one may write to them. */
  readonly ownFiles?: readonly string[];
  /** Looks on, and may end the run. */
  readonly follow?: RunFollower;
  /** What its jobs may write, where it is the caller who counts; default: `settings.endurance`. */
  readonly budget?: WriteBudget;
}

export interface PerformedRun {
  readonly record: RunRecord;
  readonly directory: string;
  /** Why the run is not as it should be, with the exit code's class; null when all went well. */
  readonly failure: OsdynoError | null;
  /** Files that this run created. */
  readonly created: readonly string[];
}

/** The plan of a request, with the safety verdict already passed: throws `unsafe` otherwise. */
export function safePlan(
  request: Pick<RunRequest, "parsed" | "directory" | "ownFiles"> & {
    readonly settings: PlanSettings;
  },
): RunPlan {
  const { settings } = request;
  const plan = planRun(request.parsed.jobs, {
    target: settings.target,
    path: settings.path,
    seed: settings.seed,
    directory: settings.workingDirectory,
    ...(settings.stack === undefined ? {} : { stack: settings.stack }),
  });
  if (settings.clock === "virtual") {
    checkVirtual(plan);
  }
  const verdict = judgeWrites(plan, {
    destroy: settings.destroy,
    scratch: scratchPlaces(request.directory ?? undefined).map((place) => place.path),
    ownFiles: request.ownFiles ?? [],
  });
  refuseUnsafe(verdict);
  const paths = new Map(verdict.files.map((file) => [file.path, file.resolvedPath]));
  return withPaths({ ...plan, notes: [...plan.notes, ...lostStores(verdict, plan)] }, paths);
}

/** What was judged is what is opened: a link that is changed after the verdict leads nowhere else. */
function withPaths(plan: RunPlan, paths: ReadonlyMap<string, string>): RunPlan {
  return {
    ...plan,
    phases: plan.phases.map((phase) => ({
      jobs: phase.jobs.map((job) => ({
        ...job,
        files: job.files.map((file) => ({ ...file, path: paths.get(file.path) ?? file.path })),
      })),
    })),
  };
}

function removeFiles(plan: RunPlan): void {
  for (const job of plan.phases.flatMap((phase) => phase.jobs)) {
    if (job.resolved.unlink) {
      for (const file of job.files.filter((candidate) => candidate.kind === "file")) {
        rmSync(file.path, { force: true });
      }
    }
  }
}

/**
 * Performs one run. Throws for what prevents it (bad input, unsafe, nothing could be opened) and then
 * leaves nothing behind; what happens once it measures is in the answer, with what was measured.
 */
export async function performRun(request: RunRequest): Promise<PerformedRun> {
  const { settings } = request;
  const parsed = onTarget(request.parsed, settings.target);
  const spent = settings.endurance?.spent() ?? null;
  if (spent !== null) {
    throw spent;
  }
  const writtenBefore = settings.endurance?.writtenBytes ?? 0;
  const seed = seedOfRun(parsed.jobs, settings.seed);
  const { plan, capacities } = await withCapacities(safePlan(request), {
    ...{ ...settings, seed, note: request.events.note },
  });
  const startedEpochMs = Date.now();
  const writer = RunWriter.create({
    ...(request.directory === null ? {} : { out: request.directory }),
    label: settings.label,
    startedEpochMs,
    plan,
  });
  settings.endurance?.keep();
  const { created, input, execution, logProblem } = await measured(
    { ...request, parsed },
    plan,
    writer,
    startedEpochMs,
  );
  const failure =
    failureOf(execution, settings.signal, writer.problem ?? logProblem) ??
    settings.endurance?.cut() ??
    null;
  const corrupt = failure?.code === "verify";
  const record = writer.finish(
    withThresholds(
      settings.thresholds,
      assembleRun({
        ...input,
        phases: execution.phases,
        capacities,
        ...(execution.counters === undefined ? {} : { counters: execution.counters }),
        ...(execution.cpus === undefined ? {} : { cpus: execution.cpus }),
        ...(settings.endurance === undefined
          ? {}
          : { endurance: settings.endurance.record(writtenBefore) }),
        options: { ...input.options, ...execution.options },
        state: failure === null || corrupt ? "complete" : "partial",
        ...(failure === null || corrupt ? {} : { reason: failure.message }),
        endedEpochMs: Date.now(),
      }),
    ),
  );
  settings.endurance?.keep();
  removeFiles(plan);
  const lost = writer.problem === null ? null : new OsdynoError("io", writer.problem);
  const unreported = settings.report ? await reportProblem(writer.directory) : null;
  const { directory } = writer;
  return { record, directory, failure: failure ?? lost ?? unreported, created };
}

/** The jobs as they run: where `--target` says, whatever they say themselves. */
function onTarget(parsed: ParsedJobs, target: string | null): ParsedJobs {
  return target === null
    ? parsed
    : { ...parsed, jobs: parsed.jobs.map((job) => ({ ...job, target })) };
}

/** Draws the report; answers why it could not: the results are there all the same. */
async function reportProblem(directory: string): Promise<OsdynoError | null> {
  try {
    await drawReport(directory);
    return null;
  } catch (error) {
    if (error instanceof OsdynoError) {
      return error;
    }
    throw error;
  }
}

interface Measured {
  /** Files that were laid out. */
  readonly created: readonly string[];
  readonly input: Omit<RunInput, "phases" | "state" | "endedEpochMs">;
  readonly execution: Execution;
  /** Why fio's log files are not whole. */
  readonly logProblem: string | null;
}

/** Lays out and measures. When it throws, nothing was measured, and nothing stays behind. */
async function measured(
  request: RunRequest,
  plan: RunPlan,
  writer: RunWriter,
  startedEpochMs: number,
): Promise<Measured> {
  const { settings, events, parsed } = request;
  const paths = pathsOf(plan);
  const logs = openLogs(plan, settings, writer.directory);
  const intervals = new IntervalStatistics(intervalNsOf(plan, settings));
  const steady = new SteadyStates(plannedJobs(plan));
  const base: Omit<Measured["input"], "disks" | "rssBytes" | "environment"> = {
    parsed,
    plan,
    intervals,
    steady,
    command: settings.command,
    label: settings.label,
    seed: seedOfRun(parsed.jobs, settings.seed),
    target: targetText(plan),
    chain: [
      ...new Set(plan.chains.flatMap(({ layers }) => layers)),
      ...(settings.stack?.shape === undefined ? [] : [`shape ${settings.stack.shape.text}`]),
      targetText(plan),
    ],
    options: recordOptions([
      ...plan.stores,
      ...plan.chains.filter(({ text }) => plan.stores.every((store) => store.text !== text)),
    ]),
    startedEpochMs,
  };
  const begin = (environment: RunInput["environment"]) => {
    const nothing = { phases: [], disks: [], rssBytes: process.memoryUsage.rss() };
    const open = { state: "partial", endedEpochMs: startedEpochMs } as const;
    writer.begin(assembleRun({ ...base, ...nothing, ...open, environment }));
  };
  let live: LiveFeed | null = null;
  let created: readonly string[] = [];
  const holds = new Holds();
  try {
    holdJobFiles([plan], holds);
    // From now on even a kill leaves a run that is ours, readable and partial.
    begin({});
    created = await layOut([plan], events.layout, settings.signal);
    holdJobFiles([plan], holds);
    const environment = {
      ...(await collectEnvironment(paths, settings.stack?.deviceClass ?? null)),
      ...((settings.plugIns ?? []).length === 0 ? {} : { plugins: settings.plugIns }),
    };
    begin(environment);
    live = settings.live === null ? null : openLiveFeed(settings.live);
    const monitor = new DeviceMonitor(paths);
    await writeMergedTraces(plan, settings.signal);
    const holes = new Map(plannedJobs(plan).map((job) => [job.index, notesBefore(job, plan)]));
    const { status } = settings;
    const show = (standing: Standing) => {
      const phases = withNotes([...standing.ended, standing.snapshot()], holes);
      const now = {
        state: "partial",
        reason: "the run goes on",
        endedEpochMs: Date.now(),
      } as const;
      const machine = machineOf(monitor, settings);
      status?.show(assembleRun({ ...base, ...machine, ...now, environment, phases }));
    };
    const execution = await measure(plan, request, {
      writer,
      live,
      monitor,
      intervals,
      logs,
      steady,
      follow: following(request.follow ?? null, settings.endurance ?? null),
      progress: events.progress,
      status: status === undefined ? null : { everyMs: status.everyMs, show },
    });
    logs.close();
    return {
      created,
      logProblem: logs.problem,
      input: { ...base, environment, ...machineOf(monitor, settings) },
      execution: {
        ...execution,
        phases: withCreateOnly(plan, withNotes(execution.phases, holes), startedEpochMs),
      },
    };
  } catch (error) {
    for (const path of created) {
      rmSync(path, { force: true });
    }
    logs.discard();
    writer.discard();
    throw error;
  } finally {
    holds.close();
    live?.close();
  }
}

/** Both look on; what is written is counted. */
function following(other: RunFollower | null, budget: EnduranceBudget | null): RunFollower | null {
  return budget === null
    ? other
    : {
        interval: (row, job) => {
          budget.add(row);
          other?.interval(row, job);
        },
        ended: () => other?.ended() ?? false,
      };
}

/** What is known of a job before it runs. */
function notesBefore(job: PlannedJob, plan: RunPlan): string[] {
  const trace = job.trace === undefined ? [] : traceNotes(job.trace, jobSpec(job).maxBlock);
  return [...trace, ...holesNote(job), ...storeNotes(job, plan.stores), ...plan.notes];
}

/** `merge_blktrace_file`: written once, by the first clone's choice, as it is replayed. */
async function writeMergedTraces(plan: RunPlan, signal: AbortSignal): Promise<void> {
  const written = new Set<string>();
  for (const { trace, mergedPath } of plannedJobs(plan)) {
    if (trace !== undefined && mergedPath !== undefined && !written.has(mergedPath)) {
      written.add(mergedPath);
      await writeMerged(trace.spec, mergedPath, signal);
    }
  }
}

/** Virtual time does not pass by what others do. */
const machineOf = (
  monitor: DeviceMonitor,
  { clock }: RunSettings,
): Pick<RunInput, "disks" | "others" | "rssBytes"> => ({
  disks: monitor.disks(),
  ...(clock === "virtual" ? {} : { others: monitor.others() }),
  rssBytes: monitor.maxRssBytes(),
});

/** Adds what was known of a job before it ran to what its engine found out. */
function withNotes(
  phases: readonly MeasuredPhase[],
  notes: ReadonlyMap<number, readonly string[]>,
): MeasuredPhase[] {
  return phases.map((phase) => ({
    ...phase,
    outcome: {
      ...phase.outcome,
      jobs: phase.outcome.jobs.map((job, place) => ({
        ...job,
        notes: [...job.notes, ...(notes.get(phase.jobs[place]?.index ?? -1) ?? [])],
      })),
    },
  }));
}

function withThresholds(thresholds: readonly Threshold[], record: RunRecord): RunRecord {
  const results = thresholds.map((threshold) => evaluateThreshold(record, threshold));
  return results.length === 0
    ? record
    : { ...record, osdyno: { ...record.osdyno, threshold_results: results } };
}

/** Files and devices that a run reads or writes. */
export function pathsOf(plan: RunPlan): readonly string[] {
  const files = filesOf(plan)
    .filter((file) => file.kind === "file" || file.kind === "block")
    .map((file) => file.path);
  const logs = plan.chains.flatMap(({ log }) =>
    log === null || log.path === null ? [] : [log.path],
  );
  return [...files, ...plan.stores.map(({ path }) => path), ...logs];
}

function targetText(plan: RunPlan): string {
  const files = filesOf(plan);
  const texts = files.map((file) => (hasPath(file.kind) ? `raw:${file.path}` : file.path));
  return texts.join(" ");
}

function intervalNsOf(plan: RunPlan, { intervalMs, live }: RunSettings): number {
  const clones = Math.max(0, ...plan.phases.map((phase) => phase.jobs.length));
  return (intervalMs ?? usualIntervalMs(plan.expectedSeconds, live !== null, clones)) * 1e6;
}

type Measuring = Pick<RunRequest, "settings" | "events" | "budget">;

async function measure(
  plan: RunPlan,
  { settings, events, budget }: Measuring,
  sinks: Omit<RunSinksParts, "plan">,
): Promise<Execution> {
  const phases = plan.phases
    .map((phase) => ({ jobs: phase.jobs.filter((job) => !job.resolved.createOnly) }))
    .filter((phase) => phase.jobs.length > 0);
  const virtual = settings.clock === "virtual";
  const oneIn = settings.stagesOneIn ?? 0;
  const options = {
    intervalNs: intervalNsOf(plan, settings),
    // A generator in virtual time is never late.
    hiccups: !virtual,
    time: virtual ? virtualTime() : null,
    signal: settings.signal,
    layout: events.layout,
    budget: budget ?? settings.endurance ?? null,
    watch: new FileWatch(pathsOf(plan)),
    cpus: settings.stack?.cpus ?? null,
    ...(oneIn === 0
      ? {}
      : {
          stages: (clock: StageClock, depth: number, job: number) =>
            new StageRecorder(clock, depth, oneIn, job),
        }),
  };
  return await execute({ ...plan, phases }, options, new RunSinks({ ...sinks, plan }));
}

/** fio's log files: where its users expect them, or with the run they are of. */
function openLogs(plan: RunPlan, settings: RunSettings, runDirectory: string): FioLogs {
  const here = settings.logs === "working-directory";
  return new FioLogs({
    jobs: plannedJobs(plan),
    directory: here ? settings.workingDirectory : join(runDirectory, logsName),
    flat: !here,
    scratch: join(runDirectory, logPartsName),
  });
}
