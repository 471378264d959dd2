/**
 * A transaction: operations on objects and collections that take effect all or not at all, in their
 * order. Made to be filled again after `reset`, so that a steady stream of writes allocates nothing.
 */
import type { CollectionId } from "./collection.ts";
import type { ObjectName } from "./object-name.ts";

export const opCodes = Object.freeze({
  touch: 1,
  write: 2,
  zero: 3,
  truncate: 4,
  remove: 5,
  setAttrs: 6,
  removeAttr: 7,
  removeAttrs: 8,
  clone: 9,
  cloneRange: 10,
  rename: 11,
  omapSet: 12,
  omapRemove: 13,
  omapRemoveRange: 14,
  omapClear: 15,
  omapSetHeader: 16,
  createCollection: 17,
  removeCollection: 18,
  splitCollection: 19,
  mergeCollection: 20,
  setAllocHint: 21,
});
export type OpCode = (typeof opCodes)[keyof typeof opCodes];

/** What is expected of an object; bits of `setAllocHint`. */
export const allocHints = Object.freeze({
  sequentialWrite: 1,
  randomWrite: 2,
  sequentialRead: 4,
  randomRead: 8,
  appendOnly: 16,
  immutable: 32,
  shortLived: 64,
  longLived: 128,
  compressible: 256,
  incompressible: 512,
});

export type NamedBytes = ReadonlyMap<string, Uint8Array>;
const none: NamedBytes = new Map();
const noKeys: readonly string[] = [];

/** One operation; which fields count depends on `code`. */
export class TransactionOp {
  code: OpCode = opCodes.touch;
  collection: CollectionId = "";
  object: ObjectName | null = null;
  offsetBytes = 0;
  lengthBytes = 0;
  /** Bytes to write; of `lengthBytes`. `null` with a slot. */
  data: Uint8Array | null = null;
  /** Slot of the device's arena that holds the bytes from its start; -1: none. */
  slot = -1;
  /** What a clone or rename makes. */
  target: ObjectName | null = null;
  targetOffsetBytes = 0;
  /** The collection that a split makes or a merge goes into. */
  targetCollection: CollectionId = "";
  values: NamedBytes = none;
  keys: readonly string[] = noKeys;
  /** A new collection's bits, or allocation hints. */
  bits = 0;
  expectedObjectBytes = 0;
  expectedWriteBytes = 0;
}

/**
 * Data and maps are lent: they MUST NOT change until the transaction's callback, nor may the
 * transaction be filled again. Objects that do not exist are made by touch, write, zero, and as the
 * target of clone and clone-range; for every other operation they are ENOENT.
 */
