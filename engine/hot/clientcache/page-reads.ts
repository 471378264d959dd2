/** Reads through pages: what is missing comes from the image and is kept, also ahead of what is asked for. */
import { assert } from "../../base/assert.ts";
import { blankOp, type OpTable } from "../../device/op-table.ts";
import { type Arena, errnos } from "../../port/block-device.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import type { LaneIo } from "../kv/lane-io.ts";
import type { BusyRanges } from "./busy-ranges.ts";
import { type Pages, pageBytes, sectorsOf } from "./pages.ts";
import type { Readahead } from "./readahead.ts";
import type { ClientCacheCounters } from "./tuning.ts";

/** What reading works on. */
export interface ReadParts {
  readonly pages: Pages;
  /** Ranges that are being written past the cache. */
  readonly busy: BusyRanges;
  readonly counters: ClientCacheCounters;
  readonly clients: DeviceLane;
  readonly io: LaneIo;
  readonly table: OpTable;
  readonly arena: Arena;
  readonly readahead: Readahead;
  finish(index: number, result: number): void;
  /** A read goes on; or it waits for somebody else's. */
  works(index: number): void;
  waits(index: number): void;
}

/** A read of the image under way, for a client or ahead of clients. */
interface Fetch {
  readonly from: number;
  readonly to: number;
  /** What the client reads, of which this is a part: the rest is in pages. */
  readonly clientFrom: number;
  readonly clientTo: number;
  /** Something was written to the range meanwhile: what is read is not kept. */
  stale: boolean;
  /** Frames that are kept while it lasts. */
  readonly pinned: readonly number[];
  /** Reads that begin again when it has ended. */
  readonly waiting: number[];
}

export class PageReads {
  readonly #on: ReadParts;
  readonly #fetches = new Map<number, Fetch>();
  readonly #aheads = new Set<Fetch>();
  /** Reads of a range that is being written past the cache. */
  readonly #heldReads: number[] = [];
  readonly #op = blankOp();

  constructor(parts: ReadParts) {
    this.#on = parts;
  }

  /** Begins a read, or goes on with one that waited. */
  start(index: number): void {
    const { from, to, at } = this.#range(index);
    const pages = this.#on.pages;
    this.#on.works(index);
    if (this.#on.busy.overlaps(from, to)) {
      this.#on.waits(index);
      // What the cache had is forgotten, and the image may have something older still.
      this.#heldReads.push(index);
      return;
    }
    let firstMissing = -1;
    let endMissing = -1;
    for (let page = Math.floor(from / pageBytes); page * pageBytes < to; page += 1) {
      const frame = pages.frameOf(page);
      const start = page * pageBytes;
      const wanted = sectorsOf(from - start, to - start);
      if (frame < 0 || ((pages.valid[frame] as number) & wanted) !== wanted) {
        firstMissing = firstMissing < 0 ? Math.max(from, start) : firstMissing;
        endMissing = Math.min(to, start + pageBytes);
      }
    }
    if (firstMissing < 0) {
      this.#on.counters.readHits += 1;
      this.#on.counters.readHitBytes += to - from;
      this.#tellUses(from, to);
      this.#copyOut(from, to, at);
      this.#on.finish(index, to - from);
      return;
    }
    for (const ahead of this.#aheads) {
      if (firstMissing < ahead.to && ahead.from < endMissing) {
        this.#on.waits(index);
        ahead.waiting.push(index);
        return;
      }
    }
    this.#on.counters.readMissBytes += endMissing - firstMissing;
    this.#on.counters.readHitBytes += to - from - (endMissing - firstMissing);
    this.#tellUses(from, to);
    this.#fetch(index, firstMissing, endMissing);
  }

