/**
 * Free blocks of a flash device. Every write takes erased space; when little is left, a block is won back: what
 * is valid in it is copied, then it is erased. How much is valid follows from how full the device is, for
 * writes at random: share of valid v where fill = (v - 1) / ln v (P. Desnoyers, "Analytic modeling of SSD
 * write performance", 2012); writes in order leave whole blocks behind that nothing is valid in.
 */
import type { DieBank } from "./shape-dies.ts";
import type { ShapeCollection, ShapeDies } from "./shape-spec.ts";

const granuleBytes = 1 << 20;
/** Weight of the newest MiB in the running share of writes at random. */
const weight = 1 / 256;

/** The share of a victim that is valid, for a device that is full by `fill` of all its space. */
export function validShare(fill: number): number {
  if (fill <= 0) {
    return 0;
  }
  let [low, high] = [1e-9, 1 - 1e-9];
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2;
    if ((middle - 1) / Math.log(middle) < fill) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

export class FreeSpace {
  readonly #shape: ShapeCollection;
  readonly #dies: ShapeDies;
  readonly #physical: number;
  /** 1 for every MiB that holds data. */
  readonly #filled: Uint8Array;
  #filledCount = 0;
  #free: number;
  #randomShare = 0;
  #lastEnd = -1;
  #valid = 0;
  #validAt = -1;

  constructor(shape: ShapeCollection, dies: ShapeDies, sizeBytes: number) {
    this.#shape = shape;
    this.#dies = dies;
    this.#physical = sizeBytes * (1 + shape.spareShare);
    this.#free = this.#physical;
    this.#filled = new Uint8Array(Math.ceil(sizeBytes / granuleBytes));
  }

  /**
   * Space for a write. What is won back for it occupies dies, which later writes find busy; this one takes of
   * what was kept back.
   */
  take(nowNs: number, offset: number, bytes: number, bank: DieBank): void {
    this.#mark(offset, bytes, 1);
    const jump = offset === this.#lastEnd ? 0 : 1;
    this.#lastEnd = offset + bytes;
    const part = Math.min(1, (bytes / granuleBytes) * weight * 16);
    this.#randomShare += (jump - this.#randomShare) * part;
    this.#rest(nowNs, bank);
    this.#free -= bytes;
    while (this.#free < this.#shape.lowShare * this.#physical) {
      const { wonBytes, copyNs } = this.#block();
      this.#free += wonBytes;
      bank.collect(nowNs, copyNs, this.#shape.eraseNs);
    }
  }

  trim(offset: number, bytes: number): void {
    this.#mark(offset, bytes, 0);
  }

  /** What an idle device has done since. */
  #rest(nowNs: number, bank: DieBank): void {
    const idleNs = nowNs - bank.idleFromNs();
    const wanted = this.#shape.idleShare * this.#physical - this.#free;
    // Shorter pauses than this nobody uses.
    if (wanted <= 0 || idleNs < 1e8) {
      return;
    }
    const { wonBytes, copyNs } = this.#block();
    const busyNs = copyNs + this.#shape.eraseNs;
    this.#free += Math.min(wanted, (idleNs / busyNs) * wonBytes * this.#dies.count);
  }

  #block(): { readonly wonBytes: number; readonly copyNs: number } {
    const { blockBytes } = this.#shape;
    const { pageBytes, readNs, programNs, programBytes } = this.#dies;
    const valid = this.#validShare();
    const copied = valid * blockBytes;
    const copyNs = (copied / pageBytes) * readNs + (copied / programBytes) * programNs;
    return { wonBytes: Math.max(1, blockBytes - copied), copyNs };
  }

  #validShare(): number {
    if (this.#validAt !== this.#filledCount) {
      this.#validAt = this.#filledCount;
      const filled = Math.min(this.#physical, this.#filledCount * granuleBytes);
      this.#valid = validShare(filled / this.#physical);
    }
    return Math.min(0.98, this.#valid * this.#randomShare);
  }

  #mark(offset: number, bytes: number, value: 0 | 1): void {
    // Trimmed granules count when they are covered whole, written ones as soon as they are touched.
    const first =
      value === 1 ? Math.floor(offset / granuleBytes) : Math.ceil(offset / granuleBytes);
    const end =
      value === 1
        ? Math.ceil((offset + bytes) / granuleBytes)
        : Math.floor((offset + bytes) / granuleBytes);
    for (let granule = first; granule < end; granule += 1) {
      this.#filledCount += value - (this.#filled[granule] ?? value);
      this.#filled[granule] = value;
    }
  }
}
