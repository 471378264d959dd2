/** waltree when its device lies, fails or is full: never other data than was committed. */
import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import type { Fault } from "../../engine/device/fault.ts";
import { DeviceMux } from "../../engine/device/mux.ts";
import { KvBatch } from "../../engine/hot/kv/batch.ts";
import {
  compareStores,
  conformanceOperators,
  drawOperation,
} from "../../engine/hot/kv/conformance.ts";
import { bytesOf, NaiveKeyValueStore } from "../../engine/hot/kv/conformance-model.ts";
import type { KeyValueStore } from "../../engine/hot/kv/kv.ts";
import { openKeyValueStore } from "../../engine/hot/kv/registry.ts";
import { errnos, opKinds } from "../../engine/port/block-device.ts";
import type { SimDisk } from "../../engine/sim/disk.ts";
import type { DiskImage } from "../../engine/sim/image.ts";
import { ScatteredSpace } from "../../engine/sim/scenario-waltree.ts";
import { World } from "../../engine/sim/world.ts";
import { settle } from "../conformance/kv-subjects.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));

interface Bench {
  readonly world: World;
  readonly disk: SimDisk;
  open(create?: boolean): Promise<KeyValueStore>;
  commit(store: KeyValueStore, ...batches: KvBatch[]): Promise<number>;
}

function bench(
  options: {
    image?: DiskImage;
    faults?: readonly Fault[];
    sizeBytes?: number;
    logBytes?: number;
  } = {},
): Bench {
  const images = new Map(options.image === undefined ? [] : [["main", options.image]]);
  const world = new World({ seed: 1, settle, images });
  const sizeBytes = options.sizeBytes ?? 8 << 20;
  const { disk, device } = world.disk({ name: "main", sizeBytes, faults: options.faults ?? [] });
  return {
    world,
    disk,
    open: async (create = false) => {
      const mux = new DeviceMux(device, { capacity: 16, selfDriven: true });
      const lane = mux.lane({ depth: 16, slots: 16 });
      const space = new ScatteredSpace(sizeBytes, world.random.fork("space"));
      const store = await world.run(
        openKeyValueStore("waltree", {
          devices: { main: { path: null, lane, sizeBytes, blockBytes: 4096 }, db: null, wal: null },
          create,
          readOnly: false,
          space,
          mergeOperators: conformanceOperators,
          options: { waltree_log_bytes: options.logBytes ?? 128 << 10 },
          clock: world.clock,
          random: world.random.fork("store"),
        }),
      );
      space.take(store.usedExtents());
      return store;
    },
    commit: (store, ...batches) =>
      world.run(new Promise<number>((resolve) => store.commit(batches, resolve))),
  };
}

function setting(key: string, value: string | Uint8Array): KvBatch {
  const batch = new KvBatch();
  batch.set("O", bytesOf(key), typeof value === "string" ? bytesOf(value) : value);
  return batch;
}

/** A store with a checkpoint and a log behind it, as it lies on its disk. */
async function filled(): Promise<{ image: DiskImage; model: NaiveKeyValueStore }> {
  const made = bench();
  const model = new NaiveKeyValueStore(conformanceOperators);
  const store = await made.open(true);
  const random = new SeededRandom(seed);
  for (let step = 0; step < 120; step += 1) {
    const batch = new KvBatch();
    for (let count = 0; count < 6; count += 1) {
      drawOperation(random, batch);
    }
    model.apply(batch);
    expect(await made.commit(store, batch)).toBe(0);
  }
  expect(store.counters()["checkpoints"]).toBeGreaterThan(0);
  await made.world.run(store.close());
  return { image: made.disk.image, model };
}

describe("bits that turn over", () => {
  test(`anywhere on the disk are survived or reported, never believed (seed ${seed})`, async () => {
    const { image, model } = await filled();
    const random = new SeededRandom(seed);
    const written: number[] = [];
    const block = new Uint8Array(4096);
    for (let at = 0; at < 8 << 20; at += 4096) {
      image.read(at, block);
      if (block.some((byte) => byte !== 0)) {
        written.push(at);
      }
    }
    let reported = 0;
    for (let each = 0; each < 400; each += 1) {
      const damaged = bench({ image });
      const at = written[random.below(written.length)] as number;
      damaged.disk.rot(at + random.below(4096), 1 << random.below(8));
      let store: KeyValueStore;
      try {
        store = await damaged.open();
      } catch (error) {
        expect(String(error), `seed ${seed}`).toMatch(/waltree: .* damaged|records|keys/);
        reported += 1;
        continue;
      }
      compareStores(store, model);
    }
    expect(reported).toBeGreaterThan(20);
  });

  test("one superblock of two is enough, none is not", async () => {
    const { image, model } = await filled();
    for (const offset of [4096, 8192]) {
      const damaged = bench({ image });
      damaged.disk.rot(offset + 20, 1);
      compareStores(await damaged.open(), model);
    }
    const damaged = bench({ image });
    damaged.disk.rot(4096 + 20, 1);
    damaged.disk.rot(8192 + 20, 1);
    await expect(damaged.open()).rejects.toThrow("both superblocks on main are damaged");
  });

  test("a disk without a store is told apart", async () => {
    await expect(bench().open()).rejects.toThrow("there is no waltree on main");
  });
});

