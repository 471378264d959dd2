/** What a store counts of itself: every counter moves with what it is of, and times add up. */
import { expect, test } from "vitest";
import { flatPerf, perfSince } from "../../engine/base/perf-counters.ts";
import type { BlueStoreOptions } from "../../engine/store/bluestore/options.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { StoreSession } from "../../engine/store/conformance-session.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { type BlueStoreHarness, blueStoreSubject } from "./store-subjects.ts";

const id = "1.0";

async function begin(options: Partial<BlueStoreOptions>): Promise<StoreSession> {
  const subject = blueStoreSubject({ name: "counters", options });
  const session = new StoreSession(subject, await subject.create(3), 3);
  await session.apply((t) => t.createCollection(id, 0));
  return session;
}

const store = (session: StoreSession): BlueStore => session.store as BlueStore;

const delayNs = 100_000;

/** On a device that takes `delayNs` for each operation. */
async function onSlow(session: StoreSession): Promise<void> {
  const harness = session.harness as BlueStoreHarness;
  await harness.remountOn([{ effect: "slow", delayNs, times: null }]);
}

/** What `work` adds to the counters, flat; gauges are those after it. */
async function added(
  session: StoreSession,
  work: () => Promise<unknown>,
): Promise<Record<string, number>> {
  const before = store(session).perfCounters();
  await work();
  return flatPerf(perfSince(before, store(session).perfCounters()));
}

async function submitMany(session: StoreSession, count: number, bytes: number): Promise<void> {
  await session.wait<number>((done) => {
    let left = count;
    for (let index = 0; index < count; index += 1) {
      const object = session.object(`o${index}`);
      session.store.submit(new Transaction().write(id, object, 0, session.bytes(bytes)), () => {
        left -= 1;
        if (left === 0) {
          done(0);
        }
      });
    }
  });
}

const states = [
  "prepare",
  "aio_wait",
  "io_done",
  "kv_queued",
  "kv_commiting",
  "kv_done",
  "finishing",
];

test("the states of transactions add up to the time from submission to callback", async () => {
  const session = await begin({});
  await onSlow(session);
  const flat = await added(session, () => submitMany(session, 20, 32768));
  const of = (name: string) => flat[`bluestore.${name}`] as number;
  let sum = 0;
  for (const each of states) {
    expect(of(`state_${each}_lat.count`), each).toBe(20);
    sum += of(`state_${each}_lat.sum_ns`);
  }
  expect(sum).toBe(of("txc_commit_lat.sum_ns"));
  expect(of("txc_commit_lat.count")).toBe(20);
  expect(of("txc")).toBe(20);
  // Data, flush, commit: each at least one operation of the device.
  expect(of("state_aio_wait_lat.sum_ns")).toBeGreaterThanOrEqual(20 * delayNs);
  expect(of("kv_flush_lat.sum_ns")).toBeGreaterThanOrEqual(of("kv_groups") * delayNs);
  expect(of("kv_commit_lat.sum_ns")).toBeGreaterThanOrEqual(of("kv_groups") * delayNs);
  expect(of("kv_sync_lat.sum_ns")).toBe(of("kv_flush_lat.sum_ns") + of("kv_commit_lat.sum_ns"));
  expect(of("kv_sync_lat.count")).toBe(of("kv_groups"));
  expect(of("allocator_lat.count")).toBe(20);
  expect(of("csum_lat.count")).toBe(20);
  expect(of("allocator_lat.p99_ns")).toBeGreaterThanOrEqual(0);
  expect(of("write_big_bytes")).toBe(20 * 32768);
  expect(of("allocated")).toBe(20 * 32768);
  expect(of("stored")).toBe(20 * 32768);
  expect(flat["bdev.write_bytes"]).toBe(20 * 32768);
  expect(flat["bdev.flushes"]).toBe(of("flushes"));
  expect(flat["waltree.commits"]).toBe(of("kv_groups"));
});

test("a throttle tells how many transactions waited for it, and how long", async () => {
  const session = await begin({ throttleBytes: 50_000 });
  await onSlow(session);
  const flat = await added(session, () => submitMany(session, 20, 16384));
  const throttle = "throttle-bluestore_throttle_bytes";
  expect(flat[`${throttle}.get`]).toBe(20);
  expect(flat[`${throttle}.get_sum`]).toBe(20 * (16384 + 2 * 4000));
  expect(flat[`${throttle}.val`]).toBe(0);
  expect(flat[`${throttle}.max`]).toBe(50_000);
  // Only the first transaction of the collection waits for the throttle, the others for it.
  const waits = flat[`${throttle}.wait.count`] as number;
  expect(waits).toBeGreaterThan(0);
  expect(waits).toBeLessThan(20);
  expect(flat[`${throttle}.wait.sum_ns`]).toBeGreaterThanOrEqual(waits * delayNs);
  expect(flat["bluestore.txc_throttle_lat.sum_ns"]).toBe(flat[`${throttle}.wait.sum_ns`]);
  expect(flat["throttle-bluestore_throttle_deferred_bytes.wait.count"]).toBe(0);
});

