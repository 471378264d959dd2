/**
 * Writes a stream of fragments: the log, or one checkpoint. Space is taken as it is needed; a `grow`
 * fragment in space that is known tells of the space that follows, so that the superblock need not.
 */
import { assert } from "../../base/assert.ts";
import type { KvExtent } from "./kv.ts";
import type { IoDone, LaneIo } from "./lane-io.ts";
import {
  alignUp,
  encodeGrow,
  type FragmentKind,
  flagLast,
  fragmentHeaderBytes,
  fragmentKinds,
  growPayloadBytes,
  inlineExtentLimit,
  type StreamId,
  type StreamStart,
  sealFragment,
} from "./waltree-format.ts";
import type { SpareSpace } from "./waltree-space.ts";

export interface StreamWriterOptions {
  readonly io: LaneIo;
  readonly space: SpareSpace;
  readonly id: StreamId;
  readonly blockBytes: number;
  /** Space to take at once, if there is so much. */
  readonly growBytes: number;
  /** Fragments under way at once. */
  readonly depth: number;
  /** Space to be left for others when the stream, with so much room ahead of it, takes more. */
  readonly leaveBytes: (roomBytes: number) => number;
}

/** Where a stream goes on. */
export interface StreamPosition extends StreamStart {
  readonly extents: readonly KvExtent[];
}

/** What a write is made of; its payload is the pieces one after the other. */
interface Task {
  readonly kind: FragmentKind;
  readonly pieces: readonly Uint8Array[];
  piece: number;
  within: number;
  leftBytes: number;
}

export class StreamWriter {
  readonly #options: StreamWriterOptions;
  #extents: KvExtent[] = [];
  /** Place of the next fragment: an extent and an offset in it. */
  #current = 0;
  #within = 0;
  #nextSequence = 1;
  #chain = 0;
  #durableSequence = 0;
  // The write under way.
  readonly #tasks: Task[] = [];
  #inFlight = 0;
  #asking = false;
  #starting = false;
  #fua = false;
  #errno = 0;
  #done: IoDone | null = null;
  #grown = 0;
  #writtenBytes = 0;

  constructor(options: StreamWriterOptions) {
    this.#options = options;
  }

  /** Of the last fragment that was written. */
  get sequence(): number {
    return this.#nextSequence - 1;
  }

  /** Times that it took more space. */
  get grown(): number {
    return this.#grown;
  }

