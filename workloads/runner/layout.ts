/**
 * Lays files out before a run, as fio does: a file that is missing or too short is written to its
 * full length with incompressible data when the job reads it, and only allocated when it does not.
 */
import { randomFillSync } from "node:crypto";
import { statSync } from "node:fs";
import { type FileHandle, mkdir, open, rm, rmdir } from "node:fs/promises";
import { constants } from "node:os";
import { dirname } from "node:path";
import { type ErrorPlace, OsdynoError } from "../../engine/base/error.ts";
import { native } from "../../engine/base/native.ts";
import { checkStoreSpace, fileSystemOf, missingFolders } from "../file-system.ts";
import { badInput } from "../job/place.ts";
import type { FileRules } from "../job/rules.ts";
import { plannedDirections } from "../job-reach.ts";
import type { PlannedFile, PlannedJob, RunPlan } from "../plan-model.ts";

/** Called as bytes are written: file, bytes done, bytes in all. */
export type LayoutProgress = (path: string, doneBytes: number, totalBytes: number) => void;

const pieceBytes = 1 << 20;
/** Random bytes that pieces are cut from at ever other places: device compression finds nothing. */
const poolBytes = 8 << 20;

async function fill(
  file: FileHandle,
  path: string,
  from: number,
  to: number,
  progress: LayoutProgress,
  signal: AbortSignal,
): Promise<void> {
  const pool = Buffer.allocUnsafe(poolBytes);
  randomFillSync(pool);
  let cut = 0;
  for (let at = from; at < to; ) {
    if (signal.aborted) {
      throw new OsdynoError("interrupted", `stopped while laying out ${path}`);
    }
    const length = Math.min(pieceBytes, to - at);
    cut = (cut + 4099 * 13) % (poolBytes - pieceBytes);
    const piece = pool.subarray(cut, cut + length);
    piece.writeDoubleLE(at, 0);
    const { bytesWritten } = await file.write(piece, 0, length, at);
    at += bytesWritten;
    progress(path, at, to);
  }
}

/** Takes back a layout that did not come to its end: the file is as it was, or gone. */
async function undo(file: PlannedFile, handle: FileHandle, sizeBefore: number): Promise<void> {
  if (file.created) {
    await rm(file.path, { force: true });
  } else {
    await handle.truncate(sizeBefore);
  }
}

/**
 * Sets space aside as `fallocate` says, then gives the file its length. As in fio, a file system that
 * cannot do it natively leaves holes; so does one without the room, and what it took is given back.
 */
async function setLength(wanted: WantedFile, handle: FileHandle, sizeBefore: number) {
  const { file, allocation } = wanted;
  if (allocation !== "none" && allocation !== "truncate") {
    const errno = -native().allocateFile(handle.fd, file.fileBytes, allocation);
    if (errno !== 0 && allocation === "posix") {
      throw new OsdynoError(
        "io",
        `cannot lay out ${file.path}: fallocate=posix failed (${errorName(errno)})`,
      );
    }
    if (errno === constants.errno.ENOSPC) {
      await handle.truncate(sizeBefore);
    }
  }
  await handle.truncate(file.fileBytes);
}

function errorName(errno: number): string {
  const names = Object.entries(constants.errno);
  return names.find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}

/** Why a file cannot be made or opened: somebody else may have made or removed it since it was looked for. */
function notOpened({ path, created }: PlannedFile, error: unknown): OsdynoError {
  const { code } = error as NodeJS.ErrnoException;
  return code === (created ? "EEXIST" : "ENOENT")
    ? new OsdynoError(
        "unsafe",
        `${path}: somebody else has ${created ? "made" : "removed"} it since this run looked; start it again`,
        {},
        error,
      )
    : new OsdynoError("bad-input", `cannot create ${path}: ${code}`, {}, error);
}

