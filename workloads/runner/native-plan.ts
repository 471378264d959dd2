/** From a planned job to the specification that the native side executes. */
import { syntheticDefaults } from "../../engine/device/synthetic-spec.ts";
import { blockEngine } from "../../engine/hot/ioengine/registry.ts";
import { mixByDirection } from "../../engine/store/objects/object-mix.ts";
import type { ArrivalRule, PerDirection, ResolvedJob } from "../job/model.ts";
import { blockLimits, directionsOf } from "../job-reach.ts";
import { objectSizes, type PlannedObjects } from "../object-plan.ts";
import { cpusOf, startDelayNs } from "../placement.ts";
import { hasPath, type PlannedJob } from "../plan-model.ts";
import { parseTarget } from "../target.ts";
import { traceSlotBytes } from "../trace/plan.ts";
import { fileEngineSpec } from "./engine-spec.ts";
import { logSpec } from "./log-plan.ts";
import { controlSpec } from "./native-control.ts";
import type { EngineSpec, JobSpec, SpecArrival, StreamSpec } from "./native-spec.ts";
import { checkFilesSpec, streamRules } from "./stream-rules.ts";

function mixOf({ resolved: job, trace }: PlannedJob): PerDirection<number> {
  if (trace !== undefined) {
    const [reads, writes, trims] = trace.facts.operations;
    const share = (count: number) => (100 * count) / Math.max(1, reads + writes + trims);
    return [share(reads), share(writes), share(trims)];
  }
  if (job.objects !== null) {
    return mixByDirection(job.objects);
  }
  const used = directionsOf(job);
  if (used.trim) {
    return used.write ? [0, 50, 50] : [0, 0, 100];
  }
  if (used.read && used.write) {
    return [job.rwmixread, 100 - job.rwmixread, 0];
  }
  return used.read ? [100, 0, 0] : [0, 100, 0];
}

function arrivalSpec(rule: ArrivalRule | null): SpecArrival {
  return rule === null ? { kind: "closed" } : rule;
}

function map3<A, B>(values: PerDirection<A>, change: (value: A) => B): PerDirection<B> {
  return [change(values[0]), change(values[1]), change(values[2])];
}

/** With the flags of sync_file_range(2). */
function rangeFlushOf({ syncs: { fileRange } }: ResolvedJob): StreamSpec["rangeFlush"] {
  if (fileRange === null) {
    return null;
  }
  const { every, waitBefore, write, waitAfter } = fileRange;
  return { every, flags: (waitBefore ? 1 : 0) + (write ? 2 : 0) + (waitAfter ? 4 : 0) };
}

/** The op stream of one planned job; the same on every engine and path. */
export function streamSpec(job: PlannedJob): StreamSpec {
  return job.objects === undefined ? blockStream(job) : objectStream(job, job.objects);
}

/**
 * The stream of a job on objects: what it draws as places are objects, and each operation is on one. It
 * ends when it has had as many as there are objects, unless it is bounded otherwise.
 */
function objectStream(job: PlannedJob, { count, strideBytes }: PlannedObjects): StreamSpec {
  const stream = blockStream(job);
  const { resolved } = job;
  const sizes = objectSizes(resolved);
  const bounded = resolved.ioSize !== null || resolved.numberIos !== null;
  return {
    ...stream,
    blockSizes: [sizes, sizes, sizes],
    blockAlign: [strideBytes, strideBytes, strideBytes],
    // Objects of one size are one block each: a map gives each once, as fio's does with blocks.
    randomMap: stream.randomMap && sizes.kind === "fixed",
    trimThenWrite: false,
    sequentialStep: 0,
    opsPerDraw: 1,
    numberIos: bounded ? stream.numberIos : count,
    fua: false,
    loopBarrier: false,
    rangeFlush: null,
    data: { ...stream.data, verify: null },
  };
}

