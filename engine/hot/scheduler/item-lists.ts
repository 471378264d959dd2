/** Queues of operations as linked lists through one array, so that an operation costs no memory of its own. */
import { grown } from "./client-heap.ts";

/** Links from each operation to the one behind it; an operation is in one list at a time. */
export class ItemLinks {
  next = new Int32Array(64);

  /** Makes room for `item`. */
  reach(item: number): void {
    if (item >= this.next.length) {
      let length = this.next.length;
      while (length <= item) {
        length *= 2;
      }
      this.next = grown(this.next, length, 0);
    }
  }
}

/** First in, first out. */
export class ItemList {
  first = -1;
  last = -1;
  readonly #links: ItemLinks;

  constructor(links: ItemLinks) {
    this.#links = links;
  }

  push(item: number): void {
    this.#links.reach(item);
    this.#links.next[item] = -1;
    if (this.last < 0) {
      this.first = item;
    } else {
      this.#links.next[this.last] = item;
    }
    this.last = item;
  }

  unshift(item: number): void {
    this.#links.reach(item);
    this.#links.next[item] = this.first;
    this.first = item;
    if (this.last < 0) {
      this.last = item;
    }
  }

  /** Takes the oldest out; -1: none. */
  shift(): number {
    const item = this.first;
    if (item >= 0) {
      this.first = this.#links.next[item] as number;
      if (this.first < 0) {
        this.last = -1;
      }
    }
    return item;
  }

  /** Takes out those for which `wanted` holds, oldest first; returns their number. */
  removeWhere(wanted: (item: number) => boolean, removed: (item: number) => void): number {
    const next = this.#links.next;
    let count = 0;
    let kept = -1;
    for (let item = this.first; item >= 0; ) {
      const after = next[item] as number;
      if (!wanted(item)) {
        kept = item;
      } else {
        if (kept < 0) {
          this.first = after;
        } else {
          next[kept] = after;
        }
        count += 1;
        removed(item);
      }
      item = after;
    }
    this.last = kept;
    return count;
  }
}
