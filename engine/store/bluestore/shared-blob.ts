/** Space that several objects refer to after a clone: how often each extent of it is referred to. */
import { assert } from "../../base/assert.ts";
import type { ExtentList } from "../../hot/allocator/allocator.ts";

/** Counts by disk extent, sorted, neighbours with one count merged. */
export class RefMap {
  readonly offsets: number[] = [];
  readonly lengths: number[] = [];
  readonly refs: number[] = [];

  get empty(): boolean {
    return this.offsets.length === 0;
  }

  /** Index of the first extent that ends behind `offset`. */
  #find(offset: number): number {
    let low = 0;
    let high = this.offsets.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.offsets[middle] as number) + (this.lengths[middle] as number) > offset) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  #insert(at: number, offset: number, length: number, refs: number): void {
    this.offsets.splice(at, 0, offset);
    this.lengths.splice(at, 0, length);
    this.refs.splice(at, 0, refs);
  }

  #remove(at: number): void {
    this.offsets.splice(at, 1);
    this.lengths.splice(at, 1);
    this.refs.splice(at, 1);
  }

  /** Cuts the extent at `at` in two at `offset`, which lies in it. */
  #cut(at: number, offset: number): void {
    const start = this.offsets[at] as number;
    const length = this.lengths[at] as number;
    this.lengths[at] = offset - start;
    this.#insert(at + 1, offset, start + length - offset, this.refs[at] as number);
  }

  /** Makes `offset` a boundary and gives the index of what begins there or behind. */
  #boundary(offset: number): number {
    const at = this.#find(offset);
    const start = this.offsets[at];
    if (start !== undefined && start < offset) {
      this.#cut(at, offset);
      return at + 1;
    }
    return at;
  }

  /** Merges neighbours of one count among `from` - 1 ... `to` + 1. */
  #merge(from: number, to: number): void {
    for (let at = Math.min(to + 1, this.offsets.length - 1); at > Math.max(0, from - 1); at -= 1) {
      const before = at - 1;
      const end = (this.offsets[before] as number) + (this.lengths[before] as number);
      if (end === this.offsets[at] && this.refs[before] === this.refs[at]) {
        this.lengths[before] = (this.lengths[before] as number) + (this.lengths[at] as number);
        this.#remove(at);
      }
    }
  }

  /** One more reference to every part of the extent. */
  get(offset: number, length: number): void {
    const end = offset + length;
    const first = this.#boundary(offset);
    this.#boundary(end);
    let at = first;
    for (let position = offset; position < end; at += 1) {
      const start = this.offsets[at];
      if (start === position) {
        this.refs[at] = (this.refs[at] as number) + 1;
      } else {
        const stop = start === undefined ? end : Math.min(end, start);
        this.#insert(at, position, stop - position, 1);
      }
      position += this.lengths[at] as number;
    }
    this.#merge(first, at);
  }

  /** One reference less; what has none left goes to `released`. */
  put(offset: number, length: number, released: ExtentList): void {
    const end = offset + length;
    const first = this.#boundary(offset);
    this.#boundary(end);
    let at = first;
    for (let position = offset; position < end; ) {
      assert(this.offsets[at] === position, "space that nobody refers to is given up");
      const piece = this.lengths[at] as number;
      const refs = (this.refs[at] as number) - 1;
      if (refs === 0) {
        released.push(position, piece);
        this.#remove(at);
      } else {
        this.refs[at] = refs;
        at += 1;
      }
      position += piece;
    }
    this.#merge(first, at);
  }
}

export class SharedBlob {
  readonly id: number;
  readonly map: RefMap;
  /** Blobs in memory that refer to it. */
  users = 0;
  /** Transactions that changed it and are not committed. */
  pending = 0;
  /** The transaction that has it among those to write; 0: none. */
  dirtyIn = 0;

  constructor(id: number, map: RefMap) {
    this.id = id;
    this.map = map;
  }
}