async function layOutFile(
  wanted: WantedFile,
  progress: LayoutProgress,
  signal: AbortSignal,
): Promise<void> {
  const { file, needsData } = wanted;
  let handle: FileHandle;
  try {
    if (file.created) {
      // As in fio, folders that a file's name has in it are made; `directory` itself has to be there.
      await mkdir(dirname(file.path), { recursive: true });
    }
    if (wanted.onOpen) {
      return;
    }
    handle = await open(file.path, file.created ? "wx+" : "r+");
  } catch (error) {
    throw notOpened(file, error);
  }
  const { size } = await handle.stat();
  try {
    if (size >= file.fileBytes) {
      return;
    }
    await setLength(wanted, handle, size);
    if (needsData) {
      await fill(handle, file.path, size, file.fileBytes, progress, signal);
    }
    if (wanted.sync) {
      await handle.sync();
    }
  } catch (error) {
    await undo(file, handle, size);
    if (error instanceof OsdynoError) {
      throw error;
    }
    const code = (error as NodeJS.ErrnoException).code;
    const what = code === "ENOSPC" ? "no space left on the device" : (error as Error).message;
    throw new OsdynoError("io", `cannot lay out ${file.path}: ${what}`, {}, error);
  } finally {
    await handle.close();
  }
}

interface WantedFile {
  readonly file: PlannedFile;
  readonly needsData: boolean;
  readonly allocation: FileRules["fallocate"];
  /** `create_fsync` of one of its jobs. */
  readonly sync: boolean;
  /** `create_on_open` of all its jobs: they make it, without length. */
  readonly onOpen: boolean;
}

function readsFrom(job: PlannedJob, file: PlannedFile): boolean {
  return file.access?.reads ?? plannedDirections(job).read;
}

function wantedFiles(plans: readonly RunPlan[], fillAll: boolean): WantedFile[] {
  const wanted = new Map<string, WantedFile>();
  for (const job of plans.flatMap((plan) => plan.phases.flatMap((phase) => phase.jobs))) {
    const { fileRules } = job.resolved;
    const fills = fillAll || fileRules.overwrite;
    for (const file of job.files.filter((candidate) => candidate.kind === "file")) {
      const reads = fills || readsFrom(job, file);
      const known = wanted.get(file.path);
      wanted.set(file.path, {
        allocation: known?.allocation ?? fileRules.fallocate,
        sync: fileRules.createFsync || known?.sync === true,
        onOpen: fileRules.createOnOpen && known?.onOpen !== false,
        file: known !== undefined && known.file.fileBytes > file.fileBytes ? known.file : file,
        needsData: reads || known?.needsData === true,
      });
    }
  }
  return [...wanted.values()];
}

/** Where the job stands that asks most of a file; empty for one of the command line. */
function placeOf(plans: readonly RunPlan[], path: string): ErrorPlace {
  const asked = plans
    .flatMap((plan) => plan.phases.flatMap((phase) => phase.jobs))
    .flatMap((job) => job.files.map((file) => ({ job, file })))
    .filter(({ file }) => file.path === path)
    .sort((a, b) => b.file.fileBytes - a.file.fileBytes)[0];
  return asked === undefined ? {} : { ...badInput(asked.job.resolved.place, "").context };
}

/**
 * Throws when files and stores cannot have the size that is wanted: `bad-input` for one larger than its
 * whole file system, `io` when what is to be written does not fit into what is free. Changes nothing.
 */
export function checkSpace(plans: readonly RunPlan[], fillAll = false): void {
  for (const store of plans.flatMap(({ stores }) => stores)) {
    checkStoreSpace(store);
  }
  const needed = new Map<number, number>();
  for (const { file, needsData, onOpen } of wantedFiles(plans, fillAll)) {
    if (onOpen) {
      continue;
    }
    const present = statSync(file.path, { throwIfNoEntry: false })?.size ?? 0;
    const missing = Math.max(0, file.fileBytes - present);
    const system = fileSystemOf(file.path);
    // A file system without a limit of its own (tmpfs can be) tells no total.
    if (missing === 0 || system === null || system.totalBytes === 0) {
      continue;
    }
    const { id, folder, totalBytes, freeBytes } = system;
    const what = `cannot lay out ${file.path}: it would be ${file.fileBytes} bytes long`;
    if (file.fileBytes > totalBytes) {
      throw new OsdynoError(
        "bad-input",
        `${what}, the whole file system has ${totalBytes}; lower size= or offset=`,
        placeOf(plans, file.path),
      );
    }
    const sum = (needed.get(id) ?? 0) + (needsData ? missing : 0);
    needed.set(id, sum);
    if (sum > freeBytes) {
      throw new OsdynoError(
        "io",
        `no space left for the layout in ${folder}: it needs ${sum} bytes, ${freeBytes} are free; lower size= or make room`,
      );
    }
  }
}

