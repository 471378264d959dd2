import { Heap } from "../base/heap.ts";
import type { CancelTimer, Clock } from "../port/clock.ts";

interface Entry {
  atNs: number;
  order: number;
  readonly index: number;
}

/**
 * Operations by the time at which they complete, and the one callback that waits for them. What a
 * device without hardware below needs to be polled and parked on.
 */
export class ReadyQueue {
  readonly #clock: Clock;
  readonly #entries: readonly Entry[];
  readonly #heap = new Heap<Entry>(
    (a, b) => a.atNs < b.atNs || (a.atNs === b.atNs && a.order < b.order),
  );
  #added = 0;
  #callback: (() => void) | null = null;
  #armedNs = Number.POSITIVE_INFINITY;
  #cancel: CancelTimer | null = null;

  /** Indices are below `capacity`; each may be in the queue once. */
  constructor(clock: Clock, capacity: number) {
    this.#clock = clock;
    this.#entries = Array.from({ length: capacity }, (_, index) => ({ atNs: 0, order: 0, index }));
  }

  get size(): number {
    return this.#heap.size;
  }

  add(index: number, atNs: number): void {
    const entry = this.#entries[index];
    if (entry === undefined) {
      throw new Error("internal error: an operation beyond the queue's capacity");
    }
    this.#added += 1;
    entry.atNs = atNs;
    entry.order = this.#added;
    this.#heap.push(entry);
    this.#arm();
  }

  /** Takes the operation that completed first until `nowNs`; -1 when there is none. */
  take(nowNs: number): number {
    const top = this.#heap.peek();
    if (top === undefined || top.atNs > nowNs) {
      return -1;
    }
    this.#heap.pop();
    return top.index;
  }

  /** When the operation `index` completed; valid until the index is added again. */
  timeOf(index: number): number {
    return this.#entries[index]?.atNs ?? 0;
  }

  /** Calls back once when `take` may give something; a later call replaces an earlier one. */
  onReady(callback: () => void): void {
    this.#callback = callback;
    this.#arm();
  }

  clear(): void {
    this.#heap.clear();
    this.#callback = null;
    this.#disarm();
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#armedNs = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const top = this.#heap.peek();
    if (this.#callback === null || top === undefined || top.atNs >= this.#armedNs) {
      return;
    }
    this.#disarm();
    this.#armedNs = top.atNs;
    this.#cancel = this.#clock.at(top.atNs, () => {
      this.#cancel = null;
      this.#armedNs = Number.POSITIVE_INFINITY;
      const callback = this.#callback;
      this.#callback = null;
      callback?.();
    });
  }
}
