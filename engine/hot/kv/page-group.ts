/**
 * Pages of the ordered tree in order, found by their marks: the first 18 bytes of the key that a page
 * begins at, as three numbers in one array of the group. A search compares numbers that lie together
 * and looks into a page only on a tie; without them it misses the cache five times at every step (a
 * million keys were opened in twice the time).
 *
 * The mark of a page is at or below all its keys and at or above those of the page before; it need not
 * be its first key's, which may be gone. That of a tree's very first page says nothing.
 */
import { assert } from "../../base/assert.ts";
import type { Page } from "./page.ts";

/** Pages of one group; half of them after a split. */
export const groupLimit = 512;

const words = 3;
const wordBytes = 6;

/** Six bytes from `at`, the first the highest; zeros beyond `end`. */
function word(bytes: Uint8Array, at: number, end: number): number {
  if (at + wordBytes <= end) {
    const high = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8);
    const low = ((bytes[at + 3] as number) << 16) | ((bytes[at + 4] as number) << 8);
    return (high | (bytes[at + 2] as number)) * 2 ** 24 + (low | (bytes[at + 5] as number));
  }
  let value = 0;
  for (let index = at; index < at + wordBytes; index += 1) {
    value = value * 256 + (index < end ? (bytes[index] as number) : 0);
  }
  return value;
}

/** The mark of a key that is looked for. */
export class Mark {
  first = 0;
  second = 0;
  third = 0;

  /** Of the key at `at`. */
  read(bytes: Uint8Array, at: number, keyBytes: number): this {
    const end = at + keyBytes;
    this.first = word(bytes, at, end);
    this.second = word(bytes, at + wordBytes, end);
    this.third = word(bytes, at + 2 * wordBytes, end);
    return this;
  }

  ofPage(page: Page, index: number): this {
    return this.read(page.bytes, page.keyAt(index), page.keyBytes(index));
  }
}

const scratch = new Mark();

export class PageGroup {
  readonly pages: Page[] = [];
  readonly #marks = new Float64Array(words * (groupLimit + 1));

  /** Whether the page begins at or below the key. */
  beginsBelow(at: number, mark: Mark, key: Uint8Array, keyBytes: number): boolean {
    const order = this.#order(at, mark);
    return order === 0 ? (this.pages[at] as Page).compare(0, key, keyBytes) <= 0 : order < 0;
  }

  #order(at: number, mark: Mark): number {
    const marks = this.#marks;
    const base = words * at;
    const first = (marks[base] as number) - mark.first;
    if (first !== 0) {
      return first;
    }
    const second = (marks[base + 1] as number) - mark.second;
    return second === 0 ? (marks[base + 2] as number) - mark.third : second;
  }

  /** Index of the last page that begins at or below the key; 0: perhaps none does. */
  find(mark: Mark, key: Uint8Array, keyBytes: number): number {
    let low = 0;
    let high = this.pages.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.beginsBelow(middle, mark, key, keyBytes)) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** Puts a page at `at`; those from there on move up. */
  insert(at: number, page: Page, mark: Mark): void {
    this.#marks.copyWithin(words * (at + 1), words * at, words * this.pages.length);
    this.pages.splice(at, 0, page);
    this.setMark(at, mark);
  }

  /** An empty page before the one at `at`, whose mark it takes over. */
  insertBefore(at: number, page: Page): void {
    const next = this.pages[at] as Page;
    this.insert(at + 1, next, scratch.ofPage(next, 0));
    this.pages[at] = page;
  }

  setMark(at: number, mark: Mark): void {
    this.#marks[words * at] = mark.first;
    this.#marks[words * at + 1] = mark.second;
    this.#marks[words * at + 2] = mark.third;
  }

  remove(at: number): void {
    this.#marks.copyWithin(words * at, words * (at + 1), words * this.pages.length);
    this.pages.splice(at, 1);
  }

  /** Takes the pages from `at` on out into a new group. */
  splitAt(at: number): PageGroup {
    const right = new PageGroup();
    right.#marks.set(this.#marks.subarray(words * at, words * this.pages.length));
    right.pages.push(...this.pages.splice(at));
    return right;
  }

  /** Throws unless the marks divide the pages; `before`: the page before the group, `null`: none. */
  checkMarks(before: Page | null): void {
    let last = before;
    for (const [at, page] of this.pages.entries()) {
      if (last !== null) {
        const below = this.#order(at, scratch.ofPage(page, 0)) <= 0;
        const above = this.#order(at, scratch.ofPage(last, last.count - 1)) >= 0;
        assert(below && above, "a page's mark does not divide it from the one before");
      }
      last = page;
    }
  }
}
