/**
 * A blob: a piece of an object's data as it lies on the device, with its checksums. Extents of the
 * object's map refer to ranges of it; what nobody refers to any more is given up unit by unit.
 */
import { assert } from "../../base/assert.ts";
import type { ExtentList } from "../../hot/allocator/allocator.ts";
import type { SharedBlob } from "./shared-blob.ts";

/** In place of a disk offset: nothing is allocated there. */
export const hole = -1;
/** Bits that say which sixteenths of a blob were never written. */
export const unusedParts = 16;

const noSums = new Uint8Array(0);
/** Of a blob with one disk extent, or none; nobody writes to it. */
const noMore: number[] = [];
/** Used again and again. */
const taken: number[] = [];

export class Blob {
  /** Bytes that the blob stands for, before compression. */
  logicalBytes = 0;
  /** Bytes on the device with the compression header, without padding; 0: not compressed. */
  compressedBytes = 0;
  // Disk extents that follow each other from the blob's start. Most blobs have one, which stands in the
  // blob itself: arrays for it took more memory, and more time to fetch, than all the rest.
  #diskCount = 0;
  #diskBytes = 0;
  #firstOffset = hole;
  #firstLength = 0;
  /** Offset and length of those behind the first, in turn; behind `#diskCount` is what was once. */
  #more: number[] = noMore;
  /** Values of one checksum for every chunk of the disk bytes; empty: no checksums. */
  sums: Uint8Array = noSums;
  /** Of the blob's last use, to be used again. */
  #spareSums: Uint8Array = noSums;
  /** Index into `checksumNames`. */
  sumType = 0;
  /** log2 of the chunk in bytes. */
  sumOrder = 0;
  sumBytes = 0;
  /** Bit i: the i-th sixteenth has never been written, though it is allocated. */
  unused = 0;
  shared: SharedBlob | null = null;
  /** Number among the onode's blobs that several shards refer to; -1: one shard only. */
  spanningId = -1;
  /** Bytes that extents refer to, by unit of `unitBytes`. */
  used: number[] = [];
  unitBytes = 0;
  /** Position among the blobs of the shard that is written or read; -1 outside of that. */
  index = -1;
  /** The encoding run that `index` belongs to. */
  run = 0;

  /** Makes it as new. Nobody MUST refer to it or to its checksums. */
  reset(): void {
    this.logicalBytes = 0;
    this.compressedBytes = 0;
    this.#diskCount = 0;
    this.#diskBytes = 0;
    this.#more = noMore;
    this.#spareSums = this.sums;
    this.sums = noSums;
    this.sumType = 0;
    this.sumOrder = 0;
    this.sumBytes = 0;
    this.unused = 0;
    this.shared = null;
    this.spanningId = -1;
    this.unitBytes = 0;
    this.index = -1;
    this.run = 0;
  }

  get compressed(): boolean {
    return this.compressedBytes > 0;
  }

  /** Data may be written into it. */
  get mutable(): boolean {
    return this.shared === null && this.compressedBytes === 0;
  }

  /** Bytes on the device, holes counted; a multiple of the unit. */
  get diskBytes(): number {
    return this.#diskBytes;
  }

  /** Disk extents, holes counted. */
  get diskCount(): number {
    return this.#diskCount;
  }

  /** Where a disk extent lies; `hole`: nowhere. */
  diskOffset(index: number): number {
    return index === 0 ? this.#firstOffset : (this.#more[2 * index - 2] as number);
  }

  diskLength(index: number): number {
    return index === 0 ? this.#firstLength : (this.#more[2 * index - 1] as number);
  }

  /** Checksum chunk, or the device's block without checksums. */
  chunkBytes(blockBytes: number): number {
    return this.sumBytes === 0 ? blockBytes : 1 << this.sumOrder;
  }

  initUse(unitBytes: number): void {
    // A compressed blob can only be given up whole; a checksum needs its whole chunk.
    const chunk = this.sumBytes === 0 ? unitBytes : 1 << this.sumOrder;
    this.unitBytes = this.compressed ? this.logicalBytes : Math.max(unitBytes, chunk);
    const units = Math.ceil(this.logicalBytes / this.unitBytes);
    if (this.used.length === 0) {
      // Exactly as long: pushing to an empty array makes room for 17.
      this.used = new Array<number>(units).fill(0);
    }
    while (this.used.length < units) {
      this.used.push(0);
    }
    // One that was reset has those of its last use, all 0.
    while (this.used.length > units) {
      this.used.pop();
    }
  }

