//! Checks of data read back: whatever is corrupt, stale, lost or in the wrong place is found and
//! located.
//!
//! Each `interval` bytes that a job writes carry a header (little-endian), at the start or where
//! `headerOffsetBytes` says. It is ours: files that fio wrote are not read.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | magic |
//! | 4 | kind of check |
//! | 6..8 | file index |
//! | 8..16 | byte offset in the file |
//! | 16..20 | generation: number of the write in its job, from 1 |
//! | 20..24 | seed of the job, folded to 32 bits |
//! | 24..28 | interval |
//! | 28..32 | CRC-32C over bytes 0..28, the digest and, with `crc32c`, the rest of the interval |
//! | 32.. | the digest over the rest of the interval, of the kinds that have one |
//!
//! A table of the last generation written to each interval (4 bytes an interval, untouched parts
//! cost no memory) tells lost and stale writes from good ones. The op stream holds operations back
//! that overlap one in flight, so that the table is always right.

mod checker;
mod digest;
mod progress;

use std::sync::Arc;

use serde::Serialize;

use crate::data::DataSource;
use crate::op::{CLOSED_LOOP, FLAG_READ_BACK, Op, OpKind};
use crate::spec::{Region, StreamSpec};

pub use checker::{Checker, header_bytes};
pub use progress::Progress;

/// After this generation comes 1 again. Higher values, and 0, have a meaning of their own in the
/// table.
pub const LAST_GENERATION: u32 = (1 << 31) - 2;
/// In the table: the interval was trimmed and must read as zeroes.
const ZEROED: u32 = LAST_GENERATION + 1;
/// In the table, beside the generation: the interval has been read back.
const READ: u32 = 1 << 31;

/// What was wrong with data read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mismatch {
    /// Index of the file.
    pub file: u16,
    /// First byte of the interval that is wrong.
    pub offset: u64,
    /// Its length.
    pub length: u32,
    /// Which check failed.
    pub what: MismatchKind,
    /// What should have been there, for people.
    pub expected: String,
    /// What was there.
    pub found: String,
}

/// The check that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MismatchKind {
    /// No header of ours: never written, or overwritten by something else.
    Magic,
    /// The header's checksum does not match: corrupt data.
    Crc,
    /// The digest does not match: corrupt data.
    Digest,
    /// Data of another job or run.
    Seed,
    /// Data that belongs elsewhere: a misdirected write or read.
    Offset,
    /// Another version of this interval: a lost, stale or reordered write.
    Generation,
    /// Other bytes than the pattern.
    Pattern,
    /// Other bytes than the zeroes that a trim leaves.
    Zero,
}

impl MismatchKind {
    /// What is wrong, in words for a message.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Magic => "the header",
            Self::Crc => "the checksum of the header",
            Self::Digest => "the checksum",
            Self::Seed => "the seed of the job that wrote it",
            Self::Offset => "the offset it was written for",
            Self::Generation => "the generation",
            Self::Pattern => "the pattern",
            Self::Zero => "the zeroes of a trim",
        }
    }
}

/// Stamps what is written and checks what is read.
#[derive(Debug)]
pub struct Verifier {
    checker: Arc<Checker>,
    regions: Box<[Region]>,
    /// Last generation written to each interval of each file; 0 = unknown.
    table: Box<[Vec<u32>]>,
    /// Where `read_back` goes on: file and interval.
    cursor: (usize, usize),
    sequence: u64,
}

impl Verifier {
    /// `None` if the job does not verify. The specification MUST have passed `OpStream::new`.
    #[must_use]
    pub fn new(spec: &StreamSpec) -> Option<Self> {
        let checker = Checker::new(spec)?;
        let interval = u64::from(checker.interval);
        let table = spec.regions.iter().map(|region| {
            let granules = (region.size / interval) as usize;
            vec![0; if checker.foreign() { 0 } else { granules }]
        });
        Some(Self {
            regions: spec.regions.clone().into(),
            table: table.collect(),
            checker: Arc::new(checker),
            cursor: (0, 0),
            sequence: 0,
        })
    }

    /// The part that checks, for threads of its own: see `expect`.
    #[must_use]
    pub fn checker(&self) -> &Arc<Checker> {
        &self.checker
    }

    /// Writes headers and checksums (or the pattern) into the buffer of a write that is about to be
    /// sent, after `DataSource::fill`. `buf.len() == op.length`.
    pub fn stamp(&mut self, op: &Op, buf: &mut [u8]) {
        let interval = self.checker.interval;
        let mut offset = op.offset;
        for granule in buf.chunks_exact_mut(interval as usize) {
            self.checker.stamp(op.file, offset, op.generation, granule);
            offset += u64::from(interval);
        }
        self.set(op, op.generation);
    }

