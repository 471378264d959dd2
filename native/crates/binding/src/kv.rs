//! What of the key-value stores is built.

use napi_derive::napi;

/// Whether RocksDB was there when the addon was built.
#[napi]
#[must_use]
pub fn has_rocksdb() -> bool {
    osdyno_kv::HAS_ROCKSDB
}

/// What to do where it was not.
#[napi]
#[must_use]
pub fn rocksdb_hint() -> String {
    osdyno_kv::ROCKSDB_HINT.to_owned()
}

/// The default of `bluestore_rocksdb_cfs`.
#[napi]
#[must_use]
pub fn rocksdb_families() -> String {
    osdyno_kv::sharding::DEFAULT_SHARDING.to_owned()
}

/// The default of `bluestore_rocksdb_options`.
#[napi]
#[must_use]
pub fn rocksdb_options() -> String {
    osdyno_kv::DEFAULT_OPTIONS.to_owned()
}
