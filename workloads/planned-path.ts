/** What stands at the paths of a plan. Nothing is opened. */
import { readFileSync, type Stats, statSync } from "node:fs";
import { OsdynoError } from "../engine/base/error.ts";
import type { ResolvedJob } from "./job/model.ts";
import { badInput } from "./job/place.ts";

/** Throws `bad-input` with the job's name and place. */
export function refuse(job: ResolvedJob, message: string): never {
  throw badInput(job.place, `job ${job.name}: ${message}`);
}

/** What stands there; null = nothing. */
export function lookUp(path: string): Stats | null {
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
export function blockDeviceBytes(path: string, facts: Stats): number {
  const major = Number((BigInt(facts.rdev) >> 8n) & 0xfffn);
  const minor = Number((BigInt(facts.rdev) & 0xffn) | ((BigInt(facts.rdev) >> 12n) & 0xfff00n));
  try {
    return Number(readFileSync(`/sys/dev/block/${major}:${minor}/size`, "utf8")) * 512;
  } catch (error) {
    throw new OsdynoError("io", `${path}: the kernel does not tell the device's size`, {}, error);
  }
}

/** Refuses what is neither a file nor a block device, and what `filetype` and `allow_file_create` forbid. */
export function checkFile(job: ResolvedJob, path: string, found: Stats | null): void {
  if (found?.isDirectory() === true) {
    refuse(job, `${path} is a directory; name a file or device, or use directory=`);
  }
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
  if (found !== null && !found.isBlockDevice() && !found.isFile() && !isBottomless(found)) {
    refuse(job, `${path} is neither a file nor a block device`);
  }
}

/** /dev/null, /dev/zero and /dev/full, as numbers of Linux; they take a job of any size, as with fio. */
export function isBottomless(facts: Stats): boolean {
  return facts.isCharacterDevice() && [0x103, 0x105, 0x107].includes(facts.rdev);
}
