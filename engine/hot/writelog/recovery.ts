/** Finds what a log holds after it was closed, or was not: the records from where its root says. */
import { OsdynoError } from "../../base/error.ts";
import type { Checksum } from "../checksum/checksum.ts";
import type { LaneIo } from "../kv/lane-io.ts";
import type { Entries } from "./entries.ts";
import {
  controlBlockBytes,
  controlEntryAt,
  decodeControlBlock,
  decodeEntry,
  type EntryHeader,
  entriesPerRecord,
  entryBytes,
  entryFlags,
  firstAreaBytes,
  type Root,
} from "./log-format.ts";
import { layouts } from "./log-record.ts";
import { LogScan, readRing } from "./log-scan.ts";
import type { Ring } from "./ring.ts";

const sumBytes = new Uint8Array(4);
const sumView = new DataView(sumBytes.buffer);

interface FoundRecord {
  readonly entries: readonly EntryHeader[];
  readonly position: number;
  readonly endPosition: number;
}

/** The log may have been written with more records under way than it is to be now. */
const leastInFlight = 4;

/** Of the entry table, read at once. */
const tablePartBytes = 64 << 10;

export class Recovery {
  readonly #root: Root;
  readonly #ring: Ring;
  readonly #io: LaneIo;
  readonly #checksum: Checksum;
  /** Bytes of a record at most. */
  readonly #longest: number;
  readonly #recordsInFlight: number;
  /** The ring, and the entry table by the bytes of all entries before. */
  readonly #data: LogScan;
  readonly #table: LogScan;
  #next: number;
  #position: number;

