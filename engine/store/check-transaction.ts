/** Decides before anything is changed whether a transaction can take effect: one rule for every store. */
import { assert } from "../base/assert.ts";
import { type CollectionId, type CollectionRange, childOf, rangeOf } from "./collection.ts";
import { keyOfObject } from "./object-key.ts";
import type { ObjectName } from "./object-name.ts";
import { maxObjectBytes, storeErrnos } from "./object-store.ts";
import { opCodes, type Transaction, type TransactionOp } from "./transaction.ts";

/** What a store holds before the transaction. */
export interface StoreView {
  range(collection: CollectionId): CollectionRange | null;
  /** Every collection's range. */
  ranges(): Iterable<CollectionRange>;
  exists(object: ObjectName): boolean;
  /** An object of the range whose key is not in `gone`. */
  anyObject(range: CollectionRange, gone: ReadonlySet<string>): boolean;
  /** Bytes of a slot; 0: the store takes none. */
  readonly slotBytes: number;
  readonly slotCount: number;
}

const { ENOENT, EEXIST, EINVAL, EFBIG, ENOTEMPTY } = storeErrnos;

/** The state as it will be after the operations that were checked so far. */
export class TransactionChecker {
  readonly #view: StoreView;
  /** Changes by this transaction; untouched while it has one operation, which is the usual case. */
  readonly #objects = new Map<string, { readonly object: ObjectName; readonly exists: boolean }>();
  readonly #collections = new Map<CollectionId, CollectionRange | null>();

  constructor(view: StoreView) {
    this.#view = view;
  }

  /** 0, or the negative errno of the first operation that cannot be done. */
  check(transaction: Transaction): number {
    const { count } = transaction;
    const single = count === 1;
    let result = 0;
    for (let index = 0; index < count && result === 0; index += 1) {
      result = this.#checkOp(transaction.op(index), single);
    }
    if (this.#objects.size > 0) {
      this.#objects.clear();
    }
    if (this.#collections.size > 0) {
      this.#collections.clear();
    }
    return result;
  }

