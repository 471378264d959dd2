//! Algorithms without I/O, threads or clocks: the op stream, histograms, data patterns and the
//! synthetic device model. Everything here is a function of its inputs and a seed.

pub mod address;
pub mod allocator;
pub mod arrival;
pub mod checksum;
pub mod compress;
pub mod data;
pub mod hdr;
pub mod hlog;
pub mod measure;
pub mod op;
pub mod plat;
pub mod rng;
pub mod sizes;
pub mod spec;
pub mod stream;
pub mod synthetic;
pub mod trace;
pub mod verify;
