/**
 * A volume: a range of bytes striped over the objects of a store, as a block device. The store calls
 * back a write only once it is durable, as Ceph's stores do; so a completed write is durable with or
 * without FUA, and a flush, which covers completed writes, has nothing left to do. What is under way
 * at a crash may be there or not, each operation whole or not at all while it stays in one object and
 * collection, and a longer one in any case: it is one transaction.
 */
import { checkOp } from "../device/check-op.ts";
import { blankOp, completionArrays, OpTable } from "../device/op-table.ts";
import { noStages, type StageClock } from "../device/stages.ts";
import {
  type Arena,
  type BlockDevice,
  type BlockOp,
  type Completions,
  type DeviceFacts,
  type DeviceSupports,
  opKinds,
} from "../port/block-device.ts";
import type { CancelTimer, Clock } from "../port/clock.ts";
import type { HintTeller } from "./client-hints.ts";
import { type Done, type ObjectStore, storeErrnos } from "./object-store.ts";
import { Transaction } from "./transaction.ts";
import type { VolumeLayout } from "./volume-layout.ts";

/** What a store on a device can do beside the interface; a store without it needs none. */
export interface StoreDriver {
  /** Operations on the device are gathered until `uncork`; at most so many writes come. */
  cork(writes: number): void;
  uncork(): void;
  /** Brings in what the device has completed. */
  poll(): void;
  /** Sees that the store's callbacks come by themselves. */
  wait(): void;
}

/** What a volume's users asked of it; bytes of writes are those that `write_amplification` goes by. */
export interface VolumeCounters {
  reads: number;
  readBytes: number;
  writes: number;
  writeBytes: number;
  trims: number;
  flushes: number;
}

export const volumeCounters = (): VolumeCounters => ({
  reads: 0,
  readBytes: 0,
  writes: 0,
  writeBytes: 0,
  trims: 0,
  flushes: 0,
});

export interface VolumeOptions {
  readonly store: ObjectStore;
  readonly driver: StoreDriver | null;
  readonly layout: VolumeLayout;
  readonly clock: Clock;
  readonly facts: DeviceFacts;
  /** Slots of the store's arena that are this volume's: `slots` from `firstSlot` on. */
  readonly firstSlot: number;
  readonly slots: number;
  /** What is to be known of the store, one line each. */
  readonly notes: readonly string[];
  /** Counted up; of all volumes of a store together. */
  readonly counters: VolumeCounters;
  /** Says what is expected of objects; null: nothing is. */
  readonly hints?: HintTeller | null;
  /** Told when the volume is closed, once. */
  readonly closed: () => void;
}

/** A part of the store's arena. */
function partOf(arena: Arena, firstSlot: number, slots: number): Arena {
  const { slotBytes } = arena;
  const start = firstSlot * slotBytes;
  return {
    bytes: arena.bytes.subarray(start, start + slots * slotBytes),
    slotBytes,
    slotCount: slots,
  };
}

