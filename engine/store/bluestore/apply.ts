/** Carries out a transaction's operations on the store's memory, and gathers their records. */
import { assert } from "../../base/assert.ts";
import type { ObjectName } from "../object-name.ts";
import { maxObjectBytes } from "../object-store.ts";
import { opCodes, type TransactionOp } from "../transaction.ts";
import { ExtentMap, OldExtents } from "./extent-map.ts";
import { prefixes } from "./keys.ts";
import { clearOmap, copyOmap, removeKeyRange, removeKeys, setHeader, setPairs } from "./omap.ts";
import { type Onode, onodeFlags } from "./onode.ts";
import type { StoreState } from "./state.ts";
import type { Txc } from "./txc.ts";
import { bytesOfKey, WireWriter } from "./wire.ts";
import { allocateWrite, releaseOld } from "./write-path/allocate.ts";
import { cloneExtents } from "./write-path/clone.ts";
import { WriteContext } from "./write-path/context.ts";
import { collectGarbage } from "./write-path/garbage.ts";
import { writeData } from "./write-path/write.ts";

const noBytes = new Uint8Array(0);

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] !== 0) {
      return false;
    }
  }
  return true;
}

export class Applier {
  readonly #state: StoreState;
  readonly #old = new OldExtents();
  readonly #writer = new WireWriter();

  constructor(state: StoreState) {
    this.#state = state;
  }

  /** The transaction was checked, what it needs is loaded, and there is space for it. */
  apply(txc: Txc): void {
    const { transaction } = txc;
    assert(transaction !== null, "a transaction is carried out that is not there");
    for (let index = 0; index < transaction.count; index += 1) {
      const op = transaction.op(index);
      if (op.object === null) {
        this.#collectionOp(txc, op);
      } else {
        this.#objectOp(txc, op, index, op.object);
      }
    }
    this.#finish(txc);
  }

