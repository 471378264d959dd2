/** A store with some of everything, damaged while it is mounted, checked and mended. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "vitest";
import { KvBatch } from "../../engine/hot/kv/kv.ts";
import type { Blob } from "../../engine/store/bluestore/blob.ts";
import { encodeOnode } from "../../engine/store/bluestore/codec.ts";
import type { FindingKind } from "../../engine/store/bluestore/fsck/findings.ts";
import {
  type FsckOptions,
  type FsckReport,
  fsckStore,
} from "../../engine/store/bluestore/fsck/fsck.ts";
import { prefixes } from "../../engine/store/bluestore/keys.ts";
import type { Onode } from "../../engine/store/bluestore/onode.ts";
import type { BlueStore } from "../../engine/store/bluestore/store.ts";
import { WireWriter } from "../../engine/store/bluestore/wire.ts";
import { objectName } from "../../engine/store/object-name.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { NativeStorePlace, type NativeStoreShape } from "../conformance/native-store.ts";

export const names = ["plain", "sharded", "original", "copy", "compressible"] as const;
type Name = (typeof names)[number];
export const object = (name: Name) => objectName({ pool: 1, name });
export const id = "1.0";

export function pattern(name: Name, bytes: number): Uint8Array {
  const made = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 1) {
    made[at] = name === "compressible" ? name.length : (at * 31 + (at >> 8) + name.length) & 255;
  }
  return made;
}

/** Runs until it calls back; what a mounted store does goes on by itself. */
export function done<T>(start: (done: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve) => start(resolve));
}

export async function commit(store: BlueStore, batch: KvBatch): Promise<void> {
  expect(await done<number>((end) => store.state.kv.commit([batch], end))).toBe(0);
}

export async function apply(
  store: BlueStore,
  fill: (transaction: Transaction) => void,
): Promise<void> {
  const transaction = new Transaction();
  fill(transaction);
  expect(await done<number>((end) => store.submit(transaction, end))).toBe(0);
}

async function fill(store: BlueStore): Promise<void> {
  await apply(store, (t) => t.createCollection(id, 0));
  await apply(store, (t) => t.write(id, object("plain"), 0, pattern("plain", 200_000)));
  await apply(store, (t) =>
    t.omapSet(id, object("plain"), new Map([["key", pattern("plain", 9)]])),
  );
  await apply(store, (t) => t.write(id, object("original"), 0, pattern("original", 100_000)));
  await apply(store, (t) => t.clone(id, object("original"), object("copy")));
  await apply(store, (t) => t.write(id, object("sharded"), 0, pattern("sharded", 900_000)));
  const whole = pattern("sharded", 900_000);
  const parts = Array.from({ length: 60 }, (_, at) => at * 13_000).map((at) =>
    apply(store, (t) => t.write(id, object("sharded"), at, whole.subarray(at, at + 4096))),
  );
  await Promise.all(parts);
  const bytes = pattern("compressible", 65_536);
  await apply(store, (t) => t.write(id, object("compressible"), 0, bytes));
  expect(await done<number>((end) => store.flush(end))).toBe(0);
}

const sizes: Record<Name, number> = {
  plain: 200_000,
  sharded: 900_000,
  original: 100_000,
  copy: 100_000,
  compressible: 65_536,
};

export async function expectWhole(store: BlueStore): Promise<void> {
  for (const name of names) {
    const into = new Uint8Array(sizes[name]);
    expect(await done<number>((end) => store.read(id, object(name), 0, into, end))).toBe(
      into.length,
    );
    const source = name === "copy" ? "original" : name;
    expect(Buffer.compare(into, pattern(source, into.length)), name).toBe(0);
  }
}

export const shape = (
  kv: "rocksdb" | "waltree",
  allocationFromFile: boolean,
): NativeStoreShape => ({
  name: `${kv} ${allocationFromFile}`,
  kv,
  options: {
    allocationFromFile,
    compressionMode: "force",
    compressionMinBlobBytes: 65_536,
    shardMaxBytes: 300,
    shardTargetBytes: 150,
    shardMinBytes: 50,
  },
});

/** Where the store of the test is. */
let place: NativeStorePlace;

export function pathOfStore(): string {
  return place.path("main");
}

export function mountAgain(): ReturnType<NativeStorePlace["mount"]> {
  return place.mount();
}

export function disposeOfStore(): void {
  place.dispose();
}

/** A store with some of everything, damaged while it is mounted. */
export async function damaged(
  how: NativeStoreShape,
  damage: (store: BlueStore) => Promise<void> | void,
): Promise<void> {
  place = new NativeStorePlace(how, 20_261);
  await place.make();
  const { store, close } = await place.mount();
  await fill(store);
  // A commit follows those that stand on what they wrote; before it damage of that is none of the store.
  await delay(50);
  await damage(store);
  store.abandon();
  await nextTurn();
  close();
}

/** What a mount tells. */
export async function notesOfMount(): Promise<readonly string[]> {
  const { store, close } = await place.mount();
  const { notes } = store.opened;
  await done((end) => store.unmount(end));
  close();
  return notes;
}

export async function fsck(options: Partial<FsckOptions>): Promise<FsckReport> {
  const { parts, close } = place.open();
  try {
    return await fsckStore(parts, { deep: false, repair: false, ...options });
  } finally {
    close();
  }
}

export async function expectMended(kind: FindingKind, text: RegExp): Promise<void> {
  const found = await fsck({});
  const first = found.errors.find((error) => error.kind === kind && text.test(error.message));
  expect(first, JSON.stringify(found.errors)).toMatchObject({ repair: "possible" });
  expect(found.left).toBe(found.total);
  const mended = await fsck({ repair: true });
  expect(mended.errors.filter(({ repair }) => repair !== "done")).toEqual([]);
  expect([mended.left, mended.total > 0]).toEqual([0, true]);
  const after = await fsck({ deep: true });
  expect(after.errors).toEqual([]);
  expect(after.checkedBytes).toBeGreaterThan(500_000);
  const { store, close } = await place.mount();
  await expectWhole(store);
  // What was mended can be worked on.
  await apply(store, (t) => t.write(id, object("plain"), 50, pattern("plain", 9000)));
  store.abandon();
  close();
}

/** The first extent that the allocator has. */
export function freeExtent(store: BlueStore): [number, number] {
  let found: [number, number] = [0, 0];
  store.state.allocator.forEachFree((offset, length) => {
    found = length > found[1] ? [offset, length] : found;
  });
  return found;
}

export function onodeOf(store: BlueStore, name: Name): Onode {
  const onode = store.state.find(object(name));
  if (onode === null) {
    throw new Error(`object ${name} is not there`);
  }
  store.state.shards.faultAll(onode);
  return onode;
}

export function putOnode(store: BlueStore, onode: Onode): KvBatch {
  const writer = new WireWriter();
  encodeOnode(writer, onode, store.state.unitBytes);
  const batch = new KvBatch();
  batch.set(prefixes.onodes, onode.keyBytes, writer.seal(0));
  return batch;
}

export function firstBlob(onode: Onode): Blob {
  const [extent] = onode.map.extents;
  if (extent === undefined) {
    throw new Error(`object ${onode.name.name} has no extents`);
  }
  return extent.blob;
}

/** Turns one bit of a file over. */
export function flip(path: string, at: number): void {
  const file = openSync(path, "r+");
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 16;
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}
