import { assert } from "../base/assert.ts";
import type { BlockDevice, BlockOp } from "../port/block-device.ts";
import type { DeviceLane, LaneCompletion } from "../port/device-lane.ts";
import { blankOp, OpTable } from "./op-table.ts";

export interface LaneOptions {
  /** Operations under way at once, also while the device itself is full. */
  readonly depth: number;
  /** Slots of the device's arena that are this lane's alone. */
  readonly slots: number;
}

export interface DeviceMuxOptions {
  /** All lanes' depths together at most. */
  readonly capacity: number;
  /**
   * Polls by itself whenever the device has something; else `poll` and `wait` are called by a loop that
   * spares the wake-up while it goes round.
   */
  readonly selfDriven: boolean;
}

/**
 * Several users on one block device: it alone polls, and hands each completion to the lane whose
 * operation it was. Operations go to the device in the order of their submission over all lanes; those
 * that the device has no room for wait here.
 */
export class DeviceMux {
  readonly device: BlockDevice;
  readonly #table: OpTable;
  readonly #laneOf: (Lane | null)[];
  readonly #selfDriven: boolean;
  readonly #op = blankOp();
  /** Indices that the device has not taken yet, a ring. */
  readonly #waiting: Int32Array;
  #firstWaiting = 0;
  #waitingCount = 0;
  #depth = 0;
  #slots = 0;
  #armed = false;
  #polling = false;
  #closed = false;

  constructor(device: BlockDevice, options: DeviceMuxOptions) {
    this.device = device;
    this.#table = new OpTable(options.capacity);
    this.#laneOf = new Array<Lane | null>(options.capacity).fill(null);
    this.#waiting = new Int32Array(options.capacity);
    this.#selfDriven = options.selfDriven;
  }

  /** Slots of the arena that no lane has. */
  get slotsLeft(): number {
    return this.device.arena.slotCount - this.#slots;
  }

  /** Operations of all lanes that have not completed. */
  get pending(): number {
    return this.#table.size;
  }

  /** Another user. Throws when the depths or slots of all lanes exceed what there is. */
  lane(options: LaneOptions): DeviceLane {
    assert(
      this.#depth + options.depth <= this.#table.capacity,
      "a mux's lanes exceed its capacity",
    );
    assert(options.slots <= this.slotsLeft, "a mux's lanes exceed the device's slots");
    const first = this.#slots;
    this.#depth += options.depth;
    this.#slots += options.slots;
    return new Lane(this, this.device, options, first);
  }

  /** Hands out what has completed and returns the number; from within a completion: 0. */
  poll(): number {
    if (this.#polling || this.#closed) {
      return 0;
    }
    this.#polling = true;
    let total = 0;
    try {
      for (;;) {
        const count = this.device.poll(this.device.completions.tag.length);
        total += count;
        for (let position = 0; position < count; position += 1) {
          this.#complete(position);
        }
        if (count === 0 || this.#closed) {
          break;
        }
      }
    } finally {
      this.#polling = false;
    }
    if (total > 0) {
      this.handOver();
    }
    return total;
  }

  /** Asks the device to be told when something may have completed; then `poll` is called, once. */
  wait(): void {
    if (!this.#armed && !this.#closed && this.#table.size > 0) {
      this.#armed = true;
      this.device.onReady(this.#ready);
    }
  }

  /** Does not close the device. Lanes MUST be idle. */
  close(): void {
    this.#closed = true;
  }

  /** For lanes. */
  queue(lane: Lane, op: BlockOp): boolean {
    const index = this.#closed ? -1 : this.#table.put(op);
    if (index < 0) {
      return false;
    }
    this.#laneOf[index] = lane;
    this.#waiting[(this.#firstWaiting + this.#waitingCount) % this.#waiting.length] = index;
    this.#waitingCount += 1;
    return true;
  }

  /** For lanes: gives the device what it has room for. */
  handOver(): void {
    const op = this.#op;
    let given = 0;
    while (this.#waitingCount > 0) {
      this.#table.load(this.#waiting[this.#firstWaiting] as number, op);
      if (!this.device.submit(op)) {
        break;
      }
      given += 1;
      this.#firstWaiting = (this.#firstWaiting + 1) % this.#waiting.length;
      this.#waitingCount -= 1;
    }
    if (given > 0) {
      this.device.commit();
    }
    if (this.#selfDriven) {
      this.wait();
    }
  }

  readonly #ready = (): void => {
    this.#armed = false;
    this.poll();
    if (this.#selfDriven) {
      this.wait();
    }
  };

  #complete(position: number): void {
    const { tag, result, submittedNs, completedNs } = this.device.completions;
    const index = tag[position] as number;
    const lane = this.#laneOf[index] ?? null;
    assert(lane !== null, "a device completed an operation that it was not given");
    const own = this.#table.tag[index] as number;
    this.#laneOf[index] = null;
    this.#table.release(index);
    lane.completed(
      own,
      result[position] as number,
      submittedNs[position] as number,
      completedNs[position] as number,
    );
  }
}

class Lane implements DeviceLane {
  readonly facts;
  readonly supports;
  readonly arena;
  readonly depth: number;
  readonly #mux: DeviceMux;
  readonly #free: number[];
  readonly #lent: Uint8Array;
  readonly #firstSlot: number;
  #pending = 0;
  #callback: LaneCompletion | null = null;

  constructor(mux: DeviceMux, device: BlockDevice, options: LaneOptions, firstSlot: number) {
    this.#mux = mux;
    this.facts = device.facts;
    this.supports = device.supports;
    this.arena = device.arena;
    this.depth = options.depth;
    this.#firstSlot = firstSlot;
    this.#free = Array.from({ length: options.slots }, (_, at) => firstSlot + at).reverse();
    this.#lent = new Uint8Array(options.slots);
  }

  get pending(): number {
    return this.#pending;
  }

  onCompletion(callback: LaneCompletion): void {
    this.#callback = callback;
  }

  takeSlot(): number {
    const slot = this.#free.pop();
    if (slot === undefined) {
      return -1;
    }
    this.#lent[slot - this.#firstSlot] = 1;
    return slot;
  }

  giveSlot(slot: number): void {
    assert(this.#lent[slot - this.#firstSlot] === 1, "a slot is given back that was not taken");
    this.#lent[slot - this.#firstSlot] = 0;
    this.#free.push(slot);
  }

  submit(op: BlockOp): boolean {
    assert(this.#callback !== null, "a lane submits before it has said who is told");
    if (this.#pending >= this.depth || !this.#mux.queue(this, op)) {
      return false;
    }
    this.#pending += 1;
    return true;
  }

  commit(): void {
    this.#mux.handOver();
  }

  /** For the mux. */
  completed(tag: number, result: number, submittedNs: number, completedNs: number): void {
    this.#pending -= 1;
    this.#callback?.(tag, result, submittedNs, completedNs);
  }
}
