/** A device with one unit free: each overwrite, submitted from the callback of the last one, has its space. */
import { afterEach, expect, test } from "vitest";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { objectName } from "../../engine/store/object-name.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { hasRocksdb, NativeStorePlace } from "./native-store.ts";

const id = "1.0";
const object = objectName({ pool: 1, name: "o", hash: 7 });
const unit = 4096;
const overwrites = 40;

let place: NativeStorePlace | null = null;
afterEach(() => place?.dispose());

function submit(store: BlueStore, transaction: Transaction): Promise<number> {
  return new Promise((resolve) => store.submit(transaction, resolve));
}

/** Fills the device but for one unit. */
async function fill(store: BlueStore): Promise<void> {
  let at = 0;
  for (let piece = 1 << 20; piece >= unit; ) {
    const bytes = new Uint8Array(piece).fill(3);
    const errno = await submit(store, new Transaction().write(id, object, at, bytes));
    at += errno === 0 ? piece : 0;
    piece = errno === 0 ? piece : piece / 2;
  }
  expect(await submit(store, new Transaction().truncate(id, object, at - unit))).toBe(0);
}

test.runIf(hasRocksdb)("overwrites from callbacks on rocksdb", { timeout: 60_000 }, async () => {
  place = new NativeStorePlace({ name: "rocksdb", kv: "rocksdb", mainBytes: 192 << 20 }, 1);
  await place.make();
  const { store, close } = await place.mount();
  expect(await submit(store, new Transaction().createCollection(id, 0))).toBe(0);
  await fill(store);
  const results: number[] = [];
  await new Promise<void>((resolve) => {
    const next = () => {
      const at = (results.length % 4) * unit;
      const bytes = new Uint8Array(unit).fill(results.length);
      store.submit(new Transaction().write(id, object, at, bytes), (errno) => {
        results.push(errno);
        if (results.length < overwrites) {
          next();
        } else {
          resolve();
        }
      });
    };
    next();
  });
  expect(results).toEqual(Array.from({ length: overwrites }, () => 0));
  await new Promise((resolve) => store.unmount(resolve));
  close();
});
