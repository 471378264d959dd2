/** Writes dirty pages to the image: the oldest first, neighbours together, a page once at a time. */
import { assert } from "../../base/assert.ts";
import type { Clock } from "../../port/clock.ts";
import type { LaneIo } from "../kv/lane-io.ts";
import type { BusyRanges } from "./busy-ranges.ts";
import { allSectors, bits, type Pages, pageBytes, sectorBytes } from "./pages.ts";
import type { ClientCacheCounters } from "./tuning.ts";

interface Queued {
  readonly frame: number;
  readonly order: number;
}

/** A piece on its way: pages in a row, with the sectors of each that are sent. */
interface Sent {
  readonly frames: readonly number[];
  readonly masks: readonly number[];
  readonly orders: readonly number[];
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** After an image has refused a write, nothing is sent for so long. */
const pauseNs = 100e6;

export class Sender {
  readonly #pages: Pages;
  readonly #io: LaneIo;
  readonly #busy: BusyRanges;
  readonly #clock: Clock;
  readonly #counters: ClientCacheCounters;
  readonly #changed: (errno: number) => void;
  /** Pages in the order in which they became dirty; some are clean again, or came in once more. */
  readonly #queue: Queued[] = [];
  #first = 0;
  readonly #sending = new Set<Sent>();
  #pausedUntilNs = Number.NEGATIVE_INFINITY;

  /** `changed` is told of each end, with 0 or a positive errno. */
  constructor(
    pages: Pages,
    io: LaneIo,
    busy: BusyRanges,
    clock: Clock,
    counters: ClientCacheCounters,
    changed: (errno: number) => void,
  ) {
    this.#pages = pages;
    this.#io = io;
    this.#busy = busy;
    this.#clock = clock;
    this.#counters = counters;
    this.#changed = changed;
  }

  /** Sectors of a page were written to by a client. */
  dirtied(frame: number, sectors: number): void {
    const pages = this.#pages;
    const before = pages.dirty[frame] as number;
    pages.setDirty(frame, before | sectors, pages.sending[frame] as number);
    if (before === 0) {
      this.#enqueue(frame);
      pages.dirtyNs[frame] = this.#clock.nowNs();
    }
  }

  /** When the page that is dirty longest became so; Infinity: none is. */
  get oldestNs(): number {
    const head = this.#head();
    return head === null ? Number.POSITIVE_INFINITY : (this.#pages.dirtyNs[head.frame] as number);
  }

  /** What became dirty up to here, in `Pages.nextOrder`, is not all with the image. */
  isOutstanding(order: number): boolean {
    if ((this.#head()?.order ?? Number.POSITIVE_INFINITY) <= order) {
      return true;
    }
    for (const { orders } of this.#sending) {
      if (orders.some((each) => each <= order)) {
        return true;
      }
    }
    return false;
  }

  get isPaused(): boolean {
    return this.#clock.nowNs() < this.#pausedUntilNs;
  }

  get pausedUntilNs(): number {
    return this.#pausedUntilNs;
  }

  /** Sends the page that is dirty longest and its neighbours; `false`: nothing can be sent now. */
  sendOldest(): boolean {
    if (this.isPaused) {
      return false;
    }
    for (let place = this.#first; place < this.#queue.length; place += 1) {
      const { frame, order } = this.#queue[place] as Queued;
      if (!this.#isCurrent(frame, order) || !this.#maySend(frame)) {
        continue;
      }
      const slot = this.#io.lane.takeSlot();
      if (slot < 0) {
        return false;
      }
      // Sectors that are left keep the page in its place.
      this.#send(this.#around(frame), slot, false, null);
      return true;
    }
    return false;
  }

  /**
   * Sends exactly these sectors of pages in a row, which are dirty and contiguous; `done` is told of
   * their end alone. `false`: no slot is free.
   */
  sendNow(
    frames: readonly number[],
    masks: readonly number[],
    fua: boolean,
    done: (errno: number) => void,
  ): boolean {
    const slot = this.#io.lane.takeSlot();
    if (slot < 0) {
      return false;
    }
    this.#send(this.#sentOf(frames, masks), slot, fua, done);
    return true;
  }

  #enqueue(frame: number): void {
    const order = this.#pages.nextOrder();
    this.#pages.dirtyOrder[frame] = order;
    this.#queue.push({ frame, order });
  }

  #isCurrent(frame: number, order: number): boolean {
    return this.#pages.dirtyOrder[frame] === order && this.#pages.dirty[frame] !== 0;
  }

