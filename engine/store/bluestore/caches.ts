/** What stays in memory: onodes, and blocks of data as they are on the device. */
import type { CacheKey, CachePolicy } from "../../hot/cache/cache.ts";
import type { Onode } from "./onode.ts";

/** Onodes by key; those in use are never dropped. */
export class OnodeCache {
  readonly policy: CachePolicy;
  /** Onodes in use. */
  pinned = 0;
  readonly #onodes = new Map<string, Onode>();
  /** Told of an onode that leaves. */
  readonly #leave: (onode: Onode) => void;

  constructor(policy: CachePolicy, leave: (onode: Onode) => void) {
    this.policy = policy;
    this.#leave = leave;
  }

  get(key: string): Onode | undefined {
    const onode = this.#onodes.get(key);
    if (onode === undefined) {
      this.policy.miss();
      return undefined;
    }
    this.policy.hit(onode.slot);
    return onode;
  }

  add(onode: Onode): void {
    this.#onodes.set(onode.key, onode);
    onode.slot = this.policy.insert(onode.key, onode.memoryBytes);
  }

  /** A transaction or a read begins with it. */
  use(onode: Onode): void {
    if (onode.uses === 0) {
      this.pinned += 1;
      this.policy.pin(onode.slot);
    }
    onode.uses += 1;
  }

  /** That one has ended. */
  unuse(onode: Onode): void {
    onode.uses -= 1;
    if (onode.uses === 0) {
      this.pinned -= 1;
      this.policy.setBytes(onode.slot, onode.memoryBytes);
      this.policy.unpin(onode.slot);
    }
  }

  trimTo(bytes: number): void {
    this.policy.trimTo(bytes, this.#evicted);
  }

  readonly #evicted = (key: CacheKey): void => {
    const onode = this.#onodes.get(key as string);
    if (onode !== undefined) {
      this.#onodes.delete(onode.key);
      onode.slot = -1;
      this.#leave(onode);
    }
  };
}

interface CachedBlock {
  readonly bytes: Uint8Array;
  readonly slot: number;
}

/** Blocks kept for use again. */
const spareLimit = 256;

/** Blocks that were read and verified, by their place on the device. */
export class BufferCache {
  readonly policy: CachePolicy;
  readonly #blockBytes: number;
  readonly #blocks = new Map<number, CachedBlock>();
  readonly #spares: Uint8Array[] = [];
  /** Blocks that were written meanwhile: a read that began before MUST NOT add them. */
  #writes = 0;

  constructor(policy: CachePolicy, blockBytes: number) {
    this.policy = policy;
    this.#blockBytes = blockBytes;
  }

  get empty(): boolean {
    return this.#blocks.size === 0;
  }

  /** Changes with every write; to be compared. */
  get writes(): number {
    return this.#writes;
  }

  /** A view that is valid until the next call of any method. */
  get(block: number): Uint8Array | undefined {
    const found = this.#blocks.get(block);
    if (found === undefined) {
      this.policy.miss();
      return undefined;
    }
    this.policy.hit(found.slot);
    return found.bytes;
  }

  /** Keeps a verified copy of a block: the bytes of `from` at `at`. */
  add(offsetBytes: number, from: Uint8Array, at: number): void {
    const blockBytes = this.#blockBytes;
    const block = offsetBytes / blockBytes;
    if (!this.#blocks.has(block)) {
      // A fresh block of 4 KiB costs 2 us and the collector's time, a used one 0.3 us.
      const bytes = this.#spares.pop() ?? new Uint8Array(blockBytes);
      const whole = at === 0 && from.length === blockBytes;
      bytes.set(whole ? from : from.subarray(at, at + blockBytes));
      this.#blocks.set(block, { bytes, slot: this.policy.insert(block, blockBytes) });
    }
  }

  #spare(block: CachedBlock): void {
    if (this.#spares.length < spareLimit) {
      this.#spares.push(block.bytes);
    }
  }

  /** The blocks of the extent get other contents. */
  forget(offsetBytes: number, lengthBytes: number): void {
    this.#writes += 1;
    if (this.#blocks.size === 0) {
      return;
    }
    const end = (offsetBytes + lengthBytes) / this.#blockBytes;
    for (let block = offsetBytes / this.#blockBytes; block < end; block += 1) {
      const found = this.#blocks.get(block);
      if (found !== undefined) {
        this.#blocks.delete(block);
        this.#spare(found);
        this.policy.remove(found.slot);
      }
    }
  }

  trimTo(bytes: number): void {
    this.policy.trimTo(bytes, this.#evicted);
  }

  readonly #evicted = (key: CacheKey): void => {
    const found = this.#blocks.get(key as number);
    if (found !== undefined) {
      this.#blocks.delete(key as number);
      this.#spare(found);
    }
  };
}