describe("errors of the disk", () => {
  test("a read that fails a few times is tried again, one that always fails is an error", async () => {
    const { image, model } = await filled();
    const read = { effect: "error" as const, errno: errnos.EIO, kinds: [opKinds.read] };
    compareStores(await bench({ image, faults: [{ ...read, nth: 3, times: 3 }] }).open(), model);
    const failing = bench({ image, faults: [{ ...read, nth: 3, times: null }] });
    await expect(failing.open()).rejects.toThrow(/failed with errno 5, 4 times/);
  });

  test.each([
    ["write", opKinds.write],
    ["full", opKinds.write],
  ] as const)(
    "after a failed %s nothing is committed, nothing acknowledged is lost",
    async (how, kind) => {
      const errno = how === "full" ? errnos.ENOSPC : errnos.EIO;
      const failing = bench({
        faults: [{ effect: "error", errno, kinds: [kind], nth: 12, times: null }],
      });
      const store = await failing.open(true);
      const results: number[] = [];
      for (let each = 0; each < 20; each += 1) {
        results.push(await failing.commit(store, setting(`key ${each}`, "value")));
      }
      const good = results.indexOf(errno);
      expect(good).toBeGreaterThan(2);
      expect(results.slice(good).every((result) => result === errno)).toBe(true);
      expect(store.get("O", bytesOf(`key ${good}`))).toBeUndefined();
      await failing.world.run(store.close());
      const again = bench({ image: failing.disk.crash("none", new SeededRandom(1)) });
      const opened = await again.open();
      const keys = opened.scan("O", new Uint8Array(0), undefined, 100);
      expect(keys.length).toBe(good);
    },
  );
});

describe("a full device", () => {
  test("refuses what does not fit, goes on with what does, and takes freed space again", async () => {
    const small = bench({ sizeBytes: 1 << 20, logBytes: 64 << 10 });
    const store = await small.open(true);
    const large = new Uint8Array(30_000).fill(1);
    let stored = 0;
    while ((await small.commit(store, setting(`key ${stored}`, large))) === 0) {
      stored += 1;
      expect(stored).toBeLessThan(40);
    }
    expect(stored).toBeGreaterThan(4);
    expect(store.get("O", bytesOf(`key ${stored}`))).toBeUndefined();
    for (let round = 0; round < 3; round += 1) {
      const removal = new KvBatch();
      removal.removeRange("O", new Uint8Array(0), undefined);
      expect(await small.commit(store, removal), `round ${round}`).toBe(0);
      // A checkpoint may have to end first, which frees the log.
      let result = -1;
      for (let tries = 0; tries < 50 && result !== 0; tries += 1) {
        result = await small.commit(store, setting("back", large));
        small.world.clock.advance(1e8);
        await settle();
      }
      expect(result, `round ${round}`).toBe(0);
    }
    await small.world.run(store.close());
    const opened = await bench({ image: small.disk.image, sizeBytes: 1 << 20 }).open();
    expect(opened.scan("O", new Uint8Array(0), undefined, 100).length).toBe(1);
  });
});

test("commits that wait together share one flush", async () => {
  const made = bench({ logBytes: 1 << 20 });
  const store = await made.open(true);
  await made.commit(store, setting("first", "value"));
  const before = store.counters();
  const all = Array.from(
    { length: 64 },
    (_, each) =>
      new Promise<number>((resolve) => store.commit([setting(`key ${each}`, "value")], resolve)),
  );
  await made.world.run(Promise.all(all));
  const after = store.counters();
  expect((after["commits"] ?? 0) - (before["commits"] ?? 0)).toBe(64);
  expect((after["groups"] ?? 0) - (before["groups"] ?? 0)).toBe(2);
});

test("a batch that merges under a prefix without an operator is refused before anything happens", async () => {
  const made = bench();
  const store = await made.open(true);
  const batch = new KvBatch();
  batch.merge("O", bytesOf("key"), bytesOf("value"));
  expect(() => store.commit([batch], () => {})).toThrow("no merge operator for the prefix O");
});
