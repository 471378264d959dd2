/**
 * A disk that turns: the arm moves, the platter comes round, data pass under the head at the speed of their
 * zone. Of the operations it has been given the disk does the one that it reaches first; writes are
 * acknowledged in its cache and put down when no read waits, or when the cache fills up. After C. Ruemmler
 * and J. Wilkes, "An introduction to disk drive modeling", 1994.
 */
import { type OpKind, opKinds } from "../port/block-device.ts";
import type { Random } from "../port/random.ts";
import { DueQueue, type ShapeModel } from "./shape-model.ts";
import { type DiskShape, interpolate, type ShapePoint } from "./shape-spec.ts";

const zones = 16;
/** Cached writes beyond the head's place that the disk chooses among. */
const lookAhead = 16;
/** Rounding must not cost a turn. */
const angleSlackNs = 2000;

/** Where things lie and how long the way there is. */
export class DiskGeometry {
  readonly turnNs: number;
  readonly #shape: DiskShape;
  readonly #zoneBytes: number;
  readonly #rates: readonly number[];
  readonly #seek: readonly ShapePoint[];

  constructor(shape: DiskShape) {
    this.#shape = shape;
    this.turnNs = 60e9 / shape.turnsPerMinute;
    this.#zoneBytes = Math.ceil(shape.sizeBytes / zones);
    const { outerBytesPerSecond: outer, innerBytesPerSecond: inner } = shape;
    this.#rates = Array.from(
      { length: zones },
      (_, zone) => outer + ((inner - outer) * zone) / (zones - 1),
    );
    // A distance of nothing has no logarithm.
    this.#seek = shape.seek.slice(1);
  }

  rateAt(offset: number): number {
    return this.#rates[Math.min(zones - 1, Math.floor(offset / this.#zoneBytes))] as number;
  }

  transferNs(offset: number, bytes: number): number {
    return (bytes * 1e9) / this.rateAt(offset);
  }

  /** The place on its track, 0 to 1, at which a byte passes the head. */
  angleAt(offset: number): number {
    const track = (this.rateAt(offset) * this.turnNs) / 1e9;
    const inZone = offset % this.#zoneBytes;
    return (inZone / track) % 1;
  }

  seekNs(from: number, to: number): number {
    const distance = Math.abs(to - from) / this.#shape.sizeBytes;
    const near = this.#shape.seek[0]?.ns ?? 0;
    const first = this.#seek[0];
    if (first === undefined || distance === 0) {
      return 0;
    }
    if (distance >= first.at) {
      return interpolate(this.#seek, distance);
    }
    // Short ways are as long as their square root says.
    return near + (first.ns - near) * Math.sqrt(distance / first.at);
  }

  /** From the head's place at `nowNs` until the data at `to` begin to pass. */
  positionNs(nowNs: number, from: number, to: number): number {
    const seekNs = this.seekNs(from, to);
    const there = ((nowNs + seekNs) / this.turnNs) % 1;
    let wait = this.angleAt(to) - there;
    wait -= Math.floor(wait);
    const waitNs = wait * this.turnNs;
    return seekNs + (this.turnNs - waitNs < angleSlackNs ? 0 : waitNs);
  }
}

interface Waiting {
  readonly index: number;
  readonly offset: number;
  readonly bytes: number;
  readonly write: boolean;
  readonly arrivedNs: number;
}

interface Dirty {
  readonly id: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Ends when no write up to `upTo` is left in the cache. */
interface Flush {
  readonly index: number;
  readonly upTo: number;
  readonly fromNs: number;
}

export class DiskModel implements ShapeModel {
  readonly #shape: DiskShape;
  readonly #geometry: DiskGeometry;
  readonly #due = new DueQueue();
  /** Not yet among those that the disk chooses from. */
  readonly #outside: Waiting[] = [];
  readonly #queue: Waiting[] = [];
  /** Writes that wait for room in the cache. */
  readonly #roomless: Waiting[] = [];
  /** By offset, ascending. */
  readonly #dirty: Dirty[] = [];
  readonly #flushes: Flush[] = [];
  #dirtyBytes = 0;
  #nextId = 1;
  #headFreeNs = 0;
  #head = 0;
  /** Where the last read ended, and when; what lies behind it is read ahead. */
  #readEnd = -1;
  #readEndNs = 0;
  #linkFreeNs = 0;

