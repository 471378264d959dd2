/**
 * From resolved jobs to a plan: which files, regions, groups, phases and seeds, decided before
 * anything is opened. Follows fio where fio decides (file names, sizes, groups, stonewalls).
 */
import { createHash } from "node:crypto";
import { totalmem } from "node:os";
import { resolve } from "node:path";
import { syntheticDefaults } from "../engine/device/synthetic-spec.ts";
import { mixByDirection } from "../engine/store/objects/object-mix.ts";
import { layerNotes, layersNamed } from "./chain.ts";
import { chainsOf, logNotes } from "./chain-plan.ts";
import { type CpuChoice, cpuText, sharedCpus } from "./cpu-set.ts";
import { unfitForDirect } from "./direct-blocks.ts";
import { storeSpaceNotes } from "./file-system.ts";
import type { ResolvedJob } from "./job/model.ts";
import { blockLimits, directionsOf } from "./job-reach.ts";
import { planObjects } from "./object-plan.ts";
import {
  hasPath,
  type PlannedFile,
  type PlannedJob,
  type PlannedPhase,
  type RunPlan,
} from "./plan-model.ts";
import { checkFile, lookUp, refuse } from "./planned-path.ts";
import { bytesOf, fileNames, planFile, planSynthetic, startOf } from "./planned-region.ts";
import { refusalOf } from "./runner/native-control.ts";
import { plainStack, type StackChoice, withoutLayers } from "./stack.ts";
import { storeFile, storesOf, targetWith } from "./store-plan.ts";
import { absoluteStore } from "./store-target.ts";
import { parseTarget, type Target } from "./target.ts";
import { planTrace, traceBytes, traceSlotBytes } from "./trace/plan.ts";
import { mergedPath, planIolog } from "./trace/record.ts";

export interface PlanOptions {
  /** Replaces the target of every job. */
  readonly target: string | null;
  readonly path: "native" | "engine";
  /** Replaces the jobs' `randseed`. */
  readonly seed: number | null;
  /** Relative file names are taken from here. */
  readonly directory: string;
  /** Default: nothing is chosen. */
  readonly stack?: StackChoice;
}

/** A job's own seed: from the run's seed and its place, 48 bits. */
function seedOf(base: number, index: number): number {
  return createHash("sha256").update(`osdyno ${base} ${index}`).digest().readUIntBE(0, 6);
}

function targetOf(job: ResolvedJob, options: PlanOptions): Target | null {
  const text = options.target ?? job.target;
  if (text !== null) {
    const target = parseTarget(text);
    const stack = options.stack ?? plainStack;
    if (target.kind === "null" && target.model === null && stack.shape !== undefined) {
      return { ...target, model: { ...syntheticDefaults, size: stack.shape.shape.sizeBytes } };
    }
    return target.kind === "store"
      ? targetWith(absoluteStore(target, options.directory), stack)
      : target;
  }
  if (job.ioengine === "null") {
    return { kind: "null", text: "null:", model: null };
  }
  return job.ioengine === "memory" ? { kind: "memory", text: "memory:" } : null;
}

/** The log device of `pwl:LOG+TARGET`; a store has it among its settings. */
function logOf(target: Target | null): string | undefined {
  return target !== null && "logDevice" in target ? target.logDevice : undefined;
}

type JobFiles = Pick<
  PlannedJob,
  "files" | "ioBytes" | "writes" | "objects" | "trace" | "mergedPath" | "logDevice"
>;

function planJob(job: ResolvedJob, jobnum: number, options: PlanOptions): JobFiles {
  const target = targetOf(job, options);
  if (target?.kind === "store") {
    checkStoreFile(job, target.path);
  }
  if (job.replay !== null) {
    const { files, trace } = planTrace(job, jobnum, target, options.directory);
    const merged = mergedPath(job, options.directory);
    const [, writes, trims] = trace.facts.operations;
    return {
      files,
      trace,
      ioBytes: traceBytes(trace),
      writes: writes + trims > 0,
      ...(merged === null ? {} : { mergedPath: merged }),
    };
  }
  if (job.objects !== null) {
    return planObjectJob(job, jobnum, target);
  }
  const files = planFiles(job, jobnum, target, options);
  const used = directionsOf(job);
  const logDevice = logOf(target);
  return {
    files,
    ioBytes: ioBytesOf(job, files),
    writes: used.write || used.trim,
    ...(logDevice === undefined ? {} : { logDevice }),
  };
}

/** What a job's keys forbid of files holds for the one of a store. */
function checkStoreFile(job: ResolvedJob, path: string): void {
  const found = lookUp(path);
  if (found === null || found.isFile() || found.isBlockDevice()) {
    checkFile(job, path, found);
  }
}

