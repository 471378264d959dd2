/** Opening a store: labels, key-value store, free space, deferred writes. */
import { OsdynoError } from "../../base/error.ts";
import { type Allocator, ExtentList } from "../../hot/allocator/allocator.ts";
import type { CachePolicy } from "../../hot/cache/cache.ts";
import { shardedCache } from "../../hot/cache/sharded.ts";
import type { KeyValueStore } from "../../hot/kv/kv.ts";
import {
  allocationFile,
  beginMount,
  eachKept,
  type KeptSpace,
  readKept,
} from "./allocation-file.ts";
import { Compression } from "./compression.ts";
import { DiskIo } from "./disk-io.ts";
import { BitmapFreelist } from "./freelist.ts";
import { prefixes } from "./keys.ts";
import {
  missingCommits,
  missingNotes,
  openKv,
  readsDiffer,
  SharedSpace,
  takesItsOwnSpace,
  takeUsed,
  withAdvice,
} from "./kv-space.ts";
import { type DeviceLabel, firstDataByte } from "./label.ts";
import { checkLabels } from "./label-io.ts";
import { makeAllocator } from "./make.ts";
import type { BlueStoreOptions } from "./options.ts";
import { type BlueStoreParts, checksumTable } from "./parts.ts";
import { eachRecord, eachUsed, UsedSpace } from "./recover.ts";
import { type Outstanding, outstandingWrites, setAside, writeOutstanding } from "./replay.ts";
import { StoreState } from "./state.ts";
import { loadSuperblock, type StoreGeometry, type Superblock, saveGeometry } from "./superblock.ts";
import { loadUsage } from "./usage.ts";
import { commit } from "./waiting.ts";
import { CorruptRecord, keyOfBytes, WireReader } from "./wire.ts";

export { readLabel } from "./label-io.ts";
export { makeStore } from "./make.ts";
export { type BlueStoreParts, checksumNames } from "./parts.ts";

/** A store that is open, and what replaying needs to go on from. */
export interface OpenedStore {
  readonly state: StoreState;
  readonly deferredSequence: number;
  readonly geometry: Superblock;
  readonly label: DeviceLabel;
  /** Of a store without a freelist: the number of this mount. */
  readonly mountNumber: number;
  /** What whoever uses it should know, one line each. */
  readonly notes: readonly string[];
}

/** What the records say before anything is written. */
export interface Found {
  readonly geometry: Superblock;
  readonly freelist: BitmapFreelist | null;
  /** Without a freelist: what the last end has left; `null`: there is a freelist. */
  readonly kept: KeptSpace | null;
  readonly allocator: Allocator;
  readonly outstanding: Outstanding;
  readonly kvBytes: number;
}

/**
 * Opens the store that is there; `growToBytes`: its main device has become so large (0: it has not), and
 * the store takes that. Throws `bad-input` or `io` with one line.
 */
export async function openStore(parts: BlueStoreParts, growToBytes = 0): Promise<OpenedStore> {
  const { name } = parts.lane.facts;
  const label = await checkLabels(parts);
  const space = new SharedSpace(parts.options.minAllocBytes);
  // A key-value store that takes space while it opens is looked into first: deferred writes are made
  // before, too, since they may go to space that is free by now.
  const readOnly = takesItsOwnSpace(parts.kvName);
  let kv: KeyValueStore | null = null;
  let found: Found | null = null;
  try {
    kv = await openKv(parts, { create: false, readOnly }, space);
    found = findAll(parts, kv, growToBytes);
    await writeOutstanding(found.outstanding, new DiskIo(parts.lane), found.geometry.blockBytes);
    const aside = setAside(found.outstanding, found.allocator, found.geometry.unitBytes);
    space.allocator = found.allocator;
    const missing = missingCommits(kv);
    if (readOnly) {
      await kv.close();
      kv = await openKv(parts, { create: false, readOnly: false }, space);
      if (missingCommits(kv) !== missing) {
        throw readsDiffer(name);
      }
    }
    const state = stateOf(parts, kv, found);
    space.state = state;
    loadCollections(state);
    loadUsage(kv, state.usage);
    const { outstanding, kept, geometry } = found;
    const batch = outstanding.removal;
    if (kept !== null) {
      beginMount(batch, kept.nextMount);
    }
    if (growToBytes > 0) {
      saveGeometry(batch, geometry);
    }
    if (batch.count > 0) {
      await commit(kv, batch, name);
    }
    state.reclaim.release(aside);
    state.counters["deferred_replayed"] = outstanding.writes.length;
    const notes = kept === null ? [] : takeNote(state, kept, name);
    notes.push(...missingNotes(missing).map((note) => `${name}: ${note}`));
    const mountNumber = kept?.nextMount ?? 0;
    return { state, deferredSequence: outstanding.last, geometry, label, mountNumber, notes };
  } catch (error) {
    kv?.abandon();
    found?.allocator.close();
    if (error instanceof CorruptRecord) {
      throw new OsdynoError("io", `${name}: ${error.message}; run osdyno fsck on it`, {}, error);
    }
    throw withAdvice(error, name);
  }
}

