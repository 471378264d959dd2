//! I/O engines, the clock, the native job loop and the hiccup meter.

pub mod allocate;
pub mod arena;
pub mod clock;
pub mod collect;
pub mod control;
pub mod cpu;
pub mod engine;
pub mod exchange;
pub mod exclusive;
pub mod file_lock;
pub mod gate;
pub mod hiccup;
pub mod host;
pub mod io_log;
pub mod job_loop;
pub mod outcome;
pub mod pace;
pub mod record;
pub mod renewal;
pub mod replay;
pub mod run;
pub mod source;
pub mod spec;
pub mod verify_state;
pub mod write_budget;
