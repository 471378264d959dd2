/** From a job's `ioengine` and its options to the engine that the native side opens. */
import type { ResolvedJob } from "../job/model.ts";
import { badInput } from "../job/place.ts";
import type { EngineSpec, UringOptions } from "./native-spec.ts";

/** A key that the job leaves alone leaves the choice to the engine. */
function asGiven(job: ResolvedJob, key: string, value: boolean): boolean | null {
  return job.given.has(key) ? value : null;
}

function uringOptions(job: ResolvedJob): UringOptions {
  const { engineOptions: options } = job;
  return {
    sqthreadPoll: options.sqThreadPoll,
    sqthreadPollCpu: options.sqThreadCpu,
    hipri: options.hipri,
    fixedbufs: asGiven(job, "fixedbufs", options.fixedBuffers),
    registerfiles: asGiven(job, "registerfiles", options.registerFiles),
    nonvectored: asGiven(job, "nonvectored", options.nonvectored),
    forceAsync: options.forceAsyncEvery,
    nowait: options.nowait,
    uncached: options.uncached,
  };
}

/** Values of fio's `ioengine` that run on files, each with the engine that does it. */
const byName: Readonly<Record<string, (job: ResolvedJob) => EngineSpec>> = {
  io_uring: (job) => ({ kind: "io_uring", ...uringOptions(job) }),
  libaio: ({ engineOptions, queue }) => ({
    kind: "libaio",
    nowait: engineOptions.nowait,
    batched: queue.submitBatch > 1,
  }),
  psync: () => ({ kind: "psync" }),
  sync: () => ({ kind: "sync" }),
  pvsync: () => ({ kind: "pvsync" }),
  pvsync2: ({ engineOptions: { hipri, hipriPercent, nowait, uncached } }) => ({
    kind: "pvsync2",
    hipri,
    hipriPercentage: hipriPercent,
    nowait,
    uncached,
  }),
  mmap: ({ engineOptions }) => ({ kind: "mmap", thp: engineOptions.hugePages }),
  pmem: () => ({ kind: "pmem" }),
  // fio's name for the same: a mapping of persistent memory.
  libpmem: () => ({ kind: "pmem" }),
};

/** Names of the engines that run on files. */
export const fileEngines: readonly string[] = Object.keys(byName);

/** The engine of a job on files; refuses by name and line one that there is not. */
export function fileEngineSpec(job: ResolvedJob): EngineSpec {
  const make = Object.hasOwn(byName, job.ioengine) ? byName[job.ioengine] : undefined;
  if (make === undefined) {
    throw badInput(
      job.place,
      `job ${job.name}: ioengine=${job.ioengine} is known to fio, not supported here (there are ${[...fileEngines, "null"].join(", ")})`,
    );
  }
  return make(job);
}
