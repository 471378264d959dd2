/** Puts data on its way to the device: checksums, the log or the disk, and what reads see meanwhile. */
import { assert } from "../../../base/assert.ts";
import { type Blob, hole } from "../blob.ts";
import { InFlightWrite } from "../in-flight.ts";
import { timedOneIn } from "../perf.ts";
import type { StoreState } from "../state.ts";
import type { Txc } from "../txc.ts";

/** Takes the checksums of `bytes`, which go to the blob from `offset` on. */
export function sumInto(
  state: StoreState,
  blob: Blob,
  offset: number,
  bytes: Uint8Array,
  slot: number,
): void {
  if (blob.sumBytes === 0) {
    return;
  }
  const chunk = 2 ** blob.sumOrder;
  blob.growSums(Math.max(offset + bytes.length, blob.diskBytes));
  const at = (offset / chunk) * blob.sumBytes;
  const { perf } = state;
  const timed = perf.sums.next();
  const beganNs = timed ? perf.now() : 0;
  if (slot >= 0 && blob.sumType === state.checksumType) {
    state.arenaSums.checksum(slot * state.slotBytes, bytes.length, chunk, blob.sums, at);
  } else {
    const checksum = state.checksums[blob.sumType] ?? null;
    assert(checksum !== null, "a blob has a checksum that cannot be taken");
    const end = at + (bytes.length / chunk) * blob.sumBytes;
    checksum.checksum(bytes, chunk, blob.sums.subarray(at, end));
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
  #slot = -1;

  /** Data for the blob from `offset` on; `slot`: the bytes are the first of this slot, -1: not so. */
  add(
    state: StoreState,
    txc: Txc,
    blob: Blob,
    offset: number,
    bytes: Uint8Array,
    slot: number,
  ): void {
    let done = 0;
    blob.eachDisk(offset, bytes.length, (disk, length) => {
      assert(disk !== hole, "data is written where nothing is allocated");
      const last = this.#bytes;
      const from = bytes.byteOffset + done;
      if (
        last !== null &&
        disk === this.#disk + this.#length &&
        bytes.buffer === last.buffer &&
        from === last.byteOffset + this.#length
      ) {
        this.#length += length;
      } else {
        this.end(state, txc);
        this.#disk = disk;
        this.#length = length;
        this.#bytes = done === 0 ? bytes : bytes.subarray(done);
        this.#slot = done === 0 ? slot : -1;
      }
      done += length;
    });
  }

  /** Hands over what was gathered. */
  end(state: StoreState, txc: Txc): void {
    const first = this.#bytes;
    if (first === null) {
      return;
    }
    const whole = this.#length === first.length;
    const part = whole ? first : new Uint8Array(first.buffer, first.byteOffset, this.#length);
    const write = new InFlightWrite(this.#disk, part);
    this.#bytes = null;
    state.inFlight.add(write);
    txc.ioLeft += 1;
    txc.hadIo = true;
    txc.writes.push(write);
    // A large one does not wait for others to share a flush with.
    const durable = part.length >= state.options.durableWriteBytes && state.io.takesDurable(part);
    if (durable) {
      txc.durableBytes += part.length;
    } else {
      txc.unflushed = true;
    }
    state.io.write(this.#disk, part, this.#slot, durable, txc, txc.writes.length - 1);
  }
}

const alone = new DirectWrites();

/** Writes to the blob's disk space before the commit. */
export function writeDirect(
  state: StoreState,
  txc: Txc,
  blob: Blob,
  offset: number,
  bytes: Uint8Array,
  slot: number,
): void {
  alone.add(state, txc, blob, offset, bytes, slot);
  alone.end(state, txc);
}

/** Puts data for the blob's disk space into the log; it is written in place after the commit. */
export function writeDeferred(
  state: StoreState,
  txc: Txc,
  blob: Blob,
  offset: number,
  bytes: Uint8Array,
  owned: boolean,
): void {
  // This copy outlives the transaction, what the caller lent does not.
  const kept = owned ? bytes : bytes.slice();
  let done = 0;
  blob.eachDisk(offset, kept.length, (disk, length) => {
    assert(disk !== hole, "data is written where nothing is allocated");
    const part = kept.subarray(done, done + length);
    const write = new InFlightWrite(disk, part);
    state.inFlight.add(write);
    txc.deferred.push(write);
    txc.deferredBytes += length;
    state.counters.issued_deferred_writes += 1;
    state.counters.issued_deferred_write_bytes += length;
    done += length;
  });
}
