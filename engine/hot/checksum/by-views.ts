import { assert } from "../../base/assert.ts";
import type { Checksum, ChecksumFunction, ChecksumMemory } from "./checksum.ts";

/** Asserts what callers of a `ChecksumFunction` promise. */
export function assertWholeChunks(
  lengthBytes: number,
  chunkBytes: number,
  valueBytes: number,
  room: number,
): void {
  assert(chunkBytes > 0 && lengthBytes % chunkBytes === 0, "checksums are of whole chunks");
  assert((lengthBytes / chunkBytes) * valueBytes === room, "one checksum value for each chunk");
}

/** Registered memory for functions that know nothing of it: a view is made for every call. */
class ViewedMemory implements ChecksumMemory {
  readonly #sums: ChecksumFunction;
  #memory: Uint8Array | null;

  constructor(sums: ChecksumFunction, memory: Uint8Array) {
    this.#sums = sums;
    this.#memory = memory;
  }

  checksum(
    offsetBytes: number,
    lengthBytes: number,
    chunkBytes: number,
    values: Uint8Array,
    valuesAt: number,
  ): void {
    const room = (lengthBytes / chunkBytes) * this.#sums.valueBytes;
    const out = values.subarray(valuesAt, valuesAt + room);
    this.#sums.checksum(this.#view(offsetBytes, lengthBytes), chunkBytes, out);
  }

  verify(
    offsetBytes: number,
    lengthBytes: number,
    chunkBytes: number,
    values: Uint8Array,
    valuesAt: number,
  ): number {
    const room = (lengthBytes / chunkBytes) * this.#sums.valueBytes;
    const expected = values.subarray(valuesAt, valuesAt + room);
    return this.#sums.verify(this.#view(offsetBytes, lengthBytes), chunkBytes, expected);
  }

  close(): void {
    this.#memory = null;
  }

  #view(offsetBytes: number, lengthBytes: number): Uint8Array {
    const memory = this.#memory;
    assert(memory !== null, "checksum memory was used after it was closed");
    assert(offsetBytes + lengthBytes <= memory.length, "a checksum's range lies within its memory");
    return memory.subarray(offsetBytes, offsetBytes + lengthBytes);
  }
}

/** Completes a function to a `Checksum`. */
export function byViews(name: string, sums: ChecksumFunction): Checksum {
  return {
    name,
    valueBytes: sums.valueBytes,
    checksum: (bytes, chunkBytes, values) => {
      assertWholeChunks(bytes.length, chunkBytes, sums.valueBytes, values.length);
      sums.checksum(bytes, chunkBytes, values);
    },
    verify: (bytes, chunkBytes, values) => {
      assertWholeChunks(bytes.length, chunkBytes, sums.valueBytes, values.length);
      return sums.verify(bytes, chunkBytes, values);
    },
    over: (memory) => new ViewedMemory(sums, memory),
  };
}
