/**
 * Reads, writes and flushes of the store over its lane of the device. What finds no slot or no room
 * waits in order; a long extent goes in pieces of a slot.
 */
import { assert } from "../../base/assert.ts";
import { errnos, flagFua, opKinds } from "../../port/block-device.ts";
import type { DeviceLane } from "../../port/device-lane.ts";

/** Who is told how a request ended: 0 or a negative errno. */
export interface IoOwner {
  ioDone(result: number, token: number): void;
}

class Request {
  owner: IoOwner | null = null;
  token = 0;
  /** Pieces under way or waiting. */
  left = 0;
  result = 0;
  /** The next one of those that one piece is for. */
  next: Request | null = null;
}

class Piece {
  request: Request | null = null;
  kind: 0 | 1 | 2 | 3 = opKinds.read;
  flags = 0;
  offsetBytes = 0;
  lengthBytes = 0;
  /** Where the data is or goes; `null`: it stays in the slot. */
  bytes: Uint8Array | null = null;
  bytesAt = 0;
  /** A slot that the caller lent; -1: one of the lane's own. */
  lentSlot = -1;
  ownSlot = -1;
}

export interface DiskCounters {
  readBytes: number;
  writtenBytes: number;
  reads: number;
  writes: number;
  /** Writes that were durable when they completed. */
  durableWrites: number;
  flushes: number;
  discards: number;
  discardedBytes: number;
  readErrors: number;
}

/**
 * So much is handed over even while more gathers: the device works on the first operations of a burst
 * while the next ones are prepared. At depth 16 this raises reads by a sixth.
 */
const batchOps = 4;
const batchBytes = 2 ** 18;

/** Writes that wait for neighbours, to go to the device as one. */
const gatheredMost = 16;

class Gathered {
  request: Request | null = null;
  offsetBytes = 0;
  bytes: Uint8Array = new Uint8Array(0);
  /** As for `write`. */
  slot = -1;
}

/** A device is told of so much at once; completions tell their bytes in 31 bits. */
const discardBytesMax = 2 ** 30;

