//! The key-value store of the object store: BlueFS, a small file system in extents of raw devices,
//! and RocksDB running on it.

pub mod aligned;
pub mod batch;
pub mod bluefs;
pub mod device;
pub mod error;
pub mod sharding;
pub mod space;
