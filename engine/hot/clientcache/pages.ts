import { assert } from "../../base/assert.ts";
import type { CachePolicy } from "../cache/cache.ts";

export const pageBytes = 4096;
export const sectorBytes = 512;
/** A bit for each sector of a page. */
export const allSectors = 0xff;

const none = -1;

/**
 * The pages that a cache has room for, in one block of memory, with a note for each sector: whether it
 * holds the image's newest data, and whether the image lacks them. Pages that the image lacks something
 * of, or that somebody works on, are pinned; the policy chooses among the others, once what comes in is there.
 */
export class Pages {
  readonly capacity: number;
  readonly #bytes: Uint8Array;
  readonly #policy: CachePolicy;
  readonly #frames = new Map<number, number>();
  readonly #free: number[] = [];
  readonly page: Float64Array;
  readonly valid: Uint8Array;
  readonly dirty: Uint8Array;
  /** Sectors on their way to the image. */
  readonly sending: Uint8Array;
  /** When the page became dirty, and its place in that order. */
  readonly dirtyNs: Float64Array;
  readonly dirtyOrder: Float64Array;
  readonly #policySlot: Int32Array;
  readonly #pins: Uint16Array;
  /** Taken before its first use, which is still to be told. */
  readonly #unused: Uint8Array;
  #dirtyBytes = 0;
  #order = 0;

  constructor(sizeBytes: number, policy: CachePolicy) {
    this.capacity = Math.floor(sizeBytes / pageBytes);
    // One more for what comes in: the policy weighs it against what is held.
    const frames = this.capacity + 1;
    this.#bytes = new Uint8Array(frames * pageBytes);
    this.#policy = policy;
    for (let frame = frames - 1; frame >= 0; frame -= 1) {
      this.#free.push(frame);
    }
    this.page = new Float64Array(frames);
    this.valid = new Uint8Array(frames);
    this.dirty = new Uint8Array(frames);
    this.sending = new Uint8Array(frames);
    this.dirtyNs = new Float64Array(frames);
    this.dirtyOrder = new Float64Array(frames);
    this.#policySlot = new Int32Array(frames);
    this.#pins = new Uint16Array(frames);
    this.#unused = new Uint8Array(frames);
  }

  get size(): number {
    return this.#frames.size;
  }

  /** Bytes that the image lacks, on their way there or not. */
  get dirtyBytes(): number {
    return this.#dirtyBytes;
  }

  /** The frame of a page; -1: it is not held. */
  frameOf(page: number): number {
    return this.#frames.get(page) ?? none;
  }

  /** The frames of all pages held from `first` to before `end`. */
  framesBetween(first: number, end: number): number[] {
    const frames: number[] = [];
    for (const [page, frame] of this.#frames) {
      if (page >= first && page < end) {
        frames.push(frame);
      }
    }
    return frames;
  }

  /** A page that is held is used. What comes in counts as used once: its first use is told the policy by that. */
  used(frame: number): void {
    if (this.#unused[frame] === 0) {
      this.#policy.hit(this.#policySlot[frame] as number);
    }
    this.#unused[frame] = 0;
  }

  /** A page that is not held was asked for. */
  missed(): void {
    this.#policy.miss();
  }

  /**
   * A frame for a page that is not held; -1: all are pinned. With `kept` the policy must take it, and `used` follows
   * when it is used; else it comes in because it was, and -1 may mean that the policy keeps others rather than it.
   */
  take(page: number, kept: boolean): number {
    if (this.#policy.stats.pinnedBytes >= this.capacity * pageBytes) {
      return none;
    }
    this.#admit(page, kept, false);
    if (kept && !this.#frames.has(page)) {
      this.#admit(page, kept, true);
    }
    return this.frameOf(page);
  }

  /** Lets a page in and something go, perhaps the very page unless it is pinned. */
  #admit(page: number, kept: boolean, pinned: boolean): void {
    const frame = this.#free.pop();
    assert(frame !== undefined, "there is a frame for a page that comes in");
    this.#frames.set(page, frame);
    this.page[frame] = page;
    this.valid[frame] = 0;
    this.dirty[frame] = 0;
    this.sending[frame] = 0;
    this.#pins[frame] = 0;
    this.#unused[frame] = kept ? 1 : 0;
    const slot = this.#policy.insert(page, pageBytes);
    this.#policySlot[frame] = slot;
    if (pinned) {
      this.#policy.pin(slot);
    }
    this.#policy.trimTo(this.capacity * pageBytes, this.#evicted);
    if (pinned) {
      this.#policy.unpin(slot);
    }
  }

  /** Forgets a page: nobody works on it, and what it had is void. */
  drop(frame: number): void {
    assert(this.sending[frame] === 0, "a page is dropped while it is written");
    this.setDirty(frame, 0, 0);
    this.#policy.remove(this.#policySlot[frame] as number);
    this.#frames.delete(this.page[frame] as number);
    this.#free.push(frame);
  }

  pin(frame: number): void {
    this.#pins[frame] = (this.#pins[frame] as number) + 1;
    if (this.#pins[frame] === 1) {
      this.#policy.pin(this.#policySlot[frame] as number);
    }
  }

  unpin(frame: number): void {
    this.#pins[frame] = (this.#pins[frame] as number) - 1;
    if (this.#pins[frame] === 0) {
      this.#policy.unpin(this.#policySlot[frame] as number);
    }
  }

  isPinned(frame: number): boolean {
    return (this.#pins[frame] as number) > 0;
  }

  /** Sets which sectors the image lacks; those on their way count in `dirtyBytes` too. */
  setDirty(frame: number, dirty: number, sending: number): void {
    const before = (this.dirty[frame] as number) | (this.sending[frame] as number);
    const after = dirty | sending;
    this.dirty[frame] = dirty;
    this.sending[frame] = sending;
    this.#dirtyBytes += (bits(after) - bits(before)) * sectorBytes;
    if (before === 0 && after !== 0) {
      this.pin(frame);
    } else if (before !== 0 && after === 0) {
      this.unpin(frame);
    }
  }

  /** A place at the end of the order in which pages became dirty. */
  nextOrder(): number {
    this.#order += 1;
    return this.#order;
  }

  get lastOrder(): number {
    return this.#order;
  }

  /** Where the page's bytes begin. */
  at(frame: number): number {
    return frame * pageBytes;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  readonly #evicted = (key: number | string): void => {
    const frame = this.#frames.get(key as number);
    assert(frame !== undefined && this.dirty[frame] === 0, "a page that is dirty leaves");
    this.#frames.delete(key as number);
    this.#free.push(frame);
  };
}

const counts = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest &= rest - 1) {
    count += 1;
  }
  return count;
});

/** Set bits of a byte. */
export const bits = (byte: number): number => counts[byte] as number;

/** The sectors of a page that a range touches; `from` and `to` count from the page's beginning. */
export function sectorsOf(from: number, to: number): number {
  const first = Math.max(0, from) / sectorBytes;
  const end = Math.min(pageBytes, to) / sectorBytes;
  return ((1 << end) - 1) & ~((1 << first) - 1) & allSectors;
}
