/** Reads a stream of fragments in order, as far as it goes. */
import { OsdynoError } from "../../base/error.ts";
import type { KvDeviceRole, KvExtent } from "./kv.ts";
import type { LaneIo } from "./lane-io.ts";
import { readU32 } from "./page.ts";
import {
  alignUp,
  checksumOf,
  decodeGrow,
  type FragmentHead,
  fragmentHeaderBytes,
  fragmentKinds,
  fragmentMagic,
  openFragment,
  type StreamId,
  type StreamStart,
} from "./waltree-format.ts";
import type { StreamPosition } from "./waltree-writer.ts";

const windowBytes = 1 << 20;
/** What does not continue the stream is read so often again: a read may have been wrong, once. */
export const rereads = 3;

export interface Fragment {
  readonly head: FragmentHead;
  /** A view, valid until the next fragment is read. */
  readonly payload: Uint8Array;
}

export class StreamReader {
  readonly #io: LaneIo;
  readonly #id: StreamId;
  readonly #role: KvDeviceRole;
  readonly #blockBytes: number;
  #extents: KvExtent[];
  #current = 0;
  #within: number;
  #sequence: number;
  #chain: number;
  /** What was read of the current extent, from `#windowAt` on. */
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;

  constructor(
    io: LaneIo,
    id: StreamId,
    role: KvDeviceRole,
    blockBytes: number,
    start: StreamStart,
  ) {
    this.#io = io;
    this.#id = id;
    this.#role = role;
    this.#blockBytes = blockBytes;
    this.#extents = start.extents.map((extent) => ({ role, ...extent }));
    this.#within = start.offsetBytes - (start.extents[0]?.offsetBytes ?? start.offsetBytes);
    this.#sequence = start.sequence;
    this.#chain = start.chain;
  }

  /** Every extent that is known, also those that were read. */
  get extents(): readonly KvExtent[] {
    return this.#extents;
  }

  /** Where the next fragment is, or would be. */
  position(): StreamPosition {
    this.#normalise();
    const first = this.#extents[this.#current];
    return {
      extents: this.#extents.slice(this.#current),
      offsetBytes: first === undefined ? 0 : first.offsetBytes + this.#within,
      sequence: this.#sequence,
      chain: this.#chain,
    };
  }

  /**
   * The next fragment, `grow` excepted, which is followed; `null`: there is none that continues the
   * stream. Throws `io` when the device cannot be read.
   */
  async next(): Promise<Fragment | null> {
    for (;;) {
      this.#normalise();
      const extent = this.#extents[this.#current];
      if (extent === undefined) {
        return null;
      }
      let found = await this.#continuing(extent, windowBytes);
      for (let again = 0; found === null && again < rereads; again += 1) {
        this.#forget();
        found = await this.#continuing(extent, 0);
      }
      if (found === null) {
        return null;
      }
      const { bytes, head } = found;
      const end = fragmentHeaderBytes + head.payloadBytes;
      this.#sequence += 1;
      this.#chain = checksumOf(bytes);
      this.#within += alignUp(end, this.#blockBytes);
      const payload = bytes.subarray(fragmentHeaderBytes, end);
      if (head.kind !== fragmentKinds.grow) {
        return { head, payload };
      }
      for (const each of decodeGrow(payload)) {
        this.#extents.push({ role: this.#role, ...each });
      }
    }
  }

  /**
   * Whether a later fragment says that the one expected here had been durable: then it is not the end of
   * the stream, but damage.
   */
  async provesDamage(): Promise<boolean> {
    this.#normalise();
    for (let index = this.#current; index < this.#extents.length; index += 1) {
      const extent = this.#extents[index] as KvExtent;
      const from = index === this.#current ? this.#within : 0;
      const bytes = await this.#io.readRange(extent.offsetBytes + from, extent.lengthBytes - from);
      for (let at = 0; at < bytes.length; at += this.#blockBytes) {
        if (readU32(bytes, at) === fragmentMagic) {
          const head = openFragment(bytes.subarray(at), this.#id);
          if (head !== null && head.durableSequence >= this.#sequence) {
            return true;
          }
        }
      }
    }
    return false;
  }

  /**
   * Moves on behind a fragment that is missing, to the first of the stream with a later number; `false`:
   * there is none in the extents that are known. Blocks that cannot be read are gone over. `which`: `any`, or
   * only one that is `proof` of damage, since it says that the missing one had been durable.
   */
  async moveBehindDamage(which: "any" | "proof"): Promise<boolean> {
    const expected = this.#sequence;
    for (;;) {
      this.#within += this.#blockBytes;
      this.#normalise();
      const extent = this.#extents[this.#current];
      if (extent === undefined) {
        return false;
      }
      const head = await this.#anyFragment(extent);
      if (head !== null && head.sequence > expected) {
        if (which === "any" || head.durableSequence >= expected) {
          this.#sequence = head.sequence;
          this.#chain = head.chain;
          return true;
        }
      }
    }
  }

  /** The head of the fragment here, whatever its number; `null`: there is none that can be read. */
  async #anyFragment(extent: KvExtent): Promise<FragmentHead | null> {
    for (const ahead of [windowBytes, 0]) {
      try {
        const bytes = await this.#fragmentBytes(extent, ahead);
        return bytes === null ? null : openFragment(bytes, this.#id);
      } catch (error) {
        if (!(error instanceof OsdynoError) || error.code !== "io") {
          throw error;
        }
        // Read ahead with one that cannot be read, this one may be right.
        this.#forget();
      }
    }
    return null;
  }

  #normalise(): void {
    while (
      this.#current < this.#extents.length &&
      this.#within >= (this.#extents[this.#current] as KvExtent).lengthBytes
    ) {
      this.#current += 1;
      this.#within = 0;
      this.#forget();
    }
  }

  #forget(): void {
    this.#window = new Uint8Array(0);
    this.#windowAt = this.#within;
  }

  /** The fragment here, if it continues the stream. `ahead`: bytes that are read at once, at least. */
  async #continuing(
    extent: KvExtent,
    ahead: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly head: FragmentHead } | null> {
    const bytes = await this.#fragmentBytes(extent, ahead);
    const head = bytes === null ? null : openFragment(bytes, this.#id);
    return bytes !== null && head?.sequence === this.#sequence && head.chain === this.#chain
      ? { bytes, head }
      : null;
  }

  /** The bytes from here on, at least the whole fragment if there is one. */
  async #fragmentBytes(extent: KvExtent, ahead: number): Promise<Uint8Array | null> {
    const head = await this.#bytes(extent, this.#blockBytes, ahead);
    if (readU32(head, 0) !== fragmentMagic) {
      return null;
    }
    const wanted = alignUp(fragmentHeaderBytes + readU32(head, 44), this.#blockBytes);
    return this.#within + wanted > extent.lengthBytes
      ? null
      : await this.#bytes(extent, wanted, ahead);
  }

  async #bytes(extent: KvExtent, bytes: number, ahead: number): Promise<Uint8Array> {
    const at = this.#within - this.#windowAt;
    if (at < 0 || at + bytes > this.#window.length) {
      const left = extent.lengthBytes - this.#within;
      const length = Math.min(left, Math.max(bytes, ahead));
      this.#windowAt = this.#within;
      this.#window = await this.#io.readRange(extent.offsetBytes + this.#within, length);
    }
    return this.#window.subarray(this.#within - this.#windowAt);
  }
}
