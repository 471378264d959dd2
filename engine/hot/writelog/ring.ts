import { assert } from "../../base/assert.ts";
import type { LaneIo } from "../kv/lane-io.ts";

/** A range of the ring as it lies on the device. */
export interface RingPiece {
  readonly offsetBytes: number;
  /** From the beginning of the range that was cut. */
  readonly fromBytes: number;
  readonly lengthBytes: number;
}

/** 0 and the data, which are valid during the call only; or a positive errno. */
export type RingRead = (errno: number, bytes: Uint8Array) => void;

const nothing = new Uint8Array(0);
const readRetries = 3;

/**
 * The ring of a log's data: positions grow for ever, and lie on the device modulo its size. What is
 * between `tail` and `head` is kept.
 */
export class Ring {
  readonly bytes: number;
  readonly io: LaneIo;
  readonly #startBytes: number;
  readonly #blockBytes: number;
  head: number;
  tail: number;

  constructor(io: LaneIo, startBytes: number, bytes: number, position: number) {
    this.io = io;
    this.bytes = bytes;
    this.#startBytes = startBytes;
    this.#blockBytes = io.lane.facts.blockBytes;
    this.head = position;
    this.tail = position;
  }

  get usedBytes(): number {
    return this.head - this.tail;
  }

  get freeBytes(): number {
    return this.bytes - this.usedBytes;
  }

  /** Cuts a range at the ring's end and into pieces of a slot at most. */
  cut(position: number, lengthBytes: number): RingPiece[] {
    const pieces: RingPiece[] = [];
    for (let done = 0; done < lengthBytes; ) {
      const within = (position + done) % this.bytes;
      const length = Math.min(lengthBytes - done, this.io.slotBytes, this.bytes - within);
      pieces.push({
        offsetBytes: this.#startBytes + within,
        fromBytes: done,
        lengthBytes: length,
      });
      done += length;
    }
    return pieces;
  }

  /** Reads a range that begins on a block; a read that fails is tried again. */
  read(position: number, lengthBytes: number, done: RingRead): void {
    const block = this.#blockBytes;
    const pieces = this.cut(position, Math.ceil(lengthBytes / block) * block);
    const [only] = pieces;
    assert(only !== undefined, "a read of nothing");
    if (pieces.length === 1) {
      this.#readPiece(only, (errno, bytes) => done(errno, bytes.subarray(0, lengthBytes)));
      this.io.commit();
      return;
    }
    const whole = new Uint8Array(Math.ceil(lengthBytes / block) * block);
    let left = pieces.length;
    let failed = 0;
    for (const piece of pieces) {
      this.#readPiece(piece, (errno, bytes) => {
        failed = errno === 0 ? failed : errno;
        whole.set(bytes, piece.fromBytes);
        left -= 1;
        if (left === 0) {
          done(failed, failed === 0 ? whole.subarray(0, lengthBytes) : nothing);
        }
      });
    }
    this.io.commit();
  }

  #readPiece(piece: RingPiece, done: RingRead): void {
    this.io.acquire((slot) => {
      let tries = 0;
      const attempt = () => {
        this.io.read(slot, piece.offsetBytes, piece.lengthBytes, (errno) => {
          tries += 1;
          if (errno !== 0 && tries <= readRetries) {
            attempt();
            this.io.commit();
            return;
          }
          const bytes =
            errno === 0 ? this.io.bytesOf(slot).subarray(0, piece.lengthBytes) : nothing;
          done(errno, bytes);
          this.io.release(slot);
        });
      };
      attempt();
      this.io.commit();
    });
  }
}