    /// Takes a write or trim as done that is not sent (`verify_only`).
    pub fn imagine(&mut self, op: &Op, trims_read_zero: bool) {
        match op.kind {
            OpKind::Write => self.set(op, op.generation),
            OpKind::Trim => self.trimmed(op, trims_read_zero),
            _ => {}
        }
    }

    /// MUST be called for a trim that completed. `reads_zero`: the range must read as zeroes from then
    /// on; else what it holds is unknown.
    pub fn trimmed(&mut self, op: &Op, reads_zero: bool) {
        self.set(op, if reads_zero { ZEROED } else { 0 });
    }

    /// MUST be called for a write or trim that failed or was short: what the range holds is unknown
    /// from then on, and is not checked until it is written again.
    pub fn forget(&mut self, op: &Op) {
        self.set(op, 0);
    }

    fn set(&mut self, op: &Op, value: u32) {
        if let Some(entries) = self.entries(op) {
            entries.fill(value);
        }
    }

    /// What the table holds of an operation's range.
    fn entries(&mut self, op: &Op) -> Option<&mut [u32]> {
        let range = self.range(op);
        self.table[usize::from(op.file)].get_mut(range)
    }

    fn range(&self, op: &Op) -> std::ops::Range<usize> {
        let interval = u64::from(self.checker.interval);
        let start = (op.offset - self.regions[usize::from(op.file)].offset) / interval;
        let end = start + u64::from(op.length) / interval;
        start as usize..end as usize
    }

    /// Checks a completed read (`buf.len() == op.length`); the first mismatch, if any. Intervals
    /// that this job did not write are not checked, unless the job only reads.
    #[must_use]
    pub fn check_read(&self, op: &Op, buf: &[u8]) -> Option<Mismatch> {
        let range = self.range(op);
        let expected = self.table[usize::from(op.file)].get(range);
        self.checker.check(op, buf, expected.unwrap_or_default())
    }

    /// Replaces `expected` by what `Checker::check` is to be given for a read. No allocation if it has
    /// room for an entry for each interval.
    pub fn expect(&self, op: &Op, expected: &mut Vec<u32>) {
        expected.clear();
        let range = self.range(op);
        if let Some(entries) = self.table[usize::from(op.file)].get(range) {
            expected.extend_from_slice(entries);
        }
    }

    /// A read with `FLAG_READ_BACK` has been checked: `read_back` leaves its range out.
    pub fn was_read_back(&mut self, op: &Op) {
        if let Some(entries) = self.entries(op) {
            for entry in entries.iter_mut().filter(|entry| **entry != 0) {
                *entry |= READ;
            }
        }
    }

    /// The bytes that a mismatch should have found, into `out` (`mismatch.length` long); `false` when
    /// nobody can tell: another job wrote them.
    #[must_use]
    pub fn expected_bytes(
        &self,
        mismatch: &Mismatch,
        found: &[u8],
        source: &DataSource,
        out: &mut [u8],
    ) -> bool {
        let (file, offset) = (mismatch.file, mismatch.offset);
        let at = (offset - self.regions[usize::from(file)].offset) / u64::from(mismatch.length);
        let entry = self.table[usize::from(file)].get(at as usize);
        let generation = match entry.map_or(0, |entry| entry & !READ) {
            ZEROED => {
                out.fill(0);
                return true;
            }
            0 => self.checker.generation_in(found),
            generation => Some(generation),
        };
        let Some(generation) = generation else {
            return false;
        };
        source.regenerate(file, offset, generation, out);
        self.checker.stamp(file, offset, generation, out);
        true
    }

    /// `read_back` begins at the first file again.
    pub fn rewind(&mut self) {
        self.cursor = (0, 0);
    }

    /// The next read of everything this job wrote and did not read back, in order of file and offset,
    /// at most `max_bytes` long (at least one interval); `None` at the end.
    pub fn read_back(&mut self, max_bytes: u32) -> Option<Op> {
        let interval = self.checker.interval;
        let most = ((max_bytes / interval) as usize).max(1);
        let waits = |entry: &u32| *entry != 0 && entry & READ == 0;
        loop {
            let (file, from) = self.cursor;
            let entries = self.table.get(file)?;
            let Some(found) = entries[from..].iter().position(waits) else {
                self.cursor = (file + 1, 0);
                continue;
            };
            let start = from + found;
            let run = entries[start..].iter().take(most);
            let length = run.take_while(|entry| waits(entry)).count();
            self.cursor = (file, start + length);
            self.sequence += 1;
            return Some(Op {
                kind: OpKind::Read,
                flags: FLAG_READ_BACK,
                file: file as u16,
                length: length as u32 * interval,
                offset: self.regions[file].offset + start as u64 * u64::from(interval),
                intended_ns: CLOSED_LOOP,
                sequence: self.sequence - 1,
                generation: 0,
            });
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::spec_for_tests;
