/**
 * The records that TypeScript and the native side share. One batch is one native call; nothing is
 * copied and no object is made per operation.
 *
 * A submission takes 24 bytes, seen through two views of one buffer:
 *
 * | bytes | view | content |
 * |---|---|---|
 * | 0-3 | Int32 | kind, flags << 8, file << 16 |
 * | 4-7 | Int32 | length in bytes |
 * | 8-11 | Int32 | slot |
 * | 12-15 | Int32 | tag |
 * | 16-23 | Float64 | offset in bytes (a safe integer) |
 *
 * Completions are four parallel arrays in one buffer, each as long as the depth: tag (Int32),
 * result (Int32), submitted (Float64, ns), completed (Float64, ns). Numbers and doubles only: a
 * BigInt view of the same memory is five times slower.
 */
import type { BlockOp, Completions, OpKind } from "../../port/block-device.ts";

const submissionWords = 6;
const submissionDoubles = 3;
const completionBytes = 24;

/** Submission records over shared memory. */
export class SubmissionRecords {
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;

  constructor(memory: ArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
    this.capacity = Math.floor(this.#words.length / submissionWords);
  }

  write(index: number, op: BlockOp): void {
    const word = index * submissionWords;
    const words = this.#words;
    words[word] = op.kind | (op.flags << 8);
    words[word + 1] = op.lengthBytes;
    words[word + 2] = op.slot;
    words[word + 3] = op.tag;
    this.#doubles[index * submissionDoubles + 2] = op.offsetBytes;
  }

  /** Fills `op` from the record and returns the index of its file. */
  read(index: number, op: BlockOp): number {
    const word = index * submissionWords;
    const words = this.#words;
    const head = words[word] as number;
    op.kind = (head & 0xff) as OpKind;
    op.flags = (head >> 8) & 0xff;
    op.lengthBytes = words[word + 1] as number;
    op.slot = words[word + 2] as number;
    op.tag = words[word + 3] as number;
    op.offsetBytes = this.#doubles[index * submissionDoubles + 2] as number;
    return head >>> 16;
  }
}

/** The views of a device's completion records. */
export function completionViews(memory: ArrayBuffer): Completions {
  const capacity = memory.byteLength / completionBytes;
  return {
    tag: new Int32Array(memory, 0, capacity),
    result: new Int32Array(memory, capacity * 4, capacity),
    submittedNs: new Float64Array(memory, capacity * 8, capacity),
    completedNs: new Float64Array(memory, capacity * 16, capacity),
  };
}
