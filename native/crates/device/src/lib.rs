//! I/O engines, the clock, the native job loop and the hiccup meter.

pub mod arena;
pub mod clock;
pub mod cpu;
pub mod engine;
pub mod hiccup;
pub mod job_loop;
pub mod outcome;
pub mod run;
pub mod spec;