  #head(): Queued | null {
    while (this.#first < this.#queue.length) {
      const head = this.#queue[this.#first] as Queued;
      if (this.#isCurrent(head.frame, head.order)) {
        return head;
      }
      this.#first += 1;
      if (this.#first > 1024 && this.#first * 2 > this.#queue.length) {
        this.#queue.splice(0, this.#first);
        this.#first = 0;
      }
    }
    return null;
  }

  #maySend(frame: number): boolean {
    const from = (this.#pages.page[frame] as number) * pageBytes;
    return this.#pages.sending[frame] === 0 && !this.#busy.overlaps(from, from + pageBytes);
  }

  /** The run of dirty sectors around the page: it, and its neighbours as far as a slot goes. */
  #around(frame: number): Sent {
    const pages = this.#pages;
    const first = firstRun(pages.dirty[frame] as number);
    const frames = [frame];
    const masks = [first];
    const room = Math.floor(this.#io.slotBytes / pageBytes);
    const page = pages.page[frame] as number;
    const neighbour = (at: number): number => {
      const other = pages.frameOf(at);
      const dirty = other < 0 ? 0 : (pages.dirty[other] as number);
      return dirty !== 0 && this.#maySend(other) ? other : -1;
    };
    for (let at = page + 1; frames.length < room && reachesEnd(masks.at(-1) as number); at += 1) {
      const other = neighbour(at);
      const mask = other < 0 ? 0 : firstRun(pages.dirty[other] as number);
      if ((mask & 1) === 0) {
        break;
      }
      frames.push(other);
      masks.push(mask);
    }
    for (let at = page - 1; frames.length < room && ((masks[0] as number) & 1) === 1; at -= 1) {
      const other = neighbour(at);
      const mask = other < 0 ? 0 : firstRun(pages.dirty[other] as number);
      if (other < 0 || !reachesEnd(mask)) {
        break;
      }
      frames.unshift(other);
      masks.unshift(mask);
    }
    return this.#sentOf(frames, masks);
  }

  #sentOf(frames: readonly number[], masks: readonly number[]): Sent {
    const pages = this.#pages;
    const [firstFrame] = frames as [number];
    const [firstMask] = masks as [number];
    const skipped = Math.log2(firstMask & -firstMask) * sectorBytes;
    const sectors = masks.reduce((sum, mask) => sum + bits(mask), 0);
    return {
      frames,
      masks,
      orders: frames.map((frame) => pages.dirtyOrder[frame] as number),
      offsetBytes: (pages.page[firstFrame] as number) * pageBytes + skipped,
      lengthBytes: sectors * sectorBytes,
    };
  }

  #send(sent: Sent, slot: number, fua: boolean, done: ((errno: number) => void) | null): void {
    const pages = this.#pages;
    const into = this.#io.bytesOf(slot);
    let at = 0;
    for (const [number, frame] of sent.frames.entries()) {
      const mask = sent.masks[number] as number;
      assert(pages.sending[frame] === 0, "a page is sent twice at once");
      const from = pages.at(frame) + Math.log2(mask & -mask) * sectorBytes;
      const length = bits(mask) * sectorBytes;
      into.set(pages.bytes.subarray(from, from + length), at);
      at += length;
      pages.setDirty(frame, (pages.dirty[frame] as number) & ~mask, mask);
    }
    this.#sending.add(sent);
    this.#counters.imageWrites += 1;
    this.#counters.imageWriteBytes += sent.lengthBytes;
    this.#io.write(slot, sent.offsetBytes, sent.lengthBytes, fua, (errno) => {
      this.#io.release(slot);
      this.#sending.delete(sent);
      this.#ended(sent, errno, done !== null);
      done?.(errno);
      this.#changed(done === null ? errno : 0);
    });
    this.#io.commit();
  }

  #ended(sent: Sent, errno: number, told: boolean): void {
    const pages = this.#pages;
    for (const [number, frame] of sent.frames.entries()) {
      const mask = sent.masks[number] as number;
      const dirty = pages.dirty[frame] as number;
      // What the image has refused stays dirty, and comes next.
      pages.setDirty(frame, errno === 0 ? dirty : dirty | mask, 0);
      if (errno !== 0 && dirty === 0) {
        this.#enqueue(frame);
      }
    }
    if (errno !== 0 && !told) {
      this.#pausedUntilNs = this.#clock.nowNs() + pauseNs;
    }
  }
}

/** The lowest run of set bits. */
function firstRun(mask: number): number {
  const low = mask & -mask;
  // Adding the lowest bit carries over the run.
  return mask & ~(mask + low) & allSectors;
}

const reachesEnd = (mask: number): boolean => (mask & 0x80) !== 0;
