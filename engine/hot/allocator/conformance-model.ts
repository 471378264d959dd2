/** The naive model that allocators are compared with: a state for each block. */
import type { ExtentList } from "./allocator.ts";

/** What an allocator did that it must not; one line. */
export class ConformanceFailure extends Error {}

export function expect(condition: boolean, what: string): asserts condition {
  if (!condition) {
    throw new ConformanceFailure(what);
  }
}

export class BlockModel {
  readonly blockBytes: number;
  readonly #free: Uint8Array;

  constructor(capacityBytes: number, blockBytes: number) {
    this.blockBytes = blockBytes;
    this.#free = new Uint8Array(capacityBytes / blockBytes);
  }

  get blockCount(): number {
    return this.#free.length;
  }

  #part(offsetBytes: number, lengthBytes: number): Uint8Array {
    const from = offsetBytes / this.blockBytes;
    return this.#free.subarray(from, from + lengthBytes / this.blockBytes);
  }

  /** Whether all of it is free (or all is in use). */
  all(offsetBytes: number, lengthBytes: number, free: boolean): boolean {
    return this.#part(offsetBytes, lengthBytes).every((each) => each === (free ? 1 : 0));
  }

  set(offsetBytes: number, lengthBytes: number, free: boolean): void {
    this.#part(offsetBytes, lengthBytes).fill(free ? 1 : 0);
  }

  freeBytes(): number {
    return this.#free.reduce((sum, each) => sum + each, 0) * this.blockBytes;
  }

  /** Free extents by offset, neighbours merged: pairs in bytes. */
  extents(): [number, number][] {
    const found: [number, number][] = [];
    let block = this.#free.indexOf(1);
    while (block >= 0) {
      const used = this.#free.indexOf(0, block);
      const end = used < 0 ? this.#free.length : used;
      found.push([block * this.blockBytes, (end - block) * this.blockBytes]);
      block = this.#free.indexOf(1, end);
    }
    return found;
  }

  /** Bytes that can be had in pieces of this unit. */
  usableBytes(unitBytes: number): number {
    let sum = 0;
    for (const [offset, length] of this.extents()) {
      const start = Math.ceil(offset / unitBytes) * unitBytes;
      sum += Math.max(0, Math.floor((offset + length - start) / unitBytes) * unitBytes);
    }
    return sum;
  }

  /** Judges the pieces of an allocation and marks them as in use. */
  take(extents: ExtentList, first: number, unitBytes: number, maxExtentBytes: number): number {
    let taken = 0;
    for (let index = first; index < extents.count; index += 1) {
      const offset = extents.offsetBytes(index);
      const length = extents.lengthBytes(index);
      const name = `extent ${offset}+${length}`;
      expect(length > 0, `${name} is empty`);
      expect(offset % unitBytes === 0, `${name} does not start at a multiple of ${unitBytes}`);
      expect(length % unitBytes === 0, `${name} is not a multiple of ${unitBytes} long`);
      const inside = offset >= 0 && offset + length <= this.blockCount * this.blockBytes;
      expect(inside, `${name} is not inside the device`);
      const longest = Math.max(maxExtentBytes, unitBytes);
      expect(maxExtentBytes === 0 || length <= longest, `${name} is longer than ${longest}`);
      expect(this.all(offset, length, true), `${name} was allocated and is in use already`);
      this.set(offset, length, false);
      taken += length;
    }
    return taken;
  }
}
