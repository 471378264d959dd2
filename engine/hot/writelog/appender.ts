/** Puts writes into the log: gathers them into records, tells when they are durable. */
import { assert } from "../../base/assert.ts";
import type { OpTable } from "../../device/op-table.ts";
import { flagFua, opKinds } from "../../port/block-device.ts";
import {
  entriesPerRecord,
  entryBytes,
  entryFlags,
  firstAreaBytes,
  type HeaderTarget,
} from "./log-format.ts";
import { type Layout, type LogRecord, layouts, RecordMemory, writeHeaders } from "./log-record.ts";
import type { LogState } from "./log-state.ts";
import type { RingPiece } from "./ring.ts";

/** Of the slots of memory, those that records may keep once they are durable: others want to read. */
const keptShare = 0.75;

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
  readonly #memory: RecordMemory;
  /** The memory of the log's device. */
  readonly #target: HeaderTarget;
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
  #sentNs = Number.NEGATIVE_INFINITY;
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
    const { bytes, slotCount } = state.logIo.lane.arena;
    this.#target = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
    const most = Math.floor(slotCount * keptShare);
    const release = (slot: number) => state.logIo.release(slot);
    this.#memory = new RecordMemory(state.entries, most, release);
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

  /** When the last record was sent. */
  get sentNs(): number {
    return this.#sentNs;
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
      const pieces = state.ring.cut(state.ring.head, this.#recordBytes);
      const slots = this.#takeSlots(pieces.length);
      if (slots === null) {
        break;
      }
      this.#throttling = false;
      this.#append(taken, pieces, slots);
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

  /** The data of an entry that are still in memory, valid until the next turn; `null`: they are on the device. */
  inMemory(sequence: number, slot: number): Uint8Array | null {
    const { entries, logIo } = this.#state;
    const at = entries.memoryAt[slot] as number;
    const lengthBytes = entries.lengthBytes[slot] as number;
    if (at >= 0) {
      return this.#target.bytes.subarray(at, at + lengthBytes);
    }
    // In pieces: only those under way are put together again.
    const record = this.#records.find(
      ({ firstEntry, endEntry }) => sequence >= firstEntry && sequence < endEntry,
    );
    if (record === undefined || record.slots.length === 0) {
      return null;
    }
    const into = new Uint8Array(lengthBytes);
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
    // Nothing becomes durable any more, and reads want their memory.
    for (const record of this.#records.filter(({ written }) => written)) {
      this.#memory.forget(record);
    }
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
  #takeSlots(pieces: number): number[] | null {
    const { lane } = this.#state.logIo;
    const wanted = pieces + (this.#layout.table ? 1 : 0);
    const slots: number[] = [];
    while (slots.length < wanted) {
      const slot = lane.takeSlot();
      if (slot >= 0) {
        slots.push(slot);
      } else if (!this.#memory.drop()) {
        for (const taken of slots) {
          lane.giveSlot(taken);
        }
        return null;
      }
    }
    return slots;
  }

  #append(count: number, pieces: readonly RingPiece[], slots: number[]): void {
    const state = this.#state;
    const { entries, ring } = state;
    const { headBytes, table } = this.#layout;
    const record: LogRecord = {
      firstEntry: entries.next,
      endEntry: 0,
      clients: [],
      position: ring.head,
      bytes: this.#recordBytes,
      pieces,
      tableSlot: table ? (slots.pop() as number) : -1,
      slots,
      writesLeft: 0,
      written: false,
      durable: false,
    };
    if (headBytes > 0) {
      state.logIo.bytesOf(slots[0] as number).fill(0, 0, headBytes);
    }
    let at = headBytes;
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
    ring.head += record.bytes;
    writeHeaders(state, this.#target, record, this.#durable);
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
      entries.memoryAt[slot] = this.#copyIn(record, at, from, lengthBytes);
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

  /** From the image's memory to `at` in the record's; returns where that is, -1: in more than one piece. */
  #copyIn(record: LogRecord, at: number, from: number, lengthBytes: number): number {
    const { logIo, image } = this.#state;
    const source = image.arena.bytes;
    for (let number = 0; number < record.pieces.length; number += 1) {
      const piece = record.pieces[number] as RingPiece;
      const start = Math.max(at, piece.fromBytes);
      const end = Math.min(at + lengthBytes, piece.fromBytes + piece.lengthBytes);
      if (start < end) {
        const to = (record.slots[number] as number) * logIo.slotBytes + start - piece.fromBytes;
        this.#target.bytes.set(source.subarray(from + start - at, from + end - at), to);
        if (end - start === lengthBytes) {
          return to;
        }
      }
    }
    return -1;
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

  #send(record: LogRecord): void {
    const { logIo, clock } = this.#state;
    this.#sentNs = clock.nowNs();
    record.writesLeft = record.slots.length;
    for (let number = 0; number < record.slots.length; number += 1) {
      const { offsetBytes, lengthBytes } = record.pieces[number] as RingPiece;
      this.#write(record, record.slots[number] as number, offsetBytes, lengthBytes);
    }
    if (record.tableSlot >= 0) {
      record.writesLeft += 1;
      const { firstEntry, endEntry, tableSlot } = record;
      const offsetBytes = firstAreaBytes + (firstEntry % this.#state.entries.capacity) * entryBytes;
      this.#write(record, tableSlot, offsetBytes, (endEntry - firstEntry) * entryBytes);
    }
    logIo.commit();
  }

  #write(record: LogRecord, slot: number, offsetBytes: number, lengthBytes: number): void {
    const { logIo, counters } = this.#state;
    const { fua } = logIo.lane.supports;
    counters.logWrites += 1;
    counters.logWriteBytes += lengthBytes;
    logIo.write(slot, offsetBytes, lengthBytes, fua, (errno) => this.#wrote(record, errno));
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
    if (record.tableSlot >= 0) {
      state.logIo.release(record.tableSlot);
      record.tableSlot = -1;
    }
    record.written = true;
    if (state.stopped !== null) {
      this.#memory.forget(record);
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
      this.#memory.keep(record);
    }
    while ((this.#waiting[0]?.entry ?? Number.POSITIVE_INFINITY) <= this.#durable) {
      this.#events.finish((this.#waiting.shift() as { index: number }).index, 0);
    }
    if (this.#durable > before) {
      this.#events.advanced();
    }
  }
}