  #range(collection: CollectionId): CollectionRange | null {
    const changed = this.#collections.size === 0 ? undefined : this.#collections.get(collection);
    return changed === undefined ? this.#view.range(collection) : changed;
  }

  #exists(object: ObjectName): boolean {
    if (this.#objects.size > 0) {
      const changed = this.#objects.get(keyOfObject(object));
      if (changed !== undefined) {
        return changed.exists;
      }
    }
    return this.#view.exists(object);
  }

  #becomes(object: ObjectName, exists: boolean): void {
    this.#objects.set(keyOfObject(object), { object, exists });
  }

  #checkOp(op: TransactionOp, single: boolean): number {
    if (op.object === null) {
      return this.#checkCollectionOp(op);
    }
    const range = this.#range(op.collection);
    if (range === null) {
      return -ENOENT;
    }
    if (!range.contains(op.object)) {
      return -EINVAL;
    }
    const { code } = op;
    const makes = code === opCodes.touch || code === opCodes.write || code === opCodes.zero;
    if (!makes && !this.#exists(op.object)) {
      return -ENOENT;
    }
    const wrong = this.#checkExtent(op);
    if (wrong !== 0) {
      return wrong;
    }
    if (op.target !== null) {
      return this.#checkTarget(op, op.object, op.target, range);
    }
    if (!single && (makes || code === opCodes.remove)) {
      this.#becomes(op.object, makes);
    }
    return 0;
  }

  #checkExtent(op: TransactionOp): number {
    const { code, offsetBytes, lengthBytes } = op;
    if (code === opCodes.truncate) {
      return extentErrno(offsetBytes, 0);
    }
    if (code === opCodes.cloneRange) {
      return (
        extentErrno(offsetBytes, lengthBytes) || extentErrno(op.targetOffsetBytes, lengthBytes)
      );
    }
    if (code !== opCodes.write && code !== opCodes.zero) {
      return 0;
    }
    if (code === opCodes.write && op.data === null) {
      const { slotBytes, slotCount } = this.#view;
      const known = Number.isInteger(op.slot) && op.slot >= 0 && op.slot < slotCount;
      if (!known || lengthBytes > slotBytes) {
        return -EINVAL;
      }
    }
    return extentErrno(offsetBytes, lengthBytes);
  }

  #checkTarget(
    op: TransactionOp,
    object: ObjectName,
    target: ObjectName,
    range: CollectionRange,
  ): number {
    if (!range.contains(target)) {
      return -EINVAL;
    }
    if (op.code === opCodes.rename) {
      if (this.#exists(target)) {
        return -EEXIST;
      }
      this.#becomes(object, false);
    } else if (keyOfObject(object) === keyOfObject(target)) {
      const apartBytes = Math.abs(op.offsetBytes - op.targetOffsetBytes);
      if (op.code === opCodes.clone || apartBytes < op.lengthBytes) {
        return -EINVAL;
      }
    }
    this.#becomes(target, true);
    return 0;
  }

  #checkCollectionOp(op: TransactionOp): number {
    if (op.code === opCodes.createCollection) {
      return this.#checkCreate(op);
    }
    const range = this.#range(op.collection);
    if (range === null) {
      return -ENOENT;
    }
    switch (op.code) {
      case opCodes.removeCollection:
        if (this.#hasObjects(range)) {
          return -ENOTEMPTY;
        }
        this.#collections.set(op.collection, null);
        return 0;
      case opCodes.splitCollection: {
        const { place, bits } = range;
        if (place.meta || bits >= 32 || op.targetCollection !== childOf(range)) {
          return -EINVAL;
        }
        this.#collections.set(op.collection, rangeOf(op.collection, bits + 1));
        this.#collections.set(op.targetCollection, rangeOf(op.targetCollection, bits + 1));
        return 0;
      }
      case opCodes.mergeCollection:
        return this.#checkMerge(op, range);
      default:
        assert(false, "an operation on a collection of no known kind");
    }
  }

  #checkCreate(op: TransactionOp): number {
    const range = rangeOf(op.collection, op.bits);
    if (range === null) {
      return -EINVAL;
    }
    for (const other of this.#view.ranges()) {
      const id = idOf(other);
      if (!this.#collections.has(id) && other.overlaps(range)) {
        return -EEXIST;
      }
    }
    for (const other of this.#collections.values()) {
      if (other?.overlaps(range)) {
        return -EEXIST;
      }
    }
    this.#collections.set(op.collection, range);
    return 0;
  }

  #checkMerge(op: TransactionOp, range: CollectionRange): number {
    const target = this.#range(op.targetCollection);
    if (target === null) {
      return -ENOENT;
    }
    const { bits } = target;
    const half = bits > 0 && range.bits === bits ? rangeOf(op.targetCollection, bits - 1) : null;
    if (half === null || childOf(half) !== op.collection) {
      return -EINVAL;
    }
    this.#collections.set(op.collection, null);
    this.#collections.set(op.targetCollection, half);
    return 0;
  }

  #hasObjects(range: CollectionRange): boolean {
    const gone = new Set<string>();
    for (const [key, { object, exists }] of this.#objects) {
      if (exists && range.contains(object)) {
        return true;
      }
      gone.add(key);
    }
    return this.#view.anyObject(range, gone);
  }
}

function extentErrno(offsetBytes: number, lengthBytes: number): number {
  if (!Number.isSafeInteger(offsetBytes) || !Number.isSafeInteger(lengthBytes)) {
    return -EINVAL;
  }
  if (offsetBytes < 0 || lengthBytes < 0) {
    return -EINVAL;
  }
  return offsetBytes + lengthBytes > maxObjectBytes ? -EFBIG : 0;
}

function idOf(range: CollectionRange): CollectionId {
  const { meta, pool, seed, shard } = range.place;
  return meta ? "meta" : `${pool}.${seed.toString(16)}${shard < 0 ? "" : `s${shard}`}`;
}
