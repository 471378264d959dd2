/**
 * The bench of the object store: the same jobs on a raw file and on a volume of a store in a file beside
 * it, in rounds of alternating order, so that what the disk does meanwhile hits both alike. A write of
 * the store is durable when it completes; the raw job asks for that by O_DSYNC.
 */
import { rmSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { assert } from "../../engine/base/assert.ts";
import { OsdynoError } from "../../engine/base/error.ts";
import type { KeyValueEngine } from "../../engine/hot/kv/kv.ts";
import { keyValueEngines } from "../../engine/hot/kv/registry.ts";
import type { OptionSetting } from "../../engine/options/option-set.ts";
import type { RealStore } from "../../engine/store/real-store.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { planRun } from "../../workloads/planner.ts";
import { execute } from "../../workloads/runner/execute.ts";
import { writeScratchFile } from "../../workloads/runner/layout.ts";
import { storeBytesFor } from "../../workloads/store-target.ts";
import type { MedianInterval } from "../stats/order-statistics.ts";
import { overRounds } from "./rounds.ts";
import { benchMount, type MountRow } from "./store-mount.ts";
import {
  directionOf,
  jobArguments,
  type StoreJob,
  StorePlace,
  type StoreSample,
} from "./store-place.ts";

export interface StoreBenchOptions {
  /** A key-value store by name; `null`: every durable one that can be used here. */
  readonly only: string | null;
  readonly rounds: number;
  /** Of each measurement, ms; half as much goes before it unmeasured. */
  readonly runtimeMs: number;
  /** Of the raw file and of the volume. */
  readonly sizeBytes: number;
  /** Of the stores that are mounted; 0: none is. */
  readonly objects: number;
  readonly seed: number;
  /** For the files. */
  readonly folder: string;
  /** Tuning parameters of the store. */
  readonly settings: readonly OptionSetting[];
  readonly signal: AbortSignal;
  readonly onCell: (done: number, total: number, cell: string) => void;
}

export interface StoreWorkload {
  readonly name: string;
  readonly operation: "randread" | "randwrite";
  readonly blockBytes: number;
  readonly depth: number;
}

export interface StoreRow {
  readonly kv: string;
  readonly workload: StoreWorkload;
  readonly rawPerSecond: MedianInterval;
  readonly storePerSecond: MedianInterval;
  /** Of the store to the raw file, in each round. */
  readonly ratio: MedianInterval;
  readonly cpuUs: MedianInterval;
  readonly rawCpuUs: MedianInterval;
  readonly flushes: MedianInterval;
  readonly writeAmplification: MedianInterval;
}

export interface StoreBench {
  readonly schema: "osdyno-bench-1";
  readonly hotPath: "store";
  readonly rounds: number;
  readonly runtimeMs: number;
  readonly sizeBytes: number;
  /** Of each store's file, in which the volume is; absent in benches from when they were of different sizes. */
  readonly storeBytes?: number;
  readonly seed: number;
  readonly settings: readonly string[];
  readonly kernel: string;
  readonly cpu: string;
  readonly rows: readonly StoreRow[];
  readonly mounts: readonly MountRow[];
  readonly missing: readonly { readonly store: string; readonly reason: string }[];
}

const mib = 2 ** 20;

/**
 * Of a store's file: more than a volume comes with, since RocksDB keeps logs and tables for a while that hold
 * nothing any more. All stores are as large, so that small writes find as much free space that lies together.
 */
const storeBytesOf = (volumeBytes: number): number => storeBytesFor(volumeBytes) + 512 * mib;

/** The smallest piece of space of a store on flash. */
const unitBytes = 4096;

export const storeWorkloads: readonly StoreWorkload[] = [
  { name: "4 KiB overwrite", operation: "randwrite", blockBytes: 4096, depth: 16 },
  { name: "4 KiB overwrite", operation: "randwrite", blockBytes: 4096, depth: 32 },
  { name: "4 KiB read", operation: "randread", blockBytes: 4096, depth: 16 },
  { name: "4 MiB overwrite", operation: "randwrite", blockBytes: 4 * mib, depth: 4 },
];

/** Reads go to the disk, as they do on the raw file: metadata is cached, data is not. */
const uncached: readonly OptionSetting[] = [
  { name: "bluestore_default_buffered_read", value: "false", origin: "bench" },
];

interface RawSample {
  readonly opsPerSecond: number;
  readonly cpuUs: number;
}

interface Sample {
  readonly raw: RawSample;
  readonly store: StoreSample;
}

async function rawRun(file: string, job: StoreJob, options: StoreBenchOptions): Promise<RawSample> {
  const durable = job.operation === "randwrite" ? ["--sync=dsync"] : [];
  const where = `--filename=${file.replaceAll(":", "\\:")}`;
  const args = [...jobArguments(job, options.sizeBytes), where, ...durable];
  const parsed = parseJobs([{ kind: "args", args }], hostEnvironment());
  const plan = planRun(parsed.jobs, { target: null, path: "native", seed: null, directory: "/" });
  const { phases } = await execute(
    plan,
    { intervalNs: 1e9, hiccups: false, signal: options.signal, watch: { check: () => null } },
    {
      phase: () => {},
      intervals: () => {},
      progress: () => {},
      log: () => {},
      shouldStop: () => [],
      standing: () => {},
    },
  );
  const outcome = phases[0]?.outcome;
  assert(outcome !== undefined, "a raw job of the bench has no outcome");
  const { ios, runtimeNs } = directionOf(outcome);
  const cpu = outcome.jobs[0]?.cpu;
  return {
    opsPerSecond: (ios * 1e9) / runtimeNs,
    cpuUs: cpu === undefined ? 0 : (cpu.userNs + cpu.systemNs) / 1000 / ios,
  };
}

function stopIfAsked({ signal }: StoreBenchOptions): void {
  if (signal.aborted) {
    throw new OsdynoError("interrupted", "the bench was stopped");
  }
}

/** One key-value store with its file, filled once. */
class Subject {
  readonly kv: string;
  readonly settings: readonly OptionSetting[];
  readonly #place: StorePlace;
  readonly #options: StoreBenchOptions;

  constructor({ name: kv }: KeyValueEngine, options: StoreBenchOptions) {
    this.kv = kv;
    this.#options = options;
    const own = { name: "bluestore_kvbackend", value: kv, origin: "bench" };
    this.settings = [own, ...options.settings];
    const settings = [...this.settings, ...uncached];
    const path = join(options.folder, `store-${kv}`);
    const { sizeBytes, seed } = options;
    this.#place = new StorePlace(path, sizeBytes, storeBytesOf(sizeBytes), settings, seed);
  }

  async fill(): Promise<void> {
    const { path, storeBytes } = this.#place;
    await writeScratchFile(path, storeBytes, this.#options.signal);
    await this.#place.make();
    const blockBytes = 4 * mib;
    const real = await this.#place.open(blockBytes, 4);
    try {
      await this.#place.run(real, { operation: "write", blockBytes, depth: 4, runtimeMs: null });
    } finally {
      await real.close();
    }
  }

  async measure(workload: StoreWorkload): Promise<StoreSample> {
    const { blockBytes, depth } = workload;
    const real = await this.#place.open(Math.max(blockBytes, 65_536), Math.max(depth, 16));
    try {
      await this.#warm(real, workload);
      return await this.#place.run(real, { ...workload, runtimeMs: this.#options.runtimeMs });
    } finally {
      await real.close();
    }
  }

  /**
   * All metadata in the cache, and the code compiled. Small overwrites are measured where each unit was
   * overwritten before, as in a volume in use: the first one into what a large write left divides its blob.
   */
  async #warm(real: RealStore, workload: StoreWorkload): Promise<void> {
    const all = { operation: "read", blockBytes: 65_536, depth: 16, runtimeMs: null } as const;
    await this.#place.run(real, { ...all, depth: Math.min(16, Math.max(workload.depth, 4)) });
    if (workload.operation === "randwrite" && workload.blockBytes === unitBytes) {
      await this.#place.run(real, { ...workload, runtimeMs: null });
    }
    const runtimeMs = Math.ceil(this.#options.runtimeMs / 2);
    await this.#place.run(real, { ...workload, runtimeMs });
  }

  remove(): void {
    rmSync(this.#place.path, { force: true });
  }
}

function rowOf(kv: string, workload: StoreWorkload, samples: readonly Sample[]): StoreRow {
  const of = (value: (sample: Sample) => number) => overRounds(samples.map(value));
  return {
    kv,
    workload,
    rawPerSecond: of(({ raw }) => raw.opsPerSecond),
    storePerSecond: of(({ store }) => store.opsPerSecond),
    ratio: of(({ raw, store }) => store.opsPerSecond / raw.opsPerSecond),
    cpuUs: of(({ store }) => store.cpuUs),
    rawCpuUs: of(({ raw }) => raw.cpuUs),
    flushes: of(({ store }) => store.flushes),
    writeAmplification: of(({ store }) => store.writeAmplification),
  };
}

/** Those that could be filled; why not is told of the others. */
async function filled(
  subjects: readonly Subject[],
  missing: { store: string; reason: string }[],
): Promise<Subject[]> {
  const ready: Subject[] = [];
  for (const subject of subjects) {
    try {
      await subject.fill();
      ready.push(subject);
    } catch (error) {
      const hopeless = subjects.length === 1 || !(error instanceof OsdynoError);
      if (hopeless || error.code === "interrupted") {
        throw error;
      }
      missing.push({ store: subject.kv, reason: error.message });
    }
  }
  return ready;
}

interface Cell {
  readonly subject: Subject;
  readonly workload: StoreWorkload;
  readonly samples: Sample[];
}

async function measureCell(
  cell: Cell,
  file: string,
  storeFirst: boolean,
  options: StoreBenchOptions,
): Promise<void> {
  const { subject, workload, samples } = cell;
  const raw = () => rawRun(file, { ...workload, runtimeMs: options.runtimeMs }, options);
  if (storeFirst) {
    const store = await subject.measure(workload);
    samples.push({ store, raw: await raw() });
  } else {
    const first = await raw();
    samples.push({ raw: first, store: await subject.measure(workload) });
  }
}

/** Measures every cell in every round. */
async function measureRounds(cells: readonly Cell[], options: StoreBenchOptions): Promise<void> {
  const file = join(options.folder, "raw");
  const total = cells.length * options.rounds;
  let done = 0;
  await writeScratchFile(file, options.sizeBytes, options.signal);
  try {
    for (let round = 0; round < options.rounds; round += 1) {
      for (const cell of round % 2 === 0 ? cells : cells.toReversed()) {
        stopIfAsked(options);
        const { name, depth } = cell.workload;
        options.onCell(done, total, `${cell.subject.kv}, ${name}, depth ${depth}`);
        await measureCell(cell, file, round % 2 === 1, options);
        done += 1;
      }
    }
  } finally {
    rmSync(file, { force: true });
  }
}

async function measureMounts(
  subjects: readonly Subject[],
  options: StoreBenchOptions,
): Promise<readonly MountRow[]> {
  const rows: MountRow[] = [];
  for (const { kv, settings } of options.objects === 0 ? [] : subjects) {
    const onStep = (step: string) => options.onCell(1, 1, step);
    rows.push(...(await benchMount({ ...options, kv, settings, onStep })));
  }
  return rows;
}

/** Measures every workload on every key-value store that can be used here. */
export async function benchStore(options: StoreBenchOptions): Promise<StoreBench> {
  const { only, rounds, runtimeMs, sizeBytes, seed } = options;
  const wanted = keyValueEngines().filter(({ name, uses }) =>
    only === null ? uses !== "none" : name === only,
  );
  const missing = wanted.flatMap(({ name, unavailable }) =>
    unavailable === null ? [] : [{ store: name, reason: unavailable }],
  );
  const subjects = wanted
    .filter(({ unavailable }) => unavailable === null)
    .map((engine) => new Subject(engine, options));
  options.onCell(0, 1, "filling");
  let cells: Cell[] = [];
  let usable: readonly Subject[] = [];
  try {
    usable = await filled(subjects, missing);
    cells = usable.flatMap((subject) =>
      storeWorkloads.map((workload): Cell => ({ subject, workload, samples: [] })),
    );
    await measureRounds(cells, options);
  } finally {
    for (const subject of subjects) {
      subject.remove();
    }
  }
  const mounts = await measureMounts(usable, options);
  return {
    schema: "osdyno-bench-1",
    hotPath: "store",
    rounds,
    runtimeMs,
    sizeBytes,
    storeBytes: storeBytesOf(sizeBytes),
    seed,
    settings: options.settings.map(({ name, value }) => `${name}=${value}`),
    kernel: release(),
    cpu: cpus()[0]?.model ?? "unknown",
    rows: cells.map(({ subject, workload, samples }) => rowOf(subject.kv, workload, samples)),
    mounts,
    missing,
  };
}
