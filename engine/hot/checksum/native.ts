/**
 * Checksums of the native side. A request is a row of doubles in shared memory: kind, memory, offset,
 * length, chunk, 1 to verify, bytes of values, unused; the values follow. Then one call of a plain
 * function without arguments does it. Measured on Node 24: an argument that is a number costs 50 ns, a
 * typed array 45, a new view of the data 20 to 40, and a method of a native class 190.
 */
import { assert } from "../../base/assert.ts";
import { native } from "../../base/native.ts";
import { assertWholeChunks } from "./by-views.ts";
import type { Checksum, ChecksumMemory } from "./checksum.ts";

/** What `binding/src/checksum.rs` exports. */
export interface NativeChecksums {
  checksumDesk(): ArrayBuffer;
  checksumRegister(memory: Uint8Array): number;
  checksumForget(handle: number): void;
  checksumRun(): number;
  checksumOnce(kind: number, bytes: Uint8Array, chunkBytes: number, values: Uint8Array): void;
  checksumVerifyOnce(
    kind: number,
    bytes: Uint8Array,
    chunkBytes: number,
    values: Uint8Array,
  ): number;
  /** Nanoseconds of `rounds` times the sums of `bytes` on the native side alone. */
  checksumKernelNs(kind: number, bytes: Uint8Array, chunkBytes: number, rounds: number): number;
  /** The instructions that crc32c uses here; the library that benches compare with, if installed. */
  checksumFacts(): [instructions: string, peer: string | null];
}

/** Numbers of the kinds on the native side. */
export const nativeKinds = Object.freeze({
  none: 0,
  crc32c: 1,
  crc32c_16: 2,
  crc32c_8: 3,
  xxhash32: 4,
  xxhash64: 5,
  /** ISA-L's crc32_iscsi, which benches compare with. */
  peer: 100,
});

const requestBytes = 64;

/** The addon's exports as this hot path knows them. */
export function nativeChecksums(): NativeChecksums {
  return native() as unknown as NativeChecksums;
}

/** Where requests are laid down. */
class Desk {
  readonly native = nativeChecksums();
  readonly request: Float64Array;
  readonly values: Uint8Array;

  constructor(shared: ArrayBuffer) {
    this.request = new Float64Array(shared, 0, requestBytes / 8);
    this.values = new Uint8Array(shared, requestBytes);
  }
}

let openDesk: Desk | undefined;

/**
 * The thread's desk. Its memory is kept with the addon, not here: there is one a thread, but a test
 * runner evaluates this module several times in a thread.
 */
function theDesk(): Desk {
  if (openDesk === undefined) {
    const addon = native() as { checksumDeskMemory?: ArrayBuffer };
    addon.checksumDeskMemory ??= nativeChecksums().checksumDesk();
    openDesk = new Desk(addon.checksumDeskMemory);
  }
  return openDesk;
}

class NativeMemory implements ChecksumMemory {
  readonly #desk = theDesk();
  readonly #kind: number;
  readonly #valueBytes: number;
  readonly #sizeBytes: number;
  readonly #handle: number;
  #open = true;

  constructor(kind: number, valueBytes: number, memory: Uint8Array) {
    this.#kind = kind;
    this.#valueBytes = valueBytes;
    this.#sizeBytes = memory.length;
    this.#handle = this.#desk.native.checksumRegister(memory);
  }

  checksum(
    offsetBytes: number,
    lengthBytes: number,
    chunkBytes: number,
    values: Uint8Array,
    valuesAt: number,
  ): void {
    const shared = this.#desk.values;
    let at = valuesAt;
    for (let done = 0; done < lengthBytes; ) {
      const part = this.#part(lengthBytes - done, chunkBytes);
      const room = (part / chunkBytes) * this.#valueBytes;
      assert(at + room <= values.length, "room for one checksum value for each chunk");
      this.#run(offsetBytes + done, part, chunkBytes, 0, room);
      for (let index = 0; index < room; index += 1) {
        values[at + index] = shared[index] as number;
      }
      at += room;
      done += part;
    }
  }

  verify(
    offsetBytes: number,
    lengthBytes: number,
    chunkBytes: number,
    values: Uint8Array,
    valuesAt: number,
  ): number {
    const shared = this.#desk.values;
    let at = valuesAt;
    for (let done = 0; done < lengthBytes; ) {
      const part = this.#part(lengthBytes - done, chunkBytes);
      const room = (part / chunkBytes) * this.#valueBytes;
      assert(at + room <= values.length, "one checksum value for each chunk");
      for (let index = 0; index < room; index += 1) {
        shared[index] = values[at + index] as number;
      }
      const bad = this.#run(offsetBytes + done, part, chunkBytes, 1, room);
      if (bad >= 0) {
        return done / chunkBytes + bad;
      }
      at += room;
      done += part;
    }
    return -1;
  }

  close(): void {
    if (this.#open) {
      this.#open = false;
      this.#desk.native.checksumForget(this.#handle);
    }
  }

  /** As many bytes as one request has room for the values of. */
  #part(lengthBytes: number, chunkBytes: number): number {
    const most = Math.floor(this.#desk.values.length / this.#valueBytes) * chunkBytes;
    return Math.min(lengthBytes, most);
  }

  #run(
    offsetBytes: number,
    lengthBytes: number,
    chunkBytes: number,
    verify: number,
    room: number,
  ): number {
    assert(this.#open, "checksum memory was used after it was closed");
    assert(chunkBytes > 0 && lengthBytes % chunkBytes === 0, "checksums are of whole chunks");
    assert(
      offsetBytes + lengthBytes <= this.#sizeBytes,
      "a checksum's range lies within its memory",
    );
    const { request } = this.#desk;
    request[0] = this.#kind;
    request[1] = this.#handle;
    request[2] = offsetBytes;
    request[3] = lengthBytes;
    request[4] = chunkBytes;
    request[5] = verify;
    request[6] = room;
    const answer = this.#desk.native.checksumRun();
    assert(answer !== -2, "the native side refused a checksum request");
    return answer;
  }
}

/** One of `nativeKinds`. */
export function nativeChecksum(name: string, kind: number, valueBytes: number): Checksum {
  const { checksumOnce, checksumVerifyOnce } = nativeChecksums();
  return {
    name,
    valueBytes,
    checksum: (bytes, chunkBytes, values) => {
      assertWholeChunks(bytes.length, chunkBytes, valueBytes, values.length);
      checksumOnce(kind, bytes, chunkBytes, values);
    },
    verify: (bytes, chunkBytes, values) => {
      assertWholeChunks(bytes.length, chunkBytes, valueBytes, values.length);
      return checksumVerifyOnce(kind, bytes, chunkBytes, values);
    },
    over: (memory) => new NativeMemory(kind, valueBytes, memory),
  };
}
