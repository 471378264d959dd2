/** The files of a clone and the region that it works on in each, as fio has them. */
import { createHash } from "node:crypto";
import { type Dirent, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { beyondFull } from "./fill-device.ts";
import type { ResolvedJob, SizeValue } from "./job/model.ts";
import { blockLimits } from "./job-reach.ts";
import type { PlannedFile } from "./plan-model.ts";
import { blockDeviceBytes, checkFile, isBottomless, lookUp, refuse } from "./planned-path.ts";
import type { Target } from "./target.ts";

export function bytesOf(value: SizeValue, whole: number): number {
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

export function fileNames(job: ResolvedJob, jobnum: number, directory: string): string[] {
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
export function startOf(job: ResolvedJob, jobnum: number, whole: number, unit: number): number {
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
export function planFile(
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

export function planSynthetic(job: ResolvedJob, jobnum: number, target: Target): PlannedFile {
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
