/** Puts data on its way to the device: checksums, the log or the disk, and what reads see meanwhile. */
import { assert } from "../../../base/assert.ts";
import { type Blob, hole } from "../blob.ts";
import { InFlightWrite } from "../in-flight.ts";
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
  const beganNs = perf.now();
  if (slot >= 0 && blob.sumType === state.checksumType) {
    state.arenaSums.checksum(slot * state.slotBytes, bytes.length, chunk, blob.sums, at);
  } else {
    const checksum = state.checksums[blob.sumType] ?? null;
    assert(checksum !== null, "a blob has a checksum that cannot be taken");
    const end = at + (bytes.length / chunk) * blob.sumBytes;
    checksum.checksum(bytes, chunk, blob.sums.subarray(at, end));
  }
  perf.add(perf.csum_lat, perf.now() - beganNs);
}

/** Writes to the blob's disk space before the commit. */
export function writeDirect(
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
    const part = length === bytes.length ? bytes : bytes.subarray(done, done + length);
    const write = new InFlightWrite(disk, part);
    state.inFlight.add(write);
    txc.ioLeft += 1;
    txc.hadIo = true;
    txc.writes.push(write);
    state.io.write(disk, part, done === 0 ? slot : -1, txc, txc.writes.length - 1);
    done += length;
  });
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
