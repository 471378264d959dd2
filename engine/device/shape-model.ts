/** What every model of a shape is: told what arrives, it tells what completes, and has no clock. */
import { Heap } from "../base/heap.ts";
import type { OpKind } from "../port/block-device.ts";

export interface ShapeModel {
  /** An operation arrives; times never go back. `index` names it until it completes. */
  admit(
    nowNs: number,
    index: number,
    kind: OpKind,
    durable: boolean,
    offsetBytes: number,
    lengthBytes: number,
  ): void;
  /** Tells what has completed until `nowNs`, in order; every operation once. */
  advance(nowNs: number, done: (index: number, atNs: number) => void): void;
  /** When something may complete or has to be decided; Infinity: nothing is under way. */
  nextNs(): number;
}

interface Due {
  atNs: number;
  order: number;
  index: number;
}

/** Operations by the time at which they complete; entries are used again. */
export class DueQueue {
  readonly #heap = new Heap<Due>(
    (a, b) => a.atNs < b.atNs || (a.atNs === b.atNs && a.order < b.order),
  );
  readonly #spare: Due[] = [];
  #added = 0;

  get size(): number {
    return this.#heap.size;
  }

  add(index: number, atNs: number): void {
    this.#added += 1;
    const due = this.#spare.pop() ?? { atNs: 0, order: 0, index: 0 };
    due.atNs = atNs;
    due.order = this.#added;
    due.index = index;
    this.#heap.push(due);
  }

  nextNs(): number {
    return this.#heap.peek()?.atNs ?? Number.POSITIVE_INFINITY;
  }

  advance(nowNs: number, done: (index: number, atNs: number) => void): void {
    for (let due = this.#heap.peek(); due !== undefined && due.atNs <= nowNs; ) {
      this.#heap.pop();
      const { index, atNs } = due;
      this.#spare.push(due);
      done(index, atNs);
      due = this.#heap.peek();
    }
  }
}
