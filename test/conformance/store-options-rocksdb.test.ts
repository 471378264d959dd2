/** Options of RocksDB and BlueFS: each shows its effect in a run on files. */
import { constants, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { native } from "../../engine/base/native.ts";
import { RocksdbStore } from "../../engine/hot/kv/rocksdb.ts";
import { prefixes } from "../../engine/store/bluestore/keys.ts";
import { objectName } from "../../engine/store/object-name.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { hasRocksdb, smallRocksdb } from "./native-store.ts";
import { collection, mib, noise, Place, type Settings } from "./options-place.ts";

const rocks: Settings = {
  bluestore_kvbackend: "rocksdb",
  bluestore_rocksdb_options: smallRocksdb,
};

function kvOf(place: Place): RocksdbStore {
  const { kv } = place.store.state;
  if (!(kv instanceof RocksdbStore)) {
    throw new Error("the store is not on rocksdb");
  }
  return kv;
}

function count(place: Place, name: string): number {
  const value = kvOf(place).counters()[name];
  expect(value, name).toBeDefined();
  return value ?? 0;
}

/** Metadata in so many objects of so many bytes, ended as tables. */
async function fill(place: Place, objects: number, bytes: number): Promise<void> {
  for (let at = 0; at < objects; at += 64) {
    const transaction = new Transaction();
    for (let each = at; each < Math.min(at + 64, objects); each += 1) {
      const name = objectName({
        pool: 1,
        name: `o${each}`,
        hash: Math.imul(each, 0x9e3779b1) >>> 0,
      });
      transaction
        .touch(collection, name)
        .setAttrs(collection, name, new Map([["k", noise(bytes)]]));
    }
    expect(await place.submit(transaction)).toBe(0);
  }
  kvOf(place).compact();
}

type Look = (place: Place, settings: Settings) => Promise<number>;

/** What is seen with the one value of an option, and with the other. */
async function ofBoth(
  name: string,
  values: readonly [string, string],
  look: Look,
  beside: Settings | ((place: Place) => Settings) = {},
): Promise<readonly [number, number]> {
  const found: number[] = [];
  for (const value of values) {
    const place = new Place();
    const also = typeof beside === "function" ? beside(place) : beside;
    const settings = { ...rocks, ...also, [name]: value };
    await place.open(settings);
    found.push(await look(place, settings));
    await place.close();
  }
  return found as unknown as readonly [number, number];
}

/** How often this process has a file open with reads through the page cache. */
function openedCached(path: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"));
      const direct = (Number.parseInt(flags?.[1] ?? "0", 8) & constants.O_DIRECT) !== 0;
      return !direct && readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      // The descriptor that listed them.
      return false;
    }
  }).length;
}

const filled =
  (name: string, objects = 200): Look =>
  async (place) => {
    await fill(place, objects, 3000);
    return count(place, name);
  };

describe.skipIf(!hasRocksdb)("RocksDB", () => {
  it("bluestore_rocksdb_cfs", async () => {
    const cfs = ["O(2) L", "m(3) p(3,0-12) O(3,0-13) L P"] as const;
    const [few, many] = await ofBoth("bluestore_rocksdb_cfs", cfs, async (place) =>
      count(place, "rocksdb_memtable_bytes_now"),
    );
    expect(few).toBeLessThan(many);
  });

  it("rocksdb_block_size", async () => {
    const look: Look = async (place, settings) => {
      await fill(place, 200, 3000);
      await place.close();
      await place.open(settings);
      const before = count(place, "bluefs_read_bytes");
      expect(kvOf(place).scan(prefixes.onodes, new Uint8Array(0), undefined, 1)).toHaveLength(1);
      return count(place, "bluefs_read_bytes") - before;
    };
    const [small, large] = await ofBoth("rocksdb_block_size", ["4096", "65536"], look, {
      bluestore_rocksdb_options: "",
    });
    expect(large).toBeGreaterThan(small + 20_000);
  });

  it("rocksdb_bloom_bits_per_key", async () => {
    const look: Look = async (place) => {
      await fill(place, 1000, 30);
      return count(place, "rocksdb_table_bytes_now");
    };
    const [without, large] = await ofBoth("rocksdb_bloom_bits_per_key", ["0", "64"], look, {
      bluestore_rocksdb_options: "",
    });
    // That many bits for each of a thousand keys are 8 KB.
    expect(large).toBeGreaterThan(without + 4000);
  });

  it("bluestore_cache_kv_onode_ratio", async () => {
    const capacity: Look = async (place) => count(place, "rocksdb_cache_capacity_now");
    const found = await ofBoth("bluestore_cache_kv_onode_ratio", ["0", "0.25"], capacity, {
      bluestore_cache_autotune: "false",
      bluestore_cache_size: "64M",
      bluestore_cache_kv_ratio: "0.25",
    });
    expect(found).toEqual([16 * mib, 32 * mib]);
  });
});

/** The class of the addon. */
interface NativeTrace {
  take(): { readonly kinds: Uint8Array };
  close(): void;
}

