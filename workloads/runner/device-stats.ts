/**
 * What the kernel counts while a run goes on: the disks under its files, the machine's CPUs, and the
 * memory of this process. Reads a handful of small files per snapshot, in well under a millisecond.
 */
import { type BigIntStats, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { type BlockFacts, blockFactsByNumber } from "../../engine/device/facts.ts";
import {
  deviceNumberText,
  readText,
  realSystem,
  type SystemRoot,
} from "../../engine/device/facts-files.ts";
import { slavesOf } from "../../engine/device/holders.ts";
import { backingOfPath, factsOfName, probeContext } from "../../engine/device/probe.ts";
import { resolveExisting } from "../scratch.ts";

/** The kernel's counters of a disk since boot (Documentation/block/stat.rst). Sectors are 512 bytes. */
export interface DiskCounters {
  readonly readIos: number;
  readonly readMerges: number;
  readonly readSectors: number;
  readonly readTicksMs: number;
  readonly writeIos: number;
  readonly writeMerges: number;
  readonly writeSectors: number;
  readonly writeTicksMs: number;
  /** Time with at least one operation in flight. */
  readonly ioTicksMs: number;
  /** Time weighted by the operations in flight. */
  readonly inQueueMs: number;
}

/** A disk under the run's files, before and after: what `disk_util` of the results is made of. */
export interface DiskUse {
  readonly name: string;
  readonly before: DiskCounters;
  readonly after: DiskCounters;
  readonly elapsedMs: number;
  /** The disks that this one is made of (device mapper, md). */
  readonly members?: readonly DiskUse[];
}

/** What the machine did over an interval; `null` where it is not known. */
export interface MachineSample {
  /** Of all CPUs, 0 to 100. */
  readonly cpuUserPct: number | null;
  readonly cpuSysPct: number | null;
  /** Of the run's busiest disk. */
  readonly devUtilPct: number | null;
  /** Operations per second that the kernel sent to the run's disks. */
  readonly devReadIos: number | null;
  readonly devWriteIos: number | null;
}

/** Jiffies of all CPUs since boot. */
interface CpuCounters {
  readonly user: number;
  readonly system: number;
  readonly total: number;
}

/** Bytes that were moved between memory and disks. */
export interface MovedBytes {
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** What others than this process had of the machine. */
export interface OthersUse {
  /** Of all CPUs, 0 to 1; `null`: not known. */
  readonly cpuShare: number | null;
  /** Of the disks under the run; `null`: there is none, or it is not known. */
  readonly disks: OthersDisks | null;
}

export interface OthersDisks extends MovedBytes {
  readonly names: readonly string[];
  readonly elapsedMs: number;
  /** By anybody. */
  readonly movedBytes: number;
}

export interface DeviceSnapshot {
  /** Monotonic, ms. */
  readonly atMs: number;
  /** By this process since it began, on whatever disk; `null` where the kernel does not count it. */
  readonly own: MovedBytes | null;
  readonly disks: ReadonlyMap<string, DiskCounters>;
  readonly cpu: CpuCounters | null;
  /** CPU time of this process since it began, ms. */
  readonly ownCpuMs: number;
  /** Resident memory of this process. */
  readonly rssBytes: number;
}

/** A disk to be watched: a whole disk or stacked device, what it is made of, and its part in use. */
export interface WatchedDisk {
  readonly name: string;
  readonly members: readonly string[];
  readonly partitions: readonly string[];
}

/** Reads the seventeen numbers of a `stat` file; older kernels have eleven. */
export function parseDiskStat(text: string): DiskCounters | null {
  const values = text.trim().split(/\s+/).map(Number);
  if (values.length < 11 || values.some((value) => !Number.isFinite(value))) {
    return null;
  }
  const at = (index: number): number => values[index] ?? 0;
  return {
    readIos: at(0),
    readMerges: at(1),
    readSectors: at(2),
    readTicksMs: at(3),
    writeIos: at(4),
    writeMerges: at(5),
    writeSectors: at(6),
    writeTicksMs: at(7),
    ioTicksMs: at(9),
    inQueueMs: at(10),
  };
}

/** The first line of /proc/stat (proc(5)): guest time is in user time already. */
export function parseCpuLine(text: string): CpuCounters | null {
  const words = text.split("\n", 1)[0]?.split(/\s+/) ?? [];
  if (words[0] !== "cpu" || words.length < 8) {
    return null;
  }
  const values = words.slice(1, 9).map(Number);
  const at = (index: number): number => values[index] ?? 0;
  return {
    user: at(0) + at(1),
    system: at(2) + at(5) + at(6),
    total: values.reduce((sum, value) => sum + value, 0),
  };
}

/**
 * What a process moved, from its `io` file (proc_pid_io(5)): direct operations as they are sent, buffered
 * writes when they make a page dirty.
 */
export function parseProcessIo(text: string): MovedBytes | null {
  const of = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)?.[1]);
  const [readBytes, writtenBytes] = [of("read_bytes"), of("write_bytes")];
  return Number.isNaN(readBytes) || Number.isNaN(writtenBytes) ? null : { readBytes, writtenBytes };
}

