/** What is mounted where, and what serves as swap. */
import { basename, join } from "node:path";
import { listDirectory, readText, resolveLink, type SystemRoot } from "./facts-files.ts";

/** A line of /proc/self/mountinfo. */
export interface Mount {
  /** `major:minor`; for btrfs, overlay and others a number that no device bears. */
  readonly deviceNumber: string;
  readonly mountPoint: string;
  readonly fsType: string;
  readonly source: string;
  /** Options of the mount and of the file system, joined. */
  readonly options: string;
}

/** A mount of a device, as facts show it. */
export interface MountedAt {
  readonly mountPoint: string;
  readonly fsType: string;
}

export interface SwapArea {
  readonly path: string;
  readonly isFile: boolean;
}

/** The kernel writes space, tab, newline and backslash as octal escapes. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Reads `mountinfo` text (proc(5)): fields before ` - ` vary in number. */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const [before, after] = line.split(" - ", 2);
    const left = before?.split(" ") ?? [];
    const right = after?.split(" ") ?? [];
    const [deviceNumber, mountPoint, options] = [left[2], left[4], left[5]];
    const [fsType, source, superOptions] = right;
    if (deviceNumber === undefined || mountPoint === undefined || fsType === undefined) {
      continue;
    }
    mounts.push({
      deviceNumber,
      mountPoint: unescapeOctal(mountPoint),
      fsType,
      source: unescapeOctal(source ?? ""),
      options: `${options ?? ""},${superOptions ?? ""}`,
    });
  }
  return mounts;
}

export function readMounts(system: SystemRoot): Mount[] {
  return parseMountInfo(readText(join(system.proc, "self/mountinfo")) ?? "");
}

/** Reads /proc/swaps. */
export function readSwaps(system: SystemRoot): SwapArea[] {
  const lines = (readText(join(system.proc, "swaps")) ?? "").split("\n").slice(1);
  return lines.flatMap((line) => {
    const [path, type] = line.trim().split(/\s+/);
    return path === undefined || path === ""
      ? []
      : [{ path: unescapeOctal(path), isFile: type === "file" }];
  });
}

/** Kernel names of the devices of each btrfs that the kernel knows, by file system. */
function btrfsDevices(system: SystemRoot): string[][] {
  const root = join(system.sys, "fs/btrfs");
  return listDirectory(root).map((id) => listDirectory(join(root, id, "devices")));
}

/** Kernel names that a mount's source names: a path, or several joined by colons (bcachefs). */
function sourceNames(source: string): string[] {
  return source
    .split(":")
    .filter((part) => part.startsWith("/"))
    .map((part) => basename(resolveLink(part) ?? part));
}

/**
 * Where a block device is mounted. By device number; and by name for file systems over several
 * devices, whose mounts bear a number of their own (btrfs, bcachefs).
 */
export function mountsOf(
  kernelName: string,
  deviceNumber: string,
  mounts: readonly Mount[],
  system: SystemRoot,
): MountedAt[] {
  const siblings = new Set([kernelName]);
  for (const devices of btrfsDevices(system)) {
    if (devices.includes(kernelName)) {
      for (const name of devices) {
        siblings.add(name);
      }
    }
  }
  return mounts
    .filter(
      (mount) =>
        mount.deviceNumber === deviceNumber ||
        (mount.deviceNumber.startsWith("0:") &&
          sourceNames(mount.source).some((name) => siblings.has(name))),
    )
    .map(({ mountPoint, fsType }) => ({ mountPoint, fsType }));
}

function isWithin(path: string, directory: string): boolean {
  return directory === "/" || path === directory || path.startsWith(`${directory}/`);
}

/** The mount that holds a path (resolved, absolute): the longest mount point, the latest of equals. */
export function mountOfPath(path: string, mounts: readonly Mount[]): Mount | null {
  let best: Mount | null = null;
  for (const mount of mounts) {
    if (
      isWithin(path, mount.mountPoint) &&
      (best === null || mount.mountPoint.length >= best.mountPoint.length)
    ) {
      best = mount;
    }
  }
  return best;
}

/** Upper directory of an overlay mount: where its new files really go. */
export function overlayUpper(mount: Mount): string | null {
  const match = mount.fsType === "overlay" ? /(?:^|,)upperdir=([^,]+)/.exec(mount.options) : null;
  return match?.[1] ?? null;
}
