import type { CacheOptions, OnEvict } from "./cache.ts";
import { ListedPolicy } from "./listed-policy.ts";

const all = 0;

/** Least recently used leaves first. */
export class Lru extends ListedPolicy {
  constructor(options: CacheOptions) {
    super("lru", ["all"], [], options);
  }

  protected place(slot: number): void {
    this.entries.linkFront(slot, all);
  }

  protected touched(slot: number): void {
    this.moveTo(slot, all);
  }

  protected shrink(roomBytes: number, onEvict: OnEvict): void {
    const { entries } = this;
    while ((entries.listBytes[all] as number) > roomBytes) {
      this.evict(entries.last(all), -1, onEvict);
    }
  }
}
