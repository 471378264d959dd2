/** The tuning parameters that the store reads, under their names in Ceph, resolved for a kind of device. */
import type { OptionSet } from "../../options/option-set.ts";
import type { MemoryOptions } from "./memory.ts";

export const compressionModes = ["none", "passive", "aggressive", "force"] as const;
export type CompressionMode = (typeof compressionModes)[number];

export interface BlueStoreOptions {
  readonly minAllocBytes: number;
  /** Unit of reads and writes of a store that is made, at least the device's. */
  readonly blockBytes: number;
  readonly maxBlobBytes: number;
  readonly preferDeferredBytes: number;
  /** Writes of so much at once are durable by themselves (FUA), smaller ones share a flush. */
  readonly durableWriteBytes: number;
  readonly deferredBatchOps: number;
  readonly maxDeferredTransactions: number;
  readonly maxDeferIntervalNs: number;
  readonly throttleBytes: number;
  readonly throttleDeferredBytes: number;
  readonly throttleCostPerIoBytes: number;
  readonly checksumType: string;
  readonly retryDiskReads: number;
  readonly zeroBlockDetection: boolean;
  readonly shardMaxBytes: number;
  readonly shardTargetBytes: number;
  readonly shardMinBytes: number;
  readonly shardSlop: number;
  readonly nidPrealloc: number;
  readonly blobIdPrealloc: number;
  readonly allocationFromFile: boolean;
  readonly freelistBlocksPerKey: number;
  readonly compressionAlgorithm: string;
  readonly compressionMode: CompressionMode;
  readonly compressionRequiredRatio: number;
  readonly compressionMinBlobBytes: number;
  readonly compressionMaxBlobBytes: number;
  readonly gcBlobThreshold: number;
  readonly gcTotalThreshold: number;
  /** Policy of the buffer cache, and of the onode cache. */
  readonly cacheType: string;
  readonly onodeCacheType: string;
  readonly bufferedRead: boolean;
  readonly bufferedWrite: boolean;
  /** Space that becomes free is trimmed on the device before. */
  readonly discard: boolean;
  /** Commits do not wait for discards. */
  readonly asyncDiscard: boolean;
  /** Onodes, and data, at most, as long as `memory` is null. */
  readonly metaCacheBytes: number;
  readonly dataCacheBytes: number;
  /** Of the key-value store's block cache, likewise. */
  readonly kvCacheBytes: number;
  /** Null: the caches are fixed at these sizes and kept to them with every operation. */
  readonly memory: MemoryOptions | null;
  /** Times are taken (`perf` in Ceph): some 0.4 us for a write. */
  readonly perf: boolean;
}

/** What holds without any setting on a solid-state device. */
export const ssdDefaults: BlueStoreOptions = Object.freeze({
  minAllocBytes: 4096,
  blockBytes: 4096,
  maxBlobBytes: 65536,
  preferDeferredBytes: 0,
  durableWriteBytes: 512 * 1024,
  deferredBatchOps: 16,
  maxDeferredTransactions: 32,
  maxDeferIntervalNs: 3e9,
  throttleBytes: 64 * 2 ** 20,
  throttleDeferredBytes: 128 * 2 ** 20,
  throttleCostPerIoBytes: 4000,
  checksumType: "crc32c",
  retryDiskReads: 3,
  zeroBlockDetection: false,
  shardMaxBytes: 1200,
  shardTargetBytes: 500,
  shardMinBytes: 150,
  shardSlop: 0.2,
  nidPrealloc: 1024,
  blobIdPrealloc: 10240,
  allocationFromFile: true,
  freelistBlocksPerKey: 128,
  compressionAlgorithm: "snappy",
  compressionMode: "none",
  compressionRequiredRatio: 0.875,
  compressionMinBlobBytes: 65536,
  compressionMaxBlobBytes: 65536,
  gcBlobThreshold: 0,
  gcTotalThreshold: 0,
  cacheType: "2q",
  onodeCacheType: "lru",
  bufferedRead: true,
  bufferedWrite: false,
  discard: false,
  asyncDiscard: false,
  metaCacheBytes: 512 * 2 ** 20,
  dataCacheBytes: 64 * 2 ** 20,
  kvCacheBytes: 64 * 2 ** 20,
  memory: null,
  perf: true,
});

