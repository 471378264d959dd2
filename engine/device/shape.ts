/**
 * A device of a shape: what is below holds the data, and the model says when an operation completes. Over
 * memory or a scratch file in real time, over nothing at all in virtual time. What is below cannot be faster
 * than it is: operations that it completes later than the model says are counted.
 */
import { OsdynoError } from "../base/error.ts";
import { SeededRandom } from "../base/random.ts";
import {
  type Arena,
  type BlockDevice,
  type BlockOp,
  type Completions,
  type DeviceFacts,
  type DeviceSupports,
  flagFua,
} from "../port/block-device.ts";
import type { CancelTimer, Clock } from "../port/clock.ts";
import { checkOp } from "./check-op.ts";
import { blankOp, completionArrays, OpTable } from "./op-table.ts";
import { DiskModel } from "./shape-disk.ts";
import type { ShapeModel } from "./shape-model.ts";
import { SolidModel } from "./shape-solid.ts";
import { type ShapeSpec, shapeProblem } from "./shape-spec.ts";

/** A model at rest. Throws `bad-input` for a shape that describes no device. */
export function shapeModel(shape: ShapeSpec, seed: number): ShapeModel {
  const problem = shapeProblem(shape);
  if (problem !== null) {
    throw new OsdynoError("bad-input", `shape: ${problem}`);
  }
  const random = new SeededRandom(seed).fork("shape");
  return shape.kind === "disk" ? new DiskModel(shape, random) : new SolidModel(shape, random);
}

export interface ShapedDeviceOptions {
  readonly below: BlockDevice;
  readonly shape: ShapeSpec;
  readonly clock: Clock;
  readonly seed: number;
  /**
   * So long before something is due it is asked for: timers of a real clock are some 50 us late. 0 in
   * virtual time.
   */
  readonly earlyNs: number;
  /** Operations taken at once; default: as many as what is below takes. */
  readonly depth?: number;
}

/** What timers of a real clock are late by, with room. */
export const timerSlackNs = 60_000;

/** Of a model's time, beyond which the host was slower than the shape. */
const lateShare = 0.1;
const lateLeastNs = 1000;

