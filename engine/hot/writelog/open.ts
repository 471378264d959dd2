/** Makes, opens and looks into write logs. */
import { assert } from "../../base/assert.ts";
import { OsdynoError } from "../../base/error.ts";
import { DeviceMux } from "../../device/mux.ts";
import type { BlockDevice } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import { openChecksum } from "../checksum/registry.ts";
import { LaneIo } from "../kv/lane-io.ts";
import { BlockMap } from "./block-map.ts";
import { Entries } from "./entries.ts";
import {
  entryBytes,
  firstAreaBytes,
  type Root,
  type RootFault,
  type WriteLogMode,
} from "./log-format.ts";
import { layouts } from "./log-record.ts";
import { type LogState, type WriteLogTuning, writeLogDefaults, zeroCounters } from "./log-state.ts";
import { holdsRecords, traceBytes } from "./log-traces.ts";
import { Recovery } from "./recovery.ts";
import { Ring } from "./ring.ts";
import { readRoot, writeRoot } from "./roots.ts";
import { WriteLog } from "./write-log.ts";

/** Entries that a log holds at most (rbd.md 8.9). */
const mostEntries = 1 << 20;
/** Bytes of the log for each entry of the table of mode pmem. */
const bytesPerTableEntry = 2048;
const leastUnitBytes = 512;

export interface CreateWriteLogOptions {
  readonly mode: WriteLogMode;
  /** The log's device; what it holds is overwritten. */
  readonly log: BlockDevice;
  /** Of the image that the log is to stand before. */
  readonly image: { readonly sizeBytes: number; readonly blockBytes: number };
  /** What proves that a log belongs to an image. */
  readonly imageId: string;
  readonly imageUri: string;
  /** 32 random bits. */
  readonly logId: number;
  /** Default: the device's size. */
  readonly poolBytes?: number;
}

export interface OpenWriteLogOptions {
  /** Closed with the log. Some of its depth and slots are taken for write-back. */
  readonly image: BlockDevice;
  /** Closed with the log. */
  readonly log: BlockDevice;
  readonly clock: Clock;
  readonly imageId: string;
  /** Where the image is now; default: where it was. */
  readonly imageUri?: string;
  readonly tuning?: Partial<WriteLogTuning>;
}

/** Areas of a log of a size. */
function areas(mode: WriteLogMode, poolBytes: number) {
  const room = poolBytes - firstAreaBytes;
  if (mode === "ssd") {
    const ringBytes = Math.floor(room / 4096) * 4096;
    const entryCapacity = Math.min(mostEntries, ringBytes / 4096);
    return { ringStartBytes: firstAreaBytes, ringBytes, entryCapacity };
  }
  // The table ends on a block of 4 KiB.
  const wanted = Math.floor(room / (bytesPerTableEntry + entryBytes) / 64) * 64;
  const entryCapacity = Math.min(mostEntries, wanted);
  const ringStartBytes = firstAreaBytes + entryCapacity * entryBytes;
  const ringBytes = Math.floor((poolBytes - ringStartBytes) / 4096) * 4096;
  return { ringStartBytes, ringBytes, entryCapacity };
}

/** What a log takes an image for. One that takes any offset is addressed by sectors: it keeps a note of each. */
export function imageUnits({ sizeBytes, blockBytes }: { sizeBytes: number; blockBytes: number }) {
  const unitBytes = Math.max(leastUnitBytes, blockBytes);
  return { unitBytes, bytes: Math.floor(sizeBytes / unitBytes) * unitBytes };
}

function checkDevice(mode: WriteLogMode, log: BlockDevice): void {
  const unit = mode === "pmem" ? entryBytes : layouts.ssd.alignBytes;
  if (unit % log.facts.blockBytes !== 0) {
    throw new OsdynoError(
      "bad-input",
      `a write log of mode ${mode} needs a device that writes ${unit} bytes at a time; ${log.facts.name} has blocks of ${log.facts.blockBytes}`,
    );
  }
}

function wholeLane(log: BlockDevice): { mux: DeviceMux; io: LaneIo } {
  const depth = log.facts.queueDepth;
  const mux = new DeviceMux(log, { capacity: depth, selfDriven: false });
  return { mux, io: new LaneIo(mux.lane({ depth, slots: log.arena.slotCount })) };
}