describe.skipIf(!hasRocksdb)("BlueFS", () => {
  it("bluefs_min_flush_size", async () => {
    const Trace = native()["NativeDeviceTrace"] as new (paths: readonly string[]) => NativeTrace;
    const look: Look = async (place, settings) => {
      await place.close();
      const trace = new Trace([place.path]);
      await place.open(settings);
      await fill(place, 500, 8000);
      trace.close();
      return trace.take().kinds.filter((kind) => kind === 0).length;
    };
    const [many, few] = await ofBoth("bluefs_min_flush_size", ["64K", "16M"], look, {
      bluestore_rocksdb_options: "",
    });
    expect(few).toBeLessThan(many);
  });

  it("bluefs_alloc_size, bluefs_shared_alloc_size", async () => {
    const used: Look = async (place) => count(place, "bluefs_db_used_bytes_now");
    const [fine, coarse] = await ofBoth("bluefs_alloc_size", ["64K", "4M"], used, (place) => ({
      bluestore_block_db_path: `${place.path}.db`,
      bluestore_block_db_size: "96M",
    }));
    expect(coarse).toBeGreaterThan(fine);
    const [small, large] = await ofBoth("bluefs_shared_alloc_size", ["64K", "1M"], used);
    expect(large).toBeGreaterThan(small);
  });

  it("bluefs_max_log_runway, bluefs_min_log_runway", async () => {
    const used: Look = async (place) => count(place, "bluefs_db_used_bytes_now");
    const [short, long] = await ofBoth("bluefs_max_log_runway", ["256K", "8M"], used);
    expect(long).toBeGreaterThan(short + 4 * mib);
    // With a runway longer than what it grows by the log grows with each transaction.
    const beside = { bluefs_max_log_runway: "256K" };
    const [late, soon] = await ofBoth("bluefs_min_log_runway", ["64K", "4M"], used, beside);
    expect(soon).toBeGreaterThan(late + mib);
  });

  it("bluefs_log_compact_min_size, bluefs_log_compact_min_ratio", async () => {
    const compactions = filled("bluefs_log_compactions");
    const often = { bluefs_log_compact_min_ratio: "1.5" };
    const bySize = await ofBoth("bluefs_log_compact_min_size", ["16K", "16M"], compactions, often);
    expect([bySize[0] > 0, bySize[1]]).toEqual([true, 0]);
    const soon = { bluefs_log_compact_min_size: "16K" };
    const byRatio = await ofBoth(
      "bluefs_log_compact_min_ratio",
      ["1.5", "1000"],
      compactions,
      soon,
    );
    expect([byRatio[0] > 0, byRatio[1]]).toEqual([true, 0]);
  });

  it("bluefs_compact_log_sync", async () => {
    // Beside the others the log goes on in space of its own meanwhile, and is longer after each compaction.
    const logged = filled("bluefs_log_bytes", 400);
    const often = { bluefs_log_compact_min_size: "16K", bluefs_log_compact_min_ratio: "1.5" };
    const [beside, alone] = await ofBoth("bluefs_compact_log_sync", ["false", "true"], logged, {
      ...often,
      bluefs_max_log_runway: "1M",
    });
    expect(alone).toBeLessThan(0.75 * beside);
  });

  it("bluefs_buffered_io", async () => {
    const cachedFiles: Look = async (place) => openedCached(place.path);
    const [buffered, direct] = await ofBoth("bluefs_buffered_io", ["true", "false"], cachedFiles);
    expect(buffered).toBeGreaterThan(direct);
  });

  // The second level is meant for the slow device, and there is room for it on the other.
  const levels = "max_bytes_for_level_base=524288,max_bytes_for_level_multiplier=128";
  const apart = (place: Place): Settings => ({
    bluestore_block_db_path: `${place.path}.db`,
    bluestore_block_db_size: "64M",
    bluefs_alloc_size: "64K",
    bluestore_rocksdb_options: `${smallRocksdb},${levels}`,
  });
  const onSlow: Look = async (place) => {
    await fill(place, 1600, 3000);
    // What is too much for a level moves down by and by.
    for (let tries = 0; tries < 40; tries += 1) {
      await delay(50);
      if (count(place, "rocksdb_level2_bytes_now") > mib) {
        break;
      }
    }
    expect(count(place, "rocksdb_level2_bytes_now")).toBeGreaterThan(mib);
    return count(place, "bluefs_slow_used_bytes_now");
  };

  it.each([
    ["bluestore_volume_selection_policy", "rocksdb_original", "fit_to_fast"],
    ["bluestore_volume_selection_reserved", "64M", "1M"],
    ["bluestore_volume_selection_reserved_factor", "100", "0.1"],
  ])("%s", async (name, toSlow, toFast) => {
    const [most, least] = await ofBoth(name, [toSlow, toFast], onSlow, apart);
    // Files that only change their level stay where they are.
    expect(most).toBeGreaterThan(mib / 4);
    expect(least).toBe(0);
  });
});
