//! RocksDB on BlueFS.

pub mod committer;
pub mod database;
mod durable;
mod ffi;
mod files;
mod reads;
pub mod salvage;
pub mod store;
mod table;
