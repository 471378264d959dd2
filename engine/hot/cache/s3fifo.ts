import type { CacheOptions, OnEvict } from "./cache.ts";
import { ListedPolicy } from "./listed-policy.ts";

const small = 0;
const main = 1;
const gone = 2;

const smallShare = 0.1;
const mostUses = 3;

/**
 * S3-FIFO: three queues and no reordering on use, only a count up to 3. What is new passes a small queue and
 * leaves soon unless it was used twice there; the main queue gives what was used another round; keys that
 * left the small queue go straight to the main one when they come back. (J. Yang et al., "FIFO queues are
 * all you need for cache eviction", SOSP 2023, in bytes.)
 */
export class S3Fifo extends ListedPolicy {
  constructor(options: CacheOptions) {
    super("s3fifo", ["small", "main"], ["gone"], options);
  }

  protected place(slot: number, ghost: number): void {
    this.entries.linkFront(slot, ghost === gone ? main : small);
  }

  protected touched(slot: number): void {
    const { mark } = this.entries;
    const uses = mark[slot] as number;
    if (uses < mostUses) {
      mark[slot] = uses + 1;
    }
  }

  protected shrink(roomBytes: number, onEvict: OnEvict): void {
    const { entries } = this;
    const { listBytes } = entries;
    const smallRoom = roomBytes * smallShare;
    while ((listBytes[small] as number) + (listBytes[main] as number) > roomBytes) {
      if ((listBytes[small] as number) > smallRoom || entries.isEmpty(main)) {
        this.#leaveSmall(onEvict);
      } else {
        this.#leaveMain(onEvict);
      }
    }
    this.trimGhosts(gone, roomBytes - smallRoom);
  }

  #leaveSmall(onEvict: OnEvict): void {
    const { entries } = this;
    const slot = entries.last(small);
    if ((entries.mark[slot] as number) > 1) {
      entries.mark[slot] = 0;
      entries.toFront(slot, main);
    } else {
      this.evict(slot, gone, onEvict);
    }
  }

  #leaveMain(onEvict: OnEvict): void {
    const { entries } = this;
    const slot = entries.last(main);
    const uses = entries.mark[slot] as number;
    if (uses > 0) {
      entries.mark[slot] = uses - 1;
      entries.toFront(slot, main);
    } else {
      this.evict(slot, -1, onEvict);
    }
  }
}
