import { OsdynoError } from "../../base/error.ts";
import { LayerDevice } from "../../device/layer.ts";
import type { DeviceMux } from "../../device/mux.ts";
import { errnos, flagFua, opKinds } from "../../port/block-device.ts";
import type { CancelTimer, Clock } from "../../port/clock.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import { openCache } from "../cache/registry.ts";
import type { LaneIo } from "../kv/lane-io.ts";
import { BusyRanges } from "./busy-ranges.ts";
import { allSectors, Pages, pageBytes, sectorsOf } from "./pages.ts";
import { Readahead } from "./readahead.ts";
import { Sender } from "./sender.ts";
import {
  type ClientCacheStats,
  type ClientCacheTuning,
  countersOf,
  zeroCounters,
} from "./tuning.ts";

/** What is below a cache. */
export interface CacheParts {
  readonly image: DeviceMux;
  /** What clients' own operations go through, with their slots. */
  readonly clients: DeviceLane;
  /** The cache's own reads, writes and flushes. */
  readonly io: LaneIo;
  readonly clock: Clock;
  readonly imageBytes: number;
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

interface Waiting {
  readonly index: number;
  readonly order: number;
}

/**
 * A cache of pages in front of an image. `writeback` acknowledges a write when the cache has it,
 * `writethrough` when the image has it; a flush makes durable everything acknowledged before it. What was
 * not flushed may be lost in a crash, and in any order: the cache writes back the oldest first, but
 * neighbours together. Reads fill it; what it holds is never older than what was written.
 *
 * An image that refuses to be written to keeps the pages dirty: they are sent again, and flushes fail.
 */
export class BufferCache extends LayerDevice {
  readonly #tuning: ClientCacheTuning;
  readonly #writesThrough: boolean;
  readonly #pages: Pages;
  readonly #sender: Sender;
  readonly #readahead: Readahead;
  readonly #busy = new BusyRanges();
  readonly #clients: DeviceLane;
  readonly #io: LaneIo;
  readonly #fetches = new Map<number, Fetch>();
  readonly #aheads = new Set<Fetch>();
  /** Writes and trims that wait for their turn, in order: one behind the other. */
  readonly #parked: number[] = [];
  readonly #flushes: Waiting[] = [];
  /** Of operations that went to the image directly: their busy range. */
  readonly #direct = new Map<number, number>();
  /** Reads of a range that is being written past the cache. */
  readonly #heldReads: number[] = [];
  readonly #counters = zeroCounters();
  #flushSeen = false;
  #flushing = false;
  #throttling = false;
  #draining: ((errno: number) => void) | null = null;
  #timer: CancelTimer | null = null;
  #timerNs = Number.POSITIVE_INFINITY;

  constructor(parts: CacheParts, tuning: ClientCacheTuning, writesThrough: boolean) {
    const { image, clients, io, clock, imageBytes } = parts;
    const { facts, supports, arena } = image.device;
    const { bytes, slotBytes } = arena;
    super({
      facts: {
        ...facts,
        sizeBytes: imageBytes,
        blockBytes: Math.max(512, facts.blockBytes),
        queueDepth: clients.depth,
      },
      supports: { ...supports, fua: true },
      arena: { bytes, slotBytes, slotCount: clients.depth },
      clock,
      muxes: [image],
    });
    this.#tuning = tuning;
    this.#writesThrough = writesThrough || tuning.maxDirtyBytes === 0;
    this.#clients = clients;
    this.#io = io;
    this.#pages = new Pages(tuning.sizeBytes, openCache(tuning.eviction));
    this.#sender = new Sender(this.#pages, io, this.#busy, clock, this.#counters, (errno) =>
      this.#sent(errno),
    );
    this.#readahead = new Readahead(tuning.readahead, imageBytes, pageBytes);
    clients.onCompletion((index, result) => this.#lowerDone(index, result));
  }

  get stats(): ClientCacheStats {
    return {
      counters: this.#counters,
      heldBytes: this.#pages.size * pageBytes,
      dirtyBytes: this.#pages.dirtyBytes,
      flushSeen: this.#flushSeen,
    };
  }