export class DiskIo {
  readonly lane: DeviceLane;
  readonly counters: DiskCounters = {
    readBytes: 0,
    writtenBytes: 0,
    reads: 0,
    writes: 0,
    durableWrites: 0,
    flushes: 0,
    discards: 0,
    discardedBytes: 0,
    readErrors: 0,
  };
  readonly #pieces: Piece[] = [];
  readonly #freeTags: number[] = [];
  readonly #spares: Request[] = [];
  /** Waiting pieces, oldest first from `#firstWaiting`. */
  #waiting: Piece[] = [];
  #firstWaiting = 0;
  readonly #sparePieces: Piece[] = [];
  readonly #slotBytes: number;
  readonly #op = {
    kind: opKinds.read,
    flags: 0,
    offsetBytes: 0,
    lengthBytes: 0,
    slot: 0,
    tag: 0,
  } as {
    kind: 0 | 1 | 2 | 3;
    flags: number;
    offsetBytes: number;
    lengthBytes: number;
    slot: number;
    tag: number;
  };
  /** Of the pieces that are being cut. */
  #flags = 0;
  #corks = 0;
  /** Submitted and not handed over. */
  #unsent = 0;
  #unsentBytes = 0;
  #idle: (() => void) | null = null;
  readonly #gathered = Array.from({ length: gatheredMost }, () => new Gathered());
  #gatheredCount = 0;

  constructor(lane: DeviceLane) {
    this.lane = lane;
    this.#slotBytes = lane.arena.slotBytes;
    for (let tag = lane.depth - 1; tag >= 0; tag -= 1) {
      this.#freeTags.push(tag);
    }
    lane.onCompletion((tag, result) => this.#completed(tag, result));
  }

  /** Nothing is under way or waits. */
  get idle(): boolean {
    const none = this.lane.pending === 0 && this.#gatheredCount === 0;
    return none && this.#firstWaiting === this.#waiting.length;
  }

  /** Until `uncork` what is small gathers: several calls become a batch. */
  cork(): void {
    this.#corks += 1;
  }

  uncork(): void {
    this.#corks -= 1;
    this.commit();
  }

  commit(): void {
    if (this.#corks === 0) {
      this.push();
    }
  }

  /** Hands over what there is, corked or not. */
  push(): void {
    if (this.#gatheredCount > 0) {
      this.#sendGathered();
    }
    if (this.#unsent > 0) {
      this.#unsent = 0;
      this.#unsentBytes = 0;
      this.lane.commit();
    }
  }

  /** `write` may be durable: the device has a word for it, and one operation takes the bytes. */
  takesDurable(bytes: Uint8Array): boolean {
    return this.lane.supports.fua && bytes.length <= this.#slotBytes;
  }

  /**
   * Writes whole blocks. `bytes` are lent until the end; with `slot` they are that slot's first bytes
   * and go from there, as far as one operation takes them. `durable`: at the end it is so without a flush;
   * see `takesDurable`.
   */
  write(
    offset: number,
    bytes: Uint8Array,
    slot: number,
    durable: boolean,
    owner: IoOwner,
    token: number,
  ): void {
    this.counters.writtenBytes += bytes.length;
    this.counters.writes += 1;
    this.counters.durableWrites += durable ? 1 : 0;
    const request = this.#next(owner, token);
    this.#flags = durable ? flagFua : 0;
    this.#cut(request, opKinds.write, offset, bytes.length, bytes, 0, slot);
    this.#flags = 0;
  }

  /**
   * As `write` of one block, which may wait until `uncork` for those that follow it: what lies together on
   * the device goes there as one write, which costs the kernel and the device as much as one block.
   */
  writeBlock(offset: number, bytes: Uint8Array, slot: number, owner: IoOwner, token: number): void {
    if (this.#gatheredCount === gatheredMost) {
      this.#sendGathered();
    }
    const entry = this.#gathered[this.#gatheredCount] as Gathered;
    this.#gatheredCount += 1;
    this.counters.writtenBytes += bytes.length;
    entry.request = this.#request(owner, token);
    entry.request.left = 1;
    entry.offsetBytes = offset;
    entry.bytes = bytes;
    entry.slot = slot;
    this.commit();
  }

  #sendGathered(): void {
    const entries = this.#gathered;
    const count = this.#gatheredCount;
    this.#gatheredCount = 0;
    for (let first = 0; first < count; ) {
      const { offsetBytes, bytes } = entries[first] as Gathered;
      let end = offsetBytes + bytes.length;
      let next = first + 1;
      while (next < count) {
        const entry = entries[next] as Gathered;
        const length = entry.offsetBytes + entry.bytes.length - offsetBytes;
        if (entry.offsetBytes !== end || length > this.#slotBytes) {
          break;
        }
        end = offsetBytes + length;
        next += 1;
      }
      const slot = next - first > 1 ? this.lane.takeSlot() : -1;
      if (slot < 0) {
        this.#sendEach(first, next);
      } else {
        this.#sendTogether(first, next, end - offsetBytes, slot);
      }
      first = next;
    }
  }

  #sendEach(first: number, end: number): void {
    for (let index = first; index < end; index += 1) {
      const { request, bytes, offsetBytes, slot } = this.#gathered[index] as Gathered;
      this.counters.writes += 1;
      const piece = this.#piece(opKinds.write, offsetBytes, bytes.length);
      piece.request = request;
      piece.bytes = bytes;
      piece.lentSlot = slot;
      this.#enter(piece);
    }
  }

  /** Those from `first` on, which lie together, as one write from a slot of the lane's own. */
  #sendTogether(first: number, end: number, lengthBytes: number, slot: number): void {
    this.counters.writes += 1;
    let last: Request | null = null;
    let at = slot * this.#slotBytes;
    const { request, offsetBytes } = this.#gathered[first] as Gathered;
    const piece = this.#piece(opKinds.write, offsetBytes, lengthBytes);
    piece.request = request;
    piece.ownSlot = slot;
    for (let index = first; index < end; index += 1) {
      const entry = this.#gathered[index] as Gathered;
      this.lane.arena.bytes.set(entry.bytes, at);
      at += entry.bytes.length;
      if (last !== null) {
        last.next = entry.request;
      }
      last = entry.request;
    }
    this.#enter(piece);
  }

  #piece(kind: Piece["kind"], offsetBytes: number, lengthBytes: number): Piece {
    const piece = this.#sparePieces.pop() ?? new Piece();
    piece.kind = kind;
    piece.flags = this.#flags;
    piece.offsetBytes = offsetBytes;
    piece.lengthBytes = lengthBytes;
    piece.bytes = null;
    piece.bytesAt = 0;
    piece.lentSlot = -1;
    return piece;
  }

  /** Submits it, or lets it wait. */
  #enter(piece: Piece): void {
    if (this.#firstWaiting < this.#waiting.length || !this.#submit(piece)) {
      this.#waiting.push(piece);
    }
  }

  /** Reads whole blocks to `into`, from `at` on. */
  read(
    offset: number,
    length: number,
    into: Uint8Array,
    at: number,
    owner: IoOwner,
    token: number,
  ): void {
    this.#countRead(length);
    const request = this.#next(owner, token);
    this.#cut(request, opKinds.read, offset, length, into, at, -1);
  }

  /** Reads whole blocks, at most a slot, into the start of a lent slot. */
  readSlot(offset: number, length: number, slot: number, owner: IoOwner, token: number): void {
    this.#countRead(length);
    const request = this.#next(owner, token);
    this.#cut(request, opKinds.read, offset, length, null, 0, slot);
  }

  flush(owner: IoOwner, token: number): void {
    this.counters.flushes += 1;
    const request = this.#next(owner, token);
    this.#cut(request, opKinds.flush, 0, 0, null, 0, 0);
  }

  /** Tells the device that the extent is not wanted any more: whole blocks, which may read as anything. */
  discard(offset: number, length: number, owner: IoOwner, token: number): void {
    this.counters.discards += 1;
    this.counters.discardedBytes += length;
    const request = this.#next(owner, token);
    this.#cut(request, opKinds.trim, offset, length, null, 0, 0, discardBytesMax);
  }

  /** Calls back once nothing is under way. */
  whenIdle(callback: () => void): void {
    if (this.idle) {
      callback();
    } else {
      assert(this.#idle === null, "two wait for the device to be idle");
      this.#idle = callback;
    }
  }

  #countRead(length: number): void {
    this.counters.readBytes += length;
    this.counters.reads += 1;
  }

  /** Operations keep their order: what was gathered goes first. */
  #next(owner: IoOwner, token: number): Request {
    if (this.#gatheredCount > 0) {
      this.#sendGathered();
    }
    return this.#request(owner, token);
  }

  #request(owner: IoOwner, token: number): Request {
    const request = this.#spares.pop() ?? new Request();
    request.owner = owner;
    request.token = token;
    request.left = 0;
    request.result = 0;
    return request;
  }

  #cut(
    request: Request,
    kind: 0 | 1 | 2 | 3,
    offset: number,
    length: number,
    bytes: Uint8Array | null,
    at: number,
    slot: number,
    mostBytes = this.#slotBytes,
  ): void {
    let done = 0;
    do {
      const piece = this.#piece(kind, offset + done, Math.min(mostBytes, length - done));
      piece.request = request;
      piece.bytes = bytes;
      piece.bytesAt = at + done;
      piece.lentSlot = done === 0 || kind === opKinds.trim ? slot : -1;
      request.left += 1;
      done += piece.lengthBytes;
      this.#enter(piece);
    } while (done < length);
  }

  #submit(piece: Piece): boolean {
    const tag = this.#freeTags.pop();
    if (tag === undefined) {
      return false;
    }
    // What was gathered has its slot already.
    let slot = piece.ownSlot < 0 ? piece.lentSlot : piece.ownSlot;
    const taken = slot < 0;
    if (taken) {
      slot = this.lane.takeSlot();
      if (slot < 0) {
        this.#freeTags.push(tag);
        return false;
      }
      piece.ownSlot = slot;
      if (piece.kind === opKinds.write && piece.bytes !== null) {
        const { bytes, bytesAt, lengthBytes } = piece;
        const whole = bytesAt === 0 && lengthBytes === bytes.length;
        const from = whole ? bytes : bytes.subarray(bytesAt, bytesAt + lengthBytes);
        this.lane.arena.bytes.set(from, slot * this.#slotBytes);
      }
    }
    const op = this.#op;
    op.kind = piece.kind;
    op.flags = piece.flags;
    op.offsetBytes = piece.offsetBytes;
    op.lengthBytes = piece.lengthBytes;
    op.slot = slot;
    op.tag = tag;
    if (!this.lane.submit(op)) {
      this.#freeTags.push(tag);
      if (taken) {
        this.#giveSlot(piece);
      }
      return false;
    }
    this.#pieces[tag] = piece;
    this.#unsent += 1;
    this.#unsentBytes += piece.lengthBytes;
    if (this.#unsent === batchOps || this.#unsentBytes >= batchBytes) {
      this.push();
    }
    return true;
  }

  #giveSlot(piece: Piece): void {
    if (piece.ownSlot >= 0) {
      this.lane.giveSlot(piece.ownSlot);
      piece.ownSlot = -1;
    }
  }

  #completed(tag: number, transferred: number): void {
    const piece = this.#pieces[tag] as Piece;
    this.#freeTags.push(tag);
    let request = piece.request;
    const failed = transferred < piece.lengthBytes;
    const errno = transferred < 0 ? transferred : -errnos.EIO;
    if (failed) {
      this.counters.readErrors += piece.kind === opKinds.read ? 1 : 0;
    } else if (piece.kind === opKinds.read && piece.bytes !== null) {
      const start = piece.ownSlot * this.#slotBytes;
      const from = this.lane.arena.bytes.subarray(start, start + piece.lengthBytes);
      piece.bytes.set(from, piece.bytesAt);
    }
    this.#giveSlot(piece);
    piece.bytes = null;
    piece.request = null;
    this.#sparePieces.push(piece);
    this.#pump();
    while (request !== null) {
      const { next } = request;
      this.#pieceEnded(request, failed ? errno : 0);
      request = next;
    }
    this.commit();
    if (this.#idle !== null && this.idle) {
      const idle = this.#idle;
      this.#idle = null;
      idle();
    }
  }

  #pieceEnded(request: Request, errno: number): void {
    request.result = errno === 0 ? request.result : errno;
    request.left -= 1;
    if (request.left === 0) {
      const { owner, token, result } = request;
      request.owner = null;
      request.next = null;
      this.#spares.push(request);
      owner?.ioDone(result, token);
    }
  }

  #pump(): void {
    while (this.#firstWaiting < this.#waiting.length) {
      if (!this.#submit(this.#waiting[this.#firstWaiting] as Piece)) {
        return;
      }
      this.#firstWaiting += 1;
    }
    if (this.#firstWaiting > 0) {
      this.#waiting = [];
      this.#firstWaiting = 0;
    }
  }
}