  /** With padding. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  get extents(): readonly KvExtent[] {
    return this.#extents;
  }

  /** Extents from the one that is written to on. */
  get aheadBytes(): number {
    let bytes = 0;
    for (let index = this.#current; index < this.#extents.length; index += 1) {
      bytes += (this.#extents[index] as KvExtent).lengthBytes;
    }
    return bytes;
  }

  /** Goes on where a reader ended; `all`: every extent of the stream, those that are full too. */
  adopt(all: readonly KvExtent[], end: StreamPosition): void {
    this.#extents = [...all];
    this.#current = all.length - end.extents.length;
    const first = all[this.#current];
    this.#within = first === undefined ? 0 : end.offsetBytes - first.offsetBytes;
    this.#nextSequence = end.sequence;
    this.#chain = end.chain;
    this.#durableSequence = end.sequence - 1;
  }

  get durableSequence(): number {
    return this.#durableSequence;
  }

  /** All that was written is durable; fragments written from now on say so. */
  setDurable(): void {
    this.#durableSequence = this.sequence;
  }

  /**
   * The start of what is written next; `null`: more extents lie ahead than a superblock can list, which
   * passes as they are used.
   */
  mark(): StreamPosition | null {
    assert(this.#done === null, "a stream is marked while it writes");
    this.#normalise();
    const first = this.#extents[this.#current];
    const extents = this.#extents.slice(this.#current);
    return extents.length > inlineExtentLimit
      ? null
      : {
          extents,
          offsetBytes: first === undefined ? 0 : first.offsetBytes + this.#within,
          sequence: this.#nextSequence,
          chain: this.#chain,
        };
  }

  /** Takes the extents before a mark out of the stream, and returns them. */
  dropBefore(mark: StreamPosition): readonly KvExtent[] {
    const first = mark.extents[0];
    const index = first === undefined ? 0 : this.#extents.indexOf(first);
    assert(index >= 0, "a stream does not have the extents of its mark");
    this.#current -= index;
    return this.#extents.splice(0, index);
  }

  /**
   * Takes space that the superblock will list: the first of a stream. `false`: there is none. A
   * checkpoint asks for all that it will need, so that it lies together.
   */
  begin(payloadBytes: number): boolean {
    assert(this.#extents.length === 0, "a stream begins twice");
    const extents = this.#allocate(payloadBytes);
    if (extents === null) {
      return false;
    }
    this.#extents = extents.splice(0, inlineExtentLimit);
    if (extents.length > 0) {
      this.#addGrow(extents);
    }
    return true;
  }

  /** Whether a payload fits into what is known, with a block left to tell of more. */
  #fits(payloadBytes: number): boolean {
    const { blockBytes, io } = this.#options;
    let capacity = 0;
    for (let index = this.#current; index < this.#extents.length; index += 1) {
      const { lengthBytes } = this.#extents[index] as KvExtent;
      let room = lengthBytes - (index === this.#current ? this.#within : 0);
      room -= index === this.#extents.length - 1 ? blockBytes : 0;
      while (room > 0) {
        const fragment = Math.min(room, io.slotBytes);
        capacity += fragment - fragmentHeaderBytes;
        room -= fragment;
      }
      if (capacity >= payloadBytes) {
        return true;
      }
    }
    return false;
  }

  /**
   * Writes one payload and calls back, later, when all of it is written. What is `started` is durable
   * after a flush; with `fua` a payload of one fragment is `durable` when it is written. `refused`: there
   * is no space, nothing happens, and another payload may be tried. After an error the stream is
   * unusable.
   */
  write(
    kind: FragmentKind,
    pieces: readonly Uint8Array[],
    fua: boolean,
    done: IoDone,
  ): "refused" | "started" | "durable" {
    assert(this.#done === null, "a stream writes one payload at a time");
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (!this.#fits(bytes) && !this.#grow(bytes)) {
      return "refused";
    }
    this.#tasks.push({ kind, pieces, piece: 0, within: 0, leftBytes: bytes });
    this.#done = done;
    this.#errno = 0;
    this.#normalise();
    const room = (this.#extents[this.#current]?.lengthBytes ?? 0) - this.#within;
    const single =
      this.#tasks.length === 1 &&
      bytes + fragmentHeaderBytes <= Math.min(room, this.#options.io.slotBytes);
    this.#fua = fua && single;
    this.#next();
    return single && fua ? "durable" : "started";
  }

  #grow(payloadBytes: number): boolean {
    const extents = this.#allocate(payloadBytes);
    if (extents === null) {
      return false;
    }
    this.#addGrow(extents);
    return true;
  }

  /**
   * Room for a payload, however it is cut: a head for each slot and extent, fragments that tell of the
   * extents, padding, and a last block to grow again.
   */
  #allocate(payloadBytes: number): KvExtent[] | null {
    const { space, growBytes, blockBytes, io, leaveBytes } = this.#options;
    const ahead = this.aheadBytes;
    const slots = Math.ceil(payloadBytes / (io.slotBytes - fragmentHeaderBytes)) + 1;
    const needed = (extents: number) =>
      payloadBytes +
      (slots + extents) * fragmentHeaderBytes +
      (Math.ceil(extents / this.#toldAtOnce) + 2) * blockBytes;
    let extents = 1;
    for (let attempt = 0; attempt < 16; attempt += 1) {
      const wanted = alignUp(needed(extents), blockBytes);
      const take = (bytes: number) => space.allocate(bytes, leaveBytes(ahead + bytes));
      let got = wanted < growBytes ? take(growBytes) : undefined;
      if (got !== undefined && got.length > inlineExtentLimit / 2) {
        space.release(got);
        got = undefined;
      }
      got ??= take(wanted);
      if (got === undefined) {
        return null;
      }
      const total = got.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
      if (total >= needed(got.length)) {
        return [...got];
      }
      space.release(got);
      extents = got.length;
    }
    return null;
  }

  /** Extents that one fragment of a block can tell of. */
  get #toldAtOnce(): number {
    return Math.floor((this.#options.blockBytes - fragmentHeaderBytes) / growPayloadBytes(1));
  }

  /** Queues the fragments that tell of new extents, and counts on them from here on. */
  #addGrow(extents: readonly KvExtent[]): void {
    this.#grown += 1;
    const left = [...extents];
    while (left.length > 0) {
      const told = left.splice(0, this.#toldAtOnce);
      const payload = new Uint8Array(growPayloadBytes(told.length));
      encodeGrow(payload, 0, told);
      this.#tasks.push({
        kind: fragmentKinds.grow,
        pieces: [payload],
        piece: 0,
        within: 0,
        leftBytes: payload.length,
      });
      this.#extents.push(...told);
    }
  }

  #normalise(): void {
    while (
      this.#current < this.#extents.length &&
      this.#within >= (this.#extents[this.#current] as KvExtent).lengthBytes
    ) {
      this.#current += 1;
      this.#within = 0;
    }
  }

  /** Starts fragments while there are slots for them, and hands them over together. */
  #next(): void {
    this.#starting = true;
    while (this.#more() && !this.#asking && this.#inFlight < this.#options.depth) {
      this.#asking = true;
      this.#options.io.acquire(this.#withSlot);
    }
    this.#starting = false;
    if (this.#inFlight > 0) {
      this.#options.io.commit();
    } else if (!this.#asking && !this.#more()) {
      this.#finish();
    }
  }

  #more(): boolean {
    return this.#tasks.length > 0 && this.#errno === 0;
  }

  readonly #withSlot = (slot: number): void => {
    this.#asking = false;
    if (this.#more()) {
      this.#writeFragment(slot);
    } else {
      this.#options.io.release(slot);
    }
    if (!this.#starting) {
      this.#next();
    }
  };

  #writeFragment(slot: number): void {
    const { io, blockBytes, id } = this.#options;
    const task = this.#tasks[0];
    const extent = this.#extents[this.#current];
    assert(task !== undefined && extent !== undefined, "a stream has no room for its fragment");
    const room = Math.min(extent.lengthBytes - this.#within, io.slotBytes);
    const payloadBytes = Math.min(room - fragmentHeaderBytes, task.leftBytes);
    const bytes = io.bytesOf(slot);
    gather(task, bytes, fragmentHeaderBytes, payloadBytes);
    if (task.leftBytes === 0) {
      this.#tasks.shift();
    }
    this.#chain = sealFragment(bytes, id, {
      kind: task.kind,
      flags: task.leftBytes === 0 ? flagLast : 0,
      sequence: this.#nextSequence,
      durableSequence: this.#durableSequence,
      chain: this.#chain,
      payloadBytes,
    });
    const end = fragmentHeaderBytes + payloadBytes;
    const lengthBytes = alignUp(end, blockBytes);
    bytes.fill(0, end, lengthBytes);
    this.#nextSequence += 1;
    this.#inFlight += 1;
    this.#writtenBytes += lengthBytes;
    const offset = extent.offsetBytes + this.#within;
    io.write(slot, offset, lengthBytes, this.#fua, (errno) => {
      io.release(slot);
      this.#inFlight -= 1;
      this.#errno = this.#errno === 0 ? errno : this.#errno;
      this.#next();
    });
    this.#within += lengthBytes;
    this.#normalise();
  }

  #finish(): void {
    const done = this.#done;
    this.#done = null;
    this.#tasks.length = this.#errno === 0 ? this.#tasks.length : 0;
    done?.(this.#errno);
  }
}

/** Copies the next `bytes` of a task's pieces. */
function gather(task: Task, into: Uint8Array, at: number, bytes: number): void {
  let place = at;
  let wanted = bytes;
  while (wanted > 0) {
    const piece = task.pieces[task.piece] as Uint8Array;
    const length = Math.min(piece.length - task.within, wanted);
    const whole = length === piece.length;
    into.set(whole ? piece : piece.subarray(task.within, task.within + length), place);
    task.within += length;
    place += length;
    wanted -= length;
    if (task.within === piece.length) {
      task.piece += 1;
      task.within = 0;
    }
  }
  task.leftBytes -= bytes;
}