  #setExists(onode: Onode, exists: boolean): void {
    onode.exists = exists;
    this.#state.pendingNames.set(onode.key, onode);
  }

  /** The object's onode, made if it does not exist, and to be written. */
  #ensure(txc: Txc, name: ObjectName): Onode {
    const onode = this.#state.findOrMake(name);
    if (!onode.exists) {
      onode.nid = this.#state.newNid();
      this.#setExists(onode, true);
    }
    this.#state.change(txc, onode);
    return onode;
  }

  #objectOp(txc: Txc, op: TransactionOp, index: number, name: ObjectName): void {
    const onode = this.#ensure(txc, name);
    switch (op.code) {
      case opCodes.touch:
        break;
      case opCodes.write:
        this.#write(txc, onode, op, index);
        break;
      case opCodes.zero:
        this.#punch(txc, onode, op.offsetBytes, op.lengthBytes);
        if (op.lengthBytes > 0) {
          onode.sizeBytes = Math.max(onode.sizeBytes, op.offsetBytes + op.lengthBytes);
        }
        break;
      case opCodes.truncate:
        this.#truncate(txc, onode, op.offsetBytes);
        break;
      case opCodes.remove:
        this.#remove(txc, onode);
        break;
      case opCodes.clone:
        this.#clone(txc, onode, op.target as ObjectName);
        break;
      case opCodes.cloneRange:
        this.#cloneRange(txc, onode, op, op.target as ObjectName);
        break;
      case opCodes.rename:
        this.#rename(txc, onode, op.target as ObjectName);
        break;
      default:
        this.#namedOp(txc, onode, op);
    }
  }

  #namedOp(txc: Txc, onode: Onode, op: TransactionOp): void {
    switch (op.code) {
      case opCodes.setAttrs: {
        const attrs = new Map(onode.attrs);
        for (const [name, value] of op.values) {
          attrs.set(name, value.slice());
        }
        onode.attrs = attrs;
        break;
      }
      case opCodes.removeAttr: {
        const attrs = new Map(onode.attrs);
        attrs.delete(op.keys[0] as string);
        onode.attrs = attrs;
        break;
      }
      case opCodes.removeAttrs:
        onode.attrs = new Map();
        break;
      case opCodes.omapSet:
        setPairs(txc, onode, op);
        break;
      case opCodes.omapRemove:
        removeKeys(txc, onode, op.keys);
        break;
      case opCodes.omapRemoveRange:
        removeKeyRange(txc, onode, op.keys[0] as string, op.keys[1] as string);
        break;
      case opCodes.omapClear:
        clearOmap(txc, onode);
        break;
      case opCodes.omapSetHeader:
        setHeader(txc, onode, op.data ?? noBytes);
        break;
      case opCodes.setAllocHint:
        onode.expectedObjectBytes = op.expectedObjectBytes;
        onode.expectedWriteBytes = op.expectedWriteBytes;
        onode.hints = op.bits;
        break;
      default:
        assert(false, "an operation on an object of no known kind");
    }
  }

  #write(txc: Txc, onode: Onode, op: TransactionOp, index: number): void {
    const { offsetBytes, lengthBytes, slot } = op;
    if (lengthBytes === 0) {
      return;
    }
    const state = this.#state;
    let bytes = op.data;
    if (bytes === null) {
      const start = slot * state.slotBytes;
      bytes = state.io.lane.arena.bytes.subarray(start, start + lengthBytes);
    }
    onode.sizeBytes = Math.max(onode.sizeBytes, offsetBytes + lengthBytes);
    if (state.options.zeroBlockDetection && isZero(bytes)) {
      this.#punch(txc, onode, offsetBytes, lengthBytes);
      return;
    }
    const ctx = new WriteContext(state, txc, onode, index, this.#old);
    writeData(ctx, offsetBytes, bytes, op.data === null ? slot : -1);
    allocateWrite(ctx);
    releaseOld(txc, onode, this.#old);
    if (ctx.preread.length > 0) {
      collectGarbage(ctx, offsetBytes, lengthBytes);
    }
  }

  #punch(txc: Txc, onode: Onode, offset: number, length: number): void {
    this.#state.shards.fault(onode, offset, length);
    onode.map.punch(offset, length, this.#old);
    releaseOld(txc, onode, this.#old);
  }

  #truncate(txc: Txc, onode: Onode, sizeBytes: number): void {
    const { perf } = this.#state;
    const beganNs = perf.now();
    if (sizeBytes < onode.sizeBytes) {
      this.#punch(txc, onode, sizeBytes, maxObjectBytes - sizeBytes);
    }
    onode.sizeBytes = sizeBytes;
    perf.add(perf.truncate_lat, perf.now() - beganNs);
  }

  #remove(txc: Txc, onode: Onode): void {
    const state = this.#state;
    const beganNs = state.perf.now();
    this.#punch(txc, onode, 0, maxObjectBytes);
    clearOmap(txc, onode);
    state.shards.remove(onode, txc.batch);
    onode.forget();
    this.#setExists(onode, false);
    state.perf.add(state.perf.remove_lat, state.perf.now() - beganNs);
  }

  #clone(txc: Txc, onode: Onode, name: ObjectName): void {
    const target = this.#ensure(txc, name);
    this.#punch(txc, target, 0, maxObjectBytes);
    clearOmap(txc, target);
    target.sizeBytes = onode.sizeBytes;
    target.attrs = onode.attrs;
    target.expectedObjectBytes = onode.expectedObjectBytes;
    target.expectedWriteBytes = onode.expectedWriteBytes;
    target.hints = onode.hints;
    if ((onode.flags & onodeFlags.omap) !== 0) {
      copyOmap(this.#state, txc, onode, onode.omapPrefix, target);
    }
    this.#state.shards.faultAll(onode);
    const ctx = new WriteContext(this.#state, txc, onode, -1, this.#old);
    cloneExtents(ctx, target, 0, maxObjectBytes, 0);
  }

  #cloneRange(txc: Txc, onode: Onode, op: TransactionOp, name: ObjectName): void {
    const target = this.#ensure(txc, name);
    const { offsetBytes, lengthBytes, targetOffsetBytes } = op;
    if (lengthBytes === 0) {
      return;
    }
    this.#state.shards.fault(onode, offsetBytes, lengthBytes);
    this.#punch(txc, target, targetOffsetBytes, lengthBytes);
    const ctx = new WriteContext(this.#state, txc, onode, -1, this.#old);
    cloneExtents(ctx, target, offsetBytes, lengthBytes, targetOffsetBytes);
    target.sizeBytes = Math.max(target.sizeBytes, targetOffsetBytes + lengthBytes);
  }

  #rename(txc: Txc, onode: Onode, name: ObjectName): void {
    const state = this.#state;
    const target = state.findOrMake(name);
    state.shards.faultAll(onode);
    state.shards.remove(onode, txc.batch);
    target.map = onode.map;
    onode.map = new ExtentMap();
    for (const shard of target.map.shards) {
      shard.dirty = true;
    }
    const { omapPrefix } = onode;
    target.nid = onode.nid;
    target.sizeBytes = onode.sizeBytes;
    target.flags = onode.flags & ~onodeFlags.omap;
    target.attrs = onode.attrs;
    target.expectedObjectBytes = onode.expectedObjectBytes;
    target.expectedWriteBytes = onode.expectedWriteBytes;
    target.hints = onode.hints;
    if ((onode.flags & onodeFlags.omap) !== 0) {
      // A new number: the keys of the old name are removed in the same transaction.
      target.nid = state.newNid();
      copyOmap(state, txc, onode, omapPrefix, target);
      clearOmap(txc, onode);
    }
    onode.forget();
    this.#setExists(onode, false);
    this.#setExists(target, true);
    this.#state.change(txc, target);
  }

  #collectionOp(txc: Txc, op: TransactionOp): void {
    const state = this.#state;
    const { collection, targetCollection } = op;
    const bits = state.range(collection)?.bits ?? 0;
    switch (op.code) {
      case opCodes.createCollection:
        this.#setCollection(txc, collection, op.bits);
        break;
      case opCodes.removeCollection:
        this.#dropCollection(txc, collection);
        break;
      case opCodes.splitCollection:
        this.#setCollection(txc, collection, bits + 1);
        this.#setCollection(txc, targetCollection, bits + 1);
        break;
      case opCodes.mergeCollection:
        this.#dropCollection(txc, collection);
        this.#setCollection(txc, targetCollection, bits - 1);
        break;
      default:
        assert(false, "an operation on a collection of no known kind");
    }
  }

  #setCollection(txc: Txc, id: string, bits: number): void {
    this.#state.setCollection(id, bits);
    this.#writer.reset();
    this.#writer.u8(bits);
    txc.batch.set(prefixes.collections, bytesOfKey(id), this.#writer.seal(0));
  }

  #dropCollection(txc: Txc, id: string): void {
    this.#state.collections.delete(id);
    txc.batch.remove(prefixes.collections, bytesOfKey(id));
  }

  /** The records of everything that changed. */
  #finish(txc: Txc): void {
    const state = this.#state;
    const { batch } = txc;
    for (const onode of txc.onodes) {
      if (onode.exists) {
        state.shards.write(onode, batch);
      } else {
        batch.remove(prefixes.onodes, onode.keyBytes);
      }
    }
    for (const shared of txc.sharedBlobs) {
      state.writeSharedBlob(shared, batch);
    }
    if (state.freelist !== null) {
      state.freelist.turn(batch, txc.allocated);
      state.freelist.turn(batch, txc.released);
    }
    state.addUsage(txc);
  }
}
