/**
 * Everything that can be known of a device or file before anything is written to it. Reads only; a
 * block device is opened O_RDONLY, and O_EXCL for an instant to see whether someone holds it.
 */
import { type BigIntStats, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { OsdynoError } from "../base/error.ts";
import type { DeviceClass, DeviceFacts } from "../port/block-device.ts";
import { type BlockFacts, blockFacts, blockFactsByNumber } from "./facts.ts";
import {
  deviceNumberText,
  devicePath,
  type ExclusiveState,
  exclusiveState,
  listDirectory,
  readFlag,
  readNumber,
  readText,
  realSystem,
  type SystemRoot,
} from "./facts-files.ts";
import {
  type Holder,
  holdersOf,
  loopBacking,
  loopsByBacking,
  loopsOver,
  type PartitionInfo,
  partitionsOf,
  writersByDevice,
} from "./holders.ts";
import {
  type Mount,
  type MountedAt,
  mountOfPath,
  mountsOf,
  overlayUpper,
  readMounts,
  readSwaps,
  type SwapArea,
} from "./mounts.ts";
import { probeSignatures } from "./signatures.ts";
import type { Signature } from "./signatures-model.ts";

export type ProbeKind = "disk" | "partition" | "loop" | "dm" | "md" | "file" | "char";

/** A mount or swap area of the probed device, a partition of it, or a device that stands on it. */
export interface DeviceMount extends MountedAt {
  readonly device: string;
}

/** A regular file and what it lies on. */
export interface FileFacts {
  readonly fsType: string | null;
  readonly mountPoint: string | null;
  /** What the mount names as its source. */
  readonly source: string | null;
  /** Loop devices that stand on the file. */
  readonly loops: readonly string[];
  readonly isSwap: boolean;
  readonly hardLinks: number;
}

export interface DeviceProbe {
  /** As asked, and with symbolic links resolved. */
  readonly path: string;
  readonly resolvedPath: string;
  readonly kind: ProbeKind;
  readonly sizeBytes: number;
  /** `major:minor`; `null` for files. */
  readonly deviceNumber: string | null;
  readonly deviceClass: DeviceClass;
  readonly classReason: string;
  /** Of the device; of a file, those of the device below its file system, if there is one. */
  readonly block: BlockFacts | null;
  readonly file: FileFacts | null;
  readonly partitions: readonly PartitionInfo[];
  readonly mounts: readonly DeviceMount[];
  /** Kernel names of the parts that serve as swap. */
  readonly swaps: readonly string[];
  readonly holders: readonly Holder[];
  readonly loopBacking: string | null;
  readonly exclusive: ExclusiveState;
  /** Other processes that have the device open for writing. */
  readonly writers: readonly string[];
  /** `null` when they could not be read; `signatureError` says why. */
  readonly signatures: readonly Signature[] | null;
  readonly signatureError: string | null;
}

/** What is read once and serves many probes. */
export interface ProbeContext {
  readonly system: SystemRoot;
  readonly mounts: readonly Mount[];
  readonly swaps: readonly SwapArea[];
  /** Loop devices by what they stand on; looked up at the first call. */
  readonly loops: () => ReadonlyMap<string, readonly string[]>;
  /** Processes by the device number that they write to; looked up at the first call. */
  readonly writers: () => ReadonlyMap<string, readonly string[]>;
}

export function probeContext(system: SystemRoot = realSystem): ProbeContext {
  let loops: Map<string, string[]> | undefined;
  let writers: Map<string, string[]> | undefined;
  return {
    system,
    mounts: readMounts(system),
    swaps: readSwaps(system),
    loops: () => {
      loops ??= loopsByBacking(system);
      return loops;
    },
    writers: () => {
      writers ??= writersByDevice(system);
      return writers;
    },
  };
}

function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return null;
  }
}

export interface PathBacking {
  readonly mount: Mount | null;
  /** The device below; `null` for memory and network file systems and pools. */
  readonly block: BlockFacts | null;
}

/** The file system that an existing path lies on and the device below it. */
export function backingOfPath(path: string, context: ProbeContext, depth = 0): PathBacking {
  const { system, mounts } = context;
  const stat = statOf(path);
  if (stat === null || depth > 8) {
    return { mount: null, block: null };
  }
  const mount = mountOfPath(realpathSync.native(path), mounts);
  const backing = (name: string): BlockFacts | null => loopBackingFacts(name, context, depth + 1);
  const direct = blockFactsByNumber(deviceNumberText(stat.dev), system, backing);
  if (direct !== null || mount === null) {
    return { mount, block: direct };
  }
  const upper = overlayUpper(mount);
  if (upper !== null && statOf(upper) !== null) {
    return { mount, block: backingOfPath(upper, context, depth + 1).block };
  }
  // btrfs and bcachefs have numbers of their own; their source names (one of) the devices.
  const source = statOf(mount.source.split(":")[0] ?? "");
  const block =
    source?.isBlockDevice() === true && mount.source.startsWith("/")
      ? blockFactsByNumber(deviceNumberText(source.rdev), system, backing)
      : null;
  return { mount, block };
}

