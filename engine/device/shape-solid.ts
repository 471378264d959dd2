/**
 * Devices without moving parts. What an operation passes, in order: a place in the queue, the controller (one
 * after the other), the dies it lies on, the link that all data share; writes need room in the cache and,
 * in the long run, in blocks that were won back. Where a law by depth was measured, an operation takes no
 * less than that law says for the number outstanding when it arrives.
 */
import { Heap } from "../base/heap.ts";
import { type OpKind, opKinds } from "../port/block-device.ts";
import type { Random } from "../port/random.ts";
import { FreeSpace } from "./shape-collection.ts";
import { DieBank } from "./shape-dies.ts";
import { DueQueue, type ShapeModel } from "./shape-model.ts";
import { interpolate, type ShapeLaw, type ShapeSpread, type SolidShape } from "./shape-spec.ts";

/** The multiple of the mean at a rank, scaled so that its own mean is 1. */
class Scatter {
  readonly #ranks: readonly number[];
  readonly #factors: readonly number[];

  constructor(spread: ShapeSpread) {
    const mean = spread.slice(1).reduce((sum, [rank, factor], index) => {
      const [before, low] = spread[index] as readonly [number, number];
      return sum + ((rank - before) * (factor + low)) / 2;
    }, 0);
    this.#ranks = spread.map(([rank]) => rank);
    this.#factors = spread.map(([, factor]) => (mean > 0 ? factor / mean : 1));
  }

  /** A device that scatters draws one number an operation. */
  draw(random: Random): number {
    if (this.#ranks.length < 2) {
      return 1;
    }
    const rank = random.unit();
    for (let index = 1; index < this.#ranks.length; index += 1) {
      const high = this.#ranks[index] as number;
      if (rank <= high) {
        const low = this.#ranks[index - 1] as number;
        const from = this.#factors[index - 1] as number;
        const to = this.#factors[index] as number;
        return from + ((to - from) * (rank - low)) / (high - low || 1);
      }
    }
    return this.#factors.at(-1) ?? 1;
  }
}

/** One direction: its law and the parts that only its operations pass. */
class Lane {
  readonly law: ShapeLaw;
  readonly #scatter: Scatter;
  readonly #scatters: readonly Scatter[];
  readonly #byteNs: number;
  /** The time alone by bytes, for the few sizes that there are. */
  readonly #alone = new Map<number, number>();
  readonly #byDepth: number[] = [];
  #controllerFreeNs = 0;
  #linkFreeNs = 0;
  #end = -1;

