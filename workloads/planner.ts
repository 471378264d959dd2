/**
 * From resolved jobs to a plan: which files, regions, groups, phases and seeds, decided before
 * anything is opened. Follows fio where fio decides (file names, sizes, groups, stonewalls).
 */
import { createHash } from "node:crypto";
import { type Dirent, readdirSync } from "node:fs";
import { totalmem } from "node:os";
import { join, resolve } from "node:path";
import { syntheticDefaults } from "../engine/device/synthetic-spec.ts";
import { mixByDirection } from "../engine/store/objects/object-mix.ts";
import { layerNotes, layersNamed } from "./chain.ts";
import { chainsOf, logNotes } from "./chain-plan.ts";
import { type CpuChoice, cpuText, sharedCpus } from "./cpu-set.ts";
import { unfitForDirect } from "./direct-blocks.ts";
import { beyondFull } from "./fill-device.ts";
import type { BlockSizeRule, PerDirection, ResolvedJob, SizeValue } from "./job/model.ts";
import { planObjects } from "./object-plan.ts";
import {
  hasPath,
  type PlannedFile,
  type PlannedJob,
  type PlannedPhase,
  type RunPlan,
} from "./plan-model.ts";
import { blockDeviceBytes, checkFile, isBottomless, lookUp, refuse } from "./planned-path.ts";
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

export interface Directions {
  readonly read: boolean;
  readonly write: boolean;
  readonly trim: boolean;
}

/** What a planned job reads and writes: a trace knows better than `rw`. */
export function plannedDirections({ resolved, trace }: PlannedJob): Directions {
  if (trace === undefined) {
    return directionsOf(resolved);
  }
  const [reads, writes, trims] = trace.facts.operations;
  return { read: reads > 0, write: writes > 0, trim: trims > 0 };
}

/** What `rw` of one job reads and writes. */
export function directionsOf(job: ResolvedJob): Directions {
  if (job.objects !== null) {
    const [gets, changes, deletes] = mixByDirection(job.objects);
    return { read: gets > 0, write: changes > 0, trim: deletes > 0 };
  }
  const { rw } = job;
  const mixed = rw === "rw" || rw === "randrw";
  return {
    read: rw === "read" || rw === "randread" || (mixed && job.rwmixread > 0),
    write:
      rw === "write" ||
      rw === "randwrite" ||
      rw === "trimwrite" ||
      rw === "randtrimwrite" ||
      (mixed && job.rwmixread < 100),
    trim: rw.includes("trim"),
  };
}

/** The sizes a rule can give, bytes. */
export function sizesOf(rule: BlockSizeRule): { min: number; max: number } {
  if (rule.kind === "fixed") {
    return { min: rule.bytes, max: rule.bytes };
  }
  if (rule.kind === "range") {
    return { min: rule.min, max: rule.max };
  }
  const sizes = rule.entries.map((entry) => entry.bytes);
  return { min: Math.min(...sizes), max: Math.max(...sizes) };
}

/** Smallest and largest block over the directions in use, bytes. */
export function blockLimits(job: ResolvedJob): { min: number; max: number } {
  const used = directionsOf(job);
  const flags: PerDirection<boolean> = [used.read, used.write, used.trim];
  const limits = job.blockSizes.filter((_, index) => flags[index] === true).map(sizesOf);
  return {
    min: Math.min(...limits.map((limit) => limit.min)),
    max: Math.max(...limits.map((limit) => limit.max)),
  };
}

function bytesOf(value: SizeValue, whole: number): number {
  return value.kind === "bytes" ? value.bytes : Math.floor((whole * value.percent) / 100);
}

/** As many files as the operations of a stream can number. */
const mostFiles = 65_535;

/** `opendir`: the plain files below a directory, in the order of their names; links are not followed. */
function filesBelow(job: ResolvedJob, directory: string): string[] {
  let found: Dirent[];
  try {
    found = readdirSync(directory, { recursive: true, withFileTypes: true });
  } catch (error) {
    refuse(job, `opendir=${directory}: ${(error as Error).message}`);
  }
  const files = found.filter((entry) => entry.isFile());
  if (files.length === 0 || files.length > mostFiles) {
    refuse(job, `opendir=${directory} holds ${files.length} files; 1 to ${mostFiles} can be used`);
  }
  return files.map((entry) => join(entry.parentPath, entry.name)).sort();
}

function fileNames(job: ResolvedJob, jobnum: number, directory: string): string[] {
  const folder = job.directories[jobnum % Math.max(1, job.directories.length)];
  if (folder !== undefined && lookUp(resolve(directory, folder))?.isDirectory() !== true) {
    refuse(job, `directory=${folder} is not a folder; create it first`);
  }
  const place = (name: string) =>
    resolve(directory, folder === undefined ? name : join(folder, name));
  const opened = job.fileRules.openDirectory;
  if (opened !== null) {
    return [...job.filenames.map(place), ...filesBelow(job, resolve(directory, opened))];
  }
  if (job.filenames.length > 0) {
    return job.filenames.map(place);
  }
  const values: Record<string, string> = {
    jobname: job.name,
    jobnum: String(jobnum),
    clientuid: "localhost",
  };
  return Array.from({ length: job.nrfiles }, (_, filenum) =>
    place(
      job.filenameFormat.replace(/\$(jobname|jobnum|filenum|clientuid)/gi, (_text, key: string) =>
        key.toLowerCase() === "filenum" ? String(filenum) : (values[key.toLowerCase()] ?? ""),
      ),
    ),
  );
}

