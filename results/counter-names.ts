/**
 * Every counter that a store or a layer of ours records, so that a mistyped name is told before a run that
 * could not have it. A test holds the list against runs of all of them, in both directions.
 */
import { keyValueEngines } from "../engine/hot/kv/registry.ts";
import { opClassNames } from "../engine/hot/scheduler/scheduler.ts";

const words = (text: string) => text.trim().split(/\s+/);

/** What is recorded of a time; all but the first two only where it was taken. */
export const timeFigures: readonly string[] = words(
  "count sum_ns mean_ns p50_ns p90_ns p99_ns p99.9_ns",
);

const timesOf = (names: readonly string[]) =>
  names.flatMap((name) => timeFigures.map((figure) => `${name}.${figure}`));

/** The histogram of free space. */
const freeBelow = ["16k", "64k", "256k", "1m", "4m"].flatMap((length) => [
  `free_extents_below_${length}`,
  `free_bytes_below_${length}`,
]);
const bluestore = [
  ...freeBelow,
  ...words(`
    alloc_unit allocated allocation_file_loaded allocator_memory buffer_bytes buffer_evictions buffer_hit_bytes
    buffer_miss_bytes buffers compress_rejected_count compress_success_count compressed_allocated
    compressed_original csum_errors deferred_replayed discard_waits flushes fragmentation_micros
    fragmentation_score free free_extents free_space_rebuilt gc_merged issued_deferred_write_bytes
    issued_deferred_writes kv_batches kv_groups kv_premised largest_free_extent onode_bytes onode_evictions onode_hits
    onode_misses onode_reshard onode_shard_hits onode_shard_misses onodes pinned_onodes read_eio
    reads_with_retries stored submitted_deferred_write_bytes submitted_deferred_writes total txc write_big
    write_big_blobs write_big_bytes write_big_deferred write_small write_small_bytes write_small_deferred
    write_small_new write_small_pre_read write_small_unused`),
  ...timesOf(
    words(`
    allocator_lat clist_lat compress_lat csum_lat decompress_lat kv_commit_lat kv_final_lat kv_flush_lat
    kv_sync_lat omap_get_values_lat read_lat read_onode_meta_lat read_wait_aio_lat remove_lat space_wait
    state_aio_wait_lat state_deferred_aio_wait_lat state_deferred_cleanup_lat state_deferred_queued_lat
    state_finishing_lat state_io_done_lat state_kv_commiting_lat state_kv_done_lat state_kv_queued_lat
    state_prepare_lat truncate_lat txc_commit_lat txc_throttle_lat`),
  ),
];

const throttle = [...words("val max get get_sum"), ...timesOf(["wait"])];
const cacheShare = [
  ...words("reserved_bytes committed_bytes"),
  ...Array.from({ length: 12 }, (_, priority) => `pri${priority}_bytes`),
];
const objectOps = words("put get overwrite delete omap");

/** By section of a store. */
const storeSections: Readonly<Record<string, readonly string[]>> = {
  bluestore,
  "throttle-bluestore_throttle_bytes": throttle,
  "throttle-bluestore_throttle_deferred_bytes": throttle,
  "bluestore-pricache": words(
    "target_bytes mapped_bytes cache_bytes held_bytes meta_bytes data_bytes kv_bytes",
  ),
  "bluestore-pricache:meta": cacheShare,
  "bluestore-pricache:data": cacheShare,
  "bluestore-pricache:kv": cacheShare,
  bdev: words(
    "reads read_bytes writes write_bytes durable_writes flushes discards discard_bytes read_errors",
  ),
  bluefs: words(`
    bytes_written_sst bytes_written_wal db_used_bytes groundless_records log_compactions log_write_count logged_bytes read_bytes
    slow_used_bytes spilled_bytes spilled_held_bytes wal_recycled_bytes wal_used_bytes`),
  rocksdb: [
    ...words(`
    background_errors batch_bytes cache_bytes cache_capacity commit_groups commits compaction_read_bytes
    compaction_write_bytes compactions flushes memtable_bytes memtable_flush_bytes memtable_flushes
    pending_compaction_bytes sync_ns table_bytes table_reader_bytes written_bytes`),
    ...Array.from({ length: 8 }, (_, level) => `level${level}_bytes`),
  ],
  waltree: words(`
    batch_bytes batches bytes checkpoint_bytes checkpoints checkpoints_failed commit_ns commits durable_writes
    flushes groundless_records groups keys log_bytes log_grown read_bytes superblocks written_bytes`),
  memory: words("batch_bytes batches bytes commits held_bytes keys most_bytes"),
  volume: words("reads read_bytes writes write_bytes trims flushes"),
  objects: [
    ...objectOps.flatMap((op) => [op, `${op}_bytes`]),
    ...timesOf(objectOps.map((op) => `${op}_lat`)),
    ...words("get_missed objects verified verify_mismatches"),
  ],
};

