/** Loads the shards of extent maps and writes onodes and shards, cutting shards anew where they outgrow. */
import { assert } from "../../base/assert.ts";
import type { KeyValueStore, KvBatch } from "../../hot/kv/kv.ts";
import type { Blob } from "./blob.ts";
import { beginRun, type CodecContext, decodeExtents, encodeExtents, encodeOnode } from "./codec.ts";
import type { StoreCounters } from "./counters.ts";
import { Extent, type ExtentMap, newShard, type Shard } from "./extent-map.ts";
import { KeptRecord } from "./kept-record.ts";
import { prefixes } from "./keys.ts";
import type { Onode } from "./onode.ts";
import type { BlueStoreOptions } from "./options.ts";
import { recordOf } from "./record.ts";
import { splitBlob } from "./split.ts";
import { CorruptRecord, WireReader, WireWriter } from "./wire.ts";

/** Key of a shard: the onode's, its offset, 'x'. Valid until the next call for the object. */
export function shardKey(onode: Onode, offset: number): Uint8Array {
  const key = onode.shardKeyBytes;
  const length = onode.keyBytes.length;
  key[length] = offset >>> 24;
  key[length + 1] = offset >>> 16;
  key[length + 2] = offset >>> 8;
  key[length + 3] = offset;
  return key;
}

/** Records of a shard after which its extents get new places in memory. */
const renewEvery = 32;

export class ShardRecords {
  readonly #kv: KeyValueStore;
  readonly #context: CodecContext;
  readonly #options: BlueStoreOptions;
  readonly #counters: StoreCounters;
  readonly #writer = new WireWriter();
  readonly #reader = new WireReader();

  constructor(
    kv: KeyValueStore,
    context: CodecContext,
    options: BlueStoreOptions,
    counters: StoreCounters,
  ) {
    this.#counters = counters;
    this.#kv = kv;
    this.#context = context;
    this.#options = options;
  }

  /** Loads what the map has in the range; throws `CorruptRecord`. */
  fault(onode: Onode, offset: number, length: number): void {
    const { map } = onode;
    if (map.shards.length === 0 || length <= 0) {
      return;
    }
    const end = offset + length;
    for (let at = map.shardAt(Math.max(0, offset)); at < map.shards.length; at += 1) {
      const shard = map.shards[at] as Shard;
      if (shard.offset >= end) {
        break;
      }
      if (shard.loaded) {
        this.#counters.onode_shard_hits += 1;
      } else {
        this.#counters.onode_shard_misses += 1;
        this.#load(onode, shard);
      }
    }
  }

  faultAll(onode: Onode): void {
    this.fault(onode, 0, Number.MAX_SAFE_INTEGER);
  }

