/** What the parts of a mounted store share: its devices, its tables in memory, and their records. */
import { OsdynoError } from "../../base/error.ts";
import type { Allocator, ExtentList } from "../../hot/allocator/allocator.ts";
import type { CachePolicy } from "../../hot/cache/cache.ts";
import type { Checksum, ChecksumMemory } from "../../hot/checksum/checksum.ts";
import type { KeyValueStore, KvBatch } from "../../hot/kv/kv.ts";
import { errnos } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import type { MemoryMeter } from "../../port/memory-meter.ts";
import type { StoreView } from "../check-transaction.ts";
import { type CollectionId, type CollectionRange, rangeOf } from "../collection.ts";
import { keyOfObject, objectOfKey } from "../object-key.ts";
import type { ObjectName } from "../object-name.ts";
import { BufferCache, OnodeCache } from "./caches.ts";
import { type CodecContext, decodeOnode, decodeSharedBlob, encodeSharedBlob } from "./codec.ts";
import type { Compression } from "./compression.ts";
import { type StoreCounters, storeCounters } from "./counters.ts";
import { DataPremises } from "./data-premises.ts";
import { DiskIo } from "./disk-io.ts";
import type { BitmapFreelist } from "./freelist.ts";
import { InFlight } from "./in-flight.ts";
import { prefixes, u64Key } from "./keys.ts";
import { bytesOf, mainExtents } from "./kv-space.ts";
import { fixedCaches, StoreMemory } from "./memory.ts";
import { Onode } from "./onode.ts";
import type { BlueStoreOptions } from "./options.ts";
import { StorePerf } from "./perf.ts";
import { Reclaim } from "./reclaim.ts";
import { recordOf } from "./record.ts";
import { ShardRecords } from "./shards.ts";
import { RefMap, SharedBlob } from "./shared-blob.ts";
import { type Txc, UsageDelta } from "./txc.ts";
import { UnitSpace } from "./unit-space.ts";
import { poolKey, usageRecord } from "./usage.ts";
import { bytesOfKey, CorruptRecord, keyOfBytes, WireReader, WireWriter } from "./wire.ts";

/** What mounting found and made. */
export interface StoreParts {
  readonly clock: Clock;
  readonly lane: DeviceLane;
  readonly kv: KeyValueStore;
  readonly allocator: Allocator;
  readonly options: BlueStoreOptions;
  readonly checksum: Checksum;
  readonly checksums: readonly (Checksum | null)[];
  readonly checksumType: number;
  readonly compression: Compression;
  readonly onodePolicy: CachePolicy;
  readonly bufferPolicy: CachePolicy;
  readonly meter: MemoryMeter | null;
  /** `null`: the free extents are kept in a file at a clean end only. */
  readonly freelist: BitmapFreelist | null;
  /** Disk writes and checksum chunks are whole blocks of this. */
  readonly blockBytes: number;
  readonly nidMax: number;
  readonly blobIdMax: number;
  /** Space that the key-value store has on the main device. */
  readonly kvBytes: number;
  /** The key-value store takes space from the allocator without telling. */
  readonly kvTakesItsOwnSpace: boolean;
}

const pageEntries = 512;

