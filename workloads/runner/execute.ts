/** Executes a plan phase by phase and tells an observer what comes in. */
import { OsdynoError } from "../../engine/base/error.ts";
import { native } from "../../engine/base/native.ts";
import { StageClock } from "../../engine/device/stages.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import type { CpuChoice } from "../cpu-set.ts";
import type { MeasuredPhase, PlannedJob, PlannedPhase, RunPlan } from "../plan-model.ts";
import type { IntervalRow, NativeOutcome, RunPoll } from "../run-outcome.ts";
import { ChainRun } from "./chain-run.ts";
import type { StageTracing } from "./engine-path.ts";
import { startEngineRun } from "./engine-run.ts";
import type { LayoutProgress } from "./layout.ts";
import { endsRun } from "./native-control.ts";
import { jobSpec } from "./native-plan.ts";
import type { RunSpec } from "./native-spec.ts";
import { tracesAtOnce } from "./stage-recorder.ts";
import { StoreSession } from "./store-session.ts";
import { type CpusOutcome, ThreadCpus } from "./thread-cpus.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** A phase that is going on, on either path. */
export interface RunningPhase {
  poll(): RunPoll;
  stop(): void;
  stopJob(job: number): void;
  takeLog(job: number): Float64Array | null;
  snapshot(): NativeOutcome;
  result(): NativeOutcome;
  /** Brings layers above targets to their end, after the jobs'. Throws `io`. */
  settle(): Promise<void>;
  /** Settles when the jobs have ended, so that nobody waits for the next poll; null: not told. */
  readonly done: Promise<void> | null;
}

const settled = async (): Promise<void> => {};

/** Where a run stands. */
export interface Standing {
  /** Phases that have ended. */
  readonly ended: readonly MeasuredPhase[];
  /** The phase that runs, up to its last interval that ended. */
  snapshot(): MeasuredPhase;
}

export interface RunObserver {
  /** A phase begins; interval rows that follow name jobs by their place in it. */
  phase(jobs: readonly PlannedJob[]): void;
  /** Times of the rows are already since the run's start. */
  intervals(rows: readonly IntervalRow[], jobs: readonly PlannedJob[]): void;
  progress(poll: RunPoll, jobs: readonly PlannedJob[]): void;
  /** A buffer of a job's log (`log-plan.ts`), valid during the call. */
  log(buffer: Float64Array, job: PlannedJob): void;
  /** Asked after all that came in was told: jobs of the phase that are to end now, by place. */
  shouldStop(jobs: readonly PlannedJob[]): readonly number[];
  /** Called a few times a second while a phase runs. */
  standing(standing: Standing): void;
}

/** What jobs may write, over all phases and runs that share it. */
export interface WriteBudget {
  /** Bytes that may still be written; null: no limit. What is written is told of by intervals. */
  leftBytes(): number | null;
  /** A write was not sent because it would have gone beyond; the jobs were ended. */
  refused(): void;
}

export interface ExecuteOptions {
  /** Null or absent: jobs write as much as they are told to. */
  readonly budget?: WriteBudget | null;
  readonly intervalNs: number;
  readonly hiccups: boolean;
  /** Jobs on synthetic devices in virtual time; null: in real time. */
  readonly time?: VirtualTime | null;
  /** On the engine path: takes the stages of each job's operations; absent: nobody does. */
  readonly stages?: StageTracing["taker"];
  /** Told as the volumes of stores are laid out: store, bytes done, bytes in all. */
  readonly layout?: LayoutProgress;
  /** Where threads run; null or absent: wherever the process may. */
  readonly cpus?: CpuChoice | null;
  /** Aborting stops the run; what was measured is returned. */
  readonly signal: AbortSignal;
  /** Looked at now and then: an answer ends the run. */
  readonly watch: { check(now?: boolean): OsdynoError | null };
}

/** How often what came in is taken, ms. The job threads do not depend on it. */
const pollEveryMs = 100;
/** The memory of stores is looked at once a second. */
const pausesPerLook = 10;

function allJobs(plan: RunPlan): readonly PlannedJob[] {
  return plan.phases.flatMap((phase) => phase.jobs);
}

async function start(
  phase: PlannedPhase,
  plan: RunPlan,
  options: ExecuteOptions,
  stores: StoreSession | null,
  layers: LayerCounters,
): Promise<RunningPhase> {
  const spec: RunSpec = {
    jobs: phase.jobs.map((job) => jobSpec(job, phase.jobs, allJobs(plan))),
    intervalNs: options.intervalNs,
    hiccups: options.hiccups,
    writeBudgetBytes: options.budget?.leftBytes() ?? null,
  };
  if (plan.path === "engine") {
    const { stages: taker } = options;
    const tracing = taker === undefined ? null : { clock: new StageClock(tracesAtOnce), taker };
    if (tracing !== null) {
      stores?.traceStages(tracing.clock);
    }
    const places = { time: options.time ?? null, stores, tracing };
    return await startOnEngine(spec, phase, plan, places, layers);
  }
  const run = native().startRun(JSON.stringify(spec));
  return {
    poll: () => JSON.parse(run.poll()) as RunPoll,
    stop: () => run.stop(),
    stopJob: (job) => run.stopJob(job),
    takeLog: (job) => run.takeLog(job),
    snapshot: () => JSON.parse(run.snapshot()) as NativeOutcome,
    result: () => JSON.parse(run.result()) as NativeOutcome,
    settle: settled,
    done: null,
  };
}

