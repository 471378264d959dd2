/** Reads through what a log holds in long pieces, several under way at once. */
import type { Ring } from "./ring.ts";

/** Read at once, of each of the two parts. */
export const scanBytes = 2 << 20;

/** Reads a range of the device or the ring, of any length. Throws `io`. */
type ReadRange = (position: number, lengthBytes: number) => Promise<Uint8Array>;

/** Bytes of the ring, which may wrap. Throws `io`. */
export async function readRing(
  ring: Ring,
  position: number,
  lengthBytes: number,
): Promise<Uint8Array> {
  const [only, ...more] = ring.cut(position, lengthBytes);
  if (only !== undefined && more.length === 0) {
    return await ring.io.readRange(only.offsetBytes, only.lengthBytes);
  }
  const bytes = new Uint8Array(lengthBytes);
  const parts = ring.cut(position, lengthBytes).map(async (piece) => {
    bytes.set(await ring.io.readRange(piece.offsetBytes, piece.lengthBytes), piece.fromBytes);
  });
  await Promise.all(parts);
  return bytes;
}

/**
 * A range that is gone through once, from its beginning: what is asked for lies in the part that was read
 * last, most of the time, while the next one is on its way.
 */
export class LogScan {
  readonly #read: ReadRange;
  readonly #end: number;
  readonly #partBytes: number;
  #from: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #next: Promise<Uint8Array> | null = null;
  #nextFrom: number;

  /** `end`: nothing is asked for beyond it. */
  constructor(read: ReadRange, from: number, end: number, partBytes = scanBytes) {
    this.#read = read;
    this.#from = from;
    this.#nextFrom = from;
    this.#end = end;
    this.#partBytes = partBytes;
  }

  /** The bytes, if they are in the part that was read last. */
  at(position: number, lengthBytes: number): Uint8Array | null {
    const from = position - this.#from;
    return from >= 0 && from + lengthBytes <= this.#bytes.length
      ? this.#bytes.subarray(from, from + lengthBytes)
      : null;
  }

  /** The bytes, valid until the next call; `null`: the range ends before them. Throws `io`. */
  async bytes(position: number, lengthBytes: number): Promise<Uint8Array | null> {
    if (position + lengthBytes > this.#end) {
      return null;
    }
    for (;;) {
      const there = this.at(position, lengthBytes);
      if (there !== null) {
        return there;
      }
      try {
        await this.#advance(position);
      } catch {
        // Something near it cannot be read: that matters only where it is asked for.
        this.forget();
        return await this.#read(position, lengthBytes);
      }
    }
  }

  /** Reads anew what is asked for from now on. */
  forget(): void {
    this.#bytes = new Uint8Array(0);
    this.#next = null;
  }

  /** On to the next part, behind what is left of this one from `position` on. */
  async #advance(position: number): Promise<void> {
    const left = this.at(position, 0) === null ? new Uint8Array(0) : this.#rest(position);
    if (left.length === 0 && this.#nextFrom !== position) {
      this.#nextFrom = position;
      this.#next = null;
    }
    const part = await (this.#next ?? this.#start());
    const partFrom = this.#nextFrom;
    this.#nextFrom = partFrom + part.length;
    this.#next = this.#nextFrom < this.#end ? this.#start() : null;
    this.#from = partFrom - left.length;
    if (left.length === 0) {
      this.#bytes = part;
      return;
    }
    this.#bytes = new Uint8Array(left.length + part.length);
    this.#bytes.set(left);
    this.#bytes.set(part, left.length);
  }

  #rest(position: number): Uint8Array {
    return this.#bytes.subarray(position - this.#from);
  }

  #start(): Promise<Uint8Array> {
    const lengthBytes = Math.min(this.#partBytes, this.#end - this.#nextFrom);
    const part = this.#read(this.#nextFrom, lengthBytes);
    // Read ahead of what may be the end: a failure counts only if somebody wants it.
    part.catch(() => {});
    return part;
  }
}
