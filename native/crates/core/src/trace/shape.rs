//! What a replay makes of a trace's entries.

use serde::{Deserialize, Serialize};

use super::Entry;
use crate::op::OpKind;

/// Directions that are left out (`replay_skip`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_excessive_bools)] // One for each direction that fio names.
pub struct Skip {
    /// Reads.
    pub read: bool,
    /// Writes.
    pub write: bool,
    /// Trims.
    pub trim: bool,
    /// Flushes of both kinds.
    pub sync: bool,
}

/// Fields of a `TraceSpec` that change entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShapeSpec {
    /// `replay_skip`.
    pub skip: Skip,
    /// `replay_scale`: offsets are divided by it; 0 and 1 change nothing.
    pub scale_divisor: u64,
    /// `replay_align`: offsets are rounded down to a multiple of this power of two; 0 = not.
    pub align_bytes: u64,
    /// `replay_time_scale`: percent of the trace's rate; 200 makes gaps half as long.
    pub time_scale_percent: f64,
}

impl Default for ShapeSpec {
    fn default() -> Self {
        Self {
            skip: Skip::default(),
            scale_divisor: 1,
            align_bytes: 0,
            time_scale_percent: 100.0,
        }
    }
}

/// Turns entries of a trace into what is replayed. Times never go back.
#[derive(Clone, Debug)]
pub struct Shape {
    skip: Skip,
    divisor: u64,
    mask: u64,
    /// Factor of times; `None` = as they are.
    stretch: Option<f64>,
    last_ns: u64,
    /// Entries whose time was before that of the one before them.
    pub went_back: u64,
}

/// A part of an entry that fits a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u32,
    /// More of the same entry follows.
    pub more: bool,
}

/// Operations without data go in pieces of this size at most: results are 31 bits wide.
const LONGEST: u64 = 1 << 30;

impl Shape {
    /// For a specification.
    #[must_use]
    pub fn new(spec: &ShapeSpec) -> Self {
        let percent = spec.time_scale_percent;
        let plain = (percent - 100.0).abs() < 1e-9 || percent <= 0.0;
        Self {
            skip: spec.skip,
            divisor: spec.scale_divisor.max(1),
            mask: !(spec.align_bytes.max(1) - 1),
            stretch: (!plain).then(|| 100.0 / percent),
            last_ns: 0,
            went_back: 0,
        }
    }

    /// The entry as it is to be replayed; `None` when it is left out.
    #[inline]
    pub fn apply(&mut self, mut entry: Entry) -> Option<Entry> {
        let skipped = match entry.kind {
            OpKind::Read => self.skip.read,
            OpKind::Write | OpKind::WriteZeroes => self.skip.write,
            OpKind::Trim => self.skip.trim,
            OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => self.skip.sync,
        };
        if skipped {
            return None;
        }
        if self.divisor != 1 {
            entry.offset /= self.divisor;
        }
        entry.offset &= self.mask;
        if let Some(stretch) = self.stretch {
            entry.time_ns = (entry.time_ns as f64 * stretch).round() as u64;
        }
        if entry.time_ns < self.last_ns {
            self.went_back += 1;
            entry.time_ns = self.last_ns;
        }
        self.last_ns = entry.time_ns;
        Some(entry)
    }

    /// Cuts an entry into pieces: reads and writes of `most` bytes at most (above 0), others of 1 GiB.
    #[inline]
    pub fn pieces(entry: &Entry, most: u32) -> impl Iterator<Item = Piece> + use<> {
        let most = match entry.kind {
            OpKind::Read | OpKind::Write => u64::from(most.max(1)),
            _ => LONGEST,
        };
        let (mut offset, mut left, mut first) = (entry.offset, entry.length, true);
        std::iter::from_fn(move || {
            if left == 0 && !first {
                return None;
            }
            first = false;
            let length = left.min(most);
            let piece = Piece {
                offset,
                length: length as u32,
                more: left > length,
            };
            offset += length;
            left -= length;
            Some(piece)
        })
    }
}