function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return null;
  }
}

/** The block device at or under a path; of a file that is not there yet, that of its directory. */
function deviceUnder(path: string): BlockFacts | null {
  let existing = resolveExisting(path);
  while (statOf(existing) === null && existing !== "/") {
    existing = dirname(existing);
  }
  const stat = statOf(existing);
  return stat?.isBlockDevice() === true
    ? blockFactsByNumber(deviceNumberText(stat.rdev), realSystem)
    : backingOfPath(existing, probeContext()).block;
}

/** Disks under the paths of a run; synthetic and memory targets have none. Each disk comes once. */
export function watchedDisks(
  paths: readonly string[],
  system: SystemRoot = realSystem,
): WatchedDisk[] {
  const disks = new Map<string, { members: string[]; partitions: Set<string> }>();
  for (const path of paths) {
    const facts = path.startsWith("/") ? deviceUnder(path) : null;
    if (facts === null) {
      continue;
    }
    const members = slavesOf(facts.disk, system).map((name) => factsOfName(name)?.disk ?? name);
    const entry = disks.get(facts.disk) ?? {
      members: [...new Set(members)],
      partitions: new Set(),
    };
    if (facts.isPartition) {
      entry.partitions.add(facts.name);
    }
    disks.set(facts.disk, entry);
  }
  return [...disks].map(([name, { members, partitions }]) => ({
    name,
    members,
    partitions: [...partitions],
  }));
}

/** Samples the disks under a run. Create it once per run; each snapshot stands alone. */
export class DeviceSampler {
  readonly disks: readonly WatchedDisk[];
  private readonly statFiles: readonly (readonly [name: string, path: string])[];
  private readonly cpuFile: string;
  private readonly ownFile: string;

  constructor(paths: readonly string[], system: SystemRoot = realSystem) {
    this.disks = watchedDisks(paths, system);
    const names = this.disks.flatMap((disk) => [disk.name, ...disk.members, ...disk.partitions]);
    this.statFiles = [...new Set(names)].map((name) => [
      name,
      join(system.sys, "class/block", name, "stat"),
    ]);
    this.cpuFile = join(system.proc, "stat");
    this.ownFile = join(system.proc, "self/io");
  }

  snapshot(): DeviceSnapshot {
    const disks = new Map<string, DiskCounters>();
    for (const [name, path] of this.statFiles) {
      const counters = parseDiskStat(readText(path) ?? "");
      if (counters !== null) {
        disks.set(name, counters);
      }
    }
    return {
      atMs: performance.now(),
      own: parseProcessIo(readText(this.ownFile) ?? ""),
      disks,
      cpu: parseCpuLine(readText(this.cpuFile) ?? ""),
      ownCpuMs: cpuMs(process.cpuUsage()),
      rssBytes: process.memoryUsage.rss(),
    };
  }

  /** Use of each disk between two snapshots: whole disks first, partitions in use after their disk. */
  uses(before: DeviceSnapshot, after: DeviceSnapshot): DiskUse[] {
    return this.disks.flatMap(({ name, members, partitions }) => {
      const inside = members.flatMap((member) => useBetween(member, before, after));
      const whole = useBetween(name, before, after).map((use) =>
        inside.length === 0 ? use : { ...use, members: inside },
      );
      return [...whole, ...partitions.flatMap((part) => useBetween(part, before, after))];
    });
  }