/** Classes of operations by the value of `op_class`. */
const classOf = { client: 0, recovery: 1, best_effort: 2, immediate: 3 } as const;

function closeAll(devices: readonly (BlockDevice | null)[]): void {
  for (const device of devices) {
    device?.close();
  }
}

async function startOnEngine(
  spec: RunSpec,
  phase: PlannedPhase,
  plan: RunPlan,
  places: {
    readonly time: VirtualTime | null;
    readonly stores: StoreSession | null;
    readonly tracing: StageTracing | null;
  },
  layers: LayerCounters,
): Promise<RunningPhase> {
  const targets = phase.jobs.map(
    ({ files }) => files.find(({ kind }) => kind === "store")?.path ?? null,
  );
  const owners = phase.jobs.map(({ resolved: { opClass, clientId, opPriority } }) => ({
    opClass: classOf[opClass],
    clientId,
    priority: opPriority,
  }));
  const onObjects = phase.jobs.map(
    (job, index) => places.stores?.objectDevice(job, spec.jobs[index]?.iodepth ?? 1) ?? null,
  );
  if (plan.chains.length === 0) {
    const run = startEngineRun(spec, { ...places, targets, owners, chained: onObjects });
    void run.done.catch(settled).then(() => closeAll(onObjects));
    return { ...run, settle: settled };
  }
  const stages = places.tracing?.clock ?? null;
  const chains = await ChainRun.open(plan, phase.jobs, spec.jobs, { ...places, stages });
  layers.add(chains);
  try {
    const chained = chains.devices.map((device, index) => device ?? onObjects[index] ?? null);
    const run = startEngineRun(spec, { ...places, targets, owners, chained });
    return {
      ...run,
      settle: async () => {
        await run.done.catch(settled);
        closeAll(onObjects);
        await chains.close();
      },
    };
  } catch (error) {
    await chains.close().catch(settled);
    throw error;
  }
}

/** What the layers of all phases did: sums, and of largest values the largest. */
class LayerCounters {
  readonly #chains: ChainRun[] = [];

  add(chains: ChainRun): void {
    this.#chains.push(chains);
  }

  sum(): Readonly<Record<string, number>> {
    const all: Record<string, number> = {};
    for (const chains of this.#chains) {
      for (const [name, value] of Object.entries(chains.counters())) {
        const before = all[name] ?? 0;
        all[name] = name.includes("_max") ? Math.max(before, value) : before + value;
      }
    }
    return all;
  }
}

/** The time between two polls of a phase; over when its jobs have ended or somebody stops them. */
class Pauses {
  readonly #signal: AbortSignal;
  #wake = (): void => {};

  constructor(signal: AbortSignal, ended: Promise<void> | null) {
    this.#signal = signal;
    // Once a phase: what is attached to a promise stays until it settles.
    const wake = () => this.#wake();
    void ended?.then(wake, wake);
  }

  pause(): Promise<void> {
    return new Promise((done) => {
      this.#wake = () => {
        clearTimeout(timer);
        this.#signal.removeEventListener("abort", this.#wake);
        this.#wake = () => {};
        done();
      };
      const timer = setTimeout(this.#wake, pollEveryMs);
      if (!this.#signal.aborted) {
        this.#signal.addEventListener("abort", this.#wake);
      }
    });
  }
}

/** A job failed: the phases after it do not start, as in fio. */
function failed(outcome: NativeOutcome): boolean {
  return outcome.jobs.some((job) => job.error !== null);
}

function takeLogs(run: RunningPhase, jobs: readonly PlannedJob[], observer: RunObserver): void {
  for (const [place, job] of jobs.entries()) {
    for (let buffer = run.takeLog(place); buffer !== null; buffer = run.takeLog(place)) {
      observer.log(buffer, job);
    }
  }
}

export interface Execution {
  readonly phases: readonly MeasuredPhase[];
  /** What ended the run that is not in the phases: one that did not start, a file that is gone. */
  readonly problem: OsdynoError | null;
  /** What the stores and layers counted over all phases, by name. */
  readonly counters?: Readonly<Record<string, number>>;
  /** Options as they hold in the stores, where that is not what was set. */
  readonly options?: Readonly<Record<string, { readonly value: string; readonly origin: string }>>;
  /** Where threads were kept; absent when nobody chose. */
  readonly cpus?: CpusOutcome;
  /** What the stores found to be damaged, one line each. */
  readonly damage?: readonly string[];
  /** What is full where a job on stores had no space, one line each. */
  readonly room?: readonly string[];
}

