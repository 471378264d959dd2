//! Replaying a trace: reading it ahead of the job in bounded memory (`ahead`), merging several
//! (`merge`), looking at what one touches before anything runs (`scan`), and recording one (`iolog`).
//!
//! The job loop takes operations from a `TraceSource` as it takes them from an op stream. A thread
//! of its own reads, parses and shapes the trace, and hands over chunks of operations; the buffers of
//! the chunks go round between the two, so that memory depends on how far it may read ahead and never
//! on the trace's length.

mod ahead;
pub mod iolog;
pub mod merge;
pub mod merged;
pub mod scan;
mod source;
#[cfg(test)]
mod tests;

use osdyno_core::op::OpKind;
use osdyno_core::trace::{ShapeSpec, TraceError, TraceEvent};
use serde::{Deserialize, Serialize};

pub use source::TraceSource;

/// Operations of a chunk.
const CHUNK: usize = 4096;

/// A trace and what is made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceSpec {
    /// Several are merged by time.
    pub inputs: Vec<TraceInput>,
    /// Of block traces: which event counts.
    #[serde(default)]
    pub event: TraceEvent,
    /// What is left out and scaled.
    #[serde(default)]
    pub shape: ShapeSpec,
    /// Which file of the job each name of the trace stands for. A name that is not here ends the job:
    /// the trace is not the one that was looked at. Not used by `scan`.
    #[serde(default)]
    pub files: Vec<TraceFile>,
    /// Operations are sent at their times; else as fast as the depth allows (`replay_no_stall`).
    #[serde(default)]
    pub paced: bool,
    /// How often the trace is played; 0 = again and again until the runtime ends.
    #[serde(default = "once")]
    pub passes: u32,
    /// Operations at most.
    #[serde(default)]
    pub most_operations: Option<u64>,
    /// Bytes at most.
    #[serde(default)]
    pub most_bytes: Option<u64>,
    /// Operations of one pass, as counted by `scan`, to tell the progress; 0 = unknown.
    #[serde(default)]
    pub operations: u64,
}

/// One file with a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceInput {
    /// A regular file: it is read more than once.
    pub path: String,
    /// Its times are stretched to so many percent (`merge_blktrace_scalars`).
    #[serde(default = "whole")]
    pub time_percent: f64,
    /// How often it is played (`merge_blktrace_iters`).
    #[serde(default = "once")]
    pub iterations: u32,
}

/// A name of a trace and its place in the job's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceFile {
    /// As in the trace; `8,16` for devices of a block trace.
    pub name: String,
    /// Index into the job's files.
    pub file: u16,
}

fn once() -> u32 {
    1
}

fn whole() -> f64 {
    100.0
}

/// A trace that cannot be read: `PATH: line 7: ...`.
#[derive(Debug, thiserror::Error)]
#[error("trace {path}: {source}")]
pub struct ReplayError {
    /// The trace.
    pub path: String,
    /// What is wrong with it.
    pub source: TraceError,
}

/// An operation on its way to the job.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Planned {
    /// Since the job's start.
    time_ns: u64,
    offset: u64,
    length: u32,
    file: u16,
    kind: OpKind,
    /// It is the last piece of its entry.
    last: bool,
}