/** What a loop device stands on: the device below its file, or the device it was put over. */
function loopBackingFacts(name: string, context: ProbeContext, depth: number): BlockFacts | null {
  const path = loopBacking(name, context.system);
  const stat = path === null ? null : statOf(path);
  if (path === null || stat === null || depth > 8) {
    return null;
  }
  return stat.isBlockDevice()
    ? blockFactsByNumber(deviceNumberText(stat.rdev), context.system)
    : backingOfPath(path, context, depth).block;
}

function kindOf(facts: BlockFacts): ProbeKind {
  if (facts.isPartition) {
    return "partition";
  }
  const { transport } = facts;
  return transport === "loop" || transport === "dm" || transport === "md" ? transport : "disk";
}

/** The device, its partitions (or the disk it is a part of), and all that stands on them. */
function namesInUse(
  facts: BlockFacts,
  partitions: readonly PartitionInfo[],
  context: ProbeContext,
) {
  const names = new Set([facts.name, facts.disk, ...partitions.map((part) => part.name)]);
  const holders = new Map<string, Holder>();
  for (const name of names) {
    for (const holder of holdersOf(name, context.loops(), context.system)) {
      holders.set(holder.name, holder);
      // A set hands out what is added while it is gone through: holders of holders come too.
      names.add(holder.name);
      for (const part of partitionsOf(holder.name, context.system)) {
        names.add(part.name);
      }
    }
  }
  return { names: [...names], holders: [...holders.values()] };
}

function mountsOfNames(names: readonly string[], context: ProbeContext): DeviceMount[] {
  return names.flatMap((device) => {
    const number = readText(join(context.system.sys, "class/block", device, "dev")) ?? "";
    return mountsOf(device, number, context.mounts, context.system).map((mount) => ({
      device,
      ...mount,
    }));
  });
}

function swapsOfNames(names: readonly string[], context: ProbeContext): string[] {
  const numbers = context.swaps
    .filter((swap) => !swap.isFile)
    .map((swap) => statOf(swap.path))
    .map((stat) => (stat?.isBlockDevice() === true ? deviceNumberText(stat.rdev) : ""));
  return names.filter((name) => {
    const number = readText(join(context.system.sys, "class/block", name, "dev"));
    return number !== null && numbers.includes(number);
  });
}

function signaturesOf(path: string, sizeBytes: number) {
  try {
    return { signatures: probeSignatures(path, sizeBytes), signatureError: null };
  } catch (error) {
    return { signatures: null, signatureError: (error as Error).message };
  }
}

function probeBlock(path: string, resolvedPath: string, number: string, context: ProbeContext) {
  const { system } = context;
  const backing = (name: string): BlockFacts | null => loopBackingFacts(name, context, 0);
  const facts = blockFactsByNumber(number, system, backing);
  if (facts === null) {
    throw new OsdynoError("bad-input", `${path}: the kernel knows no block device ${number}`);
  }
  const partitions = facts.isPartition ? [] : partitionsOf(facts.name, system);
  const { names, holders } = namesInUse(facts, partitions, context);
  const writers = context.writers();
  const ownNumbers = [number, ...partitions.map((part) => part.deviceNumber)];
  return {
    path,
    resolvedPath,
    kind: kindOf(facts),
    sizeBytes: facts.sizeBytes,
    deviceNumber: number,
    deviceClass: facts.deviceClass,
    classReason: facts.classReason,
    block: facts,
    file: null,
    partitions,
    mounts: mountsOfNames(names, context),
    swaps: swapsOfNames(names, context),
    holders,
    loopBacking: loopBacking(facts.name, system),
    exclusive: exclusiveState(resolvedPath),
    writers: [...new Set(ownNumbers.flatMap((own) => writers.get(own) ?? []))],
    ...signaturesOf(resolvedPath, facts.sizeBytes),
  };
}

