/**
 * What a disk has been told to write and may still forget: the writes that no flush has made durable,
 * and which of them a crash leaves behind.
 */
import type { Random } from "../port/random.ts";
import type { DiskImage } from "./image.ts";

export interface VolatileWrite {
  readonly id: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** `null`: zeroes, by a trim or write-zeroes. */
  readonly data: Uint8Array | null;
  /** The write is durable when it completes. */
  readonly fua: boolean;
  /** The least that is written whole: a sector of 512 bytes, or a cache line of 64. */
  readonly leastBytes: number;
}

/** How much of the unflushed writes a crash leaves. */
export const survivals = Object.freeze(["none", "all", "whole", "torn", "torn-large"] as const);
export type Survival = (typeof survivals)[number];

interface Entry {
  readonly write: VolatileWrite;
  completed: boolean;
  /** Ranges that a later durable write has taken over: never to be written again. */
  readonly covered: { readonly from: number; readonly to: number }[];
}

export class VolatileWrites {
  /** Of the order of completion; those under way follow. */
  #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** The writes that a crash now may forget. */
  get writes(): readonly VolatileWrite[] {
    return this.#entries.map(({ write }) => write);
  }

  begin(write: VolatileWrite): void {
    this.#entries.push({ write, completed: false, covered: [] });
  }

  /** The write reported success; with `fua` it is durable from now on. */
  complete(id: number, durable: DiskImage): void {
    const index = this.#entries.findIndex(({ write }) => write.id === id);
    const [entry] = this.#entries.splice(index, 1);
    if (entry === undefined) {
      throw new Error("internal error: a write completes that was not begun");
    }
    entry.completed = true;
    const { write } = entry;
    if (!write.fua) {
      const at = this.#entries.findIndex(({ completed }) => !completed);
      this.#entries.splice(at < 0 ? this.#entries.length : at, 0, entry);
      return;
    }
    apply(durable, write);
    const end = write.offsetBytes + write.lengthBytes;
    for (const other of this.#entries) {
      if (other.completed) {
        other.covered.push({ from: write.offsetBytes, to: end });
      }
    }
  }

  /** The write failed, and has done nothing. */
  fail(id: number): void {
    this.#entries = this.#entries.filter(({ write }) => write.id !== id);
  }

  /** What a flush that is submitted now will make durable. */
  completedIds(): ReadonlySet<number> {
    return new Set(this.#entries.filter(({ completed }) => completed).map(({ write }) => write.id));
  }

  /** A flush completed that was submitted when `ids` were there. */
  flush(ids: ReadonlySet<number>, durable: DiskImage): void {
    const left: Entry[] = [];
    for (const entry of this.#entries) {
      if (ids.has(entry.write.id)) {
        applyParts(durable, entry, 4096, () => true);
      } else {
        left.push(entry);
      }
    }
    this.#entries = left;
  }

  /** Adds to `image`, which shows what is durable, what a crash leaves of the rest. */
  survive(image: DiskImage, survival: Survival, random: Random): void {
    if (survival === "none") {
      return;
    }
    const entries = [...this.#entries];
    const first = entries.findIndex(({ completed }) => !completed);
    if (first >= 0) {
      // Those under way at once may have happened in any order.
      for (let at = entries.length - 1; at > first; at -= 1) {
        const other = first + random.below(at - first + 1);
        [entries[at], entries[other]] = [entries[other] as Entry, entries[at] as Entry];
      }
    }
    for (const entry of entries) {
      if (survival === "all" || random.below(2) === 0) {
        // A share of its own for each: often nearly all of a write is there.
        const share = random.unit() ** 0.5;
        const torn = survival === "torn" || survival === "torn-large";
        const keeps = torn ? () => random.unit() < share : () => true;
        applyParts(image, entry, survival === "torn-large" ? 4096 : entry.write.leastBytes, keeps);
      }
    }
  }
}

function apply(image: DiskImage, { offsetBytes, lengthBytes, data }: VolatileWrite): void {
  if (data === null) {
    image.zero(offsetBytes, lengthBytes);
  } else {
    image.write(offsetBytes, data);
  }
}

/** Applies a write in pieces of `unit`, those that `keeps` keeps and that nothing has taken over. */
function applyParts(
  image: DiskImage,
  { write, covered }: Entry,
  unit: number,
  keeps: () => boolean,
): void {
  const end = write.offsetBytes + write.lengthBytes;
  const step = covered.length > 0 ? write.leastBytes : unit;
  let kept = true;
  for (let from = write.offsetBytes; from < end; ) {
    const to = Math.min(from - (from % step) + step, end);
    if (from % unit === 0 || from === write.offsetBytes) {
      kept = keeps();
    }
    if (kept && !covered.some((range) => range.from <= from && to <= range.to)) {
      const at = from - write.offsetBytes;
      const data = write.data?.subarray(at, to - write.offsetBytes) ?? null;
      apply(image, { ...write, offsetBytes: from, lengthBytes: to - from, data });
    }
    from = to;
  }
}
