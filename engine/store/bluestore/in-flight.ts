/**
 * Data that is on its way to the device, by disk block: reads take it from here, so that they see every
 * write at once, whatever the device does first.
 */
import { assert } from "../../base/assert.ts";
import type { BufferCache } from "./caches.ts";

/** Bytes for a disk extent. They are lent until the write is told to have ended. */
export class InFlightWrite {
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;

  constructor(offsetBytes: number, bytes: Uint8Array) {
    this.offsetBytes = offsetBytes;
    this.bytes = bytes;
  }
}

export class InFlight {
  readonly blockBytes: number;
  readonly #blocks = new Map<number, InFlightWrite>();
  readonly #buffers: BufferCache;
  readonly #keep: boolean;

  /** Blocks that are written leave the buffers; with `keep` they come back once they are on the device. */
  constructor(blockBytes: number, buffers: BufferCache, keep: boolean) {
    this.blockBytes = blockBytes;
    this.#buffers = buffers;
    this.#keep = keep;
  }

  get empty(): boolean {
    return this.#blocks.size === 0;
  }

  /** No block is here or in the buffers. */
  get nothing(): boolean {
    return this.#blocks.size === 0 && this.#buffers.empty;
  }

  has(offsetBytes: number): boolean {
    return this.#blocks.size > 0 && this.#blocks.has(offsetBytes / this.blockBytes);
  }

  add(write: InFlightWrite): void {
    const { blockBytes } = this;
    const first = write.offsetBytes / blockBytes;
    const end = first + write.bytes.length / blockBytes;
    assert(Number.isInteger(first) && Number.isInteger(end), "a disk write is not whole blocks");
    this.#buffers.forget(write.offsetBytes, write.bytes.length);
    for (let block = first; block < end; block += 1) {
      this.#blocks.set(block, write);
    }
  }

  /** The write has reached the device. Blocks that a later one has taken over stay. */
  remove(write: InFlightWrite): void {
    const first = write.offsetBytes / this.blockBytes;
    const end = first + write.bytes.length / this.blockBytes;
    for (let block = first; block < end; block += 1) {
      if (this.#blocks.get(block) === write) {
        this.#blocks.delete(block);
        if (this.#keep) {
          const offset = block * this.blockBytes;
          this.#buffers.add(offset, write.bytes, offset - write.offsetBytes);
        }
      }
    }
  }

  /** Copies the blocks of the extent that are here or in the buffers; calls back for runs of the others. */
  eachMissing(
    offsetBytes: number,
    lengthBytes: number,
    into: Uint8Array,
    at: number,
    missing: (offsetBytes: number, lengthBytes: number, at: number) => void,
  ): void {
    if (this.nothing) {
      missing(offsetBytes, lengthBytes, at);
      return;
    }
    const { blockBytes } = this;
    let first = -1;
    for (let done = 0; done < lengthBytes; done += blockBytes) {
      const block = (offsetBytes + done) / blockBytes;
      const write = this.#blocks.get(block);
      const buffer = write === undefined ? this.#buffers.get(block) : undefined;
      if (write === undefined && buffer === undefined) {
        first = first < 0 ? done : first;
        continue;
      }
      if (first >= 0) {
        missing(offsetBytes + first, done - first, at + first);
        first = -1;
      }
      if (write !== undefined) {
        const from = offsetBytes + done - write.offsetBytes;
        into.set(write.bytes.subarray(from, from + blockBytes), at + done);
      } else if (buffer !== undefined) {
        into.set(buffer, at + done);
      }
    }
    if (first >= 0) {
      missing(offsetBytes + first, lengthBytes - first, at + first);
    }
  }
}
