import type {
  Arena,
  BlockDevice,
  BlockOp,
  Completions,
  DeviceFacts,
  DeviceSupports,
} from "../port/block-device.ts";
import type { Clock } from "../port/clock.ts";
import { checkOp } from "./check-op.ts";
import type { DeviceMux } from "./mux.ts";
import { blankOp, completionArrays, OpTable } from "./op-table.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { LayerStages, type StageClock, untraced } from "./stages.ts";

export interface LayerParts {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly clock: Clock;
  /** The devices below, each with its users; closed with the layer. */
  readonly muxes: readonly DeviceMux[];
}

/**
 * A block device that has work of its own going on below beside that of its clients: a cache, a log. It
 * keeps its clients' operations in a table, answers each itself, and keeps the devices below turning as
 * long as somebody waits for something, be it a client or the layer itself.
 */
export abstract class LayerDevice implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly completions: Completions;
  protected readonly clock: Clock;
  protected readonly table: OpTable;
  protected readonly op: BlockOp = blankOp();
  protected stages: LayerStages = untraced;
  protected closed = false;
  readonly #muxes: readonly DeviceMux[];
  readonly #ready: ReadyQueue;
  readonly #queued: number[] = [];
  /** A client waits to be told by `onReady`. */
  #awaited = false;
  /** The layer's own that wait: see `until`. */
  #waiting = 0;

  protected constructor(parts: LayerParts) {
    const { facts, supports, arena, clock, muxes } = parts;
    this.facts = facts;
    this.supports = supports;
    this.arena = arena;
    this.clock = clock;
    this.#muxes = muxes;
    this.table = new OpTable(facts.queueDepth);
    this.#ready = new ReadyQueue(clock, facts.queueDepth);
    this.completions = completionArrays(facts.queueDepth);
  }

  /**
   * Makes everything that was acknowledged durable in what is below, and leaves nothing to be done at the
   * next opening. Nothing may be submitted any more. Throws `io`.
   */
  abstract settle(): Promise<void>;

  /** What was done since it was opened, by name. */
  abstract counters(): Readonly<Record<string, number>>;

  /** Begins a client's operation, which is valid; its end is told by `finish`. */
  protected abstract start(index: number): void;

  /** Begins whatever of the layer's own work can be begun, and hands it over. */
  protected abstract pump(): void;

  traceStages(clock: StageClock, layer: string): void {
    this.stages = new LayerStages(clock, layer);
  }

  /** The client's operation waits. */
  protected waitsNow(index: number): void {
    const trace = this.table.trace[index] as number;
    if (trace !== 0) {
      this.stages.queued(trace, this.clock.nowNs());
    }
  }

  /** Something is done for the client's operation, since `sinceNs` or just now. */
  protected worksNow(index: number, sinceNs?: number): void {
    const trace = this.table.trace[index] as number;
    if (trace !== 0) {
      this.stages.worked(trace, sinceNs ?? this.clock.nowNs());
    }
  }

  /** Frees what is not a device below. */
  protected release(): void {}

  submit(op: BlockOp): boolean {
    const index = this.closed ? -1 : this.table.put(op);
    if (index < 0) {
      return false;
    }
    this.#queued.push(index);
    return true;
  }

  commit(): number {
    const count = this.#queued.length;
    const nowNs = this.clock.nowNs();
    for (const index of this.#queued) {
      this.table.submittedNs[index] = nowNs;
      this.stages.queued(this.table.trace[index] as number, nowNs);
      this.table.load(index, this.op);
      const refused = checkOp(this.op, this.facts, this.supports, this.arena);
      if (refused === 0) {
        this.start(index);
      } else {
        this.finish(index, refused);
      }
    }
    this.#queued.length = 0;
    this.pump();
    // Whoever asked when there was nothing to wait for waits for this.
    this.wake();
    return count;
  }

  poll(max: number): number {
    if (this.closed) {
      return 0;
    }
    this.#turn();
    if (this.#waiting > 0) {
      // What came to be under way below just now, no client may wait for.
      this.#arm();
    }
    const limit = Math.min(max, this.completions.tag.length);
    const nowNs = this.clock.nowNs();
    const { tag, result, submittedNs, completedNs } = this.completions;
    let count = 0;
    for (; count < limit; count += 1) {
      const index = this.#ready.take(nowNs);
      if (index < 0) {
        break;
      }
      tag[count] = this.table.tag[index] as number;
      result[count] = this.table.result[index] as number;
      submittedNs[count] = this.table.submittedNs[index] as number;
      completedNs[count] = this.#ready.timeOf(index);
      this.table.release(index);
    }
    return count;
  }

  onReady(callback: () => void): void {
    if (!this.closed) {
      this.#awaited = true;
      this.#ready.onReady(() => {
        this.#awaited = false;
        callback();
      });
      this.#arm();
    }
  }

  /** `settle`, then `close`. Throws `io`; it is closed then too. */
  async shutDown(): Promise<void> {
    try {
      await this.settle();
    } finally {
      this.close();
    }
  }

  /** Leaves everything as it is: operations in flight are lost. */
  close(): void {
    if (!this.closed) {
      this.closed = true;
      this.#ready.clear();
      this.release();
      for (const mux of this.#muxes) {
        mux.close();
        mux.device.close();
      }
    }
  }

  /** A client's operation is done: bytes or a negative errno. */
  protected finish(index: number, result: number): void {
    this.table.result[index] = result;
    if (!this.closed) {
      this.#ready.add(index, this.clock.nowNs());
    }
  }

  /** Something was sent below: whoever waits already must be told of its end. */
  protected wake(): void {
    if (this.#awaited || this.#waiting > 0) {
      this.#arm();
    }
  }

  /** Keeps everything turning, with or without clients, until `begin` calls back; resolves with the errno. */
  protected async until(begin: (done: (errno: number) => void) => void): Promise<number> {
    this.#waiting += 1;
    try {
      return await new Promise<number>((resolve) => {
        begin(resolve);
        this.pump();
        this.#arm();
      });
    } finally {
      this.#waiting -= 1;
    }
  }

  #turn(): void {
    for (const mux of this.#muxes) {
      mux.poll();
    }
    this.pump();
  }

  /** Asks the devices below to be told when they have something. */
  #arm(): void {
    // Each time anew: a device whose completions were polled since does not call back for them.
    for (const mux of this.#muxes) {
      if (mux.pending > 0 && !this.closed) {
        mux.device.onReady(this.#below);
      }
    }
  }

  /** What completes below may be of no client: whoever waits goes on waiting. */
  readonly #below = (): void => {
    if (!this.closed) {
      this.#turn();
      this.wake();
    }
  };
}

/** A counter's name as runs record it. */
export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
