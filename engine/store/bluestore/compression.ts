/** Compressed blobs: a header (algorithm, length), the compressed bytes, zeroes up to whole units. */
import { allocHints } from "../transaction.ts";
import type { CompressionMode } from "./options.ts";
import { foreignNumbers } from "./parts.ts";

/** A compressor as the store uses it (`engine/hot/compressor`). */
export interface BlobCompressor {
  readonly name: string;
  compress(bytes: Uint8Array, out: Uint8Array): number;
  decompress(bytes: Uint8Array, out: Uint8Array, expectedBytes: number): boolean;
}

/** Numbers of the algorithms in the header; 0 is none. */
export const compressorIds = Object.freeze({ snappy: 1, zlib: 2, zstd: 3, lz4: 4 } as const);

export const compressionHeaderBytes = 5;

/** The compressors that a store may meet, and the one that it uses. */
export class Compression {
  readonly #byId = new Map<number, BlobCompressor>();
  readonly #names = new Map<number, string>(
    Object.entries(compressorIds).map(([name, id]) => [id, name]),
  );
  readonly #ids: ReadonlyMap<string, number>;
  readonly #make: (name: string) => BlobCompressor;
  #scratch = new Uint8Array(0);

  /** `foreign`: names of what plug-ins bring. */
  constructor(make: (name: string) => BlobCompressor, foreign: readonly string[] = []) {
    this.#make = make;
    for (const [id, name] of foreignNumbers(foreign)) {
      this.#names.set(id, name);
    }
    this.#ids = new Map([...this.#names].map(([id, name]) => [name, id]));
  }

  #compressor(id: number): BlobCompressor | null {
    let found = this.#byId.get(id);
    if (found === undefined) {
      const name = this.#names.get(id);
      if (name === undefined) {
        return null;
      }
      found = this.#make(name);
      this.#byId.set(id, found);
    }
    return found;
  }

  /** Header and compressed bytes, a copy; `null`: they would take more than `mostBytes`. */
  compress(name: string, bytes: Uint8Array, mostBytes: number): Uint8Array | null {
    const id = this.#ids.get(name) ?? 0;
    const compressor = this.#compressor(id);
    if (compressor === null || mostBytes <= compressionHeaderBytes) {
      return null;
    }
    if (this.#scratch.length < mostBytes) {
      this.#scratch = new Uint8Array(mostBytes);
    }
    const out = this.#scratch.subarray(compressionHeaderBytes, mostBytes);
    const length = compressor.compress(bytes, out);
    if (length < 0) {
      return null;
    }
    const header = this.#scratch;
    header[0] = id;
    header[1] = length;
    header[2] = length >>> 8;
    header[3] = length >>> 16;
    header[4] = length >>> 24;
    return this.#scratch.slice(0, compressionHeaderBytes + length);
  }

  /** `false`: the bytes are no compressed blob of `into.length` bytes. */
  decompress(bytes: Uint8Array, into: Uint8Array): boolean {
    const compressor = this.#compressor(bytes[0] ?? 0);
    if (compressor === null || bytes.length < compressionHeaderBytes) {
      return false;
    }
    const [, first, second, third, fourth] = bytes as unknown as number[];
    const length =
      ((first as number) |
        ((second as number) << 8) |
        ((third as number) << 16) |
        ((fourth as number) << 24)) >>>
      0;
    const end = compressionHeaderBytes + length;
    return (
      end <= bytes.length &&
      compressor.decompress(bytes.subarray(compressionHeaderBytes, end), into, into.length)
    );
  }
}

/** Whether writes to an object with these hints are to be compressed. */
export function wantsCompression(mode: CompressionMode, hints: number): boolean {
  switch (mode) {
    case "none":
      return false;
    case "passive":
      return (hints & allocHints.compressible) !== 0;
    case "aggressive":
      return (hints & allocHints.incompressible) === 0;
    default:
      return true;
  }
}
