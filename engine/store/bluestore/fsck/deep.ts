/** Reads all data that objects refer to and compares it with its checksums. */
import type { Checksum } from "../../../hot/checksum/checksum.ts";
import { type Blob, hole } from "../blob.ts";
import type { Compression } from "../compression.ts";
import type { DiskIo } from "../disk-io.ts";
import type { Onode } from "../onode.ts";
import type { DeferredWrite } from "../replay.ts";
import { finished } from "../waiting.ts";
import { Survey } from "./survey.ts";

export interface DeepParts {
  readonly io: DiskIo;
  readonly checksums: readonly (Checksum | null)[];
  readonly compression: Compression;
  readonly blockBytes: number;
  /** A read that failed or brought wrong data is tried so often again. */
  readonly retries: number;
  /** What the log still has to be written: data is compared as it will be. */
  readonly deferred: readonly DeferredWrite[];
}

/** Memory of reads under way. */
const mostBytes = 8 * 2 ** 20;
const pieceBytes = 512 * 1024;

/** A range of a blob, whole chunks, that extents refer to. */
interface Piece {
  readonly object: string;
  readonly blob: Blob;
  readonly blobOffset: number;
  readonly length: number;
  /** Where in the object the blob begins. */
  readonly blobStart: number;
}

export class DeepCheck {
  readonly #survey: Survey;
  readonly #parts: DeepParts;
  checkedBytes = 0;
  #openBytes = 0;
  #wake: (() => void) | null = null;

  constructor(survey: Survey, parts: DeepParts) {
    this.#survey = survey;
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const under = new Set<Promise<void>>();
    for (const piece of this.#pieces()) {
      while (this.#openBytes > 0 && this.#openBytes + piece.length > mostBytes) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      this.#openBytes += piece.length;
      const one = this.#check(piece).finally(() => {
        this.#openBytes -= piece.length;
        under.delete(one);
        this.#wake?.();
        this.#wake = null;
      });
      under.add(one);
    }
    await Promise.all(under);
  }

  *#pieces(): Generator<Piece> {
    const found: Piece[] = [];
    // What cannot be read was told by the survey itself.
    for (const onode of new Survey(this.#survey.subject).onodes()) {
      this.#piecesOf(onode, found);
      yield* found.splice(0);
    }
  }

  /** Chunks that any extent touches, each once, neighbours joined up to a limit. */
  #piecesOf(onode: Onode, into: Piece[]): void {
    const { blockBytes } = this.#parts;
    const object = onode.name.name;
    const reached = new Map<Blob, number>();
    for (const { blobOffset, length, blob, blobStart } of onode.map.extents) {
      if (blob.compressed) {
        if (!reached.has(blob)) {
          const whole = Math.ceil(blob.compressedBytes / blockBytes) * blockBytes;
          into.push({ object, blob, blobOffset: 0, length: whole, blobStart });
        }
        reached.set(blob, 0);
        continue;
      }
      const chunk = blob.chunkBytes(blockBytes);
      const end = Math.ceil((blobOffset + length) / chunk) * chunk;
      let at = Math.max(blobOffset - (blobOffset % chunk), reached.get(blob) ?? 0);
      const most = Math.max(chunk, pieceBytes - (pieceBytes % chunk));
      for (; at < end; at += most) {
        const bytes = Math.min(most, end - at);
        into.push({ object, blob, blobOffset: at, length: bytes, blobStart });
      }
      // Extents of a blob follow each other in it as in the object.
      reached.set(blob, Math.max(end, reached.get(blob) ?? 0));
    }
  }

  async #check(piece: Piece): Promise<void> {
    const bytes = new Uint8Array(piece.length);
    let errno = 0;
    let bad: number[] = [];
    for (let attempt = 0; attempt <= this.#parts.retries; attempt += 1) {
      errno = await this.#read(piece, bytes);
      bad = errno === 0 ? this.#badChunks(piece, bytes) : [];
      if (errno === 0 && bad.length === 0) {
        break;
      }
    }
    this.checkedBytes += piece.length;
    if (errno < 0) {
      this.#found(
        piece,
        piece.blobOffset,
        `reading ${piece.length} bytes fails with errno ${-errno}`,
      );
    }
    for (const at of bad) {
      this.#found(piece, at, `the checksum of ${2 ** piece.blob.sumOrder} bytes is wrong`);
    }
    if (piece.blob.compressed && errno === 0 && bad.length === 0) {
      const { blob } = piece;
      const plain = new Uint8Array(blob.logicalBytes);
      const compressed = bytes.subarray(0, blob.compressedBytes);
      if (!this.#parts.compression.decompress(compressed, plain)) {
        this.#found(piece, 0, `${blob.compressedBytes} compressed bytes cannot be decompressed`);
      }
    }
  }

  async #read({ blob, blobOffset, length }: Piece, into: Uint8Array): Promise<number> {
    const { io, deferred } = this.#parts;
    const reads: Promise<number>[] = [];
    const disks: [number, number, number][] = [];
    blob.eachDisk(blobOffset, length, (disk, bytes, at) => {
      // What has no space is told by the check of the records.
      if (disk !== hole) {
        disks.push([disk, bytes, at - blobOffset]);
        reads.push(finished(io, (owner) => io.read(disk, bytes, into, at - blobOffset, owner, 0)));
      }
    });
    const errno = Math.min(0, ...(await Promise.all(reads)));
    for (const [disk, bytes, at] of disks) {
      overlay(deferred, disk, into.subarray(at, at + bytes));
    }
    return errno;
  }

  /** Offsets in the blob. */
  #badChunks({ blob, blobOffset, length }: Piece, bytes: Uint8Array): number[] {
    const checksum = this.#parts.checksums[blob.sumType] ?? null;
    if (blob.sumBytes === 0 || checksum === null) {
      return [];
    }
    const chunk = 2 ** blob.sumOrder;
    const bad: number[] = [];
    for (let at = 0; at < length; ) {
      const first = ((blobOffset + at) / chunk) * blob.sumBytes;
      const sums = blob.sums.subarray(first, first + ((length - at) / chunk) * blob.sumBytes);
      if (sums.length * chunk < (length - at) * blob.sumBytes) {
        // Missing sums are told by the check of the records.
        break;
      }
      const index = checksum.verify(bytes.subarray(at), chunk, sums);
      if (index < 0) {
        break;
      }
      bad.push(blobOffset + at + index * chunk);
      at += (index + 1) * chunk;
    }
    return bad;
  }

  #found({ object, blob, blobStart }: Piece, blobOffset: number, reason: string): void {
    // Of a compressed blob, or one that begins before its first extent, the place is as near as it gets.
    const offsetBytes = Math.max(0, blobStart + (blob.compressed ? 0 : blobOffset));
    const disk = blob.diskOffsetOf(blobOffset);
    this.#survey.findings.add({
      kind: "data",
      message: `object ${object}: data at offset ${offsetBytes}, on the device at ${disk}: ${reason}`,
      object,
      offsetBytes,
      repair: null,
    });
  }
}

/** Lays writes of the log over what was read from `disk` on, oldest first. */
function overlay(writes: readonly DeferredWrite[], disk: number, bytes: Uint8Array): void {
  const end = disk + bytes.length;
  for (const { offsetBytes, bytes: written } of writes) {
    const from = Math.max(disk, offsetBytes);
    const to = Math.min(end, offsetBytes + written.length);
    if (from < to) {
      bytes.set(written.subarray(from - offsetBytes, to - offsetBytes), from - disk);
    }
  }
}
