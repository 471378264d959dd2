/**
 * The bench of the write logs: the same writes to a log's device alone, each durable, and to a log on such
 * a device before an image in memory, by turns, so that what the disk does meanwhile hits both alike. Both
 * go through the engine path; the device alone is written in sequence, as a log writes it.
 */
import { rmSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { openBlockDevice } from "../../engine/hot/ioengine/registry.ts";
import {
  type OpenedWriteLog,
  type WriteLogKind,
  writeLogKinds,
} from "../../engine/hot/writelog/registry.ts";
import { RealClock } from "../../engine/os/clock.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { planRun } from "../../workloads/planner.ts";
import { startEnginePath } from "../../workloads/runner/engine-path.ts";
import { writeScratchFile } from "../../workloads/runner/layout.ts";
import { openLogDevice } from "../../workloads/runner/log-device.ts";
import { jobSpec } from "../../workloads/runner/native-plan.ts";
import { decodeHistogram } from "../histogram.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import { overRounds } from "./rounds.ts";
import { directionOf } from "./store-place.ts";

export interface WriteLogBenchOptions {
  /** A write log by name; `null`: all. */
  readonly only: string | null;
  readonly rounds: number;
  /** Of each measurement, ms; half as much goes before it unmeasured. */
  readonly runtimeMs: number;
  /** Of the log, of the device alone and of the image. */
  readonly sizeBytes: number;
  readonly seed: number;
  /** For the files. */
  readonly folder: string;
  /** On tmpfs, for logs that write cache lines; `null`: there is none, and those use `folder`. */
  readonly memoryFolder: string | null;
  readonly signal: AbortSignal;
  readonly onCell: (done: number, total: number, cell: string) => void;
}

export interface WriteLogWorkload {
  readonly blockBytes: number;
  readonly depth: number;
}

export interface WriteLogRow {
  readonly implementation: string;
  readonly on: "disk" | "tmpfs";
  readonly workload: WriteLogWorkload;
  readonly alonePerSecond: MedianInterval;
  readonly logPerSecond: MedianInterval;
  /** Of the log to its device alone, in each round. */
  readonly ratio: MedianInterval;
  /** Median latency of an operation, us. */
  readonly aloneUs: MedianInterval;
  readonly logUs: MedianInterval;
  /** By how much the log's median is above the device's, in each round, us. */
  readonly addedUs: MedianInterval;
  /** Of the whole process for each write to the log, write-back and the job's own work included, us. */
  readonly cpuUs: MedianInterval;
  /** To the log device for each byte of the job. */
  readonly bytesPerByte: MedianInterval;
}

export interface WriteLogBench {
  readonly schema: "osdyno-bench-1";
  readonly hotPath: "writelog";
  readonly rounds: number;
  readonly runtimeMs: number;
  readonly sizeBytes: number;
  readonly seed: number;
  readonly kernel: string;
  readonly cpu: string;
  readonly rows: readonly WriteLogRow[];
}

export const writeLogWorkloads: readonly WriteLogWorkload[] = [
  { blockBytes: 4096, depth: 1 },
  { blockBytes: 4096, depth: 4 },
  { blockBytes: 4096, depth: 16 },
  { blockBytes: 65_536, depth: 4 },
];

const deepest = 16;
const longest = 65_536;
/** Of the image, for write-back. */
const spare = 64;

interface Figures {
  readonly perSecond: number;
  readonly medianUs: number;
  readonly cpuUs: number;
  readonly bytesPerByte: number;
}

/** One job on a device that is open, and stays so. */
async function run(
  device: BlockDevice,
  workload: WriteLogWorkload,
  job: { readonly rw: string; readonly fua: boolean; readonly runtimeMs: number },
  options: WriteLogBenchOptions,
): Promise<Omit<Figures, "bytesPerByte"> & { readonly bytes: number }> {
  if (options.signal.aborted) {
    throw new OsdynoError("interrupted", "the bench was stopped");
  }
  const args = [
    "--name=bench",
    `--rw=${job.rw}`,
    `--bs=${workload.blockBytes}`,
    `--iodepth=${workload.depth}`,
    `--size=${Math.floor(device.facts.sizeBytes / longest) * longest}`,
    `--randseed=${options.seed}`,
    "--norandommap",
    "--time_based",
    `--runtime=${job.runtimeMs}ms`,
    `--ramp_time=${Math.ceil(job.runtimeMs / 2)}ms`,
  ];
  const parsed = parseJobs([{ kind: "args", args }], hostEnvironment(), { target: "null:" });
  const plan = planRun(parsed.jobs, {
    target: "null:",
    path: "engine",
    seed: options.seed,
    directory: "/",
  });
  const planned = plan.phases[0]?.jobs[0];
  if (planned === undefined) {
    throw new Error("internal error: the bench planned no job");
  }
  const spec = jobSpec(planned);
  const jobs = [{ ...spec, stream: { ...spec.stream, fua: job.fua } }];
  const whole = { jobs, intervalNs: 1e9, hiccups: false };
  const path = startEnginePath(whole, [[device]]);
  await path.done;
  const outcome = path.result();
  const { ios, bytes, runtimeNs, service } = directionOf(outcome);
  const { userNs, systemNs } = outcome.processCpu;
  return {
    perSecond: (ios * 1e9) / runtimeNs,
    medianUs: decodeHistogram(service.hdr).getValueAtPercentile(50) / 1000,
    cpuUs: (userNs + systemNs) / 1000 / ios,
    bytes,
  };
}

/** One kind of log with its files: the device alone and the log before its image, both open. */
class Subject {
  readonly kind: WriteLogKind;
  readonly on: WriteLogRow["on"];
  readonly #options: WriteLogBenchOptions;
  readonly #clock = new RealClock();
  readonly #files: string[] = [];
  #alone: BlockDevice | null = null;
  #log: OpenedWriteLog | null = null;

  constructor(kind: WriteLogKind, options: WriteLogBenchOptions) {
    this.kind = kind;
    this.#options = options;
    this.on = kind.largestBlockBytes < 512 && options.memoryFolder !== null ? "tmpfs" : "disk";
  }

  async open(): Promise<void> {
    const { seed, sizeBytes } = this.#options;
    this.#alone = await this.#device("alone");
    const log = await this.#device("log");
    const image = openBlockDevice("memory", {
      write: true,
      depth: deepest + spare,
      slotBytes: longest,
      sizeBytes,
    });
    this.#log = await this.kind.open({
      image,
      log,
      clock: this.#clock,
      create: true,
      imageId: "bench",
      imageUri: "memory",
      logId: new SeededRandom(seed).below(2 ** 32),
      tuning: { persist: "write" },
    });
  }

  async #device(name: string): Promise<BlockDevice> {
    const { folder, memoryFolder, sizeBytes, signal } = this.#options;
    const where = this.on === "tmpfs" ? (memoryFolder ?? folder) : folder;
    const path = join(where, `${name}-${this.kind.name}`);
    this.#files.push(path);
    await writeScratchFile(path, sizeBytes, signal);
    const place = { mode: this.kind.name, path, model: null, sizeBytes, found: "foreign" } as const;
    return openLogDevice(place, this.kind.largestBlockBytes, longest, this.#clock);
  }

  async alone(workload: WriteLogWorkload): Promise<Figures> {
    const device = this.#alone;
    if (device === null) {
      throw new Error("internal error: the bench measures a device that is not open");
    }
    const { runtimeMs } = this.#options;
    const figures = await run(
      device,
      workload,
      { rw: "write", fua: true, runtimeMs },
      this.#options,
    );
    return { ...figures, bytesPerByte: 1 };
  }

  async log(workload: WriteLogWorkload): Promise<Figures> {
    const log = this.#log;
    if (log === null) {
      throw new Error("internal error: the bench measures a log that is not open");
    }
    const written = () => log.stats.counters.logWriteBytes;
    const taken = () => log.stats.counters.writeBytes;
    const before = { written: written(), taken: taken() };
    const { runtimeMs } = this.#options;
    const job = { rw: "randwrite", fua: false, runtimeMs };
    const figures = await run(log, workload, job, this.#options);
    const bytesPerByte = (written() - before.written) / (taken() - before.taken);
    // What the next one would have to write back is no matter of it.
    await log.drain();
    return { ...figures, bytesPerByte };
  }

  async close(): Promise<void> {
    try {
      await this.#log?.shutDown();
    } finally {
      this.#alone?.close();
      this.#clock.close();
      for (const file of this.#files) {
        rmSync(file, { force: true });
      }
    }
  }
}

