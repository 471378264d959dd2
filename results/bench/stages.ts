/**
 * What the stage breakdown costs: jobs of 64 operations under way whose operations are traced by turns not
 * at all, now and then, and all. The turns are a few milliseconds long and follow each other in random order
 * within a run, so that what the machine does meanwhile hits all alike.
 */
import { cpus, release } from "node:os";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { native } from "../../engine/base/native.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import type { StageClock } from "../../engine/device/stages.ts";
import type { OptionSetting } from "../../engine/options/option-set.ts";
import type { BlockDevice, BlockOp } from "../../engine/port/block-device.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { planRun } from "../../workloads/planner.ts";
import type { StagesOutcome } from "../../workloads/run-outcome.ts";
import { execute } from "../../workloads/runner/execute.ts";
import { writeScratchFile } from "../../workloads/runner/layout.ts";
import { StageRecorder, type StageTaker } from "../../workloads/runner/stage-recorder.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import { overRounds } from "./rounds.ts";

export interface StagesBenchOptions {
  /** A subject by name; `null`: all. */
  readonly only: string | null;
  readonly rounds: number;
  /** Of each run, ms. */
  readonly runtimeMs: number;
  /** Of the file, and of the volume of the store. */
  readonly sizeBytes: number;
  readonly seed: number;
  /** For the files. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly onCell: (done: number, total: number, cell: string) => void;
}

export interface StageSubject {
  readonly name: string;
  readonly describe: string;
  readonly operation: "randread" | "randwrite";
  /** Where, with `FILE` for a file that was written, and `FOLDER`. */
  readonly target: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** Layers with room for all of the operations, so that the processor is what bounds them. */
const layers = {
  osd_op_queue: "fifo",
  osd_op_num_shards: "8",
  osd_op_num_threads_per_shard: "8",
  rbd_qos_iops_limit: "100000000",
};

export const stageSubjects: readonly StageSubject[] = [
  {
    name: "raw",
    describe: "4 KiB reads of a file: one stage",
    operation: "randread",
    target: "raw:FILE",
    settings: {},
  },
  {
    name: "layers",
    describe:
      "4 KiB writes through qos and a scheduler to a device that takes no time: five stages",
    operation: "randwrite",
    target: "null:?size=1g",
    settings: layers,
  },
  {
    name: "store-read",
    describe: "4 KiB reads of a store: three stages",
    operation: "randread",
    target: "store:FOLDER/store",
    settings: {},
  },
  {
    name: "store-write",
    describe: "4 KiB writes to a store: nine stages",
    operation: "randwrite",
    target: "store:FOLDER/store",
    settings: {},
  },
];

const depth = 64;
const blockBytes = 4096;
/** Long against a batch of operations, short against what the machine does beside. */
const turnNs = 20e6;
/** What was compiled and cached before it. */
const warmUpShare = 0.2;

/** Traced: one operation in so many; `off`: none. */
export const stageModes = Object.freeze(["off", "auto", 1] as const);
type Mode = (typeof stageModes)[number];

/** Completions and time in each mode. */
interface Tally {
  readonly ops: number[];
  readonly ns: number[];
}

/** Lets a recorder of each mode take its turn, and counts what completes meanwhile. */
class ByTurns implements StageTaker {
  readonly tally: Tally = { ops: stageModes.map(() => 0), ns: stageModes.map(() => 0) };
  readonly #recorders: readonly (StageRecorder | null)[];
  readonly #random: SeededRandom;
  readonly #beginsNs: number;
  #left: number[] = [];
  #mode = 0;
  #current: StageRecorder | null = null;
  #sinceNs: number;
  #ops = 0;

  constructor(clock: StageClock, deep: number, seed: number, runtimeMs: number) {
    this.#random = new SeededRandom(seed);
    this.#recorders = stageModes.map((oneIn) =>
      oneIn === "off" ? null : new StageRecorder(clock, deep, oneIn, seed),
    );
    this.#sinceNs = native().nowNs();
    this.#beginsNs = this.#sinceNs + runtimeMs * 1e6 * warmUpShare;
  }

  begins(count: number): boolean {
    return this.#current?.begins(count) === true;
  }

  mark(op: BlockOp): void {
    this.#current?.mark(op);
  }

  completed(device: BlockDevice, count: number): void {
    this.#ops += count;
    // What a recorder has marked may complete in another's turn.
    for (const recorder of this.#recorders) {
      recorder?.completed(device, count);
    }
  }

  settle(measuring: boolean): void {
    for (const recorder of this.#recorders) {
      recorder?.settle(measuring);
    }
    const nowNs = native().nowNs();
    if (nowNs - this.#sinceNs >= turnNs) {
      this.#turnEnds(nowNs);
    }
  }

  outcome(): StagesOutcome | null {
    return null;
  }

