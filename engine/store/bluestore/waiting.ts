/** Promises for what calls back, for the flows that are a sequence: making, mounting, checking. */
import { OsdynoError } from "../../base/error.ts";
import type { KeyValueStore, KvBatch } from "../../hot/kv/kv.ts";
import type { DiskIo } from "./disk-io.ts";

export function commit(kv: KeyValueStore, batch: KvBatch, device: string): Promise<void> {
  return new Promise((resolve, reject) => {
    kv.commit([batch], (errno) => {
      if (errno === 0) {
        resolve();
      } else {
        reject(new OsdynoError("io", `${device}: a commit failed with errno ${errno}`));
      }
    });
  });
}

/** Starts requests of one owner and hands them over; 0 or the worst negative errno. */
export function finished(
  io: DiskIo,
  start: (owner: { ioDone(result: number): void }) => void,
): Promise<number> {
  return new Promise((resolve) => {
    start({ ioDone: (result) => resolve(result) });
    io.commit();
  });
}

export function flushed(io: DiskIo): Promise<number> {
  return finished(io, (owner) => io.flush(owner, 0));
}
