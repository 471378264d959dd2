/** BlueStore on devices that fail or lie: nothing wrong is returned, and the rest goes on. */
import { expect, test } from "vitest";
import { KvBatch } from "../../engine/hot/kv/kv.ts";
import { opKinds } from "../../engine/port/block-device.ts";
import { prefixes } from "../../engine/store/bluestore/keys.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { firstDifference, StoreSession } from "../../engine/store/conformance-session.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { type BlueStoreHarness, blueStoreSubject } from "./store-subjects.ts";

const subject = blueStoreSubject({
  name: "faults",
  options: { dataCacheBytes: 0, allocationFromFile: false },
});
const seed = 5;
const id = "1.0";
const eio = -5;

async function begin(): Promise<{ harness: BlueStoreHarness; session: StoreSession }> {
  const harness = (await subject.create(seed)) as BlueStoreHarness;
  const session = new StoreSession(subject, harness, seed);
  await session.apply((t) => t.createCollection(id, 0));
  return { harness, session };
}

function blue(session: StoreSession): BlueStore {
  return session.store as BlueStore;
}

/** Where a byte of an object lies on the device. */
function placeOf(session: StoreSession, name: string, offset: number): number {
  const onode = blue(session).state.find(session.object(name));
  const extent = onode?.map.extents[onode.map.seek(offset)];
  return extent?.blob.diskOffsetOf(extent.blobOffset + offset - extent.offset) ?? -1;
}

function readResult(session: StoreSession, name: string, offset: number, length: number) {
  const into = new Uint8Array(length);
  return session.wait<number>((done) =>
    session.store.read(id, session.object(name), offset, into, done),
  );
}

test("a flipped bit of data is an I/O error, the other chunks are read", async () => {
  const { harness, session } = await begin();
  const data = session.bytes(65536);
  await session.apply((t) => t.write(id, session.object("a"), 0, data));
  const place = placeOf(session, "a", 20_000);
  await harness.remountOn([
    {
      kinds: [opKinds.read],
      range: { offsetBytes: place - (place % 4096), lengthBytes: 4096 },
      times: null,
      effect: "flip",
      byte: 0,
      mask: 4,
    },
  ]);
  expect(await readResult(session, "a", 16384, 4096)).toBe(eio);
  expect(await readResult(session, "a", 18_000, 10)).toBe(eio);
  const rest = await session.read(id, session.object("a"), 20480, 65536);
  expect(firstDifference(rest, data.subarray(20480))).toBe(-1);
  expect(blue(session).state.counters.read_eio).toBe(2);
  // An overwrite of a part of the damaged chunk leaves the rest of it damaged, and not hidden.
  await session.apply((t) => t.write(id, session.object("a"), 16390, data.subarray(0, 10)));
  const patched = await session.read(id, session.object("a"), 16390, 10);
  expect(firstDifference(patched, data.subarray(0, 10))).toBe(-1);
  expect(await readResult(session, "a", 16500, 10)).toBe(eio);
  await harness.close();
});

test("a read that fails three times and then succeeds is no error", async () => {
  const { harness, session } = await begin();
  const data = session.bytes(8192);
  await session.apply((t) => t.write(id, session.object("a"), 0, data));
  // Mounting looks at what the last commit stands on.
  await session.apply((t) => t.touch(id, session.object("b")));
  const offsetBytes = placeOf(session, "a", 0);
  const range = { offsetBytes, lengthBytes: 4096 };
  const fault = { kinds: [opKinds.read], range, effect: "error" as const, errno: 5 };
  await harness.remountOn([{ ...fault, times: 3 }]);
  const got = await session.read(id, session.object("a"), 0, 8192);
  expect(firstDifference(got, data)).toBe(-1);
  expect(blue(session).state.counters.reads_with_retries).toBe(1);
  await harness.remountOn([{ ...fault, times: null }]);
  expect(await readResult(session, "a", 0, 8192)).toBe(eio);
  await harness.close();
});

test("a damaged record is an error of its object alone, and names it", async () => {
  const { harness, session } = await begin();
  const data = session.bytes(300_000);
  await session.apply((t) => t.write(id, session.object("a"), 0, data));
  await session.apply((t) => t.write(id, session.object("b"), 0, data));
  const { kv } = blue(session).state;
  const key = blue(session).state.find(session.object("a"))?.keyBytes ?? new Uint8Array(0);
  const value = kv.get(prefixes.onodes, key)?.slice() ?? new Uint8Array(0);
  value[5] = (value[5] as number) ^ 8;
  const batch = new KvBatch();
  batch.set(prefixes.onodes, key, value);
  expect(await session.wait<number>((done) => kv.commit([batch], done))).toBe(0);
  await harness.remountOn([]);
  expect(await session.statErrno(id, session.object("a"))).toBe(eio);
  expect(await session.submit((t) => t.write(id, session.object("a"), 0, data))).toBe(eio);
  const refused = await session.submit((t) =>
    t.write(id, session.object("b"), 0, data.subarray(5)).remove(id, session.object("a")),
  );
  expect(refused).toBe(eio);
  const other = await session.read(id, session.object("b"), 0, 300_000);
  expect(firstDifference(other, data)).toBe(-1);
  expect(blue(session).state.damage.join()).toMatch(/object a: checksum/);
  await harness.close();
});

test("a failed write refuses what follows; what was acknowledged is there after mounting", async () => {
  const { harness, session } = await begin();
  const data = session.bytes(200_000);
  await session.apply((t) => t.write(id, session.object("a"), 0, data));
  await harness.remountOn([
    { kinds: [opKinds.write], nth: 12, times: null, effect: "error", errno: 5 },
  ]);
  const results: number[] = [];
  for (let index = 0; index < 20; index += 1) {
    const transaction = new Transaction().write(id, session.object(`n${index}`), 0, data);
    results.push(await session.wait((done) => session.store.submit(transaction, done)));
  }
  const good = results.filter((result) => result === 0).length;
  expect(results.slice(good).every((result) => result === eio)).toBe(true);
  expect(good).toBeLessThan(20);
  await harness.remountOn([]);
  await harness.check();
  for (const name of ["a", ...Array.from({ length: good }, (_, index) => `n${index}`)]) {
    const got = await session.read(id, session.object(name), 0, 200_000);
    expect(firstDifference(got, data)).toBe(-1);
  }
  await harness.close();
});

test("a device without a store is refused with one line", async () => {
  const { harness } = await begin();
  await expect(harness.mountEmpty()).rejects.toThrow(/has no object store's label/);
  await harness.close();
});
