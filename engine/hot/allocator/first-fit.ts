/**
 * The simplest allocator: free extents in order of their offsets, and a request takes the first ones
 * that fit. It is the example of an allocator from outside: copy this file, change what you like, check
 * it with `osdyno bench --conform FILE`, and name it with `--plugin FILE` and `bluestore_allocator`.
 */
import type { Allocator, AllocatorOptions, AllocatorStatistics, ExtentList } from "./allocator.ts";
import type { AllocatorPlugIn } from "./plug-in.ts";
import { fragmentationScore } from "./score.ts";

interface Free {
  offset: number;
  length: number;
}

function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function alignDown(value: number, unit: number): number {
  return Math.floor(value / unit) * unit;
}

export class FirstFitAllocator implements Allocator {
  readonly name = "first-fit";
  readonly capacityBytes: number;
  readonly blockBytes: number;
  /** By offset; no two touch. */
  readonly #free: Free[] = [];

  constructor(options: AllocatorOptions) {
    this.capacityBytes = options.capacityBytes;
    this.blockBytes = options.blockBytes;
  }

  allocate(
    wantBytes: number,
    unitBytes: number,
    maxExtentBytes: number,
    _hintBytes: number,
    into: ExtentList,
  ): number {
    const whole = Number.isInteger(Math.log2(unitBytes)) && unitBytes >= this.blockBytes;
    if (!whole || wantBytes <= 0 || wantBytes % unitBytes !== 0) {
      throw new Error(`no request: ${wantBytes} bytes in pieces of ${unitBytes}`);
    }
    const longest =
      maxExtentBytes === 0 ? wantBytes : Math.max(alignDown(maxExtentBytes, unitBytes), unitBytes);
    let taken = 0;
    let index = 0;
    while (taken < wantBytes && index < this.#free.length) {
      const { offset, length } = this.#free[index] as Free;
      const start = alignUp(offset, unitBytes);
      const usable = alignDown(offset + length - start, unitBytes);
      if (usable <= 0) {
        index += 1;
        continue;
      }
      const piece = Math.min(usable, longest, wantBytes - taken);
      this.#cut(index, start, piece);
      into.push(start, piece);
      taken += piece;
    }
    return taken;
  }

  /** Takes a part out of the free extent at `index`, which holds it. */
  #cut(index: number, start: number, length: number): void {
    const { offset, length: all } = this.#free[index] as Free;
    const parts = [
      { offset, length: start - offset },
      { offset: start + length, length: offset + all - start - length },
    ];
    this.#free.splice(index, 1, ...parts.filter((part) => part.length > 0));
  }

  /** Index of the first free extent that ends behind `at`. */
  #endingAfter(at: number): number {
    const index = this.#free.findIndex(({ offset, length }) => offset + length > at);
    return index < 0 ? this.#free.length : index;
  }

  release(extents: ExtentList): void {
    for (let index = 0; index < extents.count; index += 1) {
      this.#add(extents.offsetBytes(index), extents.lengthBytes(index));
    }
  }

  #check(offset: number, length: number): void {
    const whole = offset % this.blockBytes === 0 && length % this.blockBytes === 0;
    if (!whole || offset < 0 || length <= 0 || offset + length > this.capacityBytes) {
      throw new Error(`extent ${offset}+${length} is not whole blocks inside the device`);
    }
  }

  #add(offset: number, length: number): void {
    this.#check(offset, length);
    const index = this.#endingAfter(offset);
    const after = this.#free[index];
    if (after !== undefined && after.offset < offset + length) {
      throw new Error(`extent ${offset}+${length} is free already, or a part of it`);
    }
    const before = this.#free[index - 1];
    const joinsBefore = before !== undefined && before.offset + before.length === offset;
    const joinsAfter = after !== undefined && after.offset === offset + length;
    const start = joinsBefore ? before.offset : offset;
    const end = joinsAfter ? after.offset + after.length : offset + length;
    const first = joinsBefore ? index - 1 : index;
    const replaced = (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0);
    this.#free.splice(first, replaced, { offset: start, length: end - start });
  }

  removeFree(extents: ExtentList): void {
    for (let each = 0; each < extents.count; each += 1) {
      const offset = extents.offsetBytes(each);
      const length = extents.lengthBytes(each);
      this.#check(offset, length);
      const index = this.#endingAfter(offset);
      const free = this.#free[index];
      if (
        free === undefined ||
        free.offset > offset ||
        free.offset + free.length < offset + length
      ) {
        throw new Error(`extent ${offset}+${length} is not free, or a part of it`);
      }
      this.#cut(index, offset, length);
    }
  }

  freeBytes(): number {
    return this.#free.reduce((sum, { length }) => sum + length, 0);
  }

  forEachFree(visit: (offsetBytes: number, lengthBytes: number) => void): void {
    for (const { offset, length } of this.#free) {
      visit(offset, length);
    }
  }

  statistics(): AllocatorStatistics {
    const freeExtents = this.#free.length;
    const blocks = this.freeBytes() / this.blockBytes;
    return {
      freeExtents,
      largestFreeBytes: this.#free.reduce((most, { length }) => Math.max(most, length), 0),
      fragmentation: blocks < 2 ? 0 : (freeExtents - 1) / (blocks - 1),
      fragmentationScore: fragmentationScore(this.#free.map(({ length }) => length)),
      memoryBytes: freeExtents * 32,
    };
  }

  checkInvariants(): void {
    let end = -1;
    for (const { offset, length } of this.#free) {
      if (offset <= end || length <= 0) {
        throw new Error(`the free extent at ${offset} is empty or touches the one before`);
      }
      end = offset + length;
    }
  }

  close(): void {}
}

const plugIn: AllocatorPlugIn = {
  hotPath: "allocator",
  name: "first-fit",
  describe: "the first free extents that fit, by offset; small and slow",
  create: (_context, options) => new FirstFitAllocator(options),
};

export default plugIn;