function blockStream(job: PlannedJob): StreamSpec {
  const { resolved } = job;
  const region = job.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const { ioSize } = resolved;
  const ioBytes =
    ioSize === null
      ? region
      : ioSize.kind === "bytes"
        ? ioSize.bytes
        : Math.floor((region * ioSize.percent) / 100);
  const target = job.files.every((file) => !hasPath(file.kind));
  return {
    seed: job.seed,
    pattern: resolved.rw.startsWith("rand") ? "random" : "sequential",
    mix: mixOf(job),
    trimThenWrite: resolved.rw === "trimwrite" || resolved.rw === "randtrimwrite",
    sequentialStep: resolved.sequentialStepBytes,
    opsPerDraw: resolved.opsPerDraw,
    blockSizes: resolved.blockSizes,
    blockAlign: resolved.blockAlignBytes,
    distribution: resolved.distribution,
    percentageRandom: resolved.percentageRandom,
    randomMap: resolved.randomMap && resolved.distribution.every((rule) => rule.kind === "random"),
    ioBytes,
    numberIos: resolved.numberIos,
    loops: resolved.loops,
    timeBased: resolved.timeBased,
    arrival: map3(resolved.arrival, arrivalSpec),
    thinktimeNs: resolved.thinktimeNs,
    thinktimeBlocks: resolved.thinktimeBlocks,
    thinktime: {
      spinNs: resolved.thinktimeSpinNs,
      ioNs: resolved.thinktimeIoNs,
      onIssue: resolved.thinktimeCounts === "issue",
      delaysSchedule: resolved.rateIgnoresThinktime,
    },
    serializeOverlap: resolved.queue.serializeOverlap,
    loopBarrier:
      resolved.fileRules.unlinkEachLoop ||
      resolved.syncs.onClose ||
      resolved.verify?.readBack === true,
    fsyncEvery: resolved.fsync,
    fdatasyncEvery: resolved.fdatasync,
    rangeFlush: target ? null : rangeFlushOf(resolved),
    endFsync: resolved.endFsync,
    fua: target && resolved.sync !== "none",
    ...streamRules(job),
  };
}

function engineSpec(job: PlannedJob): EngineSpec {
  const first = job.files[0];
  // Over a store the native side drives no device: operations leave through the engine path.
  if (first?.kind === "null" || first?.kind === "store") {
    return { kind: "null" };
  }
  if (first?.kind === "memory") {
    return { kind: "memory", size: first.fileBytes };
  }
  if (first?.kind === "synthetic") {
    const target = parseTarget(first.path);
    if (target.kind === "null") {
      // Under a shape it may be one without any figures of its own.
      const model = target.model ?? syntheticDefaults;
      const size = Math.max(model.size, first.fileBytes);
      // A replicate is a draw of its own, unless the target fixes the seed.
      const fixed = /[?&]seed=/.test(target.text);
      const seed = fixed ? model.seed : job.seed % 2 ** 32;
      return { kind: "synthetic", model: { ...model, size, seed } };
    }
  }
  return fileEngineSpec(job.resolved);
}

/** fio's synchronous engines have one operation in flight, whatever `iodepth` says. */
export function effectiveDepth(job: PlannedJob): number {
  if (job.resolved.queue.submitMode === "offload") {
    // As many threads, each with one.
    return job.iodepth;
  }
  return blockEngine(engineSpec(job).kind)?.synchronous === true ? 1 : job.iodepth;
}

/**
 * The whole specification of one planned job. `phase`: the jobs that start with it, itself included;
 * `run`: all of the run.
 */
export function jobSpec(
  job: PlannedJob,
  phase: readonly PlannedJob[] = [job],
  run: readonly PlannedJob[] = phase,
): JobSpec {
  const { resolved } = job;
  const onFiles = job.files.some((file) => hasPath(file.kind));
  const depth = effectiveDepth(job);
  return {
    name: resolved.name,
    engine: engineSpec(job),
    files: onFiles
      ? job.files.map(({ path, access }) => ({ path, readOnly: access?.writes === false }))
      : [],
    write: job.writes,
    direct: resolved.direct,
    sync: onFiles ? resolved.sync : "none",
    cache: { invalidate: resolved.fileRules.invalidate, advise: resolved.fileRules.advise },
    iodepth: depth,
    maxBlock:
      job.trace === undefined
        ? (job.objects?.strideBytes ?? blockLimits(resolved).max)
        : traceSlotBytes(job.trace, depth),
    stream: streamSpec(job),
    startDelayNs: startDelayNs(job),
    runtimeNs: resolved.runtimeNs === null ? null : resolved.runtimeNs + resolved.rampNs,
    rampNs: resolved.rampNs,
    cpus: cpusOf(job),
    backlogCap: resolved.backlogCap,
    percentiles: resolved.percentiles,
    control: controlSpec(job, phase, run),
    trace: job.trace?.spec ?? null,
    writeIolog: job.iolog ?? null,
    log: logSpec(resolved),
    checkFiles: checkFilesSpec(job),
    objects: job.objects !== undefined,
  };
}
