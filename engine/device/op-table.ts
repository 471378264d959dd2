import type { BlockOp, Completions, OpKind } from "../port/block-device.ts";

/**
 * The operations that a device holds between `submit` and their completion, in typed arrays by index.
 * Nothing is allocated per operation; the index serves as tag towards a device below.
 */
export class OpTable {
  readonly capacity: number;
  readonly kind: Uint8Array;
  readonly flags: Uint8Array;
  readonly offsetBytes: Float64Array;
  readonly lengthBytes: Float64Array;
  readonly slot: Int32Array;
  readonly tag: Int32Array;
  readonly opClass: Uint8Array;
  readonly clientId: Float64Array;
  readonly priority: Uint8Array;
  readonly trace: Int32Array;
  readonly submittedNs: Float64Array;
  /** Result as far as it is known: bytes or a negative errno. */
  readonly result: Int32Array;
  readonly #free: Int32Array;
  #freeCount: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.kind = new Uint8Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.offsetBytes = new Float64Array(capacity);
    this.lengthBytes = new Float64Array(capacity);
    this.slot = new Int32Array(capacity);
    this.tag = new Int32Array(capacity);
    this.opClass = new Uint8Array(capacity);
    this.clientId = new Float64Array(capacity);
    this.priority = new Uint8Array(capacity);
    this.trace = new Int32Array(capacity);
    this.submittedNs = new Float64Array(capacity);
    this.result = new Int32Array(capacity);
    this.#free = Int32Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
    this.#freeCount = capacity;
  }

  /** Operations held. */
  get size(): number {
    return this.capacity - this.#freeCount;
  }

  /** Keeps an operation and returns its index; -1 when the table is full. */
  put(op: BlockOp): number {
    if (this.#freeCount === 0) {
      return -1;
    }
    this.#freeCount -= 1;
    const index = this.#free[this.#freeCount] as number;
    this.kind[index] = op.kind;
    this.flags[index] = op.flags;
    this.offsetBytes[index] = op.offsetBytes;
    this.lengthBytes[index] = op.lengthBytes;
    this.slot[index] = op.slot;
    this.tag[index] = op.tag;
    this.opClass[index] = op.opClass ?? 0;
    this.clientId[index] = op.clientId ?? 0;
    this.priority[index] = op.priority ?? 0;
    this.trace[index] = op.trace ?? 0;
    this.result[index] = 0;
    return index;
  }

  /** Writes the operation at `index` into `op`, with the index as its tag. */
  load(index: number, op: BlockOp): void {
    op.kind = this.kind[index] as OpKind;
    op.flags = this.flags[index] as number;
    op.offsetBytes = this.offsetBytes[index] as number;
    op.lengthBytes = this.lengthBytes[index] as number;
    op.slot = this.slot[index] as number;
    op.tag = index;
    op.opClass = this.opClass[index] as number;
    op.clientId = this.clientId[index] as number;
    op.priority = this.priority[index] as number;
    op.trace = this.trace[index] as number;
  }

  release(index: number): void {
    this.#free[this.#freeCount] = index;
    this.#freeCount += 1;
  }
}

/** Room for the completions of one `poll`. */
export function completionArrays(capacity: number): Completions {
  return {
    tag: new Int32Array(capacity),
    result: new Int32Array(capacity),
    submittedNs: new Float64Array(capacity),
    completedNs: new Float64Array(capacity),
  };
}

/** An operation to be filled and handed on. */
export function blankOp(): BlockOp {
  return {
    kind: 0,
    flags: 0,
    offsetBytes: 0,
    lengthBytes: 0,
    slot: 0,
    tag: 0,
    opClass: 0,
    clientId: 0,
    priority: 0,
    trace: 0,
  };
}
