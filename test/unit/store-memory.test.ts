/** Memory of a store by its own accounting: what counts, and the most that was seen of it. */
import { expect, test } from "vitest";
import { metric, metricFacts } from "../../results/metrics.ts";
import type { RunRecord } from "../../results/run-record.ts";
import { type MemoryHolder, StoreMemoryWatch } from "../../workloads/runner/store-memory.ts";

/** A store with these caches and this key-value store; what it holds may be changed. */
function holder(kv: Record<string, number>) {
  const bytes = { onodes: 1000, buffers: 20_000 };
  const cache = (name: keyof typeof bytes) => ({
    policy: {
      get stats() {
        return { bytes: bytes[name] };
      },
    },
  });
  const made = { onodes: cache("onodes"), buffers: cache("buffers"), kv: { counters: () => kv } };
  return { bytes, holder: made as unknown as MemoryHolder };
}

const gaugesOf = (watch: StoreMemoryWatch) =>
  Object.values(watch.counters()).map((each) => (each.kind === "gauge" ? each.value : null));

test("caches and RocksDB's memory, and nothing that lies on the device", () => {
  const { holder: store } = holder({
    ...{ rocksdb_cache_bytes_now: 300_000, rocksdb_memtable_bytes_now: 4_000_000 },
    ...{ rocksdb_table_reader_bytes_now: 50_000_000, rocksdb_table_bytes_now: 9e9 },
    ...{ rocksdb_cache_capacity_now: 9e9, rocksdb_written_bytes: 9e9 },
  });
  expect(new StoreMemoryWatch(store).look()).toBe(54_321_000);
});

test("key-value stores in memory are all memory", () => {
  const { holder: store } = holder({ bytes_now: 7_000_000, keys_now: 12, log_bytes: 9e9 });
  expect(new StoreMemoryWatch(store).look()).toBe(7_021_000);
});

test("the most is of all looks since it began, the last one included", () => {
  const { bytes, holder: store } = holder({});
  const watch = new StoreMemoryWatch(store);
  bytes.buffers = 5e6;
  watch.look();
  bytes.buffers = 100;
  expect(gaugesOf(watch)).toEqual([1100, 5_001_000]);
  watch.begin();
  expect(gaugesOf(watch)).toEqual([1100, 1100]);
});

test("it is a metric of stores, in bytes, beside the process's", () => {
  expect(metricFacts("store_memory_bytes")).toMatchObject({ unit: "bytes", better: "lower" });
  const record = (counters?: Record<string, number>) =>
    ({ osdyno: { rss_bytes: 5e8, ...(counters === undefined ? {} : { counters }) } }) as RunRecord;
  const of = record({ "memory.most_bytes": 123_456, "memory.held_bytes": 99 });
  expect(metric(of, "store_memory_bytes")).toBe(123_456);
  expect(metric(of, "rss_bytes")).toBe(5e8);
  expect(metric(record(), "store_memory_bytes")).toBeNull();
});