/** Turns a device by itself until the work is done. */
async function driven<T>(device: BlockDevice, mux: DeviceMux, work: Promise<T>): Promise<T> {
  let going = true;
  const turn = () => {
    mux.poll();
    if (going) {
      device.onReady(turn);
    }
  };
  device.onReady(turn);
  try {
    return await work;
  } finally {
    going = false;
  }
}

/** Makes a log: writes all of it once, so that no old record is left, and its roots. Leaves the device open. */
export async function createWriteLog(options: CreateWriteLogOptions): Promise<Root> {
  const { mode, log, image } = options;
  checkDevice(mode, log);
  const poolBytes = Math.min(options.poolBytes ?? log.facts.sizeBytes, log.facts.sizeBytes);
  const { ringStartBytes, ringBytes, entryCapacity } = areas(mode, poolBytes);
  if (entryCapacity < 64 || ringBytes < 1 << 18) {
    throw new OsdynoError(
      "bad-input",
      `${log.facts.name}: ${poolBytes} bytes are too few for a write log`,
    );
  }
  const root: Root = {
    sequence: 1,
    logId: options.logId >>> 0,
    mode,
    blockBytes: imageUnits(image).unitBytes,
    poolBytes,
    imageBytes: imageUnits(image).bytes,
    ringStartBytes,
    ringBytes,
    entryCapacity,
    clean: true,
    firstEntry: 1,
    firstPosition: 0,
    flushedEntry: 1,
    currentGeneration: 1,
    flushedGeneration: 0,
    durableEntry: 1,
    epoch: 0,
    epochEntry: 1,
    imageId: options.imageId,
    imageUri: options.imageUri,
  };
  const { mux, io } = wholeLane(log);
  await driven(log, mux, fill(io, poolBytes, root));
  mux.close();
  return root;
}

