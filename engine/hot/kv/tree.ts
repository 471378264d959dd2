/**
 * Ordered keys in memory: a B+tree of three levels, pages of records in groups under an unbounded root.
 * A snapshot is a list of its pages; a page that a snapshot holds is copied before it is changed, so that
 * a checkpoint is written from a state that stands still while commits go on.
 */
import { assert } from "../../base/assert.ts";
import { compareBytes, Page, pageTargetBytes, readU32, recordHeaderBytes } from "./page.ts";
import { groupLimit, Mark, PageGroup } from "./page-group.ts";

export class OrderedTree {
  /** Never empty, but for the root of an empty tree. */
  readonly #groups: PageGroup[] = [];
  /** Snapshots taken so far. */
  #stamp = 0;
  #keys = 0;
  #bytes = 0;
  // Where `#seek` found the place of a key.
  #group = 0;
  #page = 0;
  #index = 0;
  /** Of that key. */
  readonly #mark = new Mark();
  readonly #pageMark = new Mark();

  get keys(): number {
    return this.#keys;
  }

  /** Of all records with their headers: what a checkpoint takes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The value's bytes, copied; `undefined`: no such key. */
  get(key: Uint8Array, keyBytes: number): Uint8Array | undefined {
    if (!this.#seek(key, keyBytes)) {
      return undefined;
    }
    const page = this.#current();
    const at = page.valueAt(this.#index);
    return page.bytes.slice(at, at + page.valueBytes(this.#index));
  }

  /** The page and index of a key, without copying; `null`: no such key. Valid until the next change. */
  find(key: Uint8Array, keyBytes: number): { readonly page: Page; readonly index: number } | null {
    return this.#seek(key, keyBytes) ? { page: this.#current(), index: this.#index } : null;
  }

  set(
    key: Uint8Array,
    keyBytes: number,
    from: Uint8Array,
    valueAt: number,
    valueBytes: number,
  ): void {
    if (this.#seek(key, keyBytes)) {
      const page = this.#writable();
      const longer = valueBytes - page.valueBytes(this.#index);
      if (longer <= 0 || page.takes(longer)) {
        page.overwrite(this.#index, from, valueAt, valueBytes);
        this.#bytes += longer;
        return;
      }
      this.#bytes -= page.recordBytes(this.#index);
      this.#keys -= 1;
      page.remove(this.#index, 1);
    } else if (this.#groups.length === 0) {
      const group = new PageGroup();
      group.insert(0, new Page(256, 8, this.#stamp), this.#mark);
      this.#groups.push(group);
      this.#group = 0;
      this.#page = 0;
      this.#index = 0;
    }
    const size = recordHeaderBytes + keyBytes + valueBytes;
    this.#keys += 1;
    this.#bytes += size;
    let page = this.#writable();
    while (!page.takes(size)) {
      this.#split(page);
      page = this.#current();
    }
    page.insert(this.#index, key, keyBytes, from, valueAt, valueBytes);
  }

  /** `false`: there was no such key. */
  remove(key: Uint8Array, keyBytes: number): boolean {
    if (!this.#seek(key, keyBytes)) {
      return false;
    }
    this.#removeHere(1);
    return true;
  }

  /** Removes the keys from `from` up to, without, `to`; returns how many. */
  removeRange(from: Uint8Array, fromBytes: number, to: Uint8Array, toBytes: number): number {
    let removed = 0;
    while (this.#keys > 0) {
      this.#seek(from, fromBytes);
      if (this.#index === this.#current().count && !this.#nextPage()) {
        break;
      }
      const count = this.#current().lowerBound(to, toBytes) - this.#index;
      if (count <= 0) {
        break;
      }
      this.#removeHere(count);
      removed += count;
    }
    return removed;
  }

  /** Visits records from `from` up to, without, `to` until `visit` returns `false`. */
  walk(
    from: Uint8Array,
    fromBytes: number,
    to: Uint8Array,
    toBytes: number,
    visit: (page: Page, index: number) => boolean,
  ): void {
    if (this.#keys === 0) {
      return;
    }
    this.#seek(from, fromBytes);
    for (;;) {
      if (this.#index === this.#current().count && !this.#nextPage()) {
        return;
      }
      const page = this.#current();
      if (page.compare(this.#index, to, toBytes) >= 0 || !visit(page, this.#index)) {
        return;
      }
      this.#index += 1;
    }
  }

  /** The pages as they stand, in order; they do not change any more. */
  snapshot(): readonly Page[] {
    this.#stamp += 1;
    return this.#groups.flatMap(({ pages }) => pages);
  }

  /**
   * Adds records that lie one after the other in `run`, in order and all above the keys that are there:
   * how a checkpoint is loaded. Returns `false` when they are not, with part of them added.
   */
  appendRun(run: Uint8Array): boolean {
    for (let at = 0; at < run.length; ) {
      const page = new Page(0, 0, this.#stamp);
      const places: number[] = [];
      const start = at;
      while (at < run.length && (at === start || at - start < pageTargetBytes / 2)) {
        if (at + recordHeaderBytes > run.length) {
          return false;
        }
        places.push(at - start);
        at += recordHeaderBytes + readU32(run, at) + readU32(run, at + 4);
      }
      if (at > run.length) {
        return false;
      }
      page.bytes = run.slice(start, at);
      page.offsets = Uint32Array.from(places);
      page.count = places.length;
      page.used = at - start;
      page.live = page.used;
      if (!this.#appendPage(page)) {
        return false;
      }
    }
    return true;
  }

  /** Throws when keys are out of order, pages empty, or sums wrong. */
  checkInvariants(): void {
    let keys = 0;
    let bytes = 0;
    let last: Page | null = null;
    for (const group of this.#groups) {
      const { length } = group.pages;
      assert(length > 0 && length <= groupLimit, "a group has no or too many pages");
      group.checkMarks(last);
      for (const page of group.pages) {
        page.checkInvariants();
        assert(page.count > 0, "a page is empty");
        assert(last === null || ascends(last, page), "pages are not in order");
        keys += page.count;
        bytes += page.live;
        last = page;
      }
    }
    assert(keys === this.#keys, "the tree's keys are miscounted");
    assert(bytes === this.#bytes, "the tree's bytes are miscounted");
  }

  #current(): Page {
    return this.#currentGroup().pages[this.#page] as Page;
  }

  #currentGroup(): PageGroup {
    return this.#groups[this.#group] as PageGroup;
  }

  /** The page at hand, copied if a snapshot holds it. */
  #writable(): Page {
    const page = this.#current();
    if (page.stamp === this.#stamp) {
      return page;
    }
    const copy = page.copy(this.#stamp);
    this.#currentGroup().pages[this.#page] = copy;
    return copy;
  }

  /** Stands on the key, or where it belongs; `false`: it is not there. */
  #seek(key: Uint8Array, keyBytes: number): boolean {
    const groups = this.#groups;
    const mark = this.#mark.read(key, 0, keyBytes);
    if (groups.length === 0) {
      return false;
    }
    let low = 0;
    let high = groups.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((groups[middle] as PageGroup).beginsBelow(0, mark, key, keyBytes)) {
        low = middle;
      } else {
        high = middle;
      }
    }
    const group = groups[low] as PageGroup;
    this.#group = low;
    this.#page = group.find(mark, key, keyBytes);
    const page = group.pages[this.#page] as Page;
    this.#index = page.lowerBound(key, keyBytes);
    return this.#index < page.count && page.compare(this.#index, key, keyBytes) === 0;
  }

  #nextPage(): boolean {
    this.#index = 0;
    if (this.#page + 1 < this.#currentGroup().pages.length) {
      this.#page += 1;
      return true;
    }
    if (this.#group + 1 < this.#groups.length) {
      this.#group += 1;
      this.#page = 0;
      return true;
    }
    return false;
  }

  /** Splits the page at hand and stands on the half to which the place belongs. */
  #split(page: Page): void {
    const group = this.#currentGroup();
    if (this.#index === page.count) {
      // Keys that only ever grow leave full pages behind.
      this.#page += 1;
      this.#index = 0;
      group.insert(this.#page, new Page(256, 8, this.#stamp), this.#mark);
    } else if (page.count === 1) {
      group.insertBefore(this.#page, new Page(256, 8, this.#stamp));
    } else {
      const at = page.halfway();
      const right = page.splitAt(at, this.#stamp);
      group.insert(this.#page + 1, right, this.#pageMark.ofPage(right, 0));
      if (this.#index > at) {
        this.#page += 1;
        this.#index -= at;
      }
    }
    if (group.pages.length > groupLimit) {
      const half = group.pages.length >> 1;
      this.#groups.splice(this.#group + 1, 0, group.splitAt(half));
      if (this.#page >= half) {
        this.#group += 1;
        this.#page -= half;
      }
    }
  }

  /** Removes `count` records of the page at hand, and the page when nothing is left. */
  #removeHere(count: number): void {
    const page = this.#writable();
    const before = page.live;
    page.remove(this.#index, count);
    this.#bytes -= before - page.live;
    this.#keys -= count;
    const group = this.#currentGroup();
    if (page.count === 0) {
      group.remove(this.#page);
      if (group.pages.length === 0) {
        this.#groups.splice(this.#group, 1);
      }
      return;
    }
    const next = group.pages[this.#page + 1];
    if (page.live < pageTargetBytes / 4 && next !== undefined) {
      if (page.live + next.live <= pageTargetBytes / 2) {
        page.appendFrom(next, 0, next.count);
        group.remove(this.#page + 1);
      }
    }
  }

  #appendPage(page: Page): boolean {
    let group = this.#groups.at(-1);
    const last = group?.pages.at(-1);
    page.checkInvariants();
    if (last !== undefined && !ascends(last, page)) {
      return false;
    }
    if (group === undefined || group.pages.length >= groupLimit / 2) {
      group = new PageGroup();
      this.#groups.push(group);
    }
    group.insert(group.pages.length, page, this.#pageMark.ofPage(page, 0));
    this.#keys += page.count;
    this.#bytes += page.live;
    return true;
  }
}

/** All keys of `a` are below those of `b`. */
function ascends(a: Page, b: Page): boolean {
  const last = a.count - 1;
  return (
    compareBytes(a.bytes, a.keyAt(last), a.keyBytes(last), b.bytes, b.keyAt(0), b.keyBytes(0)) < 0
  );
}
