/** Making a store, and opening one: label, key-value store, free space, deferred writes. */
import { OsdynoError } from "../../base/error.ts";
import { SeededRandom } from "../../base/random.ts";
import {
  type Allocator,
  type AllocatorOptions,
  ExtentList,
} from "../../hot/allocator/allocator.ts";
import type { CachePolicy } from "../../hot/cache/cache.ts";
import type { Checksum } from "../../hot/checksum/checksum.ts";
import {
  type KeyValueStore,
  KvBatch,
  type KvExtent,
  type KvOpenContext,
  type KvSpace,
} from "../../hot/kv/kv.ts";
import { errnos } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import type { Random } from "../../port/random.ts";
import { type BlobCompressor, Compression } from "./compression.ts";
import { decodeDeferred, mergeWrites } from "./deferred.ts";
import { DiskIo } from "./disk-io.ts";
import { BitmapFreelist, invalidateFree, loadFree } from "./freelist.ts";
import { mergeOperators, prefixes, u64OfBytes } from "./keys.ts";
import {
  type DeviceLabel,
  decodeLabel,
  encodeLabel,
  firstDataByte,
  labelBytes,
  newStoreId,
} from "./label.ts";
import type { BlueStoreOptions } from "./options.ts";
import { eachRecord, eachUsed, UsedSpace } from "./recover.ts";
import { StoreState } from "./state.ts";
import {
  formatVersion,
  loadSuperblock,
  type StoreGeometry,
  type Superblock,
  saveGeometry,
  saveIdLimits,
} from "./superblock.ts";
import { loadUsage } from "./usage.ts";
import { keyOfBytes, WireReader } from "./wire.ts";

/** Checksums by the number that blobs carry; never changed, only added to. */
export const checksumNames = [
  "none",
  "crc32c",
  "crc32c_16",
  "crc32c_8",
  "xxhash32",
  "xxhash64",
] as const;

/** The parts that a store is made of; the hot paths by whoever chooses them. */
export interface BlueStoreParts {
  readonly clock: Clock;
  readonly random: Random;
  /** The store's lane of the main device. */
  readonly lane: DeviceLane;
  readonly kvName: string;
  readonly kvDevices: KvOpenContext["devices"];
  readonly kvOptions: KvOpenContext["options"];
  readonly openKv: (context: KvOpenContext) => Promise<KeyValueStore>;
  readonly allocator: (options: AllocatorOptions) => Allocator;
  readonly checksum: (name: string) => Checksum;
  readonly compressor: (name: string) => BlobCompressor;
  readonly cache: (name: string) => CachePolicy;
  readonly options: BlueStoreOptions;
}

/** Space is given to the key-value store in pieces of this (`bluefs_shared_alloc_size`). */
const kvUnitBytes = 65536;

/** The key-value store's view of the allocator; knows the allocator only after the store is open. */
class SharedSpace implements KvSpace {
  readonly unitBytes: number;
  allocator: Allocator | null = null;
  state: StoreState | null = null;

  constructor(unitBytes: number) {
    this.unitBytes = unitBytes;
  }

  get handle(): unknown {
    return this.allocator === null ? null : Reflect.get(this.allocator, "handle");
  }

  allocate(lengthBytes: number): readonly KvExtent[] | undefined {
    const { allocator, unitBytes } = this;
    if (allocator === null) {
      throw new Error("internal error: the key-value store takes space before the store is open");
    }
    const into = new ExtentList();
    const taken = allocator.allocate(lengthBytes, unitBytes, 0, 0, into);
    const extents: KvExtent[] = [];
    for (let at = 0; at < into.count; at += 1) {
      const [offsetBytes, length] = [into.offsetBytes(at), into.lengthBytes(at)];
      extents.push({ role: "main", offsetBytes, lengthBytes: length });
    }
    if (taken < lengthBytes) {
      allocator.release(into);
      return undefined;
    }
    if (this.state !== null) {
      this.state.reclaim.freeBytes -= lengthBytes;
      this.state.kvBytes += lengthBytes;
    }
    return extents;
  }

  release(extents: readonly KvExtent[]): void {
    const list = new ExtentList();
    for (const { offsetBytes, lengthBytes } of extents) {
      list.push(offsetBytes, lengthBytes);
      if (this.state !== null) {
        this.state.reclaim.freeBytes += lengthBytes;
        this.state.kvBytes -= lengthBytes;
      }
    }
    this.allocator?.release(list);
  }
}

function commit(kv: KeyValueStore, batch: KvBatch, device: string): Promise<void> {
  return new Promise((resolve, reject) => {
    kv.commit([batch], (errno) => {
      if (errno === 0) {
        resolve();
      } else {
        reject(new OsdynoError("io", `${device}: a commit failed with errno ${errno}`));
      }
    });
  });
}

function finished(start: (owner: { ioDone(result: number): void }) => void): Promise<number> {
  return new Promise((resolve) => {
    start({ ioDone: (result) => resolve(result) });
  });
}

