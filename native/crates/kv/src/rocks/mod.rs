//! RocksDB on BlueFS.

pub mod committer;
pub mod database;
mod ffi;
mod files;
pub mod salvage;
pub mod store;
