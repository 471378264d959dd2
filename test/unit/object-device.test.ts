/** The object workload over a store in memory: what operations become, and that wrong contents are found. */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { heapArena } from "../../engine/device/check-op.ts";
import { openChecksum } from "../../engine/hot/checksum/registry.ts";
import { opKinds } from "../../engine/port/block-device.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import { MemStore } from "../../engine/store/memstore/memstore.ts";
import { mismatchErrno, ObjectDevice } from "../../engine/store/objects/object-device.ts";
import { noMix, type ObjectMix, objectOps } from "../../engine/store/objects/object-mix.ts";
import { ObjectSet } from "../../engine/store/objects/object-set.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { volumeCounters } from "../../engine/store/volume.ts";

const depth = 8;
const strideBytes = 20_000;
const slotBytes = 20_480;

interface Bench {
  readonly clock: VirtualClock;
  readonly store: MemStore;
  readonly set: ObjectSet;
  readonly device: ObjectDevice;
  readonly counters: ReturnType<typeof volumeCounters>;
}

async function settled<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let done = false;
  void promise.finally(() => {
    done = true;
  });
  while (!done) {
    clock.step();
    await Promise.resolve();
  }
  return await promise;
}

async function bench(
  mix: ObjectMix,
  more: { objects?: number; sequential?: boolean; verify?: boolean; on?: Bench } = {},
): Promise<Bench> {
  const { objects = 40, sequential = false, verify = true, on } = more;
  const clock = on?.clock ?? new VirtualClock();
  const arena = heapArena(slotBytes, depth + 2);
  const store = on?.store ?? new MemStore({ clock, sizeBytes: 1 << 24, arena });
  const set = new ObjectSet(store, openChecksum("crc32c"), verify);
  expect(await settled(clock, set.open())).toBe(0);
  const counters = volumeCounters();
  const device = new ObjectDevice({
    set,
    mix,
    driver: null,
    clock,
    strideBytes,
    firstObject: 0,
    objectCount: objects,
    sequential,
    verify,
    seed: 4,
    firstSlot: 2,
    slots: depth,
    notes: [],
    counters,
    closed: () => {},
    facts: {
      name: "objects",
      sizeBytes: objects * strideBytes,
      blockBytes: 1,
      deviceClass: "ssd",
      classReason: "",
      rotational: false,
      writeCache: false,
      queueDepth: depth,
    },
  });
  return { clock, store, set, device, counters };
}

/** Results of operations, up to `depth` at once, in the order of their completion. */
async function perform(
  { clock, device }: Bench,
  ops: readonly { kind: 0 | 1 | 2; object: number; bytes: number }[],
  random = new SeededRandom(1),
): Promise<number[]> {
  const results: number[] = [];
  const free = Array.from({ length: depth }, (_, slot) => slot);
  let next = 0;
  while (results.length < ops.length) {
    for (; next < ops.length && free.length > 0; next += 1) {
      const { kind, object, bytes } = ops[next] as (typeof ops)[number];
      const slot = free.pop() as number;
      const data = device.arena.bytes.subarray(slot * slotBytes, slot * slotBytes + bytes);
      if (kind === opKinds.write) {
        for (let at = 0; at < bytes; at += 1) {
          data[at] = random.bits32();
        }
      }
      const offsetBytes = object * strideBytes;
      const op = { kind, flags: 0, offsetBytes, lengthBytes: bytes, slot, tag: slot };
      expect(device.submit(op)).toBe(true);
    }
    device.commit();
    const count = device.poll(depth);
    for (let at = 0; at < count; at += 1) {
      results.push(device.completions.result[at] as number);
      free.push(device.completions.tag[at] as number);
    }
    if (count === 0) {
      clock.step();
      await Promise.resolve();
    }
  }
  return results;
}

const { read: get, write: change, trim: remove } = opKinds;

