/**
 * Bytes of the store's records: little-endian numbers, variable-length numbers (seven bits a byte, the
 * high bit says that more follow), and a CRC-32C at the end of every record.
 */
import { crc32c } from "../../base/crc32c.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** A record's bytes are not what was written; the message says of what. */
export class CorruptRecord extends Error {}

/** Bytes of a varint at most. */
export const varintMost = 8;

/**
 * Writes a varint at `at`, where there is room, and returns where it ends. Records of extents are some
 * two hundred of them: with the place in a local variable they take half the time.
 */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value < 2 ** 7) {
    bytes[at] = value;
    return at + 1;
  }
  // What is stored are the low eight bits.
  bytes[at] = value | 0x80;
  if (value < 2 ** 14) {
    bytes[at + 1] = value >>> 7;
    return at + 2;
  }
  return value < 2 ** 21 ? putThree(bytes, at + 1, value) : putLong(bytes, at, value);
}

/**
 * As `putVarint`, in four bytes at least: the high bit of the first three says that another follows, if
 * only with zeroes. A number written so can be changed in place.
 */
export function putWideVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value >= 2 ** 28) {
    return putLong(bytes, at, value);
  }
  bytes[at] = value | 0x80;
  bytes[at + 1] = (value >>> 7) | 0x80;
  bytes[at + 2] = (value >>> 14) | 0x80;
  bytes[at + 3] = value >>> 21;
  return at + 4;
}

function putThree(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = (value >>> 7) | 0x80;
  bytes[at + 1] = value >>> 14;
  return at + 2;
}

function putLong(bytes: Uint8Array, from: number, value: number): number {
  let rest = value;
  let at = from;
  while (rest >= 2 ** 31) {
    bytes[at] = 0x80 | (rest % 128);
    at += 1;
    rest = Math.floor(rest / 128);
  }
  let small = rest | 0;
  while (small >= 128) {
    bytes[at] = 0x80 | (small & 127);
    at += 1;
    small >>>= 7;
  }
  bytes[at] = small;
  return at + 1;
}

/** Grows as needed and is used again and again. */
export class WireWriter {
  bytes = new Uint8Array(4096);
  length = 0;

  reset(): void {
    this.length = 0;
  }

  /** Makes room for `count` bytes behind `length`. */
  room(count: number): void {
    if (this.length + count > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length + count, 2 * this.bytes.length));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
    }
  }

  u8(value: number): void {
    this.room(1);
    this.bytes[this.length] = value;
    this.length += 1;
  }

  u16(value: number): void {
    this.u8(value & 255);
    this.u8(value >>> 8);
  }

  u32(value: number): void {
    this.room(4);
    const { bytes, length } = this;
    bytes[length] = value;
    bytes[length + 1] = value >>> 8;
    bytes[length + 2] = value >>> 16;
    bytes[length + 3] = value >>> 24;
    this.length += 4;
  }

  /** A safe integer from 0. */
  u64(value: number): void {
    this.u32((value % 2 ** 32) >>> 0);
    this.u32(Math.floor(value / 2 ** 32));
  }

  /** A safe integer from 0, in one to eight bytes. */
  varint(value: number): void {
    this.room(varintMost);
    this.length = putVarint(this.bytes, this.length, value);
  }

  raw(from: Uint8Array): void {
    const count = from.length;
    this.room(count);
    const { bytes, length } = this;
    if (count > 32) {
      bytes.set(from, length);
    } else {
      // A call of `set` costs more than some ten bytes one by one.
      for (let at = 0; at < count; at += 1) {
        bytes[length + at] = from[at] as number;
      }
    }
    this.length = length + count;
  }

  /** Length, then bytes. */
  blob(from: Uint8Array): void {
    this.varint(from.length);
    this.raw(from);
  }

  text(text: string): void {
    this.blob(encoder.encode(text));
  }

  /** Ends a record that began at `from`: a view with its checksum, valid until the writer goes on. */
  seal(from: number): Uint8Array {
    const sum = crc32c(this.bytes, from, this.length);
    this.u32(sum);
    return this.bytes.subarray(from, this.length);
  }
}

export class WireReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  /** What is read, for messages. */
  #what = "";

  /** Opens a sealed record; throws `CorruptRecord` if its checksum is wrong. */
  open(bytes: Uint8Array, what: string): this {
    this.#bytes = bytes;
    this.#what = what;
    this.#at = 0;
    this.#end = bytes.length - 4;
    if (this.#end < 0) {
      throw new CorruptRecord(`${what}: a record of ${bytes.length} bytes is too short`);
    }
    const end = this.#end;
    const stored =
      ((bytes[end] as number) |
        ((bytes[end + 1] as number) << 8) |
        ((bytes[end + 2] as number) << 16) |
        ((bytes[end + 3] as number) << 24)) >>>
      0;
    const sum = crc32c(bytes, 0, end);
    if (sum !== stored) {
      throw new CorruptRecord(
        `${what}: checksum ${sum.toString(16)} is not the stored ${stored.toString(16)}`,
      );
    }
    return this;
  }

  fail(reason: string): never {
    throw new CorruptRecord(`${this.#what}: ${reason}`);
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#end - this.#at;
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#end) {
      this.fail("the record ends too early");
    }
    this.#at = at + count;
    return at;
  }

  u8(): number {
    return this.#bytes[this.#take(1)] as number;
  }

  u16(): number {
    return this.u8() + this.u8() * 256;
  }

  u32(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    return (
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)) >>>
      0
    );
  }

  u64(): number {
    const low = this.u32();
    return low + this.u32() * 2 ** 32;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count += 1) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) {
          this.fail("a number is too large");
        }
        return value;
      }
      scale *= 128;
    }
    return this.fail("a number has no end");
  }

  /** A copy. */
  raw(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.slice(at, at + count);
  }

  blob(): Uint8Array {
    return this.raw(this.varint());
  }

  text(): string {
    return decoder.decode(this.blob());
  }

  /** Throws unless all was read. */
  done(): void {
    if (this.left !== 0) {
      this.fail(`${this.left} bytes follow the record`);
    }
  }
}

/** One byte for each character of a key, into a fresh array. */
export function bytesOfKey(key: string): Uint8Array {
  const made = new Uint8Array(key.length);
  for (let index = 0; index < key.length; index += 1) {
    made[index] = key.charCodeAt(index);
  }
  return made;
}

export function keyOfBytes(bytes: Uint8Array): string {
  let key = "";
  for (let at = 0; at < bytes.length; at += 1) {
    key += String.fromCharCode(bytes[at] as number);
  }
  return key;
}