  /** Writes everything dirty to the image and flushes it. Throws `io` when the image refuses. */
  async drain(): Promise<void> {
    const errno = await this.until((done) => {
      this.#draining = done;
    });
    this.#draining = null;
    if (errno !== 0) {
      throw new OsdynoError(
        "io",
        `the client cache could not write ${this.#pages.dirtyBytes} bytes to ${this.facts.name}: errno ${errno}; they are lost`,
      );
    }
  }

  override async settle(): Promise<void> {
    await this.drain();
  }

  override counters(): Readonly<Record<string, number>> {
    return countersOf(this.stats);
  }

  protected override release(): void {
    this.#timer?.();
    this.#timer = null;
  }

  protected override start(index: number): void {
    const { kind, offsetBytes, lengthBytes } = this.op;
    if (kind === opKinds.read) {
      this.#counters.reads += 1;
      this.#read(index);
      this.#readAhead(offsetBytes, lengthBytes);
    } else if (kind === opKinds.flush || kind === opKinds.dataFlush) {
      this.#flushSeen = true;
      this.#flushes.push({ index, order: this.#pages.lastOrder });
    } else {
      this.#counters.writes += kind === opKinds.write ? 1 : 0;
      this.#counters.writeBytes += kind === opKinds.write ? lengthBytes : 0;
      this.#parked.push(index);
    }
  }

  protected override pump(): void {
    this.#unpark();
    this.#writeBack();
    this.#answerFlushes();
    this.#clients.commit();
    this.#setTimer();
  }

  // Reads

  #range(index: number): { from: number; to: number; at: number } {
    const from = this.table.offsetBytes[index] as number;
    const to = from + (this.table.lengthBytes[index] as number);
    return { from, to, at: (this.table.slot[index] as number) * this.arena.slotBytes };
  }