describe("an object workload", () => {
  it("does what the mix says, and reads back what was put", async () => {
    const mix = { get: 40, put: 20, overwrite: 20, delete: 10, omap: 10 };
    const at = await bench(mix);
    const random = new SeededRandom(77);
    const ops = Array.from({ length: 6000 }, () => {
      const drawn = random.below(100);
      const kind = drawn < 40 ? get : drawn < 90 ? change : remove;
      return { kind, object: random.below(40), bytes: 1 + random.below(strideBytes) } as const;
    });
    const results = await perform(at, ops);
    expect(results.filter((result) => result < 0)).toEqual([]);
    const { set, store, clock, counters } = at;
    expect(set.mismatches).toBe(0);
    expect(set.checked).toBeGreaterThan(1500);
    const kinds = objectOps.map((op) => set.counts[op].ops);
    expect(kinds.reduce((sum, count) => sum + count, 0)).toBe(6000);
    for (const op of ["put", "overwrite", "omap"] as const) {
      const share = (50 * mix[op]) / 50 / 100;
      expect(Math.abs(set.counts[op].ops / 6000 - share), op).toBeLessThan(0.03);
    }
    const moved = objectOps.reduce((sum, op) => sum + set.counts[op].bytes, 0);
    expect(moved).toBe(results.reduce((sum, each) => sum + each, 0));
    expect(counters.readBytes).toBe(set.counts.get.bytes);
    expect(counters.reads + counters.writes + counters.trims).toBe(6000);
    let listed = 0;
    for (let number = 0; number < 40; number += 1) {
      const found = await settled(
        clock,
        new Promise<number>((resolve) =>
          store.stat(set.collection(number), set.name(number), (errno, stat) =>
            resolve(errno < 0 ? -1 : (stat?.sizeBytes ?? -1)),
          ),
        ),
      );
      expect(found, `object ${number}`).toBe(set.has(number) ? set.sizeBytes(number) : -1);
      listed += found >= 0 ? 1 : 0;
    }
    expect(set.presentCount).toBe(listed);
    const again = await bench(mix, { on: at });
    expect(again.set.presentCount).toBe(listed);
  });

  it("finds contents that are not what was put: other bytes, other length", async () => {
    for (const spoil of ["bytes", "length"]) {
      const at = await bench({ ...noMix, get: 50, put: 50 });
      const { set, store, clock } = at;
      await perform(at, [{ kind: change, object: 3, bytes: 9000 }]);
      expect(await perform(at, [{ kind: get, object: 3, bytes: 1 }])).toEqual([9000]);
      const beneath = new Transaction();
      if (spoil === "bytes") {
        beneath.write(set.collection(3), set.name(3), 8500, Uint8Array.of(1, 2, 3, 4, 5));
      } else {
        beneath.truncate(set.collection(3), set.name(3), 8999);
      }
      await settled(clock, new Promise<number>((resolve) => store.submit(beneath, resolve)));
      expect(await perform(at, [{ kind: get, object: 3, bytes: 1 }])).toEqual([-mismatchErrno]);
      expect(set.mismatches).toBe(1);
    }
  });

  it("takes the next object that is there; without any, puts what would change one", async () => {
    const at = await bench({ ...noMix, get: 50, overwrite: 40, delete: 10 });
    const { set } = at;
    expect(await perform(at, [{ kind: get, object: 5, bytes: 100 }])).toEqual([0]);
    expect(set.missed).toBe(1);
    expect(await perform(at, [{ kind: remove, object: 5, bytes: 100 }])).toEqual([0]);
    expect(await perform(at, [{ kind: change, object: 7, bytes: 5000 }])).toEqual([5000]);
    expect(set.counts.put.ops).toBe(1);
    expect(await perform(at, [{ kind: get, object: 30, bytes: 100 }])).toEqual([5000]);
    expect(await perform(at, [{ kind: change, object: 9, bytes: 100 }])).toEqual([4096]);
    expect(set.counts.overwrite.ops).toBe(1);
    expect(await perform(at, [{ kind: get, object: 7, bytes: 100 }])).toEqual([5000]);
    await perform(at, [{ kind: remove, object: 0, bytes: 100 }]);
    expect(set.presentCount).toBe(0);
  });

  it("keeps its number of objects when it puts as many as it deletes; omap brings none back", async () => {
    const objects = 400;
    const mixes = { even: [30, 30], more: [50, 10], fewer: [10, 30] } as const;
    for (const [name, [put, remove_]] of Object.entries(mixes)) {
      const mix = { ...noMix, put, delete: remove_, overwrite: 10, omap: 90 - put - remove_ };
      const at = await bench(mix, { objects });
      const fill = Array.from(
        { length: objects },
        (_, object) => ({ kind: change, object, bytes: 500 }) as const,
      );
      const filling = await bench({ ...noMix, put: 100 }, { objects, sequential: true, on: at });
      await perform(filling, fill);
      const used = await bench(mix, { objects, on: at });
      const random = new SeededRandom(5);
      const ops = Array.from({ length: 4000 }, () => {
        const kind = random.below(100) < remove_ ? remove : change;
        // A few are hot: most puts find one that is there.
        const object = random.below(2) === 0 ? random.below(10) : random.below(objects);
        return { kind, object, bytes: 1 + random.below(900) } as const;
      });
      expect((await perform(used, ops)).filter((result) => result < 0)).toEqual([]);
      const { set, store, clock } = used;
      const sizes = await Promise.all(
        Array.from({ length: objects }, (_, number) =>
          settled(
            clock,
            new Promise<number>((resolve) =>
              store.stat(set.collection(number), set.name(number), (errno, stat) =>
                resolve(errno < 0 ? -1 : (stat?.sizeBytes ?? -1)),
              ),
            ),
          ),
        ),
      );
      const left = sizes.filter((size) => size >= 0);
      expect(left.length, name).toBe(set.presentCount);
      expect(
        left.filter((size) => size === 0),
        name,
      ).toEqual([]);
      const share = left.length / objects;
      if (name === "more") {
        expect(share).toBeGreaterThan(0.95);
      } else if (name === "even") {
        expect(share).toBeGreaterThan(0.6);
      } else {
        expect(share).toBeLessThan(0.1);
      }
    }
  });

  it("of omap alone makes the objects that it finds missing", async () => {
    const at = await bench({ ...noMix, omap: 100 });
    for (const object of [3, 7, 3]) {
      expect(await perform(at, [{ kind: change, object, bytes: 64 }])).toEqual([12 + 64]);
    }
    expect([at.set.has(3), at.set.has(7), at.set.presentCount]).toEqual([true, true, 2]);
  });

  it("goes from object to object when it is sequential, whatever the addresses", async () => {
    const at = await bench({ ...noMix, put: 100 }, { objects: 5, sequential: true });
    const put = { kind: change, object: 0, bytes: 10 } as const;
    await perform(at, [put, put, put]);
    expect([0, 1, 2, 3, 4].map((number) => at.set.has(number))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    await perform(at, [put, put, put]);
    expect(at.set.presentCount).toBe(5);
  });

  it("an operation that the store refuses fails, and the next ones go on", async () => {
    const at = await bench({ ...noMix, get: 50, put: 50 }, { objects: 2000 });
    const puts = Array.from(
      { length: 1000 },
      (_, object) => ({ kind: change, object, bytes: strideBytes }) as const,
    );
    const results = await perform(at, puts);
    const refused = results.filter((result) => result < 0);
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused)).toEqual(new Set([-28]));
    const gets = puts.map(({ object }) => ({ kind: get, object, bytes: 1 }) as const);
    const got = await perform(at, gets);
    expect(got.filter((result) => result < 0)).toEqual([]);
    expect(at.set.mismatches).toBe(0);
  });

  it("judges gets that changes overtake, but not by a change that turns out to have failed", async () => {
    const at = await bench({ ...noMix, get: 50, put: 50 });
    const { set, store, clock } = at;
    const put = { kind: change, object: 3, bytes: 9000 } as const;
    const look = { kind: get, object: 3, bytes: 1 } as const;
    await perform(at, [put]);
    // Of gets between puts that are all under way each is judged, by the put before it.
    const before = set.checked;
    expect(await perform(at, [look, put, look, put, look])).toEqual([9000, 9000, 9000, 9000, 9000]);
    expect(set.checked).toBe(before + 3);
    // A put that is refused, which is told only after the get has ended.
    const submit = store.submit.bind(store);
    store.submit = (_, done) => {
      clock.at(clock.nowNs() + 1e6, () => done(-28));
    };
    expect((await perform(at, [put, look])).sort((a, b) => a - b)).toEqual([-28, 9000]);
    expect(set.mismatches).toBe(0);
    // One that is told to have been done, and was not.
    store.submit = (_, done) => {
      clock.at(clock.nowNs() + 1e6, () => done(0));
    };
    const wrong = await perform(at, [put, look]);
    expect(wrong.sort((a, b) => a - b)).toEqual([-mismatchErrno, 9000]);
    expect(set.mismatches).toBe(1);
    store.submit = submit;
  });
});
