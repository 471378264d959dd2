/** A key-value store that keeps nothing: what a store costs without one. */
import type { KvBatch } from "./batch.ts";
import type {
  KeyValueEngine,
  KeyValueStore,
  KvCounters,
  KvEntry,
  KvExtent,
  KvFacts,
  KvOpenContext,
} from "./kv.ts";
import { PrefixedTree } from "./prefixed-tree.ts";

const erofs = 30;

class MemoryStore implements KeyValueStore {
  readonly facts: KvFacts = { name: "memory", durable: false, growthBytes: 0 };
  readonly files = null;
  readonly #context: KvOpenContext;
  readonly #tree: PrefixedTree;
  readonly #waiting: { readonly done: (errno: number) => void; readonly errno: number }[] = [];
  #armed = false;
  #idle: (() => void) | null = null;
  #commits = 0;
  #batches = 0;
  #bytes = 0;

  constructor(context: KvOpenContext) {
    this.#context = context;
    this.#tree = new PrefixedTree(context.mergeOperators);
  }

  get(prefix: string, key: Uint8Array): Uint8Array | undefined {
    return this.#tree.get(prefix, key);
  }

  scan(
    prefix: string,
    from: Uint8Array,
    to: Uint8Array | undefined,
    limit: number,
  ): readonly KvEntry[] {
    return this.#tree.scan(prefix, from, to, limit);
  }

  commit(batches: readonly KvBatch[], done: (errno: number) => void): void {
    const readOnly = this.#context.readOnly;
    if (!readOnly) {
      for (const batch of batches) {
        this.#tree.check(batch);
      }
      for (const batch of batches) {
        this.#tree.apply(batch.bytes);
        this.#bytes += batch.byteLength;
      }
      this.#batches += batches.length;
      this.#commits += 1;
    }
    this.#waiting.push({ done, errno: readOnly ? erofs : 0 });
    if (!this.#armed) {
      this.#armed = true;
      this.#context.clock.at(this.#context.clock.nowNs(), this.#tell);
    }
  }

  usedExtents(): readonly KvExtent[] {
    return [];
  }

  counters(): KvCounters {
    return {
      commits: this.#commits,
      batches: this.#batches,
      batch_bytes: this.#bytes,
      keys_now: this.#tree.tree.keys,
      bytes_now: this.#tree.tree.bytes,
    };
  }

  setCacheBytes(): void {}

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#armed) {
        this.#idle = resolve;
      } else {
        resolve();
      }
    });
  }

  abandon(): void {
    this.#waiting.length = 0;
  }

  readonly #tell = (): void => {
    this.#armed = false;
    for (const { done, errno } of this.#waiting.splice(0)) {
      done(errno);
    }
    if (!this.#armed) {
      this.#idle?.();
    }
  };
}

export const memoryEngine: KeyValueEngine = {
  hotPath: "kv",
  name: "memory",
  describe: "an ordered tree in memory; nothing survives closing",
  unavailable: null,
  uses: "none",
  open: async (context) => new MemoryStore(context),
};
