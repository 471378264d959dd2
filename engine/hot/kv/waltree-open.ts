/** Making and reading a waltree on its devices. */
import { OsdynoError } from "../../base/error.ts";
import type { KvDeviceRole, KvExtent, KvOpenContext } from "./kv.ts";
import { type IoDone, LaneIo } from "./lane-io.ts";
import { PrefixedTree } from "./prefixed-tree.ts";
import {
  alignUp,
  decodeEnd,
  decodeSuperblock,
  encodeSuperblock,
  flagLast,
  fragmentKinds,
  leastBlockBytes,
  type Superblock,
  superblockBytes,
  superblockOffsets,
} from "./waltree-format.ts";
import { damaged, GroupReplay, groupOf, joined } from "./waltree-group.ts";
import { rereads, StreamReader } from "./waltree-reader.ts";
import { salvageCheckpoint, salvageLog } from "./waltree-salvage.ts";
import { OwnSpace, SpareSpace } from "./waltree-space.ts";
import type { StreamPosition } from "./waltree-writer.ts";

/** The lanes of a store and what they are to it. */
export interface WaltreeDevices {
  readonly base: LaneIo;
  readonly baseRole: KvDeviceRole;
  readonly log: LaneIo;
  readonly logRole: KvDeviceRole;
  /** Of fragments on both. */
  readonly blockBytes: number;
}

export interface OpenedWaltree {
  readonly tree: PrefixedTree;
  readonly superblock: Superblock;
  readonly checkpointExtents: readonly KvExtent[];
  readonly logExtents: readonly KvExtent[];
  /** Where the log goes on. */
  readonly logEnd: StreamPosition;
  /** A group lies there whose data is not: it MUST be cleared before anything is written. */
  readonly logTorn: boolean;
}

export function devicesOf(context: KvOpenContext): WaltreeDevices {
  const { main, db, wal } = context.devices;
  const baseDevice = db ?? main;
  const logDevice = wal ?? baseDevice;
  if (baseDevice.lane === null || logDevice.lane === null) {
    throw new OsdynoError("bad-input", "waltree needs a lane of each of its devices");
  }
  const base = new LaneIo(baseDevice.lane);
  return {
    base,
    baseRole: db === null ? "main" : "db",
    log: logDevice === baseDevice ? base : new LaneIo(logDevice.lane),
    logRole: wal === null ? (db === null ? "main" : "db") : "wal",
    blockBytes: Math.max(
      leastBlockBytes,
      baseDevice.lane.facts.blockBytes,
      logDevice.lane.facts.blockBytes,
    ),
  };
}

const nowhere: StreamPosition = { extents: [], offsetBytes: 0, sequence: 1, chain: 0 };

/** Goes on, or fails with the errno. */
export function onward(next: () => void, failed: IoDone): IoDone {
  return (errno) => (errno === 0 ? next() : failed(errno));
}

/**
 * Clears a log's first block, for good, before a superblock tells of it: what an older store has left there
 * could be read as this one's, should the ids of both be the same.
 */
export function clearBlock(io: LaneIo, offset: number, blockBytes: number, done: IoDone): void {
  const written = onward(() => io.flush(done), done);
  io.writeOnce(offset, new Uint8Array(blockBytes), written);
}

/** Writes both copies of a superblock, one after the other with a flush each. */
export function writeCopies(base: LaneIo, bytes: Uint8Array, done: IoDone): void {
  const [first, second] = superblockOffsets;
  const copy = (offset: number, next: IoDone) =>
    base.writeOnce(
      offset,
      bytes,
      onward(() => base.flush(next), next),
    );
  copy(
    first,
    onward(() => copy(second, done), done),
  );
}

/** A promise for what calls back with an errno. */
export function finished(what: string, start: (done: (errno: number) => void) => void) {
  return new Promise<void>((resolve, reject) => {
    start((errno) => {
      if (errno === 0) {
        resolve();
      } else {
        reject(new OsdynoError("io", `waltree: ${what} failed with errno ${errno}`));
      }
    });
  });
}

export async function createWaltree(
  context: KvOpenContext,
  devices: WaltreeDevices,
): Promise<OpenedWaltree> {
  const superblock: Superblock = {
    sequence: 1,
    storeId: [context.random.bits32(), context.random.bits32()],
    blockBytes: devices.blockBytes,
    separateLog: devices.log !== devices.base,
    checkpointNumber: 0,
    checkpoint: nowhere,
    log: nowhere,
    durableSequence: 0,
  };
  const bytes = encodeSuperblock(superblock);
  for (const offset of superblockOffsets) {
    await finished("writing the superblock", (done) => devices.base.writeOnce(offset, bytes, done));
  }
  await finished("the flush of the superblock", (done) => devices.base.flush(done));
  return {
    tree: new PrefixedTree(context.mergeOperators),
    superblock,
    checkpointExtents: [],
    logExtents: [],
    logEnd: nowhere,
    logTorn: false,
  };
}

async function readSuperblock({ base }: WaltreeDevices): Promise<Superblock> {
  const { name } = base.lane.facts;
  const found: Superblock[] = [];
  const faults: string[] = [];
  for (const offset of superblockOffsets) {
    let decoded = decodeSuperblock(await base.readRange(offset, superblockBytes));
    for (let again = 0; typeof decoded === "string" && again < rereads; again += 1) {
      decoded = decodeSuperblock(await base.readRange(offset, superblockBytes));
    }
    if (typeof decoded === "string") {
      faults.push(decoded);
    } else {
      found.push(decoded);
    }
  }
  const newest = found.sort((a, b) => b.sequence - a.sequence)[0];
  if (newest !== undefined) {
    return newest;
  }
  if (faults.every((fault) => fault === "absent")) {
    throw new OsdynoError("bad-input", `there is no waltree on ${name}`);
  }
  if (faults.includes("version")) {
    throw new OsdynoError("bad-input", `the waltree on ${name} is of another version`);
  }
  throw damaged(`both superblocks on ${name} are damaged`);
}

