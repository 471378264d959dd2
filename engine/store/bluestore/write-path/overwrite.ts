/**
 * The commonest of all transactions, done with as little as it needs: one unit over one that has a blob to
 * itself, in an object whose records are in memory. The blob moves to new space and its shard's record is
 * patched; size, usage and the record of the onode stay as they are. What this does not take goes the
 * general way, which comes to the same for whoever reads the object.
 */
import { assert } from "../../../base/assert.ts";
import { keyOfObject } from "../../object-key.ts";
import { opCodes, type Transaction, type TransactionOp } from "../../transaction.ts";
import { type Blob, hole } from "../blob.ts";
import type { Extent, Shard } from "../extent-map.ts";
import { InFlightWrite } from "../in-flight.ts";
import { prefixes } from "../keys.ts";
import type { Onode } from "../onode.ts";
import { timedOneIn } from "../perf.ts";
import { shardKey } from "../shards.ts";
import type { StoreState } from "../state.ts";
import type { Txc } from "../txc.ts";
import { sumInto } from "./place.ts";

export class Overwriter {
  readonly #state: StoreState;
  /** With the store's options there is such a thing. */
  readonly #possible: boolean;
  /** What `takes` found. */
  #onode: Onode | null = null;
  #blob: Blob | null = null;
  /** Index of the shard. */
  #shard = 0;
  #place = 0;
  /** By slot, its first unit: a view takes longer to make than to look up. */
  readonly #slots: (Uint8Array | undefined)[] = [];

  constructor(state: StoreState) {
    const { options, unitBytes, blockBytes } = state;
    this.#state = state;
    this.#possible =
      unitBytes === blockBytes &&
      options.preferDeferredBytes <= unitBytes &&
      options.durableWriteBytes > unitBytes &&
      options.compressionMode === "none" &&
      !options.zeroBlockDetection;
  }

  /** Whether it is one that can be done here; `write` does it, if nothing came in between. */
  takes(transaction: Transaction): boolean {
    if (!this.#possible || transaction.count !== 1) {
      return false;
    }
    const op = transaction.op(0);
    if (op.code !== opCodes.write || op.lengthBytes !== this.#state.unitBytes) {
      return false;
    }
    const onode = this.#onodeOf(op);
    const extent = onode?.map.exactly(op.offsetBytes, op.lengthBytes);
    if (onode === null || extent === undefined || !this.#alone(extent)) {
      return false;
    }
    const { map } = onode;
    const at = map.shardAt(op.offsetBytes);
    const shard = map.shards[at] as Shard;
    if (!shard.loaded || shard.dirty) {
      return false;
    }
    this.#onode = onode;
    this.#blob = extent.blob;
    this.#shard = at;
    this.#place = this.#state.shards.kept(map, at).placeOf(op.offsetBytes);
    return this.#place > 0;
  }

  /** The object, if it is in memory, in its collection, and in shards; `null`: the general way looks. */
  #onodeOf({ collection, object, data, slot }: TransactionOp): Onode | null {
    const { collections, onodes, slotBytes, slotCount, unitBytes } = this.#state;
    const inSlot = Number.isInteger(slot) && slot >= 0 && slot < slotCount;
    if (object === null || (data === null && !(inSlot && unitBytes <= slotBytes))) {
      return null;
    }
    if (collections.get(collection)?.contains(object) !== true) {
      return null;
    }
    const onode = onodes.get(keyOfObject(object));
    const usual = onode?.exists === true && onode.hints === 0 && onode.map.shards.length > 0;
    return usual ? onode : null;
  }

  /** The extent has a blob to itself, as a new one of a unit would be. */
  #alone({ blob, blobOffset }: Extent): boolean {
    const { unitBytes, blockOrder, checksum, checksumType } = this.#state;
    return (
      blob.logicalBytes === unitBytes &&
      blobOffset === 0 &&
      blob.mutable &&
      blob.unused === 0 &&
      blob.spanningId < 0 &&
      blob.diskCount === 1 &&
      blob.diskOffset(0) !== hole &&
      blob.sumBytes === checksum.valueBytes &&
      (blob.sumBytes === 0 || (blob.sumType === checksumType && blob.sumOrder === blockOrder))
    );
  }

  /** The transaction was taken, and there is space for it. */
  write(txc: Txc): void {
    const state = this.#state;
    const onode = this.#onode;
    const blob = this.#blob;
    const op = txc.transaction?.op(0);
    assert(onode !== null && blob !== null && op !== undefined, "no transaction was taken");
    this.#onode = null;
    this.#blob = null;
    const { unitBytes, counters, freelist } = state;
    counters.write_big += 1;
    counters.write_big_bytes += unitBytes;
    counters.write_big_blobs += 1;
    state.change(txc, onode);
    const disk = this.#takeUnit(txc);
    const before = blob.diskOffset(0);
    txc.released.push(before, unitBytes);
    blob.moveTo(disk);
    const slot = op.data === null ? op.slot : -1;
    const bytes = op.data ?? this.#bytesOf(slot);
    const write = new InFlightWrite(disk, bytes);
    state.inFlight.add(write);
    txc.ioLeft += 1;
    txc.hadIo = true;
    txc.unflushed = true;
    txc.writes.push(write);
    state.io.writeBlock(disk, bytes, slot, txc, txc.writes.length - 1);
    sumInto(state, blob, 0, bytes, 0, unitBytes, slot);
    state.premises.overwrote(txc, before, blob.sums, bytes, disk);
    this.#record(txc, onode, blob, disk);
    if (freelist !== null) {
      freelist.turn(txc.batch, txc.allocated);
      freelist.turn(txc.batch, txc.released);
    }
  }

  /** A slot's first unit. */
  #bytesOf(slot: number): Uint8Array {
    let bytes = this.#slots[slot];
    if (bytes === undefined) {
      const { io, slotBytes, unitBytes } = this.#state;
      const start = slot * slotBytes;
      bytes = io.lane.arena.bytes.subarray(start, start + unitBytes);
      this.#slots[slot] = bytes;
    }
    return bytes;
  }

  #takeUnit(txc: Txc): number {
    const { perf, units, unitBytes, reclaim } = this.#state;
    const timed = perf.allocations.next();
    const beganNs = timed ? perf.now() : 0;
    const disk = units.take();
    if (timed) {
      perf.add(perf.allocator_lat, perf.now() - beganNs, timedOneIn);
    }
    reclaim.freeBytes -= unitBytes;
    txc.allocated.push(disk, unitBytes);
    return disk;
  }

  #record(txc: Txc, onode: Onode, blob: Blob, disk: number): void {
    const { shards } = this.#state;
    const { map } = onode;
    const shard = map.shards[this.#shard] as Shard;
    const kept = shards.kept(map, this.#shard);
    if (kept.patch(this.#place, disk, blob.sums)) {
      txc.batch.set(prefixes.onodes, shardKey(onode, shard.offset), kept.bytes);
    } else {
      // It has another length, which the onode's record tells.
      map.markDirty(shard.offset, 1);
      shards.write(onode, txc.batch);
    }
  }
}
