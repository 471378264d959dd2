/** What the policies share: slots, pins, figures, ages. A policy itself says where entries go. */
import { assert } from "../../base/assert.ts";
import { AgeBins } from "./age-bins.ts";
import type {
  CacheKey,
  CacheOptions,
  CachePolicy,
  CacheSnapshot,
  CacheStats,
  OnEvict,
} from "./cache.ts";
import { Entries } from "./entries.ts";

/** The largest of Ceph's bounds of age, in bins of a second. */
const ageBinCountDefault = 720;

export abstract class ListedPolicy implements CachePolicy {
  readonly name: string;
  readonly stats: CacheStats = {
    hits: 0,
    misses: 0,
    evictions: 0,
    entries: 0,
    bytes: 0,
    pinnedBytes: 0,
  };
  protected readonly entries: Entries;
  readonly #listNames: readonly string[];
  /** Lists from here on hold keys whose data is gone. */
  readonly #firstGhost: number;
  readonly #ghosts = new Map<CacheKey, number>();
  readonly #ages: AgeBins;

  constructor(
    name: string,
    lists: readonly string[],
    ghosts: readonly string[],
    options: CacheOptions,
  ) {
    this.name = name;
    this.#listNames = [...lists, ...ghosts];
    this.#firstGhost = lists.length;
    this.entries = new Entries(this.#listNames.length);
    this.#ages = new AgeBins(options.ageBinCount ?? ageBinCountDefault);
  }

  /** Links an entry that was taken in; `ghost`: the ghost list its key was found in, else -1. */
  protected abstract place(slot: number, ghost: number): void;
  /** Reacts to a use. A pinned entry is in no list: `moveTo` minds that. */
  protected abstract touched(slot: number): void;
  /** Evicts until the lists hold at most `roomBytes`, pinned entries not counted. */
  protected abstract shrink(roomBytes: number, onEvict: OnEvict): void;
  /** An entry is about to leave its place in a list. */
  protected leaving(_slot: number): void {}

  insert(key: CacheKey, bytes: number): number {
    const { entries, stats } = this;
    let ghost = -1;
    if (this.#ghosts.size > 0) {
      const old = this.#ghosts.get(key);
      if (old !== undefined) {
        ghost = entries.list[old] as number;
        this.forgetGhost(old);
      }
    }
    const slot = entries.take(key, bytes);
    stats.entries += 1;
    stats.bytes += bytes;
    entries.ageBin[slot] = this.#ages.running;
    this.#ages.add(bytes);
    this.place(slot, ghost);
    return slot;
  }

  hit(slot: number): void {
    const { entries } = this;
    this.stats.hits += 1;
    const bin = entries.ageBin[slot] as number;
    if (bin !== this.#ages.running) {
      const bytes = entries.bytes[slot] as number;
      this.#ages.remove(bin, bytes);
      this.#ages.add(bytes);
      entries.ageBin[slot] = this.#ages.running;
    }
    this.touched(slot);
  }

  miss(): void {
    this.stats.misses += 1;
  }

  setBytes(slot: number, bytes: number): void {
    assert(bytes > 0 && bytes < 2 ** 32, "an entry of a cache has 1 to 2^32 - 1 bytes");
    const { entries, stats } = this;
    const more = bytes - (entries.bytes[slot] as number);
    entries.bytes[slot] = bytes;
    stats.bytes += more;
    const bin = entries.ageBin[slot] as number;
    this.#ages.remove(bin, -more);
    if (entries.pins[slot] === 0) {
      const list = entries.list[slot] as number;
      entries.listBytes[list] = (entries.listBytes[list] as number) + more;
    } else {
      stats.pinnedBytes += more;
    }
  }

  remove(slot: number): void {
    const { entries, stats } = this;
    if (entries.pins[slot] === 0) {
      this.leaving(slot);
      entries.unlink(slot);
    } else {
      stats.pinnedBytes -= entries.bytes[slot] as number;
    }
    this.#forget(slot);
    entries.free(slot);
  }

  pin(slot: number): void {
    const { entries } = this;
    const pins = entries.pins[slot] as number;
    assert(pins < 65_535, "an entry of a cache is pinned fewer than 65535 times");
    if (pins === 0) {
      this.leaving(slot);
      entries.unlink(slot);
      this.stats.pinnedBytes += entries.bytes[slot] as number;
    }
    entries.pins[slot] = pins + 1;
  }

  unpin(slot: number): void {
    const { entries } = this;
    const pins = entries.pins[slot] as number;
    assert(pins > 0, "an entry is unpinned as often as it was pinned");
    entries.pins[slot] = pins - 1;
    if (pins === 1) {
      this.stats.pinnedBytes -= entries.bytes[slot] as number;
      entries.linkFront(slot, entries.list[slot] as number);
    }
  }

  trimTo(bytes: number, onEvict: OnEvict): void {
    this.shrink(Math.max(0, bytes - this.stats.pinnedBytes), onEvict);
  }

  shiftAgeBins(): void {
    this.#ages.shift();
  }

  bytesOfAge(first: number, end: number): number {
    return this.#ages.sum(first, end);
  }

  snapshot(): CacheSnapshot {
    return Object.fromEntries(
      this.#listNames.map((name, list) => [name, this.entries.keysOf(list)]),
    );
  }

  /** Moves an entry to the front of a list, at once or, if it is pinned, when it is unpinned. */
  protected moveTo(slot: number, list: number): void {
    const { entries } = this;
    if (entries.pins[slot] === 0) {
      entries.toFront(slot, list);
    } else {
      entries.list[slot] = list;
    }
  }

  /** Lets an entry go; its key stays in the list `ghost`, -1: nowhere. */
  protected evict(slot: number, ghost: number, onEvict: OnEvict): void {
    const { entries, stats } = this;
    this.leaving(slot);
    entries.unlink(slot);
    this.#forget(slot);
    stats.evictions += 1;
    const key = entries.keys[slot] as CacheKey;
    const bytes = entries.bytes[slot] as number;
    entries.free(slot);
    onEvict(key, slot, bytes);
    if (ghost >= this.#firstGhost) {
      const kept = entries.take(key, bytes);
      entries.linkFront(kept, ghost);
      this.#ghosts.set(key, kept);
    }
  }

  /** Forgets the oldest keys of a ghost list until it stands for at most `bytes`. */
  protected trimGhosts(ghost: number, bytes: number): void {
    const { entries } = this;
    while ((entries.listBytes[ghost] as number) > bytes) {
      const slot = entries.last(ghost);
      if (slot < 0) {
        break;
      }
      this.forgetGhost(slot);
    }
  }

  protected forgetGhost(slot: number): void {
    this.#ghosts.delete(this.entries.keys[slot] as CacheKey);
    this.entries.unlink(slot);
    this.entries.free(slot);
  }

  #forget(slot: number): void {
    const bytes = this.entries.bytes[slot] as number;
    this.stats.entries -= 1;
    this.stats.bytes -= bytes;
    this.#ages.remove(this.entries.ageBin[slot] as number, bytes);
  }
}
