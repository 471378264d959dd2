/**
 * The simulated disk: bytes in memory, the synthetic device's law of service times on a virtual clock,
 * and a volatile cache. What must be survived: every subset of the writes that no flush has made
 * durable, torn at 512 bytes or 4 KiB, in any order; a flush keeps what had completed before it was
 * submitted and nothing else.
 *
 * It is strict about lent memory: a slot that is lent for reading holds garbage until the read
 * completes, and one that is lent for writing must not change.
 */
import { crc32 } from "node:zlib";
import { assert } from "../base/assert.ts";
import { checkOp, heapArena } from "../device/check-op.ts";
import { blankOp, completionArrays, OpTable } from "../device/op-table.ts";
import { ReadyQueue } from "../device/ready-queue.ts";
import { SyntheticModel } from "../device/synthetic.ts";
import type { SyntheticSpec } from "../device/synthetic-spec.ts";
import {
  type Arena,
  type BlockDevice,
  type BlockOp,
  type Completions,
  type DeviceFacts,
  type DeviceSupports,
  errnos,
  flagFua,
  opKinds,
} from "../port/block-device.ts";
import type { Clock } from "../port/clock.ts";
import type { Random } from "../port/random.ts";
import type { DiskRecorder } from "./history.ts";
import { DiskImage } from "./image.ts";
import { type Survival, VolatileWrites } from "./volatile-writes.ts";

export interface SimDiskOptions {
  readonly name: string;
  readonly clock: Clock;
  /** Size, service times, error rate. */
  readonly spec: SyntheticSpec;
  /** Operations queued or in flight at most. */
  readonly depth: number;
  readonly slotBytes: number;
  readonly slotCount: number;
  readonly blockBytes: number;
  /** Writes can be durable by themselves. */
  readonly fua: boolean;
  /** What is on it at first; it stays as it is. `null`: zeroes. */
  readonly image: DiskImage | null;
  /** Told of every write and flush. */
  readonly recorder: DiskRecorder | null;
  /** Told of everything, for the trace's hash: numbers that describe an event. */
  readonly trace: (...numbers: number[]) => void;
}

const columns = 3;
const garbageByte = 0xdb;

