/** Bytes by the time of their last use, in bins; what is older than the last bin is in none. */
export class AgeBins {
  readonly #bytes: Float64Array;
  /** Number of the running bin; the bins before it have the numbers before. */
  #running = 0;

  constructor(count: number) {
    this.#bytes = new Float64Array(count);
  }

  get running(): number {
    return this.#running;
  }

  add(bytes: number): void {
    const at = this.#running % this.#bytes.length;
    this.#bytes[at] = (this.#bytes[at] as number) + bytes;
  }

  /** Takes back what was added when `bin` was running. */
  remove(bin: number, bytes: number): void {
    if (this.#running - bin < this.#bytes.length) {
      const at = bin % this.#bytes.length;
      this.#bytes[at] = (this.#bytes[at] as number) - bytes;
    }
  }

  shift(): void {
    this.#running += 1;
    this.#bytes[this.#running % this.#bytes.length] = 0;
  }

  /** Bytes of bins `first` to before `end`; 0 is the running one. */
  sum(first: number, end: number): number {
    let total = 0;
    const last = Math.min(end, this.#bytes.length, this.#running + 1);
    for (let age = first; age < last; age += 1) {
      total += this.#bytes[(this.#running - age) % this.#bytes.length] as number;
    }
    return total;
  }
}