  /** Tells the policy of a read, once, whether its pages are held or are going to be. */
  #tellUses(from: number, to: number): void {
    const pages = this.#on.pages;
    for (let page = Math.floor(from / pageBytes); page * pageBytes < to; page += 1) {
      const frame = pages.frameOf(page);
      if (frame < 0) {
        pages.missed();
      } else {
        pages.used(frame);
      }
    }
  }

  /** Copies what the cache has of a range to the arena. */
  #copyOut(from: number, to: number, at: number): void {
    const pages = this.#on.pages;
    const { bytes } = this.#on.arena;
    for (let page = Math.floor(from / pageBytes); page * pageBytes < to; page += 1) {
      const frame = pages.frameOf(page);
      const start = page * pageBytes;
      const first = Math.max(from, start);
      const end = Math.min(to, start + pageBytes);
      if (frame < 0) {
        continue;
      }
      const wanted = sectorsOf(first - start, end - start);
      const source = pages.at(frame) - start;
      if (((pages.valid[frame] as number) & wanted) === wanted) {
        bytes.set(pages.bytes.subarray(source + first, source + end), at + first - from);
        continue;
      }
      for (let sector = first; sector < end; sector += 512) {
        if (((pages.valid[frame] as number) & (1 << ((sector - start) / 512))) !== 0) {
          const part = pages.bytes.subarray(source + sector, source + sector + 512);
          bytes.set(part, at + sector - from);
        }
      }
    }
  }

  #pinned(from: number, to: number): number[] {
    const pinned: number[] = [];
    for (let page = Math.floor(from / pageBytes); page * pageBytes < to; page += 1) {
      const frame = this.#on.pages.frameOf(page);
      if (frame >= 0) {
        this.#on.pages.pin(frame);
        pinned.push(frame);
      }
    }
    return pinned;
  }

  #fetch(index: number, from: number, to: number): void {
    const range = this.#range(index);
    this.#fetches.set(index, {
      from,
      to,
      clientFrom: range.from,
      clientTo: range.to,
      stale: false,
      pinned: this.#pinned(range.from, range.to),
      waiting: [],
    });
    this.#on.counters.imageReads += 1;
    const op = this.#op;
    this.#on.table.load(index, op);
    op.offsetBytes = from;
    op.lengthBytes = to - from;
    assert(this.#on.clients.submit(op), "the image's lane is as deep as the cache's clients");
  }

  /** The image's part of a client's read has come; `false`: it was none. */
  fetched(index: number, result: number): boolean {
    const fetch = this.#fetches.get(index);
    if (fetch === undefined) {
      return false;
    }
    const { from, to, at } = this.#range(index);
    this.#fetches.delete(index);
    const whole = result === fetch.to - fetch.from;
    if (whole) {
      // The image's part came to the beginning of the slot.
      this.#on.arena.bytes.copyWithin(at + fetch.from - from, at, at + fetch.to - fetch.from);
      if (!fetch.stale) {
        const source = this.#on.arena.bytes.subarray(at + fetch.from - from, at + fetch.to - from);
        this.#fill(fetch.from, fetch.to, source, false);
      }
      this.#copyOut(from, to, at);
    }
    for (const frame of fetch.pinned) {
      this.#on.pages.unpin(frame);
    }
    this.#on.finish(index, whole ? to - from : result < 0 ? result : -errnos.EIO);
    return true;
  }

  /** Keeps what was read from the image, where the cache has nothing newer; `kept`: as `Pages.take`. */
  #fill(from: number, to: number, source: Uint8Array, kept: boolean): void {
    const pages = this.#on.pages;
    for (let page = Math.floor(from / pageBytes); page * pageBytes < to; page += 1) {
      const start = page * pageBytes;
      const held = pages.frameOf(page);
      const frame = held < 0 ? pages.take(page, kept) : held;
      if (frame < 0) {
        continue;
      }
      const got = sectorsOf(from - start, to - start);
      const missing = got & ~(pages.valid[frame] as number);
      for (let bit = 0; bit < 8; bit += 1) {
        if ((missing & (1 << bit)) !== 0) {
          const sector = start + bit * 512;
          pages.bytes.set(
            source.subarray(sector - from, sector - from + 512),
            pages.at(frame) + bit * 512,
          );
        }
      }
      pages.valid[frame] = (pages.valid[frame] as number) | missing;
    }
  }

  /** A client has read this: what is likely to come next is read before it is asked for. */
  ahead(offsetBytes: number, lengthBytes: number): void {
    const range = this.#on.readahead.read(offsetBytes, lengthBytes);
    const room = Math.floor(this.#on.pages.capacity / 4) * pageBytes;
    if (range === null) {
      return;
    }
    const end = range.offsetBytes + Math.min(range.lengthBytes, room);
    let from = range.offsetBytes;
    while (from < end && this.#on.io.lane.pending < this.#on.io.lane.depth - 1) {
      const to = Math.min(end, from + this.#on.io.slotBytes);
      const slot = this.#on.busy.overlaps(from, to) ? -1 : this.#on.io.lane.takeSlot();
      if (slot < 0) {
        break;
      }
      this.#fetchAhead(from, to, slot);
      from = to;
    }
    if (from < range.offsetBytes + range.lengthBytes) {
      this.#on.readahead.reached(from);
    }
    this.#on.io.commit();
  }

  #fetchAhead(from: number, to: number, slot: number): void {
    const ends = { from, to, clientFrom: from, clientTo: to };
    // What is held stays: were it written back and evicted meanwhile, what is read would be older.
    const fetch: Fetch = { ...ends, stale: false, pinned: this.#pinned(from, to), waiting: [] };
    this.#aheads.add(fetch);
    this.#on.counters.readaheads += 1;
    this.#on.counters.readaheadBytes += to - from;
    this.#on.counters.imageReads += 1;
    this.#on.io.read(slot, from, to - from, (errno) => {
      this.#aheads.delete(fetch);
      if (errno === 0 && !fetch.stale) {
        this.#fill(from, to, this.#on.io.bytesOf(slot).subarray(0, to - from), true);
      }
      this.#on.io.release(slot);
      for (const frame of fetch.pinned) {
        this.#on.pages.unpin(frame);
      }
      for (const index of fetch.waiting) {
        this.start(index);
      }
      this.#on.clients.commit();
    });
  }

  /** What is being read of the range is not the newest any more. */
  spoil(from: number, to: number): void {
    for (const fetch of this.#fetches.values()) {
      fetch.stale ||= from < fetch.to && fetch.from < to;
    }
    for (const fetch of this.#aheads) {
      fetch.stale ||= from < fetch.to && fetch.from < to;
    }
  }

  /** Whether somebody reads of the range, from the image or from pages beside what comes from there. */
  isReading(from: number, to: number): boolean {
    for (const fetch of [...this.#fetches.values(), ...this.#aheads]) {
      if (from < fetch.clientTo && fetch.clientFrom < to) {
        return true;
      }
    }
    return false;
  }

  /** A write past the cache has ended: reads that waited for one go on. */
  release(): void {
    for (const held of this.#heldReads.splice(0)) {
      this.start(held);
    }
  }

  #range(index: number): { from: number; to: number; at: number } {
    const from = this.#on.table.offsetBytes[index] as number;
    const to = from + (this.#on.table.lengthBytes[index] as number);
    return { from, to, at: (this.#on.table.slot[index] as number) * this.#on.arena.slotBytes };
  }
}