interface Sample {
  readonly alone: Figures;
  readonly log: Figures;
}

interface Cell {
  readonly subject: Subject;
  readonly workload: WriteLogWorkload;
  readonly samples: Sample[];
}

async function measure({ subject, workload, samples }: Cell, logFirst: boolean): Promise<void> {
  if (logFirst) {
    const log = await subject.log(workload);
    samples.push({ log, alone: await subject.alone(workload) });
  } else {
    const alone = await subject.alone(workload);
    samples.push({ alone, log: await subject.log(workload) });
  }
}

function rowOf({ subject, workload, samples }: Cell): WriteLogRow {
  const of = (value: (sample: Sample) => number) => overRounds(samples.map(value));
  return {
    implementation: subject.kind.name,
    on: subject.on,
    workload,
    alonePerSecond: of(({ alone }) => alone.perSecond),
    logPerSecond: of(({ log }) => log.perSecond),
    ratio: of(({ alone, log }) => log.perSecond / alone.perSecond),
    aloneUs: of(({ alone }) => alone.medianUs),
    logUs: of(({ log }) => log.medianUs),
    addedUs: of(({ alone, log }) => log.medianUs - alone.medianUs),
    cpuUs: of(({ log }) => log.cpuUs),
    bytesPerByte: of(({ log }) => log.bytesPerByte),
  };
}

/** Measures every workload on every log. Throws what a log that does not open throws. */
export async function benchWriteLogs(options: WriteLogBenchOptions): Promise<WriteLogBench> {
  const { only, rounds, runtimeMs, sizeBytes, seed } = options;
  const subjects = writeLogKinds()
    .filter(({ name }) => only === null || name === only)
    .map((kind) => new Subject(kind, options));
  const cells = subjects.flatMap((subject) =>
    writeLogWorkloads.map((workload): Cell => ({ subject, workload, samples: [] })),
  );
  const total = cells.length * rounds;
  let done = 0;
  options.onCell(0, total, "writing the files");
  try {
    for (const subject of subjects) {
      await subject.open();
    }
    for (let round = 0; round < rounds; round += 1) {
      for (const cell of round % 2 === 0 ? cells : cells.toReversed()) {
        const { subject, workload } = cell;
        options.onCell(done, total, `${subject.kind.name}, depth ${workload.depth}`);
        await measure(cell, round % 2 === 1);
        done += 1;
      }
    }
  } finally {
    for (const subject of subjects) {
      await subject.close();
    }
  }
  return {
    schema: "osdyno-bench-1",
    hotPath: "writelog",
    rounds,
    runtimeMs,
    sizeBytes,
    seed,
    kernel: release(),
    cpu: cpus()[0]?.model ?? "unknown",
    rows: cells.map(rowOf),
  };
}
