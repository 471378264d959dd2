/**
 * The path through TypeScript: jobs that drive any `BlockDevice` from the event loop. The stream of
 * operations, the measuring, the data and its verification are the native loop's own code
 * (`native/crates/device/src/job_loop.rs` over its bridge engine), so that results do not know which
 * path ran. A batch costs two native calls beside the device's own.
 */
import { assert } from "../../engine/base/assert.ts";
import { native } from "../../engine/base/native.ts";
import { blankOp } from "../../engine/device/op-table.ts";
import type { StageClock } from "../../engine/device/stages.ts";
import { SubmissionRecords } from "../../engine/hot/ioengine/records.ts";
import { RealClock } from "../../engine/os/clock.ts";
import { Reactor, type ReactorTask, type TaskLoop } from "../../engine/os/reactor.ts";
import type { BlockDevice, BlockOp } from "../../engine/port/block-device.ts";
import type { NativeOutcome, RunPoll } from "../run-outcome.ts";
import type { StageTaker } from "./stage-recorder.ts";

/** What the path itself wants to know of a `RunSpec`; the native side reads all of it. */
export interface EnginePathSpec {
  readonly jobs: readonly {
    readonly name: string;
    readonly iodepth: number;
    readonly cpus: readonly number[];
  }[];
  readonly intervalNs: number;
}

/** Whose operations those of a job are, for a scheduler on the way: see `BlockOp`. */
export interface OpOwner {
  readonly opClass: number;
  readonly clientId: number;
  /** 0: that of the class. */
  readonly priority: number;
}

const nobody: OpOwner = { opClass: 0, clientId: 0, priority: 0 };

/** Jobs that run on the engine path; as the native runner, but on this thread's event loop. */
export interface EnginePathRun {
  /** Takes what has come in since the last call. */
  poll(): RunPoll;
  /** Asks every job to end after what is in flight. */
  stop(): void;
  /** The same for one job. */
  stopJob(job: number): void;
  /** What was measured up to the last interval. */
  snapshot(): NativeOutcome;
  /** The next buffer of a job's log; null when there is none. */
  takeLog(job: number): Float64Array | null;
  /** After `done`: what was measured. Closes nothing. */
  result(): NativeOutcome;
  /** Every job has ended. Never rejects: what goes wrong is in the outcome. */
  readonly done: Promise<void>;
}

/** `native/crates/binding/src/stream.rs`: the jobs' meeting point with `poll` and `result`. */
interface NativeEngineRun {
  begin(): number;
  collect(): boolean;
  poll(): string;
  stop(): void;
  stopJob(job: number): void;
  snapshot(): string;
  takeLog(job: number): Float64Array | null;
  result(): string;
}

/** One job's stream; see the same file. */
interface NativeStream {
  addFile(
    tag: Int32Array,
    result: Int32Array,
    submittedNs: Float64Array,
    completedNs: Float64Array,
  ): void;
  records(): ArrayBuffer;
  state(): ArrayBuffer;
  startNs(originNs: number): number;
  begin(originNs: number): void;
  deliver(file: number, count: number): void;
  turn(): number;
  spun(byNs: number): void;
  fail(message: string): void;
  end(): void;
}

interface StreamAddon {
  readonly NativeEngineRun: new (spec: string) => NativeEngineRun;
  readonly NativeStream: new (
    run: NativeEngineRun,
    job: number,
    arena: Uint8Array,
    slotBytes: number,
    depth: number,
    notes: readonly string[],
  ) => NativeStream;
}

/** Fields of a stream's state, as `native/crates/binding/src/stream.rs` writes them. */
const stateDone = 0;
const stateNextNs = 1;
const stateMeasuring = 2;

/**
 * How often one turn looks again for completions of what it sent: synchronous engines have them at
 * once, and a turn of the event loop costs more than a look.
 */
const roundsMax = 8;

/**
 * Of the depth, what is taken and answered by new operations at a time: the device has some to work on
 * while the rest of a burst of completions is gone through.
 */
const takenShare = 1 / 4;
const takenLeast = 4;

/** What the jobs of a run share. */
interface Shared {
  readonly originNs: number;
  readonly reactor: TaskLoop;
  stopping: boolean;
}