async function openKv(
  parts: BlueStoreParts,
  create: boolean,
  space: SharedSpace,
): Promise<KeyValueStore> {
  return await parts.openKv({
    devices: parts.kvDevices,
    create,
    readOnly: false,
    space,
    mergeOperators,
    options: parts.kvOptions,
    clock: parts.clock,
    random: parts.random,
  });
}

function kvSpaceUnit(unitBytes: number): number {
  return Math.max(kvUnitBytes, unitBytes);
}

function geometryOf(parts: BlueStoreParts): StoreGeometry {
  const { facts } = parts.lane;
  const { options } = parts;
  const blockBytes = Math.max(4096, facts.blockBytes);
  const unitBytes = options.minAllocBytes;
  if (unitBytes % blockBytes !== 0 || !Number.isInteger(Math.log2(unitBytes))) {
    throw new OsdynoError(
      "bad-input",
      `bluestore_min_alloc_size=${unitBytes}: must be a power of two from ${blockBytes} on ${facts.name}`,
    );
  }
  const sizeBytes = facts.sizeBytes - (facts.sizeBytes % unitBytes);
  if (sizeBytes < firstDataByte(unitBytes) + 8 * 2 ** 20) {
    throw new OsdynoError(
      "bad-input",
      `${facts.name}: ${facts.sizeBytes} bytes are too few for an object store; it takes 8 MiB and more`,
    );
  }
  return {
    sizeBytes,
    unitBytes,
    blockBytes,
    freelist: options.allocationFromFile ? "file" : "bitmap",
    freelistUnitsPerKey: options.freelistBlocksPerKey,
  };
}

/** Makes an empty store; what was on the devices is lost. Throws `bad-input` or `io` with one line. */
export async function makeStore(given: BlueStoreParts): Promise<void> {
  const { lane, clock } = given;
  // The ids of two stores made one after the other on a device differ even with one seed: what the
  // first has left must not pass for the second's.
  const drawn = given.random.below(2 ** 48) + Math.floor(clock.nowNs());
  const parts = { ...given, random: new SeededRandom(drawn % 2 ** 53) };
  const geometry = geometryOf(parts);
  const io = new DiskIo(lane);
  const label: DeviceLabel = {
    version: formatVersion,
    storeId: newStoreId(parts.random),
    role: "main",
    sizeBytes: geometry.sizeBytes,
    kv: parts.kvName,
  };
  // Whatever was there is no store from now on, until the new one is complete.
  await writeBlock(io, new Uint8Array(labelBytes));
  const space = new SharedSpace(kvSpaceUnit(geometry.unitBytes));
  const kv = await openKv(parts, true, space);
  const allocator = makeAllocator(parts, geometry);
  const first = firstDataByte(geometry.unitBytes);
  allocator.release(ExtentList.of([first, geometry.sizeBytes - first]));
  takeUsed(kv, allocator);
  space.allocator = allocator;
  const batch = new KvBatch();
  saveGeometry(batch, geometry);
  saveIdLimits(batch, 0, 0);
  if (geometry.freelist === "bitmap") {
    const freelist = new BitmapFreelist(geometry.unitBytes, geometry.freelistUnitsPerKey);
    freelist.turnOne(batch, 0, first);
  }
  await commit(kv, batch, lane.facts.name);
  await kv.close();
  await writeBlock(io, encodeLabel(label));
  allocator.close();
}

async function writeBlock(io: DiskIo, bytes: Uint8Array): Promise<void> {
  const written = await finished((owner) => {
    io.write(0, bytes, -1, owner, 0);
    io.commit();
  });
  const flushed = await finished((owner) => {
    io.flush(owner, 0);
    io.commit();
  });
  if (written < 0 || flushed < 0) {
    const errno = -Math.min(written, flushed);
    throw new OsdynoError("io", `${io.lane.facts.name}: writing the label failed, errno ${errno}`);
  }
}

/** The label of a device; throws `bad-input` or `io` with one line. */
export async function readLabel(lane: DeviceLane): Promise<DeviceLabel> {
  const io = new DiskIo(lane);
  const block = new Uint8Array(labelBytes);
  const result = await finished((owner) => {
    io.read(0, labelBytes, block, 0, owner, 0);
    io.commit();
  });
  const { name } = lane.facts;
  if (result < 0) {
    throw new OsdynoError("io", `${name}: reading the label failed with errno ${-result}`);
  }
  return decodeLabel(block, name);
}

function makeAllocator(parts: BlueStoreParts, geometry: StoreGeometry): Allocator {
  return parts.allocator({ capacityBytes: geometry.sizeBytes, blockBytes: geometry.unitBytes });
}

/** Takes what the key-value store has out of the free space; the bytes. */
function takeUsed(kv: KeyValueStore, allocator: Allocator): number {
  const used = new ExtentList();
  let bytes = 0;
  for (const { role, offsetBytes, lengthBytes } of kv.usedExtents()) {
    if (role === "main") {
      used.push(offsetBytes, lengthBytes);
      bytes += lengthBytes;
    }
  }
  allocator.removeFree(used);
  return bytes;
}

/** A store that is open, and what replaying needs to go on from. */
export interface OpenedStore {
  readonly state: StoreState;
  readonly deferredSequence: number;
  readonly geometry: Superblock;
  readonly label: DeviceLabel;
}