export class StoreState implements StoreView, CodecContext {
  readonly clock: Clock;
  readonly kv: KeyValueStore;
  readonly allocator: Allocator;
  readonly options: BlueStoreOptions;
  readonly checksum: Checksum;
  readonly checksums: readonly (Checksum | null)[];
  readonly checksumType: number;
  readonly compression: Compression;
  readonly freelist: BitmapFreelist | null;
  readonly io: DiskIo;
  readonly inFlight: InFlight;
  readonly reclaim: Reclaim;
  readonly units: UnitSpace;
  readonly premises: DataPremises;
  readonly shards: ShardRecords;
  readonly onodes: OnodeCache;
  readonly buffers: BufferCache;
  readonly memory: StoreMemory;
  readonly counters: StoreCounters = storeCounters();
  readonly perf: StorePerf;
  readonly blockBytes: number;
  /** log2 of it. */
  readonly blockOrder: number;
  readonly unitBytes: number;
  readonly sumBytes: readonly number[];
  readonly slotBytes: number;
  readonly slotCount: number;
  /** Space that the key-value store has on the main device. */
  kvBytes: number;
  /** The key-value store takes space from the allocator without telling. */
  readonly kvTakesItsOwnSpace: boolean;
  readonly collections = new Map<CollectionId, CollectionRange>();
  readonly usage = new Map<number, UsageDelta>();
  /** Objects whose existence may differ from what is committed, by key. */
  readonly pendingNames = new Map<string, Onode>();
  /** Sums over the arena, where most data is. */
  readonly arenaSums: ChecksumMemory;
  nid: number;
  nidMax: number;
  blobId: number;
  blobIdMax: number;
  /** What was found to be damaged, one line each, the newest last; at most 100. */
  readonly damage: string[] = [];
  /** Calls to discard that the device is at. */
  discarding = 0;
  /** Negative errno of a failed device: nothing can be written any more. */
  failed = 0;
  readonly #sharedBlobs = new Map<number, SharedBlob>();
  readonly #writer = new WireWriter();
  readonly #reader = new WireReader();

  constructor(parts: StoreParts) {
    this.clock = parts.clock;
    this.kv = parts.kv;
    this.allocator = parts.allocator;
    this.options = parts.options;
    this.perf = new StorePerf(parts.clock, parts.options.perf);
    this.checksum = parts.checksum;
    this.checksums = parts.checksums;
    this.checksumType = parts.checksumType;
    this.compression = parts.compression;
    this.freelist = parts.freelist;
    this.blockBytes = parts.blockBytes;
    this.blockOrder = Math.log2(parts.blockBytes);
    this.unitBytes = parts.options.minAllocBytes;
    this.sumBytes = parts.checksums.map((each) => each?.valueBytes ?? -1);
    this.kvBytes = parts.kvBytes;
    this.kvTakesItsOwnSpace = parts.kvTakesItsOwnSpace;
    this.nid = parts.nidMax;
    this.nidMax = parts.nidMax;
    this.blobId = parts.blobIdMax;
    this.blobIdMax = parts.blobIdMax;
    this.io = new DiskIo(parts.lane);
    this.slotBytes = parts.lane.arena.slotBytes;
    this.slotCount = parts.lane.arena.slotCount;
    this.buffers = new BufferCache(parts.bufferPolicy, parts.blockBytes);
    this.inFlight = new InFlight(parts.blockBytes, this.buffers, parts.options.bufferedWrite);
    const { clock, kv, meter } = parts;
    const { metaCacheBytes, dataCacheBytes, kvCacheBytes } = parts.options;
    const fixed = fixedCaches(metaCacheBytes, dataCacheBytes, kvCacheBytes);
    const memory = parts.options.memory ?? fixed;
    const [onodes, buffers] = [parts.onodePolicy, parts.bufferPolicy];
    const trim = (): void => this.#trimCaches();
    this.memory = new StoreMemory({ clock, kv, onodes, buffers, meter, trim }, memory);
    this.reclaim = new Reclaim(parts.allocator);
    this.units = new UnitSpace(parts.allocator, this.unitBytes);
    if (parts.options.discard && parts.lane.supports.trim) {
      this.reclaim.discard = (extents, done) => this.#discard(extents, done);
    }
    this.shards = new ShardRecords(parts.kv, this, parts.options, this.counters);
    this.arenaSums = parts.checksum.over(parts.lane.arena.bytes);
    this.premises = new DataPremises(this);
    this.onodes = new OnodeCache(parts.onodePolicy, (onode) => this.#dropBlobs(onode));
  }

  /**
   * Takes note of a damaged record, or of one that the key-value store cannot read; throws on what is
   * neither. `what`: whose record, for a message that does not say so. The negative errno for the caller.
   */
  damaged(error: unknown, what = ""): number {
    const unreadable = error instanceof OsdynoError && error.code === "io";
    if (!(unreadable || error instanceof CorruptRecord)) {
      throw error;
    }
    const { message } = error;
    this.noteDamage(message.includes(what) ? message : `${what}: ${message}`);
    return -errnos.EIO;
  }

  /** A record; what cannot be read is told as whose. */
  record(prefix: string, key: Uint8Array, what: string): Uint8Array | undefined {
    return recordOf(this.kv, prefix, key, what);
  }

  noteDamage(line: string): void {
    this.counters.read_eio += 1;
    this.damage.push(line);
    if (this.damage.length > 100) {
      this.damage.shift();
    }
  }

  /**
   * Free space that only the key-value store may use: what it has is written anew from time to time,
   * and it must be able to commit when objects have taken all the rest.
   */
  get reserveBytes(): number {
    // A native one writes its tables anew piece by piece, and its logs are in what it says it needs.
    const again = this.kvTakesItsOwnSpace ? this.kvBytes / 2 : this.kvBytes;
    return Math.min(2 ** 30, Math.max(2 ** 20, again)) + this.kv.facts.growthBytes;
  }

  /** Counts space that the key-value store took or gave back by itself. `exactly`: also how much it has. */
  countSpace(exactly: boolean): void {
    if (this.kvTakesItsOwnSpace) {
      this.reclaim.freeBytes = this.allocator.freeBytes() + this.units.heldBytes;
      if (exactly) {
        this.kvBytes = bytesOf(mainExtents(this.kv));
      }
    }
  }

  /** What the device answers does not matter: the space is free all the same. */
  #discard(extents: ExtentList, done: () => void): void {
    let left = extents.count;
    this.discarding += 1;
    const owner = {
      ioDone: (): void => {
        left -= 1;
        if (left === 0) {
          this.discarding -= 1;
          done();
        }
      },
    };
    for (let at = 0; at < extents.count; at += 1) {
      this.io.discard(extents.offsetBytes(at), extents.lengthBytes(at), owner, 0);
    }
    this.io.commit();
  }