/** The parameters of a target. */
export function blueStoreOptions(set: OptionSet): BlueStoreOptions {
  const mode = set.text("bluestore_compression_mode");
  return {
    minAllocBytes: set.number("bluestore_min_alloc_size"),
    blockBytes: set.number("bdev_block_size"),
    maxBlobBytes: set.number("bluestore_max_blob_size"),
    preferDeferredBytes: set.number("bluestore_prefer_deferred_size"),
    durableWriteBytes: ssdDefaults.durableWriteBytes,
    deferredBatchOps: set.number("bluestore_deferred_batch_ops"),
    maxDeferredTransactions: set.number("bluestore_max_deferred_txc"),
    maxDeferIntervalNs: set.number("bluestore_max_defer_interval") * 1e9,
    throttleBytes: set.number("bluestore_throttle_bytes"),
    throttleDeferredBytes: set.number("bluestore_throttle_deferred_bytes"),
    throttleCostPerIoBytes: set.number("bluestore_throttle_cost_per_io"),
    checksumType: set.text("bluestore_csum_type"),
    retryDiskReads: set.number("bluestore_retry_disk_reads"),
    zeroBlockDetection: set.flag("bluestore_zero_block_detection"),
    shardMaxBytes: set.number("bluestore_extent_map_shard_max_size"),
    shardTargetBytes: set.number("bluestore_extent_map_shard_target_size"),
    shardMinBytes: set.number("bluestore_extent_map_shard_min_size"),
    shardSlop: set.number("bluestore_extent_map_shard_target_size_slop"),
    nidPrealloc: set.number("bluestore_nid_prealloc"),
    blobIdPrealloc: set.number("bluestore_blobid_prealloc"),
    allocationFromFile: set.flag("bluestore_allocation_from_file"),
    freelistBlocksPerKey: set.number("bluestore_freelist_blocks_per_key"),
    compressionAlgorithm: set.text("bluestore_compression_algorithm"),
    compressionMode: compressionModes.find((each) => each === mode) ?? "none",
    compressionRequiredRatio: set.number("bluestore_compression_required_ratio"),
    compressionMinBlobBytes: set.number("bluestore_compression_min_blob_size"),
    compressionMaxBlobBytes: set.number("bluestore_compression_max_blob_size"),
    gcBlobThreshold: set.number("bluestore_gc_enable_blob_threshold"),
    gcTotalThreshold: set.number("bluestore_gc_enable_total_threshold"),
    cacheType: set.text("bluestore_cache_type"),
    onodeCacheType: ssdDefaults.onodeCacheType,
    bufferedRead: set.flag("bluestore_default_buffered_read"),
    bufferedWrite: set.flag("bluestore_default_buffered_write"),
    discard: set.flag("bdev_enable_discard"),
    asyncDiscard: set.flag("bdev_async_discard"),
    metaCacheBytes: ssdDefaults.metaCacheBytes,
    dataCacheBytes: ssdDefaults.dataCacheBytes,
    kvCacheBytes: ssdDefaults.kvCacheBytes,
    memory: memoryOptions(set),
    perf: set.flag("perf"),
  };
}

function memoryOptions(set: OptionSet): MemoryOptions {
  const seconds = (name: string): number => set.number(name) * 1e9;
  return {
    osd_memory_target: set.number("osd_memory_target"),
    osd_memory_base: set.number("osd_memory_base"),
    osd_memory_expected_fragmentation: set.number("osd_memory_expected_fragmentation"),
    osd_memory_cache_min: set.number("osd_memory_cache_min"),
    autotune: set.flag("bluestore_cache_autotune"),
    limitRatio: set.number("osd_memory_target_cgroup_limit_ratio"),
    metaRatio: set.number("bluestore_cache_meta_ratio"),
    kvRatio: set.number("bluestore_cache_kv_ratio"),
    kvOnodeRatio: set.number("bluestore_cache_kv_onode_ratio"),
    cacheBytes: set.number("bluestore_cache_size"),
    resizeNs: seconds("osd_memory_cache_resize_interval"),
    balanceNs: seconds("bluestore_cache_autotune_interval"),
    ageBinNs: seconds("bluestore_cache_age_bin_interval"),
    trimNs: seconds("bluestore_cache_trim_interval"),
    shards: set.number("osd_num_cache_shards"),
  };
}