function fileClass(backing: PathBacking): { deviceClass: DeviceClass; classReason: string } {
  const { mount, block } = backing;
  const fsType = mount?.fsType ?? "an unknown file system";
  if (block !== null) {
    const classReason = `file on ${block.name} (${fsType}): ${block.classReason}`;
    return { deviceClass: block.deviceClass, classReason };
  }
  const what = fsType === "tmpfs" || fsType === "ramfs" ? "in memory" : "with no device of its own";
  return { deviceClass: "ssd", classReason: `file on ${fsType}, ${what}, counts as ssd` };
}

function isSameFile(path: string, stat: BigIntStats): boolean {
  const other = statOf(path);
  return other !== null && other.dev === stat.dev && other.ino === stat.ino;
}

function probeFile(path: string, resolvedPath: string, stat: BigIntStats, context: ProbeContext) {
  const backing = backingOfPath(resolvedPath, context);
  const sizeBytes = Number(stat.size);
  return {
    path,
    resolvedPath,
    kind: "file" as const,
    sizeBytes,
    deviceNumber: null,
    ...fileClass(backing),
    block: backing.block,
    file: {
      fsType: backing.mount?.fsType ?? null,
      mountPoint: backing.mount?.mountPoint ?? null,
      source: backing.mount?.source ?? null,
      loops: loopsOver(resolvedPath, context.loops()),
      isSwap: context.swaps.some((swap) => swap.isFile && isSameFile(swap.path, stat)),
      hardLinks: Number(stat.nlink),
    },
    partitions: [],
    mounts: [],
    swaps: [],
    holders: [],
    loopBacking: null,
    exclusive: "free" as const,
    writers: [],
    ...signaturesOf(resolvedPath, sizeBytes),
  };
}

/**
 * Probes a block device, partition, loop, dm or md device, a regular file, or a character device
 * (of which nothing but its number is known). Throws `bad-input` when there is nothing, or something
 * else, at the path.
 */
export function probeDevice(path: string, context: ProbeContext = probeContext()): DeviceProbe {
  const stat = statOf(path);
  if (stat === null) {
    throw new OsdynoError("bad-input", `${path}: no such file or device`);
  }
  const resolvedPath = realpathSync.native(path);
  if (stat.isBlockDevice()) {
    return probeBlock(path, resolvedPath, deviceNumberText(stat.rdev), context);
  }
  if (stat.isFile()) {
    return probeFile(path, resolvedPath, stat, context);
  }
  if (stat.isCharacterDevice()) {
    return {
      ...probeNothing(path, resolvedPath),
      deviceNumber: deviceNumberText(stat.rdev),
    };
  }
  const what = stat.isDirectory() ? "a directory" : "neither a file nor a device";
  throw new OsdynoError("bad-input", `${path} is ${what}; name a file or a block device`);
}

function probeNothing(path: string, resolvedPath: string): DeviceProbe {
  return {
    path,
    resolvedPath,
    kind: "char",
    sizeBytes: 0,
    deviceNumber: null,
    deviceClass: "ssd",
    classReason: "a character device counts as ssd",
    block: null,
    file: null,
    partitions: [],
    mounts: [],
    swaps: [],
    holders: [],
    loopBacking: null,
    exclusive: "unknown",
    writers: [],
    signatures: [],
    signatureError: null,
  };
}

/** Paths of all block devices with a size: disks, each followed by its partitions. */
export function listDevicePaths(system: SystemRoot = realSystem): string[] {
  const root = join(system.sys, "block");
  return listDirectory(root)
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .filter((name) => readFlag(join(root, name, "hidden")) !== true)
    .filter((name) => (readNumber(join(root, name, "size")) ?? 0) > 0)
    .flatMap((name) => [
      devicePath(name, system),
      ...partitionsOf(name, system).map((part) => part.path),
    ]);
}

/** The facts that an engine needs. Blocks of files are those of the device below (512 without one). */
export function deviceFactsOf(probe: DeviceProbe): DeviceFacts {
  const { block } = probe;
  return {
    name: probe.kind === "file" ? probe.resolvedPath : (block?.name ?? probe.resolvedPath),
    sizeBytes: probe.sizeBytes,
    blockBytes: block?.logicalBlockBytes ?? 512,
    deviceClass: probe.deviceClass,
    classReason: probe.classReason,
    rotational: block?.rotational ?? null,
    writeCache: block?.writeCache ?? null,
    queueDepth: block?.deviceQueueDepth ?? block?.nrRequests ?? 1,
  };
}

/** Facts by kernel name, e.g. of a disk that a file lies on. */
export function factsOfName(name: string, context: ProbeContext = probeContext()) {
  return blockFacts(name, context.system, (loop) => loopBackingFacts(loop, context, 0));
}
