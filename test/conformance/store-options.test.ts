/** Every family of a store's options shows its effect on a store on a file. */
import { describe, expect, it } from "vitest";
import { ExtentList } from "../../engine/hot/allocator/allocator.ts";
import { KvBatch } from "../../engine/hot/kv/kv.ts";
import { prefixes } from "../../engine/store/bluestore/keys.ts";
import { objectName } from "../../engine/store/object-name.ts";
import { hotPathsOf } from "../../engine/store/store-hot-paths.ts";
import { Transaction } from "../../engine/store/transaction.ts";
import { hasRocksdb } from "./native-store.ts";
import {
  both,
  collection,
  counted,
  mib,
  noise,
  optionsOf,
  overwrites,
  Place,
  plain,
  type Settings,
  type Work,
} from "./options-place.ts";

describe("options of a store have their effect", () => {
  it("parameters of allocators", () => {
    const offsetOf = (settings: Settings): number => {
      const { allocator } = hotPathsOf(optionsOf({ bluestore_allocator: "avl", ...settings }));
      const made = allocator({ capacityBytes: 64 * mib, blockBytes: 4096 });
      made.release(ExtentList.of([mib, 32 * mib], [60 * mib, 8192]));
      const into = new ExtentList();
      made.allocate(8192, 4096, 0, 0, into);
      made.close();
      return into.offsetBytes(0);
    };
    // First fit takes from the front, best fit what fits exactly.
    expect(offsetOf({})).toBe(mib);
    expect(offsetOf({ bluestore_avl_alloc_bf_free_pct: "100" })).toBe(60 * mib);
    expect(offsetOf({ bluestore_avl_alloc_bf_threshold: "64M" })).toBe(60 * mib);
  });

  it("the allocator by name", async () => {
    for (const name of ["stupid", "bitmap", "avl", "btree", "hybrid"]) {
      const place = new Place();
      await place.open({ bluestore_allocator: name });
      expect(place.store.state.allocator.name).toBe(name);
      await place.close();
    }
  });

  it("the engine of the store's own device", async () => {
    const depths: (number | undefined)[] = [];
    for (const engine of ["io_uring", "psync", "pmem"]) {
      const place = new Place();
      await place.open({ bdev_ioengine: engine });
      const bytes = noise(8192);
      await place.write("a", 0, bytes);
      expect(await place.read("a", 0, 8192)).toEqual(bytes);
      depths.push(place.real?.deviceFacts.queueDepth);
      await place.close();
    }
    expect(depths).toEqual([128, 1, 1]);
  });

  it("checksums", async () => {
    const [some, none] = await both(
      "bluestore.csum_lat.count",
      { bluestore_csum_type: "none" },
      overwrites,
    );
    expect(some).toBeGreaterThan(0);
    expect(none).toBe(0);
  });

  it("compression: mode, algorithm, level, ratio, blob", async () => {
    const work: Work = (place) => place.write("a", 0, plain(256 * 1024));
    const force = { bluestore_compression_mode: "force" };
    const [before, after] = await both("bluestore.allocated", force, work);
    expect(after).toBeLessThan(before / 2);
    for (const algorithm of ["snappy", "lz4", "zstd", "zlib"]) {
      const { "bluestore.compress_success_count": count } = await counted(
        { ...force, bluestore_compression_algorithm: algorithm },
        work,
      );
      expect(count).toBeGreaterThan(0);
    }
    const half: Work = (place) =>
      place.write(
        "a",
        0,
        noise(256 * 1024).map((byte, at) => ((at >> 12) & 1 ? byte : 0)),
      );
    const [kept, refused] = await both(
      "bluestore.compress_success_count",
      { bluestore_compression_required_ratio: "0.3" },
      half,
      force,
    );
    expect([kept > 0, refused]).toEqual([true, 0]);
    const [large, small] = await both(
      "bluestore.compress_success_count",
      { bluestore_compression_min_blob_size: "16K" },
      work,
      force,
    );
    expect(small).toBeGreaterThan(large);
    const lengthAt = (level: string): number => {
      const { compressor } = hotPathsOf(optionsOf({ compressor_zstd_level: level }));
      const text = new TextEncoder().encode("the same words in many orders ".repeat(300));
      const bytes = text.map((byte, at) => (at % 97 === 0 ? at & 255 : byte));
      return compressor("zstd").compress(bytes, new Uint8Array(bytes.length));
    };
    expect(lengthAt("19")).not.toBe(lengthAt("1"));
  });

  it("sizes of units, blobs, blocks and shards", async () => {
    const big: Work = (place) => place.write("a", 0, noise(mib));
    const [blobs, fewer] = await both(
      "bluestore.write_big_blobs",
      { bluestore_max_blob_size: "512K" },
      big,
    );
    expect(fewer).toBeLessThan(blobs);
    const small: Work = (place) => place.write("a", 0, noise(4096));
    const [unit, larger] = await both(
      "bluestore.allocated",
      { bluestore_min_alloc_size: "64K" },
      small,
    );
    expect([unit, larger]).toEqual([4096, 65536]);
    const [block, wide] = await both(
      "bdev.write_bytes",
      { bdev_block_size: "16K", bluestore_min_alloc_size: "16K" },
      small,
    );
    expect([block, wide]).toEqual([4096, 16384]);
    const shards = {
      bluestore_extent_map_shard_max_size: "200",
      bluestore_extent_map_shard_target_size: "100",
      bluestore_extent_map_shard_min_size: "30",
    };
    const scattered: Work = async (place) => {
      for (let at = 0; at < 64; at += 1) {
        await place.write("a", at * 16384, noise(4096));
      }
    };
    const [few, many] = await both("bluestore.onode_reshard", shards, scattered);
    expect(many).toBeGreaterThan(few);
    const zeroes: Work = (place) => place.write("a", 0, new Uint8Array(65536));
    const [kept, holes] = await both(
      "bluestore.allocated",
      { bluestore_zero_block_detection: "true" },
      zeroes,
    );
    expect([kept, holes]).toEqual([65536, 0]);
  });

  it("deferred writes and throttles", async () => {
    const deferred = { bluestore_prefer_deferred_size: "64K" };
    const counter = "bluestore.issued_deferred_writes";
    const [direct, later] = await both(counter, deferred, overwrites);
    expect(direct).toBe(0);
    expect(later).toBeGreaterThan(16);
    const many: Work = async (place) => {
      await place.write("a", 0, noise(65536));
      const writes = Array.from({ length: 32 }, (_, at) => place.write("a", at * 2048, noise(512)));
      await Promise.all(writes);
    };
    const narrow = { bluestore_throttle_bytes: "4K" };
    const waited = "throttle-bluestore_throttle_bytes.wait.count";
    const [free, held] = await both(waited, narrow, many);
    expect(free).toBe(0);
    expect(held).toBeGreaterThan(0);
    const costs = { bluestore_throttle_cost_per_io: "1M" };
    const [cheap, dear] = await both("throttle-bluestore_throttle_bytes.get_sum", costs, many);
    expect(dear).toBeGreaterThan(cheap + 32 * mib);
  });

  it("freelist, numbers reserved at once, checks, discards", async () => {
    const place = new Place();
    await place.open({ bluestore_allocation_from_file: "false", bluestore_nid_prealloc: "7" });
    await place.write("a", 0, noise(4096));
    expect(place.store.state.freelist).not.toBeNull();
    expect(place.store.state.nidMax).toBe(7);
    const batch = new KvBatch();
    const [record] = place.store.state.kv.scan(prefixes.onodes, new Uint8Array(0), undefined, 1);
    batch.remove(prefixes.onodes, record?.key ?? new Uint8Array(0));
    await new Promise<void>((done) => place.store.state.kv.commit([batch], () => done()));
    await place.close();
    await expect(place.open({ bluestore_fsck_on_mount: "true" })).rejects.toThrow(place.path);
    await place.open({});
    await place.close();
    const [kept, told] = await both(
      "bdev.discard_bytes",
      { bdev_enable_discard: "true" },
      async (on) => {
        await overwrites(on);
        await on.settle();
      },
    );
    expect([kept, told]).toEqual([0, 24 * 8192]);
  });

  it("key-value stores and their tuning", async (context) => {
    if (!hasRocksdb) {
      context.skip("rocksdb is not built in");
    }
    const [wal, rocks] = await both(
      "rocksdb.commits",
      { bluestore_kvbackend: "rocksdb" },
      overwrites,
    );
    expect([wal, rocks > 0]).toEqual([0, true]);
    const kv = { bluestore_kvbackend: "rocksdb" };
    const all: Work = async (place) => {
      await overwrites(place);
      // Each counter under a name of its own, and flushes are those of the devices.
      const raw = place.store.state.kv.counters();
      const told = Object.entries(place.counters()).filter(([name]) =>
        /^(rocksdb|bluefs)\./.test(name),
      );
      expect(told).toHaveLength(Object.keys(raw).length);
      expect(place.counters()["rocksdb.flushes"]).toBe(raw["flushes"]);
      expect(raw["flushes"]).toBeGreaterThanOrEqual(raw["commit_groups"] as number);
    };
    await counted(kv, all);
    const more: Work = async (place) => {
      for (let at = 0; at < 60; at += 1) {
        const name = objectName({ pool: 1, name: `o${at}` });
        const values = new Map([["k", noise(8192)]]);
        await place.submit(
          new Transaction().touch(collection, name).omapSet(collection, name, values),
        );
      }
    };
    const tiny =
      "write_buffer_size=65536,min_write_buffer_number_to_merge=1,compression=kNoCompression";
    const [tables, flushed] = await both(
      "bluefs.bytes_written_sst",
      { bluestore_rocksdb_options: tiny },
      more,
      kv,
    );
    expect(flushed).toBeGreaterThan(tables);
    const annex = { bluestore_rocksdb_options_annex: tiny };
    expect((await both("bluefs.bytes_written_sst", annex, more, kv))[1]).toBeGreaterThan(tables);
    const log = { waltree_log_bytes: "256K", waltree_checkpoint_ratio: "0.01" };
    const [rare, often] = await both("waltree.written_bytes", log, more);
    // Checkpoints write again what is in the log.
    expect(often).toBeGreaterThan(rare * 1.2);
  });
});

