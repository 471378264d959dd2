/**
 * Writes what the log has acknowledged to the image, in the order of generations: nothing of one
 * begins before all of the one before it is durable in the image, so that the image alone is always
 * what it was at some sync point, plus a part of the generation that follows.
 */
import { assert } from "../../base/assert.ts";
import { errnos, opKinds } from "../../port/block-device.ts";
import type { Appender } from "./appender.ts";
import { EntryWindow } from "./entry-data.ts";
import { entryFlags } from "./log-format.ts";
import type { LogState } from "./log-state.ts";

interface UnderWay {
  readonly sequence: number;
  readonly offsetBytes: number;
  readonly endBytes: number;
  attempts: number;
}

const attemptsAtMost = 4;
const firstPauseNs = 10e6;
/** Clients that have not written for so long are not held up. */
const quietNs = 1e6;

export class WriteBack {
  readonly #state: LogState;
  readonly #appender: Appender;
  readonly #advanced: () => void;
  readonly #data: EntryWindow;
  readonly #underWay: UnderWay[] = [];
  #bytesUnderWay = 0;
  /** The next entry to begin with; below `#written` the image has everything. */
  #next: number;
  #written: number;
  /** Entries below it are durable in the image. */
  #flushed: number;
  #flushedGeneration: number;
  #flushing = false;
  #generation = -1;

  /** `flushed`: the first entry that the image may lack. `advanced` is called when more is durable in it. */
  constructor(state: LogState, appender: Appender, flushed: number, advanced: () => void) {
    this.#state = state;
    this.#appender = appender;
    this.#data = new EntryWindow(state, appender);
    this.#advanced = advanced;
    this.#next = flushed;
    this.#written = flushed;
    this.#flushed = flushed;
    this.#flushedGeneration = Math.max(0, state.generation - 1);
  }

  get flushed(): number {
    return this.#flushed;
  }

  get flushedGeneration(): number {
    return this.#flushedGeneration;
  }

  /** Entries that the image does not have for sure. */
  get dirty(): number {
    return this.#state.entries.next - this.#flushed;
  }

  /** Begins what may be begun. */
  pump(): void {
    const { entries, tuning } = this.#state;
    const depth = this.#depth();
    let began = false;
    while (this.#state.stopped === null && this.#next < this.#appender.durable) {
      const slot = entries.slotOf(this.#next);
      if (!this.#mayBegin(slot)) {
        break;
      }
      if (this.#isDone(slot)) {
        entries.written[slot] = 1;
        this.#next += 1;
        this.#settle();
        continue;
      }
      const busy = this.#underWay.length;
      const lengthBytes = entries.lengthBytes[slot] as number;
      if (
        busy >= depth ||
        (busy > 0 && this.#bytesUnderWay + lengthBytes > tuning.writeBackBytes) ||
        this.#overlaps(slot)
      ) {
        break;
      }
      const lent = entries.hasData(slot) ? this.#state.imageIo.lane.takeSlot() : 0;
      if (lent < 0) {
        break;
      }
      this.#begin(this.#next, slot, lent);
      this.#next += 1;
      began = true;
    }
    if (began) {
      this.#state.imageIo.commit();
    }
  }

  /** Makes durable what the image has; then `advanced`. Does nothing when that is so already. */
  flushImage(): void {
    if (this.#flushing || this.#flushed === this.#written || this.#state.stopped !== null) {
      return;
    }
    this.#flushing = true;
    const reached = this.#written;
    const last = this.#state.entries.slotOf(reached - 1);
    const generation = this.#state.entries.generation[last] as number;
    this.#state.counters.imageFlushes += 1;
    this.#state.imageIo.flush((errno) => {
      this.#flushing = false;
      if (errno !== 0) {
        this.#state.stop(`flushing the image failed with errno ${errno}`);
        return;
      }
      this.#flushed = reached;
      this.#flushedGeneration = Math.max(this.#flushedGeneration, generation - 1);
      this.#advanced();
      this.pump();
    });
  }

  /** Everything appended is in the image, durable or not. */
  get caughtUp(): boolean {
    return this.#written === this.#state.entries.next;
  }

