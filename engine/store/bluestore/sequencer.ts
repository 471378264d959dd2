/**
 * The order of one collection: what waits to be prepared (transactions, and reads behind them), and
 * what is prepared and not yet handed to the key-value store. Both leave strictly in order.
 */
import type { Txc } from "./txc.ts";

/** A queue that gives memory back when it gets shorter. */
export class Fifo<T> {
  #items: T[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  head(): T | undefined {
    return this.#items[this.#first];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#first];
    if (this.#first + 1 >= this.#items.length) {
      // To set the length to 0 would throw away the memory that the next push needs.
      while (this.#items.length > 0) {
        this.#items.pop();
      }
      this.#first = 0;
    } else {
      this.#first += 1;
      if (this.#first >= 1024 && this.#first * 2 > this.#items.length) {
        this.#items = this.#items.slice(this.#first);
        this.#first = 0;
      }
    }
    return item;
  }
}

export class Sequencer {
  readonly collection: string;
  readonly waiting = new Fifo<Txc | (() => void)>();
  readonly prepared = new Fifo<Txc>();
  /** It is among those that wait for the throttle. */
  throttled = false;
  /** `prepareNext` is at work on it: calls from within have nothing to do. */
  busy = false;

  constructor(collection: string) {
    this.collection = collection;
  }

  get idle(): boolean {
    return this.waiting.length === 0 && this.prepared.length === 0;
  }
}
