/** Options of a store that act in places of their own: each shows its effect in a run. */
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ExtentList } from "../../engine/hot/allocator/allocator.ts";
import { ShardedPolicy } from "../../engine/hot/cache/sharded.ts";
import { processMemory } from "../../engine/os/memory-meter.ts";
import { prefixes } from "../../engine/store/bluestore/keys.ts";
import { BlueStore } from "../../engine/store/bluestore/store.ts";
import { objectName } from "../../engine/store/object-name.ts";
import { hotPathsOf } from "../../engine/store/store-hot-paths.ts";
import { allocHints, Transaction } from "../../engine/store/transaction.ts";
import {
  both,
  collection,
  mib,
  noise,
  optionsOf,
  Place,
  plain,
  type Settings,
  type Work,
} from "./options-place.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const a = objectName({ pool: 1, name: "a" });

/** What is seen of an open store with these settings. */
async function seen<T>(settings: Settings, look: (place: Place) => Promise<T> | T): Promise<T> {
  const place = new Place();
  await place.open(settings);
  const found = await look(place);
  await place.close();
  return found;
}

/** The same of two values of one option. */
async function ofBoth<T>(
  name: string,
  values: readonly [string, string],
  look: (place: Place) => Promise<T> | T,
  beside: Settings = {},
): Promise<readonly [T, T]> {
  const first = await seen({ ...beside, [name]: values[0] }, look);
  return [first, await seen({ ...beside, [name]: values[1] }, look)];
}

describe("space and writing", () => {
  it("how far first fit looks: bluestore_avl_alloc_ff_max_search_count, _bytes", () => {
    const offsetOf = (settings: Settings): number => {
      const { allocator } = hotPathsOf(optionsOf({ bluestore_allocator: "avl", ...settings }));
      const made = allocator({ capacityBytes: 64 * mib, blockBytes: 4096 });
      const free = new ExtentList();
      for (let each = 0; each < 40; each += 1) {
        free.push(mib + each * 8192, 4096);
      }
      free.push(4 * mib, 4096);
      free.push(16 * mib, 8 * mib);
      free.push(60 * mib, 65_536);
      made.release(free);
      const into = new ExtentList();
      made.allocate(65_536, 65_536, 0, 0, into);
      made.close();
      return into.offsetBytes(0);
    };
    // What fits exactly is taken once first fit has given up.
    expect(offsetOf({})).toBe(16 * mib);
    expect(offsetOf({ bluestore_avl_alloc_ff_max_search_count: "5" })).toBe(60 * mib);
    expect(offsetOf({ bluestore_avl_alloc_ff_max_search_bytes: "1M" })).toBe(60 * mib);
  });

  it("bluestore_freelist_blocks_per_key", async () => {
    const look = async (place: Place): Promise<number> => {
      await place.write("a", 0, noise(65_536));
      const { kv } = place.store.state;
      const records = kv.scan(prefixes.freelistBits, new Uint8Array(0), undefined, 1000);
      return Math.max(...records.map(({ value }) => value.length));
    };
    const lengths = await ofBoth("bluestore_freelist_blocks_per_key", ["128", "512"], look, {
      bluestore_allocation_from_file: "false",
    });
    expect(lengths).toEqual([16, 64]);
  });

  it("bluestore_allocation_from_file, not with metadata on a hard disk", async () => {
    const freelist = ({ store }: Place): string => store.opened.geometry.freelist;
    const name = "bluestore_allocation_from_file";
    expect(await ofBoth(name, ["true", "false"], freelist)).toEqual(["file", "bitmap"]);
    const place = new Place();
    place.deviceClass = "hdd";
    await place.open({ [name]: "true" });
    expect(freelist(place)).toBe("bitmap");
    await place.close();
  });

  it("bluestore_blobid_prealloc", async () => {
    const look = async (place: Place): Promise<number> => {
      await place.write("a", 0, noise(65_536));
      const copy = objectName({ pool: 1, name: "copy" });
      expect(await place.submit(new Transaction().clone(collection, a, copy))).toBe(0);
      await place.settle();
      return place.store.state.blobIdMax;
    };
    expect(await ofBoth("bluestore_blobid_prealloc", ["11", "2000"], look)).toEqual([11, 2000]);
  });

  it("bluestore_max_deferred_txc", async () => {
    const work: Work = async (place) => {
      await place.write("a", 0, noise(262_144));
      for (let at = 0; at < 48; at += 1) {
        await place.write("a", at * 4096, noise(4096));
      }
    };
    const beside = {
      bluestore_prefer_deferred_size: "64K",
      bluestore_deferred_batch_ops: "1000",
      bluestore_max_defer_interval: "1000",
      bluestore_max_deferred_txc: "1000",
    };
    const sent = "bluestore.submitted_deferred_writes";
    const [late, soon] = await both(sent, { bluestore_max_deferred_txc: "8" }, work, beside);
    expect(late).toBe(0);
    expect(soon).toBeGreaterThan(0);
  });

  it("bluestore_extent_map_shard_target_size_slop", async () => {
    const look = async (place: Place): Promise<readonly number[]> => {
      // Pieces of one blob, so that where it is cut matters.
      await place.write("a", 0, noise(mib));
      for (let at = 0; at < 60; at += 1) {
        await place.write("a", at * 16_384 + 512 * ((at * 7) % 13), noise(700));
      }
      await place.settle();
      return place.store.state.find(a)?.map.shards.map(({ offset }) => offset) ?? [];
    };
    const beside = {
      bluestore_extent_map_shard_max_size: "600",
      bluestore_extent_map_shard_target_size: "300",
    };
    const name = "bluestore_extent_map_shard_target_size_slop";
    const [exact, loose] = await ofBoth(name, ["0", "1"], look, beside);
    expect(exact.length).toBeGreaterThan(1);
    expect(loose).not.toEqual(exact);
  });

  it("bluestore_fsck_on_mkfs", async () => {
    const check = vi.spyOn(BlueStore.prototype, "checkStructure");
    const look = (): number => {
      const calls = check.mock.calls.length;
      check.mockClear();
      return calls;
    };
    expect(await ofBoth("bluestore_fsck_on_mkfs", ["true", "false"], look)).toEqual([1, 0]);
  });
});

