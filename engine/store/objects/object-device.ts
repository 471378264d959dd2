/**
 * An object workload as a block device: each operation of a job's stream becomes one on an object. Reads
 * are gets, trims are deletes, writes are puts, overwrites or omap updates by their shares. Objects stand
 * at multiples of `strideBytes`; a completion's result is the bytes that were moved, which may differ from
 * the length of the operation: objects have sizes of their own.
 */
import { SeededRandom } from "../../base/random.ts";
import { blankOp, completionArrays, OpTable } from "../../device/op-table.ts";
import { noStages, type StageClock } from "../../device/stages.ts";
import {
  type Arena,
  type BlockDevice,
  type BlockOp,
  type Completions,
  type DeviceFacts,
  type DeviceSupports,
  opKinds,
} from "../../port/block-device.ts";
import type { CancelTimer, Clock } from "../../port/clock.ts";
import { storeErrnos } from "../object-store.ts";
import { Transaction } from "../transaction.ts";
import type { StoreDriver, VolumeCounters } from "../volume.ts";
import { mixByDirection, type ObjectMix, type ObjectOp, omapAlone } from "./object-mix.ts";
import { type Expected, type ObjectSet, sumChunkBytes } from "./object-set.ts";

/** An omap update sets one of so many keys, to a value of so many bytes. */
export const omapKeys = 1000;
export const omapValueBytes = 128;
/** What a get of other contents than were put completes with, as in fio (Linux: EILSEQ). */
export const mismatchErrno = 84;

export interface ObjectDeviceOptions {
  readonly set: ObjectSet;
  readonly mix: ObjectMix;
  readonly driver: StoreDriver | null;
  readonly clock: Clock;
  readonly facts: DeviceFacts;
  /** Where objects are in the stream's addresses, and which of them are the job's. */
  readonly strideBytes: number;
  readonly firstObject: number;
  readonly objectCount: number;
  /** Objects one after the other, whatever the operations' addresses. */
  readonly sequential: boolean;
  /** Gets are checked against what was put. */
  readonly verify: boolean;
  readonly seed: number;
  /** Slots of the store's arena that are this device's: `slots` from `firstSlot` on. */
  readonly firstSlot: number;
  readonly slots: number;
  readonly notes: readonly string[];
  /** Of all users of a store together. */
  readonly counters: VolumeCounters;
  /** Told when the device is closed, once. */
  readonly closed: () => void;
}

/** What an operation under way is. */
class Running {
  op: ObjectOp = "get";
  number = 0;
  bytes = 0;
  expected: Expected | null = null;
  readonly transaction = new Transaction();
}