/** Where a clone begins. Only a percentage is aligned: to `offset_align`, else to the smallest block. */
function startOf(job: ResolvedJob, jobnum: number, whole: number, unit: number): number {
  const start = bytesOf(job.offset, whole) + bytesOf(job.offsetIncrement, whole) * jobnum;
  if (job.offset.kind === "bytes" && job.offsetIncrement.kind === "bytes") {
    return start;
  }
  const align = job.order.offsetAlignBytes || unit;
  return Math.ceil(start / align) * align;
}

/** The length of one file, from `filesize`: a range is drawn from anew for each file and clone. */
function declaredBytes(
  job: ResolvedJob,
  jobnum: number,
  file: number,
  present: number,
): number | null {
  const range = job.filesizeBytes;
  if (range === null || range.min === range.max) {
    return range?.max ?? null;
  }
  // As in fio, a file that is there and long enough stays as it is.
  if (present >= range.min && present <= range.max) {
    return present;
  }
  const text = `filesize ${job.randseed} ${job.name} ${jobnum} ${file}`;
  const draw = createHash("sha256").update(text).digest().readUIntBE(0, 6) / 2 ** 48;
  const bytes = range.min + Math.floor((range.max - range.min) * draw);
  const unit = blockLimits(job).min;
  return Math.max(bytes - (bytes % unit), unit);
}

/** Region of one file: fio's `size`, `filesize`, `offset`, `offset_increment` over `count` files. */
function planFile(
  job: ResolvedJob,
  jobnum: number,
  path: string,
  { index, count }: { readonly index: number; readonly count: number },
): PlannedFile {
  const found = lookUp(path);
  const unit = blockLimits(job).min;
  checkFile(job, path, found);
  const block = found?.isBlockDevice() === true;
  const present = found === null ? 0 : block ? blockDeviceBytes(path, found) : found.size;
  const declared = declaredBytes(job, jobnum, index, present);
  const whole = block ? present : (declared ?? present);
  const append = job.fileRules.append ? present : 0;
  const offset = append + startOf(job, jobnum, whole, unit);
  const fills = job.fileRules.fillDevice && !block && declared === null && job.size === null;
  let size: number;
  if (fills) {
    size = beyondFull(path, present) - offset;
  } else if (declared !== null && job.size === null) {
    size = declared - offset;
  } else if (job.size === null) {
    size = present - offset;
    if (found === null || present === 0) {
      refuse(job, `${path} does not exist yet and no size is given; add size=`);
    }
  } else if (job.size.kind === "percent") {
    if (whole === 0) {
      refuse(job, `size=${job.size.percent}% of ${path}, which has no size yet; add filesize=`);
    }
    size = Math.min(bytesOf(job.size, whole), append > 0 ? whole : whole - offset);
  } else {
    size = Math.floor(job.size.bytes / count);
  }
  if (declared !== null && !block && append === 0) {
    // As in fio, a declared length is never passed: the region ends there.
    size = Math.min(size, declared - offset);
  }
  size -= size % unit;
  if (size <= 0) {
    refuse(
      job,
      offset >= whole && whole > 0
        ? `offset ${offset} leaves nothing of ${path} (${whole} bytes)`
        : `${path}: the region is smaller than one block of ${unit} bytes; raise size= or lower bs=`,
    );
  }
  if (block && offset + size > present) {
    refuse(
      job,
      `${path} has ${present} bytes, the job wants ${offset + size}; lower size= or offset= (size=100% takes all)`,
    );
  }
  // What is appended makes the file longer by itself. A file is made as long as `filesize` says, but as
  // in fio only as far as the region reaches when `size` is a share of it.
  const shares = job.size?.kind === "percent" && job.size.percent !== 100;
  const reached = Math.max(offset + size, shares ? 0 : (declared ?? 0));
  // Zones are walked through all of a file.
  const fileBytes =
    block || append > 0 || fills ? present : Math.max(reached, job.zones === null ? 0 : present);
  return {
    path,
    kind: block ? "block" : found !== null && isBottomless(found) ? "char" : "file",
    offsetBytes: offset,
    sizeBytes: size,
    fileBytes,
    created: found === null,
  };
}

function planSynthetic(job: ResolvedJob, jobnum: number, target: Target): PlannedFile {
  const unit = blockLimits(job).min;
  const modelBytes = target.kind === "null" ? (target.model?.size ?? null) : null;
  const whole = modelBytes ?? job.filesizeBytes?.max ?? 0;
  const asked = job.size === null ? whole : bytesOf(job.size, whole);
  const offset = startOf(job, jobnum, whole, unit);
  let size = job.size === null ? whole - offset : asked;
  size -= size % unit;
  if (size <= 0) {
    refuse(
      job,
      `target ${target.text} has no size here; add size= to the job or &size= to the target`,
    );
  }
  if (modelBytes !== null && target.text.includes("size=") && offset + size > modelBytes) {
    refuse(job, `target ${target.text} has ${modelBytes} bytes, the job wants ${offset + size}`);
  }
  const synthetic = target.kind === "null" && target.model !== null;
  return {
    path: target.text,
    kind: target.kind === "memory" ? "memory" : synthetic ? "synthetic" : "null",
    offsetBytes: offset,
    sizeBytes: size,
    fileBytes: offset + size,
    created: false,
  };
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
    ],
    ...expected(phases),
  };
}

/** What was chosen of CPUs and cannot act, or not apart. */
function cpuNotes(cpus: CpuChoice | undefined, onStore: boolean): readonly string[] {
  const shared = cpus === undefined ? [] : sharedCpus(cpus);
  return [
    ...(cpus?.target !== undefined && cpus.target !== null && !onStore
      ? [`target_cpus=${cpus.target.text} does not act: only stores have threads of their own`]
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
