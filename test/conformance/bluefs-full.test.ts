/**
 * A store on RocksDB with small devices for it, under overwrites that fill them and then the main device:
 * files spill over, then commits are refused for want of space, and nothing that was acknowledged is lost.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { fsckStore } from "../../engine/store/bluestore/fsck/fsck.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { objectName } from "../../engine/store/object-name.ts";
import { storeErrnos } from "../../engine/store/object-store.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { hasRocksdb, NativeStorePlace, sizes } from "./native-store.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const id = "1.0";
const objects = 400;
const nameOf = (index: number) => objectName({ pool: 1, name: `o${index}`, hash: index * 7919 });

let place: NativeStorePlace;
afterEach(() => place.dispose());

function submit(store: BlueStore, fill: (transaction: Transaction) => void): Promise<number> {
  const transaction = new Transaction();
  fill(transaction);
  return new Promise((resolve) => store.submit(transaction, resolve));
}

/** What each object's attribute is, by what was acknowledged. */
type Model = Map<number, Uint8Array>;

async function expectAll(store: BlueStore, model: Model): Promise<void> {
  for (const [index, value] of model) {
    const attrs = await new Promise<ReadonlyMap<string, Uint8Array> | null>((resolve) =>
      store.attrs(id, nameOf(index), (_errno, found) => resolve(found)),
    );
    const same = Buffer.compare(attrs?.get("a") ?? new Uint8Array(0), value) === 0;
    expect(same, `object ${index}, seed ${seed}`).toBe(true);
  }
}

/** Overwrites attributes until so many were acknowledged or one is refused; the errno. */
async function overwrite(
  store: BlueStore,
  model: Model,
  random: SeededRandom,
  most: number,
): Promise<number> {
  for (let count = 0; count < most; count += 24) {
    const chosen = Array.from({ length: 24 }, () => random.below(objects));
    const results = chosen.map(async (index) => {
      const value = new Uint8Array(2000 + random.below(4000)).fill(random.below(256));
      const errno = await submit(store, (t) =>
        t.touch(id, nameOf(index)).setAttrs(id, nameOf(index), new Map([["a", value]])),
      );
      return { index, value, errno };
    });
    const done = await Promise.all(results);
    for (const { index, value, errno } of done) {
      if (errno === 0) {
        model.set(index, value);
      }
    }
    const failed = done.find(({ errno }) => errno !== 0);
    if (failed !== undefined) {
      return failed.errno;
    }
  }
  return 0;
}

/** New objects with attributes, until one is refused; the errno. */
async function grow(store: BlueStore, model: Model): Promise<number> {
  for (let index = objects; index < 60_000; index += 40) {
    const results = Array.from({ length: 40 }, async (_, each) => {
      const value = new Uint8Array(12_000).fill(index + each);
      const object = nameOf(index + each);
      const attrs = new Map([["a", value]]);
      const errno = await submit(store, (t) => t.touch(id, object).setAttrs(id, object, attrs));
      if (errno === 0) {
        model.set(index + each, value);
      }
      return errno;
    });
    const failed = (await Promise.all(results)).find((errno) => errno !== 0);
    if (failed !== undefined) {
      return failed;
    }
  }
  return 0;
}

async function fsck(): Promise<readonly string[]> {
  const { parts, close } = place.open();
  try {
    const { errors } = await fsckStore(parts, { deep: true, repair: false });
    return errors.map(({ message }) => message);
  } finally {
    close();
  }
}

test.runIf(hasRocksdb)(
  `small devices: spill-over, refusal, nothing lost, from seed ${seed}`,
  async () => {
    place = new NativeStorePlace(
      { name: "small", kv: "rocksdb", separate: true, mainBytes: 48 << 20 },
      seed,
    );
    await place.make();
    let mounted = await place.mount();
    const random = new SeededRandom(seed);
    const model: Model = new Map();
    expect(await submit(mounted.store, (t) => t.createCollection(id, 0))).toBe(0);

    // A long run of overwrites on devices that hold a fraction of what is written.
    expect(await overwrite(mounted.store, model, random, 4800)).toBe(0);
    const { kv } = mounted.store.state;
    const counters = kv.counters();
    expect(counters["batch_bytes"]).toBeGreaterThan(sizes.db + sizes.wal);
    expect(counters["bluefs_spilled_bytes"]).toBeGreaterThan(0);
    await expectAll(mounted.store, model);

    // Data takes what is left of the main device: metadata has nowhere to go any more.
    const filler = objectName({ pool: 1, name: "filler" });
    let filled = 0;
    for (let errno = 0, piece = 1 << 20; piece >= 65_536; ) {
      const at = filled;
      const bytes = new Uint8Array(piece).fill(7);
      errno = await submit(mounted.store, (t) => t.write(id, filler, at, bytes));
      filled += errno === 0 ? piece : 0;
      piece = errno === 0 ? piece : piece / 2;
    }
    const before = model.size;
    expect(await grow(mounted.store, model)).toBe(-storeErrnos.ENOSPC);
    process.stdout.write(`refused with ${model.size - before} more objects\n`);
    await expectAll(mounted.store, model);
    await new Promise((resolve) => mounted.store.unmount(resolve));
    await nextTurn();
    mounted.close();
    expect(await fsck()).toEqual([]);

    // All of it is there still, and what fills the device can go.
    mounted = await place.mount();
    await expectAll(mounted.store, model);
    expect(await submit(mounted.store, (t) => t.remove(id, filler))).toBe(0);
    // What it gives back takes overwrites again, also where a compaction had no space before that.
    expect(await overwrite(mounted.store, model, random, 2400)).toBe(0);
    await expectAll(mounted.store, model);
    mounted.store.abandon();
    await nextTurn();
    mounted.close();
    expect(await fsck()).toEqual([]);
  },
  120_000,
);