function planObjectJob(job: ResolvedJob, jobnum: number, target: Target | null): JobFiles {
  if (target?.kind !== "store") {
    const on = target === null ? "files" : target.text;
    refuse(
      job,
      `io_unit=object works on a target store:PATH, not on ${on}; give --target store:PATH`,
    );
  }
  const { file, objects } = planObjects(job, jobnum, target);
  const used = directionsOf(job);
  const ioBytes = job.timeBased ? null : objects.totalBytes * job.loops;
  return { files: [file], objects, ioBytes, writes: used.write || used.trim };
}

function planFiles(
  job: ResolvedJob,
  jobnum: number,
  target: Target | null,
  options: PlanOptions,
): readonly PlannedFile[] {
  if (target?.kind === "store") {
    return [
      storeFile(job, target, {
        unit: blockLimits(job).min,
        start: (whole) => startOf(job, jobnum, whole, blockLimits(job).min),
        asked: (whole) => (job.size === null ? null : bytesOf(job.size, whole)),
      }),
    ];
  }
  if (target !== null && target.kind !== "raw") {
    return [planSynthetic(job, jobnum, target)];
  }
  const names =
    target === null
      ? fileNames(job, jobnum, options.directory)
      : [resolve(options.directory, target.path)];
  return names.map((path, index) => {
    const file = planFile(job, jobnum, path, { index, count: names.length });
    const unfit = unfitForDirect(job, path, file.offsetBytes, blockLimits(job).min);
    return unfit === null ? file : refuse(job, unfit);
  });
}

function ioBytesOf(job: ResolvedJob, files: readonly PlannedFile[]): number | null {
  if (job.timeBased) {
    return null;
  }
  const region = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const once = job.ioSize === null ? region : bytesOf(job.ioSize, region);
  const limited =
    job.numberIos === null ? once : Math.min(once, job.numberIos * blockLimits(job).max);
  return limited * job.loops;
}

/** Seed of a run: given, or the jobs' own `randseed`, or (randrepeat=0) a fresh one, which is recorded. */
export function seedOfRun(jobs: readonly ResolvedJob[], seed: number | null): number {
  const first = jobs[0];
  if (seed !== null || first === undefined) {
    return seed ?? 0x89;
  }
  return first.randrepeat ? first.randseed : Math.floor(Math.random() * 2 ** 48);
}

/** What the files of a clone are called where nothing has a path: as if they had. */
function recordedNames(job: ResolvedJob, jobnum: number, made: JobFiles, directory: string) {
  const paths = made.files.every(({ kind }) => hasPath(kind));
  return paths
    ? made.files.map(({ path }) => path)
    : fileNames(job, jobnum, directory).slice(0, made.files.length);
}

/** Makes the plan; throws `bad-input` with the job's place for what cannot be run. */
export function planRun(jobs: readonly ResolvedJob[], options: PlanOptions): RunPlan {
  const phases: PlannedJob[][] = [];
  const seed = seedOfRun(jobs, options.seed);
  const iologs = new Map<string, number>();
  let groupId = 0;
  let index = 0;
  // A store is in TypeScript, as are layers: everything over it goes through the engine path.
  const onStore = jobs.some((job) => targetOf(job, options)?.kind === "store");
  const stack = options.stack ?? plainStack;
  const logged = jobs.some((job) => logOf(targetOf(job, options)) !== undefined);
  const shaped = stack.shape !== undefined;
  const layered = logged || shaped || layersNamed(stack.settings).length > 0;
  const path = onStore || layered ? "engine" : options.path;
  for (const job of jobs) {
    const refusal = refusalOf(job, path, path === options.path);
    if (refusal !== null) {
      refuse(job, refusal);
    }
  }
  for (const [position, job] of jobs.entries()) {
    if (position > 0 && (job.stonewall || job.newGroup)) {
      groupId += 1;
    }
    if (position === 0 || job.stonewall) {
      phases.push([]);
      iologs.clear();
    }
    for (let jobnum = 0; jobnum < job.numjobs; jobnum += 1) {
      const made = planJob(job, jobnum, options);
      const recorded = recordedNames(job, jobnum, made, options.directory);
      const iolog = planIolog(job, recorded, options.directory, iologs);
      phases.at(-1)?.push({
        resolved: job,
        jobnum,
        index,
        groupId,
        ...made,
        iodepth: job.iodepth,
        seed: seedOf(seed, index),
        ...(iolog === null ? {} : { iolog }),
      });
      index += 1;
    }
  }
  const stores = storesOf(phases.flat(), stack);
  const chains = chainsOf(phases.flat(), stores, stack, options.directory);
  const elsewhere = chains.length > 0 && options.path !== "engine" && !onStore;
  return {
    phases: phases.map((planned) => ({ jobs: planned })),
    path,
    chains,
    stores,
    notes: [
      ...(onStore || chains.length > 0 ? [] : withoutLayers(stack)),
      ...logNotes(chains),
      ...new Set(chains.flatMap(({ layers, options: set }) => layerNotes(layers, set))),
      ...(elsewhere
        ? [
            `${shaped ? "a shape and " : ""}layers above a target are on the engine path: --path engine`,
          ]
        : []),
      ...(stack.shape === undefined
        ? []
        : [
            `modelled: the shape ${stack.shape.text} says how long the device takes, not the device`,
          ]),
      ...cpuNotes(stack.cpus, stores.length > 0),
      ...storeSpaceNotes(stores),
    ],
    ...expected(phases),
  };
}