  get referencedBytes(): number {
    const { used } = this;
    let bytes = 0;
    for (let unit = 0; unit < used.length; unit += 1) {
      bytes += used[unit] as number;
    }
    return bytes;
  }

  getRef(offset: number, length: number): void {
    const { unitBytes, used } = this;
    const end = offset + length;
    let unit = Math.floor(offset / unitBytes);
    for (let at = offset; at < end; unit += 1) {
      const stop = Math.min(end, (unit + 1) * unitBytes);
      used[unit] = (used[unit] as number) + stop - at;
      at = stop;
    }
  }

  /** Gives references up; space without any becomes a hole and goes to `released`. */
  putRef(offset: number, length: number, released: ExtentList): void {
    const { unitBytes, used } = this;
    const end = offset + length;
    let unit = Math.floor(offset / unitBytes);
    // Units that follow each other are given up together: those from `first` up to here.
    let first = unit;
    for (let at = offset; at < end; unit += 1) {
      const stop = Math.min(end, (unit + 1) * unitBytes);
      const left = (used[unit] as number) - (stop - at);
      assert(left >= 0, "a blob has fewer references than are given up");
      used[unit] = left;
      if (left > 0) {
        this.#release(first * unitBytes, unit * unitBytes, released);
        first = unit + 1;
      }
      at = stop;
    }
    this.#release(first * unitBytes, unit * unitBytes, released);
  }

  #release(offset: number, stop: number, released: ExtentList): void {
    // What is compressed has one unit of more bytes than it takes on the device.
    const end = Math.min(stop, this.#diskBytes);
    if (offset >= end) {
      return;
    }
    const { shared } = this;
    let start = 0;
    for (let at = 0; at < this.#diskCount && start < end; at += 1) {
      const disk = this.diskOffset(at);
      const bytes = this.diskLength(at);
      const from = Math.max(start, offset);
      const to = Math.min(start + bytes, end);
      if (from < to && disk !== hole) {
        if (shared === null) {
          released.push(disk + from - start, to - from);
        } else {
          shared.map.put(disk + from - start, to - from, released);
        }
      }
      start += bytes;
    }
    this.setDisk(offset, end - offset, hole);
  }

  /** Makes the disk bytes at `offset` lie at `disk` (or be a hole); appends behind the end. */
  setDisk(offset: number, length: number, disk: number): void {
    const total = this.#diskBytes;
    if (offset >= total) {
      this.addDisk(hole, offset - total);
      this.addDisk(disk, length);
      return;
    }
    const pieces = this.#takeDisk();
    const count = pieces.length;
    const end = offset + length;
    let start = 0;
    let placed = false;
    for (let at = 0; at < count; at += 2) {
      const from = pieces[at] as number;
      const stop = start + (pieces[at + 1] as number);
      if (start < offset) {
        this.addDisk(from, Math.min(stop, offset) - start);
      }
      if (!placed && stop >= Math.min(end, total)) {
        this.addDisk(disk, length);
        placed = true;
      }
      if (stop > end) {
        const rest = Math.max(start, end);
        this.addDisk(from === hole ? hole : from + rest - start, stop - rest);
      }
      start = stop;
    }
  }

  /** The blob's one disk extent lies at `disk` from now on. */
  moveTo(disk: number): void {
    this.#firstOffset = disk;
  }

  /** Forgets the disk bytes from `offset` on. */
  cutDisk(offset: number): void {
    const pieces = this.#takeDisk();
    for (let at = 0; at < pieces.length && this.#diskBytes < offset; at += 2) {
      const length = Math.min(pieces[at + 1] as number, offset - this.#diskBytes);
      this.addDisk(pieces[at] as number, length);
    }
  }

  /** The disk extents, offset and length in turn, which are to be added again; valid until the next call. */
  #takeDisk(): readonly number[] {
    const count = this.#diskCount;
    while (taken.length > 2 * count) {
      taken.pop();
    }
    for (let at = 0; at < count; at += 1) {
      taken[2 * at] = this.diskOffset(at);
      taken[2 * at + 1] = this.diskLength(at);
    }
    this.#diskCount = 0;
    this.#diskBytes = 0;
    return taken;
  }