describe("memory", () => {
  const fixed = { bluestore_cache_autotune: "false", bluestore_cache_trim_interval: "0.001" };
  const readTwice: Work = async (place) => {
    await place.write("a", 0, noise(2 * mib));
    await place.settle();
    for (let round = 0; round < 2; round += 1) {
      for (let at = 0; at < 2 * mib; at += 65536) {
        await place.read("a", at, 65536);
      }
    }
  };
  const hits = "bluestore.buffer_hit_bytes";

  it("size and shares of the caches", async () => {
    const [all, few] = await both(hits, { bluestore_cache_size: "4M" }, readTwice, fixed);
    expect(all).toBe(2 * mib);
    expect(few).toBeLessThan(mib);
    const shares = { bluestore_cache_meta_ratio: "0.01", bluestore_cache_kv_ratio: "0" };
    const small = { ...fixed, bluestore_cache_size: "4M" };
    const [, enough] = await both(hits, shares, readTwice, small);
    expect(enough).toBeGreaterThan(few);
  });

  it("what is kept: reads, writes", async () => {
    const [kept, dropped] = await both(
      hits,
      { bluestore_default_buffered_read: "false" },
      readTwice,
    );
    expect([kept, dropped]).toEqual([2 * mib, 0]);
    const once: Work = async (place) => {
      await place.write("a", 0, noise(mib));
      await place.settle();
      await place.read("a", 0, 65536);
    };
    const [none, written] = await both(hits, { bluestore_default_buffered_write: "true" }, once);
    expect([none, written]).toEqual([0, 65536]);
  });

  it("the policy by name and its shares", async () => {
    for (const name of ["lru", "2q", "arc", "s3fifo", "sieve", "wtinylfu"]) {
      const place = new Place();
      await place.open({ bluestore_cache_type: name });
      expect(place.store.state.buffers.policy.name).toBe(name);
      await place.close();
    }
    const goneWith = (kin: string): string => {
      const { cache } = hotPathsOf(optionsOf({ bluestore_2q_cache_kin_ratio: kin }));
      const policy = cache("2q");
      const add = (key: number): number => policy.insert(key, 100);
      // What comes back soon after it went is hot, the rest is as it came.
      [0, 1, 2, 3, 4, 5, 6, 7].forEach(add);
      policy.trimTo(400, () => {});
      [2, 3].forEach(add);
      const gone: unknown[] = [];
      policy.trimTo(400, (key) => gone.push(key));
      return gone.join();
    };
    expect(goneWith("0.1")).not.toBe(goneWith("0.9"));
  });

  it("caches are trimmed no oftener than asked", async () => {
    const settings = { ...fixed, bluestore_cache_size: "1M" };
    const rare = { bluestore_cache_trim_interval: "1000" };
    const often = { bluestore_cache_trim_interval: "0.001" };
    const [late, soon] = [
      await counted({ ...settings, ...rare }, readTwice),
      await counted({ ...settings, ...often }, readTwice),
    ];
    expect(late["bluestore.buffer_bytes"]).toBeGreaterThan(soon["bluestore.buffer_bytes"] ?? 0);
  });
});