  #load(onode: Onode, shard: Shard): void {
    const what = `extents of object ${onode.name.name} from ${shard.offset}`;
    const value = recordOf(this.#kv, prefixes.onodes, shardKey(onode, shard.offset), what);
    if (value === undefined) {
      throw new CorruptRecord(`${what}: the record is missing`);
    }
    const reader = this.#reader.open(value, what);
    decodeExtents(reader, onode.map, this.#context);
    reader.done();
    shard.loaded = true;
  }

  /** Adds the records of the onode and of what changed of its map to a batch. */
  write(onode: Onode, batch: KvBatch): void {
    const { map } = onode;
    if (map.shards.length > 0) {
      this.#writeShards(onode, batch);
    }
    let writer = this.#onodeRecord(onode);
    if (map.shards.length === 0 && this.#inlineBytes > this.#options.shardMaxBytes) {
      map.shards = [newShard(0, this.#inlineBytes, true)];
      this.#cutAnew(onode, 0, 0, batch);
      writer = this.#onodeRecord(onode);
    }
    batch.set(prefixes.onodes, onode.keyBytes, writer.seal(0));
  }

  #inlineBytes = 0;

  #onodeRecord(onode: Onode): WireWriter {
    this.#writer.reset();
    this.#inlineBytes = encodeOnode(this.#writer, onode, this.#context.unitBytes);
    return this.#writer;
  }

  /** Removes every record of an object. */
  remove(onode: Onode, batch: KvBatch): void {
    for (const shard of onode.map.shards) {
      batch.remove(prefixes.onodes, shardKey(onode, shard.offset));
    }
    batch.remove(prefixes.onodes, onode.keyBytes);
  }

  #writeShards(onode: Onode, batch: KvBatch): void {
    const { map } = onode;
    const { shardMaxBytes, shardMinBytes } = this.#options;
    cutAtShards(map);
    // A blob that two shards refer to makes both dirty.
    if (dirtyShards(map) > 1) {
      markSpanning(map);
    }
    let first = -1;
    let last = -1;
    for (let at = 0; at < map.shards.length; at += 1) {
      const shard = map.shards[at] as Shard;
      if (!shard.dirty) {
        continue;
      }
      const record = this.#shardRecord(map, at);
      if (record.length > shardMaxBytes || record.length < shardMinBytes) {
        const merge = record.length < shardMinBytes;
        first = first < 0 ? Math.max(0, merge ? at - 1 : at) : first;
        last = Math.min(map.shards.length - 1, merge ? at + 1 : at);
      } else {
        batch.set(prefixes.onodes, shardKey(onode, shard.offset), record);
        shard.dirty = false;
      }
    }
    if (first >= 0) {
      this.#cutAnew(onode, first, last, batch);
    }
  }

  #shardRecord(map: ExtentMap, at: number): Uint8Array {
    const shard = map.shards[at] as Shard;
    map.forgetKept(shard);
    const record = this.#encoded(map, at);
    shard.bytes = record.length;
    return record;
  }

  /** The shard's record to be patched, made from the map if it is not kept; the shard is written already. */
  kept(map: ExtentMap, at: number): KeptRecord {
    const shard = map.shards[at] as Shard;
    if (shard.kept === null) {
      const { unitBytes } = this.#context;
      const end = map.shards[at + 1]?.offset ?? map.extents.at(-1)?.end ?? shard.offset;
      shard.kept = new KeptRecord(this.#encoded(map, at), shard.offset, end, unitBytes);
      map.keptBytes += shard.kept.memoryBytes;
    }
    return shard.kept;
  }

  /** What is kept of the map's records is what they are; for tests. */
  checkKept(map: ExtentMap): void {
    let bytes = 0;
    for (let at = 0; at < map.shards.length; at += 1) {
      const { kept } = map.shards[at] as Shard;
      if (kept !== null) {
        bytes += kept.memoryBytes;
        const record = this.#encoded(map, at);
        const same =
          record.length === kept.bytes.length &&
          record.every((byte, index) => byte === kept.bytes[index]);
        assert(same, "a kept record of a shard differs from what the map says");
      }
    }
    assert(bytes === map.keptBytes, "the memory of kept records is counted wrongly");
  }

  #encoded(map: ExtentMap, at: number): Uint8Array {
    const shard = map.shards[at] as Shard;
    const from = map.seek(shard.offset);
    const next = map.shards[at + 1];
    const to = next === undefined ? map.extents.length : map.seek(next.offset);
    shard.writes += 1;
    if (shard.writes % renewEvery === 0) {
      map.renew(from, to);
    }
    this.#writer.reset();
    encodeExtents(this.#writer, map.extents, from, to, this.#context.unitBytes);
    return this.#writer.seal(0);
  }

  /** Makes new shards of those from `first` to `last`, or none at all if everything has become small. */
  #cutAnew(onode: Onode, first: number, last: number, batch: KvBatch): void {
    this.#counters.onode_reshard += 1;
    const { map } = onode;
    const begin = (map.shards[first] as Shard).offset;
    const next = map.shards[last + 1];
    const end = next?.offset ?? Number.MAX_SAFE_INTEGER;
    this.fault(onode, begin, end - begin);
    const bytes = map.shards
      .slice(first, last + 1)
      .reduce((sum, shard) => sum + Math.max(shard.bytes, 8), 0);
    for (const shard of map.shards.slice(first, last + 1)) {
      map.forgetKept(shard);
      batch.remove(prefixes.onodes, shardKey(onode, shard.offset));
    }
    const whole = first === 0 && next === undefined;
    if (whole && bytes <= this.#options.shardTargetBytes) {
      map.shards = [];
      for (const blob of map.spanning.values()) {
        blob.spanningId = -1;
      }
      map.spanning.clear();
      return;
    }
    const from = map.seek(begin);
    const to = next === undefined ? map.extents.length : map.seek(end);
    const cuts = this.#cuts(map, from, to, bytes);
    const made = [begin, ...cuts].map((offset) => newShard(offset, 0, true));
    map.shards.splice(first, last + 1 - first, ...made);
    markSpanning(map);
    for (let at = first; at < first + made.length; at += 1) {
      const record = this.#shardRecord(map, at);
      const shard = map.shards[at] as Shard;
      batch.set(prefixes.onodes, shardKey(onode, shard.offset), record);
      shard.dirty = false;
    }
  }

