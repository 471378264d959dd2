/**
 * One block device used by several, each through a block device of its own: a part of the arena, tags of
 * its own, and its own completions. Whoever polls first brings in what has completed for all.
 */
import { assert } from "../base/assert.ts";
import type {
  Arena,
  BlockDevice,
  BlockOp,
  Completions,
  DeviceFacts,
  DeviceSupports,
} from "../port/block-device.ts";
import { blankOp, completionArrays, OpTable } from "./op-table.ts";

export class DeviceShare {
  readonly device: BlockDevice;
  readonly #table: OpTable;
  readonly #viewOf: (DeviceView | null)[];
  readonly #views: DeviceView[] = [];
  readonly #op = blankOp();
  #slots = 0;
  #open = 0;

  /** `capacity`: depths of all views together at most; the device MUST take so many. */
  constructor(device: BlockDevice, capacity: number) {
    this.device = device;
    this.#table = new OpTable(capacity);
    this.#viewOf = new Array<DeviceView | null>(capacity).fill(null);
  }

  /** Another user, with so many slots of the arena. Throws when there are not so many left. */
  view(depth: number, facts: Partial<DeviceFacts> = {}): BlockDevice {
    const { bytes, slotBytes, slotCount } = this.device.arena;
    assert(this.#slots + depth <= slotCount, "the views of a device exceed its slots");
    const first = this.#slots;
    this.#slots += depth;
    this.#open += 1;
    const arena = {
      bytes: bytes.subarray(first * slotBytes, (first + depth) * slotBytes),
      slotBytes,
      slotCount: depth,
    };
    const view = new DeviceView(
      this,
      { ...this.device.facts, queueDepth: depth, ...facts },
      arena,
      first,
    );
    this.#views.push(view);
    return view;
  }

  /** For views. */
  submit(view: DeviceView, op: BlockOp, firstSlot: number): boolean {
    const index = this.#table.put(op);
    if (index < 0) {
      return false;
    }
    this.#table.load(index, this.#op);
    this.#op.slot = op.slot + firstSlot;
    if (!this.device.submit(this.#op)) {
      this.#table.release(index);
      return false;
    }
    this.#viewOf[index] = view;
    return true;
  }

  /** For views: brings in what has completed. */
  poll(): void {
    const { device } = this;
    for (;;) {
      const count = device.poll(device.completions.tag.length);
      if (count === 0) {
        return;
      }
      const { tag, result, submittedNs, completedNs } = device.completions;
      for (let position = 0; position < count; position += 1) {
        const index = tag[position] as number;
        const view = this.#viewOf[index] ?? null;
        assert(view !== null, "a device completed an operation that it was not given");
        this.#viewOf[index] = null;
        const own = this.#table.tag[index] as number;
        this.#table.release(index);
        view.completed(
          own,
          result[position] as number,
          submittedNs[position] as number,
          completedNs[position] as number,
        );
      }
    }
  }

  /** For views: all are told, for what is there may be anybody's. */
  wait(): void {
    // Each time anew: a device that had nothing to do when it was asked before need not keep that in mind.
    this.device.onReady(this.#ready);
  }

  readonly #ready = (): void => {
    for (const view of this.#views) {
      view.wake();
    }
  };

  /** For views: the last one to go closes the device. */
  closed(): void {
    this.#open -= 1;
    if (this.#open === 0) {
      this.device.close();
    }
  }
}

class DeviceView implements BlockDevice {
  readonly facts: DeviceFacts;
  readonly supports: DeviceSupports;
  readonly arena: Arena;
  readonly completions: Completions;
  /** What came with the device below and is worth a note of the run. */
  readonly notes: readonly string[];
  readonly #share: DeviceShare;
  readonly #firstSlot: number;
  /** Completed and not yet polled, a ring. */
  readonly #ready: Completions;
  #first = 0;
  #count = 0;
  #pending = 0;
  #callback: (() => void) | null = null;
  #closed = false;

  constructor(share: DeviceShare, facts: DeviceFacts, arena: Arena, firstSlot: number) {
    this.#share = share;
    this.facts = facts;
    this.supports = share.device.supports;
    this.arena = arena;
    this.completions = completionArrays(facts.queueDepth);
    this.#ready = completionArrays(facts.queueDepth);
    this.#firstSlot = firstSlot;
    const { device } = share;
    this.notes = "notes" in device && Array.isArray(device.notes) ? device.notes.map(String) : [];
  }

  submit(op: BlockOp): boolean {
    if (this.#closed || this.#pending >= this.facts.queueDepth) {
      return false;
    }
    if (!this.#share.submit(this, op, this.#firstSlot)) {
      return false;
    }
    this.#pending += 1;
    return true;
  }

  commit(): number {
    return this.#share.device.commit();
  }

  poll(max: number): number {
    if (this.#closed) {
      return 0;
    }
    this.#share.poll();
    const { tag, result, submittedNs, completedNs } = this.completions;
    const ready = this.#ready;
    const count = Math.min(max, this.#count);
    for (let position = 0; position < count; position += 1) {
      const place = (this.#first + position) % ready.tag.length;
      tag[position] = ready.tag[place] as number;
      result[position] = ready.result[place] as number;
      submittedNs[position] = ready.submittedNs[place] as number;
      completedNs[position] = ready.completedNs[place] as number;
    }
    this.#first = (this.#first + count) % ready.tag.length;
    this.#count -= count;
    this.#pending -= count;
    return count;
  }

  onReady(callback: () => void): void {
    if (!this.#closed) {
      this.#callback = callback;
      if (this.#count > 0) {
        // Somebody else's poll brought them in. Another turn, as from any device.
        queueMicrotask(() => this.wake());
      }
      this.#share.wait();
    }
  }

  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#callback = null;
      this.#share.closed();
    }
  }

  /** For the share. */
  completed(tag: number, result: number, submittedNs: number, completedNs: number): void {
    const ready = this.#ready;
    const place = (this.#first + this.#count) % ready.tag.length;
    ready.tag[place] = tag;
    ready.result[place] = result;
    ready.submittedNs[place] = submittedNs;
    ready.completedNs[place] = completedNs;
    this.#count += 1;
  }

  /** For the share. */
  wake(): void {
    const callback = this.#callback;
    this.#callback = null;
    callback?.();
  }
}