export class StoreVolume implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports = { trim: true, writeZeroes: true, fua: true, data: true };
  readonly arena: Arena;
  readonly completions: Completions;
  readonly notes: readonly string[];
  readonly #store: ObjectStore;
  readonly #driver: StoreDriver | null;
  readonly #layout: VolumeLayout;
  readonly #clock: Clock;
  readonly #firstSlot: number;
  readonly #counters: VolumeCounters;
  readonly #hints: HintTeller | null;
  readonly #whenClosed: () => void;
  readonly #table: OpTable;
  readonly #op = blankOp();
  /** Indices that wait for `commit`. */
  readonly #queued: Int32Array;
  #queuedCount = 0;
  #queuedWrites = 0;
  /** Indices that completed and were not polled, a ring. */
  readonly #ended: Int32Array;
  readonly #endedNs: Float64Array;
  #firstEnded = 0;
  #endedCount = 0;
  /** By index: pieces that have not ended. */
  readonly #left: Int32Array;
  readonly #transactions: readonly Transaction[];
  readonly #changed: readonly Done[];
  readonly #read: readonly Done[];
  #stages = noStages;
  #waiting = 0;
  #lookUp = 0;
  #callback: (() => void) | null = null;
  #cancel: CancelTimer | null = null;
  #closed = false;

  constructor(options: VolumeOptions) {
    const { store, facts } = options;
    const arena = store.arena;
    if (arena === null) {
      throw new Error("internal error: a volume needs a store with an arena");
    }
    const depth = facts.queueDepth;
    this.facts = facts;
    this.arena = partOf(arena, options.firstSlot, options.slots);
    this.completions = completionArrays(depth);
    this.notes = options.notes;
    this.#store = store;
    this.#driver = options.driver;
    this.#layout = options.layout;
    this.#clock = options.clock;
    this.#firstSlot = options.firstSlot;
    this.#counters = options.counters;
    this.#hints = options.hints ?? null;
    this.#whenClosed = options.closed;
    this.#table = new OpTable(depth);
    this.#queued = new Int32Array(depth);
    this.#ended = new Int32Array(depth);
    this.#endedNs = new Float64Array(depth);
    this.#left = new Int32Array(depth);
    const indices = Array.from({ length: depth }, (_, index) => index);
    this.#transactions = indices.map(() => new Transaction());
    this.#changed = indices.map((index) => (result: number) => this.#end(index, result));
    this.#read = indices.map((index) => (result: number) => {
      this.#readEnded(index, 0, this.#table.lengthBytes[index] as number, result);
    });
  }

  /** Where operations begin; the store tells the rest. */
  traceStages(clock: StageClock): void {
    this.#stages = clock;
    this.#waiting = clock.stage("store", "waiting", "queued");
    this.#lookUp = clock.stage("store", "look-up", "worked");
  }

  submit(op: BlockOp): boolean {
    const index = this.#closed ? -1 : this.#table.put(op);
    if (index < 0) {
      return false;
    }
    this.#queued[this.#queuedCount] = index;
    this.#queuedCount += 1;
    this.#queuedWrites += op.kind === opKinds.write ? 1 : 0;
    return true;
  }

  commit(): number {
    const count = this.#queuedCount;
    if (count === 0) {
      return 0;
    }
    this.#queuedCount = 0;
    const nowNs = this.#clock.nowNs();
    this.#driver?.cork(this.#queuedWrites);
    this.#queuedWrites = 0;
    for (let position = 0; position < count; position += 1) {
      const index = this.#queued[position] as number;
      this.#table.submittedNs[index] = nowNs;
      const first = this.#table.kind[index] === opKinds.read ? this.#lookUp : this.#waiting;
      this.#stages.enter(this.#table.trace[index] as number, first, nowNs);
      this.#start(index);
    }
    this.#driver?.uncork();
    return count;
  }

  poll(max: number): number {
    this.#driver?.poll();
    const { tag, result, submittedNs, completedNs } = this.completions;
    const count = Math.min(max, this.#endedCount, tag.length);
    const capacity = this.#ended.length;
    for (let position = 0; position < count; position += 1) {
      const at = this.#firstEnded;
      const index = this.#ended[at] as number;
      tag[position] = this.#table.tag[index] as number;
      result[position] = this.#table.result[index] as number;
      submittedNs[position] = this.#table.submittedNs[index] as number;
      completedNs[position] = this.#endedNs[at] as number;
      this.#table.release(index);
      this.#firstEnded = at + 1 === capacity ? 0 : at + 1;
    }
    this.#endedCount -= count;
    return count;
  }

  onReady(callback: () => void): void {
    if (!this.#closed) {
      this.#callback = callback;
      if (this.#endedCount > 0) {
        this.#tell();
      } else {
        this.#driver?.wait();
      }
    }
  }

  /** Does not close the store. */
  close(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#callback = null;
    this.#cancel?.();
    this.#cancel = null;
    this.#queuedCount = 0;
    this.#endedCount = 0;
    this.#whenClosed();
  }

  #start(index: number): void {
    const op = this.#op;
    this.#table.load(index, op);
    const refused = checkOp(op, this.facts, this.supports, this.arena);
    this.#table.result[index] = refused === 0 ? op.lengthBytes : refused;
    if (refused !== 0 || op.kind === opKinds.flush || op.kind === opKinds.dataFlush) {
      this.#counters.flushes += refused === 0 ? 1 : 0;
      this.#table.result[index] = refused;
      this.#complete(index);
      return;
    }
    this.#left[index] = 1;
    this.#count(op);
    if (op.kind === opKinds.read) {
      this.#startRead(index, op);
      return;
    }
    const transaction = (this.#transactions[index] as Transaction).reset();
    this.#fill(transaction, op);
    transaction.trace = op.trace ?? 0;
    this.#store.submit(transaction, this.#changed[index] as Done);
  }

  #count({ kind, lengthBytes }: BlockOp): void {
    const counters = this.#counters;
    if (kind === opKinds.read) {
      counters.reads += 1;
      counters.readBytes += lengthBytes;
    } else if (kind === opKinds.write) {
      counters.writes += 1;
      counters.writeBytes += lengthBytes;
    } else {
      counters.trims += 1;
    }
  }

  #fill(transaction: Transaction, op: BlockOp): void {
    const { objectBytes } = this.#layout;
    const { kind, offsetBytes, lengthBytes } = op;
    const slot = op.slot + this.#firstSlot;
    for (let done = 0; done < lengthBytes; ) {
      const number = Math.floor((offsetBytes + done) / objectBytes);
      const within = offsetBytes + done - number * objectBytes;
      const length = Math.min(lengthBytes - done, objectBytes - within);
      const collection = this.#layout.collection(number);
      const object = this.#layout.object(number);
      if (kind !== opKinds.write) {
        if (kind === opKinds.trim && length === objectBytes) {
          transaction.touch(collection, object).remove(collection, object);
          this.#hints?.forget(number);
        } else {
          transaction.zero(collection, object, within, length);
        }
      } else if (done === 0) {
        this.#hints?.tell(transaction, collection, object, number);
        transaction.writeSlot(collection, object, within, length, slot);
      } else {
        this.#hints?.tell(transaction, collection, object, number);
        transaction.write(collection, object, within, this.#slotPart(op.slot, done, length));
      }
      done += length;
    }
  }

  #slotPart(slot: number, at: number, length: number): Uint8Array {
    const start = slot * this.arena.slotBytes + at;
    return this.arena.bytes.subarray(start, start + length);
  }

  #startRead(index: number, op: BlockOp): void {
    const { objectBytes } = this.#layout;
    const { offsetBytes, lengthBytes } = op;
    const slot = op.slot;
    for (let done = 0; done < lengthBytes; ) {
      const number = Math.floor((offsetBytes + done) / objectBytes);
      const within = offsetBytes + done - number * objectBytes;
      const length = Math.min(lengthBytes - done, objectBytes - within);
      const collection = this.#layout.collection(number);
      const object = this.#layout.object(number);
      const at = done;
      done += length;
      if (at === 0) {
        // The last one alone is told without a closure: nearly every read has one piece.
        const only = length === lengthBytes;
        this.#left[index] = only ? 1 : 2;
        const range = {
          offsetBytes: within,
          lengthBytes: length,
          slot: slot + this.#firstSlot,
          // Of several pieces the first one's stages stand for all.
          trace: op.trace ?? 0,
        };
        const ended = only
          ? (this.#read[index] as Done)
          : (result: number) => this.#readEnded(index, 0, length, result);
        this.#store.readSlot(collection, object, range, ended);
      } else {
        if (done < lengthBytes) {
          this.#left[index] = (this.#left[index] as number) + 1;
        }
        const into = this.#slotPart(slot, at, length);
        this.#store.read(collection, object, within, into, (result) =>
          this.#readEnded(index, at, length, result),
        );
      }
    }
  }

  /** What an object does not have reads as zeroes. */
  #readEnded(index: number, at: number, length: number, result: number): void {
    const found = result === -storeErrnos.ENOENT ? 0 : result;
    if (found >= 0 && found < length) {
      this.#slotPart(this.#table.slot[index] as number, at + found, length - found).fill(0);
    }
    this.#end(index, found);
  }

  #end(index: number, result: number): void {
    if (result < 0) {
      this.#table.result[index] = result;
    }
    this.#left[index] = (this.#left[index] as number) - 1;
    if (this.#left[index] === 0) {
      this.#complete(index);
    }
  }

  #complete(index: number): void {
    if (this.#closed) {
      return;
    }
    const capacity = this.#ended.length;
    const at = (this.#firstEnded + this.#endedCount) % capacity;
    this.#ended[at] = index;
    this.#endedNs[at] = this.#clock.nowNs();
    this.#endedCount += 1;
    if (this.#callback !== null) {
      this.#tell();
    }
  }

  /** On a later turn: whoever waits must not be called from within a call of its own. */
  #tell(): void {
    this.#cancel ??= this.#clock.at(this.#clock.nowNs(), () => {
      this.#cancel = null;
      const callback = this.#callback;
      this.#callback = null;
      callback?.();
    });
  }
}
