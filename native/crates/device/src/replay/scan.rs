//! A look at a trace before anything runs: which files it names, what it does to each, how large and
//! how long it is. What is left out and how offsets are scaled is taken into account.

use std::sync::atomic::{AtomicBool, Ordering};

use osdyno_core::op::OpKind;
use osdyno_core::trace::{Entry, Format, Passed, Shape};
use serde::Serialize;

use super::merge::Merge;
use super::{ReplayError, TraceSpec};

/// Operations between two looks at the flag that ends a scan.
const LOOK: u64 = 65_536;

/// What a trace holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceFacts {
    /// Of each input.
    pub formats: Vec<Format>,
    /// Reads, writes, trims, flushes.
    pub operations: [u64; 4],
    /// Bytes read, written, trimmed.
    pub bytes: [u64; 3],
    /// Bytes of the largest read, write, trim.
    pub largest: [u64; 3],
    /// When the first and the last operation are sent, ns.
    pub first_ns: u64,
    /// See `firstNs`.
    pub last_ns: u64,
    /// Largest power of two that divides every offset and length.
    pub unit_bytes: u64,
    /// Operations that are left out on demand.
    pub skipped: u64,
    /// Operations with a time before that of the one before them.
    pub went_back: u64,
    /// What is no operation.
    pub passed: Passed,
    /// In the order in which they appear; those without an operation are left out.
    pub files: Vec<FileFacts>,
    /// The scan was ended before the trace did.
    pub cut_short: bool,
}

/// What a trace does to one file or device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileFacts {
    /// As in the trace; `8,16` for a device of a block trace.
    pub name: String,
    /// Reads, writes, trims, flushes.
    pub operations: [u64; 4],
    /// Where the last byte ends that it reads, writes or trims.
    pub end_bytes: u64,
}

fn index_of(kind: OpKind) -> usize {
    match kind {
        OpKind::Read => 0,
        OpKind::Write | OpKind::WriteZeroes => 1,
        OpKind::Trim => 2,
        OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => 3,
    }
}

impl TraceFacts {
    fn count(&mut self, entry: &Entry, bits: &mut u64) {
        let index = index_of(entry.kind);
        let number = entry.name as usize;
        if self.files.len() <= number {
            self.files.resize_with(number + 1, FileFacts::default);
        }
        let file = &mut self.files[number];
        file.operations[index] += 1;
        file.end_bytes = file.end_bytes.max(entry.offset + entry.length);
        if self.operations == [0; 4] {
            self.first_ns = entry.time_ns;
        }
        self.last_ns = entry.time_ns;
        self.operations[index] += 1;
        if index < 3 {
            self.bytes[index] = self.bytes[index].saturating_add(entry.length);
            self.largest[index] = self.largest[index].max(entry.length);
            *bits |= entry.offset | entry.length;
        }
    }
}

/// Reads a trace to its end, or until `ended`.
///
/// # Errors
/// It cannot be read.
pub fn scan(spec: &TraceSpec, ended: &AtomicBool) -> Result<TraceFacts, ReplayError> {
    let mut merge = Merge::open(&spec.inputs, spec.event)?;
    let mut shape = Shape::new(&spec.shape);
    let mut facts = TraceFacts::default();
    let (mut seen, mut bits) = (0_u64, 0_u64);
    while let Some((entry, _)) = merge.earliest()? {
        seen += 1;
        if seen.is_multiple_of(LOOK) && ended.load(Ordering::Relaxed) {
            facts.cut_short = true;
            break;
        }
        match shape.apply(entry) {
            Some(entry) => facts.count(&entry, &mut bits),
            None => facts.skipped += 1,
        }
    }
    facts.unit_bytes = if bits == 0 {
        0
    } else {
        1 << bits.trailing_zeros()
    };
    facts.formats = merge.formats();
    facts.went_back = shape.went_back;
    facts.passed = merge.passed();
    for (number, file) in facts.files.iter_mut().enumerate() {
        file.name = merge.names.text(number as u32);
    }
    facts.files.retain(|file| file.operations != [0; 4]);
    Ok(facts)
}
