//! What can be tuned about BlueFS.

use super::placement::PolicyConfig;

/// Sizes in bytes. Names of Ceph's options in the comments.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Unit of space on a dedicated device (`bluefs_alloc_size`).
    pub alloc_unit: u64,
    /// Unit of space on the device shared with the store (`bluefs_shared_alloc_size`).
    pub shared_alloc_unit: u64,
    /// Smaller unit when that one finds no space.
    pub shared_fallback_unit: u64,
    /// Buffered bytes that are written without being asked (`bluefs_min_flush_size`).
    pub min_flush_bytes: u64,
    /// Space in the log below which it grows (`bluefs_min_log_runway`).
    pub log_runway: u64,
    /// How much it grows by (`bluefs_max_log_runway`).
    pub log_growth: u64,
    /// The log is not compacted below this (`bluefs_log_compact_min_size`).
    pub log_compact_min: u64,
    /// Nor below this many times its size after compaction (`bluefs_log_compact_min_ratio`).
    pub log_compact_ratio: f64,
    /// Compact while everything waits (`bluefs_compact_log_sync`).
    pub log_compact_sync: bool,
    /// Space of ended write-ahead logs that is kept for the next at most. Stands for RocksDB's
    /// `recycle_log_file_num`, which RocksDB 7 leaves without effect.
    pub wal_recycle_bytes: u64,
    /// Of a read-only mount: a write-ahead log that is damaged ends there, and `damage` tells; else
    /// it cannot be opened.
    pub salvage: bool,
    /// Where files go.
    pub policy: PolicyConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            alloc_unit: 1 << 20,
            shared_alloc_unit: 64 << 10,
            shared_fallback_unit: 4096,
            min_flush_bytes: 512 << 10,
            log_runway: 1 << 20,
            log_growth: 4 << 20,
            log_compact_min: 16 << 20,
            log_compact_ratio: 5.0,
            log_compact_sync: false,
            wal_recycle_bytes: 32 << 20,
            salvage: false,
            policy: PolicyConfig::default(),
        }
    }
}
