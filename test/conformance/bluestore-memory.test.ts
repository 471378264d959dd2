/** A store whose data is more than its memory: what its caches hold stays within osd_memory_target. */
import { expect, test } from "vitest";
import { flatPerf } from "../../engine/base/perf-counters.ts";
import { fixedCaches } from "../../engine/store/bluestore/memory.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { StoreSession } from "../../engine/store/conformance-session.ts";
import { blueStoreSubject } from "./store-subjects.ts";

const mib = 2 ** 20;
const id = "1.0";
const objectBytes = 4 * mib;

test("the working set exceeds the target: the process stays within it, and what is young is kept", async () => {
  const targetBytes = 160 * mib;
  const elsewhere = { bytes: 60 * mib };
  let blue: BlueStore | null = null;
  // A process takes more for what a cache holds than the cache counts.
  const mappedBytes = (): number => {
    const { onodes, buffers } = (blue as BlueStore).state;
    const held = onodes.policy.stats.bytes + buffers.policy.stats.bytes;
    return elsewhere.bytes + 1.15 * held;
  };
  const second = 1e9;
  const subject = blueStoreSubject({
    name: "memory",
    sizeBytes: 320 * mib,
    memory: { mappedBytes, limitBytes: () => Number.POSITIVE_INFINITY },
    options: {
      memory: {
        ...fixedCaches(0, 0, 0),
        autotune: true,
        osd_memory_target: targetBytes,
        osd_memory_base: 24 * mib,
        osd_memory_cache_min: 32 * mib,
        metaRatio: 0.45,
        kvRatio: 0.45,
        kvOnodeRatio: 0.04,
        resizeNs: second,
        balanceNs: 5 * second,
        ageBinNs: second,
        trimNs: 0.05 * second,
        shards: 4,
      },
    },
  });
  const session = new StoreSession(subject, await subject.create(8), 8);
  blue = session.store as BlueStore;
  await session.apply((t) => t.createCollection(id, 0));
  const objects = Array.from({ length: 60 }, (_, index) => session.object(`o${index}`));
  const data = session.bytes(objectBytes);
  for (const object of objects) {
    await session.apply((t) => t.write(id, object, 0, data));
  }
  const { policy } = blue.state.buffers;
  const into = new Uint8Array(65536);
  let worst = 0;
  let most = 0;
  const read = async (index: number, offset: number): Promise<void> => {
    const object = objects[index];
    if (object !== undefined) {
      await session.wait<number>((done) => session.store.read(id, object, offset, into, done));
      most = Math.max(most, policy.stats.bytes);
      worst = Math.max(worst, mappedBytes());
    }
  };
  /** Some seconds of reads all over, with one object that is read over and over. */
  const pass = async (): Promise<void> => {
    for (let step = 0; step < 3500; step += 1) {
      const hot = step % 4 === 0;
      const index = hot ? 0 : session.random.below(objects.length);
      await read(index, session.random.below(objectBytes / 65536) * 65536);
      if (step % 8 === 0) {
        await session.harness.turn();
      }
    }
  };
  await pass();
  expect(most, "the data exceeds the caches").toBeGreaterThan(60 * mib);
  expect(policy.stats.evictions).toBeGreaterThan(1000);
  expect(worst).toBeLessThanOrEqual(1.25 * targetBytes);
  const before = policy.stats.misses;
  for (let offset = 0; offset < objectBytes; offset += 65536) {
    await read(0, offset);
  }
  expect(policy.stats.misses - before, "blocks of the hot object").toBeLessThan(64);
  // Something else in the process needs memory: the caches give it back.
  const held = policy.stats.bytes;
  elsewhere.bytes = 130 * mib;
  await pass();
  worst = 0;
  await pass();
  expect(policy.stats.bytes).toBeLessThan(0.7 * held);
  expect(worst).toBeLessThanOrEqual(1.25 * targetBytes);
  const flat = flatPerf(blue.perfCounters());
  const { memory } = blue.state;
  expect(flat["bluestore-pricache.target_bytes"]).toBe(targetBytes);
  expect(flat["bluestore-pricache.mapped_bytes"]).toBe(memory.mappedBytes);
  expect(flat["bluestore-pricache:data.committed_bytes"]).toBe(memory.dataBytes);
  expect(flat["bluestore.buffer_bytes"]).toBe(policy.stats.bytes);
  await session.harness.close();
});