describe("compression", () => {
  const force = { bluestore_compression_mode: "force" };

  it("bluestore_compression_max_blob_size", async () => {
    const { sequentialRead, appendOnly } = allocHints;
    const hints = sequentialRead | appendOnly;
    const work: Work = async (place) => {
      const expected = { objectBytes: 0, writeBytes: 0, hints };
      const touched = new Transaction().touch(collection, a).setAllocHint(collection, a, expected);
      expect(await place.submit(touched)).toBe(0);
      await place.write("a", 0, plain(262_144));
    };
    const beside = { ...force, bluestore_max_blob_size: "256K" };
    const blobs = "bluestore.compress_success_count";
    const larger = { bluestore_compression_max_blob_size: "256K" };
    expect(await both(blobs, larger, work, beside)).toEqual([4, 1]);
  });

  it("bluestore_gc_enable_blob_threshold, _total_threshold", async () => {
    const work: Work = async (place) => {
      const half = noise(65_536).map((byte, at) => ((at >> 12) & 1 ? byte : 0));
      await place.write("a", 0, half);
      await place.settle();
      await place.write("a", 0, noise(61_440));
    };
    for (const name of [
      "bluestore_gc_enable_blob_threshold",
      "bluestore_gc_enable_total_threshold",
    ]) {
      const [merged, none] = await both("bluestore.gc_merged", { [name]: "1000" }, work, force);
      expect([merged > 0, none], name).toEqual([true, 0]);
    }
  });
});

describe("memory", () => {
  it("osd_memory_expected_fragmentation, osd_memory_target_cgroup_limit_ratio", async () => {
    const tuned = (place: Place): number => place.store.state.memory.tunedBytes;
    const [small, large] = await ofBoth("osd_memory_expected_fragmentation", ["0.5", "0"], tuned);
    expect(small).toBeLessThan(large);
    vi.spyOn(processMemory, "limitBytes").mockReturnValue(2 ** 30);
    const target = (place: Place): number => place.store.state.memory.targetBytes;
    const ratio = "osd_memory_target_cgroup_limit_ratio";
    expect(await ofBoth(ratio, ["0.5", "0.25"], target)).toEqual([2 ** 29, 2 ** 28]);
  });

  it("osd_num_cache_shards", async () => {
    const sharded = (place: Place): boolean =>
      place.store.state.buffers.policy instanceof ShardedPolicy;
    expect(await ofBoth("osd_num_cache_shards", ["8", "1"], sharded)).toEqual([true, false]);
  });

  /** Uses the store for a while longer than the short interval. */
  async function use(place: Place): Promise<void> {
    for (let round = 0; round < 12; round += 1) {
      await place.write("a", 0, noise(4096));
      await delay(5);
    }
  }

  const still = {
    osd_memory_cache_resize_interval: "1000",
    bluestore_cache_autotune_interval: "1000",
    bluestore_cache_age_bin_interval: "1000",
  };

  it("osd_memory_cache_resize_interval", async () => {
    const look = async (place: Place): Promise<boolean> => {
      await use(place);
      return place.store.state.memory.mappedBytes > 0;
    };
    const name = "osd_memory_cache_resize_interval";
    expect(await ofBoth(name, ["0.01", "1000"], look, still)).toEqual([true, false]);
  });

  it("bluestore_cache_autotune_interval", async () => {
    const look = async (place: Place): Promise<boolean> => {
      const before = place.store.state.memory.shares;
      await use(place);
      return place.store.state.memory.shares !== before;
    };
    const name = "bluestore_cache_autotune_interval";
    expect(await ofBoth(name, ["0.01", "1000"], look, still)).toEqual([true, false]);
  });

  it("bluestore_cache_age_bin_interval", async () => {
    const look = async (place: Place): Promise<boolean> => {
      const shift = vi.spyOn(place.store.state.onodes.policy, "shiftAgeBins");
      await use(place);
      return shift.mock.calls.length > 0;
    };
    const name = "bluestore_cache_age_bin_interval";
    expect(await ofBoth(name, ["0.01", "1000"], look, still)).toEqual([true, false]);
  });
});
