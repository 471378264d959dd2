import type {
  Arena,
  BlockDevice,
  BlockOp,
  Completions,
  DeviceFacts,
  DeviceSupports,
} from "../port/block-device.ts";
import type { Clock } from "../port/clock.ts";
import { blankOp, completionArrays, OpTable } from "./op-table.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { LayerStages, type StageClock, untraced } from "./stages.ts";

/**
 * What wrappers that hold operations back or answer them themselves have in common: a table of the
 * operations they hold, completions of their own beside those of the device below, and one wake-up
 * for both. Operations go below with their index as tag.
 */
export abstract class DeviceWrapper implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly completions: Completions;
  protected readonly inner: BlockDevice;
  protected readonly clock: Clock;
  protected readonly table: OpTable;
  protected readonly op: BlockOp = blankOp();
  /** Operations that the wrapper completes itself. */
  protected readonly own: ReadyQueue;
  protected stages: LayerStages = untraced;
  protected closed = false;
  #callback: (() => void) | null = null;

  /** `depth`: operations held at once, also when the device below takes fewer. */
  protected constructor(inner: BlockDevice, clock: Clock, depth = inner.facts.queueDepth) {
    this.inner = inner;
    this.clock = clock;
    this.facts =
      depth === inner.facts.queueDepth ? inner.facts : { ...inner.facts, queueDepth: depth };
    this.supports = inner.supports;
    this.arena = inner.arena;
    this.completions = completionArrays(depth);
    this.table = new OpTable(depth);
    this.own = new ReadyQueue(clock, depth);
  }

  abstract submit(op: BlockOp): boolean;
  abstract commit(): number;

  traceStages(clock: StageClock, layer: string): void {
    this.stages = new LayerStages(clock, layer);
  }

  /** What the wrapper has to do before completions are looked at. */
  protected beforePoll(): void {}

  /** The result to give for an operation that the device below completed with `result`. */
  protected resultOf(_index: number, result: number): number {
    return result;
  }

  /** The hand-over time to give for an operation that the device below was handed at `innerNs`. */
  protected submittedNsOf(_index: number, innerNs: number): number {
    return innerNs;
  }

  /** The wrapper completes the operation now, with this result. */
  protected finish(index: number, result: number): void {
    this.table.result[index] = result;
    this.own.add(index, this.clock.nowNs());
  }

  poll(max: number): number {
    if (this.closed) {
      return 0;
    }
    this.beforePoll();
    const limit = Math.min(max, this.completions.tag.length);
    const nowNs = this.clock.nowNs();
    let count = 0;
    for (; count < limit; count += 1) {
      const index = this.own.take(nowNs);
      if (index < 0) {
        break;
      }
      const submittedNs = this.table.submittedNs[index] as number;
      const result = this.table.result[index] as number;
      this.#complete(count, index, result, submittedNs, this.own.timeOf(index));
    }
    if (count === limit) {
      return count;
    }
    const below = this.inner.poll(limit - count);
    const { tag, result, submittedNs, completedNs } = this.inner.completions;
    for (let position = 0; position < below; position += 1) {
      const index = tag[position] as number;
      const told = this.resultOf(index, result[position] as number);
      const handedNs = this.submittedNsOf(index, submittedNs[position] as number);
      this.#complete(count, index, told, handedNs, completedNs[position] as number);
      count += 1;
    }
    return count;
  }

  onReady(callback: () => void): void {
    if (this.closed) {
      return;
    }
    this.#callback = callback;
    this.own.onReady(this.#wake);
    this.inner.onReady(this.#wake);
  }

  /**
   * To be called when the wrapper has sent operations below by itself, from a timer: a device below that
   * had nothing under way when it was asked to call back knows nothing of them.
   */
  protected sentByItself(): void {
    if (this.#callback !== null && !this.closed) {
      this.inner.onReady(this.#wake);
    }
  }

  close(): void {
    if (!this.closed) {
      this.closed = true;
      this.#callback = null;
      this.own.clear();
      this.inner.close();
    }
  }

  readonly #wake = (): void => {
    const callback = this.#callback;
    this.#callback = null;
    callback?.();
  };

  #complete(
    position: number,
    index: number,
    result: number,
    submittedNs: number,
    completedNs: number,
  ): void {
    const completions = this.completions;
    completions.tag[position] = this.table.tag[index] as number;
    completions.result[position] = result;
    completions.submittedNs[position] = submittedNs;
    completions.completedNs[position] = completedNs;
    this.table.release(index);
  }
}