export class Transaction {
  /** The trace of the operation that it is of (`BlockOp.trace`); 0: nobody's times are taken. */
  trace = 0;
  readonly #ops: TransactionOp[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  op(index: number): TransactionOp {
    return this.#ops[index] as TransactionOp;
  }

  /** Empty again. */
  reset(): this {
    for (let index = 0; index < this.#count; index += 1) {
      const op = this.op(index);
      op.data = null;
      op.object = null;
      op.target = null;
      op.values = none;
      op.keys = noKeys;
    }
    this.#count = 0;
    this.trace = 0;
    return this;
  }

  #add(code: OpCode, collection: CollectionId, object: ObjectName | null): TransactionOp {
    let op = this.#ops[this.#count];
    if (op === undefined) {
      op = new TransactionOp();
      this.#ops.push(op);
    }
    this.#count += 1;
    op.code = code;
    op.collection = collection;
    op.object = object;
    return op;
  }

  touch(collection: CollectionId, object: ObjectName): this {
    this.#add(opCodes.touch, collection, object);
    return this;
  }

  write(collection: CollectionId, object: ObjectName, offsetBytes: number, data: Uint8Array): this {
    const op = this.#add(opCodes.write, collection, object);
    op.offsetBytes = offsetBytes;
    op.lengthBytes = data.length;
    op.data = data;
    op.slot = -1;
    return this;
  }

  /** Writes the first `lengthBytes` of a slot of the store's arena. */
  writeSlot(
    collection: CollectionId,
    object: ObjectName,
    offsetBytes: number,
    lengthBytes: number,
    slot: number,
  ): this {
    const op = this.#add(opCodes.write, collection, object);
    op.offsetBytes = offsetBytes;
    op.lengthBytes = lengthBytes;
    op.data = null;
    op.slot = slot;
    return this;
  }

  /** The range reads as zeroes; the object grows to its end if it is shorter. */
  zero(
    collection: CollectionId,
    object: ObjectName,
    offsetBytes: number,
    lengthBytes: number,
  ): this {
    const op = this.#add(opCodes.zero, collection, object);
    op.offsetBytes = offsetBytes;
    op.lengthBytes = lengthBytes;
    return this;
  }

  truncate(collection: CollectionId, object: ObjectName, sizeBytes: number): this {
    this.#add(opCodes.truncate, collection, object).offsetBytes = sizeBytes;
    return this;
  }

  remove(collection: CollectionId, object: ObjectName): this {
    this.#add(opCodes.remove, collection, object);
    return this;
  }

  setAttrs(collection: CollectionId, object: ObjectName, values: NamedBytes): this {
    this.#add(opCodes.setAttrs, collection, object).values = values;
    return this;
  }

  /** Removes an attribute if it is there. */
  removeAttr(collection: CollectionId, object: ObjectName, name: string): this {
    this.#add(opCodes.removeAttr, collection, object).keys = [name];
    return this;
  }

  removeAttrs(collection: CollectionId, object: ObjectName): this {
    this.#add(opCodes.removeAttrs, collection, object);
    return this;
  }

  /** The target becomes equal to the object: data, attributes, omap. */
  clone(collection: CollectionId, object: ObjectName, target: ObjectName): this {
    this.#add(opCodes.clone, collection, object).target = target;
    return this;
  }

  /**
   * The target reads from `targetOffsetBytes` on as the object does in the range, zeroes beyond its
   * end, and grows if need be. Within one object the two ranges MUST NOT overlap (EINVAL).
   */
  cloneRange(
    collection: CollectionId,
    object: ObjectName,
    target: ObjectName,
    range: { offsetBytes: number; lengthBytes: number; targetOffsetBytes: number },
  ): this {
    const op = this.#add(opCodes.cloneRange, collection, object);
    op.target = target;
    op.offsetBytes = range.offsetBytes;
    op.lengthBytes = range.lengthBytes;
    op.targetOffsetBytes = range.targetOffsetBytes;
    return this;
  }

  /** The target MUST NOT exist (EEXIST). */
  rename(collection: CollectionId, object: ObjectName, target: ObjectName): this {
    this.#add(opCodes.rename, collection, object).target = target;
    return this;
  }

  omapSet(collection: CollectionId, object: ObjectName, values: NamedBytes): this {
    this.#add(opCodes.omapSet, collection, object).values = values;
    return this;
  }

  omapRemove(collection: CollectionId, object: ObjectName, keys: readonly string[]): this {
    this.#add(opCodes.omapRemove, collection, object).keys = keys;
    return this;
  }

  /** Removes the keys from `first`, before `end`. */
  omapRemoveRange(collection: CollectionId, object: ObjectName, first: string, end: string): this {
    this.#add(opCodes.omapRemoveRange, collection, object).keys = [first, end];
    return this;
  }

  /** Removes every key and the header. */
  omapClear(collection: CollectionId, object: ObjectName): this {
    this.#add(opCodes.omapClear, collection, object);
    return this;
  }

  omapSetHeader(collection: CollectionId, object: ObjectName, header: Uint8Array): this {
    this.#add(opCodes.omapSetHeader, collection, object).data = header;
    return this;
  }

  /** EEXIST if a collection has objects in common with it; EINVAL for an id or bits that are none. */
  createCollection(collection: CollectionId, bits: number): this {
    this.#add(opCodes.createCollection, collection, null).bits = bits;
    return this;
  }

  /** ENOTEMPTY if it has objects. */
  removeCollection(collection: CollectionId): this {
    this.#add(opCodes.removeCollection, collection, null);
    return this;
  }

  /** One more bit; the objects whose hash has that bit are in `target`, which is made (`childOf`). */
  splitCollection(collection: CollectionId, target: CollectionId): this {
    this.#add(opCodes.splitCollection, collection, null).targetCollection = target;
    return this;
  }

  /** The reverse: `collection`, a child of `target`, goes into it. */
  mergeCollection(collection: CollectionId, target: CollectionId): this {
    this.#add(opCodes.mergeCollection, collection, null).targetCollection = target;
    return this;
  }

  /** `hints`: bits of `allocHints`. */
  setAllocHint(
    collection: CollectionId,
    object: ObjectName,
    expected: { objectBytes: number; writeBytes: number; hints: number },
  ): this {
    const op = this.#add(opCodes.setAllocHint, collection, object);
    op.bits = expected.hints;
    op.expectedObjectBytes = expected.objectBytes;
    op.expectedWriteBytes = expected.writeBytes;
    return this;
  }
}
