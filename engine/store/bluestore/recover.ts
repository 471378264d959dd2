/** Finds what space is in use from the objects themselves: after an unclean end, and for checking. */
import type { KeyValueStore, KvEntry } from "../../hot/kv/kv.ts";
import { objectOfKey } from "../object-key.ts";
import { type Blob, hole } from "./blob.ts";
import { type CodecContext, decodeOnode, decodeSharedBlob } from "./codec.ts";
import { storeCounters } from "./counters.ts";
import type { VisitExtent } from "./freelist.ts";
import { prefixes, u64OfBytes } from "./keys.ts";
import { Onode } from "./onode.ts";
import type { BlueStoreOptions } from "./options.ts";
import { ShardRecords } from "./shards.ts";
import { RefMap, SharedBlob } from "./shared-blob.ts";
import { keyOfBytes, WireReader } from "./wire.ts";

const pageEntries = 1024;

/** Every record of a prefix, in order. */
export function* recordsOf(kv: KeyValueStore, prefix: string): Generator<KvEntry> {
  let from: Uint8Array = new Uint8Array(0);
  for (;;) {
    const page = kv.scan(prefix, from, undefined, pageEntries);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < pageEntries) {
      return;
    }
    from = new Uint8Array(last.key.length + 1);
    from.set(last.key);
  }
}

/** Calls back for every record of a prefix, in order. */
export function eachRecord(
  kv: KeyValueStore,
  prefix: string,
  visit: (key: Uint8Array, value: Uint8Array) => void,
): void {
  for (const { key, value } of recordsOf(kv, prefix)) {
    visit(key, value);
  }
}

/** Every object with its whole map, one at a time; shared blobs are not counted in memory. */
export function eachOnode(
  kv: KeyValueStore,
  options: BlueStoreOptions,
  sumBytes: readonly number[],
  visit: (onode: Onode) => void,
): void {
  const context: CodecContext = {
    unitBytes: options.minAllocBytes,
    sumBytes,
    sharedBlob: (id) => new SharedBlob(id, new RefMap()),
  };
  const shards = new ShardRecords(kv, context, options, storeCounters());
  const reader = new WireReader();
  eachRecord(kv, prefixes.onodes, (key, value) => {
    if (key.at(-1) === 0x6f) {
      const onode = new Onode(objectOfKey(keyOfBytes(key)));
      decodeOnode(reader.open(value, `object ${onode.name.name}`), onode, context);
      shards.faultAll(onode);
      visit(onode);
    }
  });
}

/** The blobs of an object's loaded map, each once. */
export function blobsOf(onode: Onode): Set<Blob> {
  const blobs = new Set<Blob>(onode.map.spanning.values());
  for (const { blob } of onode.map.extents) {
    blobs.add(blob);
  }
  return blobs;
}

/** Calls back for every extent that an object or a shared blob uses, in no order. */
export function eachUsed(
  kv: KeyValueStore,
  options: BlueStoreOptions,
  sumBytes: readonly number[],
  visit: VisitExtent,
): void {
  eachOnode(kv, options, sumBytes, (onode) => {
    for (const blob of blobsOf(onode)) {
      if (blob.shared === null) {
        blob.eachDisk(0, blob.diskBytes, (disk, length) => {
          if (disk !== hole) {
            visit(disk, length);
          }
        });
      }
    }
  });
  eachRecord(kv, prefixes.sharedBlobs, (key, value) => {
    const id = u64OfBytes(key);
    const reader = new WireReader().open(value, `shared blob ${id}`);
    const { map } = decodeSharedBlob(reader, id, options.minAllocBytes);
    for (const [at, offset] of map.offsets.entries()) {
      visit(offset, map.lengths[at] as number);
    }
  });
}

/** Gathers extents in any order, and gives what lies between them. */
export class UsedSpace {
  #offsets: number[] = [];
  readonly #lengths = new Map<number, number>();

  readonly add = (offsetBytes: number, lengthBytes: number): void => {
    this.#offsets.push(offsetBytes);
    this.#lengths.set(offsetBytes, Math.max(lengthBytes, this.#lengths.get(offsetBytes) ?? 0));
  };

  /** Calls back for what no extent covers from `first` to `end`, ascending. */
  eachGap(first: number, end: number, visit: VisitExtent): void {
    const sorted = Float64Array.from(this.#offsets).sort();
    let position = first;
    for (const offset of sorted) {
      if (offset > position) {
        visit(position, Math.min(offset, end) - position);
      }
      position = Math.max(position, offset + (this.#lengths.get(offset) as number));
    }
    if (position < end) {
      visit(position, end - position);
    }
  }
}
