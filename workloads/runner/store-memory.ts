/**
 * Memory that a store holds by its own accounting: onodes and data in its caches, and what its key-value store
 * keeps in memory. It is the store's alone, unlike the resident memory of the process, in which the generator,
 * Node and what earlier runs took have their part; what its objects take in Node's heap beside their contents is
 * in the latter only.
 */
import type { PerfSection } from "../../engine/base/perf-counters.ts";
import type { CachePolicy } from "../../engine/hot/cache/cache.ts";
import type { KeyValueStore } from "../../engine/hot/kv/kv.ts";

/** What a store has in memory. */
export interface MemoryHolder {
  readonly onodes: { readonly policy: CachePolicy };
  readonly buffers: { readonly policy: CachePolicy };
  readonly kv: Pick<KeyValueStore, "counters">;
}

/** RocksDB's block cache, memtables and open tables; all keys and values of those that keep them in memory. */
const kvGauges = [
  ...["rocksdb_cache_bytes_now", "rocksdb_memtable_bytes_now", "rocksdb_table_reader_bytes_now"],
  "bytes_now",
];

function kvBytes(kv: MemoryHolder["kv"]): number {
  const counters = kv.counters();
  return kvGauges.reduce((sum, name) => sum + (counters[name] ?? 0), 0);
}

/** How much a store holds, and the most that was seen. */
export class StoreMemoryWatch {
  readonly #holder: MemoryHolder;
  #mostBytes = 0;

  constructor(holder: MemoryHolder) {
    this.#holder = holder;
  }

  /** Takes microseconds; once a second is often enough for what fills up. */
  look(): number {
    const { onodes, buffers, kv } = this.#holder;
    const bytes = onodes.policy.stats.bytes + buffers.policy.stats.bytes + kvBytes(kv);
    this.#mostBytes = Math.max(this.#mostBytes, bytes);
    return bytes;
  }

  /** Forgets what was seen so far. */
  begin(): void {
    this.#mostBytes = 0;
  }

  counters(): PerfSection {
    const bytes = this.look();
    const gauge = (value: number, description: string) =>
      ({ kind: "gauge", unit: "bytes", description, value }) as const;
    return {
      held_bytes: gauge(bytes, "that caches and key-value store hold"),
      most_bytes: gauge(this.#mostBytes, "that they were seen to hold"),
    };
  }
}