async function fill(io: LaneIo, poolBytes: number, root: Root): Promise<void> {
  const end = Math.floor(poolBytes / 4096) * 4096;
  let next = 0;
  const zeroes = new Uint8Array(io.slotBytes);
  const worker = async () => {
    while (next < end) {
      const at = next;
      next += io.slotBytes;
      await new Promise<void>((resolve, reject) => {
        io.writeOnce(at, zeroes.subarray(0, Math.min(zeroes.length, end - at)), (errno) =>
          errno === 0 ? resolve() : reject(writeFailed(io, errno)),
        );
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(8, io.lane.arena.slotCount) }, worker));
  // Both places: a log that was here before must not show through.
  for (const sequence of [1, 2]) {
    await new Promise<void>((resolve, reject) => {
      writeRoot(io, { ...root, sequence }, (errno) =>
        errno === 0 ? resolve() : reject(writeFailed(io, errno)),
      );
    });
  }
  await new Promise<void>((resolve, reject) => {
    io.flush((errno) => (errno === 0 ? resolve() : reject(writeFailed(io, errno))));
  });
}

function writeFailed(io: LaneIo, errno: number): OsdynoError {
  return new OsdynoError(
    "io",
    `writing the write log on ${io.lane.facts.name} failed with errno ${errno}`,
  );
}

/** What a root says; throws `bad-input` with what is wrong with the device. Leaves it open. */
export async function inspectWriteLog(log: BlockDevice): Promise<Root> {
  const { mux, io } = wholeLane(log);
  const room = log.facts.sizeBytes >= firstAreaBytes;
  const root = room ? await driven(log, mux, rootOrTrace(io, log.facts.sizeBytes)) : "absent";
  mux.close();
  return checkRoot(root, log);
}

/** As `readRoot`; a log without roots is damaged where its records are still there. */
async function rootOrTrace(io: LaneIo, sizeBytes: number): Promise<Root | RootFault> {
  const root = await readRoot(io);
  if (root !== "absent") {
    return root;
  }
  const end = Math.min(sizeBytes, firstAreaBytes + traceBytes);
  const unit = io.lane.facts.blockBytes;
  for (let at = firstAreaBytes; at < end; at += 1 << 20) {
    const length = Math.min(1 << 20, end - at);
    if (holdsRecords(await io.readRange(at, length - (length % unit)))) {
      return "damaged";
    }
  }
  return "absent";
}

function checkRoot(root: Root | RootFault, log: BlockDevice): Root {
  const { name, sizeBytes } = log.facts;
  const refuse = (what: string): never => {
    throw new OsdynoError("bad-input", `${name} ${what}`);
  };
  if (typeof root === "string") {
    const why = {
      absent: "is no write log",
      damaged: "is a write log with both of its roots damaged: what it holds cannot be found",
      version: "is a write log of another version",
    };
    return refuse(why[root]);
  }
  if (root.poolBytes > sizeBytes) {
    return refuse(
      `is a write log cut short: ${root.poolBytes} bytes, of which ${sizeBytes} are there`,
    );
  }
  return root;
}

/** What a log holds, found as an opening would find it; nothing is written. Throws `io` when it is damaged. */
export async function surveyWriteLog(
  log: BlockDevice,
  root: Root,
): Promise<{
  readonly entries: number;
  readonly dirtyEntries: number;
  readonly dirtyBytes: number;
  readonly fill: number;
}> {
  const { mux, io } = wholeLane(log);
  const entries = new Entries(root.entryCapacity, root.firstEntry);
  const ring = new Ring(io, root.ringStartBytes, root.ringBytes, root.firstPosition);
  const recovery = new Recovery(root, ring, openChecksum("crc32c"), {
    longestRecordBytes: log.arena.slotBytes,
    recordsInFlight: writeLogDefaults.recordsInFlight,
  });
  await driven(log, mux, recovery.run(entries));
  mux.close();
  let dirtyEntries = 0;
  let dirtyBytes = 0;
  for (let entry = Math.max(entries.first, root.flushedEntry); entry < entries.next; entry += 1) {
    const slot = entries.slotOf(entry);
    dirtyEntries += entries.isSyncPoint(slot) ? 0 : 1;
    dirtyBytes += entries.lengthBytes[slot] as number;
  }
  const fill = Math.max(ring.usedBytes / ring.bytes, entries.size / entries.capacity);
  return { entries: entries.size, dirtyEntries, dirtyBytes, fill };
}

/** Gives up what a log holds: it is empty afterwards. */
export async function invalidateWriteLog(log: BlockDevice): Promise<void> {
  const root = await inspectWriteLog(log);
  const { mux, io } = wholeLane(log);
  const nextEntry = root.durableEntry + root.entryCapacity;
  const empty: Root = {
    ...root,
    sequence: root.sequence + 1,
    clean: true,
    firstEntry: nextEntry,
    flushedEntry: nextEntry,
    durableEntry: nextEntry,
    epoch: root.epoch + 1,
    epochEntry: nextEntry,
  };
  await driven(
    log,
    mux,
    new Promise<void>((resolve, reject) => {
      writeRoot(io, empty, (errno) => (errno === 0 ? resolve() : reject(writeFailed(io, errno))));
    }),
  );
  mux.close();
}

/**
 * Opens a log before its image; what it holds is found again, and reads show it at once. Throws
 * `bad-input` when the log is none, is cut short or stands before another image, `io` when it is damaged.
 */
export async function openWriteLog(options: OpenWriteLogOptions): Promise<WriteLog> {
  const { image, log, clock } = options;
  const tuning = { ...writeLogDefaults, ...options.tuning };
  const { mux: logMux, io: logIo } = wholeLane(log);
  const opened = await driven(log, logMux, begin(options, tuning, logIo));
  const { root, entries, ring } = opened;
  const flushed = Math.min(Math.max(root.flushedEntry, entries.first), entries.next);
  const below = imageLanes(image, tuning);
  const { unitBytes } = imageUnits(image.facts);
  const map = new BlockMap(entries, unitBytes);
  for (let sequence = entries.first; sequence < entries.next; sequence += 1) {
    const slot = entries.slotOf(sequence);
    if (!entries.isSyncPoint(slot)) {
      map.insert(slot);
    }
  }
  const checksum = openChecksum("crc32c");
  let made: WriteLog | null = null;
  const state: LogState = {
    mode: root.mode,
    tuning: { ...tuning, writeBackDepth: below.depth },
    clock,
    image,
    unitBytes,
    imageIo: below.io,
    logIo,
    entries,
    map,
    ring,
    stamp: { logId: root.logId, epoch: root.epoch },
    counters: zeroCounters(),
    checksum,
    arenaSums: checksum.over(image.arena.bytes),
    generation: root.currentGeneration,
    stopped: null,
    wake: () => made?.wake(),
    stop(reason) {
      if (this.stopped === null) {
        this.stopped = reason;
        made?.stopped();
      }
    },
  };
  made = new WriteLog(
    state,
    { image: below.mux, log: logMux, clients: below.clients },
    root,
    flushed,
  );
  return made;
}

function imageLanes(image: BlockDevice, tuning: WriteLogTuning) {
  // What is below may take fewer at once: the rest waits before it.
  const most = image.arena.slotCount;
  const depth = Math.max(1, Math.min(tuning.writeBackDepth, Math.floor(most / 2)));
  assert(most - depth > 0, "an image before which a log stands has room for two operations");
  // One more for the flush of the image.
  const mux = new DeviceMux(image, { capacity: most + 1, selfDriven: false });
  const clients = mux.lane({ depth: most - depth, slots: most - depth });
  const io = new LaneIo(mux.lane({ depth: depth + 1, slots: depth }));
  return { mux, clients, io, depth };
}

/** Reads the root and the records, and begins a new epoch. */
async function begin(options: OpenWriteLogOptions, tuning: WriteLogTuning, io: LaneIo) {
  const { image, log, imageId } = options;
  const room = log.facts.sizeBytes >= firstAreaBytes;
  const root = checkRoot(room ? await readRoot(io) : "absent", log);
  checkDevice(root.mode, log);
  const refuse = (what: string): never => {
    throw new OsdynoError("bad-input", `the write log on ${log.facts.name} ${what}`);
  };
  if (root.imageId !== imageId) {
    refuse(`stands before ${root.imageUri} (${root.imageId}), not before ${imageId}`);
  }
  const { unitBytes, bytes } = imageUnits(image.facts);
  if (root.imageBytes !== bytes || root.blockBytes !== unitBytes) {
    refuse(
      `stands before an image of ${root.imageBytes} bytes in blocks of ${root.blockBytes}; this one has ${bytes} in blocks of ${unitBytes}; osdyno writelog flush writes back what the log holds`,
    );
  }
  const longest = image.arena.slotBytes + tuning.recordBytes + 4096;
  const slots = log.arena.slotCount * log.arena.slotBytes;
  assert(slots >= image.arena.slotBytes + 3 * 4096, "a log's slots take its image's longest write");
  assert(root.ringBytes >= 2 * longest, "a log's ring takes two of its longest records");
  const entries = new Entries(root.entryCapacity, root.firstEntry);
  const ring = new Ring(io, root.ringStartBytes, root.ringBytes, root.firstPosition);
  const recovery = new Recovery(root, ring, openChecksum("crc32c"), {
    longestRecordBytes: longest,
    recordsInFlight: tuning.recordsInFlight,
  });
  await recovery.run(entries);
  let generation = root.currentGeneration;
  for (let sequence = entries.first; sequence < entries.next; sequence += 1) {
    generation = Math.max(generation, entries.generation[entries.slotOf(sequence)] as number);
  }
  const next: Root = {
    ...root,
    sequence: root.sequence + 1,
    clean: false,
    imageUri: options.imageUri ?? root.imageUri,
    currentGeneration: generation + 1,
    durableEntry: entries.next,
    epoch: root.epoch + 1,
    epochEntry: entries.next,
  };
  // In both places: were the only root of this epoch damaged later, its entries would pass for leftovers.
  const again: Root = { ...next, sequence: next.sequence + 1 };
  for (const each of [next, again]) {
    await new Promise<void>((resolve, reject) => {
      writeRoot(io, each, (errno) => (errno === 0 ? resolve() : reject(writeFailed(io, errno))));
    });
  }
  return { root: again, entries, ring };
}