test("deferred writes: what goes through the log, when it is sent, when its record goes", async () => {
  const session = await begin({ preferDeferredBytes: 65536, deferredBatchOps: 4 });
  await session.apply((t) => t.write(id, session.object("a"), 0, session.bytes(131072)));
  await onSlow(session);
  const flat = await added(session, async () => {
    for (const offset of [16384, 20480, 65536, 65536]) {
      await session.apply((t) => t.write(id, session.object("a"), offset, session.bytes(4096)));
    }
    await session.flush();
  });
  const of = (name: string) => flat[`bluestore.${name}`] as number;
  expect(of("issued_deferred_writes")).toBe(4);
  expect(of("issued_deferred_write_bytes")).toBe(16384);
  // Neighbours are joined, and of two writes to one place the newer is made.
  expect(of("submitted_deferred_writes")).toBe(2);
  expect(of("submitted_deferred_write_bytes")).toBe(12288);
  expect(flat["throttle-bluestore_throttle_deferred_bytes.get"]).toBe(4);
  for (const each of ["queued", "aio_wait", "cleanup"]) {
    expect(of(`state_deferred_${each}_lat.count`), each).toBe(4);
  }
  expect(of("state_deferred_aio_wait_lat.sum_ns")).toBeGreaterThanOrEqual(4 * delayNs);
  expect(of("state_deferred_cleanup_lat.sum_ns")).toBeGreaterThanOrEqual(4 * delayNs);
});

test("reads: metadata, device, checksums, caches", async () => {
  const session = await begin({ shardMaxBytes: 200, shardTargetBytes: 100, shardMinBytes: 30 });
  const object = session.object("a");
  for (let at = 0; at < 40; at += 1) {
    await session.apply((t) => t.write(id, object, at * 65536, session.bytes(4096)));
  }
  await onSlow(session);
  const first = await added(session, () => session.read(id, object, 0, 4096));
  const again = await added(session, () => session.read(id, object, 0, 4096));
  const of = (flat: Record<string, number>, name: string) => flat[`bluestore.${name}`];
  expect(of(first, "read_lat.count")).toBe(1);
  expect(of(first, "read_onode_meta_lat.count")).toBe(1);
  expect(of(first, "read_wait_aio_lat.sum_ns")).toBe(delayNs);
  expect(of(first, "csum_lat.count")).toBe(1);
  expect(of(first, "onode_misses")).toBe(1);
  expect(of(first, "onode_shard_misses")).toBe(1);
  expect(of(first, "onodes")).toBe(1);
  expect(first["bdev.read_bytes"]).toBe(4096);
  expect(of(again, "read_lat.count")).toBe(1);
  expect(of(again, "read_wait_aio_lat.count")).toBe(0);
  expect(of(again, "onode_hits")).toBe(1);
  expect(of(again, "onode_misses")).toBe(0);
  expect(of(again, "onode_shard_hits")).toBe(1);
  expect(of(again, "buffer_hit_bytes")).toBe(4096);
  expect(of(again, "buffer_miss_bytes")).toBe(0);
  expect(of(again, "buffers")).toBe(1);
  expect(again["bdev.read_bytes"]).toBe(0);
});

test("compression, omap, lists, removals and truncations have their times", async () => {
  const session = await begin({ compressionMode: "force" });
  const object = session.object("a");
  const text = new TextEncoder().encode("abcdefgh".repeat(8192));
  const flat = await added(session, async () => {
    await session.apply((t) => t.write(id, object, 0, text));
    await session.read(id, object, 0, 4096);
    await session.apply((t) => t.omapSet(id, object, new Map([["k", text.subarray(0, 9)]])));
    await session.omap(id, object, { keys: ["k"] });
    await session.omap(id, object, { first: "", max: 10 });
    await session.list(id);
    await session.apply((t) => t.truncate(id, object, 100));
    await session.apply((t) => t.remove(id, object));
  });
  const counts = {
    compress_lat: 1,
    decompress_lat: 1,
    omap_get_values_lat: 2,
    clist_lat: 1,
    truncate_lat: 1,
    remove_lat: 1,
  };
  for (const [name, count] of Object.entries(counts)) {
    expect(flat[`bluestore.${name}.count`], name).toBeGreaterThanOrEqual(count);
  }
  expect(flat["bluestore.compress_success_count"]).toBe(1);
});

test("without `perf` no time is taken, and counts go on", async () => {
  const session = await begin({ perf: false });
  const flat = await added(session, () => submitMany(session, 5, 4096));
  const times = Object.keys(flat).filter((name) => name.endsWith("_lat.count"));
  expect(times.length).toBeGreaterThan(20);
  expect(times.filter((name) => flat[name] !== 0)).toEqual([]);
  expect(flat["bluestore.txc"]).toBe(5);
});

test("every counter says what it is of", async () => {
  const session = await begin({});
  for (const [section, values] of Object.entries(store(session).perfCounters())) {
    for (const [name, value] of Object.entries(values)) {
      expect(value.description.length, `${section}.${name}`).toBeGreaterThan(3);
      expect(value.unit.length, `${section}.${name}`).toBeGreaterThan(1);
    }
  }
});