  #trimCaches(): void {
    this.onodes.trimTo(this.memory.metaBytes);
    this.buffers.trimTo(this.memory.dataBytes);
  }

  range(collection: CollectionId): CollectionRange | null {
    return this.collections.get(collection) ?? null;
  }

  ranges(): Iterable<CollectionRange> {
    return this.collections.values();
  }

  exists(object: ObjectName): boolean {
    return this.find(object) !== null;
  }

  /** The object's onode; `null`: there is none. Throws `CorruptRecord`. */
  find(object: ObjectName): Onode | null {
    const key = keyOfObject(object);
    const cached = this.onodes.get(key);
    if (cached !== undefined) {
      return cached.exists ? cached : null;
    }
    const onode = new Onode(object);
    const value = this.record(prefixes.onodes, onode.keyBytes, `object ${object.name}`);
    if (value === undefined) {
      return null;
    }
    decodeOnode(this.#reader.open(value, `object ${object.name}`), onode, this);
    this.onodes.add(onode);
    return onode;
  }

  /** The object's onode, made in memory if there is none. */
  findOrMake(object: ObjectName): Onode {
    const found = this.find(object);
    if (found !== null) {
      return found;
    }
    let onode = this.onodes.get(keyOfObject(object));
    if (onode === undefined) {
      onode = new Onode(object);
      this.onodes.add(onode);
    }
    return onode;
  }

  /** The transaction changes the object: it stays in memory until that is committed. */
  change(txc: Txc, onode: Onode): void {
    if (onode.dirtyIn !== txc.sequence) {
      onode.dirtyIn = txc.sequence;
      onode.pending += 1;
      this.onodes.use(onode);
      txc.onodes.push(onode);
    }
  }

  sharedBlob(id: number): SharedBlob {
    let blob = this.#sharedBlobs.get(id);
    if (blob === undefined) {
      const value = this.record(prefixes.sharedBlobs, u64Key(id), `shared blob ${id}`);
      if (value === undefined) {
        throw new CorruptRecord(`shared blob ${id}: the record is missing`);
      }
      const reader = new WireReader().open(value, `shared blob ${id}`);
      blob = decodeSharedBlob(reader, id, this.unitBytes);
      this.#sharedBlobs.set(id, blob);
    }
    return blob;
  }

  newSharedBlob(): SharedBlob {
    this.blobId += 1;
    const blob = new SharedBlob(this.blobId, new RefMap());
    this.#sharedBlobs.set(blob.id, blob);
    return blob;
  }

  newNid(): number {
    this.nid += 1;
    return this.nid;
  }

  writeSharedBlob(blob: SharedBlob, batch: KvBatch): void {
    const key = u64Key(blob.id);
    if (blob.map.empty) {
      batch.remove(prefixes.sharedBlobs, key);
      return;
    }
    this.#writer.reset();
    encodeSharedBlob(this.#writer, blob, this.unitBytes);
    batch.set(prefixes.sharedBlobs, key, this.#writer.seal(0));
  }

  /** Forgets a shared blob that nobody in memory uses. */
  letGo(blob: SharedBlob): void {
    if (blob.users === 0 && blob.pending === 0) {
      this.#sharedBlobs.delete(blob.id);
    }
  }

  #dropBlobs(onode: Onode): void {
    const seen = new Set<object>();
    const blobs = onode.map.extents.map(({ blob }) => blob);
    for (const blob of [...blobs, ...onode.map.spanning.values()]) {
      if (blob.shared !== null && !seen.has(blob)) {
        seen.add(blob);
        blob.shared.users -= 1;
        this.letGo(blob.shared);
      }
    }
  }

  /** Keys of objects from `first`, before `end`, in order, as they are for readers now. */
  *objectKeys(first: string, end: string): Generator<string> {
    const pending = [...this.pendingNames]
      .filter(([key, { exists }]) => exists && key >= first && key < end)
      .map(([key]) => key)
      .sort();
    let next = 0;
    let from: Uint8Array = bytesOfKey(first);
    const to = bytesOfKey(end);
    for (;;) {
      const page = this.kv.scan(prefixes.onodes, from, to, pageEntries);
      for (const entry of page) {
        // 'o' ends an onode's key, 'x' a shard's.
        if (entry.key.at(-1) !== 0x6f) {
          continue;
        }
        const key = keyOfBytes(entry.key);
        for (; next < pending.length && (pending[next] as string) < key; next += 1) {
          yield pending[next] as string;
        }
        if (!this.pendingNames.has(key)) {
          yield key;
        }
      }
      const last = page.at(-1);
      if (last === undefined || page.length < pageEntries) {
        break;
      }
      from = new Uint8Array(last.key.length + 1);
      from.set(last.key);
    }
    yield* pending.slice(next);
  }

  /** Objects of a collection from a key on. */
  *objectsOf(range: CollectionRange, first: string, end: string): Generator<ObjectName> {
    for (const part of range.ranges) {
      const from = first > part.first ? first : part.first;
      const to = end < part.end ? end : part.end;
      if (from < to) {
        for (const key of this.objectKeys(from, to)) {
          yield this.onodes.get(key)?.name ?? objectOfKey(key);
        }
      }
    }
  }

  anyObject(range: CollectionRange, gone: ReadonlySet<string>): boolean {
    for (const object of this.objectsOf(range, "", "\xff\xff")) {
      if (!gone.has(keyOfObject(object))) {
        return true;
      }
    }
    return false;
  }

  /** Counts what a transaction changes of the pools' usage, in memory and in its batch. */
  addUsage(txc: Txc): void {
    for (let at = 0; at < txc.usageCount; at += 1) {
      const delta = txc.usage[at] as UsageDelta;
      if (delta.changed) {
        let total = this.usage.get(delta.pool);
        if (total === undefined) {
          total = new UsageDelta();
          total.reset(delta.pool);
          this.usage.set(delta.pool, total);
        }
        total.allocated += delta.allocated;
        total.stored += delta.stored;
        total.compressedOriginal += delta.compressedOriginal;
        total.compressedAllocated += delta.compressedAllocated;
        txc.batch.merge(prefixes.usage, poolKey(delta.pool), usageRecord(delta));
      }
    }
  }

  setCollection(id: CollectionId, bits: number): void {
    const range = rangeOf(id, bits);
    if (range !== null) {
      this.collections.set(id, range);
    }
  }
}