  #read(index: number): void {
    const { from, to, at } = this.#range(index);
    const pages = this.#pages;
    if (this.#busy.overlaps(from, to)) {
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
      this.#counters.readHits += 1;
      this.#counters.readHitBytes += to - from;
      this.#copyOut(from, to, at);
      this.finish(index, to - from);
      return;
    }
    for (const ahead of this.#aheads) {
      if (firstMissing < ahead.to && ahead.from < endMissing) {
        ahead.waiting.push(index);
        return;
      }
    }
    this.#counters.readMissBytes += endMissing - firstMissing;
    this.#counters.readHitBytes += to - from - (endMissing - firstMissing);
    pages.policy.miss();
    this.#fetch(index, firstMissing, endMissing);
  }

  /** Copies what the cache has of a range to the arena. */
  #copyOut(from: number, to: number, at: number): void {
    const pages = this.#pages;
    const { bytes } = this.arena;
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
        pages.used(frame);
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
      const frame = this.#pages.frameOf(page);
      if (frame >= 0) {
        this.#pages.pin(frame);
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
    this.#counters.imageReads += 1;
    const { op } = this;
    this.table.load(index, op);
    op.offsetBytes = from;
    op.lengthBytes = to - from;
    this.#submit();
  }

  #fetched(index: number, fetch: Fetch, result: number): void {
    const { from, to, at } = this.#range(index);
    this.#fetches.delete(index);
    const whole = result === fetch.to - fetch.from;
    if (whole) {
      // The image's part came to the beginning of the slot.
      this.arena.bytes.copyWithin(at + fetch.from - from, at, at + fetch.to - fetch.from);
      if (!fetch.stale) {
        const source = this.arena.bytes.subarray(at + fetch.from - from, at + fetch.to - from);
        this.#fill(fetch.from, fetch.to, source);
      }
      this.#copyOut(from, to, at);
    }
    for (const frame of fetch.pinned) {
      this.#pages.unpin(frame);
    }
    this.finish(index, whole ? to - from : result < 0 ? result : -errnos.EIO);
  }

  /** Keeps what was read from the image, where the cache has nothing newer. */
  #fill(from: number, to: number, source: Uint8Array): void {
    const pages = this.#pages;
    for (let page = Math.floor(from / pageBytes); page * pageBytes < to; page += 1) {
      const start = page * pageBytes;
      const held = pages.frameOf(page);
      const frame = held < 0 ? pages.take(page) : held;
      if (frame < 0) {
        return;
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

  #readAhead(offsetBytes: number, lengthBytes: number): void {
    const range = this.#readahead.read(offsetBytes, lengthBytes);
    const room = Math.floor(this.#pages.capacity / 4) * pageBytes;
    if (range === null) {
      return;
    }
    const end = range.offsetBytes + Math.min(range.lengthBytes, room);
    let from = range.offsetBytes;
    while (from < end && this.#io.lane.pending < this.#io.lane.depth - 1) {
      const to = Math.min(end, from + this.#io.slotBytes);
      const slot = this.#busy.overlaps(from, to) ? -1 : this.#io.lane.takeSlot();
      if (slot < 0) {
        break;
      }
      this.#fetchAhead(from, to, slot);
      from = to;
    }
    if (from < range.offsetBytes + range.lengthBytes) {
      this.#readahead.reached(from);
    }
    this.#io.commit();
  }

  #fetchAhead(from: number, to: number, slot: number): void {
    const ends = { from, to, clientFrom: from, clientTo: to };
    // What is held stays: were it written back and evicted meanwhile, what is read would be older.
    const fetch: Fetch = { ...ends, stale: false, pinned: this.#pinned(from, to), waiting: [] };
    this.#aheads.add(fetch);
    this.#counters.readaheads += 1;
    this.#counters.readaheadBytes += to - from;
    this.#counters.imageReads += 1;
    this.#io.read(slot, from, to - from, (errno) => {
      this.#aheads.delete(fetch);
      if (errno === 0 && !fetch.stale) {
        this.#fill(from, to, this.#io.bytesOf(slot).subarray(0, to - from));
      }
      this.#io.release(slot);
      for (const frame of fetch.pinned) {
        this.#pages.unpin(frame);
      }
      for (const index of fetch.waiting) {
        this.#read(index);
      }
      this.#clients.commit();
    });
  }

  // Writes

  #unpark(): void {
    while (this.#parked.length > 0 && this.#change(this.#parked[0] as number)) {
      this.#parked.shift();
    }
  }

  /** Begins a write, trim or zeroes; `false`: it must wait. */
  #change(index: number): boolean {
    const { from, to } = this.#range(index);
    const write = this.table.kind[index] === opKinds.write;
    const pageCount = Math.ceil(to / pageBytes) - Math.floor(from / pageBytes);
    if (!write || pageCount > this.#pages.capacity / 2) {
      return this.#goDirectly(index, from, to);
    }
    const fua = ((this.table.flags[index] as number) & flagFua) !== 0;
    const { writethroughUntilFlush, maxDirtyBytes } = this.#tuning;
    const { dirtyBytes } = this.#pages;
    if (maxDirtyBytes > 0 && dirtyBytes > 0 && dirtyBytes + (to - from) > maxDirtyBytes) {
      this.#counters.throttled += this.#throttling ? 0 : 1;
      this.#throttling = true;
      return false;
    }
    if (fua || this.#writesThrough || (writethroughUntilFlush && !this.#flushSeen)) {
      return this.#writeThrough(index, from, to, fua);
    }
    if (this.#put(index, from, to) === null) {
      this.#throttling = true;
      return false;
    }
    this.#throttling = false;
    this.finish(index, to - from);
    return true;
  }

  /** Puts a write's data into pages, dirty; their frames, or `null` when there is no room. */
  #put(index: number, from: number, to: number): number[] | null {
    const pages = this.#pages;
    const frames: number[] = [];
    const taken: number[] = [];
    for (let page = Math.floor(from / pageBytes); page * pageBytes < to; page += 1) {
      const held = pages.frameOf(page);
      const frame = held < 0 ? pages.take(page) : held;
      if (frame < 0) {
        break;
      }
      // So that taking the next one does not evict it.
      pages.pin(frame);
      frames.push(frame);
      if (held < 0) {
        taken.push(frame);
      }
    }
    const whole = frames.length === Math.ceil(to / pageBytes) - Math.floor(from / pageBytes);
    const { at } = this.#range(index);
    for (const frame of frames) {
      if (whole) {
        const start = (pages.page[frame] as number) * pageBytes;
        const first = Math.max(from, start);
        const end = Math.min(to, start + pageBytes);
        const source = this.arena.bytes.subarray(at + first - from, at + end - from);
        pages.bytes.set(source, pages.at(frame) + first - start);
        const sectors = sectorsOf(first - start, end - start);
        pages.valid[frame] = (pages.valid[frame] as number) | sectors;
        this.#sender.dirtied(frame, sectors);
        pages.used(frame);
      }
      pages.unpin(frame);
    }
    if (!whole) {
      for (const frame of taken) {
        pages.drop(frame);
      }
      return null;
    }
    this.#spoil(from, to);
    return frames;
  }

  /** What is being read of the range is not the newest any more. */
  #spoil(from: number, to: number): void {
    for (const fetch of this.#fetches.values()) {
      fetch.stale ||= from < fetch.to && fetch.from < to;
    }
    for (const fetch of this.#aheads) {
      fetch.stale ||= from < fetch.to && fetch.from < to;
    }
  }

  #isSending(from: number, to: number): boolean {
    for (let page = Math.floor(from / pageBytes); page * pageBytes < to; page += 1) {
      const frame = this.#pages.frameOf(page);
      if (frame >= 0 && this.#pages.sending[frame] !== 0) {
        return true;
      }
    }
    return false;
  }

  /** Into the cache and at once to the image; done when it is there. */
  #writeThrough(index: number, from: number, to: number, fua: boolean): boolean {
    const { lane } = this.#io;
    if (
      lane.pending >= lane.depth - 1 ||
      this.#isSending(from, to) ||
      this.#busy.overlaps(from, to) ||
      to - from > this.#io.slotBytes
    ) {
      return to - from > this.#io.slotBytes ? this.#goDirectly(index, from, to) : false;
    }
    const frames = this.#put(index, from, to);
    if (frames === null) {
      return false;
    }
    const masks = frames.map((frame) => {
      const start = (this.#pages.page[frame] as number) * pageBytes;
      return sectorsOf(from - start, to - start);
    });
    const sent = this.#sender.sendNow(frames, masks, fua && this.#clients.supports.fua, (errno) => {
      this.#wroteThrough(index, frames, masks, fua, errno);
    });
    if (!sent) {
      // It stays dirty, and goes out when a slot is free: the client waits for that.
      this.#flushes.push({ index, order: this.#pages.lastOrder });
    }
    return true;
  }

  #wroteThrough(
    index: number,
    frames: readonly number[],
    masks: readonly number[],
    fua: boolean,
    errno: number,
  ): void {
    const length = this.table.lengthBytes[index] as number;
    if (errno !== 0) {
      // The client knows that it failed: nothing is kept of it.
      for (const [number, frame] of frames.entries()) {
        const mask = masks[number] as number;
        const pages = this.#pages;
        pages.setDirty(
          frame,
          (pages.dirty[frame] as number) & ~mask,
          pages.sending[frame] as number,
        );
        pages.valid[frame] = (pages.valid[frame] as number) & ~mask;
      }
      this.finish(index, -errno);
    } else if (fua && !this.#clients.supports.fua) {
      this.#io.flush((failed) => this.finish(index, failed === 0 ? length : -failed));
    } else {
      this.finish(index, length);
    }
  }

  /** Past the cache, which forgets the range. */
  #goDirectly(index: number, from: number, to: number): boolean {
    if (this.#busy.overlaps(from, to) || this.#isReadOrSent(from, to)) {
      return false;
    }
    if (this.#framesOf(from, to).some((frame) => this.#pages.dirty[frame] !== 0)) {
      // A flush may be waiting for it: it goes to the image first.
      this.#throttling = true;
      return false;
    }
    this.#throttling = false;
    this.#forget(from, to);
    this.#direct.set(index, this.#busy.add(from, to));
    this.table.load(index, this.op);
    if (this.op.kind === opKinds.write && !this.#clients.supports.fua) {
      this.op.flags = 0;
    }
    this.#submit();
    return true;
  }

  #isReadOrSent(from: number, to: number): boolean {
    for (const fetch of [...this.#fetches.values(), ...this.#aheads]) {
      if (from < fetch.clientTo && fetch.clientFrom < to) {
        return true;
      }
    }
    return this.#framesOf(from, to).some((frame) => this.#pages.sending[frame] !== 0);
  }

  #framesOf(from: number, to: number): number[] {
    const frames: number[] = [];
    const first = Math.floor(from / pageBytes);
    const end = Math.ceil(to / pageBytes);
    if (end - first <= this.#pages.size) {
      for (let page = first; page < end; page += 1) {
        const frame = this.#pages.frameOf(page);
        if (frame >= 0) {
          frames.push(frame);
        }
      }
      return frames;
    }
    return this.#pages.framesBetween(first, end);
  }

  #forget(from: number, to: number): void {
    const pages = this.#pages;
    for (const frame of this.#framesOf(from, to)) {
      const start = (pages.page[frame] as number) * pageBytes;
      const gone = sectorsOf(from - start, to - start);
      pages.valid[frame] = (pages.valid[frame] as number) & ~gone;
      if (gone === allSectors && !pages.isPinned(frame)) {
        pages.drop(frame);
      }
    }
  }

  #submit(): void {
    if (!this.#clients.submit(this.op)) {
      throw new Error("internal error: the image's lane is as deep as the cache's clients");
    }
  }

  #lowerDone(index: number, result: number): void {
    const fetch = this.#fetches.get(index);
    if (fetch !== undefined) {
      this.#fetched(index, fetch, result);
      return;
    }
    const busy = this.#direct.get(index);
    if (busy !== undefined) {
      this.#busy.remove(busy);
      this.#direct.delete(index);
      for (const held of this.#heldReads.splice(0)) {
        this.#read(held);
      }
    }
    const fua = ((this.table.flags[index] as number) & flagFua) !== 0;
    if (result >= 0 && fua && !this.#clients.supports.fua) {
      this.#io.flush((failed) => this.finish(index, failed === 0 ? result : -failed));
    } else {
      this.finish(index, result);
    }
  }

  // Writing back

  #writeBack(): void {
    const { targetDirtyBytes } = this.#tuning;
    const all = this.#flushes.length > 0 || this.#draining !== null || this.#throttling;
    while (
      this.#pages.dirtyBytes > 0 &&
      this.#io.lane.pending < this.#io.lane.depth - 1 &&
      (all || this.#pages.dirtyBytes > targetDirtyBytes || this.#isOld)
    ) {
      if (!this.#sender.sendOldest()) {
        break;
      }
    }
  }

  get #isOld(): boolean {
    return this.#sender.oldestNs + this.#tuning.maxDirtyAgeNs <= this.clock.nowNs();
  }

  #sent(errno: number): void {
    if (errno !== 0) {
      for (const { index } of this.#flushes.splice(0)) {
        this.finish(index, -errno);
      }
      this.#draining?.(errno);
    }
  }

  /** Flushes whose writes are all with the image: it is flushed once for all of them. */
  #answerFlushes(): void {
    if (this.#flushing) {
      return;
    }
    const due = this.#flushes.filter(({ order }) => !this.#sender.isOutstanding(order));
    const drained =
      this.#draining !== null && this.#pages.dirtyBytes === 0 && this.#parked.length === 0;
    if (due.length === 0 && !drained) {
      return;
    }
    for (const flush of due) {
      this.#flushes.splice(this.#flushes.indexOf(flush), 1);
    }
    this.#flushing = true;
    this.#counters.imageFlushes += 1;
    this.#io.flush((errno) => {
      this.#flushing = false;
      for (const { index } of due) {
        const flushed =
          this.table.kind[index] === opKinds.write ? this.table.lengthBytes[index] : 0;
        this.finish(index, errno === 0 ? (flushed as number) : -errno);
      }
      if (drained) {
        this.#draining?.(errno);
      }
    });
  }

  /** For what grows too old, and for what the image has refused. */
  #setTimer(): void {
    const nowNs = this.clock.nowNs();
    const { oldestNs, isPaused, pausedUntilNs } = this.#sender;
    const atNs = isPaused ? pausedUntilNs : oldestNs + this.#tuning.maxDirtyAgeNs;
    // What is too old already goes as soon as something else has ended.
    const due = oldestNs < Number.POSITIVE_INFINITY && atNs > nowNs;
    if (!due || (this.#timer !== null && this.#timerNs <= atNs)) {
      return;
    }
    this.#timer?.();
    this.#timerNs = atNs;
    this.#timer = this.clock.at(atNs, () => {
      this.#timer = null;
      if (!this.closed) {
        this.pump();
        this.wake();
      }
    });
  }
}
