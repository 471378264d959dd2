import { assert } from "../../base/assert.ts";
import type { CacheOptions, OnEvict } from "./cache.ts";
import { ListedPolicy } from "./listed-policy.ts";

const hot = 0;
const warmIn = 1;
const warmOut = 2;

/**
 * 2Q as in BlueStore's buffer cache: what is new goes to `warm_in`, a queue that uses do not reorder; what
 * leaves it is remembered by its key in `warm_out`, and what is wanted again from there is `hot`, an LRU
 * list. (T. Johnson, D. Shasha, "2Q: a low overhead high performance buffer management replacement
 * algorithm", 1994, in bytes.) What one list does not use of its share, the other may.
 */
export class TwoQueue extends ListedPolicy {
  readonly #inRatio: number;
  readonly #outRatio: number;

  constructor(options: CacheOptions) {
    super("2q", ["hot", "warm_in"], ["warm_out"], options);
    this.#inRatio = options.bluestore_2q_cache_kin_ratio ?? 0.5;
    this.#outRatio = options.bluestore_2q_cache_kout_ratio ?? 0.5;
    assert(this.#inRatio >= 0 && this.#inRatio <= 1, "2q: the share of warm_in is 0 to 1");
    assert(this.#outRatio >= 0, "2q: the share of warm_out is not negative");
  }

  protected place(slot: number, ghost: number): void {
    this.entries.linkFront(slot, ghost === warmOut ? hot : warmIn);
  }

  protected touched(slot: number): void {
    if (this.entries.list[slot] === hot) {
      this.moveTo(slot, hot);
    }
  }

  protected shrink(roomBytes: number, onEvict: OnEvict): void {
    const { entries } = this;
    const { listBytes } = entries;
    const hotBytes = listBytes[hot] as number;
    const inBytes = listBytes[warmIn] as number;
    if (hotBytes + inBytes > roomBytes) {
      let inRoom = Math.floor(roomBytes * this.#inRatio);
      let hotRoom = roomBytes - inRoom;
      if (hotBytes < hotRoom) {
        inRoom += hotRoom - hotBytes;
      } else if (inBytes < inRoom) {
        hotRoom += inRoom - inBytes;
      }
      while ((listBytes[warmIn] as number) > inRoom) {
        this.evict(entries.last(warmIn), warmOut, onEvict);
      }
      while ((listBytes[hot] as number) > hotRoom) {
        this.evict(entries.last(hot), -1, onEvict);
      }
    }
    this.trimGhosts(warmOut, roomBytes * this.#outRatio);
  }
}
