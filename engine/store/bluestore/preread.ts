/**
 * Looks at a transaction before it is carried out: loads the metadata that it needs, so that damage is
 * found while nothing has changed, and reads data that is to be merged with what is written.
 */
import type { ObjectName } from "../object-name.ts";
import { maxObjectBytes } from "../object-store.ts";
import { opCodes, type TransactionOp } from "../transaction.ts";
import type { Onode } from "./onode.ts";
import type { Reader } from "./read.ts";
import type { StoreState } from "./state.ts";
import type { Txc } from "./txc.ts";
import { garbageAround } from "./write-path/garbage.ts";
import { findInPlace } from "./write-path/small.ts";

export class Planner {
  readonly #state: StoreState;
  readonly #reader: Reader;
  /** Called when the last read of a transaction has ended. */
  readonly #ready: (txc: Txc) => void;

  constructor(state: StoreState, reader: Reader, ready: (txc: Txc) => void) {
    this.#state = state;
    this.#reader = reader;
    this.#ready = ready;
  }

  /** Space that the transaction may need at most. */
  needBytes(txc: Txc): number {
    const { unitBytes } = this.#state;
    let need = 0;
    for (let at = 0; at < (txc.transaction?.count ?? 0); at += 1) {
      const op = txc.transaction?.op(at) as TransactionOp;
      if (op.code === opCodes.write) {
        need += (Math.ceil(op.lengthBytes / unitBytes) + 2) * unitBytes;
      }
    }
    for (const { bytes } of txc.preread) {
      need += (Math.ceil(bytes.length / unitBytes) + 2) * unitBytes;
    }
    return need;
  }

  /** Loads what the operations touch; throws `CorruptRecord`. */
  load(txc: Txc): void {
    const { transaction } = txc;
    for (let at = 0; at < (transaction?.count ?? 0); at += 1) {
      const op = transaction?.op(at) as TransactionOp;
      if (op.object !== null) {
        this.#loadFor(op, op.object);
      }
    }
  }

  #loadFor(op: TransactionOp, name: ObjectName): void {
    const { shards, options } = this.#state;
    const onode = this.#state.find(name);
    if (onode === null) {
      return;
    }
    const reach = options.maxBlobBytes;
    switch (op.code) {
      case opCodes.write:
      case opCodes.zero: {
        const from = Math.max(0, op.offsetBytes - reach);
        shards.fault(onode, from, op.offsetBytes - from + op.lengthBytes + reach);
        break;
      }
      case opCodes.truncate:
        shards.fault(onode, op.offsetBytes, maxObjectBytes);
        break;
      case opCodes.remove:
      case opCodes.clone:
      case opCodes.cloneRange:
      case opCodes.rename:
        shards.faultAll(onode);
        break;
      default:
        break;
    }
    const target = op.target === null ? null : this.#state.find(op.target);
    if (target !== null) {
      shards.faultAll(target);
    }
  }

  /** Starts the reads; `true`: there are none. */
  plan(txc: Txc): boolean {
    const { transaction } = txc;
    const count = transaction?.count ?? 0;
    const touched = count > 1 ? new Set<Onode>() : null;
    txc.prereadLeft = 1;
    for (let at = 0; at < count; at += 1) {
      const op = transaction?.op(at) as TransactionOp;
      const onode = op.object === null ? null : this.#state.find(op.object);
      if (onode === null) {
        continue;
      }
      // What an earlier operation changes cannot be read now.
      if (op.code === opCodes.write && op.lengthBytes > 0 && touched?.has(onode) !== true) {
        this.#planWrite(txc, onode, op, at);
      }
      if (touched !== null) {
        touched.add(onode);
        const target = op.target === null ? null : this.#state.find(op.target);
        if (target !== null) {
          touched.add(target);
        }
      }
    }
    txc.prereadLeft -= 1;
    return txc.prereadLeft === 0;
  }

  #planWrite(txc: Txc, onode: Onode, op: TransactionOp, at: number): void {
    const unit = this.#state.unitBytes;
    const { offsetBytes: offset, lengthBytes: length } = op;
    const head = Math.min(length, (unit - (offset % unit)) % unit);
    const tail = head === length ? 0 : (offset + length) % unit;
    if (head > 0) {
      this.#planSmall(txc, onode, at, offset, head);
    }
    if (tail > 0) {
      this.#planSmall(txc, onode, at, offset + length - tail, tail);
    }
    const usage = this.#state.usage.get(onode.name.pool);
    if (usage !== undefined && usage.compressedOriginal > 0) {
      for (const piece of garbageAround(this.#state, onode, offset, length)) {
        this.#read(txc, onode, at, piece.offset, piece.length);
      }
    }
  }

  #planSmall(txc: Txc, onode: Onode, at: number, offset: number, length: number): void {
    const place = findInPlace(this.#state, onode, offset, length);
    if (place === null || place.unused) {
      return;
    }
    const { start, padOffset, padEnd, blob } = place;
    const first = start + padOffset;
    const last = start + padEnd;
    const end = offset + length;
    const { map } = onode;
    const head = map.hasAny(first, offset - first);
    const tail = map.hasAny(end, last - end);
    if (!head && !tail) {
      return;
    }
    this.#state.counters.write_small_pre_read += 1;
    if (padEnd - padOffset <= 2 * blob.chunkBytes(this.#state.blockBytes)) {
      this.#read(txc, onode, at, first, last - first);
      return;
    }
    if (head) {
      this.#read(txc, onode, at, first, offset - first);
    }
    if (tail) {
      this.#read(txc, onode, at, end, last - end);
    }
  }

  #read(txc: Txc, onode: Onode, op: number, offset: number, length: number): void {
    const bytes = new Uint8Array(length);
    txc.prereadLeft += 1;
    this.#reader.read(onode, offset, length, bytes, -1, 0, (result) => {
      // Without it the data goes to a new place, and what cannot be read stays as it is.
      if (result >= 0) {
        txc.preread.push({ onode, op, offsetBytes: offset, bytes });
      }
      txc.prereadLeft -= 1;
      if (txc.prereadLeft === 0) {
        this.#ready(txc);
      }
    });
  }
}
