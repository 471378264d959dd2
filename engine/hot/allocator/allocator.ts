/** Allocators of disk space, as `bluestore_allocator` selects them: the interface. */

/** Extents as pairs of offset and length in bytes; made once and used again. */
export class ExtentList {
  /** Extents in the list. */
  count = 0;
  /** Offset and length of extent `i` stand at `2 * i`; longer than the list; replaced when it grows. */
  pairs = new Float64Array(16);

  /** A list of these extents, for tests and small things. */
  static of(...extents: readonly (readonly [number, number])[]): ExtentList {
    const list = new ExtentList();
    for (const [offsetBytes, lengthBytes] of extents) {
      list.push(offsetBytes, lengthBytes);
    }
    return list;
  }

  push(offsetBytes: number, lengthBytes: number): void {
    const at = this.count * 2;
    if (at === this.pairs.length) {
      this.reserve(this.count + 1);
    }
    this.pairs[at] = offsetBytes;
    this.pairs[at + 1] = lengthBytes;
    this.count += 1;
  }

  /** As `push`; an extent that follows the last one becomes one with it. */
  pushJoined(offsetBytes: number, lengthBytes: number): void {
    const last = 2 * this.count - 2;
    const { pairs } = this;
    if (last >= 0 && (pairs[last] as number) + (pairs[last + 1] as number) === offsetBytes) {
      pairs[last + 1] = (pairs[last + 1] as number) + lengthBytes;
    } else {
      this.push(offsetBytes, lengthBytes);
    }
  }

  /** Makes room for so many extents. */
  reserve(count: number): void {
    if (count * 2 > this.pairs.length) {
      const grown = new Float64Array(Math.max(count * 2, this.pairs.length * 2));
      grown.set(this.pairs.subarray(0, this.count * 2));
      this.pairs = grown;
    }
  }

  clear(): void {
    this.count = 0;
  }

  offsetBytes(index: number): number {
    return this.pairs[index * 2] as number;
  }

  lengthBytes(index: number): number {
    return this.pairs[index * 2 + 1] as number;
  }
}

/** What an allocator says of its free space; to gather it may take time in the number of free extents. */
export interface AllocatorStatistics {
  /** Free extents, neighbours counted as one. */
  readonly freeExtents: number;
  readonly largestFreeBytes: number;
  /** (free extents - 1) / (free blocks - 1). */
  readonly fragmentation: number;
  /** Of `score.ts`: 0 best, 1 worst. */
  readonly fragmentationScore: number;
  /** Of the map of free space. */
  readonly memoryBytes: number;
}

/** All space is in use at first. Offsets and lengths are multiples of the block and safe integers. */
export interface Allocator {
  readonly name: string;
  readonly capacityBytes: number;
  readonly blockBytes: number;

  /**
   * Takes up to `wantBytes`, a multiple of `unitBytes` (a power of two, at least the block), and appends
   * to `into` pieces that MUST be multiples of the unit, start at multiples of it, and be no longer than
   * `maxExtentBytes` (0: no limit; below the unit: the unit). `hintBytes`: where to look first (0: no
   * wish), which may be ignored. Returns the bytes taken; MUST be `wantBytes` as long as so much is free
   * in such pieces, else all there is. Throws when the request is none.
   */
  allocate(
    wantBytes: number,
    unitBytes: number,
    maxExtentBytes: number,
    hintBytes: number,
    into: ExtentList,
  ): number;

  /**
   * Makes space free: what allocations gave, wholly or in part, or to begin with. MUST throw, without
   * effect, at an extent that is free already, if only in part; the extents before it stay released.
   */
  release(extents: ExtentList): void;

  /** Takes exactly these extents; MUST throw, without effect, at one that is not wholly free. */
  removeFree(extents: ExtentList): void;

  freeBytes(): number;

  /** Calls back for each free extent by offset; neighbours MUST be merged. */
  forEachFree(visit: (offsetBytes: number, lengthBytes: number) => void): void;

  statistics(): AllocatorStatistics;

  /** Throws when structures do not agree with each other. For tests; takes its time. */
  checkInvariants(): void;

  /** Gives up what is held outside of the heap. */
  close(): void;
}

/** How an allocator is made. */
export interface AllocatorOptions {
  /** A multiple of the block. */
  readonly capacityBytes: number;
  /** A power of two: `bluestore_min_alloc_size`. */
  readonly blockBytes: number;
  /** By Ceph's option names, e.g. `bluestore_hybrid_alloc_mem_cap`. */
  readonly parameters?: Readonly<Record<string, number>>;
}

/** Takes `wantBytes` or nothing; says whether it did. What was found of less is given back. */
export function allocateAll(
  allocator: Allocator,
  wantBytes: number,
  unitBytes: number,
  maxExtentBytes: number,
  hintBytes: number,
  into: ExtentList,
): boolean {
  const before = into.count;
  if (allocator.allocate(wantBytes, unitBytes, maxExtentBytes, hintBytes, into) === wantBytes) {
    return true;
  }
  if (into.count > before) {
    const back = new ExtentList();
    for (let index = before; index < into.count; index += 1) {
      back.push(into.offsetBytes(index), into.lengthBytes(index));
    }
    into.count = before;
    allocator.release(back);
  }
  return false;
}
