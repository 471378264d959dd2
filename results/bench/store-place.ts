/** A store with a volume on a file of its own: what the bench of the store measures. */
import { OsdynoError } from "../../engine/base/error.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { OptionSet, type OptionSetting } from "../../engine/options/option-set.ts";
import { makeRealStore, RealStore, type RealStoreRequest } from "../../engine/store/real-store.ts";
import { StoreVolume } from "../../engine/store/volume.ts";
import {
  defaultCollectionBits,
  defaultObjectBytes,
  makeVolume,
  readVolume,
  VolumeLayout,
} from "../../engine/store/volume-layout.ts";
import { hostEnvironment } from "../../workloads/job/host-environment.ts";
import { parseJobs } from "../../workloads/job/parse.ts";
import { planRun } from "../../workloads/planner.ts";
import type { DirectionOutcome, NativeOutcome } from "../../workloads/run-outcome.ts";
import { startEnginePath } from "../../workloads/runner/engine-path.ts";
import { jobSpec } from "../../workloads/runner/native-plan.ts";

/** One job as fio's arguments, without a file. */
export interface StoreJob {
  readonly operation: "read" | "write" | "randread" | "randwrite";
  readonly blockBytes: number;
  readonly depth: number;
  /** `null`: until all was written once. */
  readonly runtimeMs: number | null;
}

/** What one run of a job on a store took. */
export interface StoreSample {
  readonly opsPerSecond: number;
  /** Of the whole process, all threads, for each operation. */
  readonly cpuUs: number;
  /** Of the device, by the store and its key-value store, for each operation. */
  readonly flushes: number;
  /** To the device, by both, for each byte of the job; 0 when it only reads. */
  readonly writeAmplification: number;
}

/** Arguments of a job over `bytes`, without where. */
export function jobArguments(job: StoreJob, bytes: number): string[] {
  return [
    "--name=bench",
    `--rw=${job.operation}`,
    `--bs=${job.blockBytes}`,
    `--iodepth=${job.depth}`,
    `--size=${bytes}`,
    "--ioengine=io_uring",
    "--direct=1",
    ...(job.runtimeMs === null ? [] : ["--time_based", `--runtime=${job.runtimeMs}ms`]),
  ];
}

/** Counts of a store at one moment. */
interface Counts {
  readonly flushes: number;
  readonly writtenBytes: number;
}

function countsOf({ store }: RealStore): Counts {
  const { io, kv } = store.state;
  const counters = kv.counters();
  const of = (name: string) => counters[name] ?? 0;
  return {
    flushes: io.counters.flushes + io.counters.durableWrites + of("flushes") + of("durable_writes"),
    writtenBytes: io.counters.writtenBytes + of("written_bytes"),
  };
}

/** The direction that a job has. */
export function directionOf({ jobs: [job] }: NativeOutcome): DirectionOutcome {
  if (job === undefined || job.error !== null) {
    throw new OsdynoError("io", job?.error?.message ?? "the run reported no job");
  }
  const used = job.read ?? job.write;
  if (used === null || used.ios === 0) {
    throw new OsdynoError("io", "no operation completed in the time given; raise --runtime");
  }
  return used;
}

export class StorePlace {
  readonly path: string;
  readonly volumeBytes: number;
  /** Of the file. */
  readonly storeBytes: number;
  readonly #settings: readonly OptionSetting[];
  readonly #random: SeededRandom;

  constructor(
    path: string,
    volumeBytes: number,
    storeBytes: number,
    settings: readonly OptionSetting[],
    seed: number,
  ) {
    this.path = path;
    this.volumeBytes = volumeBytes;
    this.storeBytes = storeBytes;
    this.#settings = settings;
    this.#random = new SeededRandom(seed);
  }

  #request(slotBytes: number, userSlots: number): RealStoreRequest {
    const options = new OptionSet({
      layers: new Set(["store"]),
      kind: "ssd",
      settings: this.#settings,
    });
    return {
      path: this.path,
      options,
      deviceClass: "ssd",
      classReason: "the bench takes it for one",
      sizeBytes: this.storeBytes,
      random: this.#random,
      slotBytes,
      userSlots,
    };
  }

  /** Makes the store in the file, which is there and was written: nothing of it is a hole. */
  async make(): Promise<void> {
    await makeRealStore(this.#request(4096, 1));
    const real = await RealStore.open(this.#request(4096, 1));
    const layout = { objectBytes: defaultObjectBytes, collectionBits: defaultCollectionBits };
    await makeVolume(real.store, layout, this.path);
    await real.close();
  }

  /** The mounted store; the caller closes it. */
  async open(slotBytes: number, slots: number): Promise<RealStore> {
    return await RealStore.open(this.#request(slotBytes, slots));
  }

  /** Runs one job on the mounted store. */
  async run(real: RealStore, job: StoreJob): Promise<StoreSample> {
    const args = [...jobArguments(job, this.volumeBytes), `--target=store:${this.path}`];
    const parsed = parseJobs([{ kind: "args", args }], hostEnvironment());
    const plan = planRun(parsed.jobs, { target: null, path: "engine", seed: null, directory: "/" });
    const planned = plan.phases[0]?.jobs[0];
    if (planned === undefined) {
      throw new Error("internal error: the bench planned no job");
    }
    const volume = new StoreVolume({
      store: real.store,
      driver: real.driver,
      layout: new VolumeLayout(await readVolume(real.store, this.path)),
      clock: real.clock,
      firstSlot: real.firstUserSlot,
      slots: job.depth,
      counters: real.volumeCounters,
      notes: [],
      facts: {
        ...real.deviceFacts,
        sizeBytes: this.volumeBytes,
        blockBytes: 1,
        queueDepth: job.depth,
      },
      closed: () => {},
    });
    const before = countsOf(real);
    const spec = { jobs: [jobSpec(planned)], intervalNs: 1e9, hiccups: false };
    const run = startEnginePath(spec, [[volume]]);
    await run.done;
    const outcome = run.result();
    volume.close();
    const after = countsOf(real);
    const { ios, bytes, runtimeNs } = directionOf(outcome);
    const { userNs, systemNs } = outcome.processCpu;
    return {
      opsPerSecond: (ios * 1e9) / runtimeNs,
      cpuUs: (userNs + systemNs) / 1000 / ios,
      flushes: (after.flushes - before.flushes) / ios,
      writeAmplification: (after.writtenBytes - before.writtenBytes) / bytes,
    };
  }
}
