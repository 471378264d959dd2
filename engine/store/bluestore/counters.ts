/** What the store counts, under the names of BlueStore's own counters. */
export interface StoreCounters {
  onode_reshard: number;
  onode_shard_hits: number;
  onode_shard_misses: number;
  write_big: number;
  write_big_bytes: number;
  write_big_blobs: number;
  write_big_deferred: number;
  write_small: number;
  write_small_bytes: number;
  write_small_unused: number;
  write_small_deferred: number;
  write_small_pre_read: number;
  write_small_new: number;
  issued_deferred_writes: number;
  issued_deferred_write_bytes: number;
  compress_success_count: number;
  compress_rejected_count: number;
  gc_merged: number;
  read_eio: number;
  reads_with_retries: number;
  csum_errors: number;
  txc: number;
  kv_groups: number;
  kv_batches: number;
  /** Groups whose commit stood on data that was not flushed before. */
  kv_premised: number;
  flushes: number;
  discard_waits: number;
  [name: string]: number;
}

export function storeCounters(): StoreCounters {
  return {
    onode_reshard: 0,
    onode_shard_hits: 0,
    onode_shard_misses: 0,
    write_big: 0,
    write_big_bytes: 0,
    write_big_blobs: 0,
    write_big_deferred: 0,
    write_small: 0,
    write_small_bytes: 0,
    write_small_unused: 0,
    write_small_deferred: 0,
    write_small_pre_read: 0,
    write_small_new: 0,
    issued_deferred_writes: 0,
    issued_deferred_write_bytes: 0,
    compress_success_count: 0,
    compress_rejected_count: 0,
    gc_merged: 0,
    read_eio: 0,
    reads_with_retries: 0,
    csum_errors: 0,
    txc: 0,
    kv_groups: 0,
    kv_batches: 0,
    kv_premised: 0,
    flushes: 0,
    discard_waits: 0,
  };
}