export class ObjectDevice implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports = { trim: true, writeZeroes: false, fua: true, data: true };
  readonly arena: Arena;
  readonly completions: Completions;
  readonly notes: readonly string[];
  readonly #options: ObjectDeviceOptions;
  readonly #set: ObjectSet;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #table: OpTable;
  readonly #running: readonly Running[];
  readonly #op = blankOp();
  /** Indices that wait for `commit`, and those that completed and were not polled. */
  #queued: number[] = [];
  #ended: number[] = [];
  readonly #endedNs: Float64Array;
  #next = 0;
  #stages = noStages;
  #waiting = 0;
  #lookUp = 0;
  #callback: (() => void) | null = null;
  #cancel: CancelTimer | null = null;
  #closed = false;

  constructor(options: ObjectDeviceOptions) {
    const { set, facts, firstSlot, slots } = options;
    const { arena } = set.store;
    if (arena === null) {
      throw new Error("internal error: an object workload needs a store with an arena");
    }
    const { slotBytes } = arena;
    const start = firstSlot * slotBytes;
    this.arena = {
      bytes: arena.bytes.subarray(start, start + slots * slotBytes),
      slotBytes,
      slotCount: slots,
    };
    this.facts = facts;
    this.notes = options.notes;
    this.#options = options;
    this.#set = set;
    this.#clock = options.clock;
    this.#random = new SeededRandom(options.seed);
    const depth = facts.queueDepth;
    this.completions = completionArrays(depth);
    this.#table = new OpTable(depth);
    this.#running = Array.from({ length: depth }, () => new Running());
    this.#endedNs = new Float64Array(depth);
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
    this.#queued.push(index);
    return true;
  }

  commit(): number {
    const queued = this.#queued;
    if (queued.length === 0) {
      return 0;
    }
    this.#queued = [];
    const nowNs = this.#clock.nowNs();
    const { driver } = this.#options;
    driver?.cork(queued.length);
    for (const index of queued) {
      this.#table.submittedNs[index] = nowNs;
      const first = this.#table.kind[index] === opKinds.read ? this.#lookUp : this.#waiting;
      this.#stages.enter(this.#table.trace[index] as number, first, nowNs);
      this.#start(index);
    }
    driver?.uncork();
    return queued.length;
  }

  poll(max: number): number {
    this.#options.driver?.poll();
    const { tag, result, submittedNs, completedNs } = this.completions;
    const count = Math.min(max, this.#ended.length, tag.length);
    for (const [position, index] of this.#ended.splice(0, count).entries()) {
      tag[position] = this.#table.tag[index] as number;
      result[position] = this.#table.result[index] as number;
      submittedNs[position] = this.#table.submittedNs[index] as number;
      completedNs[position] = this.#endedNs[index] as number;
      this.#table.release(index);
    }
    return count;
  }

  onReady(callback: () => void): void {
    if (!this.#closed) {
      this.#callback = callback;
      if (this.#ended.length > 0) {
        this.#tell();
      } else {
        this.#options.driver?.wait();
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
    this.#queued = [];
    this.#ended = [];
    this.#options.closed();
  }

  #start(index: number): void {
    const op = this.#op;
    this.#table.load(index, op);
    const running = this.#running[index] as Running;
    if (op.kind === opKinds.flush || op.kind === opKinds.dataFlush) {
      // Whatever completed is durable already.
      this.#options.counters.flushes += 1;
      this.#complete(index, 0);
      return;
    }
    running.bytes = 0;
    running.expected = null;
    running.op = this.#kindOf(op);
    running.number = this.#objectFor(running.op, this.#numberOf(op));
    if (running.number < 0) {
      this.#noObject(index, running, op);
      return;
    }
    if (running.op === "get") {
      this.#get(index, running, op);
    } else {
      this.#change(index, running, op);
    }
  }

  /**
   * The object that an operation works on, from the one that was drawn on; -1: there is none. Puts make
   * objects anew that were deleted, so that a mix which puts as many as it deletes keeps its objects.
   */
  #objectFor(op: ObjectOp, drawn: number): number {
    const { firstObject, objectCount, sequential, mix } = this.#options;
    const end = firstObject + objectCount;
    if (op === "put") {
      const gone = sequential ? -1 : this.#set.nextDeleted(drawn, firstObject, end);
      return gone < 0 ? drawn : gone;
    }
    const makes = op === "omap" && omapAlone(mix) && !this.#set.wasThere(drawn);
    return makes ? drawn : this.#set.next(drawn, firstObject, end);
  }

  /** There is nothing to get, overwrite or delete: what would change an object puts one. */
  #noObject(index: number, running: Running, op: BlockOp): void {
    if (op.kind === opKinds.write) {
      running.op = "put";
      running.number = this.#numberOf(op);
      this.#change(index, running, op);
      return;
    }
    this.#set.missed += running.op === "get" ? 1 : 0;
    this.#count(running);
    this.#complete(index, 0);
  }

  #kindOf(op: BlockOp): ObjectOp {
    if (op.kind === opKinds.read) {
      return "get";
    }
    if (op.kind !== opKinds.write) {
      return "delete";
    }
    const { mix } = this.#options;
    const drawn = this.#random.unit() * mixByDirection(mix)[1];
    if (drawn < mix.put) {
      return "put";
    }
    return drawn < mix.put + mix.overwrite ? "overwrite" : "omap";
  }

  #numberOf(op: BlockOp): number {
    const { sequential, firstObject, objectCount, strideBytes } = this.#options;
    if (!sequential) {
      return Math.floor(op.offsetBytes / strideBytes);
    }
    const number = firstObject + this.#next;
    this.#next = (this.#next + 1) % objectCount;
    return number;
  }

  #slotBytes(slot: number, length: number): Uint8Array {
    const start = slot * this.arena.slotBytes;
    return this.arena.bytes.subarray(start, start + length);
  }

  #get(index: number, running: Running, { slot, trace = 0 }: BlockOp): void {
    const { verify, firstSlot } = this.#options;
    const { number } = running;
    const set = this.#set;
    const known = set.sizeBytes(number);
    const { slotBytes } = this.arena;
    running.expected = verify ? set.expected(number) : null;
    const lengthBytes = known < 0 ? slotBytes : Math.min(slotBytes, known);
    const range = { offsetBytes: 0, lengthBytes, slot: firstSlot + slot, trace };
    set.store.readSlot(set.collection(number), set.name(number), range, (result) =>
      this.#got(index, running, slot, result),
    );
  }

  #got(index: number, running: Running, slot: number, result: number): void {
    const set = this.#set;
    // Nobody knows whether it is there once a change of it has failed.
    const gone = result === -storeErrnos.ENOENT && set.sizeBytes(running.number) < 0;
    const moved = gone ? 0 : result;
    const { expected, number } = running;
    running.bytes = Math.max(0, moved);
    const missing = moved === -storeErrnos.ENOENT;
    if (expected === null || (moved < 0 && !missing)) {
      this.#ends(index, running, moved);
    } else if (!missing && this.#right(expected, this.#slotBytes(slot, moved))) {
      set.checked += 1;
      this.#ends(index, running, moved);
    } else {
      set.whenSettled(number, expected, () => this.#differs(index, running, expected, moved));
    }
  }

  /** A get found something else, or nothing: that is wrong unless a change before it has failed. */
  #differs(index: number, running: Running, expected: Expected, moved: number): void {
    const set = this.#set;
    if (set.doubtful(running.number, expected)) {
      this.#ends(index, running, running.bytes);
      return;
    }
    set.checked += 1;
    set.mismatches += 1;
    this.#complete(index, moved < 0 ? moved : -mismatchErrno);
  }

  /** A get of an object larger than a slot has its first part. */
  #right(expected: Expected, got: Uint8Array): boolean {
    const { slotBytes } = this.arena;
    if (got.length !== Math.min(expected.sizeBytes, slotBytes)) {
      return false;
    }
    const sums = this.#set.sumsOf(got);
    return sums.every((byte, at) => byte === expected.sums[at]);
  }

  #change(index: number, running: Running, op: BlockOp): void {
    const set = this.#set;
    const { number } = running;
    const collection = set.collection(number);
    const name = set.name(number);
    const transaction = running.transaction.reset();
    const slot = this.#options.firstSlot + op.slot;
    set.begins(number);
    switch (running.op) {
      case "put": {
        const bytes = this.#slotBytes(op.slot, op.lengthBytes);
        running.bytes = bytes.length;
        if (set.has(number)) {
          transaction.truncate(collection, name, 0);
        }
        set.hints?.tell(transaction, collection, name, number);
        transaction.writeSlot(collection, name, 0, bytes.length, slot);
        set.wasPut(number, bytes);
        break;
      }
      case "overwrite": {
        const { at, length } = this.#rangeIn(set.sizeBytes(number), op.lengthBytes);
        running.bytes = length;
        set.hints?.tell(transaction, collection, name, number);
        transaction.writeSlot(collection, name, at, length, slot);
        set.wasWritten(number, at, this.#slotBytes(op.slot, length));
        break;
      }
      case "omap": {
        const value = this.#slotBytes(op.slot, Math.min(omapValueBytes, op.lengthBytes)).slice();
        const key = `entry.${this.#random.below(omapKeys).toString().padStart(6, "0")}`;
        running.bytes = key.length + value.length;
        if (!set.has(number)) {
          transaction.touch(collection, name);
          set.wasPut(number, value.subarray(0, 0));
        }
        transaction.omapSet(collection, name, new Map([[key, value]]));
        break;
      }
      default:
        transaction.remove(collection, name);
        set.hints?.forget(number);
        set.wasDeleted(number);
    }
    transaction.trace = op.trace ?? 0;
    set.store.submit(transaction, (result) => {
      // As with gets: nobody knows whether it is there once a change of it has failed.
      const gone = result === -storeErrnos.ENOENT && set.sizeBytes(number) < 0;
      set.ends(number, result < 0 && !gone);
      this.#ends(index, running, result < 0 && !gone ? result : running.bytes);
    });
  }

  /** Where an overwrite goes: a part of the object of the wished length, in whole chunks of sums. */
  #rangeIn(sizeBytes: number, wished: number): { at: number; length: number } {
    if (sizeBytes <= 0) {
      return { at: 0, length: wished };
    }
    const chunk = sumChunkBytes;
    const most = Math.min(sizeBytes, this.arena.slotBytes);
    const length = Math.min(most, Math.ceil(wished / chunk) * chunk);
    const places = Math.floor((sizeBytes - length) / chunk) + 1;
    const at = this.#random.below(places) * chunk;
    // The last chunk may be short: then the overwrite ends with the object.
    return { at, length: Math.min(length, sizeBytes - at) };
  }

  #count(running: Running): void {
    const { counters } = this.#options;
    const counts = this.#set.counts[running.op];
    counts.ops += 1;
    counts.bytes += running.bytes;
    if (running.op === "get") {
      counters.reads += 1;
      counters.readBytes += running.bytes;
    } else if (running.op === "delete") {
      counters.trims += 1;
    } else {
      counters.writes += 1;
      counters.writeBytes += running.bytes;
    }
  }

  #ends(index: number, running: Running, result: number): void {
    if (result >= 0) {
      this.#count(running);
      const ns = this.#clock.nowNs() - (this.#table.submittedNs[index] as number);
      this.#set.counts[running.op].latency.add(ns);
    }
    this.#complete(index, result);
  }

  #complete(index: number, result: number): void {
    if (this.#closed) {
      return;
    }
    this.#table.result[index] = result;
    this.#endedNs[index] = this.#clock.nowNs();
    this.#ended.push(index);
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