/** Opens the store that is there. Throws `bad-input` or `io` with one line. */
export async function openStore(parts: BlueStoreParts): Promise<OpenedStore> {
  const { lane } = parts;
  const { name } = lane.facts;
  const label = await readLabel(lane);
  if (label.kv !== parts.kvName) {
    throw new OsdynoError(
      "bad-input",
      `${name}: its metadata is in key-value store ${label.kv}, not ${parts.kvName}`,
    );
  }
  if (label.sizeBytes > lane.facts.sizeBytes) {
    throw new OsdynoError(
      "bad-input",
      `${name}: has ${lane.facts.sizeBytes} bytes, but its store was made for ${label.sizeBytes}`,
    );
  }
  const space = new SharedSpace(kvSpaceUnit(parts.options.minAllocBytes));
  const kv = await openKv(parts, false, space);
  const geometry = loadSuperblock(kv, name);
  const options = { ...parts.options, minAllocBytes: geometry.unitBytes };
  const checksums = checksumNames.map((each) => parts.checksum(each));
  const sumBytes = checksums.map(({ valueBytes }) => valueBytes);
  const allocator = makeAllocator(parts, geometry);
  const freelist =
    geometry.freelist === "bitmap"
      ? new BitmapFreelist(geometry.unitBytes, geometry.freelistUnitsPerKey)
      : null;
  loadFreeSpace(kv, geometry, options, sumBytes, freelist, allocator);
  const kvBytes = takeUsed(kv, allocator);
  space.allocator = allocator;
  const checksumType = (checksumNames as readonly string[]).indexOf(options.checksumType);
  const checksum = checksums[checksumType];
  if (checksum === undefined) {
    throw new OsdynoError("bad-input", `unknown checksum ${options.checksumType}`);
  }
  const state = new StoreState({
    clock: parts.clock,
    lane,
    kv,
    allocator,
    options,
    checksum,
    checksums,
    checksumType,
    compression: new Compression(parts.compressor),
    onodePolicy: parts.cache(options.onodeCacheType),
    bufferPolicy: parts.cache(options.cacheType),
    freelist,
    blockBytes: geometry.blockBytes,
    nidMax: geometry.nidMax,
    blobIdMax: geometry.blobIdMax,
    kvBytes,
  });
  space.state = state;
  loadCollections(state);
  loadUsage(kv, state.usage);
  const deferredSequence = await replayDeferred(state, name);
  if (freelist === null) {
    const batch = new KvBatch();
    invalidateFree(batch);
    await commit(kv, batch, name);
  }
  return { state, deferredSequence, geometry, label };
}

function loadFreeSpace(
  kv: KeyValueStore,
  geometry: StoreGeometry,
  options: BlueStoreOptions,
  sumBytes: readonly number[],
  freelist: BitmapFreelist | null,
  allocator: Allocator,
): void {
  const free = new ExtentList();
  const add = (offset: number, length: number): void => free.push(offset, length);
  const used = new UsedSpace();
  if (freelist !== null) {
    freelist.forEachUsed(kv, used.add);
    used.eachGap(0, geometry.sizeBytes, add);
  } else if (!loadFree(kv, add)) {
    eachUsed(kv, options, sumBytes, used.add);
    used.eachGap(firstDataByte(geometry.unitBytes), geometry.sizeBytes, add);
  }
  allocator.release(free);
}

function loadCollections(state: StoreState): void {
  const reader = new WireReader();
  eachRecord(state.kv, prefixes.collections, (key, value) => {
    const id = keyOfBytes(key);
    state.setCollection(id, reader.open(value, `collection ${id}`).u8());
  });
}

/** Writes what the log still has to be written; doing so again changes nothing. The last number. */
async function replayDeferred(state: StoreState, device: string): Promise<number> {
  const reader = new WireReader();
  const writes: { readonly offsetBytes: number; readonly bytes: Uint8Array }[] = [];
  const batch = new KvBatch();
  let last = 0;
  eachRecord(state.kv, prefixes.deferred, (key, value) => {
    last = u64OfBytes(key);
    writes.push(...decodeDeferred(reader.open(value, `deferred write ${last}`)));
    batch.remove(prefixes.deferred, key);
  });
  if (writes.length === 0) {
    return last;
  }
  state.counters["deferred_replayed"] = writes.length;
  const { io } = state;
  const merged = mergeWrites(writes, state.blockBytes, state.slotBytes);
  const results = merged.map(({ offsetBytes, bytes }) =>
    finished((owner) => io.write(offsetBytes, bytes, -1, owner, 0)),
  );
  io.commit();
  const worst = Math.min(...(await Promise.all(results)));
  const flushed = await finished((owner) => {
    io.flush(owner, 0);
    io.commit();
  });
  if (Math.min(worst, flushed) < 0) {
    const errno = worst < 0 ? -worst : -flushed || errnos.EIO;
    throw new OsdynoError("io", `${device}: replaying deferred writes failed with errno ${errno}`);
  }
  await commit(state.kv, batch, device);
  return last;
}