/** Counts where the free space came from, and tells why not from the file. */
function takeNote({ kv, counters }: StoreState, kept: KeptSpace, device: string): string[] {
  counters["allocation_file_loaded"] = kept.state === "valid" ? 1 : 0;
  counters["free_space_rebuilt"] = kept.state === "valid" ? 0 : 1;
  if (kept.state === "damaged") {
    kv.files?.remove(allocationFile);
    return [
      `${device}: the allocation file cannot be used (${kept.reason}); free space was found anew from the objects`,
    ];
  }
  return kept.state !== "valid"
    ? [`${device}: free space was found anew from the objects: ${kept.reason}`]
    : [];
}

/** What a store's records say, before anything is written. Throws `io` and `CorruptRecord`. */
export function findAll(parts: BlueStoreParts, kv: KeyValueStore, growToBytes = 0): Found {
  const recorded = loadSuperblock(kv, parts.lane.facts.name);
  const geometry = { ...recorded, sizeBytes: Math.max(recorded.sizeBytes, growToBytes) };
  const sumBytes = checksumTable(parts).map((each) => each?.valueBytes ?? -1);
  const options = { ...parts.options, minAllocBytes: geometry.unitBytes };
  const allocator = makeAllocator(parts, geometry);
  try {
    const freelist =
      geometry.freelist === "bitmap"
        ? new BitmapFreelist(geometry.unitBytes, geometry.freelistUnitsPerKey)
        : null;
    const kept = freelist === null ? readKept(kv, recorded) : null;
    loadFreeSpace({ kv, geometry: recorded, options, sumBytes, freelist, kept }, allocator);
    const grown = geometry.sizeBytes - recorded.sizeBytes;
    if (grown > 0) {
      allocator.release(ExtentList.of([recorded.sizeBytes, grown]));
    }
    const outstanding = outstandingWrites(kv);
    const kvBytes = takeUsed(kv, allocator);
    return { geometry, freelist, kept, allocator, outstanding, kvBytes };
  } catch (error) {
    allocator.close();
    throw error;
  }
}

function policyOf({ cache, options }: BlueStoreParts, name: string): CachePolicy {
  return shardedCache(options.memory?.shards ?? 1, () => cache(name));
}

function stateOf(parts: BlueStoreParts, kv: KeyValueStore, found: Found): StoreState {
  const { geometry, allocator, freelist, kvBytes } = found;
  const options = { ...parts.options, minAllocBytes: geometry.unitBytes };
  const checksums = checksumTable(parts);
  const checksumType = checksums.findIndex((each) => each?.name === options.checksumType);
  const checksum = checksums[checksumType] ?? null;
  if (checksum === null) {
    throw new OsdynoError("bad-input", `unknown checksum ${options.checksumType}`);
  }
  return new StoreState({
    clock: parts.clock,
    lane: parts.lane,
    kv,
    allocator,
    options,
    checksum,
    checksums,
    checksumType,
    compression: new Compression(parts.compressor, parts.foreign?.compressors),
    onodePolicy: policyOf(parts, options.onodeCacheType),
    bufferPolicy: policyOf(parts, options.cacheType),
    meter: parts.memory ?? null,
    freelist,
    blockBytes: geometry.blockBytes,
    nidMax: geometry.nidMax,
    blobIdMax: geometry.blobIdMax,
    kvBytes,
    kvTakesItsOwnSpace: takesItsOwnSpace(parts.kvName),
  });
}

interface SpaceSources {
  readonly kv: KeyValueStore;
  readonly geometry: StoreGeometry;
  readonly options: BlueStoreOptions;
  readonly sumBytes: readonly number[];
  readonly freelist: BitmapFreelist | null;
  readonly kept: KeptSpace | null;
}

function loadFreeSpace(sources: SpaceSources, allocator: Allocator): void {
  const { kv, geometry, options, sumBytes, freelist, kept } = sources;
  const free = new ExtentList();
  const add = (offset: number, length: number): void => free.push(offset, length);
  const used = new UsedSpace();
  if (freelist !== null) {
    freelist.forEachUsed(kv, used.add);
    used.eachGap(0, geometry.sizeBytes, add);
  } else if (kept?.state === "valid") {
    eachKept(kept, add);
  } else {
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
