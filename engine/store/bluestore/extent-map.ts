/**
 * Where an object's data is: extents in the order of their offsets, each a range of a blob. A long map
 * is kept in shards, which are loaded when they are needed. All extents of one blob agree on where in
 * the object the blob begins.
 */
import { assert } from "../../base/assert.ts";
import type { Blob } from "./blob.ts";
import type { KeptRecord } from "./kept-record.ts";

export class Extent {
  offset: number;
  length: number;
  blobOffset: number;
  blob: Blob;

  constructor(offset: number, length: number, blobOffset: number, blob: Blob) {
    this.offset = offset;
    this.length = length;
    this.blobOffset = blobOffset;
    this.blob = blob;
  }

  get end(): number {
    return this.offset + this.length;
  }

  /** Where in the object the blob begins; may be negative. */
  get blobStart(): number {
    return this.offset - this.blobOffset;
  }
}

/** A part of a map that has a record of its own: from its offset to the next shard's. */
export interface Shard {
  readonly offset: number;
  /** Of its record. */
  bytes: number;
  loaded: boolean;
  dirty: boolean;
  /** Times that its record was written. */
  writes: number;
  /** Its record as of now, to be patched; `null`: it has to be made anew. */
  kept: KeptRecord | null;
}

export function newShard(offset: number, bytes: number, loaded: boolean): Shard {
  return { offset, bytes, loaded, dirty: loaded, writes: 0, kept: null };
}

/** Ranges of blobs that extents gave up, until the blobs are told. */
export class OldExtents {
  count = 0;
  readonly blobs: Blob[] = [];
  readonly blobOffsets: number[] = [];
  readonly lengths: number[] = [];

  push(blob: Blob, blobOffset: number, length: number): void {
    const at = this.count;
    this.blobs[at] = blob;
    this.blobOffsets[at] = blobOffset;
    this.lengths[at] = length;
    this.count += 1;
  }

  clear(): void {
    // A shorter array costs a call of the engine; what stands in it is let go of soon enough.
    if (this.count > 256) {
      this.blobs.length = 0;
    }
    this.count = 0;
  }
}

export class ExtentMap {
  /** Sorted, without overlap; extents of shards that are not loaded are missing. */
  readonly extents: Extent[] = [];
  /** Empty: the map is in the onode's record. Else the first shard begins at 0. */
  shards: Shard[] = [];
  /** Blobs that several shards refer to, by their ids. */
  readonly spanning = new Map<number, Blob>();

  /** Memory of the records that are kept. */
  keptBytes = 0;

  /** What `seek` found last: a write looks for the same place several times. */
  #near = 0;

  /** Index of the first extent that ends behind `offset`. */
  seek(offset: number): number {
    const { extents } = this;
    const near = this.#near;
    const found = extents[near];
    if (found !== undefined && found.end > offset) {
      const before = extents[near - 1];
      if (before === undefined || before.end <= offset) {
        return near;
      }
    }
    let low = 0;
    let high = extents.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((extents[middle] as Extent).end > offset) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    this.#near = low;
    return low;
  }

  /** The extent of exactly this range. */
  exactly(offset: number, length: number): Extent | undefined {
    const { extents } = this;
    // Where all extents are as long as this one it stands at its number.
    let extent = extents[offset / length];
    if (extent === undefined || extent.offset !== offset) {
      extent = extents[this.seek(offset)];
    }
    return extent?.offset === offset && extent.length === length ? extent : undefined;
  }

  /** One extent has the whole range. */
  covers(offset: number, length: number): boolean {
    const extent = this.extents[this.seek(offset)];
    return extent !== undefined && extent.offset <= offset && extent.end >= offset + length;
  }

  /** Some extent has a byte of the range. */
  hasAny(offset: number, length: number): boolean {
    const extent = this.extents[this.seek(offset)];
    return extent !== undefined && extent.offset < offset + length;
  }

