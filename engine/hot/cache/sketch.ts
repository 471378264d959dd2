/** How often keys were used of late, estimated: a count-min sketch whose counts are halved now and then. */

const rows = 4;
const mostCount = 15;
/** Uses between halvings, for each column. */
const usesPerColumn = 10;

/** Spreads a hash for one row. */
function spread(hash: number, row: number): number {
  let mixed = Math.imul(hash ^ Math.imul(row + 1, 0x9e3779b1), 0x85ebca6b);
  mixed ^= mixed >>> 15;
  return Math.imul(mixed, 0xc2b2ae35) >>> 8;
}

/** 32 bits of a key. */
export function hashOf(key: number | string): number {
  if (typeof key === "number") {
    const high = Math.floor(key / 2 ** 32);
    const mixed = Math.imul((key >>> 0) ^ Math.imul(high, 0x27d4eb2f), 0x9e3779b1);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  return (hash ^ (hash >>> 15)) >>> 0;
}

export class FrequencySketch {
  #columns: number;
  #counts: Uint8Array;
  #uses = 0;

  /** For about `entries` keys. */
  constructor(entries: number) {
    this.#columns = 2 ** Math.ceil(Math.log2(Math.max(64, entries)));
    this.#counts = new Uint8Array(this.#columns * rows);
  }

  get columns(): number {
    return this.#columns;
  }

  /** Makes room for more keys. Both halves keep the old counts: estimates stay upper bounds. */
  grow(): void {
    const columns = this.#columns * 2;
    const counts = new Uint8Array(columns * rows);
    for (let row = 0; row < rows; row += 1) {
      const old = this.#counts.subarray(row * this.#columns, (row + 1) * this.#columns);
      counts.set(old, row * columns);
      counts.set(old, row * columns + this.#columns);
    }
    this.#columns = columns;
    this.#counts = counts;
  }

  add(hash: number): void {
    const mask = this.#columns - 1;
    for (let row = 0; row < rows; row += 1) {
      const at = row * this.#columns + (spread(hash, row) & mask);
      const count = this.#counts[at] as number;
      if (count < mostCount) {
        this.#counts[at] = count + 1;
      }
    }
    this.#uses += 1;
    if (this.#uses >= this.#columns * usesPerColumn) {
      this.#halve();
    }
  }

  /** At most 15. */
  estimate(hash: number): number {
    const mask = this.#columns - 1;
    let least = mostCount;
    for (let row = 0; row < rows; row += 1) {
      const count = this.#counts[row * this.#columns + (spread(hash, row) & mask)] as number;
      least = Math.min(least, count);
    }
    return least;
  }

  #halve(): void {
    const counts = this.#counts;
    for (let at = 0; at < counts.length; at += 1) {
      counts[at] = (counts[at] as number) >>> 1;
    }
    this.#uses = Math.floor(this.#uses / 2);
  }
}
