import type { CacheOptions, OnEvict } from "./cache.ts";
import { ListedPolicy } from "./listed-policy.ts";

const once = 0;
const often = 1;
const onceGone = 2;
const oftenGone = 3;

/**
 * ARC: two LRU lists, of what was used once and of what was used again, whose shares follow which of the
 * two lost something that is wanted again. (N. Megiddo, D. S. Modha, "ARC: a self-tuning, low overhead
 * replacement cache", 2003.) Here in bytes, and adapted when an entry comes back rather than when room is
 * made for it, as the owner trims later.
 */
export class Arc extends ListedPolicy {
  /** Bytes that `once` should have. */
  #onceTarget = 0;
  /** Of the last trim: the bound of what `#onceTarget` can be. */
  #room = Number.MAX_SAFE_INTEGER;

  constructor(options: CacheOptions) {
    super("arc", ["once", "often"], ["once_gone", "often_gone"], options);
  }

  protected place(slot: number, ghost: number): void {
    const { listBytes, bytes } = this.entries;
    // The entry's own key has left the ghost list by now; it counts with its size.
    const size = bytes[slot] as number;
    if (ghost === onceGone) {
      const lost = (listBytes[onceGone] as number) + size;
      const step = size * Math.max(1, lost === 0 ? 1 : (listBytes[oftenGone] as number) / lost);
      this.#onceTarget = Math.min(this.#room, this.#onceTarget + step);
    } else if (ghost === oftenGone) {
      const lost = (listBytes[oftenGone] as number) + size;
      const step = size * Math.max(1, lost === 0 ? 1 : (listBytes[onceGone] as number) / lost);
      this.#onceTarget = Math.max(0, this.#onceTarget - step);
    }
    this.entries.linkFront(slot, ghost < 0 ? once : often);
  }

  protected touched(slot: number): void {
    this.moveTo(slot, often);
  }

  protected shrink(roomBytes: number, onEvict: OnEvict): void {
    const { entries } = this;
    const { listBytes } = entries;
    this.#room = roomBytes;
    this.#onceTarget = Math.min(this.#onceTarget, roomBytes);
    while ((listBytes[once] as number) + (listBytes[often] as number) > roomBytes) {
      const fromOnce =
        !entries.isEmpty(once) &&
        (entries.isEmpty(often) || (listBytes[once] as number) > this.#onceTarget);
      if (fromOnce) {
        this.evict(entries.last(once), onceGone, onEvict);
      } else {
        this.evict(entries.last(often), oftenGone, onEvict);
      }
    }
    this.trimGhosts(onceGone, roomBytes - (listBytes[once] as number));
    const held = (listBytes[once] as number) + (listBytes[often] as number);
    this.trimGhosts(oftenGone, 2 * roomBytes - held - (listBytes[onceGone] as number));
  }
}
