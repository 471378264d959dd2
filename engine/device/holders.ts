/** Who stands on a block device, and what it stands on: partitions, LVM, md, device mapper, bcache, loops. */
import { readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  deviceNumberText,
  devicePath,
  listDirectory,
  readNumber,
  readText,
  type SystemRoot,
} from "./facts-files.ts";

/** A device that stands on another one. */
export interface Holder {
  readonly name: string;
  readonly kind:
    | "lvm"
    | "crypt"
    | "multipath"
    | "device-mapper"
    | "md"
    | "bcache"
    | "loop"
    | "other";
  /** Its own name where it has one, e.g. `vg-root` or `md/data`. */
  readonly label: string | null;
}

export interface PartitionInfo {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly deviceNumber: string;
}

function holderOf(name: string, system: SystemRoot): Holder {
  const directory = join(system.sys, "class/block", name);
  const uuid = readText(join(directory, "dm/uuid"));
  const label = readText(join(directory, "dm/name"));
  if (uuid !== null || label !== null) {
    const prefix = (uuid ?? "").split("-")[0]?.toLowerCase() ?? "";
    const kinds: Readonly<Record<string, Holder["kind"]>> = {
      lvm: "lvm",
      crypt: "crypt",
      mpath: "multipath",
    };
    return { name, kind: kinds[prefix] ?? "device-mapper", label };
  }
  if (readText(join(directory, "md/level")) !== null) {
    return { name, kind: "md", label: readText(join(directory, "md/level")) };
  }
  const kinds = ["bcache", "loop"] as const;
  return { name, kind: kinds.find((kind) => name.startsWith(kind)) ?? "other", label: null };
}

/** Devices that stand on this one: `/sys/class/block/NAME/holders`, and loops, which it does not list. */
export function holdersOf(
  kernelName: string,
  loops: ReadonlyMap<string, readonly string[]>,
  system: SystemRoot,
): Holder[] {
  const names = listDirectory(join(system.sys, "class/block", kernelName, "holders"));
  const over = loopsOver(devicePath(kernelName, system), loops);
  return [...new Set([...names, ...over])].map((name) => holderOf(name, system));
}

/** A holder for a person: `vg-root (dm-0, lvm)`. */
export function holderText(holder: Holder): string {
  const kind = holder.kind === "other" ? "" : `, ${holder.kind}`;
  return holder.label === null
    ? `${holder.name}${kind === "" ? "" : ` (${holder.kind})`}`
    : `${holder.label} (${holder.name}${kind})`;
}

/** Kernel names of the devices that a stacked device stands on. */
export function slavesOf(kernelName: string, system: SystemRoot): string[] {
  return listDirectory(join(system.sys, "class/block", kernelName, "slaves"));
}

/** Partitions that the kernel made of a disk. */
export function partitionsOf(disk: string, system: SystemRoot): PartitionInfo[] {
  const directory = join(system.sys, "class/block", disk);
  return listDirectory(directory)
    .filter((name) => readNumber(join(directory, name, "partition")) !== null)
    .map((name) => ({
      name,
      path: devicePath(name, system),
      sizeBytes: (readNumber(join(directory, name, "size")) ?? 0) * 512,
      deviceNumber: readText(join(directory, name, "dev")) ?? "",
    }))
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** File behind a loop device; a file that was deleted ends in ` (deleted)`. */
export function loopBacking(kernelName: string, system: SystemRoot): string | null {
  return readText(join(system.sys, "class/block", kernelName, "loop/backing_file"));
}

/** Loop devices by what they stand on, as `identityOf` names it, whatever path it was given by. */
export function loopsByBacking(system: SystemRoot): Map<string, string[]> {
  const loops = new Map<string, string[]>();
  for (const name of listDirectory(join(system.sys, "class/block"))) {
    const backing = name.startsWith("loop") ? loopBacking(name, system) : null;
    const identity = backing === null ? null : identityOf(backing);
    if (identity !== null) {
      loops.set(identity, [...(loops.get(identity) ?? []), name]);
    }
  }
  return loops;
}

/** Loop devices that stand on a file or block device. */
export function loopsOver(path: string, loops: ReadonlyMap<string, readonly string[]>): string[] {
  return [...(loops.get(identityOf(path) ?? "") ?? [])];
}

/** What a path leads to: a device by its number, a file by file system and inode. */
export function identityOf(path: string): string | null {
  try {
    const stat = statSync(path, { bigint: true });
    return stat.isBlockDevice() ? deviceNumberText(stat.rdev) : `${stat.dev} ${stat.ino}`;
  } catch {
    return null;
  }
}

/** O_WRONLY and O_RDWR in the octal `flags` of /proc/PID/fdinfo. */
const accessModeMask = 0o3;

function opensForWriting(processDirectory: string, descriptor: string): boolean {
  const flags = /^flags:\s+([0-7]+)/m.exec(
    readText(join(processDirectory, "fdinfo", descriptor)) ?? "",
  )?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & accessModeMask) !== 0;
}

/**
 * Other processes that have a block device open for writing, by device number: virtual machines and
 * databases often do so without claiming it. Sees the processes that this user may look into.
 */
export function writersByDevice(system: SystemRoot): Map<string, string[]> {
  const writers = new Map<string, string[]>();
  for (const pid of listDirectory(system.proc)) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) {
      continue;
    }
    const directory = join(system.proc, pid);
    for (const descriptor of listDirectory(join(directory, "fd"))) {
      const link = join(directory, "fd", descriptor);
      try {
        if (!readlinkSync(link).startsWith(`${system.dev}/`)) {
          continue;
        }
        const stat = statSync(link, { bigint: true });
        if (stat.isBlockDevice() && opensForWriting(directory, descriptor)) {
          const number = deviceNumberText(stat.rdev);
          const name = `${readText(join(directory, "comm")) ?? "process"} (pid ${pid})`;
          const list = writers.get(number) ?? [];
          if (!list.includes(name)) {
            writers.set(number, [...list, name]);
          }
        }
      } catch {
        // The process or its descriptor is gone, or is not ours to see.
      }
    }
  }
  return writers;
}
