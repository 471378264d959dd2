//! napi-rs glue only: JSON specifications in, typed arrays and JSON results out.

pub mod allocator;
pub mod checksum;
pub mod checksum_peer;
pub mod compress;
pub mod cpus;
pub mod device;
pub mod exclusive;
pub mod kv;
#[cfg(rocksdb)]
mod kv_spec;
#[cfg(rocksdb)]
pub mod kv_store;
#[cfg(rocksdb)]
pub mod kv_trace;
pub mod layout;
pub mod model;
pub mod parking;
pub mod records;
pub mod run;
pub mod stream;
pub mod timer;
pub mod trace;

use napi_derive::napi;

/// Version of the addon; the TypeScript side refuses another.
#[napi]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Nanoseconds on the runner's clock, as a number (exact for 104 days of uptime).
#[napi]
#[must_use]
pub fn now_ns() -> f64 {
    osdyno_device::clock::now_ns() as f64
}

/// Makes the time of this process virtual, or moves it on to `ns`. `false`: real time was read already.
#[napi]
#[must_use]
pub fn stand_at(ns: f64) -> bool {
    osdyno_device::clock::stand_at(ns as u64)
}
