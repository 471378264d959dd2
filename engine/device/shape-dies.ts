/** The dies of a flash device: reads lie where the address says, writes go where there is room. */
import type { ShapeDies } from "./shape-spec.ts";

export class DieBank {
  readonly #shape: ShapeDies;
  /** When each die has no more reads before it, and no more to program or erase. */
  readonly #readFreeNs: Float64Array;
  readonly #programFreeNs: Float64Array;
  #next = 0;
  #part = 0;

  constructor(shape: ShapeDies) {
    this.#shape = shape;
    this.#readFreeNs = new Float64Array(shape.count);
    this.#programFreeNs = new Float64Array(shape.count);
  }

  /** When the last page of a read that may begin at `fromNs` has been found. */
  read(fromNs: number, offset: number, bytes: number, factor: number): number {
    const { count, stripeBytes, pageBytes, readNs, suspendNs } = this.#shape;
    const reads = this.#readFreeNs;
    const programs = this.#programFreeNs;
    let doneNs = fromNs;
    const end = offset + bytes;
    for (let at = offset; at < end; ) {
      const stripe = Math.floor(at / stripeBytes);
      const stop = Math.min(end, (stripe + 1) * stripeBytes);
      const pages = Math.ceil(stop / pageBytes) - Math.floor(at / pageBytes);
      // Neighbouring stripes lie on neighbouring dies, and rows of them begin anywhere.
      const row = Math.floor(stripe / count);
      const die = (stripe + Math.imul(row, 0x9e3779b1) + (row >>> 3)) % count;
      const place = die < 0 ? die + count : die;
      const free = Math.max(fromNs, reads[place] as number);
      const begin = Math.max(free, Math.min(programs[place] as number, free + suspendNs));
      const busyNs = pages * readNs * factor;
      reads[place] = begin + busyNs;
      if ((programs[place] as number) > begin) {
        programs[place] = (programs[place] as number) + busyNs;
      }
      doneNs = Math.max(doneNs, begin + busyNs);
      at = stop;
    }
    return doneNs;
  }

  /** Writes bytes where it is their turn; when the last of them is on flash. */
  program(fromNs: number, bytes: number): number {
    const { programBytes, programNs } = this.#shape;
    let doneNs = fromNs;
    let left = bytes;
    while (left > 0) {
      const now = Math.min(left, programBytes - this.#part);
      // Pages fill up before they are programmed; each write pays its part.
      doneNs = Math.max(doneNs, this.#occupy(this.#next, fromNs, (now / programBytes) * programNs));
      this.#part += now;
      left -= now;
      if (this.#part >= programBytes) {
        this.#part = 0;
        this.#next = this.#leastBusy();
      }
    }
    return doneNs;
  }

  /** A block is won back: its copies go to all dies, as all writes do; one of them erases. */
  collect(fromNs: number, copyNs: number, eraseNs: number): void {
    this.#occupy(this.#leastBusy(), fromNs, eraseNs);
    const each = copyNs / this.#shape.count;
    for (let die = 0; die < this.#shape.count && each > 0; die += 1) {
      this.#occupy(die, fromNs, each);
    }
  }

  /** When nothing is programmed or erased any more. */
  idleFromNs(): number {
    let latest = 0;
    for (const ns of this.#programFreeNs) {
      latest = Math.max(latest, ns);
    }
    return latest;
  }

  /** Where there is most room in time; the device is free to choose, for it maps addresses as it writes. */
  #leastBusy(): number {
    let least = (this.#next + 1) % this.#shape.count;
    for (let step = 2; step <= this.#shape.count; step += 1) {
      const die = (this.#next + step) % this.#shape.count;
      if ((this.#programFreeNs[die] as number) < (this.#programFreeNs[least] as number)) {
        least = die;
      }
    }
    return least;
  }

  #occupy(die: number, fromNs: number, busyNs: number): number {
    const begin = Math.max(fromNs, this.#programFreeNs[die] as number);
    this.#programFreeNs[die] = begin + busyNs;
    return begin + busyNs;
  }
}
