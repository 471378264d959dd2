/** The simplest object store: everything in memory, gone with the process. For tests and as a yardstick. */
import { SparseMemory } from "../../device/sparse-memory.ts";
import type { Arena } from "../../port/block-device.ts";
import type { Clock } from "../../port/clock.ts";
import { type StoreView, TransactionChecker } from "../check-transaction.ts";
import { type CollectionId, type CollectionRange, rangeOf } from "../collection.ts";
import { keyOfObject } from "../object-key.ts";
import { compareText, type ObjectName } from "../object-name.ts";
import {
  type CollectionInfo,
  type Done,
  type DoneWith,
  type ListAnswer,
  type ListQuery,
  type ObjectStat,
  type ObjectStore,
  type OmapAnswer,
  type OmapQuery,
  type SlotRange,
  type StoreUsage,
  storeErrnos,
} from "../object-store.ts";
import { type NamedBytes, opCodes, type Transaction, type TransactionOp } from "../transaction.ts";

const emptyBytes = new Uint8Array(0);

class MemObject {
  readonly name: ObjectName;
  sizeBytes = 0;
  data = new SparseMemory();
  attrs = new Map<string, Uint8Array>();
  omap = new Map<string, Uint8Array>();
  header: Uint8Array = emptyBytes;
  expectedObjectBytes = 0;
  expectedWriteBytes = 0;
  hints = 0;

  constructor(name: ObjectName) {
    this.name = name;
  }

  /** Equal contents under another name. */
  copyAs(name: ObjectName): MemObject {
    const made = new MemObject(name);
    made.sizeBytes = this.sizeBytes;
    made.data = this.data.clone();
    made.attrs = new Map(this.attrs);
    made.omap = new Map(this.omap);
    made.header = this.header;
    made.expectedObjectBytes = this.expectedObjectBytes;
    made.expectedWriteBytes = this.expectedWriteBytes;
    made.hints = this.hints;
    return made;
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes < this.sizeBytes) {
      this.data.zero(sizeBytes, this.sizeBytes - sizeBytes);
    }
    this.sizeBytes = sizeBytes;
  }

  copyRange(target: MemObject, op: TransactionOp): void {
    const bytes = new Uint8Array(op.lengthBytes);
    this.data.read(op.offsetBytes, bytes);
    target.data.write(op.targetOffsetBytes, bytes);
    target.sizeBytes = Math.max(target.sizeBytes, op.targetOffsetBytes + op.lengthBytes);
  }
}

export interface MemStoreOptions {
  /** Callbacks come through it. */
  readonly clock: Clock;
  /** Objects may hold so many bytes in all; beyond that writes are ENOSPC. */
  readonly sizeBytes: number;
  readonly arena?: Arena;
}

export class MemStore implements ObjectStore, StoreView {
  readonly arena: Arena | null;
  readonly slotBytes: number;
  readonly slotCount: number;
  readonly #clock: Clock;
  readonly #sizeBytes: number;
  readonly #objects = new Map<string, MemObject>();
  readonly #collections = new Map<CollectionId, CollectionRange>();
  readonly #checker: TransactionChecker;
  /** Keys in order; `null`: to be sorted again. */
  #sorted: string[] | null = null;
  #storedBytes = 0;
  readonly #waiting: { readonly done: Done; readonly result: number }[] = [];
  #armed = false;

  constructor(options: MemStoreOptions) {
    this.#clock = options.clock;
    this.#sizeBytes = options.sizeBytes;
    this.arena = options.arena ?? null;
    this.slotBytes = this.arena?.slotBytes ?? 0;
    this.slotCount = this.arena?.slotCount ?? 0;
    this.#checker = new TransactionChecker(this);
  }

  range(collection: CollectionId): CollectionRange | null {
    return this.#collections.get(collection) ?? null;
  }

  ranges(): Iterable<CollectionRange> {
    return this.#collections.values();
  }

  exists(object: ObjectName): boolean {
    return this.#objects.has(keyOfObject(object));
  }

  anyObject(range: CollectionRange, gone: ReadonlySet<string>): boolean {
    return this.#objects
      .values()
      .some(({ name }) => range.contains(name) && !gone.has(keyOfObject(name)));
  }

  submit(transaction: Transaction, done: Done): void {
    let result = this.#checker.check(transaction);
    if (result === 0 && this.#storedBytes + growthBytes(transaction) > this.#sizeBytes) {
      result = -storeErrnos.ENOSPC;
    }
    for (let index = 0; result === 0 && index < transaction.count; index += 1) {
      this.#apply(transaction.op(index));
    }
    this.#later(done, result);
  }

