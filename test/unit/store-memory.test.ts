/** How a store divides memory: fixed shares, the target, the limit of the control group, idle time. */
import { expect, test } from "vitest";
import { openCache } from "../../engine/hot/cache/registry.ts";
import type { KeyValueStore } from "../../engine/hot/kv/kv.ts";
import type { MemoryMeter } from "../../engine/port/memory-meter.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import {
  fixedCaches,
  type MemoryOptions,
  StoreMemory,
} from "../../engine/store/bluestore/memory.ts";

const mib = 2 ** 20;
const second = 1e9;

const tuned: MemoryOptions = {
  ...fixedCaches(0, 0, 0),
  autotune: true,
  osd_memory_target: 1024 * mib,
  osd_memory_base: 256 * mib,
  osd_memory_cache_min: 128 * mib,
  limitRatio: 0.8,
  metaRatio: 0.45,
  kvRatio: 0.45,
  kvOnodeRatio: 0.04,
  resizeNs: second,
  balanceNs: 5 * second,
  ageBinNs: second,
  trimNs: 0.05 * second,
};

interface Bench {
  readonly clock: VirtualClock;
  readonly memory: StoreMemory;
  readonly kvSizes: number[];
  readonly mapped: { bytes: number };
  trims: number;
}

function bench(options: MemoryOptions, more: { kvHolds?: number; limit?: number } = {}): Bench {
  const clock = new VirtualClock();
  const kvSizes: number[] = [];
  const mapped = { bytes: 300 * mib };
  const { kvHolds, limit = Number.POSITIVE_INFINITY } = more;
  const kv = {
    counters: () => (kvHolds === undefined ? {} : { rocksdb_cache_bytes_now: kvHolds }),
    setCacheBytes: (bytes: number) => kvSizes.push(bytes),
  } as unknown as KeyValueStore;
  const meter: MemoryMeter = { mappedBytes: () => mapped.bytes, limitBytes: () => limit };
  const onodes = openCache("lru");
  const buffers = openCache("2q");
  const made = { trims: 0 };
  const trim = (): void => {
    made.trims += 1;
  };
  const memory = new StoreMemory({ clock, kv, onodes, buffers, meter, trim }, options);
  return Object.assign(made, { clock, memory, kvSizes, mapped });
}

/** Uses the store for so long. */
function use({ clock, memory }: Bench, ns: number): void {
  for (const end = clock.nowNs() + ns; clock.nowNs() < end; ) {
    memory.used();
    expect(clock.step()).toBe(true);
  }
}

test("without autotuning the shares are those of bluestore_cache_size", () => {
  const options = { ...tuned, autotune: false, cacheBytes: 1000 * mib };
  const { memory, kvSizes } = bench(options, { kvHolds: 1 });
  expect(memory.metaBytes).toBe(450 * mib);
  expect(memory.dataBytes).toBe(60 * mib);
  expect(memory.kvBytes).toBe(490 * mib);
  expect(kvSizes.at(-1)).toBe(490 * mib);
});

test("the target is all that the control group leaves of it", () => {
  expect(bench(tuned, { limit: 1000 * mib }).memory.targetBytes).toBe(800 * mib);
  expect(bench({ ...tuned, limitRatio: 0 }, { limit: 1000 * mib }).memory.targetBytes).toBe(
    1024 * mib,
  );
  expect(bench(tuned).memory.targetBytes).toBe(1024 * mib);
});

test("caches begin with what the target leaves, and give back at the next look what is too much", () => {
  const at = bench(tuned, { kvHolds: 0 });
  const { memory, mapped } = at;
  expect(memory.tunedBytes).toBe(Math.floor(1024 * mib * 0.85 - 256 * mib));
  const before = memory.metaBytes + memory.dataBytes + memory.kvBytes;
  expect(before).toBeLessThanOrEqual(memory.tunedBytes * 1.1);
  mapped.bytes = 2048 * mib;
  use(at, 1.1 * second);
  expect(memory.mappedBytes).toBe(2048 * mib);
  expect(memory.metaBytes + memory.dataBytes + memory.kvBytes).toBeLessThan(before);
  use(at, 20 * second);
  expect(memory.tunedBytes).toBeLessThan(129 * mib);
  // There is room again: it comes back with the next division.
  mapped.bytes = 300 * mib;
  const least = memory.metaBytes;
  use(at, 30 * second);
  expect(memory.tunedBytes).toBeGreaterThan(600 * mib);
  expect(memory.metaBytes).toBeGreaterThan(2 * least);
});

test("a key-value store without a cache leaves its share to the others", () => {
  const without = bench(tuned).memory;
  const { memory } = bench(tuned, { kvHolds: 0 });
  expect(without.kvBytes).toBe(0);
  expect(memory.kvBytes).toBeGreaterThan(200 * mib);
  expect(without.metaBytes).toBeGreaterThan(1.5 * memory.metaBytes);
});

test("no timer runs while nothing uses the store, nor after its end", () => {
  const at = bench(tuned);
  const { clock, memory } = at;
  expect(clock.step()).toBe(false);
  memory.used();
  expect(clock.step()).toBe(true);
  expect(clock.nowNs()).toBe(0.05 * second);
  expect(at.trims).toBe(1);
  expect(clock.step()).toBe(false);
  memory.used();
  memory.stop();
  expect(clock.step()).toBe(false);
  memory.used();
  expect(clock.step()).toBe(false);
});

test("without an interval caches are trimmed at every use, and nothing waits", () => {
  const at = bench(fixedCaches(10, 20, 0));
  at.memory.used();
  at.memory.used();
  expect(at.trims).toBe(2);
  expect(at.clock.step()).toBe(false);
  expect([at.memory.metaBytes, at.memory.dataBytes]).toEqual([10, 20]);
});
