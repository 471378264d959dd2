/**
 * What the kernel says in /sys and /proc, read as text. Everything that looks at a device starts here,
 * so that tests can put a made-up tree in the place of the real one.
 */
import { closeSync, constants, openSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";

/** Where the kernel's files are found; tests give directories of their own. */
export interface SystemRoot {
  readonly sys: string;
  readonly proc: string;
  readonly dev: string;
}

export const realSystem: SystemRoot = Object.freeze({ sys: "/sys", proc: "/proc", dev: "/dev" });

/** Contents of a small kernel file without the final newline; `null` when it cannot be read. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}

/** A decimal number in a kernel file; `null` when it is absent or something else. */
export function readNumber(path: string): number | null {
  const text = readText(path);
  return text !== null && /^-?\d+$/.test(text) ? Number(text) : null;
}

/** A 0/1 flag in a kernel file. */
export function readFlag(path: string): boolean | null {
  const value = readNumber(path);
  return value === null ? null : value !== 0;
}

/** Names in a directory, sorted; empty when there is none. */
export function listDirectory(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

/** Where a symbolic link ends; `null` when it leads nowhere. */
export function resolveLink(path: string): string | null {
  try {
    return realpathSync.native(path);
  } catch {
    return null;
  }
}

/** `major:minor` of a device number as `stat` gives it (glibc's encoding). */
export function deviceNumberText(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

/** Kernel name of a block device (`sda1`, `dm-0`), from its device number. */
export function kernelNameOf(deviceNumber: string, system: SystemRoot): string | null {
  const directory = resolveLink(join(system.sys, "dev/block", deviceNumber));
  return directory === null ? null : (directory.split("/").at(-1) ?? null);
}

/** The device's directory in /sys, with links resolved: its path names the bus. */
export function sysDirectory(kernelName: string, system: SystemRoot): string | null {
  return resolveLink(join(system.sys, "class/block", kernelName));
}

/** Device node of a kernel name: `cciss!c0d0` stands for `cciss/c0d0`. */
export function devicePath(kernelName: string, system: SystemRoot): string {
  return join(system.dev, kernelName.replaceAll("!", "/"));
}

export type ExclusiveState = "free" | "taken" | "unknown";

/**
 * Whether someone else holds the block device exclusively: mounts, swap, md, device mapper, ZFS, DRBD
 * and Ceph do. Opens for reading only (O_EXCL without O_CREAT claims, on block devices alone) and
 * closes at once. Also sees what other mount namespaces hold.
 */
export function exclusiveState(path: string): ExclusiveState {
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK));
    return "free";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EBUSY" ? "taken" : "unknown";
  }
}
