/** Facts and settings of a block device, from /sys. */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type ClassDecision, classify, type Transport, transportOf } from "./classify.ts";
import {
  devicePath,
  kernelNameOf,
  listDirectory,
  readFlag,
  readNumber,
  readText,
  resolveLink,
  type SystemRoot,
  sysDirectory,
} from "./facts-files.ts";
import { slavesOf } from "./holders.ts";

export interface DiscardFacts {
  readonly supported: boolean;
  readonly granularityBytes: number | null;
  readonly maxBytes: number | null;
}

/** What is known of a block device and how the host has set it; `null` where it cannot be read. */
export interface BlockFacts extends ClassDecision {
  /** Kernel name, e.g. `nvme0n1p2`. */
  readonly name: string;
  readonly deviceNumber: string;
  /** The whole disk: itself, or the disk that a partition lies on. */
  readonly disk: string;
  readonly isPartition: boolean;
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  readonly physicalBlockBytes: number | null;
  readonly readOnly: boolean | null;
  readonly removable: boolean | null;
  readonly transport: Transport;
  readonly vendor: string | null;
  readonly model: string | null;
  readonly serial: string | null;
  readonly firmware: string | null;
  readonly rotational: boolean | null;
  /** A volatile write cache is on. */
  readonly writeCache: boolean | null;
  readonly fua: boolean | null;
  readonly scheduler: string | null;
  readonly schedulers: readonly string[];
  /** Requests that the kernel queues. */
  readonly nrRequests: number | null;
  /** Commands that the device takes at once, where it tells. */
  readonly deviceQueueDepth: number | null;
  readonly readAheadBytes: number | null;
  readonly maxRequestBytes: number | null;
  readonly nomerges: number | null;
  readonly polling: boolean | null;
  readonly zoned: string | null;
  readonly discard: DiscardFacts;
  readonly dax: boolean | null;
  readonly numaNode: number | null;
  /** Links to the device in /dev/disk/by-id. */
  readonly aliases: readonly string[];
}

/** Text of an identity file; some drivers pad with blanks or give an empty one. */
function identity(...paths: readonly string[]): string | null {
  for (const path of paths) {
    // A serial number comes from the device: control characters must not reach the terminal.
    const text = readText(path)
      ?.replace(/\p{Cc}/gu, "")
      .trim();
    if (text !== undefined && text !== "") {
      return text;
    }
  }
  return null;
}

/** A SCSI unit serial number: VPD page 80, text after a header of four bytes. */
function scsiSerial(deviceDirectory: string): string | null {
  try {
    const page = readFileSync(join(deviceDirectory, "vpd_pg80"));
    const serial = page
      .toString("latin1", 4)
      .replace(/[^\x20-\x7e]/g, "")
      .trim();
    return serial === "" ? null : serial;
  } catch {
    return null;
  }
}

/** Medium rotation rate: VPD page B1 (SBC-4, block device characteristics), bytes 4 and 5. */
function rotationRpm(deviceDirectory: string): number | null {
  try {
    const page = readFileSync(join(deviceDirectory, "vpd_pgb1"));
    return page.length >= 6 ? page.readUInt16BE(4) : null;
  } catch {
    return null;
  }
}

/** Driver of the SCSI host that a disk hangs on. */
function hostDriver(sysPath: string, system: SystemRoot): string | null {
  const host = /\/(host\d+)\//.exec(sysPath)?.[1];
  return host === undefined
    ? null
    : readText(join(system.sys, "class/scsi_host", host, "proc_name"));
}

/** The scheduler's file lists all and puts the one in use in brackets. */
function schedulersOf(queue: string): { scheduler: string | null; schedulers: string[] } {
  const text = readText(join(queue, "scheduler"));
  const words = text === null || text === "" ? [] : text.split(/\s+/);
  const current = words.find((word) => word.startsWith("["));
  return {
    scheduler: current?.slice(1, -1) ?? (words.length === 1 ? (words[0] ?? null) : null),
    schedulers: words.map((word) => word.replace(/[[\]]/g, "")),
  };
}

function writeCacheOf(queue: string): boolean | null {
  const text = readText(join(queue, "write_cache"));
  return text === "write back" ? true : text === "write through" ? false : null;
}

function discardOf(queue: string): DiscardFacts {
  const maxBytes = readNumber(join(queue, "discard_max_bytes"));
  const granularityBytes = readNumber(join(queue, "discard_granularity"));
  return { supported: (maxBytes ?? 0) > 0, granularityBytes, maxBytes };
}