/** What was chosen of CPUs and cannot act, or not apart. */
function cpuNotes(cpus: CpuChoice | undefined, onStore: boolean): readonly string[] {
  const shared = cpus === undefined ? [] : sharedCpus(cpus);
  return [
    ...(cpus?.target !== undefined && cpus.target !== null && !onStore
      ? [
          `target_cpus=${cpus.target.text} does not act: only stores have threads and memory of their own`,
        ]
      : []),
    ...(shared.length > 0
      ? [`generator and target share CPU ${cpuText(shared)}: they are not apart there`]
      : []),
  ];
}

/** Warm-up and measuring, ns; a trace takes its own time. */
function runtimeOf({ resolved, trace }: PlannedJob): number | null {
  const limit = resolved.runtimeNs === null ? null : resolved.rampNs + resolved.runtimeNs;
  if (trace?.spec.paced !== true || trace.spec.passes === 0) {
    return limit;
  }
  return Math.min(trace.facts.lastNs * trace.spec.passes, limit ?? Number.POSITIVE_INFINITY);
}

/** Of the bytes that a job transfers. */
function writeShare({ resolved, trace }: PlannedJob): number {
  if (resolved.objects !== null) {
    return mixByDirection(resolved.objects)[1] / 100;
  }
  if (trace === undefined) {
    return directionsOf(resolved).read ? (100 - resolved.rwmixread) / 100 : 1;
  }
  const [read, written] = trace.facts.bytes;
  return written / Math.max(1, read + written);
}

function expected(
  phases: readonly (readonly PlannedJob[])[],
): Pick<RunPlan, "expectedSeconds" | "expectedWriteBytes"> {
  let seconds: number | null = 0;
  let bytes: number | null = 0;
  for (const phase of phases) {
    let longest: number | null = 0;
    for (const job of phase) {
      const runNs = runtimeOf(job);
      longest =
        longest === null || runNs === null
          ? null
          : Math.max(longest, (job.resolved.startDelayMaxNs + runNs) / 1e9);
      if (job.writes) {
        bytes =
          bytes === null || job.ioBytes === null ? null : bytes + job.ioBytes * writeShare(job);
      }
    }
    seconds = seconds === null || longest === null ? null : seconds + longest;
  }
  return { expectedSeconds: seconds, expectedWriteBytes: bytes };
}

/** Throws `bad-input` when the buffers of a phase alone need more memory than the machine has. */
export function checkMemory(plan: RunPlan): void {
  const machine = totalmem();
  for (const { jobs } of plan.phases) {
    let bytes = 0;
    for (const { resolved, iodepth, trace } of jobs) {
      const block =
        trace === undefined ? blockLimits(resolved).max : traceSlotBytes(trace, iodepth);
      bytes += block * (resolved.ioengine === "psync" ? 1 : iodepth);
      if (bytes > machine) {
        refuse(
          resolved,
          `the buffers of its phase would take ${bytes} bytes or more, this machine has ${machine}; lower bs=, iodepth= or numjobs=`,
        );
      }
    }
  }
}

/** Every file and device of a plan, once. */
export function filesOf(plan: RunPlan): readonly PlannedFile[] {
  const byPath = new Map<string, PlannedFile>();
  for (const phase of plan.phases as readonly PlannedPhase[]) {
    for (const file of phase.jobs.flatMap((job) => job.files)) {
      const known = byPath.get(file.path);
      if (known === undefined || known.fileBytes < file.fileBytes) {
        byPath.set(file.path, file);
      }
    }
  }
  return [...byPath.values()];
}
