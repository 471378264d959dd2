/** Commits to rocksdb that stand on data of the main device: there after a crash with the data only. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { crc32c } from "../../engine/base/crc32c.ts";
import { SeededRandom } from "../../engine/base/random.ts";
import { ExtentList } from "../../engine/hot/allocator/allocator.ts";
import { NativeAllocator } from "../../engine/hot/allocator/native-allocator.ts";
import { type KeyValueStore, KvBatch, type KvExtent } from "../../engine/hot/kv/kv.ts";
import { openKeyValueStore } from "../../engine/hot/kv/registry.ts";
import { VirtualClock } from "../../engine/sim/clock.ts";
import { hasRocksdb } from "./native-store.ts";

const sizeBytes = 64 << 20;
const dataBytes = 5000;
/** The last blocks; the store's allocator never has them. */
const dataAt = sizeBytes - 65_536;
const folder = mkdtempSync(join(tmpdir(), "osdyno-premises-"));
afterAll(() => rmSync(folder, { recursive: true }));

function device(name: string) {
  const path = join(folder, name);
  return { path, lane: null, sizeBytes, blockBytes: 4096 };
}

function make(name: string): void {
  const file = openSync(join(folder, name), "w");
  ftruncateSync(file, sizeBytes);
  closeSync(file);
}

function write(name: string, at: number, bytes: Uint8Array): void {
  const file = openSync(join(folder, name), "r+");
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

async function opened(
  how: { readonly create: boolean; readonly readOnly: boolean },
  devices: { readonly db: string | null; readonly wal: string | null },
  used: readonly KvExtent[] = [],
): Promise<KeyValueStore> {
  const allocator = new NativeAllocator("bitmap", { capacityBytes: sizeBytes, blockBytes: 4096 });
  allocator.release(ExtentList.of([0, sizeBytes]));
  const taken = ExtentList.of([0, 65_536], [dataAt, 65_536]);
  for (const { offsetBytes, lengthBytes } of used) {
    taken.push(offsetBytes, lengthBytes);
  }
  allocator.removeFree(taken);
  return await openKeyValueStore("rocksdb", {
    ...how,
    devices: {
      main: device("main"),
      db: devices.db === null ? null : device(devices.db),
      wal: devices.wal === null ? null : device(devices.wal),
    },
    space: { unitBytes: 4096, handle: allocator.handle, allocate: () => undefined, release() {} },
    mergeOperators: {},
    options: {},
    clock: new VirtualClock(),
    random: new SeededRandom(1),
  });
}

const alone = { db: null, wal: null };
const bytesOf = (text: string) => new TextEncoder().encode(text);

function premiseOf(at: number, bytes: Uint8Array): Uint8Array {
  const entry = new DataView(new ArrayBuffer(16));
  entry.setUint32(0, at, true);
  entry.setUint32(8, bytes.length, true);
  entry.setUint32(12, ~crc32c(bytes) >>> 0, true);
  return new Uint8Array(entry.buffer);
}

async function commit(store: KeyValueStore, key: string, premises?: Uint8Array): Promise<number> {
  const batch = new KvBatch();
  batch.set("S", bytesOf(key), bytesOf("there"));
  return await new Promise((resolve) => store.commit([batch], resolve, premises));
}

const has = (store: KeyValueStore, key: string) => store.get("S", bytesOf(key)) !== undefined;

/** Commits `before`, and `after` on data of which byte `lost`, if any, is not there; then crashes. */
async function crashed(lost: number | null): Promise<void> {
  make("main");
  const store = await opened({ create: true, readOnly: false }, alone);
  expect(store.facts.premises).toBe(true);
  const data = new Uint8Array(dataBytes).map((_, at) => at % 251);
  const premise = premiseOf(dataAt, data);
  write("main", dataAt, data);
  expect(await commit(store, "before", premise)).toBe(0);
  write("main", dataAt + 8192, data);
  expect(await commit(store, "after", premiseOf(dataAt + 8192, data))).toBe(0);
  store.abandon();
  // What the earlier one stands on may be used again.
  write("main", dataAt, bytesOf("used again"));
  if (lost !== null) {
    write("main", dataAt + 8192 + lost, new Uint8Array([255]));
  }
}

describe.skipIf(!hasRocksdb)("commits to rocksdb that stand on data", () => {
  it.each([null, 0, dataBytes - 1])("are there with all of it only (lost: %s)", async (lost) => {
    await crashed(lost);
    const reading = await opened({ create: false, readOnly: true }, alone);
    expect([has(reading, "before"), has(reading, "after")]).toEqual([true, lost === null]);
    const used = reading.usedExtents();
    await reading.close();
    const again = await opened({ create: false, readOnly: false }, alone, used);
    expect([has(again, "before"), has(again, "after")]).toEqual([true, lost === null]);
    expect(await commit(again, "later")).toBe(0);
    await again.close();
  });

  it.each([
    { db: "db", wal: null },
    { db: null, wal: "wal" },
  ])("are refused where the log is on another device: %o", async (devices) => {
    for (const name of ["main", "db", "wal"]) {
      make(name);
    }
    const store = await opened({ create: true, readOnly: false }, devices);
    expect(store.facts.premises).toBe(false);
    expect(() => store.commit([], () => {}, premiseOf(dataAt, new Uint8Array(4)))).toThrow(
      /only where the log is on the device of the data/,
    );
    expect(await commit(store, "plain")).toBe(0);
    await store.close();
  });
});
