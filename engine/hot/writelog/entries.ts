import { assert } from "../../base/assert.ts";
import { entryFlags } from "./log-format.ts";

/**
 * The entries that a log holds, in typed arrays by `sequence % capacity`. Entries are counted from 1;
 * those from `first` to before `next` are held.
 */
export class Entries {
  readonly capacity: number;
  readonly imageOffsetBytes: Float64Array;
  readonly lengthBytes: Uint32Array;
  readonly position: Float64Array;
  readonly generation: Float64Array;
  readonly dataSum: Uint32Array;
  readonly flags: Uint8Array;
  /** Ring position at which its record began, and at which the next one begins. */
  readonly recordPosition: Float64Array;
  readonly endPosition: Float64Array;
  /** The entry is the first of its record: the log may begin with it. */
  readonly opensRecord: Uint8Array;
  /** Blocks of the image whose newest data are this entry's. */
  readonly liveBlocks: Uint32Array;
  /** Readers that need it to stay. */
  readonly readers: Uint16Array;
  /** The image has it, flushed or not. */
  readonly written: Uint8Array;
  /** Where its data are in the memory of the log's device; -1: nowhere, or not in one piece. */
  readonly memoryAt: Float64Array;
  first: number;
  next: number;
  /** The first entry whose slot is not to be used again yet: that of the root on the device. */
  kept: number;

  constructor(capacity: number, first: number) {
    this.capacity = capacity;
    this.first = first;
    this.next = first;
    this.kept = first;
    this.imageOffsetBytes = new Float64Array(capacity);
    this.lengthBytes = new Uint32Array(capacity);
    this.position = new Float64Array(capacity);
    this.generation = new Float64Array(capacity);
    this.dataSum = new Uint32Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.recordPosition = new Float64Array(capacity);
    this.endPosition = new Float64Array(capacity);
    this.opensRecord = new Uint8Array(capacity);
    this.liveBlocks = new Uint32Array(capacity);
    this.readers = new Uint16Array(capacity);
    this.written = new Uint8Array(capacity);
    this.memoryAt = new Float64Array(capacity);
  }

  get size(): number {
    return this.next - this.first;
  }

  get free(): number {
    return this.capacity - (this.next - this.kept);
  }

  /** The slot of an entry that is held. */
  slotOf(sequence: number): number {
    assert(
      sequence >= this.first && sequence < this.next,
      "an entry is asked for that is not held",
    );
    return sequence % this.capacity;
  }

  /** The entry in a slot that is in use. */
  sequenceIn(slot: number): number {
    const lap = Math.floor((this.next - 1 - slot) / this.capacity);
    return lap * this.capacity + slot;
  }

  /** Makes room for the next entry; its fields are to be set by the caller. */
  add(): number {
    assert(this.free > 0, "a write log holds more entries than it has room for");
    const slot = this.next % this.capacity;
    this.next += 1;
    this.liveBlocks[slot] = 0;
    this.readers[slot] = 0;
    this.written[slot] = 0;
    this.opensRecord[slot] = 0;
    this.memoryAt[slot] = -1;
    return slot;
  }

  isSyncPoint(slot: number): boolean {
    return ((this.flags[slot] as number) & entryFlags.syncPoint) !== 0;
  }

  hasData(slot: number): boolean {
    return ((this.flags[slot] as number) & entryFlags.data) !== 0;
  }
}
