/**
 * The values that the source documents of the project give, as sets to start from: the OSD architecture
 * document, the source analysis of the OSD, and the RBD document. Names are kept as they stand there;
 * the registry knows them as aliases or as obsolete.
 */
import type { DeviceKind } from "./option.ts";

export interface Preset {
  readonly name: string;
  readonly describe: string;
  /** Values as text; a record by kind of device where the document distinguishes. */
  readonly values: Readonly<Record<string, string | Readonly<Record<DeviceKind, string>>>>;
}

export const presets: readonly Preset[] = [
  {
    name: "documents-osd",
    describe: "tuning of the OSD architecture document",
    values: {
      osd_op_num_threads_per_shard: "2",
      osd_op_num_shards: "5",
      bluestore_cache_size: { hdd: "4GB", ssd: "8GB" },
      bluestore_cache_meta_ratio: "0.4",
      osd_recovery_max_active: "3",
      osd_recovery_sleep: "0.1",
      osd_op_queue: "mclock_scheduler",
      osd_mclock_profile: "high_client_ops",
    },
  },
  {
    name: "documents-source",
    describe: "configuration of the OSD source analysis",
    values: {
      osd_op_num_shards: "5",
      osd_op_num_threads_per_shard: "2",
      osd_disk_threads: "1",
      osd_op_queue: "wpq",
      osd_memory_target: "4294967296",
      osd_memory_cache_min: "134217728",
      bluestore_cache_size: "1073741824",
      bluestore_cache_kv_ratio: "0.4",
      ms_bind_port_min: "6800",
      ms_bind_port_max: "7300",
      ms_async_op_threads: "3",
      osd_recovery_threads: "1",
      osd_recovery_max_active: "3",
      osd_recovery_max_single_start: "1",
      osd_max_backfills: "1",
      osd_backfill_scan_min: "64",
      osd_backfill_scan_max: "512",
      osd_scrub_thread_timeout: "60",
      osd_scrub_finalize_thread_timeout: "600",
      osd_scrub_during_recovery: "false",
      osd_scrub_begin_hour: "0",
      osd_scrub_end_hour: "24",
      osd_journal_size: "5120",
      journal_dio: "true",
      journal_aio: "true",
      bluestore_block_size: "10737418240",
      bluestore_min_alloc_size: "65536",
      bluestore_compression_algorithm: "lz4",
      bluestore_compression_mode: "aggressive",
    },
  },
  {
    name: "documents-rbd",
    describe: "configuration of the RBD document",
    values: {
      rbd_default_order: "22",
      rbd_cache: "true",
      rbd_cache_max_size: "33554432",
      rbd_cache_max_dirty: "25165824",
      rbd_cache_max_dirty_age: "1.0",
      rbd_cache_writethrough_until_flush: "true",
      rbd_qos_iops_limit: "0",
      rbd_qos_bps_limit: "0",
      rbd_qos_read_iops_limit: "0",
      rbd_qos_write_iops_limit: "0",
      rbd_readahead_trigger_requests: "10",
      rbd_readahead_max_bytes: "524288",
      rbd_readahead_disable_after_bytes: "52428800",
      rbd_persistent_cache_mode: "disabled",
      rbd_persistent_cache_size: "10737418240",
      rbd_persistent_cache_log_periodic_stats: "false",
      rbd_concurrent_management_ops: "10",
      rbd_op_threads: "1",
      debug_rbd: "20",
      debug_librbd: "20",
    },
  },
];
