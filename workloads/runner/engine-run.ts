/** Runs a `RunSpec` on the engine path: opens a device for each file of each job, and closes them. */
import { OsdynoError } from "../../engine/base/error.ts";
import { isTraced } from "../../engine/device/stages.ts";
import { SyntheticDevice } from "../../engine/device/synthetic.ts";
import type { SyntheticSpec } from "../../engine/device/synthetic-spec.ts";
import { NativeBlockDevice } from "../../engine/hot/ioengine/native-device.ts";
import {
  blockEngine,
  type OpenOptions,
  openBlockDevice,
} from "../../engine/hot/ioengine/registry.ts";
import type { BlockDevice } from "../../engine/port/block-device.ts";
import {
  type EnginePathRun,
  type EnginePathSpec,
  type OpOwner,
  type StageTracing,
  startEnginePath,
} from "./engine-path.ts";
import type { StoreSession } from "./store-session.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What opening wants to know of a job; a `JobSpec` has it. */
export interface OpenableJob {
  readonly name: string;
  readonly engine: { readonly kind: string; readonly [parameter: string]: unknown };
  readonly files: readonly { readonly path: string; readonly readOnly?: boolean }[];
  readonly write: boolean;
  readonly direct: boolean;
  readonly sync: "none" | "sync" | "dsync";
  /** Default: drop what is cached, advise what the stream does. */
  readonly cache?: {
    readonly invalidate: boolean;
    readonly advise: "none" | "pattern" | "random" | "sequential" | "noreuse";
  };
  readonly iodepth: number;
  /** Slots of the arena; default: as many as operations under way. */
  readonly slots?: number;
  readonly maxBlock: number;
  readonly stream: {
    readonly pattern: "random" | "sequential";
    readonly regions: readonly { readonly offset: number; readonly size: number }[];
  };
}

/** What the kernel is told of the access to expect, without `direct`. */
function accessOf(job: OpenableJob): Pick<OpenOptions, "access"> {
  const advise = job.cache?.advise ?? "pattern";
  const access = advise === "pattern" ? job.stream.pattern : advise;
  return access === "none" ? {} : { access };
}

function openFile(
  job: OpenableJob,
  index: number,
  first: BlockDevice | null,
  time: VirtualTime | null,
): BlockDevice {
  const { kind, ...parameters } = job.engine;
  if (time !== null) {
    return new SyntheticDevice({
      spec: parameters["model"] as SyntheticSpec,
      clock: time.clock,
      depth: job.iodepth,
      slotBytes: job.maxBlock,
      blockBytes: 1,
    });
  }
  const slots = job.slots === undefined ? {} : { slotCount: job.slots };
  const region = job.stream.regions[index];
  const path = job.files[index]?.path;
  const options: OpenOptions = {
    write: job.write && job.files[index]?.readOnly !== true,
    direct: job.direct,
    sync: job.sync,
    ...accessOf(job),
    invalidate: job.cache?.invalidate ?? true,
    parameters,
    depth: blockEngine(kind)?.synchronous === true ? 1 : job.iodepth,
    ...slots,
    slotBytes: job.maxBlock,
    // The job addresses its regions only; a file may grow up to there.
    sizeBytes: region === undefined ? 0 : region.offset + region.size,
    ...(path === undefined ? {} : { path }),
    // Only direct I/O wants alignment; fio allows any block size without.
    ...(job.direct && path !== undefined ? {} : { blockBytes: 1 }),
    ...(first === null ? {} : { shareArena: first }),
  };
  if (kind !== "synthetic") {
    return openBlockDevice(kind, options);
  }
  const { depth, slotBytes } = options;
  return new NativeBlockDevice({
    engine: job.engine,
    depth,
    slotBytes,
    slotCount: job.slots ?? depth,
    blockBytes: 1,
  });
}

/** The devices of one job, one for each file, over one arena; in virtual time the synthetic device's. */
export function openJobDevices(job: OpenableJob, time: VirtualTime | null = null): BlockDevice[] {
  const devices: BlockDevice[] = [];
  try {
    for (let index = 0; index < Math.max(1, job.files.length); index += 1) {
      devices.push(openFile(job, index, devices[0] ?? null, time));
    }
  } catch (error) {
    closeAll(devices);
    if (error instanceof OsdynoError) {
      const { code, message, context } = error;
      throw new OsdynoError(code, `job ${job.name}: ${message}`, context, error);
    }
    throw error;
  }
  return devices;
}

function closeAll(devices: readonly BlockDevice[]): void {
  for (const device of devices) {
    device.close();
  }
}

/** Where the jobs of a run are, as far as that is no file. */
export interface RunPlaces {
  readonly time: VirtualTime | null;
  readonly stores: StoreSession | null;
  /** By job: the target of its store; null: it is on none. */
  readonly targets: readonly (string | null)[];
  /** By job: its part of a chain that is open, or its objects; null: it is on none. */
  readonly chained?: readonly (BlockDevice | null)[];
  /** By job: whose its operations are. */
  readonly owners?: readonly OpOwner[];
  /** Null: no stages are taken. */
  readonly tracing?: StageTracing | null;
}

const onFiles: RunPlaces = { time: null, stores: null, targets: [] };

/** Starts a run over devices of its own, which are closed when it is done. Throws when one does not open. */
export function startEngineRun(
  spec: EnginePathSpec & { readonly jobs: readonly OpenableJob[] },
  { time, stores, targets, chained = [], owners = [], tracing = null }: RunPlaces = onFiles,
): EnginePathRun {
  const devices: BlockDevice[][] = [];
  const jobs: readonly OpenableJob[] = spec.jobs;
  // A chain is closed by who has opened it: its layers may have work left.
  const closeOwn = () => {
    closeAll(devices.filter((_, index) => (chained[index] ?? null) === null).flat());
  };
  try {
    for (const [index, job] of jobs.entries()) {
      const target = targets[index] ?? null;
      const volume =
        chained[index] ?? (target === null ? null : (stores?.device(target, job.iodepth) ?? null));
      devices.push(volume === null ? openJobDevices(job, time) : [volume]);
    }
    if (tracing !== null) {
      for (const device of devices.flat()) {
        if (isTraced(device)) {
          device.traceStages(tracing.clock, "store");
        }
      }
    }
    const run = startEnginePath(spec, devices, time?.loop() ?? null, owners, tracing);
    return { ...run, done: run.done.finally(closeOwn) };
  } catch (error) {
    closeOwn();
    throw error;
  }
}