class JobTask implements ReactorTask {
  readonly devices: readonly BlockDevice[];
  readonly stages: StageTaker | null;
  done = false;
  nextNs: number;
  readonly #stream: NativeStream;
  readonly #records: SubmissionRecords;
  readonly #state: Float64Array;
  readonly #depth: number;
  readonly #takeMost: number;
  readonly #shared: Shared;
  #spunNs = 0;
  #begun = false;
  readonly #op: BlockOp;

  constructor(
    stream: NativeStream,
    devices: readonly BlockDevice[],
    depth: number,
    shared: Shared,
    owner: OpOwner,
    stages: StageTaker | null,
  ) {
    this.stages = stages;
    this.#op = { ...blankOp(), ...owner };
    this.#shared = shared;
    this.#stream = stream;
    this.devices = devices;
    this.#depth = depth;
    this.#takeMost = Math.max(takenLeast, Math.floor(depth * takenShare));
    for (const { completions } of devices) {
      stream.addFile(
        completions.tag,
        completions.result,
        completions.submittedNs,
        completions.completedNs,
      );
    }
    this.#records = new SubmissionRecords(stream.records());
    this.#state = new Float64Array(stream.state());
    this.nextNs = stream.startNs(shared.originNs);
  }

  turn(nowNs: number): number {
    if (!this.#begun && nowNs < this.nextNs && !this.#shared.stopping) {
      return 0;
    }
    try {
      if (!this.#begun) {
        this.#begun = true;
        this.#stream.begin(this.#shared.originNs);
      }
      this.#countSpinning();
      return this.#rounds();
    } catch (error) {
      this.#stream.fail(error instanceof Error ? error.message : String(error));
      this.#finish();
      return 1;
    }
  }

  /** Waiting for the next arrival is not work of the generator. */
  #countSpinning(): void {
    const { spunNs } = this.#shared.reactor;
    if (spunNs > this.#spunNs) {
      this.#stream.spun(spunNs - this.#spunNs);
      this.#spunNs = spunNs;
    }
  }

  /** Ends with a send: what was taken must not wait for the next turn. */
  #rounds(): number {
    let work = this.#take();
    for (let round = 1; ; round += 1) {
      work += this.#send();
      if (this.done || round === roundsMax) {
        return work;
      }
      const taken = this.#take();
      if (taken === 0) {
        return work;
      }
      work += taken;
    }
  }

  #take(): number {
    let taken = 0;
    for (let file = 0; file < this.devices.length; file += 1) {
      const device = this.devices[file] as BlockDevice;
      const count = device.poll(this.#takeMost);
      if (count > 0) {
        this.stages?.completed(device, count);
        this.#stream.deliver(file, count);
        taken += count;
      }
    }
    return taken;
  }

  #send(): number {
    const count = this.#stream.turn();
    this.stages?.settle(this.#state[stateMeasuring] !== 0);
    const op = this.#op;
    const marking = this.stages?.begins(count) === true ? this.stages : null;
    op.trace = 0;
    for (let index = 0; index < count; index += 1) {
      const file = this.#records.read(index, op);
      marking?.mark(op);
      if (this.devices[file]?.submit(op) !== true) {
        throw new Error(`the device takes fewer than ${this.#depth} operations at once`);
      }
    }
    if (count > 0) {
      for (const device of this.devices) {
        device.commit();
      }
    }
    this.nextNs = this.#state[stateNextNs] as number;
    if (this.#state[stateDone] === 1) {
      this.#stream.end();
      this.#finish();
    }
    return count;
  }

  #finish(): void {
    this.done = true;
    this.nextNs = Number.POSITIVE_INFINITY;
  }
}

/** Gathers what the jobs hand over, whether or not somebody polls: they have few sets to record into. */
class CollectTask implements ReactorTask {
  readonly devices: readonly BlockDevice[] = [];
  nextNs: number;
  readonly #run: NativeEngineRun;
  readonly #jobs: readonly JobTask[];
  readonly #everyNs: number;

  constructor(
    run: NativeEngineRun,
    jobs: readonly JobTask[],
    intervalNs: number,
    originNs: number,
  ) {
    this.#run = run;
    this.#jobs = jobs;
    this.#everyNs = Math.max(intervalNs / 2, 1e6);
    this.nextNs = originNs + this.#everyNs;
  }

