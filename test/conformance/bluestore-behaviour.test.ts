/** What BlueStore's options and write path are for: where data goes and how often the device is flushed. */
import { expect, test } from "vitest";
import { opKinds } from "../../engine/port/block-device.ts";
import { type BlueStoreOptions, blueStoreOptions } from "../../engine/store/bluestore/options.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { firstDifference, StoreSession } from "../../engine/store/conformance-session.ts";
import { allocHints, Transaction } from "../../engine/store/transaction.ts";
import { optionsOf } from "./options-place.ts";
import { type BlueStoreHarness, blueStoreSubject } from "./store-subjects.ts";

const id = "1.0";

async function begin(options: Partial<BlueStoreOptions>): Promise<StoreSession> {
  const subject = blueStoreSubject({ name: "behaviour", options });
  const session = new StoreSession(subject, await subject.create(3), 3);
  await session.apply((t) => t.createCollection(id, 0));
  return session;
}

function state(session: StoreSession): BlueStore["state"] {
  return (session.store as BlueStore).state;
}

test("many transactions share a flush", async () => {
  const session = await begin({});
  const before = state(session).counters.flushes;
  await session.wait<number>((done) => {
    let left = 64;
    for (let index = 0; index < 64; index += 1) {
      const write = new Transaction().write(
        id,
        session.object(`o${index}`),
        0,
        session.bytes(4096),
      );
      session.store.submit(write, () => {
        left -= 1;
        if (left === 0) {
          done(0);
        }
      });
    }
  });
  expect(state(session).counters.flushes - before).toBeLessThanOrEqual(4);
});

/** Where a store puts what is written next. */
function roomOf(session: StoreSession): { offsetBytes: number; lengthBytes: number } {
  let room = { offsetBytes: 0, lengthBytes: 0 };
  state(session).allocator.forEachFree((offsetBytes, lengthBytes) => {
    room = lengthBytes > room.lengthBytes ? { offsetBytes, lengthBytes } : room;
  });
  return room;
}

test.each([
  ["soon: they share a flush", 300_000, 1, 300_000, 2_000_000],
  ["late: the others do not wait for it", 1e9, 2, 0, 4_000_000],
] as const)("a write that comes %s", async (_, delayNs, flushes, least, most) => {
  const session = await begin({});
  const before = 12;
  const slow = { effect: "slow", kinds: [opKinds.write], range: roomOf(session) } as const;
  await (session.harness as BlueStoreHarness).remountOn([
    { ...slow, nth: before + 2, delayNs },
    // A group of commits takes so long.
    { effect: "slow", kinds: [opKinds.flush], times: null, delayNs: 1e6 },
  ]);
  const { counters, clock } = state(session);
  const fill = (transaction: Transaction, name: string): Transaction =>
    transaction.write(id, session.object(name), 0, session.bytes(32_768));
  for (let count = 0; count < before; count += 1) {
    await session.apply((transaction) => fill(transaction, `o${count}`));
  }
  const flushesBefore = counters.flushes;
  const beganNs = clock.nowNs();
  let firstNs = 0;
  await session.wait<number>((done) => {
    session.store.submit(fill(new Transaction(), "first"), () => {
      firstNs = clock.nowNs() - beganNs;
    });
    session.store.submit(fill(new Transaction(), "second"), done);
  });
  expect(counters.flushes - flushesBefore).toBe(flushes);
  expect(clock.nowNs() - beganNs).toBeGreaterThan(delayNs);
  expect(firstNs).toBeGreaterThan(least);
  expect(firstNs).toBeLessThan(most);
  await session.harness.close();
});

test("small writes are deferred below the limit, and written in place later", async () => {
  const session = await begin({ preferDeferredBytes: 65536, deferredBatchOps: 4 });
  await session.apply((t) => t.write(id, session.object("a"), 0, session.bytes(131072)));
  const { counters, io } = state(session);
  const data = session.bytes(8192);
  const written = io.counters.writtenBytes;
  const flushes = counters.flushes;
  await session.apply((t) => t.write(id, session.object("a"), 16384, data));
  // Nothing but the log was written before the callback.
  expect(io.counters.writtenBytes).toBe(written);
  expect(counters.flushes).toBe(flushes);
  expect(counters.write_big_deferred).toBe(1);
  await session.flush();
  expect(io.counters.writtenBytes).toBe(written + 8192);
  const got = await session.read(id, session.object("a"), 16384, 8192);
  expect(firstDifference(got, data)).toBe(-1);
});

test("compression saves space by mode, hint and ratio", async () => {
  const text = new TextEncoder().encode("abcdefgh".repeat(8192));
  const stored = async (options: Partial<BlueStoreOptions>, hints: number, data: Uint8Array) => {
    const session = await begin(options);
    const object = session.object("a");
    await session.apply((t) => {
      t.touch(id, object);
      t.setAllocHint(id, object, { objectBytes: 0, writeBytes: 0, hints });
      t.write(id, object, 0, data);
    });
    const got = await session.read(id, object, 0, data.length);
    expect(firstDifference(got, data)).toBe(-1);
    return session.store.usage().allocatedBytes;
  };
  const noise = new Uint8Array(65536).map((_, at) => (Math.imul(at, 0x9e3779b1) >>> 13) ^ at);
  const { compressible, incompressible } = allocHints;
  expect(await stored({ compressionMode: "none" }, compressible, text)).toBe(65536);
  expect(await stored({ compressionMode: "passive" }, 0, text)).toBe(65536);
  expect(await stored({ compressionMode: "passive" }, compressible, text)).toBeLessThan(16384);
  expect(await stored({ compressionMode: "aggressive" }, 0, text)).toBeLessThan(16384);
  expect(await stored({ compressionMode: "aggressive" }, incompressible, text)).toBe(65536);
  expect(await stored({ compressionMode: "force" }, incompressible, text)).toBeLessThan(16384);
  expect(await stored({ compressionMode: "force" }, 0, noise)).toBe(65536);
  const half = text.map((byte, at) => (at % 2048 < 1024 ? byte : (noise[at] as number)));
  const strict = { compressionMode: "force", compressionRequiredRatio: 0.3 } as const;
  expect(await stored({ compressionMode: "force" }, 0, half)).toBeLessThan(45_057);
  expect(await stored(strict, 0, half)).toBe(65536);
});

