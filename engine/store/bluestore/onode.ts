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
  /** Transactions that changed it and are not committed: it must stay in memory. */
  pending = 0;
  /** Reads under way. */
  readers = 0;
  /** The transaction that has it among those to write; 0: none. */
  dirtyIn = 0;
  omapPending: PendingOmap | null = null;
  /** Neighbours in the cache's order. */
  newer: Onode | null = null;
  older: Onode | null = null;
  cached = false;

  constructor(name: ObjectName) {
    this.name = name;
    this.key = keyOfObject(name);
    this.keyBytes = bytesOfKey(this.key);
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

  /** What the keys of its omap begin with: shard, pool, reversed hash, and the number of the onode. */
  get omapPrefix(): string {
    return this.key.slice(0, 13) + keyOfU64(this.nid);
  }
}

/** Onodes by key, with the order of their use; those in use are never dropped. */
export class OnodeCache {
  readonly #onodes = new Map<string, Onode>();
  #newest: Onode | null = null;
  #oldest: Onode | null = null;
  /** Told of an onode that leaves. */
  readonly #leave: (onode: Onode) => void;
  hits = 0;
  misses = 0;

  constructor(leave: (onode: Onode) => void) {
    this.#leave = leave;
  }

  get size(): number {
    return this.#onodes.size;
  }

  get(key: string): Onode | undefined {
    const onode = this.#onodes.get(key);
    if (onode === undefined) {
      this.misses += 1;
      return undefined;
    }
    this.hits += 1;
    if (onode !== this.#newest) {
      this.#unlink(onode);
      this.#link(onode);
    }
    return onode;
  }

  add(onode: Onode): void {
    this.#onodes.set(onode.key, onode);
    onode.cached = true;
    this.#link(onode);
  }

  /** Drops the least recently used ones until at most `limit` are left; at most `most` at a time. */
  trim(limit: number, most = 16): void {
    let onode = this.#oldest;
    for (let count = 0; count < most && onode !== null && this.#onodes.size > limit; count += 1) {
      const newer: Onode | null = onode.newer;
      if (onode.pending === 0 && onode.readers === 0) {
        this.#unlink(onode);
        this.#onodes.delete(onode.key);
        onode.cached = false;
        this.#leave(onode);
      }
      onode = newer;
    }
  }

  values(): IterableIterator<Onode> {
    return this.#onodes.values();
  }

  #link(onode: Onode): void {
    onode.older = this.#newest;
    onode.newer = null;
    if (this.#newest !== null) {
      this.#newest.newer = onode;
    }
    this.#newest = onode;
    this.#oldest ??= onode;
  }

  #unlink(onode: Onode): void {
    if (onode.newer === null) {
      this.#newest = onode.older;
    } else {
      onode.newer.older = onode.older;
    }
    if (onode.older === null) {
      this.#oldest = onode.newer;
    } else {
      onode.older.newer = onode.newer;
    }
    onode.newer = null;
    onode.older = null;
  }
}