  constructor(law: ShapeLaw) {
    this.law = law;
    this.#scatter = new Scatter(law.spread);
    this.#scatters = law.depths.map(({ spread }) =>
      spread.length === 0 ? this.#scatter : new Scatter(spread),
    );
    this.#byteNs = law.bytesPerSecond > 0 ? 1e9 / law.bytesPerSecond : 0;
  }

  aloneNs(bytes: number): number {
    let ns = this.#alone.get(bytes);
    if (ns === undefined) {
      ns = interpolate(this.law.sizes, bytes);
      if (this.#alone.size < 4096) {
        this.#alone.set(bytes, ns);
      }
    }
    return ns;
  }

  /** Time that the number outstanding adds for an operation of the usual size. */
  crowdNs(outstanding: number): number {
    const { depths, usualBytes } = this.law;
    const last = depths.at(-1);
    if (last === undefined) {
      return 0;
    }
    // Beyond what was measured nothing gets done faster: who waits, waits in proportion.
    this.#byDepth[outstanding] ??=
      (outstanding >= last.at
        ? last.ns * (outstanding / last.at)
        : interpolate(depths, outstanding)) - this.aloneNs(usualBytes);
    return this.#byDepth[outstanding] as number;
  }

  /** Scatter there: of the depth measured next above. */
  scatterAt(outstanding: number): Scatter {
    const place = this.law.depths.findIndex(({ at }) => at >= outstanding);
    return (place < 0 ? this.#scatters.at(-1) : this.#scatters[place]) ?? this.#scatter;
  }

  /** The multiple for an operation that begins where the last one ended, 1 for any other. */
  ordered(offset: number, bytes: number, outstanding: number): number {
    const follows = offset === this.#end;
    this.#end = offset + bytes;
    return follows && this.law.inOrder.length > 0 ? interpolate(this.law.inOrder, outstanding) : 1;
  }

  passController(nowNs: number): number {
    const begin = Math.max(nowNs, this.#controllerFreeNs);
    this.#controllerFreeNs = begin + this.law.controllerNs;
    return begin;
  }

  /** When the last byte is through, if the first may begin at `fromNs`. */
  passLink(fromNs: number, bytes: number): number {
    if (this.#byteNs === 0) {
      return fromNs;
    }
    this.#linkFreeNs = Math.max(this.#linkFreeNs, fromNs) + bytes * this.#byteNs;
    return this.#linkFreeNs;
  }

  transferNs(bytes: number): number {
    return bytes * this.#byteNs;
  }
}

export class SolidModel implements ShapeModel {
  readonly #shape: SolidShape;
  readonly #random: Random;
  readonly #due = new DueQueue();
  readonly #read: Lane;
  readonly #write: Lane;
  readonly #dies: DieBank | null;
  readonly #space: FreeSpace | null;
  /** When each place of the queue becomes free, once all are taken. */
  readonly #places = new Heap<number>((a, b) => a < b);
  /** Bytes in the cache, by when they leave it. */
  readonly #leaving: { readonly atNs: number; readonly bytes: number }[] = [];
  #leavingFrom = 0;
  #cached = 0;
  #drainFreeNs = 0;
  #writesOpen = 0;
  #unflushed = 0;
  #lastWriteNs = 0;
  readonly #isWrite: boolean[] = [];

  constructor(shape: SolidShape, random: Random) {
    this.#shape = shape;
    this.#random = random;
    this.#read = new Lane(shape.read);
    this.#write = new Lane(shape.write);
    this.#dies = shape.dies === null ? null : new DieBank(shape.dies);
    this.#space =
      shape.collection === null || shape.dies === null
        ? null
        : new FreeSpace(shape.collection, shape.dies, shape.sizeBytes);
  }

  nextNs(): number {
    return this.#due.nextNs();
  }

  advance(nowNs: number, done: (index: number, atNs: number) => void): void {
    this.#due.advance(nowNs, (index, atNs) => {
      if (this.#isWrite[index] === true) {
        this.#isWrite[index] = false;
        this.#writesOpen -= 1;
      }
      done(index, atNs);
    });
  }

  admit(
    nowNs: number,
    index: number,
    kind: OpKind,
    durable: boolean,
    offsetBytes: number,
    lengthBytes: number,
  ): void {
    const startNs = this.#takePlace(nowNs);
    const doneNs = this.#serve(nowNs, startNs, kind, durable, offsetBytes, lengthBytes);
    if (kind === opKinds.write) {
      this.#isWrite[index] = true;
      this.#writesOpen += 1;
    }
    this.#places.push(doneNs);
    this.#due.add(index, doneNs);
  }

  /** When the device begins to look at what arrives now. */
  #takePlace(nowNs: number): number {
    for (let free = this.#places.peek(); free !== undefined && free <= nowNs; ) {
      this.#places.pop();
      free = this.#places.peek();
    }
    return this.#places.size < this.#shape.queueDepth
      ? nowNs
      : Math.max(nowNs, this.#places.pop() ?? nowNs);
  }

  #serve(
    nowNs: number,
    startNs: number,
    kind: OpKind,
    durable: boolean,
    offset: number,
    bytes: number,
  ): number {
    switch (kind) {
      case opKinds.read:
        return this.#serveRead(nowNs, startNs, offset, bytes);
      case opKinds.write:
        return this.#serveWrite(nowNs, startNs, durable, offset, bytes);
      case opKinds.flush:
      case opKinds.dataFlush:
        return this.#serveFlush(startNs);
      case opKinds.trim:
        this.#space?.trim(offset, bytes);
        return this.#write.passController(startNs) + this.#shape.trimNs;
      default:
        // Zeroes carry no data over the link; all else is as of a write.
        return (
          this.#write.passController(startNs) + this.#write.aloneNs(this.#write.law.usualBytes)
        );
    }
  }

  /** The time by the law that was measured, for what arrives while so much is under way. */
  #lawNs(lane: Lane, offset: number, bytes: number, factor: number): number {
    const outstanding = this.#due.size + 1;
    const crowded = Math.max(lane.aloneNs(bytes) + lane.crowdNs(outstanding), 1);
    const share = (this.#writesOpen + (lane === this.#write ? 1 : 0)) / outstanding;
    return crowded * factor * lane.ordered(offset, bytes, outstanding) * this.#mixed(share);
  }

  #mixed(share: number): number {
    const { mix } = this.#shape;
    if (mix.length === 0 || share <= 0 || share >= 1) {
      return 1;
    }
    let [before, low] = [0, 1];
    for (const [at, factor] of [...mix, [1, 1] as const]) {
      if (share <= at) {
        return low + ((factor - low) * (share - before)) / (at - before || 1);
      }
      [before, low] = [at, factor];
    }
    return 1;
  }

  #serveRead(nowNs: number, startNs: number, offset: number, bytes: number): number {
    const lane = this.#read;
    const factor = lane.scatterAt(this.#due.size + 1).draw(this.#random);
    const begin = lane.passController(startNs);
    // Law by size: all that nobody waits for; the dies come on top where they are modelled.
    const lawNs = Math.max(nowNs + this.#lawNs(lane, offset, bytes, factor), begin);
    if (this.#dies === null) {
      return Math.max(lawNs, lane.passLink(begin, bytes));
    }
    const foundNs = this.#dies.read(begin, offset, bytes, factor);
    const linkNs = lane.passLink(begin, bytes);
    return Math.max(foundNs + lane.aloneNs(bytes) + lane.transferNs(bytes), linkNs);
  }

  #serveWrite(
    nowNs: number,
    startNs: number,
    durable: boolean,
    offset: number,
    bytes: number,
  ): number {
    const lane = this.#write;
    const factor = lane.scatterAt(this.#due.size + 1).draw(this.#random);
    const begin = lane.passController(startNs);
    const taken = this.#lines(offset, bytes);
    const linkNs = lane.passLink(begin, taken.bytes);
    let doneNs = Math.max(
      nowNs + this.#lawNs(lane, offset, bytes, factor),
      begin + lane.transferNs(bytes),
    );
    doneNs = Math.max(doneNs + taken.partial * this.#shape.partialLineNs, linkNs);
    doneNs = Math.max(doneNs, this.#intoCache(begin, offset, bytes));
    this.#unflushed += bytes / lane.law.usualBytes;
    this.#lastWriteNs = Math.max(this.#lastWriteNs, doneNs);
    return durable ? doneNs + this.#shape.fuaNs : doneNs;
  }

  /** Whole lines that a write takes, and how many of them it covers in part. */
  #lines(offset: number, bytes: number): { readonly bytes: number; readonly partial: number } {
    const { lineBytes } = this.#shape;
    if (lineBytes === 0) {
      return { bytes, partial: 0 };
    }
    const head = offset % lineBytes;
    const tail = (offset + bytes) % lineBytes;
    const lines = Math.ceil((head + bytes) / lineBytes);
    const partial =
      lines === 1 ? Number(head > 0 || tail > 0) : Number(head > 0) + Number(tail > 0);
    return { bytes: lines * lineBytes, partial };
  }

  /** When there is room for the write; it leaves again as dies and drain allow. */
  #intoCache(nowNs: number, offset: number, bytes: number): number {
    const { cache } = this.#shape;
    if (this.#dies !== null) {
      this.#space?.take(nowNs, offset, bytes, this.#dies);
    }
    if (cache === null) {
      return this.#dies?.program(nowNs, bytes) ?? nowNs;
    }
    this.#leave(nowNs);
    let roomNs = nowNs;
    while (this.#cached + bytes > cache.bytes && this.#leavingFrom < this.#leaving.length) {
      const first = this.#leaving[this.#leavingFrom] as { atNs: number; bytes: number };
      roomNs = Math.max(roomNs, first.atNs);
      this.#cached -= first.bytes;
      this.#leavingFrom += 1;
    }
    let goneNs = this.#dies?.program(roomNs, bytes) ?? roomNs;
    if (cache.drainBytesPerSecond > 0) {
      const drainNs = (bytes * 1e9) / cache.drainBytesPerSecond;
      this.#drainFreeNs = Math.max(this.#drainFreeNs, roomNs) + drainNs;
      goneNs = Math.max(goneNs, this.#drainFreeNs);
    }
    this.#cached += bytes;
    const last = this.#leaving.at(-1)?.atNs ?? 0;
    this.#leaving.push({ atNs: Math.max(last, goneNs), bytes });
    return roomNs;
  }

  #leave(nowNs: number): void {
    for (;;) {
      const first = this.#leaving[this.#leavingFrom];
      if (first === undefined || first.atNs > nowNs) {
        break;
      }
      this.#cached -= first.bytes;
      this.#leavingFrom += 1;
    }
    if (this.#leavingFrom > 4096) {
      this.#leaving.splice(0, this.#leavingFrom);
      this.#leavingFrom = 0;
    }
  }

  #serveFlush(startNs: number): number {
    const { flushNs, flushes } = this.#shape;
    const writes = this.#unflushed;
    this.#unflushed = 0;
    const ns = writes === 0 || flushes.length === 0 ? flushNs : interpolate(flushes, writes);
    return Math.max(this.#write.passController(startNs), this.#lastWriteNs) + ns;
  }
}
