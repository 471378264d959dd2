/**
 * The operations of one atomic commit as one growing buffer. The layout is shared with the native side
 * (little-endian, nothing aligned), one record after the other:
 *
 *   0  u8   operation, see `kvOperations`
 *   1  u8   bytes of the prefix, 1 ... 15
 *   2  u16  0
 *   4  u32  bytes of the key (of `from` for ranges)
 *   8  u32  bytes of the value (of `to` for ranges, else 0)
 *   12      prefix, key, value
 */
import { assert } from "../../base/assert.ts";

export const kvOperations = Object.freeze({
  set: 1,
  remove: 2,
  /** [key, value): the second part is the key that ends the range. */
  removeRange: 3,
  /** From the key to the end of the prefix. */
  removeFrom: 4,
  merge: 5,
});
export type KvOperation = (typeof kvOperations)[keyof typeof kvOperations];

export const kvRecordHeaderBytes = 12;
export const kvPrefixLimit = 15;
/** Keys of this many bytes and more are refused. */
export const kvKeyLimit = 2 ** 16;
const firstCapacity = 512;
const nothing = new Uint8Array(0);

/** Operations gathered for one atomic commit; they apply in the order they were added. */
export class KvBatch {
  #buffer: Uint8Array;
  #used = 0;
  #count = 0;
  /** Made last: a commit asks for it three times. */
  #view: Uint8Array = nothing;

  /** `capacityBytes`: room to begin with; it grows by itself. */
  constructor(capacityBytes = firstCapacity) {
    this.#buffer = new Uint8Array(Math.max(capacityBytes, 64));
  }

  /** The records; a view that is valid until the batch changes. */
  get bytes(): Uint8Array {
    if (this.#view.length !== this.#used || this.#view.buffer !== this.#buffer.buffer) {
      this.#view = this.#buffer.subarray(0, this.#used);
    }
    return this.#view;
  }

  get byteLength(): number {
    return this.#used;
  }

  /** Operations in it. */
  get count(): number {
    return this.#count;
  }

  set(prefix: string, key: Uint8Array, value: Uint8Array): void {
    this.#add(kvOperations.set, prefix, key, value);
  }

  /** A key that is not there is no error. */
  remove(prefix: string, key: Uint8Array): void {
    this.#add(kvOperations.remove, prefix, key, nothing);
  }

  /** Removes the keys from `from` (included) up to `to` (not included; `undefined`: all that follow). */
  removeRange(prefix: string, from: Uint8Array, to: Uint8Array | undefined): void {
    if (to === undefined) {
      this.#add(kvOperations.removeFrom, prefix, from, nothing);
    } else {
      this.#add(kvOperations.removeRange, prefix, from, to);
    }
  }

  /** Combines `value` with what is there by the prefix's merge operator; a key that is not there is set. */
  merge(prefix: string, key: Uint8Array, value: Uint8Array): void {
    this.#add(kvOperations.merge, prefix, key, value);
  }

  /** Adds the operations of another batch behind its own. */
  append(other: KvBatch): void {
    const at = this.#room(other.#used);
    this.#buffer.set(other.bytes, at);
    this.#count += other.#count;
  }

  /** Empties the batch; its memory stays. Not while a commit of it is under way. */
  clear(): void {
    this.#used = 0;
    this.#count = 0;
  }

  #room(bytes: number): number {
    const at = this.#used;
    const needed = at + bytes;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    this.#used = needed;
    return at;
  }

  #add(operation: KvOperation, prefix: string, key: Uint8Array, value: Uint8Array): void {
    const prefixBytes = prefix.length;
    assert(prefixBytes > 0 && prefixBytes <= kvPrefixLimit, "a prefix has 1 to 15 characters");
    assert(key.length < kvKeyLimit, "a key has less than 65536 bytes");
    const valueAt = kvRecordHeaderBytes + prefixBytes + key.length;
    let at = this.#room(valueAt + value.length);
    const buffer = this.#buffer;
    const end = at + valueAt;
    buffer[at] = operation;
    buffer[at + 1] = prefixBytes;
    buffer[at + 2] = 0;
    buffer[at + 3] = 0;
    putU32(buffer, at + 4, key.length);
    putU32(buffer, at + 8, value.length);
    at += kvRecordHeaderBytes;
    for (let index = 0; index < prefixBytes; index += 1) {
      buffer[at + index] = prefix.charCodeAt(index);
    }
    buffer.set(key, at + prefixBytes);
    buffer.set(value, end);
    this.#count += 1;
  }
}

/** Walks over the records of a batch without making objects: `next`, then the fields of the record. */
export class KvBatchReader {
  #bytes: Uint8Array = nothing;
  #next = 0;
  operation: KvOperation = kvOperations.set;
  /** Offsets into the bytes given to `open`. */
  prefixAt = 0;
  prefixBytes = 0;
  keyAt = 0;
  keyBytes = 0;
  valueAt = 0;
  valueBytes = 0;

  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#next = 0;
  }

  /** Moves to the next record; `false` at the end. Throws on bytes that are no batch. */
  next(): boolean {
    const bytes = this.#bytes;
    const at = this.#next;
    if (at === bytes.length) {
      return false;
    }
    assert(at + kvRecordHeaderBytes <= bytes.length, "a batch ends within a record's header");
    const operation = bytes[at] as number;
    assert(operation >= 1 && operation <= 5, "a batch has an unknown operation");
    this.operation = operation as KvOperation;
    this.prefixBytes = bytes[at + 1] as number;
    this.keyBytes = getU32(bytes, at + 4);
    this.valueBytes = getU32(bytes, at + 8);
    this.prefixAt = at + kvRecordHeaderBytes;
    this.keyAt = this.prefixAt + this.prefixBytes;
    this.valueAt = this.keyAt + this.keyBytes;
    this.#next = this.valueAt + this.valueBytes;
    assert(this.#next <= bytes.length, "a batch ends within a record");
    return true;
  }

  get prefix(): string {
    let text = "";
    for (let index = 0; index < this.prefixBytes; index += 1) {
      text += String.fromCharCode(this.#bytes[this.prefixAt + index] as number);
    }
    return text;
  }

  /** A view. */
  get key(): Uint8Array {
    return this.#bytes.subarray(this.keyAt, this.keyAt + this.keyBytes);
  }

  /** A view; the end of a range for `removeRange`. */
  get value(): Uint8Array {
    return this.#bytes.subarray(this.valueAt, this.valueAt + this.valueBytes);
  }
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function getU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** Memory for joined batches, to begin with, and so much that it is not kept. */
const joinedBytes = 32 << 10;
const joinedMost = 1 << 20;

/** Makes one view of several batches. */
export class JoinedBatches {
  #joined = new KvBatch(joinedBytes);

  /** The records of one batch behind those of the other; valid until the next call. */
  of(batches: readonly KvBatch[]): Uint8Array {
    const [first] = batches;
    if (batches.length === 1 && first !== undefined) {
      return first.bytes;
    }
    if (this.#joined.byteLength > joinedMost) {
      this.#joined = new KvBatch(joinedBytes);
    }
    this.#joined.clear();
    for (const batch of batches) {
      this.#joined.append(batch);
    }
    return this.#joined.bytes;
  }
}
