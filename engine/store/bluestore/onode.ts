/** An object's metadata in memory. */
import { keyOfObject, keyOfU64 } from "../object-key.ts";
import type { ObjectName } from "../object-name.ts";
import type { NamedBytes } from "../transaction.ts";
import { ExtentMap } from "./extent-map.ts";
import type { PendingOmap } from "./omap-pending.ts";
import { bytesOfKey } from "./wire.ts";

const noAttrs: NamedBytes = new Map();

/** Bits of `flags`. */
export const onodeFlags = Object.freeze({ omap: 1 });

export class Onode {
  readonly name: ObjectName;
  readonly key: string;
  readonly keyBytes: Uint8Array;
  exists = false;
  /** Unique in the store; names the object's omap. */
  nid = 0;
  sizeBytes = 0;
  flags = 0;
  /** Replaced when it changes: answers may hold the old one. */
  attrs: NamedBytes = noAttrs;
  expectedObjectBytes = 0;
  expectedWriteBytes = 0;
  hints = 0;
  map = new ExtentMap();
  /** Transactions that changed it and are not committed. */
  pending = 0;
  /** These and reads under way: it stays in memory as long as there are any. */
  uses = 0;
  /** The transaction that has it among those to write; 0: none. */
  dirtyIn = 0;
  omapPending: PendingOmap | null = null;
  /** In the cache's policy; -1: not cached. */
  slot = -1;

  constructor(name: ObjectName) {
    this.name = name;
    this.key = keyOfObject(name);
    this.keyBytes = bytesOfKey(this.key);
  }

  #shardKeyBytes: Uint8Array | null = null;

  /** The key with room for what a shard's has more, in one array again and again. */
  get shardKeyBytes(): Uint8Array {
    let bytes = this.#shardKeyBytes;
    if (bytes === null) {
      const { length } = this.keyBytes;
      bytes = new Uint8Array(length + 5);
      bytes.set(this.keyBytes);
      bytes[length + 4] = 0x78;
      this.#shardKeyBytes = bytes;
    }
    return bytes;
  }

  /** As if it had never been. */
  forget(): void {
    this.exists = false;
    this.nid = 0;
    this.sizeBytes = 0;
    this.flags = 0;
    this.attrs = noAttrs;
    this.expectedObjectBytes = 0;
    this.expectedWriteBytes = 0;
    this.hints = 0;
    this.map.clear();
  }

  /** Memory that it takes, roughly: measured over maps of 10 to 1000 extents, a blob to each. */
  get memoryBytes(): number {
    const { extents, keptBytes } = this.map;
    return 700 + 2 * this.key.length + 420 * extents.length + 200 * this.attrs.size + keptBytes;
  }

  /** What the keys of its omap begin with: shard, pool, reversed hash, and the number of the onode. */
  get omapPrefix(): string {
    return this.key.slice(0, 13) + keyOfU64(this.nid);
  }
}
