/**
 * What a commit stands on: data that was written before it on the main device, and need not be durable
 * yet. One flush serves both then; after a crash the commit is there only if its data is.
 */
import { OsdynoError } from "../../base/error.ts";
import { openChecksum } from "../checksum/registry.ts";
import { readU32, writeU32 } from "./page.ts";

/** One premise: u64 offset on the main device, u32 bytes, u32 crc32c of them as stores have it. */
const entryBytes = 16;

/** A list of premises as key-value stores take it and keep it in their logs. */
export class Premises {
  #bytes = new Uint8Array(4 * entryBytes);
  #used = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }

  get empty(): boolean {
    return this.#used === 0;
  }

  clear(): void {
    this.#used = 0;
  }

  add(offsetBytes: number, lengthBytes: number, sum: number): void {
    this.#makeRoom(entryBytes);
    const at = this.#used;
    writeU32(this.#bytes, at, offsetBytes % 2 ** 32);
    writeU32(this.#bytes, at + 4, Math.floor(offsetBytes / 2 ** 32));
    writeU32(this.#bytes, at + 8, lengthBytes);
    writeU32(this.#bytes, at + 12, sum);
    this.#used = at + entryBytes;
  }

  append(others: Premises): void {
    if (!others.empty) {
      this.#makeRoom(others.#used);
      this.#bytes.set(others.bytes, this.#used);
      this.#used += others.#used;
    }
  }

  #makeRoom(bytes: number): void {
    if (this.#used + bytes > this.#bytes.length) {
      const larger = new Uint8Array(2 * (this.#used + bytes));
      larger.set(this.bytes);
      this.#bytes = larger;
    }
  }
}

type Read = (offsetBytes: number, lengthBytes: number) => Promise<Uint8Array>;

/** What is not as it should be is read so often: a read may be wrong, once. */
const reads = 4;

/** `null`: it cannot be read, however often `read` has tried. */
async function readable(read: Promise<Uint8Array>): Promise<Uint8Array | null> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof OsdynoError && error.code === "io") {
      return null;
    }
    throw error;
  }
}

/** Whether all their data is on the device, and can be read: a write that a crash tore may not be. */
export async function premisesHold(premises: Uint8Array, read: Read): Promise<boolean> {
  for (let at = 0; at < premises.length; at += entryBytes) {
    let holds = false;
    for (let left = reads; left > 0 && !holds; left -= 1) {
      holds = await isThere(premises.subarray(at, at + entryBytes), read);
    }
    if (!holds) {
      return false;
    }
  }
  return true;
}

async function isThere(premise: Uint8Array, read: Read): Promise<boolean> {
  const offset = readU32(premise, 0) + readU32(premise, 4) * 2 ** 32;
  const bytes = await readable(read(offset, readU32(premise, 8)));
  if (bytes === null) {
    return false;
  }
  const sum = new Uint8Array(4);
  openChecksum("crc32c").checksum(bytes, bytes.length, sum);
  return readU32(sum, 0) === readU32(premise, 12);
}
