/**
 * From resolved jobs to a plan: which files, regions, groups, phases and seeds, decided before
 * anything is opened. Follows fio where fio decides (file names, sizes, groups, stonewalls).
 */
import { createHash } from "node:crypto";
import { type Dirent, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { totalmem } from "node:os";
import { join, resolve } from "node:path";
import { OsdynoError } from "../engine/base/error.ts";
import { beyondFull } from "./fill-device.ts";
import type { BlockSizeRule, PerDirection, ResolvedJob, SizeValue } from "./job/model.ts";
import { badInput } from "./job/place.ts";
import type { PlannedFile, PlannedJob, PlannedPhase, RunPlan } from "./plan-model.ts";
import { refusalOf } from "./runner/native-control.ts";
import { parseTarget, type Target } from "./target.ts";

export interface PlanOptions {
  /** Replaces the target of every job. */
  readonly target: string | null;
  readonly path: "native" | "engine";
  /** Replaces the jobs' `randseed`. */
  readonly seed: number | null;
  /** Relative file names are taken from here. */
  readonly directory: string;
}

/** What one job reads and writes. */
export function directionsOf(job: ResolvedJob): { read: boolean; write: boolean; trim: boolean } {
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

function refuse(job: ResolvedJob, message: string): never {
  throw badInput(job.place, `job ${job.name}: ${message}`);
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

function lookUp(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return null;
    }
    throw new OsdynoError("bad-input", `${path}: ${(error as Error).message}`, {}, error);
  }
}

/** Size of a block device, bytes, from sysfs: nothing is opened. */
function blockDeviceBytes(path: string, facts: Stats): number {
  const major = Number((BigInt(facts.rdev) >> 8n) & 0xfffn);
  const minor = Number((BigInt(facts.rdev) & 0xffn) | ((BigInt(facts.rdev) >> 12n) & 0xfff00n));
  try {
    return Number(readFileSync(`/sys/dev/block/${major}:${minor}/size`, "utf8")) * 512;
  } catch (error) {
    throw new OsdynoError("io", `${path}: the kernel does not tell the device's size`, {}, error);
  }
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
    jobname: job.name.replaceAll("/", "_"),
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

/** What `filetype` and `allow_file_create` ask of a file. */
function checkFile(job: ResolvedJob, path: string, found: Stats | null): void {
  const { type, allowCreate } = job.fileRules;
  if (found === null && !allowCreate) {
    refuse(job, `${path} does not exist, and allow_file_create=0 forbids to make it`);
  }
  const fits =
    type === "none" ||
    (type === "block" && found?.isBlockDevice() === true) ||
    (type === "char" && found?.isCharacterDevice() === true) ||
    (type === "file" && found?.isFile() !== false);
  if (!fits) {
    refuse(job, `${path} is not what filetype=${type} asks for`);
  }
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
  if (found?.isDirectory() === true) {
    refuse(job, `${path} is a directory; name a file or device, or use directory=`);
  }
  checkFile(job, path, found);
  const block = found?.isBlockDevice() === true;
  if (found !== null && !block && !found.isFile()) {
    refuse(job, `${path} is neither a file nor a block device`);
  }
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
  // What is appended makes the file longer by itself.
  const reached = Math.max(offset + size, declared ?? 0);
  // Zones are walked through all of a file.
  const fileBytes =
    block || append > 0 || fills ? present : Math.max(reached, job.zones === null ? 0 : present);
  return {
    path,
    kind: block ? "block" : "file",
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
    return parseTarget(text);
  }
  if (job.ioengine === "null") {
    return { kind: "null", text: "null:", model: null };
  }
  return job.ioengine === "memory" ? { kind: "memory", text: "memory:" } : null;
}

function planJob(job: ResolvedJob, jobnum: number, options: PlanOptions): readonly PlannedFile[] {
  const target = targetOf(job, options);
  if (target !== null && target.kind !== "raw") {
    return [planSynthetic(job, jobnum, target)];
  }
  const names =
    target === null
      ? fileNames(job, jobnum, options.directory)
      : [resolve(options.directory, target.path)];
  return names.map((path, index) => planFile(job, jobnum, path, { index, count: names.length }));
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

/** Makes the plan; throws `bad-input` with the job's place for what cannot be run. */
export function planRun(jobs: readonly ResolvedJob[], options: PlanOptions): RunPlan {
  const phases: PlannedJob[][] = [];
  const seed = seedOfRun(jobs, options.seed);
  let groupId = 0;
  let index = 0;
  for (const job of jobs) {
    const refusal = refusalOf(job, options.path);
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
    }
    for (let jobnum = 0; jobnum < job.numjobs; jobnum += 1) {
      const files = planJob(job, jobnum, options);
      const used = directionsOf(job);
      phases.at(-1)?.push({
        resolved: job,
        jobnum,
        index,
        groupId,
        files,
        writes: used.write || used.trim,
        iodepth: job.iodepth,
        ioBytes: ioBytesOf(job, files),
        seed: seedOf(seed, index),
      });
      index += 1;
    }
  }
  return {
    phases: phases.map((planned) => ({ jobs: planned })),
    path: options.path,
    ...expected(phases),
  };
}

function expected(
  phases: readonly (readonly PlannedJob[])[],
): Pick<RunPlan, "expectedSeconds" | "expectedWriteBytes"> {
  let seconds: number | null = 0;
  let bytes: number | null = 0;
  for (const phase of phases) {
    let longest: number | null = 0;
    for (const { resolved, ioBytes, writes } of phase) {
      longest =
        longest === null || resolved.runtimeNs === null
          ? null
          : Math.max(
              longest,
              (resolved.startDelayMaxNs + resolved.rampNs + resolved.runtimeNs) / 1e9,
            );
      if (writes) {
        const share = directionsOf(resolved).read ? (100 - resolved.rwmixread) / 100 : 1;
        bytes = bytes === null || ioBytes === null ? null : bytes + ioBytes * share;
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
    for (const { resolved, iodepth } of jobs) {
      const block = blockLimits(resolved).max;
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
