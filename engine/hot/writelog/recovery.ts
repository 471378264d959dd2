/** Finds what a log holds after it was closed, or was not: the records from where its root says. */
import { OsdynoError } from "../../base/error.ts";
import type { Checksum } from "../checksum/checksum.ts";
import type { LaneIo } from "../kv/lane-io.ts";
import { layouts } from "./appender.ts";
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
import type { Ring } from "./ring.ts";

const sumBytes = new Uint8Array(4);
const sumView = new DataView(sumBytes.buffer);

interface FoundRecord {
  readonly entries: readonly EntryHeader[];
  readonly position: number;
  readonly endPosition: number;
}

/** Reads ranges of the ring, which may wrap. */
async function readRing(ring: Ring, position: number, lengthBytes: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(lengthBytes);
  const parts = ring.cut(position, lengthBytes).map(async (piece) => {
    bytes.set(await ring.io.readRange(piece.offsetBytes, piece.lengthBytes), piece.fromBytes);
  });
  await Promise.all(parts);
  return bytes;
}

export class Recovery {
  readonly #root: Root;
  readonly #ring: Ring;
  readonly #io: LaneIo;
  readonly #checksum: Checksum;
  /** Bytes of a record at most. */
  readonly #longest: number;
  readonly #recordsInFlight: number;
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
    this.#recordsInFlight = limits.recordsInFlight;
    this.#next = root.firstEntry;
    this.#position = root.firstPosition;
  }

  /** Fills `entries` and sets the ring's ends. Throws `io` when what was acknowledged is not all there. */
  async run(entries: Entries): Promise<void> {
    for (;;) {
      const record = this.#root.mode === "ssd" ? await this.#control() : await this.#tableEntry();
      if (record === null || record.endPosition - this.#root.firstPosition > this.#ring.bytes) {
        break;
      }
      for (const [number, entry] of record.entries.entries()) {
        this.#keep(entries, entry, record, number);
      }
      this.#next += record.entries.length;
      this.#position = record.endPosition;
    }
    this.#ring.tail = this.#root.firstPosition;
    this.#ring.head = this.#position;
    const known = Math.max(this.#root.durableEntry, await this.#durableByLater());
    if (known > this.#next) {
      throw new OsdynoError(
        "io",
        `entry ${this.#next} of the write log on ${this.#io.lane.facts.name} was acknowledged and is damaged: ${known - this.#next} or more entries are lost; osdyno writelog invalidate gives up the whole log`,
      );
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
    const block = await readRing(this.#ring, this.#position, controlBlockBytes);
    const found = decodeControlBlock(block, this.#root.logId);
    if (found === null) {
      return null;
    }
    const { control, epoch } = found;
    if (
      control.firstEntry !== this.#next ||
      control.position !== this.#position ||
      !this.#epochFits(epoch, this.#next)
    ) {
      return null;
    }
    const data = await readRing(
      this.#ring,
      this.#position + controlBlockBytes,
      control.recordBytes - controlBlockBytes,
    );
    const entries: EntryHeader[] = [];
    for (let number = 0; number < control.count; number += 1) {
      const decoded = decodeEntry(block, controlEntryAt(number), this.#root.logId);
      if (decoded === null || !this.#fits(decoded.entry, epoch, this.#next + number)) {
        return null;
      }
      const from = decoded.entry.position - this.#position - controlBlockBytes;
      if (!this.#whole(decoded.entry, data, from)) {
        return null;
      }
      entries.push(decoded.entry);
    }
    const endPosition = this.#position + control.recordBytes;
    return { entries, position: this.#position, endPosition };
  }

  async #tableEntry(): Promise<FoundRecord | null> {
    if (this.#next - this.#root.firstEntry >= this.#root.entryCapacity) {
      return null;
    }
    const bytes = await this.#readTable(this.#next, 1);
    const decoded = decodeEntry(bytes, 0, this.#root.logId);
    if (decoded === null || !this.#fits(decoded.entry, decoded.epoch, this.#next)) {
      return null;
    }
    const { entry } = decoded;
    const hasData = (entry.flags & entryFlags.data) !== 0;
    const { alignBytes } = layouts.pmem;
    const length = hasData ? Math.ceil(entry.lengthBytes / alignBytes) * alignBytes : 0;
    if (hasData) {
      if (entry.position !== this.#position) {
        return null;
      }
      const data = await readRing(this.#ring, entry.position, length);
      if (!this.#whole(entry, data, 0)) {
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

  async #readTable(sequence: number, count: number): Promise<Uint8Array> {
    const at = firstAreaBytes + (sequence % this.#root.entryCapacity) * entryBytes;
    const { blockBytes } = this.#io.lane.facts;
    const start = Math.floor(at / blockBytes) * blockBytes;
    const end = Math.ceil((at + count * entryBytes) / blockBytes) * blockBytes;
    const bytes = await this.#io.readRange(start, end - start);
    return bytes.subarray(at - start, at - start + count * entryBytes);
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
    for (let sequence = this.#next; sequence < this.#next + count; sequence += 1) {
      const decoded = decodeEntry(await this.#readTable(sequence, 1), 0, logId);
      if (decoded !== null && this.#fits(decoded.entry, decoded.epoch, sequence)) {
        known = Math.max(known, decoded.entry.durableEntry);
      }
    }
    return known;
  }
}
