//! The key-value store of the object store: BlueFS, a small file system in extents of raw devices,
//! and RocksDB running on it.

pub mod aligned;
pub mod batch;
pub mod bluefs;
pub mod device;
pub mod error;
#[cfg(rocksdb)]
pub mod rocks;
pub mod sharding;
pub mod space;

/// RocksDB was there when this was built.
pub const HAS_ROCKSDB: bool = cfg!(rocksdb);
/// What to do where it was not.
pub const ROCKSDB_HINT: &str = "apt install librocksdb-dev, then npm install again";

/// RocksDB's options of Ceph 18 (`bluestore_rocksdb_options`, with the TTL of its column families).
pub const DEFAULT_OPTIONS: &str = "compression=kLZ4Compression,max_write_buffer_number=128,\
     min_write_buffer_number_to_merge=16,compaction_style=kCompactionStyleLevel,\
     write_buffer_size=8388608,max_background_jobs=4,level0_file_num_compaction_trigger=8,\
     max_bytes_for_level_base=1073741824,max_bytes_for_level_multiplier=8,\
     compaction_readahead_size=2097152,max_total_wal_size=1073741824,\
     writable_file_max_buffer_size=0,ttl=21600";