  #later(done: Done, result: number): void {
    this.#waiting.push({ done, result });
    if (!this.#armed) {
      this.#armed = true;
      this.#clock.at(this.#clock.nowNs(), () => {
        this.#armed = false;
        for (const call of this.#waiting.splice(0)) {
          call.done(call.result);
        }
      });
    }
  }

  #object(name: ObjectName): MemObject {
    const key = keyOfObject(name);
    let object = this.#objects.get(key);
    if (object === undefined) {
      object = new MemObject(name);
      this.#put(object);
    }
    return object;
  }

  #put(object: MemObject): void {
    this.#sorted = null;
    this.#drop(object.name);
    this.#objects.set(keyOfObject(object.name), object);
    this.#storedBytes += object.sizeBytes;
  }

  #drop(name: ObjectName): void {
    const key = keyOfObject(name);
    this.#storedBytes -= this.#objects.get(key)?.sizeBytes ?? 0;
    this.#objects.delete(key);
    this.#sorted = null;
  }

  #apply(op: TransactionOp): void {
    if (op.object === null) {
      this.#applyToCollection(op);
      return;
    }
    const object = this.#object(op.object);
    if (op.target !== null) {
      this.#applyWithTarget(op, object, op.target);
      return;
    }
    if (op.code === opCodes.remove) {
      this.#drop(object.name);
      return;
    }
    this.#storedBytes -= object.sizeBytes;
    this.#applyData(op, object);
    this.#storedBytes += object.sizeBytes;
    applyNamed(op, object);
  }

  #applyData(op: TransactionOp, object: MemObject): void {
    const endBytes = op.offsetBytes + op.lengthBytes;
    switch (op.code) {
      case opCodes.write:
        object.data.write(op.offsetBytes, this.#dataOf(op));
        object.sizeBytes = Math.max(object.sizeBytes, op.lengthBytes === 0 ? 0 : endBytes);
        break;
      case opCodes.zero:
        object.data.zero(op.offsetBytes, op.lengthBytes);
        object.sizeBytes = Math.max(object.sizeBytes, op.lengthBytes === 0 ? 0 : endBytes);
        break;
      case opCodes.truncate:
        object.truncate(op.offsetBytes);
        break;
      default:
        break;
    }
  }

  #dataOf(op: TransactionOp): Uint8Array {
    if (op.data !== null || this.arena === null) {
      return op.data ?? emptyBytes;
    }
    const start = op.slot * this.slotBytes;
    return this.arena.bytes.subarray(start, start + op.lengthBytes);
  }

  #applyWithTarget(op: TransactionOp, object: MemObject, target: ObjectName): void {
    if (op.code === opCodes.cloneRange) {
      const other = this.#object(target);
      this.#storedBytes -= other.sizeBytes;
      if (op.lengthBytes > 0) {
        object.copyRange(other, op);
      }
      this.#storedBytes += other.sizeBytes;
      return;
    }
    const made = object.copyAs(target);
    if (op.code === opCodes.rename) {
      this.#drop(object.name);
    }
    this.#put(made);
  }

  #applyToCollection(op: TransactionOp): void {
    const { collection, targetCollection } = op;
    const bits = this.range(collection)?.bits ?? 0;
    const set = (id: CollectionId, newBits: number): void => {
      const range = rangeOf(id, newBits);
      if (range !== null) {
        this.#collections.set(id, range);
      }
    };
    switch (op.code) {
      case opCodes.createCollection:
        set(collection, op.bits);
        break;
      case opCodes.removeCollection:
        this.#collections.delete(collection);
        break;
      case opCodes.splitCollection:
        set(collection, bits + 1);
        set(targetCollection, bits + 1);
        break;
      case opCodes.mergeCollection:
        this.#collections.delete(collection);
        set(targetCollection, bits - 1);
        break;
      default:
        break;
    }
  }

  #find(collection: CollectionId, name: ObjectName): MemObject | null {
    const range = this.range(collection);
    return range?.contains(name) === true ? (this.#objects.get(keyOfObject(name)) ?? null) : null;
  }

  read(
    collection: CollectionId,
    name: ObjectName,
    offsetBytes: number,
    into: Uint8Array,
    done: Done,
  ): void {
    const object = this.#find(collection, name);
    if (object === null) {
      done(-storeErrnos.ENOENT);
      return;
    }
    const length = Math.max(0, Math.min(into.length, object.sizeBytes - offsetBytes));
    object.data.read(offsetBytes, into.subarray(0, length));
    done(length);
  }

  readSlot(collection: CollectionId, name: ObjectName, range: SlotRange, done: Done): void {
    const start = range.slot * this.slotBytes;
    if (this.arena === null || range.lengthBytes > this.slotBytes) {
      done(-storeErrnos.EINVAL);
      return;
    }
    const into = this.arena.bytes.subarray(start, start + range.lengthBytes);
    this.read(collection, name, range.offsetBytes, into, done);
  }

  stat(collection: CollectionId, name: ObjectName, done: DoneWith<ObjectStat>): void {
    const object = this.#find(collection, name);
    if (object === null) {
      done(-storeErrnos.ENOENT, null);
      return;
    }
    const { sizeBytes, expectedObjectBytes, expectedWriteBytes, hints } = object;
    done(0, { sizeBytes, expectedObjectBytes, expectedWriteBytes, hints });
  }

  attrs(collection: CollectionId, name: ObjectName, done: DoneWith<NamedBytes>): void {
    const object = this.#find(collection, name);
    done(object === null ? -storeErrnos.ENOENT : 0, object === null ? null : object.attrs);
  }

  omap(
    collection: CollectionId,
    name: ObjectName,
    query: OmapQuery,
    done: DoneWith<OmapAnswer>,
  ): void {
    const object = this.#find(collection, name);
    if (object === null) {
      done(-storeErrnos.ENOENT, null);
      return;
    }
    const wanted = "keys" in query ? new Set(query.keys) : null;
    const first = "keys" in query ? "" : query.first;
    const max = "keys" in query ? Number.POSITIVE_INFINITY : query.max;
    const keys = [...object.omap.keys()]
      .filter((key) => compareText(key, first) >= 0 && (wanted?.has(key) ?? true))
      .sort(compareText);
    const pairs = new Map<string, Uint8Array>();
    for (const key of keys.slice(0, max)) {
      pairs.set(key, object.omap.get(key) ?? emptyBytes);
    }
    done(0, { header: object.header, pairs, more: keys.length > max });
  }

  list(collection: CollectionId, query: ListQuery, done: DoneWith<ListAnswer>): void {
    const range = this.range(collection);
    if (range === null) {
      done(-storeErrnos.ENOENT, null);
      return;
    }
    this.#sorted ??= [...this.#objects.keys()].sort();
    const first = query.first === null ? "" : keyOfObject(query.first);
    const end = query.end === null ? "\xff\xff" : keyOfObject(query.end);
    const objects: ObjectName[] = [];
    for (const key of this.#sorted) {
      const object = this.#objects.get(key);
      if (object !== undefined && key >= first && key < end && range.contains(object.name)) {
        if (objects.length === query.max) {
          done(0, { objects, next: object.name });
          return;
        }
        objects.push(object.name);
      }
    }
    done(0, { objects, next: null });
  }

  collections(done: DoneWith<readonly CollectionInfo[]>): void {
    const ids = [...this.#collections.keys()].sort();
    done(
      0,
      ids.map((id) => ({ id, bits: this.range(id)?.bits ?? 0 })),
    );
  }

  usage(): StoreUsage {
    const used = this.#storedBytes;
    return {
      totalBytes: this.#sizeBytes,
      freeBytes: this.#sizeBytes - used,
      allocatedBytes: used,
      storedBytes: used,
      compressedOriginalBytes: 0,
      compressedAllocatedBytes: 0,
    };
  }

  flush(done: Done): void {
    this.#later(done, 0);
  }

  unmount(done: Done): void {
    this.#later(done, 0);
  }
}

