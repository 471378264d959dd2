/** Puts writes into the log: gathers them into records, tells when they are durable. */
import { assert } from "../../base/assert.ts";
import type { OpTable } from "../../device/op-table.ts";
import { flagFua, opKinds } from "../../port/block-device.ts";
import {
  controlBlockBytes,
  controlEntryAt,
  encodeControlBlock,
  encodeEntry,
  entriesPerRecord,
  entryBytes,
  entryFlags,
  firstAreaBytes,
} from "./log-format.ts";
import type { LogState } from "./log-state.ts";
import type { RingPiece } from "./ring.ts";

/** A record on its way to the device. */
interface LogRecord {
  readonly firstEntry: number;
  endEntry: number;
  /** Operations that are told when it is durable. */
  readonly clients: number[];
  readonly position: number;
  readonly pieces: readonly RingPiece[];
  /** Of the log's arena, one a piece, then those of the entry table; empty once they are written. */
  slots: number[];
  writesLeft: number;
  written: boolean;
  durable: boolean;
}

/** How a mode lays out its records. */
interface Layout {
  /** Before the data of a record. */
  readonly headBytes: number;
  /** Data begin on multiples of it. */
  readonly alignBytes: number;
  /** Entries are in a table of their own. */
  readonly table: boolean;
}

export const layouts = Object.freeze({
  ssd: { headBytes: controlBlockBytes, alignBytes: 4096, table: false },
  pmem: { headBytes: 0, alignBytes: 512, table: true },
} satisfies Record<string, Layout>);

const sumBytes = new Uint8Array(4);
const sumView = new DataView(sumBytes.buffer);

/** What the appender tells its owner. */
export interface AppenderEvents {
  /** The operation is done; bytes or a negative errno. */
  finish(index: number, result: number): void;
  /** The operation's turn has come; then it is with the log's device. */
  taken(index: number): void;
  sent(index: number): void;
  /** More entries are durable. */
  advanced(): void;
  /** The next write waits for space. */
  full(): void;
}

export class Appender {
  readonly #state: LogState;
  readonly #table: OpTable;
  readonly #events: AppenderEvents;
  readonly #layout: Layout;
  readonly #records: LogRecord[] = [];
  /** Operations that wait for a record, from `#first` on. */
  #pending: number[] = [];
  #first = 0;
  /** A sync point is to be put down, and the next record has room for it. */
  #syncPointDue = false;
  #withSyncPoint = false;
  /** Of the record that `#measure` has planned. */
  #recordBytes = 0;
  #writesOfGeneration = 0;
  #bytesOfGeneration = 0;
  #persistOnFlush: boolean;
  #flushing = false;
  #throttling = false;
  /** Entries below it are durable. */
  #durable: number;
  readonly #waiting: { readonly index: number; readonly entry: number }[] = [];

  constructor(state: LogState, table: OpTable, events: AppenderEvents) {
    this.#state = state;
    this.#table = table;
    this.#events = events;
    this.#layout = layouts[state.mode];
    this.#persistOnFlush = state.tuning.persist === "flush";
    this.#durable = state.entries.next;
  }

  get durable(): number {
    return this.#durable;
  }

  /** Operations without a record. */
  get pending(): number {
    return this.#pending.length - this.#first;
  }

  /** Nothing waits, and all that was appended is durable. */
  get idle(): boolean {
    return this.pending === 0 && this.#records.length === 0;
  }

  get persistsOnFlush(): boolean {
    return this.#persistOnFlush;
  }

  /** A write, trim or zeroes of a client; `pump` starts it. */
  add(index: number): void {
    this.#pending.push(index);
  }

  /**
   * A client's flush. Everything acknowledged before it is made durable, and a sync point is set behind
   * it: what comes later reaches the image later.
   */
  flush(index: number): void {
    if (this.#state.tuning.persist === "auto") {
      this.#persistOnFlush = true;
    }
    this.#endGeneration();
    const { next } = this.#state.entries;
    if (this.#durable >= next) {
      this.#events.finish(index, 0);
    } else {
      this.#waiting.push({ index, entry: next });
    }
  }