function aliasesOf(name: string, system: SystemRoot): string[] {
  const directory = join(system.dev, "disk/by-id");
  return listDirectory(directory)
    .map((link) => join(directory, link))
    .filter((link) => basename(resolveLink(link) ?? "") === name);
}

/** Queue limits and settings: those of the disk, for its partitions too. */
function queueFacts(queue: string) {
  const kib = (file: string): number | null => {
    const value = readNumber(join(queue, file));
    return value === null ? null : value * 1024;
  };
  return {
    logicalBlockBytes: readNumber(join(queue, "logical_block_size")) ?? 512,
    physicalBlockBytes: readNumber(join(queue, "physical_block_size")),
    rotational: readFlag(join(queue, "rotational")),
    writeCache: writeCacheOf(queue),
    fua: readFlag(join(queue, "fua")),
    ...schedulersOf(queue),
    nrRequests: readNumber(join(queue, "nr_requests")),
    readAheadBytes: kib("read_ahead_kb"),
    maxRequestBytes: kib("max_sectors_kb"),
    nomerges: readNumber(join(queue, "nomerges")),
    polling: readFlag(join(queue, "io_poll")),
    zoned: readText(join(queue, "zoned")),
    discard: discardOf(queue),
    dax: readFlag(join(queue, "dax")),
  };
}

/** Who made the disk, from its device directory: SCSI, NVMe (the controller's) and virtio differ. */
function identityFacts(diskDirectory: string) {
  const device = join(diskDirectory, "device");
  const controller = join(device, "device");
  return {
    // PCI and virtio drivers give a number there, not a name.
    vendor: identity(join(device, "vendor"))?.replace(/^0x[0-9a-f]+$/i, "") || null,
    model: identity(join(device, "model"), join(device, "name")),
    serial: scsiSerial(device) ?? identity(join(device, "serial"), join(diskDirectory, "serial")),
    firmware: identity(join(device, "firmware_rev"), join(device, "rev"), join(device, "fwrev")),
    deviceQueueDepth: readNumber(join(device, "queue_depth")) ?? readNumber(join(device, "sqsize")),
    numaNode:
      [device, controller]
        .map((path) => readNumber(join(path, "numa_node")))
        .find((node) => node !== null && node >= 0) ?? null,
  };
}

/** Decides what a loop device stands on; given by `probe.ts`, which knows about files. */
export type BackingOf = (kernelName: string) => BlockFacts | null;

/** Stacks deeper than this are taken for a cycle in a made-up tree. */
const maxDepth = 16;

/**
 * Facts of a block device by kernel name; `null` when the kernel knows no such device. `backingOf`
 * answers for loop devices.
 */
export function blockFacts(
  name: string,
  system: SystemRoot,
  backingOf: BackingOf = () => null,
  depth = 0,
): BlockFacts | null {
  const directory = sysDirectory(name, system);
  if (directory === null || depth > maxDepth) {
    return null;
  }
  const isPartition = readNumber(join(directory, "partition")) !== null;
  const diskDirectory = isPartition ? dirname(directory) : directory;
  const disk = basename(diskDirectory);
  const queue = queueFacts(join(diskDirectory, "queue"));
  const who = identityFacts(diskDirectory);
  const transport = transportOf(diskDirectory, hostDriver(diskDirectory, system));
  const below = [
    ...slavesOf(disk, system).map((slave) => blockFacts(slave, system, backingOf, depth + 1)),
    transport === "loop" ? backingOf(disk) : null,
  ].filter((facts) => facts !== null);
  const decision = classify({
    transport,
    dax: queue.dax,
    rotational: queue.rotational,
    rotationRpm: rotationRpm(join(diskDirectory, "device")),
    vendor: who.vendor,
    model: who.model,
    below,
  });
  return {
    name,
    deviceNumber: readText(join(directory, "dev")) ?? "",
    disk,
    isPartition,
    sizeBytes: (readNumber(join(directory, "size")) ?? 0) * 512,
    readOnly: readFlag(join(directory, "ro")),
    removable: readFlag(join(diskDirectory, "removable")),
    transport,
    ...who,
    ...queue,
    aliases: aliasesOf(name, system),
    ...decision,
  };
}

/** Facts by device number. */
export function blockFactsByNumber(
  deviceNumber: string,
  system: SystemRoot,
  backingOf?: BackingOf,
): BlockFacts | null {
  const name = kernelNameOf(deviceNumber, system);
  return name === null ? null : blockFacts(name, system, backingOf);
}

/** Node of a device in /dev. */
export function pathOfFacts(facts: BlockFacts, system: SystemRoot): string {
  return devicePath(facts.name, system);
}
