/** A record of the log: how it is laid out, its headers, and how long it stays in memory. */
import type { Entries } from "./entries.ts";
import {
  controlBlockBytes,
  controlEntryAt,
  encodeControlBlock,
  encodeEntry,
  entryBytes,
  type HeaderTarget,
  type WriteLogMode,
} from "./log-format.ts";
import type { LogState } from "./log-state.ts";
import type { RingPiece } from "./ring.ts";

/** How a mode lays out its records. */
export interface Layout {
  /** Before the data of a record. */
  readonly headBytes: number;
  /** Data begin on multiples of it. */
  readonly alignBytes: number;
  /** Entries are in a table of their own. */
  readonly table: boolean;
}

export const layouts: Readonly<Record<WriteLogMode, Layout>> = Object.freeze({
  ssd: { headBytes: controlBlockBytes, alignBytes: 4096, table: false },
  pmem: { headBytes: 0, alignBytes: 512, table: true },
});

/** A record on its way to the device, or there and still in memory. */
export interface LogRecord {
  readonly firstEntry: number;
  endEntry: number;
  /** Operations that are told when it is durable. */
  readonly clients: number[];
  readonly position: number;
  readonly bytes: number;
  readonly pieces: readonly RingPiece[];
  /** Of the log's arena, one a piece; empty once it is not in memory any more. */
  readonly slots: number[];
  /** With its part of the entry table; -1: it has none, or that is written. */
  tableSlot: number;
  writesLeft: number;
  written: boolean;
  durable: boolean;
}

/** Writes the headers of the record's entries into its memory; `durableEntry`: entries below it are durable. */
export function writeHeaders(
  { entries, stamp, logIo }: LogState,
  target: HeaderTarget,
  record: LogRecord,
  durableEntry: number,
): void {
  const table = record.tableSlot >= 0;
  const start = (table ? record.tableSlot : (record.slots[0] as number)) * logIo.slotBytes;
  for (let sequence = record.firstEntry; sequence < record.endEntry; sequence += 1) {
    const slot = entries.slotOf(sequence);
    const number = sequence - record.firstEntry;
    const header = {
      sequence,
      flags: entries.flags[slot] as number,
      imageOffsetBytes: entries.imageOffsetBytes[slot] as number,
      lengthBytes: entries.lengthBytes[slot] as number,
      position: entries.position[slot] as number,
      dataSum: entries.dataSum[slot] as number,
      generation: entries.generation[slot] as number,
      durableEntry,
    };
    const at = start + (table ? number * entryBytes : controlEntryAt(number));
    encodeEntry(target, at, header, stamp);
  }
  if (!table) {
    const { firstEntry, endEntry, position, bytes: recordBytes } = record;
    const count = endEntry - firstEntry;
    encodeControlBlock(target, start, { count, firstEntry, position, recordBytes }, stamp);
  }
}

/**
 * The durable records that are still in memory, the newest of all: write-back, which comes behind, need
 * not read them from the device. An entry that is in memory in one piece says where.
 */
export class RecordMemory {
  readonly #entries: Entries;
  readonly #release: (slot: number) => void;
  readonly #most: number;
  #kept: LogRecord[] = [];
  #first = 0;
  #slots = 0;

  /** `most`: slots that are kept at most; `release` gives one back. */
  constructor(entries: Entries, most: number, release: (slot: number) => void) {
    this.#entries = entries;
    this.#most = most;
    this.#release = release;
  }

  /** Takes over a record that is durable, and drops the oldest for it. */
  keep(record: LogRecord): void {
    this.#kept.push(record);
    this.#slots += record.slots.length;
    while (this.#slots > this.#most) {
      this.drop();
    }
  }

  /** Drops the oldest record; `false`: there is none. */
  drop(): boolean {
    const record = this.#kept[this.#first];
    if (record === undefined) {
      return false;
    }
    this.#first += 1;
    if (this.#first === 64) {
      this.#kept = this.#kept.slice(this.#first);
      this.#first = 0;
    }
    this.#slots -= record.slots.length;
    this.forget(record);
    return true;
  }

  /** Gives the memory of a record back that was not taken over, or is no longer. */
  forget(record: LogRecord): void {
    const { first, capacity, memoryAt } = this.#entries;
    // Of those that are gone the places are other entries'.
    for (let entry = Math.max(record.firstEntry, first); entry < record.endEntry; entry += 1) {
      memoryAt[entry % capacity] = -1;
    }
    for (const slot of record.slots.splice(0)) {
      this.#release(slot);
    }
  }
}