  /** Hands over what there is room for. */
  pump(): void {
    const state = this.#state;
    while (
      this.pending > 0 &&
      state.stopped === null &&
      this.#records.length < state.tuning.recordsInFlight
    ) {
      const taken = this.#measure();
      if (taken === 0) {
        if (!this.#throttling) {
          this.#throttling = true;
          state.counters.throttled += 1;
        }
        this.#events.full();
        break;
      }
      const slots = this.#takeSlots(taken);
      if (slots === null) {
        break;
      }
      this.#throttling = false;
      this.#append(taken, slots);
    }
    if (this.#first > 0 && this.#first === this.#pending.length) {
      this.#pending = [];
      this.#first = 0;
    }
  }

  /** The log waits for space although it is empty: the write can never be taken. */
  get blocked(): boolean {
    return this.#throttling;
  }

  /** The data of an entry that are still in memory; `null`: they are on the device. */
  inMemory(sequence: number, slot: number): Uint8Array | null {
    const record = this.#records.find(
      ({ firstEntry, endEntry }) => sequence >= firstEntry && sequence < endEntry,
    );
    if (record === undefined || record.slots.length === 0) {
      return null;
    }
    const { entries, logIo } = this.#state;
    const into = new Uint8Array(entries.lengthBytes[slot] as number);
    const from = (entries.position[slot] as number) - record.position;
    for (const [number, piece] of record.pieces.entries()) {
      const start = Math.max(from, piece.fromBytes);
      const end = Math.min(from + into.length, piece.fromBytes + piece.lengthBytes);
      if (start < end) {
        const bytes = logIo.bytesOf(record.slots[number] as number);
        into.set(bytes.subarray(start - piece.fromBytes, end - piece.fromBytes), start - from);
      }
    }
    return into;
  }

  /** Everything that waits fails. */
  fail(errno: number): void {
    const indices = [
      ...this.#pending.slice(this.#first),
      ...this.#records.flatMap(({ clients }) => clients.splice(0)),
      ...this.#waiting.splice(0).map(({ index }) => index),
    ];
    this.#pending = [];
    this.#first = 0;
    for (const index of indices) {
      this.#events.finish(index, -errno);
    }
  }

  #endGeneration(): void {
    if (this.#writesOfGeneration > 0) {
      this.#writesOfGeneration = 0;
      this.#bytesOfGeneration = 0;
      this.#state.generation += 1;
      this.#syncPointDue = true;
    }
  }

  #dataBytes(index: number): number {
    const write = this.#table.kind[index] === opKinds.write;
    const length = write ? (this.#table.lengthBytes[index] as number) : 0;
    return Math.ceil(length / this.#layout.alignBytes) * this.#layout.alignBytes;
  }

  /** How many of the waiting operations the next record takes; its bytes are in `#recordBytes`. */
  #measure(): number {
    const { entries, ring, tuning } = this.#state;
    const { recordsInFlight } = tuning;
    const { headBytes, table } = this.#layout;
    const room = Math.min(
      entriesPerRecord,
      entries.free,
      table ? entries.capacity - (entries.next % entries.capacity) : entriesPerRecord,
    );
    let bytes = headBytes;
    let count = 0;
    // What waits is shared out over the records that may go now: one of 16 writes would leave the device
    // with a queue of one, and writes in step (half the IOPS of the device alone, measured at depth 16).
    const share = Math.ceil(this.pending / (recordsInFlight - this.#records.length));
    // A sync point takes an entry of its own, and can wait for the next record.
    this.#withSyncPoint = this.#syncPointDue && room > 1;
    let used = this.#withSyncPoint ? 1 : 0;
    while (used < room && count < share) {
      const more = this.#dataBytes(this.#pending[this.#first + count] as number);
      const tooLong = count > 0 && bytes + more > tuning.recordBytes;
      if (tooLong || bytes + more > ring.freeBytes) {
        break;
      }
      bytes += more;
      count += 1;
      used += 1;
    }
    this.#recordBytes = bytes;
    return count;
  }

  /** Slots for the pieces of the record and for its part of the entry table; `null`: not now. */
  #takeSlots(count: number): number[] | null {
    const { ring, logIo } = this.#state;
    const pieces = ring.cut(ring.head, this.#recordBytes).length;
    const wanted = pieces + (this.#layout.table && count > 0 ? 1 : 0);
    const slots: number[] = [];
    while (slots.length < wanted) {
      const slot = logIo.lane.takeSlot();
      if (slot < 0) {
        for (const taken of slots) {
          logIo.lane.giveSlot(taken);
        }
        return null;
      }
      slots.push(slot);
    }
    return slots;
  }

  #append(count: number, slots: number[]): void {
    const state = this.#state;
    const { entries, ring } = state;
    const firstEntry = entries.next;
    const record: LogRecord = {
      firstEntry,
      endEntry: 0,
      clients: [],
      position: ring.head,
      pieces: ring.cut(ring.head, this.#recordBytes),
      slots,
      writesLeft: 0,
      written: false,
      durable: false,
    };
    if (this.#layout.headBytes > 0) {
      state.logIo.bytesOf(slots[0] as number).fill(0, 0, this.#layout.headBytes);
    }
    let at = this.#layout.headBytes;
    if (this.#withSyncPoint) {
      this.#addSyncPoint(record);
    }
    for (let number = 0; number < count; number += 1) {
      const index = this.#pending[this.#first + number] as number;
      this.#events.taken(index);
      this.#addWrite(record, index, at);
      at += this.#dataBytes(index);
      this.#acknowledge(record, index);
    }
    this.#first += count;
    record.endEntry = entries.next;
    ring.head += this.#recordBytes;
    this.#seal(record);
    this.#records.push(record);
    for (const index of record.clients) {
      this.#events.sent(index);
    }
    this.#send(record);
  }

  #addSyncPoint(record: LogRecord): void {
    const { entries, clock, counters } = this.#state;
    const slot = entries.add();
    entries.flags[slot] = entryFlags.valid | entryFlags.syncPoint;
    entries.imageOffsetBytes[slot] = this.#state.generation - 1;
    entries.lengthBytes[slot] = 0;
    entries.position[slot] = Math.floor(clock.nowNs());
    entries.dataSum[slot] = 0;
    entries.generation[slot] = this.#state.generation;
    this.#place(record, slot);
    this.#syncPointDue = false;
    counters.syncPoints += 1;
  }

  #addWrite(record: LogRecord, index: number, at: number): void {
    const state = this.#state;
    const { entries, counters, image } = state;
    const kind = this.#table.kind[index];
    const lengthBytes = this.#table.lengthBytes[index] as number;
    const slot = entries.add();
    entries.imageOffsetBytes[slot] = this.#table.offsetBytes[index] as number;
    entries.lengthBytes[slot] = lengthBytes;
    entries.generation[slot] = state.generation;
    entries.position[slot] = record.position + at;
    entries.dataSum[slot] = 0;
    let flags = entryFlags.valid | (kind === opKinds.trim ? entryFlags.discard : entryFlags.zero);
    if (kind === opKinds.write) {
      flags = entryFlags.valid | entryFlags.data;
      const from = (this.#table.slot[index] as number) * image.arena.slotBytes;
      state.arenaSums.checksum(from, lengthBytes, lengthBytes, sumBytes, 0);
      entries.dataSum[slot] = sumView.getUint32(0, true);
      this.#copyIn(record, at, image.arena.bytes.subarray(from, from + lengthBytes));
    }
    entries.flags[slot] = flags;
    this.#place(record, slot);
    state.map.insert(slot);
    counters.writes += 1;
    counters.writeBytes += lengthBytes;
    this.#writesOfGeneration += 1;
    this.#bytesOfGeneration += lengthBytes;
    const { syncPointWrites, syncPointBytes } = state.tuning;
    if (this.#writesOfGeneration >= syncPointWrites || this.#bytesOfGeneration >= syncPointBytes) {
      this.#endGeneration();
    }
  }

  #place(record: LogRecord, slot: number): void {
    const { entries } = this.#state;
    entries.recordPosition[slot] = record.position;
    entries.endPosition[slot] = record.position + this.#recordBytes;
    entries.opensRecord[slot] = entries.next - 1 === record.firstEntry ? 1 : 0;
  }

  #copyIn(record: LogRecord, at: number, bytes: Uint8Array): void {
    const { logIo } = this.#state;
    for (const [number, piece] of record.pieces.entries()) {
      const start = Math.max(at, piece.fromBytes);
      const end = Math.min(at + bytes.length, piece.fromBytes + piece.lengthBytes);
      if (start < end) {
        const whole = start === at && end === at + bytes.length;
        const part = whole ? bytes : bytes.subarray(start - at, end - at);
        logIo.bytesOf(record.slots[number] as number).set(part, start - piece.fromBytes);
      }
    }
  }

  /** Tells the client at once when durability is a matter of flushes. */
  #acknowledge(record: LogRecord, index: number): void {
    const durable = ((this.#table.flags[index] as number) & flagFua) !== 0;
    if (this.#persistOnFlush && !durable) {
      this.#events.finish(index, this.#table.lengthBytes[index] as number);
    } else {
      record.clients.push(index);
    }
  }

  /** Writes the headers of the record's entries. */
  #seal(record: LogRecord): void {
    const { entries, stamp, logIo } = this.#state;
    const { table } = this.#layout;
    const slotOfHeaders = record.slots[table ? record.slots.length - 1 : 0] as number;
    const bytes = logIo.bytesOf(slotOfHeaders);
    for (let sequence = record.firstEntry; sequence < record.endEntry; sequence += 1) {
      const slot = entries.slotOf(sequence);
      const number = sequence - record.firstEntry;
      encodeEntry(
        bytes,
        table ? number * entryBytes : controlEntryAt(number),
        {
          sequence,
          flags: entries.flags[slot] as number,
          imageOffsetBytes: entries.imageOffsetBytes[slot] as number,
          lengthBytes: entries.lengthBytes[slot] as number,
          position: entries.position[slot] as number,
          dataSum: entries.dataSum[slot] as number,
          generation: entries.generation[slot] as number,
          durableEntry: this.#durable,
        },
        stamp,
      );
    }
    if (!table) {
      const { firstEntry, endEntry, position } = record;
      encodeControlBlock(
        bytes,
        {
          count: endEntry - firstEntry,
          firstEntry,
          position,
          recordBytes: this.#recordBytes,
        },
        stamp,
      );
    }
  }

  #send(record: LogRecord): void {
    const { logIo, entries, counters } = this.#state;
    const { fua } = logIo.lane.supports;
    const done = (errno: number) => this.#wrote(record, errno);
    record.writesLeft = record.slots.length;
    for (const [number, slot] of record.slots.entries()) {
      const piece = record.pieces[number];
      const bytes = piece?.lengthBytes ?? (record.endEntry - record.firstEntry) * entryBytes;
      const offset =
        piece?.offsetBytes ?? firstAreaBytes + (record.firstEntry % entries.capacity) * entryBytes;
      counters.logWrites += 1;
      counters.logWriteBytes += bytes;
      logIo.write(slot, offset, bytes, fua, done);
    }
    logIo.commit();
  }

  #wrote(record: LogRecord, errno: number): void {
    const state = this.#state;
    if (errno !== 0) {
      state.stop(`writing to the log failed with errno ${errno}`);
    }
    record.writesLeft -= 1;
    if (record.writesLeft > 0) {
      return;
    }
    for (const slot of record.slots.splice(0)) {
      state.logIo.release(slot);
    }
    record.written = true;
    if (state.stopped !== null) {
      return;
    }
    if (state.logIo.lane.supports.fua) {
      record.durable = true;
      this.#advance();
    } else {
      this.#flushLog();
    }
  }

  /** One flush for all records that are written; the next one when it is done. */
  #flushLog(): void {
    const covered = this.#records.filter(({ written, durable }) => written && !durable);
    if (this.#flushing || covered.length === 0) {
      return;
    }
    this.#flushing = true;
    this.#state.counters.logFlushes += 1;
    this.#state.logIo.flush((errno) => {
      this.#flushing = false;
      if (errno !== 0) {
        this.#state.stop(`flushing the log failed with errno ${errno}`);
        return;
      }
      for (const record of covered) {
        record.durable = true;
      }
      this.#advance();
      this.#flushLog();
    });
  }

  /** Tells what has become durable, in the order of the log. */
  #advance(): void {
    const before = this.#durable;
    for (let record = this.#records[0]; record?.durable === true; record = this.#records[0]) {
      this.#records.shift();
      assert(record.firstEntry === this.#durable, "records of a log become durable out of order");
      this.#durable = record.endEntry;
      for (const index of record.clients) {
        this.#events.finish(index, this.#table.lengthBytes[index] as number);
      }
    }
    while ((this.#waiting[0]?.entry ?? Number.POSITIVE_INFINITY) <= this.#durable) {
      this.#events.finish((this.#waiting.shift() as { index: number }).index, 0);
    }
    if (this.#durable > before) {
      this.#events.advanced();
    }
  }
}
