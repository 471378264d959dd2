/** Deferred writes that a store's end has left in the key-value store. */
import { OsdynoError } from "../../base/error.ts";
import { type Allocator, ExtentList } from "../../hot/allocator/allocator.ts";
import { type KeyValueStore, KvBatch } from "../../hot/kv/kv.ts";
import { errnos } from "../../port/block-device.ts";
import { decodeDeferred, mergeWrites } from "./deferred.ts";
import type { DiskIo } from "./disk-io.ts";
import { prefixes, u64OfBytes } from "./keys.ts";
import { eachRecord } from "./recover.ts";
import { finished, flushed } from "./waiting.ts";
import { WireReader } from "./wire.ts";

export interface DeferredWrite {
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
}

/** What is still to be written, in order, and what removes its records. */
export interface Outstanding {
  readonly writes: readonly DeferredWrite[];
  /** Number of the newest record; 0: there is none. */
  readonly last: number;
  readonly removal: KvBatch;
}

/** Throws `CorruptRecord`. */
export function outstandingWrites(kv: KeyValueStore): Outstanding {
  const reader = new WireReader();
  const writes: DeferredWrite[] = [];
  const removal = new KvBatch();
  let last = 0;
  eachRecord(kv, prefixes.deferred, (key, value) => {
    last = u64OfBytes(key);
    writes.push(...decodeDeferred(reader.open(value, `deferred write ${last}`)));
    removal.remove(prefixes.deferred, key);
  });
  return { writes, last, removal };
}

/**
 * Takes out of the free space what the writes go to, until their records are removed for good: a mount that
 * ends before that leaves them to the next one, which would write over whoever had got the space.
 */
export function setAside(
  { writes }: Outstanding,
  allocator: Allocator,
  unitBytes: number,
): ExtentList {
  const aside = new ExtentList();
  if (writes.length === 0) {
    return aside;
  }
  const units = writes
    .map(({ offsetBytes, bytes }) => ({
      from: Math.floor(offsetBytes / unitBytes) * unitBytes,
      to: Math.ceil((offsetBytes + bytes.length) / unitBytes) * unitBytes,
    }))
    .sort((a, b) => a.from - b.from);
  allocator.forEachFree((freeFrom, freeBytes) => {
    const freeTo = freeFrom + freeBytes;
    let position = freeFrom;
    for (const { from, to } of units) {
      const start = Math.max(from, position);
      const end = Math.min(to, freeTo);
      if (start < end) {
        aside.push(start, end - start);
        position = end;
      }
    }
  });
  allocator.removeFree(aside);
  return aside;
}

/** Makes the writes durable where they belong; doing so again changes nothing. */
export async function writeOutstanding(
  { writes }: Outstanding,
  io: DiskIo,
  blockBytes: number,
): Promise<void> {
  if (writes.length === 0) {
    return;
  }
  const merged = mergeWrites(writes, blockBytes, io.lane.arena.slotBytes);
  const results = merged.map(({ offsetBytes, bytes }) =>
    finished(io, (owner) => io.write(offsetBytes, bytes, -1, false, owner, 0)),
  );
  const worst = Math.min(...(await Promise.all(results)));
  const flush = await flushed(io);
  if (Math.min(worst, flush) < 0) {
    const errno = worst < 0 ? -worst : -flush || errnos.EIO;
    const { name } = io.lane.facts;
    throw new OsdynoError("io", `${name}: replaying deferred writes failed with errno ${errno}`);
  }
}
