import { OsdynoError } from "../base/error.ts";
import { native } from "../base/native.ts";
import type {
  Arena,
  BlockDevice,
  BlockOp,
  Completions,
  DeviceFacts,
  DeviceSupports,
} from "../port/block-device.ts";
import { errnos, opKinds } from "../port/block-device.ts";
import type { Clock } from "../port/clock.ts";
import { checkOp, heapArena } from "./check-op.ts";
import { blankOp, completionArrays, OpTable } from "./op-table.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { applyOp, SparseMemory } from "./sparse-memory.ts";
import type { SyntheticSpec } from "./synthetic-spec.ts";

/** The model in `native/crates/core/src/synthetic.rs`: pure, without a clock. */
interface NativeModel {
  /** Rows in: arrival ns, kind, bytes; rows out: completion ns, 1 or 0 (fails). */
  admit(rows: Float64Array, count: number): void;
}

const columns = 3;

/** Answers when operations complete that arrive at given times; the same for every clock. */
export class SyntheticModel {
  readonly #model: NativeModel;

  /** Throws `bad-input` when the specification describes no device. */
  constructor(spec: SyntheticSpec) {
    const Model = native()["NativeModel"] as new (spec: string) => NativeModel;
    try {
      this.#model = new Model(JSON.stringify(spec));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new OsdynoError("bad-input", `synthetic device: ${reason}`, {}, error);
    }
  }

  /** Admits `count` rows in order, see `NativeModel.admit`; one call a batch. */
  admit(rows: Float64Array, count: number): void {
    this.#model.admit(rows, count);
  }
}

export interface SyntheticDeviceOptions {
  readonly spec: SyntheticSpec;
  readonly clock: Clock;
  /** Operations queued or in flight at most. */
  readonly depth: number;
  readonly slotBytes: number;
  /** Default: `depth`. */
  readonly slotCount?: number;
  /** Default: 512. */
  readonly blockBytes?: number;
  /** Keep what is written, so that reads return it; default false: buffers are left alone. */
  readonly data?: boolean;
}

/**
 * The synthetic device over a clock, real or virtual. Time 0 of its model is its making. An operation
 * takes effect on the data, if there are any, when it completes; one that fails has no effect.
 */
export class SyntheticDevice implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly completions: Completions;
  readonly #clock: Clock;
  readonly #startNs: number;
  readonly #model: SyntheticModel;
  readonly #memory: SparseMemory | null;
  readonly #table: OpTable;
  readonly #ready: ReadyQueue;
  readonly #rows: Float64Array;
  readonly #queued: Int32Array;
  readonly #admitted: Int32Array;
  readonly #op = blankOp();
  #queuedCount = 0;
  #closed = false;

  constructor(options: SyntheticDeviceOptions) {
    const { spec, clock, depth } = options;
    this.#clock = clock;
    this.#startNs = clock.nowNs();
    this.#model = new SyntheticModel(spec);
    this.#memory = options.data === true ? new SparseMemory() : null;
    this.facts = {
      name: "synthetic",
      sizeBytes: spec.size,
      blockBytes: options.blockBytes ?? 512,
      deviceClass: "ssd",
      classReason: "synthetic device",
      rotational: false,
      writeCache: false,
      queueDepth: depth,
    };
    this.supports = { trim: true, writeZeroes: true, fua: true, data: this.#memory !== null };
    this.arena = heapArena(options.slotBytes, options.slotCount ?? depth);
    this.completions = completionArrays(depth);
    this.#table = new OpTable(depth);
    this.#ready = new ReadyQueue(clock, depth);
    this.#rows = new Float64Array(depth * columns);
    this.#queued = new Int32Array(depth);
    this.#admitted = new Int32Array(depth);
  }

  submit(op: BlockOp): boolean {
    const index = this.#closed ? -1 : this.#table.put(op);
    if (index < 0) {
      return false;
    }
    this.#queued[this.#queuedCount] = index;
    this.#queuedCount += 1;
    return true;
  }

  commit(): number {
    const count = this.#queuedCount;
    if (count === 0) {
      return 0;
    }
    this.#queuedCount = 0;
    const nowNs = this.#clock.nowNs();
    const admitted = this.#fillRows(count, nowNs);
    this.#model.admit(this.#rows, admitted);
    for (let row = 0; row < admitted; row += 1) {
      const index = this.#admitted[row] as number;
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
    const nowNs = this.#clock.nowNs();
    const table = this.#table;
    let count = 0;
    for (; count < limit; count += 1) {
      const index = this.#ready.take(nowNs);
      if (index < 0) {
        break;
      }
      if (this.#memory !== null && (table.result[index] as number) >= 0) {
        applyOp(this.#memory, table, index, this.arena);
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
    this.#queuedCount = 0;
    this.#ready.clear();
  }

  /** Refuses what is wrong, writes the rest as rows for the model, and returns their number. */
  #fillRows(count: number, nowNs: number): number {
    const table = this.#table;
    const op = this.#op;
    let admitted = 0;
    for (let position = 0; position < count; position += 1) {
      const index = this.#queued[position] as number;
      table.submittedNs[index] = nowNs;
      table.load(index, op);
      const refused = checkOp(op, this.facts, this.supports, this.arena);
      if (refused !== 0) {
        table.result[index] = refused;
        this.#ready.add(index, nowNs);
        continue;
      }
      const flush = op.kind === opKinds.flush || op.kind === opKinds.dataFlush;
      const bytes = flush ? 0 : op.lengthBytes;
      table.result[index] = bytes;
      this.#rows[admitted * columns] = nowNs - this.#startNs;
      this.#rows[admitted * columns + 1] = op.kind;
      this.#rows[admitted * columns + 2] = bytes;
      this.#admitted[admitted] = index;
      admitted += 1;
    }
    return admitted;
  }
}