async function loadCheckpoint(
  tree: PrefixedTree,
  devices: WaltreeDevices,
  superblock: Superblock,
): Promise<readonly KvExtent[]> {
  const { checkpointNumber: number, storeId, checkpoint } = superblock;
  if (number === 0) {
    return [];
  }
  const { base, baseRole } = devices;
  const { blockBytes } = superblock;
  const reader = new StreamReader(base, { storeId, number }, baseRole, blockBytes, checkpoint);
  let parts: Uint8Array[] = [];
  for (;;) {
    const fragment = await reader.next();
    if (fragment === null) {
      const { offsetBytes, sequence } = reader.position();
      throw damaged(`fragment ${sequence} of the checkpoint, at offset ${offsetBytes}, is damaged`);
    }
    const { head, payload } = fragment;
    if (head.kind === fragmentKinds.end) {
      const { keys, bytes } = decodeEnd(payload);
      if (keys !== tree.tree.keys || bytes !== tree.tree.bytes || parts.length > 0) {
        throw damaged("the checkpoint does not hold the keys that its end tells of");
      }
      return reader.extents;
    }
    parts.push(payload.slice());
    if ((head.flags & flagLast) !== 0) {
      if (!tree.tree.appendRun(joined(parts))) {
        throw damaged(`the records before fragment ${head.sequence + 1} are not in order`);
      }
      parts = [];
    }
  }
}

/** How far a log goes. */
export interface LogEnd {
  readonly extents: readonly KvExtent[];
  readonly end: StreamPosition;
  /** What follows is a whole group that stands on data that is not there. */
  readonly torn: boolean;
}

/** As far as a reader has come: a place, and how many extents it knew. */
function placeOf(reader: StreamReader): { readonly end: StreamPosition; readonly known: number } {
  return { end: reader.position(), known: reader.extents.length };
}

async function replayLog(
  tree: PrefixedTree,
  devices: WaltreeDevices,
  superblock: Superblock,
): Promise<LogEnd> {
  const { storeId, log, durableSequence, blockBytes } = superblock;
  const id = { storeId, number: 0 };
  const reader = new StreamReader(devices.log, id, devices.logRole, blockBytes, log);
  const replay = new GroupReplay(tree);
  // The ends of the last whole group and of the one before; space that a group after it told of is not the
  // log's.
  let last = placeOf(reader);
  let before = last;
  let parts: Uint8Array[] = [];
  for (let fragment = await reader.next(); fragment !== null; fragment = await reader.next()) {
    const { head, payload } = fragment;
    parts.push(payload.slice());
    if ((head.flags & flagLast) !== 0) {
      const group = groupOf(head.kind, parts);
      if (group === null) {
        throw damaged(`the group that ends with fragment ${head.sequence} of the log is not whole`);
      }
      replay.add(group);
      parts = [];
      before = last;
      last = placeOf(reader);
    }
  }
  const { offsetBytes, sequence } = reader.position();
  if (sequence <= durableSequence || (await reader.provesDamage())) {
    throw damaged(`fragment ${sequence} of the log, at offset ${offsetBytes}, is damaged`);
  }
  // What was written behind a group was written when that was durable.
  const durable = sequence > last.end.sequence || sequence <= durableSequence + 1;
  const torn = !(await replay.end(durable, devices));
  const { end, known } = torn ? before : last;
  return { extents: reader.extents.slice(0, known), end, torn };
}

export async function readWaltree(
  context: KvOpenContext,
  devices: WaltreeDevices,
): Promise<OpenedWaltree> {
  const superblock = await readSuperblock(devices);
  const separate = devices.log !== devices.base;
  if (superblock.separateLog !== separate) {
    throw new OsdynoError(
      "bad-input",
      superblock.separateLog
        ? "the waltree keeps its log on a separate device, which is not given"
        : "the waltree keeps its log with the rest, but a log device is given",
    );
  }
  if (alignUp(superblock.blockBytes, devices.blockBytes) !== superblock.blockBytes) {
    throw new OsdynoError(
      "bad-input",
      `the waltree was made with blocks of ${superblock.blockBytes} bytes, the device needs ${devices.blockBytes}`,
    );
  }
  const tree = new PrefixedTree(context.mergeOperators);
  const tell = context.readOnly ? context.salvage : undefined;
  const [load, replay] =
    tell === undefined ? [loadCheckpoint, replayLog] : [salvageCheckpoint, salvageLog];
  const checkpointExtents = await load(tree, devices, superblock, tell ?? (() => {}));
  const { extents, end, torn } = await replay(tree, devices, superblock, tell ?? (() => {}));
  return {
    tree,
    superblock,
    checkpointExtents,
    logExtents: extents,
    logEnd: end,
    logTorn: torn,
  };
}

/** The space of one device: the caller's, or all of a device that is the store's own. */
export function spaceOf(
  context: KvOpenContext,
  opened: OpenedWaltree,
  role: KvDeviceRole,
  sizeBytes: number,
): SpareSpace {
  if (role === "main") {
    return new SpareSpace(context.space);
  }
  const own = new OwnSpace(role, sizeBytes);
  const held = [...opened.checkpointExtents, ...opened.logExtents];
  own.take(held.filter((extent) => extent.role === role));
  return new SpareSpace(own);
}