  constructor(shape: DiskShape, random: Random) {
    this.#shape = shape;
    this.#geometry = new DiskGeometry(shape);
    this.#head = Math.floor(random.unit() * shape.sizeBytes);
  }

  nextNs(): number {
    const busy = this.#queue.length + this.#dirty.length > 0;
    return Math.min(this.#due.nextNs(), busy ? this.#headFreeNs : Number.POSITIVE_INFINITY);
  }

  advance(nowNs: number, done: (index: number, atNs: number) => void): void {
    while (this.#headFreeNs <= nowNs && this.#step(this.#headFreeNs)) {
      // The head has gone one way further.
    }
    this.#due.advance(nowNs, done);
  }

  admit(
    nowNs: number,
    index: number,
    kind: OpKind,
    durable: boolean,
    offset: number,
    bytes: number,
  ): void {
    if (kind === opKinds.flush || kind === opKinds.dataFlush) {
      this.#flushes.push({ index, upTo: this.#nextId - 1, fromNs: nowNs });
      this.#endFlushes(nowNs);
      return;
    }
    if (kind === opKinds.trim || kind === opKinds.writeZeroes) {
      this.#due.add(index, nowNs + this.#shape.commandNs);
      return;
    }
    const write = kind === opKinds.write;
    const waiting = { index, offset, bytes, write, arrivedNs: nowNs };
    if (write && !durable && this.#shape.cacheBytes > 0) {
      if (!this.#intoCache(waiting, nowNs)) {
        this.#roomless.push(waiting);
      }
    } else if (write || !this.#readAhead(waiting, nowNs)) {
      this.#enqueue(waiting);
    }
    // An idle head sets out at once.
    this.#headFreeNs = Math.max(this.#headFreeNs, nowNs);
  }

  #enqueue(waiting: Waiting): void {
    if (this.#queue.length < this.#shape.queueDepth) {
      this.#queue.push(waiting);
    } else {
      this.#outside.push(waiting);
    }
  }

  #overLink(nowNs: number, bytes: number): number {
    const { linkBytesPerSecond, commandNs } = this.#shape;
    this.#linkFreeNs = Math.max(this.#linkFreeNs, nowNs) + (bytes * 1e9) / linkBytesPerSecond;
    return this.#linkFreeNs + commandNs;
  }

  /** What goes on where the last read ended is on its way already. */
  #readAhead({ index, offset, bytes }: Waiting, nowNs: number): boolean {
    const { readAheadBytes } = this.#shape;
    const ahead = offset - this.#readEnd;
    if (this.#readEnd < 0 || ahead < 0 || ahead + bytes > readAheadBytes) {
      return false;
    }
    const readNs = this.#readEndNs + this.#geometry.transferNs(offset, ahead + bytes);
    // A head that was called away meanwhile has read no further.
    if (
      this.#queue.length > 0 ||
      this.#dirtyBytes > 0 ||
      this.#headFreeNs > Math.max(nowNs, readNs)
    ) {
      return false;
    }
    // The buffer is full after a while; the rest is read when there is room again.
    const heldNs = this.#geometry.transferNs(offset, readAheadBytes);
    const foundNs = Math.max(readNs, nowNs - heldNs);
    const doneNs = Math.max(this.#overLink(nowNs, bytes), foundNs + this.#shape.commandNs);
    this.#readEnd = offset + bytes;
    this.#readEndNs = foundNs;
    this.#head = this.#readEnd;
    this.#headFreeNs = Math.max(this.#headFreeNs, foundNs);
    this.#due.add(index, doneNs);
    return true;
  }

  #intoCache({ index, offset, bytes }: Waiting, nowNs: number): boolean {
    const { cacheBytes, cacheOperations } = this.#shape;
    const full = this.#dirtyBytes + bytes > cacheBytes || this.#dirty.length >= cacheOperations;
    if (full && this.#dirty.length > 0) {
      return false;
    }
    const dirty = { id: this.#nextId, offset, bytes };
    this.#nextId += 1;
    this.#dirty.splice(this.#placeOf(offset), 0, dirty);
    this.#dirtyBytes += bytes;
    this.#due.add(index, this.#overLink(nowNs, bytes));
    return true;
  }