  #turnEnds(nowNs: number): void {
    const { ops, ns } = this.tally;
    if (this.#sinceNs >= this.#beginsNs) {
      ops[this.#mode] = (ops[this.#mode] as number) + this.#ops;
      ns[this.#mode] = (ns[this.#mode] as number) + nowNs - this.#sinceNs;
    }
    if (this.#left.length === 0) {
      this.#left = stageModes.map((_, mode) => mode);
    }
    [this.#mode = 0] = this.#left.splice(this.#random.below(this.#left.length), 1);
    this.#current = this.#recorders[this.#mode] as StageRecorder | null;
    this.#sinceNs = nowNs;
    this.#ops = 0;
  }
}

export interface StagesRow {
  readonly subject: string;
  /** Operations a second without tracing. */
  readonly offPerSecond: MedianInterval;
  /** What tracing costs, as a share of the operations without. */
  readonly costs: readonly { readonly oneIn: Mode; readonly share: MedianInterval }[];
}

export interface StagesBench {
  readonly schema: "osdyno-bench-1";
  readonly hotPath: "stages";
  readonly rounds: number;
  readonly runtimeMs: number;
  readonly depth: number;
  readonly seed: number;
  readonly kernel: string;
  readonly cpu: string;
  readonly rows: readonly StagesRow[];
}

async function measure(
  { name, operation, target, settings }: StageSubject,
  options: StagesBenchOptions,
  seed: number,
): Promise<Tally> {
  const { folder, runtimeMs, sizeBytes, signal } = options;
  const where = target.replace("FILE", join(folder, "file")).replace("FOLDER", folder);
  const args = [
    `--name=${name}`,
    `--rw=${operation}`,
    `--bs=${blockBytes}`,
    `--iodepth=${depth}`,
    `--size=${sizeBytes}`,
    "--ioengine=io_uring",
    "--direct=1",
    "--time_based",
    `--runtime=${runtimeMs}ms`,
    `--target=${where}`,
  ];
  const parsed = parseJobs([{ kind: "args", args }], hostEnvironment());
  const given: OptionSetting[] = Object.entries(settings).map(([option, value]) => ({
    name: option,
    value,
    origin: "bench",
  }));
  const stack = { preset: null, settings: given, deviceClass: "ssd" } as const;
  const plan = planRun(parsed.jobs, { target: null, path: "engine", seed, directory: "/", stack });
  const takers: ByTurns[] = [];
  const { phases, problem } = await execute(
    plan,
    {
      intervalNs: 1e9,
      hiccups: false,
      signal,
      watch: { check: () => null },
      stages: (clock, deep) => {
        const taker = new ByTurns(clock, deep, seed, runtimeMs);
        takers.push(taker);
        return taker;
      },
    },
    {
      phase: () => {},
      intervals: () => {},
      progress: () => {},
      log: () => {},
      shouldStop: () => [],
      standing: () => {},
    },
  );
  const failed = phases[0]?.outcome.jobs[0]?.error;
  const tally = takers[0]?.tally;
  if (tally === undefined || failed) {
    throw new OsdynoError("io", failed?.message ?? "the run reported no job");
  }
  if (problem !== null) {
    throw problem;
  }
  if (tally.ns.includes(0)) {
    throw new OsdynoError("bad-input", "--runtime is too short: not every way had its turn");
  }
  return tally;
}

const perSecond = ({ ops, ns }: Tally, mode: number) =>
  ((ops[mode] as number) * 1e9) / (ns[mode] as number);

function rowOf(subject: string, tallies: readonly Tally[]): StagesRow {
  return {
    subject,
    offPerSecond: overRounds(tallies.map((tally) => perSecond(tally, 0))),
    costs: stageModes.slice(1).map((oneIn, at) => ({
      oneIn,
      share: overRounds(tallies.map((tally) => 1 - perSecond(tally, at + 1) / perSecond(tally, 0))),
    })),
  };
}

/** Measures every subject in every round. */
export async function benchStages(options: StagesBenchOptions): Promise<StagesBench> {
  const { only, rounds, runtimeMs, seed, folder, sizeBytes, signal } = options;
  const subjects = stageSubjects.filter(({ name }) => only === null || name === only);
  if (subjects.some(({ target }) => target.includes("FILE"))) {
    await writeScratchFile(join(folder, "file"), sizeBytes, signal);
  }
  const tallies = subjects.map((): Tally[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, subject] of subjects.entries()) {
      if (signal.aborted) {
        throw new OsdynoError("interrupted", "the bench was stopped");
      }
      options.onCell(round * subjects.length + at, rounds * subjects.length, subject.name);
      tallies[at]?.push(await measure(subject, options, seed + round));
    }
  }
  return {
    schema: "osdyno-bench-1",
    hotPath: "stages",
    rounds,
    runtimeMs,
    depth,
    seed,
    kernel: release(),
    cpu: cpus()[0]?.model ?? "unknown",
    rows: subjects.map(({ name }, at) => rowOf(name, tallies[at] ?? [])),
  };
}