  constructor(
    root: Root,
    ring: Ring,
    checksum: Checksum,
    limits: { readonly longestRecordBytes: number; readonly recordsInFlight: number },
  ) {
    this.#root = root;
    this.#ring = ring;
    this.#io = ring.io;
    this.#checksum = checksum;
    this.#longest = limits.longestRecordBytes;
    this.#recordsInFlight = Math.max(limits.recordsInFlight, leastInFlight);
    this.#next = root.firstEntry;
    this.#position = root.firstPosition;
    const { firstEntry, firstPosition, entryCapacity } = root;
    const inRing = (position: number, bytes: number) => readRing(ring, position, bytes);
    this.#data = new LogScan(inRing, firstPosition, firstPosition + ring.bytes);
    const tableBytes = (entry: number) => entry * entryBytes;
    this.#table = new LogScan(
      (position, bytes) => this.#readTable(position, bytes),
      tableBytes(firstEntry),
      tableBytes(firstEntry + entryCapacity),
      tablePartBytes,
    );
  }

  /** Fills `entries` and sets the ring's ends. Throws `io` when what was acknowledged is not all there. */
  async run(entries: Entries): Promise<void> {
    let known = 0;
    for (let before = -1; before < this.#next; ) {
      before = this.#next;
      await this.#walk(entries);
      known = Math.max(this.#root.durableEntry, await this.#durableByLater());
      if (known <= this.#next) {
        break;
      }
      // Of a log that is in use, what was read ahead may be older than what was found behind it.
      this.#data.forget();
      this.#table.forget();
    }
    this.#ring.tail = this.#root.firstPosition;
    this.#ring.head = this.#position;
    if (known > this.#next) {
      throw new OsdynoError(
        "io",
        `entry ${this.#next} of the write log on ${this.#io.lane.facts.name} was acknowledged and is damaged: ${known - this.#next} or more entries are lost; osdyno writelog invalidate gives up the whole log`,
      );
    }
  }

  /** On from where it stands to the first entry that does not count. */
  async #walk(entries: Entries): Promise<void> {
    for (;;) {
      const record = this.#root.mode === "ssd" ? await this.#control() : await this.#tableEntry();
      if (record === null || record.endPosition - this.#root.firstPosition > this.#ring.bytes) {
        return;
      }
      for (const [number, entry] of record.entries.entries()) {
        this.#keep(entries, entry, record, number);
      }
      this.#next += record.entries.length;
      this.#position = record.endPosition;
    }
  }

  #keep(entries: Entries, entry: EntryHeader, record: FoundRecord, number: number): void {
    const slot = entries.add();
    entries.imageOffsetBytes[slot] = entry.imageOffsetBytes;
    entries.lengthBytes[slot] = entry.lengthBytes;
    entries.position[slot] = entry.position;
    entries.generation[slot] = entry.generation;
    entries.dataSum[slot] = entry.dataSum;
    entries.flags[slot] = entry.flags;
    entries.recordPosition[slot] = record.position;
    entries.endPosition[slot] = record.endPosition;
    entries.opensRecord[slot] = number === 0 ? 1 : 0;
  }

  #fits(entry: EntryHeader, epoch: number, sequence: number): boolean {
    return entry.sequence === sequence && this.#epochFits(epoch, sequence);
  }

  /** What was written in an opening that ended before this entry is left over from it. */
  #epochFits(epoch: number, sequence: number): boolean {
    return sequence >= this.#root.epochEntry
      ? epoch === this.#root.epoch
      : epoch < this.#root.epoch;
  }

  async #control(): Promise<FoundRecord | null> {
    const block = await this.#data.bytes(this.#position, controlBlockBytes);
    const found = block === null ? null : decodeControlBlock(block, this.#root.logId);
    if (found === null) {
      return null;
    }
    const { control, epoch } = found;
    const { count, recordBytes } = control;
    if (
      control.firstEntry !== this.#next ||
      control.position !== this.#position ||
      recordBytes < controlBlockBytes ||
      !this.#epochFits(epoch, this.#next)
    ) {
      return null;
    }
    const record = await this.#data.bytes(this.#position, recordBytes);
    if (record === null) {
      return null;
    }
    const entries: EntryHeader[] = [];
    for (let number = 0; number < count; number += 1) {
      const decoded = decodeEntry(record, controlEntryAt(number), this.#root.logId);
      if (decoded === null || !this.#fits(decoded.entry, epoch, this.#next + number)) {
        return null;
      }
      const from = decoded.entry.position - this.#position;
      if (!this.#whole(decoded.entry, record, from)) {
        return null;
      }
      entries.push(decoded.entry);
    }
    const endPosition = this.#position + recordBytes;
    return { entries, position: this.#position, endPosition };
  }

  async #tableEntry(): Promise<FoundRecord | null> {
    const bytes = await this.#table.bytes(this.#next * entryBytes, entryBytes);
    const decoded = bytes === null ? null : decodeEntry(bytes, 0, this.#root.logId);
    if (decoded === null || !this.#fits(decoded.entry, decoded.epoch, this.#next)) {
      return null;
    }
    const { entry } = decoded;
    const hasData = (entry.flags & entryFlags.data) !== 0;
    const { alignBytes } = layouts.pmem;
    const length = hasData ? Math.ceil(entry.lengthBytes / alignBytes) * alignBytes : 0;
    if (hasData) {
      const data =
        entry.position === this.#position ? await this.#data.bytes(this.#position, length) : null;
      if (data === null || !this.#whole(entry, data, 0)) {
        return null;
      }
    }
    return {
      entries: [entry],
      position: this.#position,
      endPosition: this.#position + length,
    };
  }

  #whole(entry: EntryHeader, data: Uint8Array, from: number): boolean {
    if ((entry.flags & entryFlags.data) === 0) {
      return true;
    }
    if (from < 0 || from + entry.lengthBytes > data.length) {
      return false;
    }
    sumView.setUint32(0, entry.dataSum, true);
    const bytes = data.subarray(from, from + entry.lengthBytes);
    return this.#checksum.verify(bytes, entry.lengthBytes, sumBytes) < 0;
  }

  /** A range of the entry table, by the bytes of all entries before it: it goes round. */
  async #readTable(position: number, lengthBytes: number): Promise<Uint8Array> {
    const whole = this.#root.entryCapacity * entryBytes;
    const within = position % whole;
    const first = Math.min(lengthBytes, whole - within);
    const head = await this.#io.readRange(firstAreaBytes + within, first);
    if (first === lengthBytes) {
      return head;
    }
    const bytes = new Uint8Array(lengthBytes);
    bytes.set(head);
    bytes.set(await this.#io.readRange(firstAreaBytes, lengthBytes - first), first);
    return bytes;
  }

  /**
   * What records behind the end say to have been durable before them: more than there is when a record
   * was damaged, less when it merely was on its way. As many records as may be on their way at once are
   * looked for, and one more.
   */
  async #durableByLater(): Promise<number> {
    return this.#root.mode === "ssd"
      ? await this.#durableByControls()
      : await this.#durableByTable();
  }

  async #durableByControls(): Promise<number> {
    const window = Math.min(
      (this.#recordsInFlight + 1) * this.#longest,
      this.#ring.bytes - (this.#position - this.#root.firstPosition),
    );
    let known = 0;
    for (let done = 0; done < window; ) {
      const length = Math.min(1 << 20, window - done);
      const bytes = await readRing(this.#ring, this.#position + done, length);
      for (let at = 0; at + controlBlockBytes <= length; at += controlBlockBytes) {
        const block = bytes.subarray(at, at + controlBlockBytes);
        const found = decodeControlBlock(block, this.#root.logId);
        if (
          found !== null &&
          found.control.firstEntry >= this.#next &&
          this.#epochFits(found.epoch, found.control.firstEntry)
        ) {
          const entry = decodeEntry(block, controlEntryAt(0), this.#root.logId);
          known = Math.max(known, entry?.entry.durableEntry ?? 0);
        }
      }
      done += length;
    }
    return known;
  }

  async #durableByTable(): Promise<number> {
    const { entryCapacity, firstEntry, logId } = this.#root;
    const count = Math.min(
      (this.#recordsInFlight + 1) * entriesPerRecord,
      entryCapacity - (this.#next - firstEntry),
    );
    let known = 0;
    const bytes =
      count > 0
        ? await this.#readTable(this.#next * entryBytes, count * entryBytes)
        : new Uint8Array(0);
    for (let sequence = this.#next; sequence < this.#next + count; sequence += 1) {
      const decoded = decodeEntry(bytes, (sequence - this.#next) * entryBytes, logId);
      if (decoded !== null && this.#fits(decoded.entry, decoded.epoch, sequence)) {
        known = Math.max(known, decoded.entry.durableEntry);
      }
    }
    return known;
  }
}
