/**
 * A leaf of the ordered tree: records packed in one buffer, with their offsets in the order of keys.
 * 8 KiB of records for each buffer keep a store of a million keys at some ten thousand objects, which
 * the garbage collector does not notice, and are written to a checkpoint as they stand.
 *
 * A record, little-endian: u32 bytes of the key, u32 bytes of the value, key, value.
 */
import { assert } from "../../base/assert.ts";

export const recordHeaderBytes = 8;
/** Records of one page, unless one alone is larger. */
export const pageTargetBytes = 8192;

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** Order of two ranges of bytes as unsigned numbers, a shorter one first: below 0, 0, above 0. */
export function compareBytes(
  a: Uint8Array,
  aAt: number,
  aLength: number,
  b: Uint8Array,
  bAt: number,
  bLength: number,
): number {
  const shared = Math.min(aLength, bLength);
  for (let index = 0; index < shared; index += 1) {
    const difference = (a[aAt + index] as number) - (b[bAt + index] as number);
    if (difference !== 0) {
      return difference;
    }
  }
  return aLength - bLength;
}

export class Page {
  bytes: Uint8Array;
  offsets: Uint32Array;
  count = 0;
  /** Bytes of the buffer in use, dead records included. */
  used = 0;
  /** Bytes of the records that count. */
  live = 0;
  /** Snapshots taken before this page was made or copied; see `OrderedTree`. */
  stamp: number;

  constructor(capacityBytes: number, slots: number, stamp: number) {
    this.bytes = new Uint8Array(capacityBytes);
    this.offsets = new Uint32Array(slots);
    this.stamp = stamp;
  }

  copy(stamp: number): Page {
    const made = new Page(0, 0, stamp);
    made.bytes = this.bytes.slice();
    made.offsets = this.offsets.slice();
    made.count = this.count;
    made.used = this.used;
    made.live = this.live;
    return made;
  }

  keyBytes(index: number): number {
    return readU32(this.bytes, this.offsets[index] as number);
  }

  keyAt(index: number): number {
    return (this.offsets[index] as number) + recordHeaderBytes;
  }

  valueBytes(index: number): number {
    return readU32(this.bytes, (this.offsets[index] as number) + 4);
  }

  valueAt(index: number): number {
    return this.keyAt(index) + this.keyBytes(index);
  }

  recordBytes(index: number): number {
    return recordHeaderBytes + this.keyBytes(index) + this.valueBytes(index);
  }

  /** Order of the record's key towards `key`. */
  compare(index: number, key: Uint8Array, keyBytes: number): number {
    return compareBytes(this.bytes, this.keyAt(index), this.keyBytes(index), key, 0, keyBytes);
  }

  /** Index of the first record whose key is not below `key`. */
  lowerBound(key: Uint8Array, keyBytes: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.compare(middle, key, keyBytes) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** Whether a record of `bytes` can be added without a split; one alone always can. */
  takes(bytes: number): boolean {
    return this.count === 0 || this.live + bytes <= pageTargetBytes;
  }

  insert(
    index: number,
    key: Uint8Array,
    keyBytes: number,
    from: Uint8Array,
    valueAt: number,
    valueBytes: number,
  ): void {
    const size = recordHeaderBytes + keyBytes + valueBytes;
    this.#reserve(size);
    const offsets = this.offsets;
    for (let slot = this.count; slot > index; slot -= 1) {
      offsets[slot] = offsets[slot - 1] as number;
    }
    const at = this.used;
    offsets[index] = at;
    this.count += 1;
    this.used += size;
    this.live += size;
    const bytes = this.bytes;
    writeU32(bytes, at, keyBytes);
    writeU32(bytes, at + 4, valueBytes);
    copyBytes(key, 0, bytes, at + recordHeaderBytes, keyBytes);
    copyBytes(from, valueAt, bytes, at + recordHeaderBytes + keyBytes, valueBytes);
  }

  /** Another value for a record; the page can take what it is longer. */
  overwrite(index: number, from: Uint8Array, valueAt: number, valueBytes: number): void {
    const before = this.valueBytes(index);
    this.live += valueBytes - before;
    if (valueBytes > before) {
      this.#move(index, valueBytes);
    }
    const at = this.offsets[index] as number;
    writeU32(this.bytes, at + 4, valueBytes);
    copyBytes(from, valueAt, this.bytes, this.valueAt(index), valueBytes);
  }

  /** Gives a record a new place behind the others, with its key and room for a value. */
  #move(index: number, valueBytes: number): void {
    const size = recordHeaderBytes + this.keyBytes(index) + valueBytes;
    this.#reserve(size, 0);
    const from = this.offsets[index] as number;
    const head = recordHeaderBytes + this.keyBytes(index);
    this.bytes.copyWithin(this.used, from, from + head);
    this.offsets[index] = this.used;
    this.used += size;
  }

