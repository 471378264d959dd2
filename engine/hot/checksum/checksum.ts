/**
 * The checksums that guard data on a device. Data is cut into chunks, each with one value; values are
 * little-endian, one after the other, as they are stored.
 */

/** How sums are taken. Implementers MUST give the same values for the same bytes on every machine. */
export interface ChecksumFunction {
  /** Bytes of a chunk's value, 0 to 8; 0: nothing is checked. */
  readonly valueBytes: number;
  /**
   * Writes the value of every chunk of `bytes` to `values`. Callers MUST pass whole chunks, and
   * `values` of exactly `valueBytes` a chunk. `bytes` MUST NOT be changed.
   */
  checksum(bytes: Uint8Array, chunkBytes: number, values: Uint8Array): void;
  /** Index of the first chunk whose value is not the one in `values`, -1 when all are right. */
  verify(bytes: Uint8Array, chunkBytes: number, values: Uint8Array): number;
}

/**
 * Sums over memory that was registered once, such as a device's arena: several times cheaper a call
 * than with a fresh view, which matters for blobs of 4 KiB.
 */
export interface ChecksumMemory {
  /** As `ChecksumFunction.checksum`, over a range of the memory; values are written from `valuesAt`. */
  checksum(
    offsetBytes: number,
    lengthBytes: number,
    chunkBytes: number,
    values: Uint8Array,
    valuesAt: number,
  ): void;
  /** As `ChecksumFunction.verify`, over a range of the memory, with the values from `valuesAt`. */
  verify(
    offsetBytes: number,
    lengthBytes: number,
    chunkBytes: number,
    values: Uint8Array,
    valuesAt: number,
  ): number;
  /** Gives the memory back. Not to be used any more. */
  close(): void;
}

/** A checksum as the store uses it. */
export interface Checksum extends ChecksumFunction {
  readonly name: string;
  /** Registers memory, which MUST NOT be detached or resized before `close`. */
  over(memory: Uint8Array): ChecksumMemory;
}
