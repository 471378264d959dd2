import { OsdynoError } from "../../base/error.ts";
import { LayerDevice } from "../../device/layer.ts";
import type { DeviceMux } from "../../device/mux.ts";
import type { StageClock } from "../../device/stages.ts";
import { flagFua, opKinds } from "../../port/block-device.ts";
import type { CancelTimer, Clock } from "../../port/clock.ts";
import type { DeviceLane } from "../../port/device-lane.ts";
import { openCache } from "../cache/registry.ts";
import type { LaneIo } from "../kv/lane-io.ts";
import { BusyRanges } from "./busy-ranges.ts";
import { PageReads } from "./page-reads.ts";
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
  readonly #reads: PageReads;
  readonly #busy = new BusyRanges();
  readonly #clients: DeviceLane;
  readonly #io: LaneIo;
  /** Writes and trims that wait for their turn, in order: one behind the other. */
  readonly #parked: number[] = [];
  readonly #flushes: Waiting[] = [];
  /** Of operations that went to the image directly: their busy range. */
  readonly #direct = new Map<number, number>();
  readonly #counters = zeroCounters();
  #flushSeen = false;
  #flushing = false;
  #throttling = false;
  #draining: ((errno: number) => void) | null = null;
  #timer: CancelTimer | null = null;
  #timerNs = Number.POSITIVE_INFINITY;
  /** The stage in which a write is with the image as the cache's own. */
  #imageStage = 0;

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
    this.#reads = new PageReads({
      pages: this.#pages,
      busy: this.#busy,
      counters: this.#counters,
      clients,
      io,
      table: this.table,
      arena: this.arena,
      readahead: new Readahead(tuning.readahead, imageBytes, pageBytes),
      finish: (index, result) => this.finish(index, result),
      works: (index) => this.worksNow(index),
      waits: (index) => this.waitsNow(index),
    });
    clients.onCompletion((index, result, _submittedNs, completedNs) => {
      this.worksNow(index, completedNs);
      this.#lowerDone(index, result);
    });
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

  override traceStages(clock: StageClock, layer: string): void {
    super.traceStages(clock, layer);
    this.#imageStage = clock.stage(layer, "image", "worked");
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
      this.#reads.start(index);
      this.#reads.ahead(offsetBytes, lengthBytes);
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

  #range(index: number): { from: number; to: number; at: number } {
    const from = this.table.offsetBytes[index] as number;
    const to = from + (this.table.lengthBytes[index] as number);
    return { from, to, at: (this.table.slot[index] as number) * this.arena.slotBytes };
  }

  // Writes

  #unpark(): void {
    while (this.#parked.length > 0) {
      const index = this.#parked[0] as number;
      this.worksNow(index);
      if (!this.#change(index)) {
        this.waitsNow(index);
        return;
      }
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
      const frame = held < 0 ? pages.take(page, true) : held;
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
    this.#reads.spoil(from, to);
    return frames;
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
    const trace = this.table.trace[index] as number;
    if (trace !== 0) {
      this.stages.clock.enter(trace, this.#imageStage, this.clock.nowNs());
    }
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
    const sending = (frame: number) => this.#pages.sending[frame] !== 0;
    return this.#reads.isReading(from, to) || this.#framesOf(from, to).some(sending);
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
    if (this.#reads.fetched(index, result)) {
      return;
    }
    const busy = this.#direct.get(index);
    if (busy !== undefined) {
      this.#busy.remove(busy);
      this.#direct.delete(index);
      this.#reads.release();
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
