/**
 * A shard's record as it was written last, with the places in it at which a unit that has a blob to itself
 * says where it lies and what its checksum is. An overwrite changes these bytes and the record's own
 * checksum: to encode the record anew it would have to fetch all the shard's extents and blobs, which
 * takes ten times as long.
 */
import { crc32cOfChange } from "../../base/crc32c.ts";
import { blobFlags } from "./codec.ts";
import { putWideVarint, varintMost } from "./wire.ts";

/** Units of a shard beyond which none has a place: objects with great holes. */
const unitsMost = 4096;
const noPlaces = new Uint16Array(0);

/** Bits that a patch turns over: of a varint, four bytes, and a checksum. */
const change = new Uint8Array(varintMost + 4 + 16);

export class KeptRecord {
  /** Sealed; changed in place. */
  readonly bytes: Uint8Array;
  /** By unit of the shard: where in `bytes` the varint of its place on the device stands; 0: no such unit. */
  readonly #places: Uint16Array;
  readonly #offset: number;
  readonly #unitBytes: number;

  /** `record`, which is copied, is that of the extents from `offset` to `end`. */
  constructor(record: Uint8Array, offset: number, end: number, unitBytes: number) {
    this.bytes = record.slice();
    this.#offset = offset;
    this.#unitBytes = unitBytes;
    const units = Math.ceil((end - offset) / unitBytes);
    const known = offset % unitBytes === 0 && units <= unitsMost && record.length < 2 ** 16;
    this.#places = known ? new Uint16Array(units) : noPlaces;
    if (known) {
      this.#findPlaces();
    }
  }

  /** With what the engine itself needs for the arrays. */
  get memoryBytes(): number {
    return 300 + this.bytes.length + this.#places.byteLength;
  }

  /** The place of the unit at an offset of the object, for `patch`; 0: it has none. */
  placeOf(offset: number): number {
    return this.#places[(offset - this.#offset) / this.#unitBytes] ?? 0;
  }

  /**
   * The unit of the place lies at `disk` from now on, with this checksum (empty: none). `false`: that
   * takes more or fewer bytes than before; nothing has changed.
   */
  patch(place: number, disk: number, sums: Uint8Array): boolean {
    const { bytes } = this;
    const length = putWideVarint(change, 0, disk / this.#unitBytes + 1);
    for (let at = 0; at < length; at += 1) {
      const more = ((bytes[place + at] as number) & 128) !== 0;
      if (more !== at + 1 < length) {
        return false;
      }
      change[at] = (change[at] as number) ^ (bytes[place + at] as number);
    }
    let count = length;
    if (sums.length > 0) {
      // Between the two, one byte each: units, type of the checksum, its order, its bytes.
      change.fill(0, count, count + 4);
      count += 4;
      for (let at = 0; at < sums.length; at += 1) {
        change[count] = (sums[at] as number) ^ (bytes[place + count] as number);
        count += 1;
      }
    }
    for (let at = 0; at < count; at += 1) {
      bytes[place + at] = (bytes[place + at] as number) ^ (change[at] as number);
    }
    const end = bytes.length - 4;
    const sum = crc32cOfChange(change, count, end - place - count);
    for (let at = 0; at < 4; at += 1) {
      bytes[end + at] = (bytes[end + at] as number) ^ (sum >>> (8 * at));
    }
    return true;
  }

  /** Goes through the record as `encodeExtents` made it. */
  #findPlaces(): void {
    const { bytes } = this;
    const unit = this.#unitBytes;
    let at = 0;
    const next = (): number => {
      let value = 0;
      for (let scale = 1; ; scale *= 128) {
        const byte = bytes[at] as number;
        at += 1;
        value += (byte & 127) * scale;
        if (byte < 128) {
          return value;
        }
      }
    };
    let end = 0;
    for (let left = next(); left > 0; left -= 1) {
      const offset = end + next();
      const length = next();
      const blobOffset = next();
      end = offset + length;
      if (next() !== 0) {
        continue;
      }
      const flags = bytes[at] as number;
      at += 1;
      const logical = next();
      if ((flags & blobFlags.compressed) !== 0) {
        next();
      }
      const count = next();
      const place = at;
      const disk = next();
      const units = next();
      for (let more = 2 * (count - 1); more > 0; more -= 1) {
        next();
      }
      if ((flags & blobFlags.sums) !== 0) {
        at += 2;
        const sums = next();
        at += sums;
      }
      at += (flags & blobFlags.unused) === 0 ? 0 : 2;
      if ((flags & blobFlags.shared) !== 0) {
        next();
      }
      const plain = (flags & ~blobFlags.sums) === 0 && count === 1 && disk !== 0 && units === 1;
      const alone = blobOffset === 0 && length === unit && logical === unit && offset % unit === 0;
      if (plain && alone) {
        this.#places[(offset - this.#offset) / unit] = place;
      }
    }
  }
}
