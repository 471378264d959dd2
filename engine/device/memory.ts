import type {
  Arena,
  BlockDevice,
  BlockOp,
  Completions,
  DeviceFacts,
  DeviceSupports,
} from "../port/block-device.ts";
import { opKinds } from "../port/block-device.ts";
import type { Clock } from "../port/clock.ts";
import { checkOp, heapArena } from "./check-op.ts";
import { blankOp, completionArrays, OpTable } from "./op-table.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { applyOp, SparseMemory } from "./sparse-memory.ts";

export interface MemoryDeviceOptions {
  readonly clock: Clock;
  readonly sizeBytes: number;
  /** Operations queued or in flight at most. */
  readonly depth: number;
  readonly slotBytes: number;
  /** Default: `depth`. */
  readonly slotCount?: number;
  /** Default: 512. */
  readonly blockBytes?: number;
}

/**
 * The simplest device there is: memory, in TypeScript. Operations take effect in the order of their
 * submission, at `commit`, and complete there and then. The model that other devices are compared with.
 */
export class MemoryDevice implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports = { trim: true, writeZeroes: true, fua: true, data: true };
  readonly arena: Arena;
  readonly completions: Completions;
  readonly #clock: Clock;
  readonly #table: OpTable;
  readonly #queued: number[] = [];
  readonly #ready: ReadyQueue;
  readonly #memory = new SparseMemory();
  readonly #op = blankOp();
  #closed = false;

  constructor(options: MemoryDeviceOptions) {
    const { clock, depth, sizeBytes } = options;
    this.#clock = clock;
    this.facts = {
      name: "memory",
      sizeBytes,
      blockBytes: options.blockBytes ?? 512,
      deviceClass: "pmem",
      classReason: "memory of this process",
      rotational: false,
      writeCache: false,
      queueDepth: depth,
    };
    this.arena = heapArena(options.slotBytes, options.slotCount ?? depth);
    this.completions = completionArrays(depth);
    this.#table = new OpTable(depth);
    this.#ready = new ReadyQueue(clock, depth);
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
    const nowNs = this.#clock.nowNs();
    const table = this.#table;
    for (const index of this.#queued) {
      table.submittedNs[index] = nowNs;
      table.load(index, this.#op);
      const refused = checkOp(this.#op, this.facts, this.supports, this.arena);
      if (refused === 0) {
        applyOp(this.#memory, table, index, this.arena);
      }
      const flush = this.#op.kind === opKinds.flush || this.#op.kind === opKinds.dataFlush;
      table.result[index] = flush ? refused : refused || this.#op.lengthBytes;
      this.#ready.add(index, nowNs);
    }
    this.#queued.length = 0;
    return count;
  }

  poll(max: number): number {
    const { tag, result, submittedNs, completedNs } = this.completions;
    const limit = Math.min(max, tag.length);
    const nowNs = this.#clock.nowNs();
    let count = 0;
    for (; count < limit; count += 1) {
      const index = this.#ready.take(nowNs);
      if (index < 0) {
        break;
      }
      tag[count] = this.#table.tag[index] as number;
      result[count] = this.#table.result[index] as number;
      submittedNs[count] = this.#table.submittedNs[index] as number;
      completedNs[count] = this.#ready.timeOf(index);
      this.#table.release(index);
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
    this.#ready.clear();
  }
}
