import type { CacheOptions, OnEvict } from "./cache.ts";
import { ListedPolicy } from "./listed-policy.ts";

const all = 0;

/**
 * SIEVE: one queue in order of arrival and a hand that goes from its end to its front, takes the mark of what
 * was used and evicts what has none; entries stay where they are. (Y. Zhang et al., "SIEVE is simpler than
 * LRU", NSDI 2024.)
 */
export class Sieve extends ListedPolicy {
  /** The entry to judge next, -1: the one at the end. */
  #hand = -1;

  constructor(options: CacheOptions) {
    super("sieve", ["all"], [], options);
  }

  protected place(slot: number): void {
    this.entries.linkFront(slot, all);
  }

  protected touched(slot: number): void {
    this.entries.mark[slot] = 1;
  }

  protected override leaving(slot: number): void {
    if (slot === this.#hand) {
      this.#hand = this.#before(slot);
    }
  }

  protected shrink(roomBytes: number, onEvict: OnEvict): void {
    const { entries } = this;
    while ((entries.listBytes[all] as number) > roomBytes) {
      let slot = this.#hand < 0 ? entries.last(all) : this.#hand;
      while (entries.mark[slot] !== 0) {
        entries.mark[slot] = 0;
        const before = this.#before(slot);
        slot = before < 0 ? entries.last(all) : before;
      }
      this.#hand = slot;
      this.evict(slot, -1, onEvict);
    }
  }

  /** The entry that came next after this one, -1: there is none. */
  #before(slot: number): number {
    const before = this.entries.prev[slot] as number;
    return before === all ? -1 : before;
  }
}
