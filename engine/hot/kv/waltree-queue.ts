/** Commits that wait to be written, and what becomes one group of them. */
import type { KvBatch } from "./batch.ts";
import type { IoDone } from "./lane-io.ts";
import { writeU32 } from "./page.ts";

/** Batches of one log write at most; one alone may be larger. */
const groupBytesLimit = 8 << 20;

/** One call of `commit`. */
export interface Waiting {
  readonly batches: readonly KvBatch[];
  readonly bytes: number;
  readonly premises: Uint8Array | null;
  readonly sinceNs: number;
  readonly done: IoDone;
}

/** Commits in the order in which they were asked for. */
export class CommitQueue {
  #waiting: Waiting[] = [];
  /** Groups of one commit only, so many times: a group had no space as a whole. */
  #singly = 0;

  get empty(): boolean {
    return this.#waiting.length === 0;
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }

  /** The next group; what stands on premises is one by itself. */
  nextGroup(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes;
      const alone = this.#singly > 0 || waiting.premises !== null;
      if (count > 0 && (bytes > groupBytesLimit || alone)) {
        break;
      }
      count += 1;
      if (alone) {
        break;
      }
    }
    this.#singly = Math.max(this.#singly - 1, 0);
    return this.#waiting.splice(0, count);
  }

  /** A group that had no space comes again, one commit after the other. */
  putBack(group: readonly Waiting[]): void {
    this.#waiting.unshift(...group);
    this.#singly = group.length;
  }

  /** All of them, which wait no longer. */
  takeAll(): readonly Waiting[] {
    return this.#waiting.splice(0);
  }
}

/** Groups as the log has them: premises, if there are any, and batches, each after its u32 length. */
export class GroupPieces {
  /** Lengths, used again. */
  readonly #heads: Uint8Array[] = [];

  of(group: readonly Waiting[]): readonly Uint8Array[] {
    const pieces: Uint8Array[] = [];
    const premises = group[0]?.premises ?? null;
    if (premises !== null) {
      this.#add(pieces, premises);
    }
    for (const { batches } of group) {
      for (const batch of batches) {
        this.#add(pieces, batch.bytes);
      }
    }
    return pieces;
  }

  #add(pieces: Uint8Array[], bytes: Uint8Array): void {
    const index = pieces.length >> 1;
    const head = this.#heads[index] ?? new Uint8Array(4);
    this.#heads[index] = head;
    writeU32(head, 0, bytes.length);
    pieces.push(head, bytes);
  }
}