  /** Index of the shard that holds `offset`; the map has shards. */
  shardAt(offset: number): number {
    const { shards } = this;
    let low = 0;
    let high = shards.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((shards[middle] as Shard).offset <= offset) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

  /** The records of the shards of the range must be written again. */
  markDirty(offset: number, length: number): void {
    const { shards } = this;
    if (shards.length === 0) {
      return;
    }
    const end = offset + Math.max(length, 1);
    for (let at = this.shardAt(Math.max(0, offset)); at < shards.length; at += 1) {
      const shard = shards[at] as Shard;
      if (shard.offset >= end) {
        break;
      }
      assert(shard.loaded, "a shard changes that is not loaded");
      shard.dirty = true;
      this.forgetKept(shard);
    }
  }

  /** The shard changes: its record as it is kept is not true any more. */
  forgetKept(shard: Shard): void {
    if (shard.kept !== null) {
      this.keptBytes -= shard.kept.memoryBytes;
      shard.kept = null;
    }
  }

  /** Takes the range out of the map; what it referred to goes to `old`. */
  punch(offset: number, length: number, old: OldExtents): void {
    const { extents } = this;
    const end = offset + length;
    let at = this.seek(offset);
    let from = at;
    let touched = false;
    for (; at < extents.length; at += 1) {
      const extent = extents[at] as Extent;
      if (extent.offset >= end) {
        break;
      }
      touched = true;
      const start = Math.max(extent.offset, offset);
      const stop = extent.end;
      old.push(extent.blob, extent.blobOffset + start - extent.offset, Math.min(stop, end) - start);
      if (stop > end) {
        const cut = end - extent.offset;
        if (extent.offset < offset) {
          const rest = new Extent(end, stop - end, extent.blobOffset + cut, extent.blob);
          extent.length = offset - extent.offset;
          extents.splice(at + 1, 0, rest);
          from = at + 1;
          at += 1;
        } else {
          extent.offset = end;
          extent.length = stop - end;
          extent.blobOffset += cut;
        }
        break;
      }
      if (extent.offset < offset) {
        extent.length = offset - extent.offset;
        from = at + 1;
      }
    }
    if (touched) {
      this.markDirty(offset, length);
    }
    if (at > from) {
      extents.splice(from, at - from);
    }
  }

  /**
   * Gives the range to another blob, which counts the reference, if exactly one extent has it; what that
   * referred to goes to `old`. Quicker than `punch` and `set`, which move all extents behind it twice.
   */
  replace(
    offset: number,
    length: number,
    blobOffset: number,
    blob: Blob,
    old: OldExtents,
  ): boolean {
    const at = this.seek(offset);
    const extent = this.extents[at];
    const before = this.extents[at - 1];
    if (extent === undefined || extent.offset !== offset || extent.length !== length) {
      return false;
    }
    if (before !== undefined && before.blob === blob) {
      // They may become one.
      return false;
    }
    old.push(extent.blob, extent.blobOffset, length);
    blob.getRef(blobOffset, length);
    extent.blob = blob;
    extent.blobOffset = blobOffset;
    this.markDirty(offset, length);
    return true;
  }

  /** Puts an extent where nothing is; the blob counts the reference. */
  set(offset: number, length: number, blobOffset: number, blob: Blob): void {
    blob.getRef(blobOffset, length);
    this.insert(offset, length, blobOffset, blob);
    this.markDirty(offset, length);
  }

  /** As `set`, without counting: for loading. */
  insert(offset: number, length: number, blobOffset: number, blob: Blob): void {
    const { extents } = this;
    const at = this.seek(offset);
    const before = extents[at - 1];
    if (
      before !== undefined &&
      before.blob === blob &&
      before.end === offset &&
      before.blobOffset + before.length === blobOffset &&
      (this.shards.length === 0 || this.shardAt(before.offset) === this.shardAt(offset))
    ) {
      before.length += length;
      return;
    }
    const after = extents[at];
    assert(after === undefined || after.offset >= offset + length, "extents overlap");
    if (at === extents.length) {
      extents.push(new Extent(offset, length, blobOffset, blob));
    } else {
      extents.splice(at, 0, new Extent(offset, length, blobOffset, blob));
    }
  }

  /**
   * Puts the extents from `from` to `to` side by side in memory: what random writes make of them lies in
   * as many places, each of which the processor has to fetch to write the record of a shard.
   */
  renew(from: number, to: number): void {
    const { extents } = this;
    for (let at = from; at < to; at += 1) {
      const { offset, length, blobOffset, blob } = extents[at] as Extent;
      extents[at] = new Extent(offset, length, blobOffset, blob);
    }
  }

  clear(): void {
    this.extents.length = 0;
    this.shards = [];
    this.keptBytes = 0;
    this.spanning.clear();
  }
}
