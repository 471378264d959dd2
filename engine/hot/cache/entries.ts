import { assert } from "../../base/assert.ts";
import type { CacheKey } from "./cache.ts";

function grown<T extends Uint8Array | Uint16Array | Uint32Array | Int32Array>(array: T): T {
  const larger = new (array.constructor as new (length: number) => T)(array.length * 2);
  larger.set(array);
  return larger;
}

const firstCapacity = 256;

/**
 * Entries in slots of typed arrays, each in one of a few doubly linked lists. The lists' ends are slots
 * themselves (the first `listCount`), so that linking has no special cases. Front: most recent.
 */
export class Entries {
  readonly keys: CacheKey[] = [];
  /** Of each entry, below 4 GiB. */
  bytes = new Uint32Array(firstCapacity);
  /** The entry's list; of a pinned one, the list it returns to. */
  list = new Uint8Array(firstCapacity);
  pins = new Uint16Array(firstCapacity);
  /** Policies count or mark uses here. */
  mark = new Uint8Array(firstCapacity);
  /** Hash of the key, for policies that want one. */
  hash = new Uint32Array(firstCapacity);
  ageBin = new Uint32Array(firstCapacity);
  next = new Int32Array(firstCapacity);
  prev = new Int32Array(firstCapacity);
  /** Bytes linked in each list. */
  readonly listBytes: Float64Array;
  readonly #listCount: number;
  /** Slots never used start here; used and free ones are chained from `#free`. */
  #fresh: number;
  #free = -1;

  constructor(listCount: number) {
    this.#listCount = listCount;
    this.#fresh = listCount;
    this.listBytes = new Float64Array(listCount);
    for (let list = 0; list < listCount; list += 1) {
      this.next[list] = list;
      this.prev[list] = list;
      this.keys.push("");
    }
  }

  /** A slot for an entry, in no list yet. */
  take(key: CacheKey, bytes: number): number {
    assert(bytes > 0 && bytes < 2 ** 32, "an entry of a cache has 1 to 2^32 - 1 bytes");
    let slot = this.#free;
    if (slot >= 0) {
      this.#free = this.next[slot] as number;
      this.keys[slot] = key;
    } else {
      slot = this.#fresh;
      this.#fresh += 1;
      if (slot === this.next.length) {
        this.#grow();
      }
      this.keys.push(key);
    }
    this.bytes[slot] = bytes;
    this.pins[slot] = 0;
    this.mark[slot] = 0;
    return slot;
  }

  /** Gives a slot back that is in no list. */
  free(slot: number): void {
    this.keys[slot] = "";
    this.next[slot] = this.#free;
    this.#free = slot;
  }

  linkFront(slot: number, list: number): void {
    const after = this.next[list] as number;
    this.next[slot] = after;
    this.prev[slot] = list;
    this.prev[after] = slot;
    this.next[list] = slot;
    this.list[slot] = list;
    this.listBytes[list] = (this.listBytes[list] as number) + (this.bytes[slot] as number);
  }

  unlink(slot: number): void {
    const before = this.prev[slot] as number;
    const after = this.next[slot] as number;
    this.next[before] = after;
    this.prev[after] = before;
    const list = this.list[slot] as number;
    this.listBytes[list] = (this.listBytes[list] as number) - (this.bytes[slot] as number);
  }

  /** Moves a linked entry to the front of a list, its own or another. */
  toFront(slot: number, list: number): void {
    this.unlink(slot);
    this.linkFront(slot, list);
  }

  /** The entry at the end of a list, -1: the list is empty. */
  last(list: number): number {
    const slot = this.prev[list] as number;
    return slot < this.#listCount ? -1 : slot;
  }

  isEmpty(list: number): boolean {
    return this.prev[list] === list;
  }

  /** Keys from front to end. */
  keysOf(list: number): CacheKey[] {
    const keys: CacheKey[] = [];
    for (let slot = this.next[list] as number; slot !== list; slot = this.next[slot] as number) {
      keys.push(this.keys[slot] as CacheKey);
    }
    return keys;
  }

  #grow(): void {
    this.bytes = grown(this.bytes);
    this.list = grown(this.list);
    this.pins = grown(this.pins);
    this.mark = grown(this.mark);
    this.hash = grown(this.hash);
    this.ageBin = grown(this.ageBin);
    this.next = grown(this.next);
    this.prev = grown(this.prev);
  }
}
