/** Tells a log that has lost its roots from what never was one: by the entries that it still holds. */
import { crc32c } from "../../base/crc32c.ts";
import { entryBytes, entryFlags } from "./log-format.ts";

/**
 * So much of a log's beginning is looked through, bytes: of either mode there is an entry in it once one was
 * written, for it is longer than the longest record.
 */
export const traceBytes = 64 << 20;

const allFlags = Object.values(entryFlags).reduce((sum, flag) => sum | flag, 0);

/** Whether there is an entry of any log in bytes that begin on a block of 64. */
export function holdsRecords(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
    const flags = view.getUint32(at + 60, true);
    // Most other bytes end here, without their checksum.
    if ((flags & entryFlags.valid) === 0 || (flags & ~allFlags) !== 0) {
      continue;
    }
    if (view.getUint32(at, true) === crc32c(bytes, at + 4, at + entryBytes)) {
      return true;
    }
  }
  return false;
}