test("sequential hints make one checksum of a large chunk", async () => {
  const session = await begin({});
  const object = session.object("a");
  const hints = allocHints.sequentialRead | allocHints.immutable;
  await session.apply((t) => {
    t.touch(id, object);
    t.setAllocHint(id, object, { objectBytes: 65536, writeBytes: 65536, hints });
    t.write(id, object, 0, session.bytes(65536));
  });
  const [extent] = state(session).find(object)?.map.extents ?? [];
  expect(extent?.blob.sums.length).toBe(4);
  expect(extent?.blob.sumOrder).toBe(16);
});

test("zeroes take no space when they are looked for", async () => {
  for (const [zeroBlockDetection, wanted] of [
    [true, 0],
    [false, 65536],
  ] as const) {
    const session = await begin({ zeroBlockDetection });
    await session.apply((t) => t.write(id, session.object("a"), 0, new Uint8Array(65536)));
    expect(session.store.usage().allocatedBytes).toBe(wanted);
    const got = await session.read(id, session.object("a"), 0, 65536);
    expect(got.length).toBe(65536);
    expect(got.every((byte) => byte === 0)).toBe(true);
  }
});

test("data that was read is not read from the device again, within the cache's size", async () => {
  for (const [dataCacheBytes, again] of [
    [1 << 20, 0],
    [0, 32768],
  ] as const) {
    const session = await begin({ dataCacheBytes });
    const object = session.object("a");
    const data = session.bytes(32768);
    await session.apply((t) => t.write(id, object, 0, data));
    await session.read(id, object, 0, 32768);
    const before = state(session).io.counters.readBytes;
    const got = await session.read(id, object, 0, 32768);
    expect(firstDifference(got, data)).toBe(-1);
    expect(state(session).io.counters.readBytes - before).toBe(again);
  }
});

test("random overwrites leave no more blobs than units, and few shared between shards", async () => {
  const session = await begin({});
  const object = session.object("a");
  await session.apply((t) => t.write(id, object, 0, session.bytes(2 << 20)));
  for (let index = 0; index < 1500; index += 1) {
    const offset = 4096 * session.random.below(512);
    await session.apply((t) => t.write(id, object, offset, session.bytes(4096)));
  }
  const map = state(session).find(object)?.map;
  const blobs = new Set(map?.extents.map(({ blob }) => blob));
  expect(blobs.size).toBeLessThanOrEqual(512);
  expect(map?.shards.length).toBeGreaterThan(4);
  expect(map?.spanning.size).toBe(0);
  await session.harness.check();
});

test("two parts of one write to one large chunk are both there", async () => {
  const session = await begin({});
  const object = session.object("a");
  const hints = allocHints.sequentialRead | allocHints.immutable;
  const data = session.bytes(65536);
  await session.apply((t) => {
    t.touch(id, object);
    t.setAllocHint(id, object, { objectBytes: 65536, writeBytes: 8192, hints });
    t.write(id, object, 0, data);
  });
  const patch = session.bytes(4096);
  await session.apply((t) => t.write(id, object, 2265, patch));
  data.set(patch, 2265);
  const got = await session.read(id, object, 0, 65536);
  expect(firstDifference(got, data)).toBe(-1);
});

test.each([
  ["wait for slow discards", false],
  ["go on while slow discards are under way, unless told to wait", true],
])("commits %s", async (_text, asyncDiscard) => {
  const byName = blueStoreOptions(optionsOf({ bdev_async_discard: String(asyncDiscard) }));
  const subject = blueStoreSubject({
    name: "discards",
    options: { discard: true, asyncDiscard: byName.asyncDiscard, allocationFromFile: false },
  });
  const harness = (await subject.create(3)) as BlueStoreHarness;
  const session = new StoreSession(subject, harness, 3);
  await session.apply((t) => t.createCollection(id, 0));
  const overwrite = (): Promise<void> =>
    session.apply((t) => t.write(id, session.object("a"), 0, session.bytes(65536)));
  await overwrite();
  await harness.remountOn([{ effect: "slow", delayNs: 1e9, times: null, kinds: [opKinds.trim] }]);
  const { counters, clock } = state(session);
  const began = clock.nowNs();
  for (let count = 0; count < 5; count += 1) {
    await overwrite();
  }
  expect(clock.nowNs() - began).toBe(asyncDiscard ? 0 : 4e9);
  expect(counters.discard_waits).toBe(asyncDiscard ? 0 : 4);
  // A clean end waits for the device.
  await harness.remount(true);
  await harness.check();
  await harness.close();
});
