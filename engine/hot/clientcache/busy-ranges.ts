/** Ranges of the image that something is under way for, so that what overlaps waits for its turn. */
interface BusyRange {
  readonly from: number;
  readonly to: number;
}

export class BusyRanges {
  readonly #ranges = new Map<number, BusyRange>();
  #next = 0;

  get size(): number {
    return this.#ranges.size;
  }

  /** Returns the number by which the range is given back. */
  add(from: number, to: number): number {
    this.#next += 1;
    this.#ranges.set(this.#next, { from, to });
    return this.#next;
  }

  remove(number: number): void {
    this.#ranges.delete(number);
  }

  overlaps(from: number, to: number): boolean {
    for (const range of this.#ranges.values()) {
      if (from < range.to && range.from < to) {
        return true;
      }
    }
    return false;
  }
}
