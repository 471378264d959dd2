/**
 * What blocks of a device may hold, after operations that overlapped in time: a block shows a write unless
 * another one of it began after that write had ended and ended before the block was looked at. After a
 * crash the same holds of what was durable, and anything that began later may show as well.
 */
import { assert } from "../base/assert.ts";

interface Change {
  readonly id: number;
  /** 0: it clears. */
  readonly writer: number;
  readonly began: number;
  ended: number;
  /** When a flush or the write itself made it durable. */
  durable: number;
}

interface Started {
  readonly change: Change | null;
  readonly began: number;
  readonly block: number;
  readonly count: number;
}

const never = Number.POSITIVE_INFINITY;

export class BlockHistory {
  readonly #blocks: Change[][];
  readonly #started = new Map<number, Started>();
  readonly #changes: Change[] = [];
  #now = 1;

  /** The blocks hold zeroes at first, durably. */
  constructor(blockCount: number) {
    this.#blocks = Array.from({ length: blockCount }, () => [
      { id: 0, writer: 0, began: 0, ended: 0, durable: 0 },
    ]);
  }

  #tick(): number {
    this.#now += 1;
    return this.#now;
  }

  /** Operation `id` begins; `clears`: it leaves zeroes. */
  beginChange(id: number, block: number, count: number, clears: boolean): void {
    const began = this.#tick();
    const change = { id, writer: clears ? 0 : id, began, ended: never, durable: never };
    this.#changes.push(change);
    for (let each = block; each < block + count; each += 1) {
      this.#blocks[each]?.push(change);
    }
    this.#started.set(id, { change, began, block, count });
  }

  /** A read or a flush begins. */
  begin(id: number, block = 0, count = 0): void {
    this.#started.set(id, { change: null, began: this.#tick(), block, count });
  }

  /** A change ended well, or not: then it may show or not for ever. `durable`: it cannot be lost. */
  endChange(id: number, succeeded: boolean, durable: boolean): void {
    const { change } = this.#take(id);
    assert(change !== null, "a change ends that was none");
    const now = this.#tick();
    change.ended = succeeded ? now : never;
    change.durable = succeeded && durable ? now : never;
  }

  /** A flush ended well: what had ended before it began is durable. */
  endFlush(id: number): void {
    const { began } = this.#take(id);
    const now = this.#tick();
    for (const change of this.#changes) {
      if (change.ended < began) {
        change.durable = Math.min(change.durable, now);
      }
    }
  }

  /** A read ended with these writers, block by block; throws when one of them cannot be. */
  endRead(id: number, writers: readonly number[]): void {
    const { began, block } = this.#take(id);
    for (const [number, writer] of writers.entries()) {
      const changes = this.#blocks[block + number] as Change[];
      const fits = changes.some(
        (change) =>
          change.writer === writer &&
          !changes.some((later) => later.began > change.ended && later.ended < began),
      );
      assert(fits, `a read shows operation ${writer} in block ${block + number}, which is too old`);
    }
    this.#forget(began);
  }

  /** What a crash left; throws when something durable is missing. Later reads go by what was found. */
  crash(writers: ArrayLike<number>): void {
    const now = this.#tick();
    for (const [block, changes] of this.#blocks.entries()) {
      const writer = writers[block] as number;
      const fits = changes.some(
        (change) =>
          change.writer === writer &&
          !changes.some((later) => later.began > change.ended && later.durable < now),
      );
      assert(
        fits,
        `after a crash block ${block} shows operation ${writer}, older than what was made durable`,
      );
      this.#blocks[block] = [{ id: writer, writer, began: now, ended: now, durable: now }];
    }
    this.#changes.length = 0;
    this.#started.clear();
  }

  #take(id: number): Started {
    const started = this.#started.get(id);
    assert(started !== undefined, "an operation ends that has not begun");
    this.#started.delete(id);
    return started;
  }

  /** Drops what no look at a block can show any more: so that long histories stay fast. */
  #forget(before: number): void {
    if (this.#changes.length < 4096) {
      return;
    }
    let oldest = before;
    for (const { began } of this.#started.values()) {
      oldest = Math.min(oldest, began);
    }
    const held = new Set<Change>();
    for (const [block, changes] of this.#blocks.entries()) {
      const kept = changes.filter(
        (change) => !changes.some((later) => later.began > change.ended && later.durable < oldest),
      );
      this.#blocks[block] = kept;
      for (const change of kept) {
        held.add(change);
      }
    }
    const left = this.#changes.filter((change) => held.has(change));
    this.#changes.splice(0, this.#changes.length, ...left);
  }
}
