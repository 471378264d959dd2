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

export class Blob {
  /** Bytes that the blob stands for, before compression. */
  logicalBytes = 0;
  /** Bytes on the device with the compression header, without padding; 0: not compressed. */
  compressedBytes = 0;
  /** Disk extents that follow each other from the blob's start; a multiple of the unit in all. */
  readonly diskOffsets: number[] = [];
  readonly diskLengths: number[] = [];
  /** Values of one checksum for every chunk of the disk bytes; empty: no checksums. */
  sums: Uint8Array = noSums;
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
  readonly used: number[] = [];
  unitBytes = 0;
  /** Position among the blobs of the shard that is written or read; -1 outside of that. */
  index = -1;
  /** The encoding run that `index` belongs to. */
  run = 0;

  get compressed(): boolean {
    return this.compressedBytes > 0;
  }

  /** Data may be written into it. */
  get mutable(): boolean {
    return this.shared === null && this.compressedBytes === 0;
  }

  /** Bytes on the device, holes counted. */
  get diskBytes(): number {
    let bytes = 0;
    for (const length of this.diskLengths) {
      bytes += length;
    }
    return bytes;
  }

  /** Checksum chunk, or the device's block without checksums. */
  chunkBytes(blockBytes: number): number {
    return this.sumBytes === 0 ? blockBytes : 2 ** this.sumOrder;
  }

  initUse(unitBytes: number): void {
    // A compressed blob can only be given up whole; a checksum needs its whole chunk.
    const chunk = this.sumBytes === 0 ? unitBytes : 2 ** this.sumOrder;
    this.unitBytes = this.compressed ? this.logicalBytes : Math.max(unitBytes, chunk);
    const units = Math.ceil(this.logicalBytes / this.unitBytes);
    while (this.used.length < units) {
      this.used.push(0);
    }
  }

  get referencedBytes(): number {
    let bytes = 0;
    for (const each of this.used) {
      bytes += each;
    }
    return bytes;
  }

  getRef(offset: number, length: number): void {
    const { unitBytes, used } = this;
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const unit = Math.floor(at / unitBytes);
      const stop = Math.min(end, (unit + 1) * unitBytes);
      used[unit] = (used[unit] as number) + stop - at;
      at = stop;
    }
  }

  /** Gives references up; space without any becomes a hole and goes to `released`. */
  putRef(offset: number, length: number, released: ExtentList): void {
    const { unitBytes, used } = this;
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const unit = Math.floor(at / unitBytes);
      const stop = Math.min(end, (unit + 1) * unitBytes);
      const left = (used[unit] as number) - (stop - at);
      assert(left >= 0, "a blob has fewer references than are given up");
      used[unit] = left;
      if (left === 0) {
        const from = this.compressed ? 0 : unit * unitBytes;
        const bytes = this.compressed ? this.diskBytes : unitBytes;
        this.#release(from, Math.min(bytes, this.diskBytes - from), released);
      }
      at = stop;
    }
  }

  #release(offset: number, length: number, released: ExtentList): void {
    if (length <= 0) {
      return;
    }
    const end = offset + length;
    const { shared } = this;
    let start = 0;
    for (let at = 0; at < this.diskOffsets.length && start < end; at += 1) {
      const disk = this.diskOffsets[at] as number;
      const bytes = this.diskLengths[at] as number;
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
    this.setDisk(offset, length, hole);
  }

  /** Makes the disk bytes at `offset` lie at `disk` (or be a hole); appends behind the end. */
  setDisk(offset: number, length: number, disk: number): void {
    const total = this.diskBytes;
    const { diskOffsets, diskLengths } = this;
    if (offset >= total) {
      if (offset > total) {
        this.#append(hole, offset - total);
      }
      this.#append(disk, length);
      return;
    }
    if (diskOffsets.length === 1 && offset === 0 && length >= total) {
      diskOffsets[0] = disk;
      diskLengths[0] = length;
      return;
    }
    const offsets = diskOffsets.splice(0);
    const lengths = diskLengths.splice(0);
    const end = offset + length;
    let start = 0;
    let placed = false;
    for (let at = 0; at < offsets.length; at += 1) {
      const from = offsets[at] as number;
      const stop = start + (lengths[at] as number);
      if (start < offset) {
        this.#append(from, Math.min(stop, offset) - start);
      }
      if (!placed && stop >= Math.min(end, total)) {
        this.#append(disk, length);
        placed = true;
      }
      if (stop > end) {
        const rest = Math.max(start, end);
        this.#append(from === hole ? hole : from + rest - start, stop - rest);
      }
      start = stop;
    }
  }

  /** Forgets the disk bytes from `offset` on. */
  cutDisk(offset: number): void {
    const { diskOffsets, diskLengths } = this;
    let start = 0;
    for (let at = 0; at < diskOffsets.length; at += 1) {
      const length = diskLengths[at] as number;
      if (start + length >= offset) {
        diskLengths[at] = offset - start;
        const kept = offset > start ? at + 1 : at;
        diskOffsets.length = kept;
        diskLengths.length = kept;
        return;
      }
      start += length;
    }
  }

  #append(disk: number, length: number): void {
    if (length <= 0) {
      return;
    }
    const { diskOffsets, diskLengths } = this;
    const last = diskOffsets.length - 1;
    if (last >= 0) {
      const before = diskOffsets[last] as number;
      const bytes = diskLengths[last] as number;
      if (before === hole ? disk === hole : disk === before + bytes) {
        diskLengths[last] = bytes + length;
        return;
      }
    }
    diskOffsets.push(disk);
    diskLengths.push(length);
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
    for (let at = 0; at < this.diskOffsets.length && start < end; at += 1) {
      const stop = start + (this.diskLengths[at] as number);
      if (stop > offset && (this.diskOffsets[at] === hole) !== asHole) {
        return false;
      }
      start = stop;
    }
    return asHole || start >= end;
  }

  /** Disk offset of a byte; `hole` if it has none. */
  diskOffsetOf(offset: number): number {
    let start = 0;
    for (let at = 0; at < this.diskOffsets.length; at += 1) {
      const stop = start + (this.diskLengths[at] as number);
      if (offset < stop) {
        const disk = this.diskOffsets[at] as number;
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
    for (let at = 0; at < this.diskOffsets.length && start < end; at += 1) {
      const disk = this.diskOffsets[at] as number;
      const stop = start + (this.diskLengths[at] as number);
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
    const bytes = (length / 2 ** this.sumOrder) * this.sumBytes;
    if (bytes > this.sums.length) {
      const grown = new Uint8Array(bytes);
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