const fullNames = (sections: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(sections).flatMap(([section, names]) => names.map((name) => `${section}.${name}`));

/** By layer above a target, and of a shape below one. */
const layerNames = {
  qos: words("qos.throttled qos.wait_ns"),
  clientcache: words(`
    dirty_bytes held_bytes image_flushes image_reads image_write_bytes image_writes read_hit_bytes read_hits
    read_miss_bytes readahead_bytes readaheads reads throttled write_bytes writes`).map(
    (name) => `clientcache_${name}`,
  ),
  writelog: words(`
    dirty_entries fill image_flushes log_flushes log_write_bytes log_writes read_hit_blocks read_miss_blocks
    retired root_writes superseded sync_points throttled write_bytes writes written_back
    written_back_bytes`).map((name) => `writelog_${name}`),
  scheduler: [
    ...words("limit_breaks rejected reservation strict weight"),
    ...opClassNames.flatMap((name) =>
      words("bytes cost_bytes ops wait_max_ns wait_ns").map((figure) => `${name}.${figure}`),
    ),
  ].map((name) => `scheduler.${name}`),
  shape: words("operations host_slower host_slower_max_ns").map((name) => `shape.${name}`),
} as const;

/** Of stores and layers, not of jobs. */
export const counterNames: readonly string[] = [
  ...fullNames(storeSections),
  ...Object.values(layerNames).flat(),
];

/** Which part of a stack records a counter; null: none does. */
export function counterSource(name: string): "store" | keyof typeof layerNames | null {
  const layer = Object.entries(layerNames).find(([, names]) => names.includes(name));
  if (layer !== undefined) {
    return layer[0] as keyof typeof layerNames;
  }
  const [section = ""] = name.split(".");
  const known = storeSections[section];
  // A key-value store of the user's own counts what it likes, under its name.
  const own = known === undefined && keyValueEngines().some((engine) => engine.name === section);
  return own || known?.includes(name.slice(section.length + 1)) === true ? "store" : null;
}

/** What holds now or is allowed, which of several stores is that of each. */
const gauges: Readonly<Record<string, readonly string[]>> = {
  bluestore: [
    ...freeBelow,
    ...words(`
    alloc_unit allocated allocator_memory buffer_bytes buffers compressed_allocated compressed_original
    fragmentation_micros fragmentation_score free free_extents largest_free_extent onode_bytes onodes pinned_onodes
    stored total`),
  ],
  "throttle-bluestore_throttle_bytes": words("val max"),
  "throttle-bluestore_throttle_deferred_bytes": words("val max"),
  bluefs: words("db_used_bytes slow_used_bytes spilled_held_bytes wal_used_bytes"),
  rocksdb: [
    ...words(`
    cache_bytes cache_capacity memtable_bytes pending_compaction_bytes table_bytes table_reader_bytes`),
    ...Array.from({ length: 8 }, (_, level) => `level${level}_bytes`),
  ],
  waltree: words("bytes keys"),
  memory: words("bytes held_bytes keys most_bytes"),
  objects: ["objects"],
};

/** Whether a counter of stores cannot be added up over several of them. */
export function isOfOneStore(name: string): boolean {
  const at = name.indexOf(".");
  const [section, own] = [name.slice(0, at), name.slice(at + 1)];
  return section.startsWith("bluestore-pricache") || gauges[section]?.includes(own) === true;
}
