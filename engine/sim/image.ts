const pageBytes = 4096;

/**
 * The bytes of a simulated disk. An image may lie over another one: it shows what is below until it is
 * written to, so that a surviving image of a crash costs only what differs. An image that has others
 * above it MUST NOT change while they are used.
 */
export class DiskImage {
  readonly #below: DiskImage | null;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(below: DiskImage | null = null) {
    this.#below = below;
  }

  read(offsetBytes: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const at = offsetBytes + done;
      const within = at % pageBytes;
      const length = Math.min(pageBytes - within, into.length - done);
      const page = this.#find((at - within) / pageBytes);
      if (page === undefined) {
        into.fill(0, done, done + length);
      } else {
        into.set(page.subarray(within, within + length), done);
      }
      done += length;
    }
  }

  write(offsetBytes: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; ) {
      const at = offsetBytes + done;
      const within = at % pageBytes;
      const length = Math.min(pageBytes - within, from.length - done);
      this.#own((at - within) / pageBytes).set(from.subarray(done, done + length), within);
      done += length;
    }
  }

  zero(offsetBytes: number, lengthBytes: number): void {
    for (let done = 0; done < lengthBytes; ) {
      const at = offsetBytes + done;
      const within = at % pageBytes;
      const length = Math.min(pageBytes - within, lengthBytes - done);
      const index = (at - within) / pageBytes;
      if (this.#find(index) !== undefined) {
        this.#own(index).fill(0, within, within + length);
      }
      done += length;
    }
  }

  /** Numbers of the 4 KiB pages that were ever written, ascending. */
  pages(): readonly number[] {
    const numbers = new Set<number>();
    for (let each: DiskImage | null = this; each !== null; each = each.#below) {
      for (const index of each.#pages.keys()) {
        numbers.add(index);
      }
    }
    return [...numbers].sort((a, b) => a - b);
  }

  /** A copy of all that differs from zero, on its own. */
  flatten(): DiskImage {
    const flat = new DiskImage();
    for (let each: DiskImage | null = this; each !== null; each = each.#below) {
      for (const [index, page] of each.#pages) {
        if (!flat.#pages.has(index)) {
          flat.#pages.set(index, page.slice());
        }
      }
    }
    return flat;
  }

  #find(index: number): Uint8Array | undefined {
    let image: DiskImage = this;
    for (;;) {
      const page = image.#pages.get(index);
      const below = image.#below;
      if (page !== undefined || below === null) {
        return page;
      }
      image = below;
    }
  }

  #own(index: number): Uint8Array {
    let page = this.#pages.get(index);
    if (page === undefined) {
      page = this.#find(index)?.slice() ?? new Uint8Array(pageBytes);
      this.#pages.set(index, page);
    }
    return page;
  }
}
