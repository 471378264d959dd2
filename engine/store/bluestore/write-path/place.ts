/** Puts data on its way to the device: checksums, the log or the disk, and what reads see meanwhile. */
import { assert } from "../../../base/assert.ts";
import { type Blob, hole } from "../blob.ts";
import { InFlightWrite } from "../in-flight.ts";
import { timedOneIn } from "../perf.ts";
import type { StoreState } from "../state.ts";
import type { Txc } from "../txc.ts";
import type { NewWrite } from "./context.ts";

/**
 * Takes the checksums of `count` bytes of `bytes` from `at` on, which go to the blob from `offset` on;
 * `slot`: `bytes` are the first of this slot, -1: not so.
 */
export function sumInto(
  state: StoreState,
  blob: Blob,
  offset: number,
  bytes: Uint8Array,
  at: number,
  count: number,
  slot: number,
): void {
  if (blob.sumBytes === 0) {
    return;
  }
  const chunk = 1 << blob.sumOrder;
  blob.growSums(Math.max(offset + count, blob.diskBytes));
  const first = (offset / chunk) * blob.sumBytes;
  const { perf } = state;
  const timed = perf.sums.next();
  const beganNs = timed ? perf.now() : 0;
  if (slot >= 0 && blob.sumType === state.checksumType) {
    state.arenaSums.checksum(slot * state.slotBytes + at, count, chunk, blob.sums, first);
  } else {
    const checksum = state.checksums[blob.sumType] ?? null;
    assert(checksum !== null, "a blob has a checksum that cannot be taken");
    const from = count === bytes.length ? bytes : bytes.subarray(at, at + count);
    const end = first + (count / chunk) * blob.sumBytes;
    checksum.checksum(from, chunk, blob.sums.subarray(first, end));
  }
  if (timed) {
    perf.add(perf.csum_lat, perf.now() - beganNs, timedOneIn);
  }
}

/**
 * Writes to disk space before the commit. What lies together in memory and goes to space that lies
 * together is one write, also over several blobs: 4 MiB in a slot reach the device uncopied.
 */
export class DirectWrites {
  #disk = 0;
  #length = 0;
  #bytes: Uint8Array | null = null;
  #at = 0;
  #slot = -1;

  /** The blob has its space. */
  add(state: StoreState, txc: Txc, item: NewWrite): void {
    const { blob, padOffset, bytes, bytesAt, byteCount, slot } = item;
    const end = padOffset + byteCount;
    let start = 0;
    for (let index = 0; index < blob.diskCount && start < end; index += 1) {
      const disk = blob.diskOffset(index);
      const stop = start + blob.diskLength(index);
      const from = Math.max(start, padOffset);
      const length = Math.min(stop, end) - from;
      if (length > 0) {
        assert(disk !== hole, "data is written where nothing is allocated");
        const at = bytesAt + from - padOffset;
        this.put(state, txc, disk + from - start, length, bytes, at, slot);
      }
      start = stop;
    }
  }

  /** `length` bytes of `bytes` from `at` on go to `disk`; `slot`: `bytes` are its first, -1: not so. */
  put(
    state: StoreState,
    txc: Txc,
    disk: number,
    length: number,
    bytes: Uint8Array,
    at: number,
    slot: number,
  ): void {
    const follows = disk === this.#disk + this.#length && at === this.#at + this.#length;
    if (follows && bytes === this.#bytes) {
      this.#length += length;
      return;
    }
    this.end(state, txc);
    this.#disk = disk;
    this.#length = length;
    this.#bytes = bytes;
    this.#at = at;
    this.#slot = at === 0 ? slot : -1;
  }

  /** Hands over what was gathered. */
  end(state: StoreState, txc: Txc): void {
    const first = this.#bytes;
    if (first === null) {
      return;
    }
    const whole = this.#length === first.length;
    const part = whole ? first : first.subarray(this.#at, this.#at + this.#length);
    this.#bytes = null;
    startWrite(state, txc, this.#disk, part, this.#slot);
  }
}

/** Writes the bytes to `disk`; `slot`: they are its first, -1: not so. */
function startWrite(
  state: StoreState,
  txc: Txc,
  disk: number,
  bytes: Uint8Array,
  slot: number,
): void {
  const write = new InFlightWrite(disk, bytes);
  state.inFlight.add(write);
  txc.ioLeft += 1;
  txc.hadIo = true;
  txc.writes.push(write);
  // A large one does not wait for others to share a flush with.
  const durable = bytes.length >= state.options.durableWriteBytes && state.io.takesDurable(bytes);
  if (durable) {
    txc.durableBytes += bytes.length;
  } else {
    txc.unflushed = true;
  }
  state.io.write(disk, bytes, slot, durable, txc, txc.writes.length - 1);
}

const alone = new DirectWrites();

/** Writes to the blob's disk space before the commit. */
export function writeDirect(
  state: StoreState,
  txc: Txc,
  blob: Blob,
  offset: number,
  bytes: Uint8Array,
): void {
  blob.eachDisk(offset, bytes.length, (disk, length, from) => {
    assert(disk !== hole, "data is written where nothing is allocated");
    alone.put(state, txc, disk, length, bytes, from - offset, -1);
  });
  alone.end(state, txc);
}

/**
 * Puts data for the blob's disk space into the log; it is written in place after the commit. `bytes`
 * MUST NOT change until then.
 */
export function writeDeferred(
  state: StoreState,
  txc: Txc,
  blob: Blob,
  offset: number,
  bytes: Uint8Array,
): void {
  blob.eachDisk(offset, bytes.length, (disk, length, from) => {
    assert(disk !== hole, "data is written where nothing is allocated");
    const write = new InFlightWrite(disk, bytes.subarray(from - offset, from - offset + length));
    state.inFlight.add(write);
    txc.deferred.push(write);
    txc.deferredBytes += length;
    state.counters.issued_deferred_writes += 1;
    state.counters.issued_deferred_write_bytes += length;
  });
}