/** Bytes by which objects can grow at most: what a transaction needs to be free. */
function growthBytes(transaction: Transaction): number {
  let bytes = 0;
  for (let index = 0; index < transaction.count; index += 1) {
    const op = transaction.op(index);
    if (op.code === opCodes.write) {
      bytes += op.lengthBytes;
    }
  }
  return bytes;
}

function applyNamed(op: TransactionOp, object: MemObject): void {
  const copied = (): [string, Uint8Array][] =>
    [...op.values].map(([key, value]) => [key, value.slice()]);
  switch (op.code) {
    case opCodes.setAttrs:
      object.attrs = new Map([...object.attrs, ...copied()]);
      break;
    case opCodes.removeAttr:
      object.attrs = new Map([...object.attrs].filter(([name]) => name !== op.keys[0]));
      break;
    case opCodes.removeAttrs:
      object.attrs = new Map();
      break;
    case opCodes.omapSet:
      for (const [key, value] of copied()) {
        object.omap.set(key, value);
      }
      break;
    case opCodes.omapRemove:
      for (const key of op.keys) {
        object.omap.delete(key);
      }
      break;
    case opCodes.omapRemoveRange: {
      const [first, end] = op.keys as [string, string];
      for (const key of [...object.omap.keys()]) {
        if (compareText(key, first) >= 0 && compareText(key, end) < 0) {
          object.omap.delete(key);
        }
      }
      break;
    }
    case opCodes.omapClear:
      object.omap.clear();
      object.header = emptyBytes;
      break;
    case opCodes.omapSetHeader:
      object.header = (op.data ?? emptyBytes).slice();
      break;
    case opCodes.setAllocHint:
      object.expectedObjectBytes = op.expectedObjectBytes;
      object.expectedWriteBytes = op.expectedWriteBytes;
      object.hints = op.bits;
      break;
    default:
      break;
  }
}