  /** Adds disk bytes, or a hole, behind the others; nothing if `length` is not above 0. */
  addDisk(disk: number, length: number): void {
    if (length <= 0) {
      return;
    }
    this.#diskBytes += length;
    const last = this.#diskCount - 1;
    if (last < 0) {
      this.#firstOffset = disk;
      this.#firstLength = length;
      this.#diskCount = 1;
      return;
    }
    const before = this.diskOffset(last);
    const bytes = this.diskLength(last);
    if (before === hole ? disk === hole : disk === before + bytes) {
      if (last === 0) {
        this.#firstLength = bytes + length;
      } else {
        this.#more[2 * last - 1] = bytes + length;
      }
      return;
    }
    if (this.#more === noMore) {
      this.#more = [disk, length];
    } else {
      this.#more[2 * last] = disk;
      this.#more[2 * last + 1] = length;
    }
    this.#diskCount = last + 2;
  }

  /** Every byte of the range lies on the device. */
  isAllocated(offset: number, length: number): boolean {
    return this.#all(offset, length, false);
  }

  /** No byte of the range does; beyond the end counts. */
  isUnallocated(offset: number, length: number): boolean {
    return this.#all(offset, length, true);
  }

  #all(offset: number, length: number, asHole: boolean): boolean {
    const end = offset + length;
    let start = 0;
    for (let at = 0; at < this.#diskCount && start < end; at += 1) {
      const stop = start + this.diskLength(at);
      if (stop > offset && (this.diskOffset(at) === hole) !== asHole) {
        return false;
      }
      start = stop;
    }
    return asHole || start >= end;
  }

  /** Disk offset of a byte; `hole` if it has none. */
  diskOffsetOf(offset: number): number {
    let start = 0;
    for (let at = 0; at < this.#diskCount; at += 1) {
      const stop = start + this.diskLength(at);
      if (offset < stop) {
        const disk = this.diskOffset(at);
        return disk === hole ? hole : disk + offset - start;
      }
      start = stop;
    }
    return hole;
  }

  /** Calls back for every disk extent of the range, in order; holes as `hole`. */
  eachDisk(
    offset: number,
    length: number,
    visit: (disk: number, length: number, blobOffset: number) => void,
  ): void {
    const end = offset + length;
    let start = 0;
    for (let at = 0; at < this.#diskCount && start < end; at += 1) {
      const disk = this.diskOffset(at);
      const stop = start + this.diskLength(at);
      const from = Math.max(start, offset);
      const to = Math.min(stop, end);
      if (from < to) {
        visit(disk === hole ? hole : disk + from - start, to - from, from);
      }
      start = stop;
    }
  }

  /** Room for the checksums of `length` disk bytes. */
  growSums(length: number): void {
    if (this.sumBytes === 0) {
      return;
    }
    const bytes = (length / (1 << this.sumOrder)) * this.sumBytes;
    if (bytes > this.sums.length) {
      let grown = this.#spareSums;
      this.#spareSums = noSums;
      if (grown.length === bytes) {
        grown.fill(0);
      } else {
        grown = new Uint8Array(bytes);
      }
      grown.set(this.sums);
      this.sums = grown;
    }
  }

  #partBytes(): number {
    return this.logicalBytes / unusedParts;
  }

  /** Bits of the parts that the range touches (`outward`) or holds whole. */
  #parts(offset: number, length: number, outward: boolean): number {
    const part = this.#partBytes();
    const first = outward ? Math.floor(offset / part) : Math.ceil(offset / part);
    const end = outward
      ? Math.ceil((offset + length) / part)
      : Math.floor((offset + length) / part);
    let bits = 0;
    for (let at = first; at < Math.min(end, unusedParts); at += 1) {
      bits |= 1 << at;
    }
    return bits;
  }

  /** No byte of the range was ever written. */
  isUnused(offset: number, length: number): boolean {
    if (this.unused === 0 || offset + length > this.logicalBytes) {
      return false;
    }
    const bits = this.#parts(offset, length, true);
    return (this.unused & bits) === bits;
  }

  /** Of a new blob: nothing is in the range. */
  addUnused(offset: number, length: number): void {
    this.unused |= this.#parts(offset, length, false);
  }

  markUsed(offset: number, length: number): void {
    if (this.unused !== 0) {
      this.unused &= ~this.#parts(offset, length, true);
    }
  }
}

/** Blobs that are gone, for new ones: most are overwritten whole, after long enough to have left the nursery. */
const spares: Blob[] = [];
const spareLimit = 1024;

export function takeBlob(): Blob {
  return spares.pop() ?? new Blob();
}

/** Nobody refers to the blob any more; it never was shared. */
export function giveBlob(blob: Blob): void {
  if (spares.length < spareLimit) {
    blob.reset();
    spares.push(blob);
  }
}
