//! Traces of I/O: what they hold, read entry by entry from fio's iolog (versions 2 and 3), from
//! blktrace's binary stream and from blkparse's text, in memory that does not grow with the trace.
//!
//! A reader gives entries in the trace's own order and time. What a replay makes of them (`Shape`) is
//! apart: which directions are left out, how offsets and times are scaled, how large ones are split.

pub mod blkparse;
pub mod blktrace;
pub mod iolog;
mod lines;
mod names;
mod reader;
mod shape;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::op::OpKind;

pub use lines::LONGEST_LINE;
pub use names::{MOST_NAMES, Names, device_name, device_number};
pub use reader::TraceReader;
pub use shape::{Piece, Shape, ShapeSpec, Skip};

/// One operation of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was sent, ns since the trace's start.
    pub time_ns: u64,
    /// What it did.
    pub kind: OpKind,
    /// Its file or device, see `Names`.
    pub name: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes; 0 for flushes.
    pub length: u64,
}

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// fio's iolog, version 2: waits between operations.
    Iolog2,
    /// fio's iolog, version 3: a time in each line.
    Iolog3,
    /// blktrace's binary events.
    Blktrace,
    /// What blkparse prints by default.
    Blkparse,
}

/// Which event of a block trace is replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TraceEvent {
    /// Queued: what the application asked for (as fio).
    #[default]
    Queue,
    /// Issued to the device: after merging and splitting by the kernel.
    Issue,
}

/// Why a trace cannot be read. The message says what and where in the trace; whoever opened it adds
/// the path.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The text or record is wrong.
    #[error("{place}: {what}")]
    Format {
        /// `line 7`, `record 12`.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// Reading failed.
    #[error("{0}")]
    Read(#[from] std::io::Error),
}

/// Counts of what a reader passed over because it is no operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passed {
    /// Lines or events of other kinds: completions, messages, summaries.
    pub others: u64,
    /// Reads, writes and trims of no bytes.
    pub empty: u64,
}
