/**
 * The compressors of blobs: whole buffers in and out. What is compressed carries neither its length nor
 * a checksum; the store keeps both.
 */
export interface Compressor {
  readonly name: string;
  /**
   * Compresses `bytes` to the start of `out`; the bytes written, or -1 when they do not fit. `bytes` and
   * `out` MUST NOT overlap. The same bytes MUST give the same result every time.
   */
  compress(bytes: Uint8Array, out: Uint8Array): number;
  /**
   * Decompresses to exactly `expectedBytes` bytes at the start of `out`; `false` when `bytes` are damaged
   * or of another length. MUST end on any input, with no more memory than the two buffers and what the
   * compressor holds anyway.
   */
  decompress(bytes: Uint8Array, out: Uint8Array, expectedBytes: number): boolean;
}

/** Options of the compressors, by Ceph's names. */
export interface CompressorOptions {
  /** -131072 (fastest) to 22. */
  readonly compressor_zstd_level?: number;
  /** 0 (stored) to 9. */
  readonly compressor_zlib_level?: number;
  /** What a plug-in takes beside. */
  readonly [option: string]: unknown;
}

/** Ceph's defaults. */
export const compressorDefaults = Object.freeze({
  compressor_zstd_level: 1,
  compressor_zlib_level: 5,
});
