/**
 * The plain model that stores are compared with: values copied whole, nothing clever. Bytes are
 * replaced and never changed, so that states of the model can share what is the same in them.
 */
import { childOf, rangeOf } from "./collection.ts";
import { keyOfObject } from "./object-key.ts";
import { compareText, type ObjectName } from "./object-name.ts";
import { maxObjectBytes, storeErrnos } from "./object-store.ts";
import { opCodes, type Transaction, type TransactionOp } from "./transaction.ts";

export interface ModelObject {
  readonly name: ObjectName;
  data: Uint8Array;
  attrs: Map<string, Uint8Array>;
  omap: Map<string, Uint8Array>;
  header: Uint8Array;
  expected: readonly [objectBytes: number, writeBytes: number, hints: number];
}

const { ENOENT, EEXIST, EINVAL, EFBIG, ENOTEMPTY } = storeErrnos;

function resized(data: Uint8Array, length: number): Uint8Array {
  const made = new Uint8Array(length);
  made.set(data.subarray(0, Math.min(length, data.length)));
  return made;
}

function copyOf(object: ModelObject, name: ObjectName): ModelObject {
  return {
    ...object,
    name,
    attrs: new Map(object.attrs),
    omap: new Map(object.omap),
  };
}

/** What a model holds at one time; never changed. */
interface ModelState {
  readonly objects: ReadonlyMap<string, ModelObject>;
  readonly bits: ReadonlyMap<string, number>;
}

const emptyState: ModelState = { objects: new Map(), bits: new Map() };

/**
 * What transactions did to models: a history that is played again and again from its beginning, as
 * crashes of it are, is worked out once.
 */
export class ModelMemo {
  readonly #known = new WeakMap<
    Transaction,
    { from: ModelState; to: ModelState; result: number }
  >();

  /** `work` answers with the state that follows `from`, unless that is known. */
  get(
    transaction: Transaction,
    from: ModelState,
    work: () => { readonly to: ModelState; readonly result: number },
  ): { readonly to: ModelState; readonly result: number } {
    const known = this.#known.get(transaction);
    if (known?.from === from) {
      return known;
    }
    const made = { from, ...work() };
    this.#known.set(transaction, made);
    return made;
  }
}

export class StoreModel {
  #state = emptyState;
  #objects = new Map<string, ModelObject>();
  #bits = new Map<string, number>();
  /** Objects that no other state has. */
  readonly #own = new Set<ModelObject>();
  readonly slotBytes: number;
  readonly #memo: ModelMemo | null;

  /** With a memo, transactions MUST have their data with them, none in slots. */
  constructor(slotBytes: number, memo: ModelMemo | null = null) {
    this.slotBytes = slotBytes;
    this.#memo = memo;
  }

  get objects(): readonly ModelObject[] {
    return [...this.#state.objects.values()];
  }

  get collections(): ReadonlyMap<string, number> {
    return this.#state.bits;
  }

  /** The collection that an object is in; `null`: in none. */
  collectionOf(object: ObjectName): string | null {
    for (const [id, bits] of this.#state.bits) {
      if (rangeOf(id, bits)?.contains(object) === true) {
        return id;
      }
    }
    return null;
  }

  /** Takes effect whole (0) or not at all (negative errno). `slotData`: bytes of a slot. */
  apply(transaction: Transaction, slotData: (slot: number) => Uint8Array): number {
    const from = this.#state;
    const work = () => this.#work(transaction, slotData);
    const { to, result } = this.#memo?.get(transaction, from, work) ?? work();
    this.#state = to;
    return result;
  }

  #work(transaction: Transaction, slotData: (slot: number) => Uint8Array) {
    const from = this.#state;
    this.#objects = new Map(from.objects);
    this.#bits = new Map(from.bits);
    this.#own.clear();
    for (let index = 0; index < transaction.count; index += 1) {
      const op = transaction.op(index);
      const errno = op.object === null ? this.#collectionOp(op) : this.#objectOp(op, slotData);
      if (errno !== 0) {
        return { to: from, result: -errno };
      }
    }
    return { to: { objects: this.#objects, bits: this.#bits }, result: 0 };
  }

  /** The object for changing: a copy of its own, unless it has one. */
  #change(object: ModelObject, name = object.name): ModelObject {
    if (this.#own.has(object) && name === object.name) {
      return object;
    }
    const copy = copyOf(object, name);
    this.#own.add(copy);
    this.#objects.set(keyOfObject(name), copy);
    return copy;
  }

  #collectionOp(op: TransactionOp): number {
    const bits = this.#bits.get(op.collection);
    if (op.code === opCodes.createCollection) {
      const range = rangeOf(op.collection, op.bits);
      if (range === null) {
        return EINVAL;
      }
      for (const [id, other] of this.#bits) {
        if (rangeOf(id, other)?.overlaps(range) === true) {
          return EEXIST;
        }
      }
      this.#bits.set(op.collection, op.bits);
      return 0;
    }
    const range = bits === undefined ? null : rangeOf(op.collection, bits);
    if (bits === undefined || range === null) {
      return ENOENT;
    }
    if (op.code === opCodes.removeCollection) {
      const full = [...this.#objects.values()].some(({ name }) => range.contains(name));
      this.#bits.delete(op.collection);
      return full ? ENOTEMPTY : 0;
    }
    if (op.code === opCodes.splitCollection) {
      if (range.place.meta || bits === 32 || childOf(range) !== op.targetCollection) {
        return EINVAL;
      }
      this.#bits.set(op.collection, bits + 1).set(op.targetCollection, bits + 1);
      return 0;
    }
    return this.#merge(op, bits);
  }

  #merge(op: TransactionOp, bits: number): number {
    const targetBits = this.#bits.get(op.targetCollection);
    if (targetBits === undefined) {
      return ENOENT;
    }
    const whole = rangeOf(op.targetCollection, Math.max(0, bits - 1));
    const sibling = bits > 0 && targetBits === bits && whole !== null;
    if (!sibling || childOf(whole) !== op.collection) {
      return EINVAL;
    }
    this.#bits.delete(op.collection);
    this.#bits.set(op.targetCollection, bits - 1);
    return 0;
  }