  remove(index: number, count: number): void {
    for (let each = index; each < index + count; each += 1) {
      this.live -= this.recordBytes(each);
    }
    this.offsets.copyWithin(index, index + count, this.count);
    this.count -= count;
  }

  /** Takes the records from `index` on into a new page. */
  splitAt(index: number, stamp: number): Page {
    const right = new Page(0, 0, stamp);
    right.appendFrom(this, index, this.count);
    this.remove(index, this.count - index);
    this.#rebuild(0);
    return right;
  }

  /** Adds records of another page, all above the own ones. */
  appendFrom(other: Page, from: number, to: number): void {
    let bytes = 0;
    for (let index = from; index < to; index += 1) {
      bytes += other.recordBytes(index);
    }
    this.#reserve(bytes, to - from);
    this.used = other.writeRecords(this.bytes, this.used, from, to, this.offsets, this.count);
    this.count += to - from;
    this.live += bytes;
  }

  /** Index at which the records are halved by bytes; between 1 and `count` - 1. */
  halfway(): number {
    let bytes = 0;
    let index = 0;
    while (index < this.count - 1 && bytes < this.live / 2) {
      bytes += this.recordBytes(index);
      index += 1;
    }
    return Math.max(index, 1);
  }

  /** Writes records in order into `into` and returns where they end; their places go to `offsets`. */
  writeRecords(
    into: Uint8Array,
    at: number,
    from: number,
    to: number,
    offsets: Uint32Array | null = null,
    firstSlot = 0,
  ): number {
    let place = at;
    for (let index = from; index < to; index += 1) {
      const size = this.recordBytes(index);
      const source = this.offsets[index] as number;
      // May be the page's own.
      if (offsets !== null) {
        offsets[firstSlot + index - from] = place;
      }
      copyBytes(this.bytes, source, into, place, size);
      place += size;
    }
    return place;
  }

  /** Throws when the records are not in order or the sums are wrong. */
  checkInvariants(): void {
    let live = 0;
    for (let index = 0; index < this.count; index += 1) {
      const end = (this.offsets[index] as number) + this.recordBytes(index);
      assert(end <= this.used, "a page's record ends beyond what is used");
      live += this.recordBytes(index);
      if (index > 0) {
        const order = compareBytes(
          this.bytes,
          this.keyAt(index - 1),
          this.keyBytes(index - 1),
          this.bytes,
          this.keyAt(index),
          this.keyBytes(index),
        );
        assert(order < 0, "a page's keys are not in order");
      }
    }
    assert(live === this.live, "a page's live bytes are miscounted");
    assert(this.used <= this.bytes.length, "a page uses more than it has");
  }

  #reserve(bytes: number, records = 1): void {
    if (this.used + bytes > this.bytes.length) {
      this.#rebuild(bytes);
    }
    if (this.count + records > this.offsets.length) {
      const grown = new Uint32Array(Math.max(this.count + records, 2 * this.offsets.length, 8));
      grown.set(this.offsets.subarray(0, this.count));
      this.offsets = grown;
    }
  }

  /** Drops dead records and makes room for `bytes` more, with a little to spare. */
  #rebuild(bytes: number): void {
    const needed = this.live + bytes;
    // Half as much again: of a page that changes all the time every tenth change or so comes here.
    const fresh = new Uint8Array(bytes === 0 ? needed : needed + (needed >> 1) + 256);
    this.used = this.writeRecords(fresh, 0, 0, this.count, this.offsets, 0);
    this.bytes = fresh;
  }
}

/** `set` of a subarray costs an object; below some 64 bytes a loop is quicker. */
function copyBytes(
  from: Uint8Array,
  fromAt: number,
  into: Uint8Array,
  intoAt: number,
  bytes: number,
): void {
  if (bytes > 64) {
    into.set(from.subarray(fromAt, fromAt + bytes), intoAt);
    return;
  }
  for (let index = 0; index < bytes; index += 1) {
    into[intoAt + index] = from[fromAt + index] as number;
  }
}