/** What keeps a phase from starting, as one line. */
function startError(error: unknown): OsdynoError {
  if (error instanceof OsdynoError) {
    return error;
  }
  return new OsdynoError("io", error instanceof Error ? error.message : String(error), {}, error);
}

/**
 * Runs every phase; ends early when a job fails or the signal aborts. Throws when the first phase
 * does not start: nothing was measured then.
 */
export async function execute(
  plan: RunPlan,
  options: ExecuteOptions,
  observer: RunObserver,
): Promise<Execution> {
  const { cpus: choice = null } = options;
  const cpus = choice === null ? null : new ThreadCpus(choice);
  try {
    const execution = await executeOn(plan, options, observer, cpus);
    return cpus === null ? execution : { ...execution, cpus: cpus.outcome() };
  } finally {
    cpus?.restore();
  }
}

async function executeOn(
  plan: RunPlan,
  options: ExecuteOptions,
  observer: RunObserver,
  cpus: ThreadCpus | null,
): Promise<Execution> {
  cpus?.beforeTarget();
  const stores = plan.stores.length === 0 ? null : await StoreSession.open(plan);
  const layers = new LayerCounters();
  const measured = await measureOn(plan, options, observer, { stores, layers, cpus }).catch(
    async (error: unknown) => {
      // Nothing was measured, and why is told before how the stores ended.
      await stores?.close().catch(() => {});
      throw error;
    },
  );
  try {
    await stores?.close();
    return measured;
  } catch (error) {
    return { ...measured, problem: measured.problem ?? startError(error) };
  }
}

async function measureOn(
  plan: RunPlan,
  options: ExecuteOptions,
  observer: RunObserver,
  { stores, layers, cpus }: Parts,
): Promise<Execution> {
  cpus?.afterTarget();
  await stores?.layOut(plan, options.layout ?? (() => {}), options.signal);
  const execution = await executePhases(plan, options, observer, { stores, layers, cpus });
  const counters = { ...stores?.counters(), ...layers.sum() };
  const room = stores?.room(execution) ?? [];
  return {
    ...execution,
    ...(room.length === 0 ? {} : { room }),
    ...(stores === null && plan.chains.length === 0 ? {} : { counters }),
    ...(stores === null ? {} : { options: stores.options(), damage: stores.damage() }),
  };
}

/** What the phases of a run share. */
interface Parts {
  readonly stores: StoreSession | null;
  readonly layers: LayerCounters;
  readonly cpus: ThreadCpus | null;
}

async function executePhases(
  plan: RunPlan,
  options: ExecuteOptions,
  observer: RunObserver,
  { stores, layers, cpus }: Parts,
): Promise<Execution> {
  const measured: MeasuredPhase[] = [];
  let offsetNs = 0;
  for (const phase of plan.phases) {
    if (options.signal.aborted) {
      break;
    }
    const jobs = phase.jobs;
    observer.phase(jobs);
    let run: RunningPhase;
    try {
      cpus?.beforeJobs();
      run = await start(phase, plan, options, stores, layers);
      cpus?.afterJobs();
    } catch (error) {
      if (measured.length === 0) {
        throw startError(error);
      }
      return { phases: measured, problem: startError(error) };
    }
    cpus?.look();
    if (plan.path === "native") {
      cpus?.lookAtMemory(); // Buffers go with their threads; on the engine path looking would hold up the jobs.
    }
    const shift = offsetNs;
    const pauses = new Pauses(options.signal, run.done);
    let gone: OsdynoError | null = null;
    let pausesMade = 0;
    for (;;) {
      const poll = run.poll();
      if (poll.intervals.length > 0) {
        observer.intervals(
          poll.intervals.map((row) => ({ ...row, endNs: row.endNs + shift })),
          jobs,
        );
      }
      takeLogs(run, jobs, observer);
      observer.progress(poll, jobs);
      gone ??= options.watch.check(poll.finished);
      if (poll.finished) {
        break;
      }
      observer.standing({
        ended: measured,
        snapshot: () => ({ jobs, outcome: run.snapshot(), offsetNs: shift }),
      });
      for (const job of observer.shouldStop(jobs)) {
        run.stopJob(job);
      }
      if (options.signal.aborted || gone !== null) {
        run.stop();
      }
      if (++pausesMade % pausesPerLook === 0) {
        stores?.lookAtMemory();
      }
      await pauses.pause();
    }
    cpus?.lookAtMemory();
    const outcome = run.result();
    measured.push({ jobs, outcome, offsetNs });
    offsetNs += outcome.runtimeNs;
    try {
      await run.settle();
    } catch (error) {
      gone ??= startError(error);
    }
    const spent = outcome.writeBudgetSpent === true;
    if (spent) {
      options.budget?.refused();
    }
    if (spent || gone !== null || failed(outcome) || endsRun(jobs, outcome.jobs, allJobs(plan))) {
      return { phases: measured, problem: gone };
    }
  }
  return { phases: measured, problem: null };
}