  get done(): boolean {
    return this.#jobs.every((job) => job.done);
  }

  turn(nowNs: number): number {
    if (nowNs >= this.nextNs) {
      this.#run.collect();
      this.nextNs = nowNs + this.#everyNs;
    }
    return 0;
  }
}

/** Operations in flight at most: what the job wants and the devices' common arena has slots for. */
function depthOf(iodepth: number, first: BlockDevice): number {
  return Math.max(1, Math.min(iodepth, first.arena.slotCount));
}

function notesOf(
  job: EnginePathSpec["jobs"][number],
  first: BlockDevice,
  virtual: boolean,
): string[] {
  const notes = "notes" in first && Array.isArray(first.notes) ? first.notes.map(String) : [];
  if (virtual) {
    notes.push("time is virtual: latencies and rates are the model's, nothing was measured");
  }
  const depth = depthOf(job.iodepth, first);
  if (depth < job.iodepth) {
    notes.push(`iodepth ${job.iodepth} acts as ${depth} with this engine`);
  }
  if (job.cpus.length > 0) {
    notes.push(
      "cpus_allowed does not act on the engine path: all jobs share one thread; --generator-cpus is for it",
    );
  }
  return notes;
}

/** Whether and how the stages of operations are taken. */
export interface StageTracing {
  /** Which the layers below the jobs tell. */
  readonly clock: StageClock;
  /** Takes those of a job by its place, with so many operations under way. */
  readonly taker: (clock: StageClock, depth: number, job: number) => StageTaker;
}

/** What was measured, with the stages of each job. */
function withStages(outcome: NativeOutcome, tasks: readonly JobTask[]): NativeOutcome {
  const jobs = outcome.jobs.map((job, place) => {
    const stages = tasks[place]?.stages?.outcome() ?? null;
    return stages === null ? job : { ...job, stages };
  });
  return { ...outcome, jobs };
}

/**
 * Starts the jobs of a `RunSpec`, job i over `devices[i]`: one device for each of its files, with slots
 * of at least `maxBlock` bytes in one arena that they share. The devices stay open. With a `virtual` loop
 * the process's time MUST be virtual, and the devices' clock the loop's.
 */
export function startEnginePath(
  spec: EnginePathSpec,
  devices: readonly (readonly BlockDevice[])[],
  virtual: TaskLoop | null = null,
  owners: readonly OpOwner[] = [],
  tracing: StageTracing | null = null,
): EnginePathRun {
  const addon = native() as unknown as StreamAddon;
  const run = new addon.NativeEngineRun(JSON.stringify(spec));
  const jobs = spec.jobs.map((job, index) => {
    const own = devices[index] ?? [];
    const first = own[0];
    assert(first !== undefined, "a job on the engine path has no device");
    const { bytes, slotBytes } = first.arena;
    const depth = depthOf(job.iodepth, first);
    const notes = notesOf(job, first, virtual !== null);
    const stream = new addon.NativeStream(run, index, bytes, slotBytes, depth, notes);
    return { stream, depth, devices: own };
  });
  const originNs = run.begin();
  const clock = new RealClock();
  const reactor = virtual ?? new Reactor(clock);
  const shared: Shared = { originNs, stopping: false, reactor };
  const tasks = jobs.map(
    ({ stream, depth, devices: own }, index) =>
      new JobTask(
        stream,
        own,
        depth,
        shared,
        owners[index] ?? nobody,
        tracing === null ? null : tracing.taker(tracing.clock, depth, index),
      ),
  );
  for (const task of [...tasks, new CollectTask(run, tasks, spec.intervalNs, originNs)]) {
    shared.reactor.add(task);
  }
  return {
    poll: () => JSON.parse(run.poll()) as RunPoll,
    stop: () => {
      run.stop();
      shared.stopping = true;
      shared.reactor.wake();
    },
    stopJob: (job) => {
      run.stopJob(job);
      shared.reactor.wake();
    },
    snapshot: () => withStages(JSON.parse(run.snapshot()) as NativeOutcome, tasks),
    takeLog: (job) => run.takeLog(job),
    result: () => withStages(JSON.parse(run.result()) as NativeOutcome, tasks),
    done: shared.reactor.run().finally(() => clock.close()),
  };
}