  /** Offsets at which the extents from `from` to `to`, of `bytes` in all, are cut; best between blobs. */
  #cuts(map: ExtentMap, from: number, to: number, bytes: number): number[] {
    const { shardTargetBytes, shardSlop } = this.#options;
    const { unitBytes } = this.#context;
    const each = Math.max(1, bytes / Math.max(1, to - from));
    const step = Math.max(1, Math.floor(shardTargetBytes / each));
    const slack = Math.floor(step * shardSlop);
    const cuts: number[] = [];
    for (let at = from + step; at < to && to - at > slack; at += step) {
      let best = at;
      for (let near = at; near <= Math.min(at + slack, to - 1); near += 1) {
        const before = map.extents[near - 1] as Extent;
        const { blob, offset } = map.extents[near] as Extent;
        if (before.blob !== blob) {
          best = near;
          break;
        }
        const aligned = (map.extents[best] as Extent).offset % unitBytes === 0;
        best = aligned || offset % unitBytes !== 0 ? best : near;
      }
      at = best;
      cuts.push((map.extents[at] as Extent).offset);
    }
    return cuts;
  }
}

function dirtyShards({ shards }: ExtentMap): number {
  let dirty = 0;
  for (let at = 0; at < shards.length; at += 1) {
    dirty += (shards[at] as Shard).dirty ? 1 : 0;
  }
  return dirty;
}

/** Extents that reach into the next shard are cut there: a shard has only what begins and ends in it. */
function cutAtShards(map: ExtentMap): void {
  const { shards, extents } = map;
  for (let at = 1; at < shards.length; at += 1) {
    const shard = shards[at] as Shard;
    if (!shard.dirty && (shards[at - 1] as Shard).dirty === false) {
      continue;
    }
    const { offset } = shard;
    const index = map.seek(offset);
    const extent = extents[index];
    if (extent !== undefined && extent.offset < offset) {
      const cut = offset - extent.offset;
      const rest = new Extent(offset, extent.length - cut, extent.blobOffset + cut, extent.blob);
      extent.length = cut;
      extents.splice(index + 1, 0, rest);
      map.markDirty(offset, rest.length);
    }
  }
}

/** Blobs that several of the shards to be written refer to are cut, or get a place in the onode's record. */
function markSpanning(map: ExtentMap): void {
  const current = beginRun();
  const { shards, extents } = map;
  for (let at = 0; at < shards.length; at += 1) {
    const shard = shards[at] as Shard;
    if (!shard.dirty) {
      continue;
    }
    const end = shards[at + 1]?.offset ?? Number.MAX_SAFE_INTEGER;
    for (let index = map.seek(shard.offset); index < extents.length; index += 1) {
      const extent = extents[index] as Extent;
      if (extent.offset >= end) {
        break;
      }
      const { blob } = extent;
      if (blob.spanningId >= 0) {
        continue;
      }
      let owner = blob;
      if (blob.run === current && blob.index !== at) {
        const right = splitBlob(map, blob, extent.blobStart, shard.offset);
        if (right === null) {
          span(map, blob);
        }
        owner = right ?? blob;
      }
      owner.run = current;
      owner.index = at;
    }
  }
}

function span(map: ExtentMap, blob: Blob): void {
  let id = map.spanning.size;
  while (map.spanning.has(id)) {
    id += 1;
  }
  blob.spanningId = id;
  map.spanning.set(id, blob);
}
