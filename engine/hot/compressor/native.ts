/** Compressors of the native side, opened once a thread for each kind and level. */
import { assert } from "../../base/assert.ts";
import { OsdynoError } from "../../base/error.ts";
import { native } from "../../base/native.ts";
import type { Compressor } from "./compressor.ts";

/** What `binding/src/compress.rs` exports. */
interface NativeCompressors {
  compressorLevels(kind: number): [low: number, high: number];
  compressorOpen(kind: number, level: number): number;
  compressorCompress(compressor: number, bytes: Uint8Array, out: Uint8Array): number;
  compressorDecompress(compressor: number, bytes: Uint8Array, out: Uint8Array): boolean;
}

/** Numbers of the kinds on the native side. */
export const nativeCompressorKinds = Object.freeze({ snappy: 0, lz4: 1, zstd: 2, zlib: 3 });

const opened = new Map<string, number>();

function openNative(kind: number, level: number): number {
  const key = `${kind} ${level}`;
  let number = opened.get(key);
  if (number === undefined) {
    number = (native() as unknown as NativeCompressors).compressorOpen(kind, level);
    opened.set(key, number);
  }
  return number;
}

/** Throws `bad-input` when `level`, which `option` holds, is none. */
export function nativeCompressor(
  name: keyof typeof nativeCompressorKinds,
  level: number,
  option: string,
): Compressor {
  const kind = nativeCompressorKinds[name];
  const { compressorLevels, compressorCompress, compressorDecompress } =
    native() as unknown as NativeCompressors;
  const [low, high] = compressorLevels(kind);
  if (!Number.isInteger(level) || level < low || level > high) {
    throw new OsdynoError(
      "bad-input",
      `${option} ${level}: give a whole number from ${low} to ${high}`,
    );
  }
  const number = openNative(kind, level);
  return {
    name,
    compress: (bytes, out) => compressorCompress(number, bytes, out),
    decompress: (bytes, out, expectedBytes) => {
      assert(expectedBytes <= out.length, "room for the bytes that are expected");
      const room = expectedBytes === out.length ? out : out.subarray(0, expectedBytes);
      return compressorDecompress(number, bytes, room);
    },
  };
}
