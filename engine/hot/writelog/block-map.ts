import { assert } from "../../base/assert.ts";
import type { Entries } from "./entries.ts";

const empty = -1;

/**
 * Which entry holds the newest data of each block of the image: an open table from block number to the
 * entry's slot, without an allocation per block.
 */
export class BlockMap {
  readonly #entries: Entries;
  readonly #blockBytes: number;
  #blocks: Float64Array;
  #slots: Int32Array;
  #mask: number;
  #used = 0;

  constructor(entries: Entries, blockBytes: number) {
    this.#entries = entries;
    this.#blockBytes = blockBytes;
    this.#blocks = new Float64Array(1024).fill(empty);
    this.#slots = new Int32Array(1024);
    this.#mask = 1023;
  }

  /** Blocks that the log has. */
  get size(): number {
    return this.#used;
  }

  /** The slot of the entry with the block's newest data; -1: the image has them. */
  slotOf(block: number): number {
    const at = this.#find(block);
    return this.#blocks[at] === block ? (this.#slots[at] as number) : -1;
  }

  /** The entry in `slot` is the newest of everything it touches. */
  insert(slot: number): void {
    const { imageOffsetBytes, lengthBytes, liveBlocks } = this.#entries;
    const first = (imageOffsetBytes[slot] as number) / this.#blockBytes;
    const count = (lengthBytes[slot] as number) / this.#blockBytes;
    while (this.#used + count > (this.#mask + 1) / 2) {
      this.#grow();
    }
    for (let block = first; block < first + count; block += 1) {
      const at = this.#find(block);
      if (this.#blocks[at] === block) {
        const older = this.#slots[at] as number;
        liveBlocks[older] = (liveBlocks[older] as number) - 1;
      } else {
        this.#blocks[at] = block;
        this.#used += 1;
      }
      this.#slots[at] = slot;
    }
    liveBlocks[slot] = count;
  }

  /** The image has what the entry in `slot` holds: reads go there from now on. */
  remove(slot: number): void {
    const { imageOffsetBytes, lengthBytes, liveBlocks } = this.#entries;
    const first = (imageOffsetBytes[slot] as number) / this.#blockBytes;
    const count = (lengthBytes[slot] as number) / this.#blockBytes;
    for (let block = first; (liveBlocks[slot] as number) > 0; block += 1) {
      assert(block < first + count, "an entry's live blocks are miscounted");
      const at = this.#find(block);
      if (this.#blocks[at] === block && this.#slots[at] === slot) {
        this.#removeAt(at);
        liveBlocks[slot] = (liveBlocks[slot] as number) - 1;
      }
    }
  }

  #find(block: number): number {
    // Neighbours lie side by side: a run of blocks walks through memory in order.
    let at = (block + Math.imul(Math.floor(block / 64) | 0, 0x9e3779b1)) & this.#mask;
    while (this.#blocks[at] !== empty && this.#blocks[at] !== block) {
      at = (at + 1) & this.#mask;
    }
    return at;
  }

  /** Takes out an element and moves up those behind it that were pushed aside by it. */
  #removeAt(hole: number): void {
    const mask = this.#mask;
    let open = hole;
    for (let at = (hole + 1) & mask; this.#blocks[at] !== empty; at = (at + 1) & mask) {
      const block = this.#blocks[at] as number;
      const home = (block + Math.imul(Math.floor(block / 64) | 0, 0x9e3779b1)) & mask;
      // Its home is not between the hole and itself: it may move into the hole.
      if (((at - home) & mask) >= ((at - open) & mask)) {
        this.#blocks[open] = block;
        this.#slots[open] = this.#slots[at] as number;
        open = at;
      }
    }
    this.#blocks[open] = empty;
    this.#used -= 1;
  }

  #grow(): void {
    const blocks = this.#blocks;
    const slots = this.#slots;
    this.#mask = blocks.length * 2 - 1;
    this.#blocks = new Float64Array(blocks.length * 2).fill(empty);
    this.#slots = new Int32Array(blocks.length * 2);
    for (let at = 0; at < blocks.length; at += 1) {
      const block = blocks[at] as number;
      if (block !== empty) {
        const to = this.#find(block);
        this.#blocks[to] = block;
        this.#slots[to] = slots[at] as number;
      }
    }
  }
}