  #objectOp(op: TransactionOp, slotData: (slot: number) => Uint8Array): number {
    const name = op.object as ObjectName;
    const bits = this.#bits.get(op.collection);
    const range = bits === undefined ? null : rangeOf(op.collection, bits);
    if (range === null) {
      return ENOENT;
    }
    if (!range.contains(name)) {
      return EINVAL;
    }
    const makes = ([opCodes.touch, opCodes.write, opCodes.zero] as number[]).includes(op.code);
    const object = this.#objects.get(keyOfObject(name));
    if (object === undefined && !makes) {
      return ENOENT;
    }
    if (object !== undefined && op.target !== null) {
      return range.contains(op.target) ? this.#withTarget(op, object, op.target) : EINVAL;
    }
    if (op.code === opCodes.remove) {
      this.#objects.delete(keyOfObject(name));
      return 0;
    }
    return this.#data(op, this.#change(object ?? blank(name)), slotData);
  }

  #withTarget(op: TransactionOp, object: ModelObject, target: ObjectName): number {
    const key = keyOfObject(target);
    const same = key === keyOfObject(object.name);
    if (op.code === opCodes.rename) {
      if (this.#objects.has(key)) {
        return EEXIST;
      }
      this.#objects.delete(keyOfObject(object.name));
      this.#change(object, target);
      return 0;
    }
    if (op.code === opCodes.clone) {
      this.#change(object, target);
      return same ? EINVAL : 0;
    }
    const { offsetBytes, lengthBytes, targetOffsetBytes } = op;
    if (Math.max(offsetBytes, targetOffsetBytes) + lengthBytes > maxObjectBytes) {
      return EFBIG;
    }
    if (same && Math.abs(offsetBytes - targetOffsetBytes) < lengthBytes) {
      return EINVAL;
    }
    const piece = resized(object.data.subarray(offsetBytes), lengthBytes);
    overwrite(this.#change(this.#objects.get(key) ?? blank(target)), targetOffsetBytes, piece);
    return 0;
  }

  #data(op: TransactionOp, object: ModelObject, slotData: (slot: number) => Uint8Array): number {
    const { offsetBytes, lengthBytes } = op;
    switch (op.code) {
      case opCodes.write:
      case opCodes.zero: {
        if (op.code === opCodes.write && op.data === null && lengthBytes > this.slotBytes) {
          return EINVAL;
        }
        if (offsetBytes + lengthBytes > maxObjectBytes) {
          return EFBIG;
        }
        const zeroes = (): Uint8Array => new Uint8Array(lengthBytes);
        const source = op.code === opCodes.zero ? zeroes() : (op.data ?? slotData(op.slot));
        overwrite(object, offsetBytes, source.subarray(0, lengthBytes));
        return 0;
      }
      case opCodes.truncate:
        if (offsetBytes > maxObjectBytes) {
          return EFBIG;
        }
        object.data = resized(object.data, offsetBytes);
        return 0;
      case opCodes.setAllocHint:
        object.expected = [op.expectedObjectBytes, op.expectedWriteBytes, op.bits];
        return 0;
      default:
        named(op, object);
        return 0;
    }
  }
}

function blank(name: ObjectName): ModelObject {
  const nothing = new Uint8Array(0);
  return {
    name,
    data: nothing,
    attrs: new Map(),
    omap: new Map(),
    header: nothing,
    expected: [0, 0, 0],
  };
}

function overwrite(object: ModelObject, offsetBytes: number, data: Uint8Array): void {
  if (data.length > 0) {
    object.data = resized(object.data, Math.max(object.data.length, offsetBytes + data.length));
    object.data.set(data, offsetBytes);
  }
}

function named(op: TransactionOp, object: ModelObject): void {
  const { attrs, omap } = object;
  switch (op.code) {
    case opCodes.setAttrs:
      for (const [name, value] of op.values) {
        attrs.set(name, value.slice());
      }
      break;
    case opCodes.removeAttr:
      attrs.delete(op.keys[0] as string);
      break;
    case opCodes.removeAttrs:
      attrs.clear();
      break;
    case opCodes.omapSet:
      for (const [key, value] of op.values) {
        omap.set(key, value.slice());
      }
      break;
    case opCodes.omapRemove:
      for (const key of op.keys) {
        omap.delete(key);
      }
      break;
    case opCodes.omapRemoveRange:
      for (const key of [...omap.keys()]) {
        const [first, end] = op.keys as [string, string];
        if (compareText(key, first) >= 0 && compareText(key, end) < 0) {
          omap.delete(key);
        }
      }
      break;
    case opCodes.omapClear:
      omap.clear();
      object.header = new Uint8Array(0);
      break;
    case opCodes.omapSetHeader:
      object.header = (op.data ?? new Uint8Array(0)).slice();
      break;
    default:
      break;
  }
}