  /** Where in the cache the first write at or behind an offset stands. */
  #placeOf(offset: number): number {
    let [low, high] = [0, this.#dirty.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#dirty[middle] as Dirty).offset < offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** The head does what it reaches first; `false`: there is nothing to do. */
  #step(nowNs: number): boolean {
    const { cacheBytes, cacheOperations } = this.#shape;
    const pressed =
      this.#dirtyBytes * 2 > cacheBytes ||
      this.#dirty.length * 2 > cacheOperations ||
      this.#flushes.length > 0;
    const read = this.#nearestQueued(nowNs);
    const write = read === null || pressed ? this.#nearestDirty(nowNs) : null;
    if (read === null && write === null) {
      return false;
    }
    if (read !== null && (write === null || read.ns <= write.ns)) {
      this.#doQueued(nowNs, read.place, read.ns);
    } else if (write !== null) {
      this.#doDirty(nowNs, write.place, write.ns);
    }
    return true;
  }

  #nearestQueued(nowNs: number): { readonly place: number; readonly ns: number } | null {
    let best: { place: number; ns: number } | null = null;
    for (const [place, { offset }] of this.#queue.entries()) {
      const ns = this.#geometry.positionNs(nowNs, this.#head, offset);
      if (best === null || ns < best.ns) {
        best = { place, ns };
      }
    }
    return best;
  }

  /** Of what lies ahead of the head, and from the beginning again, as a lift goes. */
  #nearestDirty(nowNs: number): { readonly place: number; readonly ns: number } | null {
    const count = this.#dirty.length;
    const from = this.#placeOf(this.#head);
    let best: { place: number; ns: number } | null = null;
    for (let step = 0; step < Math.min(lookAhead, count); step += 1) {
      const place = (from + step) % count;
      const { offset } = this.#dirty[place] as Dirty;
      const ns = this.#geometry.positionNs(nowNs, this.#head, offset);
      if (best === null || ns < best.ns) {
        best = { place, ns };
      }
    }
    return best;
  }

  #moveTo(nowNs: number, positionNs: number, offset: number, bytes: number): number {
    const endNs = nowNs + positionNs + this.#geometry.transferNs(offset, bytes);
    this.#head = offset + bytes;
    this.#headFreeNs = endNs;
    return endNs;
  }

  #doQueued(nowNs: number, place: number, positionNs: number): void {
    const { index, offset, bytes, write } = this.#queue.splice(place, 1)[0] as Waiting;
    const endNs = this.#moveTo(nowNs, positionNs, offset, bytes);
    if (!write) {
      this.#readEnd = this.#head;
      this.#readEndNs = endNs;
    }
    this.#due.add(index, endNs + this.#shape.commandNs);
    const next = this.#outside.shift();
    if (next !== undefined) {
      this.#queue.push(next);
    }
  }

  #doDirty(nowNs: number, place: number, positionNs: number): void {
    const { offset, bytes } = this.#dirty.splice(place, 1)[0] as Dirty;
    this.#dirtyBytes -= bytes;
    const endNs = this.#moveTo(nowNs, positionNs, offset, bytes);
    this.#readEnd = -1;
    while (this.#roomless.length > 0 && this.#intoCache(this.#roomless[0] as Waiting, endNs)) {
      this.#roomless.shift();
    }
    this.#endFlushes(endNs);
  }

  /** Flushes end when nothing older is left in the cache. */
  #endFlushes(atNs: number): void {
    for (let place = 0; place < this.#flushes.length; ) {
      const { index, upTo, fromNs } = this.#flushes[place] as Flush;
      if (this.#dirty.some(({ id }) => id <= upTo)) {
        place += 1;
      } else {
        this.#flushes.splice(place, 1);
        this.#due.add(index, Math.max(atNs, fromNs) + this.#shape.commandNs);
      }
    }
  }
}
