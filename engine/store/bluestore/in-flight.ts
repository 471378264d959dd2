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

/** Blocks of a write from which on it is kept as one: a table of its blocks would cost more than it. */
const runBlocks = 64;

export class InFlight {
  readonly blockBytes: number;
  readonly #blocks = new Map<number, InFlightWrite>();
  /** Long ones, the newest last; none is newer than what `#blocks` has of it. */
  readonly #runs: InFlightWrite[] = [];
  readonly #buffers: BufferCache;
  readonly #keep: boolean;

  /** Blocks that are written leave the buffers; with `keep` they come back once they are on the device. */
  constructor(blockBytes: number, buffers: BufferCache, keep: boolean) {
    this.blockBytes = blockBytes;
    this.#buffers = buffers;
    this.#keep = keep;
  }

  get empty(): boolean {
    return this.#blocks.size === 0 && this.#runs.length === 0;
  }

  /** No block is here or in the buffers. */
  get nothing(): boolean {
    return this.empty && this.#buffers.empty;
  }

  has(offsetBytes: number): boolean {
    return !this.empty && this.#find(offsetBytes / this.blockBytes) !== undefined;
  }

  #find(block: number): InFlightWrite | undefined {
    const found = this.#blocks.get(block);
    if (found !== undefined || this.#runs.length === 0) {
      return found;
    }
    const offset = block * this.blockBytes;
    for (let at = this.#runs.length - 1; at >= 0; at -= 1) {
      const run = this.#runs[at] as InFlightWrite;
      if (offset >= run.offsetBytes && offset < run.offsetBytes + run.bytes.length) {
        return run;
      }
    }
    return undefined;
  }

  add(write: InFlightWrite): void {
    const { blockBytes } = this;
    const first = write.offsetBytes / blockBytes;
    const end = first + write.bytes.length / blockBytes;
    assert(Number.isInteger(first) && Number.isInteger(end), "a disk write is not whole blocks");
    this.#buffers.forget(write.offsetBytes, write.bytes.length);
    if (end - first >= runBlocks) {
      for (let block = first; block < end && this.#blocks.size > 0; block += 1) {
        this.#blocks.delete(block);
      }
      this.#runs.push(write);
      return;
    }
    for (let block = first; block < end; block += 1) {
      this.#blocks.set(block, write);
    }
  }

  /** The write has reached the device. Blocks that a later one has taken over stay. */
  remove(write: InFlightWrite): void {
    const first = write.offsetBytes / this.blockBytes;
    const end = first + write.bytes.length / this.blockBytes;
    const asRun = end - first >= runBlocks;
    for (let block = first; block < end && (this.#keep || !asRun); block += 1) {
      if (this.#find(block) === write) {
        this.#blocks.delete(block);
        if (this.#keep) {
          const offset = block * this.blockBytes;
          this.#buffers.add(offset, write.bytes, offset - write.offsetBytes);
        }
      }
    }
    if (asRun) {
      this.#runs.splice(this.#runs.indexOf(write), 1);
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
      const write = this.#find(block);
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
