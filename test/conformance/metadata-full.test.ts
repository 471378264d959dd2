/**
 * A store whose last space is taken by metadata: what would make it grow is refused with ENOSPC before
 * anything of it is done, so that reads, removals and the next mount go on, and space comes back in the same mount.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { SeededRandom } from "../../engine/base/random.ts";
import { fsckStore } from "../../engine/store/bluestore/fsck/fsck.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { objectName } from "../../engine/store/object-name.ts";
import { storeErrnos } from "../../engine/store/object-store.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { hasRocksdb, NativeStorePlace } from "./native-store.ts";

const seed = Number(process.env["OSDYNO_SEED"] ?? Math.floor(Date.now() / 86_400_000));
const id = "1.0";
const nameOf = (index: number) => objectName({ pool: 1, name: `o${index}`, hash: index * 7919 });
const filler = objectName({ pool: 1, name: "filler" });

let place: NativeStorePlace;
afterEach(() => place?.dispose());

function submit(store: BlueStore, fill: (transaction: Transaction) => void): Promise<number> {
  const transaction = new Transaction();
  fill(transaction);
  return new Promise((resolve) => store.submit(transaction, resolve));
}

/** Data until the main device has no more of it. */
async function fillWithData(store: BlueStore): Promise<void> {
  let filled = 0;
  for (let piece = 1 << 20; piece >= 65_536; ) {
    const at = filled;
    const bytes = new Uint8Array(piece).fill(7);
    const errno = await submit(store, (t) => t.write(id, filler, at, bytes));
    filled += errno === 0 ? piece : 0;
    piece = errno === 0 ? piece : piece / 2;
  }
}

/** That do not compress. */
function bytesOf(random: SeededRandom, length: number): Uint8Array {
  const words = Uint32Array.from({ length: Math.ceil(length / 4) }, () => random.bits32());
  return new Uint8Array(words.buffer, 0, length);
}

/** What was acknowledged: an object's attribute, or its one omap value. */
type Model = Map<number, Uint8Array>;

/** New objects of attributes or omap, many at once, until one is refused or `most` are taken; how many were. */
async function grow(
  store: BlueStore,
  model: Model,
  random: SeededRandom,
  most = 10_000,
): Promise<number> {
  const first = model.size === 0 ? 0 : Math.max(...model.keys()) + 1;
  let taken = 0;
  for (let index = first; index < first + most; index += 40) {
    const errnos = await Promise.all(
      Array.from({ length: 40 }, async (_, each) => {
        const object = nameOf(index + each);
        const value = bytesOf(random, 100 + random.below(16_000));
        const values = new Map([["a", value]]);
        const errno = await submit(store, (t) => {
          t.touch(id, object);
          if ((index + each) % 2 === 0) {
            t.setAttrs(id, object, values);
          } else {
            t.omapSet(id, object, values);
          }
        });
        if (errno === 0) {
          model.set(index + each, value);
          taken += 1;
        }
        return errno;
      }),
    );
    const failed = errnos.find((errno) => errno !== 0);
    if (failed !== undefined) {
      expect(failed, `seed ${seed}`).toBe(-storeErrnos.ENOSPC);
      return taken;
    }
  }
  return taken;
}

async function expectAll(store: BlueStore, model: Model): Promise<void> {
  for (const [index, value] of model) {
    const object = nameOf(index);
    const found = await new Promise<ReadonlyMap<string, Uint8Array> | undefined>((resolve) => {
      if (index % 2 === 0) {
        store.attrs(id, object, (_errno, attrs) => resolve(attrs ?? undefined));
      } else {
        store.omap(id, object, { keys: ["a"] }, (_errno, answer) => resolve(answer?.pairs));
      }
    });
    const same = Buffer.compare(found?.get("a") ?? new Uint8Array(0), value) === 0;
    expect(same, `object ${index}, seed ${seed}`).toBe(true);
  }
}

async function expectClean(): Promise<void> {
  const { parts, close } = place.open();
  try {
    const { errors } = await fsckStore(parts, { deep: true, repair: false });
    expect(errors.map(({ message }) => message)).toEqual([]);
  } finally {
    close();
  }
}

test.for([
  { name: "rocksdb", kv: "rocksdb", mainBytes: 192 << 20 },
  { name: "waltree", kv: "waltree", mainBytes: 96 << 20 },
  { name: "waltree apart", kv: "waltree", separate: true, mainBytes: 48 << 20 },
] as const)(
  `$name: refused, removed, taken again, from seed ${seed}`,
  { timeout: 120_000 },
  async (shape, context) => {
    context.skip(shape.kv === "rocksdb" && !hasRocksdb, "RocksDB is not built in");
    place = new NativeStorePlace(shape, seed);
    await place.make();
    let mounted = await place.mount();
    const random = new SeededRandom(seed);
    const model: Model = new Map();
    expect(await submit(mounted.store, (t) => t.createCollection(id, 0))).toBe(0);
    await fillWithData(mounted.store);
    const first = await grow(mounted.store, model, random);
    await expectAll(mounted.store, model);

    expect(first, `seed ${seed}`).toBeGreaterThan(0);

    // Metadata goes, and its space takes other metadata, in the same mount and over and over.
    const taken = [first];
    for (let round = 0; round < 3; round += 1) {
      for (const index of model.keys()) {
        expect(await submit(mounted.store, (t) => t.remove(id, nameOf(index)))).toBe(0);
      }
      model.clear();
      taken.push(await grow(mounted.store, model, random));
      await expectAll(mounted.store, model);
    }
    process.stdout.write(`${shape.name}: taken ${taken.join(", ")}\n`);
    expect(Math.min(...taken), `seed ${seed}`).toBeGreaterThan(first / 4);

    await new Promise((resolve) => mounted.store.unmount(resolve));
    await nextTurn();
    mounted.close();
    await expectClean();
    mounted = await place.mount();
    await expectAll(mounted.store, model);
    expect(await submit(mounted.store, (t) => t.remove(id, filler))).toBe(0);
    const more = await grow(mounted.store, model, random, 2 * first + 40);
    expect(more > 2 * first, `seed ${seed}`).toBe(!("separate" in shape));
    await expectAll(mounted.store, model);
    mounted.store.abandon();
    await nextTurn();
    mounted.close();
    await expectClean();
  },
);