export class SimDisk implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly completions: Completions;
  readonly #options: SimDiskOptions;
  readonly #startNs: number;
  readonly #model: SyntheticModel;
  /** What reads see. */
  readonly #visible: DiskImage;
  /** What survives any crash. */
  readonly #durable: DiskImage;
  readonly #unflushed = new VolatileWrites();
  readonly #table: OpTable;
  readonly #ready: ReadyQueue;
  readonly #rows: Float64Array;
  readonly #queued: number[] = [];
  readonly #op = blankOp();
  /** By index of operation: number of the write or flush, checksum of the lent slot, ids of a flush. */
  readonly #ids: Float64Array;
  readonly #sums: Float64Array;
  readonly #flushing = new Map<number, ReadonlySet<number>>();
  /** Operations that a slot is lent to; reads count as many. */
  readonly #lent: Int32Array;
  #nextId = 1;
  #closed = false;

  constructor(options: SimDiskOptions) {
    const { spec, clock, depth, image } = options;
    this.#options = options;
    this.#startNs = clock.nowNs();
    this.#model = new SyntheticModel(spec);
    this.#visible = new DiskImage(image);
    this.#durable = new DiskImage(image);
    options.recorder?.bases.set(options.name, new DiskImage(image));
    this.facts = {
      name: options.name,
      sizeBytes: spec.size,
      blockBytes: options.blockBytes,
      deviceClass: "ssd",
      classReason: "simulated disk",
      rotational: false,
      writeCache: true,
      queueDepth: depth,
    };
    this.supports = { trim: true, writeZeroes: true, fua: options.fua, data: true };
    this.arena = heapArena(options.slotBytes, options.slotCount);
    this.completions = completionArrays(depth);
    this.#table = new OpTable(depth);
    this.#ready = new ReadyQueue(clock, depth);
    this.#rows = new Float64Array(depth * columns);
    this.#ids = new Float64Array(depth);
    this.#sums = new Float64Array(depth);
    this.#lent = new Int32Array(options.slotCount);
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
    const count = this.#queued.length;
    const { clock, trace } = this.#options;
    const nowNs = clock.nowNs();
    const admitted: number[] = [];
    for (const index of this.#queued) {
      this.#table.submittedNs[index] = nowNs;
      this.#table.load(index, this.#op);
      const op = this.#op;
      trace(op.kind, op.flags, op.offsetBytes, op.lengthBytes, nowNs);
      const refused = checkOp(op, this.facts, this.supports, this.arena);
      if (refused !== 0) {
        this.#table.result[index] = refused;
        this.#ids[index] = 0;
        this.#ready.add(index, nowNs);
        continue;
      }
      this.#begin(index, op);
      const row = admitted.length * columns;
      this.#rows[row] = nowNs - this.#startNs;
      this.#rows[row + 1] = op.kind;
      this.#rows[row + 2] = this.#table.result[index] as number;
      admitted.push(index);
    }
    this.#queued.length = 0;
    this.#model.admit(this.#rows, admitted.length);
    for (const [row, index] of admitted.entries()) {
      if (this.#rows[row * columns + 1] !== 1) {
        this.#table.result[index] = -errnos.EIO;
      }
      this.#ready.add(index, this.#startNs + (this.#rows[row * columns] as number));
    }
    return count;
  }

  poll(max: number): number {
    const { tag, result, submittedNs, completedNs } = this.completions;
    const limit = Math.min(max, tag.length);
    const nowNs = this.#options.clock.nowNs();
    const table = this.#table;
    let count = 0;
    for (; count < limit && !this.#closed; count += 1) {
      const index = this.#ready.take(nowNs);
      if (index < 0) {
        break;
      }
      if (this.#ids[index] !== 0) {
        this.#finish(index);
      }
      tag[count] = table.tag[index] as number;
      result[count] = table.result[index] as number;
      submittedNs[count] = table.submittedNs[index] as number;
      completedNs[count] = this.#ready.timeOf(index);
      table.release(index);
    }
    return count;
  }

  onReady(callback: () => void): void {
    if (!this.#closed) {
      this.#ready.onReady(callback);
    }
  }

  close(): void {
    this.#closed = true;
    this.#queued.length = 0;
    this.#ready.clear();
  }

  /** Writes that a crash now may forget. */
  get unflushed(): VolatileWrites {
    return this.#unflushed;
  }

  /** Power fails: nothing completes any more. Returns what is on the disk afterwards. */
  crash(survival: Survival, random: Random): DiskImage {
    this.close();
    const image = new DiskImage(this.#durable);
    this.#unflushed.survive(image, survival, random);
    return image;
  }

  /** What is on it, for whoever opens it after it was closed in peace: its cache is written then. */
  get image(): DiskImage {
    return this.#visible;
  }

  /** Turns bits over where they lie, flushed or not: what the disk will never tell of. */
  rot(offsetBytes: number, mask: number): void {
    const byte = new Uint8Array(1);
    for (const image of [this.#visible, this.#durable]) {
      image.read(offsetBytes, byte);
      byte[0] = (byte[0] as number) ^ mask;
      image.write(offsetBytes, byte);
    }
  }

  #begin(index: number, op: BlockOp): void {
    const { recorder, name } = this.#options;
    const id = this.#nextId;
    this.#nextId += 1;
    this.#ids[index] = id;
    const flush = op.kind === opKinds.flush || op.kind === opKinds.dataFlush;
    this.#table.result[index] = flush ? 0 : op.lengthBytes;
    if (flush) {
      this.#flushing.set(id, this.#unflushed.completedIds());
      recorder?.add({ kind: "flush", disk: name, id });
      return;
    }
    if (op.kind === opKinds.read) {
      assert(this.#lent[op.slot] === 0, "a slot is lent for reading while it is lent already");
      this.#lent[op.slot] = -1;
      this.#slotOf(index).fill(garbageByte);
      return;
    }
    let data: Uint8Array | null = null;
    if (op.kind === opKinds.write) {
      assert(
        (this.#lent[op.slot] as number) >= 0,
        "a slot is lent for writing while it is read to",
      );
      this.#lent[op.slot] = (this.#lent[op.slot] as number) + 1;
      data = this.#slotOf(index).slice();
      const sum = crc32(data);
      this.#sums[index] = sum;
      this.#options.trace(sum);
    }
    const { offsetBytes, lengthBytes } = op;
    const fua = (op.flags & flagFua) !== 0;
    const leastBytes = Math.min(512, this.facts.blockBytes);
    const write = { id, offsetBytes, lengthBytes, data, fua, leastBytes };
    this.#unflushed.begin(write);
    recorder?.add({ kind: "write", disk: name, write });
  }

  #finish(index: number): void {
    const { recorder, name, trace } = this.#options;
    const table = this.#table;
    const id = this.#ids[index] as number;
    const kind = table.kind[index];
    const offset = table.offsetBytes[index] as number;
    const slot = table.slot[index] as number;
    const failed = (table.result[index] as number) < 0;
    trace(id, table.result[index] as number, this.#ready.timeOf(index));
    if (kind === opKinds.flush || kind === opKinds.dataFlush) {
      if (!failed) {
        this.#unflushed.flush(this.#flushing.get(id) ?? new Set(), this.#durable);
        recorder?.add({ kind: "flushed", disk: name, id });
      }
      this.#flushing.delete(id);
      return;
    }
    if (kind === opKinds.read) {
      this.#lent[slot] = 0;
      if (!failed) {
        this.#visible.read(offset, this.#slotOf(index));
      }
      return;
    }
    const data = kind === opKinds.write ? this.#slotOf(index) : null;
    if (data !== null) {
      this.#lent[slot] = (this.#lent[slot] as number) - 1;
      assert(crc32(data) === this.#sums[index], "a slot changed while it was lent for writing");
    }
    if (failed) {
      this.#unflushed.fail(id);
      recorder?.add({ kind: "failed", disk: name, id });
      return;
    }
    if (data === null) {
      this.#visible.zero(offset, table.lengthBytes[index] as number);
    } else {
      this.#visible.write(offset, data);
    }
    this.#unflushed.complete(id, this.#durable);
    recorder?.add({ kind: "written", disk: name, id });
  }

  #slotOf(index: number): Uint8Array {
    const start = (this.#table.slot[index] as number) * this.arena.slotBytes;
    return this.arena.bytes.subarray(start, start + (this.#table.lengthBytes[index] as number));
  }
}