  /** How many may be under way now: fewer while clients write and there is room. */
  #depth(): number {
    const { entries, ring, tuning, clock } = this.#state;
    const next = this.#next;
    if (next === entries.next || clock.nowNs() - this.#appender.sentNs > quietNs) {
      return tuning.writeBackDepth;
    }
    const from = entries.recordPosition[entries.slotOf(next)] as number;
    const bytes = (ring.head - from) / ring.bytes;
    const share = Math.max(bytes, (entries.next - next) / entries.capacity);
    const { calmShare, calmDepth, writeBackDepth } = tuning;
    return share < calmShare ? Math.min(calmDepth, writeBackDepth) : writeBackDepth;
  }

  /** Whether the generation of the entry in `slot` has its turn; else what it needs is begun. */
  #mayBegin(slot: number): boolean {
    const generation = this.#state.entries.generation[slot] as number;
    if (generation === this.#generation) {
      return true;
    }
    if (this.#underWay.length > 0) {
      return false;
    }
    if (this.#generation >= 0 && this.#flushed < this.#next) {
      this.flushImage();
      return false;
    }
    this.#generation = generation;
    return true;
  }

  /** Nothing to be written: a sync point, or data that newer ones of the same generation replace. */
  #isDone(slot: number): boolean {
    const { entries, map, counters } = this.#state;
    if (entries.isSyncPoint(slot)) {
      return true;
    }
    if ((entries.liveBlocks[slot] as number) > 0) {
      return false;
    }
    const { unitBytes } = this.#state;
    const first = (entries.imageOffsetBytes[slot] as number) / unitBytes;
    const end = first + (entries.lengthBytes[slot] as number) / unitBytes;
    for (let block = first; block < end; block += 1) {
      const newer = map.slotOf(block);
      const durable = newer >= 0 && entries.sequenceIn(newer) < this.#appender.durable;
      if (!durable || entries.generation[newer] !== entries.generation[slot]) {
        return false;
      }
    }
    counters.superseded += 1;
    return true;
  }

  #overlaps(slot: number): boolean {
    const offset = this.#state.entries.imageOffsetBytes[slot] as number;
    const end = offset + (this.#state.entries.lengthBytes[slot] as number);
    return this.#underWay.some(
      ({ offsetBytes, endBytes }) => offset < endBytes && offsetBytes < end,
    );
  }

  #begin(sequence: number, slot: number, lent: number): void {
    const { entries, imageIo } = this.#state;
    const offsetBytes = entries.imageOffsetBytes[slot] as number;
    const lengthBytes = entries.lengthBytes[slot] as number;
    const under = { sequence, offsetBytes, endBytes: offsetBytes + lengthBytes, attempts: 0 };
    this.#underWay.push(under);
    this.#bytesUnderWay += lengthBytes;
    if (!entries.hasData(slot)) {
      this.#send(under, slot, lent);
      return;
    }
    this.#data.data(sequence, (data) => {
      if (data === null) {
        imageIo.release(lent);
        this.#state.stop(`entry ${sequence} of the log is damaged or cannot be read`);
        return;
      }
      imageIo.bytesOf(lent).set(data);
      this.#send(under, slot, lent);
      imageIo.commit();
    });
  }

  #send(under: UnderWay, slot: number, lent: number): void {
    const { entries, imageIo } = this.#state;
    const lengthBytes = entries.lengthBytes[slot] as number;
    const done = (errno: number) => this.#sent(under, slot, lent, errno);
    if (entries.hasData(slot)) {
      imageIo.write(lent, under.offsetBytes, lengthBytes, false, done);
      return;
    }
    const discard = ((entries.flags[slot] as number) & entryFlags.discard) !== 0;
    imageIo.clear(
      discard ? opKinds.trim : opKinds.writeZeroes,
      under.offsetBytes,
      lengthBytes,
      done,
    );
  }

  #sent(under: UnderWay, slot: number, lent: number, errno: number): void {
    const { entries, imageIo, counters, clock } = this.#state;
    if (errno !== 0 && errno !== errnos.ECANCELED && under.attempts + 1 < attemptsAtMost) {
      under.attempts += 1;
      const pauseNs = firstPauseNs * 4 ** (under.attempts - 1);
      clock.at(clock.nowNs() + pauseNs, () => {
        this.#send(under, slot, lent);
        imageIo.commit();
        this.#state.wake();
      });
      return;
    }
    if (entries.hasData(slot)) {
      imageIo.release(lent);
    }
    this.#underWay.splice(this.#underWay.indexOf(under), 1);
    this.#bytesUnderWay -= entries.lengthBytes[slot] as number;
    if (errno !== 0) {
      this.#state.stop(
        `writing back to offset ${under.offsetBytes} of the image failed with errno ${errno}`,
      );
      return;
    }
    entries.written[slot] = 1;
    counters.writtenBack += 1;
    counters.writtenBackBytes += entries.lengthBytes[slot] as number;
    this.#settle();
    this.pump();
  }

  /** Moves on over what is done from the front. */
  #settle(): void {
    const { entries } = this.#state;
    while (this.#written < this.#next && entries.written[entries.slotOf(this.#written)] === 1) {
      this.#written += 1;
    }
    assert(this.#written >= this.#flushed, "the image is flushed further than it is written");
  }
}