/** `pre_read`: reads what a job is going to address once, so that it lies in the page cache. */
async function preRead(plans: readonly RunPlan[], signal: AbortSignal): Promise<void> {
  const jobs = plans.flatMap((plan) => plan.phases.flatMap((phase) => phase.jobs));
  const piece = Buffer.allocUnsafe(pieceBytes);
  for (const job of jobs.filter((candidate) => candidate.resolved.fileRules.preRead)) {
    for (const file of job.files.filter(({ kind }) => kind === "file" || kind === "block")) {
      const handle = await open(file.path, "r");
      try {
        const end = file.offsetBytes + file.sizeBytes;
        for (let at = file.offsetBytes; at < end; at += pieceBytes) {
          if (signal.aborted) {
            throw new OsdynoError("interrupted", `stopped while reading ${file.path}`);
          }
          await handle.read(piece, 0, Math.min(pieceBytes, end - at), at);
        }
      } finally {
        await handle.close();
      }
    }
  }
}

/**
 * Creates and fills every file of the plans that needs it; returns the files it created. Writes only
 * files: block devices have their size. Call it after the safety verdict. `fillAll`: files that are
 * only written get data too, so that the first of several runs does not pay for their allocation. When
 * it throws, every file is gone or as long as it was.
 */
export async function layOut(
  plans: readonly RunPlan[],
  progress: LayoutProgress,
  signal: AbortSignal,
  fillAll = false,
): Promise<string[]> {
  checkSpace(plans, fillAll);
  const created: string[] = [];
  const folders: string[] = [];
  try {
    for (const wanted of wantedFiles(plans, fillAll)) {
      folders.unshift(...missingFolders(wanted.file.path));
      await layOutFile(wanted, progress, signal);
      if (wanted.file.created) {
        created.push(wanted.file.path);
      }
    }
    await preRead(plans, signal);
  } catch (error) {
    for (const path of created) {
      await rm(path, { force: true });
    }
    for (const folder of folders) {
      // One that is not empty is somebody else's by now.
      await rmdir(folder).catch(() => undefined);
    }
    throw error;
  }
  return created;
}

/** Bytes that `layOut` is going to write. */
export function layoutBytes(plan: RunPlan): number {
  const files = new Map<string, number>();
  for (const job of plan.phases.flatMap((phase) => phase.jobs)) {
    const { createOnOpen } = job.resolved.fileRules;
    for (const file of job.files.filter(({ created }) => created && !createOnOpen)) {
      if (readsFrom(job, file) || job.resolved.fileRules.overwrite) {
        files.set(file.path, Math.max(files.get(file.path) ?? 0, file.fileBytes));
      }
    }
  }
  return [...files.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Writes a new file of incompressible data, for benches that bring their own target. */
export async function writeScratchFile(
  path: string,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  const handle = await open(path, "wx");
  try {
    await fill(handle, path, 0, bytes, () => {}, signal);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Files that jobs read and that have holes: reads of a hole never reach the device, so the figures would
 * not be the device's. One line each. Source: st_blocks of stat(2), in 512-byte units.
 */
export function holesNote(job: PlannedJob): string[] {
  return job.files
    .filter((file) => file.kind === "file" && readsFrom(job, file))
    .flatMap((file) => {
      const facts = statSync(file.path, { throwIfNoEntry: false });
      const missing = facts === undefined ? 0 : facts.size - facts.blocks * 512;
      return missing < 4096
        ? []
        : [
            `${file.path} has holes (${missing} of ${facts?.size} bytes): reads there never reach the device`,
          ];
    });
}
