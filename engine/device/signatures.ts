/**
 * What stands on a device or in a file, found by its magic numbers: partition tables, file systems,
 * RAID, LVM, LUKS, swap, caches and Ceph. Reads only. Names are those of `blkid -p` where it has one.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { OsdynoError } from "../base/error.ts";
import { magicRules } from "./signatures-magic.ts";
import type { Region, Signature } from "./signatures-model.ts";
import { partitionTables } from "./signatures-partition.ts";
import { structuredRules } from "./signatures-structured.ts";

/** Superblocks at the front reach to 512 KiB (two ZFS labels), those at the end to 768 KiB. */
const headBytes = 512 * 1024;
const tailBytes = 768 * 1024;

/** All signatures in a region, in the order of the rules. */
export function findSignatures(region: Region): Signature[] {
  return [...partitionTables, ...structuredRules, ...magicRules].flatMap((rule) => {
    const found = rule(region);
    return found === null ? [] : [found];
  });
}

function readFully(descriptor: number, offset: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const count = readSync(descriptor, buffer, done, length - done, offset + done);
    if (count === 0) {
      break;
    }
    done += count;
  }
  return buffer.subarray(0, done);
}

/** A region over an open descriptor: front and end are read once, the rest when asked for. */
function regionOver(descriptor: number, sizeBytes: number): Region {
  const head = readFully(descriptor, 0, Math.min(sizeBytes, headBytes));
  const tailStart = Math.max(0, sizeBytes - tailBytes);
  const tail = readFully(descriptor, tailStart, sizeBytes - tailStart);
  const bytes = (offset: number, length: number): Buffer | null => {
    if (offset < 0 || offset + length > sizeBytes) {
      return null;
    }
    const found =
      offset + length <= head.length
        ? head.subarray(offset, offset + length)
        : offset >= tailStart
          ? tail.subarray(offset - tailStart, offset - tailStart + length)
          : readFully(descriptor, offset, length);
    return found.length === length ? found : null;
  };
  return { sizeBytes, sectorBytes: [512, 4096], bytes };
}

/**
 * Signatures on a device or file of `sizeBytes` (a file's own size when it is not given). Opens for
 * reading only. Throws `io` when it cannot be read: nobody may take that for empty.
 */
export function probeSignatures(path: string, sizeBytes?: number): Signature[] {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return findSignatures(regionOver(descriptor, sizeBytes ?? fstatSync(descriptor).size));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new OsdynoError("io", `cannot read the signatures of ${path}: ${code}`, {}, error);
  } finally {
    if (descriptor !== undefined) {
      closeSync(descriptor);
    }
  }
}