export class ShapedDevice implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly completions: Completions;
  readonly #below: BlockDevice;
  readonly #clock: Clock;
  readonly #model: ShapeModel;
  readonly #earlyNs: number;
  readonly #table: OpTable;
  readonly #queued: number[] = [];
  /** When the model is done with an operation; NaN: not yet. */
  readonly #modelNs: Float64Array;
  /** 1: what is below is done with it. */
  readonly #landed: Uint8Array;
  readonly #ready: number[] = [];
  readonly #op: BlockOp = blankOp();
  #belowOpen = 0;
  #operations = 0;
  #late = 0;
  #lateMostNs = 0;
  #callback: (() => void) | null = null;
  #cancel: CancelTimer | null = null;
  #timerNs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor({ below, shape, clock, seed, earlyNs, depth }: ShapedDeviceOptions) {
    const capacity = depth ?? below.facts.queueDepth;
    this.#below = below;
    this.#clock = clock;
    this.#earlyNs = earlyNs;
    this.#model = shapeModel(shape, seed);
    this.facts = {
      ...below.facts,
      deviceClass: shape.deviceClass,
      classReason: "shape (modelled)",
      rotational: shape.kind === "disk",
      queueDepth: capacity,
    };
    this.supports = below.supports;
    this.arena = below.arena;
    this.completions = completionArrays(capacity);
    this.#table = new OpTable(capacity);
    this.#modelNs = new Float64Array(capacity);
    this.#landed = new Uint8Array(capacity);
  }

  /** What was modelled, and how often the host was too slow for it. */
  counters(): Readonly<Record<string, number>> {
    return {
      "shape.operations": this.#operations,
      "shape.host_slower": this.#late,
      "shape.host_slower_max_ns": this.#lateMostNs,
    };
  }

  submit(op: BlockOp): boolean {
    const index = this.#closed ? -1 : this.#table.put(op);
    if (index < 0) {
      return false;
    }
    this.#table.load(index, this.#op);
    if (!this.#below.submit(this.#op)) {
      this.#table.release(index);
      return false;
    }
    this.#queued.push(index);
    return true;
  }

  commit(): number {
    const count = this.#queued.length;
    if (count === 0) {
      return 0;
    }
    // What the host needs for the data passes within the model's time.
    const nowNs = this.#clock.nowNs();
    this.#below.commit();
    this.#belowOpen += count;
    this.#model.advance(nowNs, this.#modelled);
    const { kind, flags, offsetBytes, lengthBytes } = this.#table;
    for (const index of this.#queued) {
      this.#table.submittedNs[index] = nowNs;
      this.#landed[index] = 0;
      this.#modelNs[index] = Number.NaN;
      this.#table.load(index, this.#op);
      if (checkOp(this.#op, this.facts, this.supports, this.arena) !== 0) {
        // Refused below, at once; the model never hears of it.
        this.#modelNs[index] = nowNs;
        continue;
      }
      this.#operations += 1;
      this.#model.admit(
        nowNs,
        index,
        kind[index] as BlockOp["kind"],
        ((flags[index] as number) & flagFua) !== 0,
        offsetBytes[index] as number,
        lengthBytes[index] as number,
      );
    }
    this.#queued.length = 0;
    this.#arm();
    return count;
  }

  poll(max: number): number {
    if (this.#closed) {
      return 0;
    }
    this.#pollBelow();
    const nowNs = this.#clock.nowNs();
    this.#model.advance(nowNs, this.#modelled);
    const { tag, result, submittedNs, completedNs } = this.completions;
    const count = Math.min(max, tag.length, this.#ready.length);
    for (let position = 0; position < count; position += 1) {
      const index = this.#ready[position] as number;
      tag[position] = this.#table.tag[index] as number;
      result[position] = this.#table.result[index] as number;
      submittedNs[position] = this.#table.submittedNs[index] as number;
      completedNs[position] = nowNs;
      this.#judge(index, nowNs);
      this.#table.release(index);
    }
    this.#ready.splice(0, count);
    return count;
  }

  onReady(callback: () => void): void {
    if (this.#closed) {
      return;
    }
    this.#callback = callback;
    if (this.#belowOpen > 0) {
      this.#below.onReady(this.#wake);
    }
    this.#arm();
  }

  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#callback = null;
      this.#disarm();
      this.#below.close();
    }
  }

  #pollBelow(): void {
    if (this.#belowOpen === 0) {
      return;
    }
    const below = this.#below;
    const { tag, result } = below.completions;
    for (let count = below.poll(tag.length); count > 0; count = below.poll(tag.length)) {
      this.#belowOpen -= count;
      for (let position = 0; position < count; position += 1) {
        const index = tag[position] as number;
        this.#table.result[index] = result[position] as number;
        this.#landed[index] = 1;
        if (!Number.isNaN(this.#modelNs[index])) {
          this.#ready.push(index);
        }
      }
      if (this.#belowOpen === 0) {
        break;
      }
    }
  }

  readonly #modelled = (index: number, atNs: number): void => {
    this.#modelNs[index] = atNs;
    if (this.#landed[index] === 1) {
      this.#ready.push(index);
    }
  };

  #judge(index: number, nowNs: number): void {
    const dueNs = this.#modelNs[index] as number;
    const lateNs = nowNs - dueNs;
    const tookNs = dueNs - (this.#table.submittedNs[index] as number);
    if (lateNs > Math.max(lateLeastNs, lateShare * tookNs)) {
      this.#late += 1;
      this.#lateMostNs = Math.max(this.#lateMostNs, lateNs);
    }
  }

  readonly #wake = (): void => {
    const callback = this.#callback;
    this.#callback = null;
    callback?.();
  };

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#timerNs = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    if (this.#callback === null) {
      return;
    }
    const dueNs = this.#ready.length > 0 ? this.#clock.nowNs() : this.#model.nextNs();
    const wakeNs = dueNs - this.#earlyNs;
    if (wakeNs >= this.#timerNs || !Number.isFinite(wakeNs)) {
      return;
    }
    this.#disarm();
    this.#timerNs = wakeNs;
    this.#cancel = this.#clock.at(wakeNs, () => {
      this.#cancel = null;
      this.#timerNs = Number.POSITIVE_INFINITY;
      this.#wake();
    });
  }
}