  others(before: DeviceSnapshot, after: DeviceSnapshot): OthersUse {
    return { cpuShare: othersCpuShare(before, after), disks: this.#othersDisks(before, after) };
  }

  /**
   * What the disks moved beyond what this process asked of any disk: the work of other programs, and of
   * the file system for itself. At least so much.
   */
  #othersDisks(before: DeviceSnapshot, after: DeviceSnapshot): OthersDisks | null {
    const uses = this.disks.flatMap(({ name }) => useBetween(name, before, after));
    if (before.own === null || after.own === null || uses.length === 0) {
      return null;
    }
    const moved = (key: "readSectors" | "writeSectors") =>
      512 * uses.reduce((sum, use) => sum + Math.max(0, use.after[key] - use.before[key]), 0);
    const read = moved("readSectors") - (after.own.readBytes - before.own.readBytes);
    const written = moved("writeSectors") - (after.own.writtenBytes - before.own.writtenBytes);
    return {
      names: uses.map(({ name }) => name),
      elapsedMs: after.atMs - before.atMs,
      movedBytes: moved("readSectors") + moved("writeSectors"),
      readBytes: Math.max(0, read),
      writtenBytes: Math.max(0, written),
    };
  }

  /** Figures of an interval, for the series. */
  machine(before: DeviceSnapshot, after: DeviceSnapshot): MachineSample {
    const uses = this.disks.flatMap(({ name }) => useBetween(name, before, after));
    const rate = (key: "readIos" | "writeIos"): number | null =>
      uses.length === 0
        ? null
        : uses.reduce((sum, use) => sum + perSecond(use, use.after[key] - use.before[key]), 0);
    return {
      ...cpuShares(before.cpu, after.cpu),
      devUtilPct: uses.length === 0 ? null : Math.max(...uses.map(utilPercent)),
      devReadIos: rate("readIos"),
      devWriteIos: rate("writeIos"),
    };
  }
}

const cpuMs = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1000;

/** Of all CPUs, what others than this process had: 0 to 1; kernel threads that work for it count too. */
function othersCpuShare(before: DeviceSnapshot, after: DeviceSnapshot): number | null {
  const { cpuUserPct, cpuSysPct } = cpuShares(before.cpu, after.cpu);
  const wallMs = (after.atMs - before.atMs) * availableParallelism();
  if (cpuUserPct === null || wallMs <= 0) {
    return null;
  }
  const own = (after.ownCpuMs - before.ownCpuMs) / wallMs;
  return Math.min(1, Math.max(0, (cpuUserPct + cpuSysPct) / 100 - own));
}

function useBetween(name: string, before: DeviceSnapshot, after: DeviceSnapshot): DiskUse[] {
  const [first, last] = [before.disks.get(name), after.disks.get(name)];
  return first === undefined || last === undefined
    ? []
    : [{ name, before: first, after: last, elapsedMs: after.atMs - before.atMs }];
}

/** A counter that went back (the device was replaced under us) counts as no activity. */
function perSecond(use: DiskUse, grown: number): number {
  return use.elapsedMs <= 0 ? 0 : (Math.max(0, grown) * 1000) / use.elapsedMs;
}

/** Share of the time with something in flight; the kernel counts whole ticks, hence the limit. */
function utilPercent(use: DiskUse): number {
  return Math.min(100, perSecond(use, use.after.ioTicksMs - use.before.ioTicksMs) / 10);
}

function cpuShares(
  before: CpuCounters | null,
  after: CpuCounters | null,
): { cpuUserPct: number; cpuSysPct: number } | { cpuUserPct: null; cpuSysPct: null } {
  const total = before === null || after === null ? 0 : after.total - before.total;
  // Less than a tick (10 ms) has passed, or the counters cannot be read: nothing to tell.
  if (before === null || after === null || total <= 0) {
    return { cpuUserPct: null, cpuSysPct: null };
  }
  return {
    cpuUserPct: Math.max(0, (100 * (after.user - before.user)) / total),
    cpuSysPct: Math.max(0, (100 * (after.system - before.system)) / total),
  };
}
