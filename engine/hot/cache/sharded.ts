/** A cache in parts that do not know of each other, as Ceph has them for locks; here to compare with it. */
import { assert } from "../../base/assert.ts";
import type { CacheKey, CachePolicy, CacheSnapshot, CacheStats, OnEvict } from "./cache.ts";

/** The sums over the parts, as they are when asked for. */
class SummedStats implements Readonly<CacheStats> {
  readonly #parts: readonly CachePolicy[];

  constructor(parts: readonly CachePolicy[]) {
    this.#parts = parts;
  }

  #sum(field: keyof CacheStats): number {
    return this.#parts.reduce((sum, { stats }) => sum + stats[field], 0);
  }

  get hits(): number {
    return this.#sum("hits");
  }

  get misses(): number {
    return this.#sum("misses");
  }

  get evictions(): number {
    return this.#sum("evictions");
  }

  get entries(): number {
    return this.#sum("entries");
  }

  get bytes(): number {
    return this.#sum("bytes");
  }

  get pinnedBytes(): number {
    return this.#sum("pinnedBytes");
  }
}

/** Spreads numbers that lie close together, and the characters of texts. */
function hashOf(key: CacheKey): number {
  if (typeof key === "number") {
    return Math.imul(key, 0x9e3779b1) >>> 8;
  }
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  }
  return hash >>> 8;
}

/** An entry's slot is that of its part, times the number of parts, plus the number of its part. */
export class ShardedPolicy implements CachePolicy {
  readonly name: string;
  readonly stats: Readonly<CacheStats>;
  readonly #parts: readonly CachePolicy[];
  #slotOffset = 0;
  #onEvict: OnEvict = () => {};
  /** A miss has no key: they are counted by the first part. */
  readonly #first: CachePolicy;

  constructor(parts: readonly CachePolicy[]) {
    const [first] = parts;
    assert(first !== undefined, "a cache has one part at least");
    this.#first = first;
    this.name = first.name;
    this.#parts = parts;
    this.stats = new SummedStats(parts);
  }

  #part(slot: number): CachePolicy {
    return this.#parts[slot % this.#parts.length] as CachePolicy;
  }

  #inner(slot: number): number {
    return Math.floor(slot / this.#parts.length);
  }

  insert(key: CacheKey, bytes: number): number {
    const count = this.#parts.length;
    const part = hashOf(key) % count;
    return (this.#parts[part] as CachePolicy).insert(key, bytes) * count + part;
  }

  hit(slot: number): void {
    this.#part(slot).hit(this.#inner(slot));
  }

  miss(): void {
    this.#first.miss();
  }

  setBytes(slot: number, bytes: number): void {
    this.#part(slot).setBytes(this.#inner(slot), bytes);
  }

  remove(slot: number): void {
    this.#part(slot).remove(this.#inner(slot));
  }

  pin(slot: number): void {
    this.#part(slot).pin(this.#inner(slot));
  }

  unpin(slot: number): void {
    this.#part(slot).unpin(this.#inner(slot));
  }

  /** Each part has the same share of the room. */
  trimTo(bytes: number, onEvict: OnEvict): void {
    const count = this.#parts.length;
    this.#onEvict = onEvict;
    for (const [part, policy] of this.#parts.entries()) {
      this.#slotOffset = part;
      policy.trimTo(Math.floor(bytes / count), this.#evicted);
    }
  }

  readonly #evicted: OnEvict = (key, slot, bytes) => {
    this.#onEvict(key, slot * this.#parts.length + this.#slotOffset, bytes);
  };

  shiftAgeBins(): void {
    for (const part of this.#parts) {
      part.shiftAgeBins();
    }
  }

  bytesOfAge(first: number, end: number): number {
    return this.#parts.reduce((sum, part) => sum + part.bytesOfAge(first, end), 0);
  }

  snapshot(): CacheSnapshot {
    const lists: Record<string, readonly CacheKey[]> = {};
    for (const [index, part] of this.#parts.entries()) {
      for (const [name, keys] of Object.entries(part.snapshot())) {
        lists[`${name} ${index}`] = keys;
      }
    }
    return lists;
  }
}

/** A cache in so many parts; one: as it is. */
export function shardedCache(shards: number, create: () => CachePolicy): CachePolicy {
  return shards === 1
    ? create()
    : new ShardedPolicy(Array.from({ length: shards }, () => create()));
}
