import type { CacheKey, CacheOptions, OnEvict } from "./cache.ts";
import { ListedPolicy } from "./listed-policy.ts";
import { FrequencySketch, hashOf } from "./sketch.ts";

const window = 0;
const probation = 1;
const guarded = 2;

const windowShare = 0.01;
const guardedShare = 0.8;
const sketchStart = 1024;

/**
 * W-TinyLFU: a small LRU window, before a main part of two LRU lists (on probation; guarded, after another
 * use). What leaves the window is let in only if it was used more often of late than what would have to go.
 * (G. Einziger, R. Friedman, B. Manes, "TinyLFU: a highly efficient cache admission policy", 2017, in bytes.)
 */
export class WindowTinyLfu extends ListedPolicy {
  readonly #sketch = new FrequencySketch(sketchStart);
  /** Of the main part, at the last trim. */
  #mainRoom = Number.MAX_SAFE_INTEGER;

  constructor(options: CacheOptions) {
    super("wtinylfu", ["window", "probation", "guarded"], [], options);
  }

  protected place(slot: number): void {
    const { entries } = this;
    const hash = hashOf(entries.keys[slot] as CacheKey);
    entries.hash[slot] = hash;
    if (this.stats.entries > this.#sketch.columns) {
      this.#sketch.grow();
    }
    this.#sketch.add(hash);
    entries.linkFront(slot, window);
  }

  protected touched(slot: number): void {
    const { entries } = this;
    this.#sketch.add(entries.hash[slot] as number);
    const list = entries.list[slot] as number;
    this.moveTo(slot, list === window ? window : guarded);
    this.#limitGuarded();
  }

  protected shrink(roomBytes: number, onEvict: OnEvict): void {
    const { entries } = this;
    const { listBytes } = entries;
    const windowRoom = Math.floor(roomBytes * windowShare);
    this.#mainRoom = roomBytes - windowRoom;
    this.#limitGuarded();
    while ((listBytes[window] as number) > windowRoom) {
      this.#leaveWindow(entries.last(window), onEvict);
    }
    while (this.#mainBytes() > this.#mainRoom) {
      this.evict(this.#victim(), -1, onEvict);
    }
  }

  /** From the window into the main part, if there is room or it is worth what has to go. */
  #leaveWindow(slot: number, onEvict: OnEvict): void {
    const { entries } = this;
    const bytes = entries.bytes[slot] as number;
    const uses = this.#sketch.estimate(entries.hash[slot] as number);
    while (this.#mainBytes() + bytes > this.#mainRoom) {
      const victim = this.#victim();
      if (victim < 0 || this.#sketch.estimate(entries.hash[victim] as number) >= uses) {
        this.evict(slot, -1, onEvict);
        return;
      }
      this.evict(victim, -1, onEvict);
    }
    entries.toFront(slot, probation);
  }

  #victim(): number {
    const slot = this.entries.last(probation);
    return slot < 0 ? this.entries.last(guarded) : slot;
  }

  #mainBytes(): number {
    const { listBytes } = this.entries;
    return (listBytes[probation] as number) + (listBytes[guarded] as number);
  }

  #limitGuarded(): void {
    const { entries } = this;
    const limit = this.#mainRoom * guardedShare;
    while ((entries.listBytes[guarded] as number) > limit) {
      entries.toFront(entries.last(guarded), probation);
    }
  }
}
