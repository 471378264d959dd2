//! Checks of data read back.

use serde::Serialize;

use crate::op::Op;
use crate::spec::StreamSpec;

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
    /// The checksum does not match: corrupt data.
    Crc,
    /// A block of another job or run.
    Seed,
    /// A block that belongs elsewhere: a misdirected write or read.
    Offset,
    /// An older or newer version of this block: a lost, stale or reordered write.
    Generation,
    /// Other bytes than the pattern.
    Pattern,
}

/// Stamps what is written and checks what is read.
#[derive(Debug)]
pub struct Verifier {}

impl Verifier {
    /// `None` if the job does not verify.
    #[must_use]
    pub fn new(spec: &StreamSpec) -> Option<Self> {
        let _ = spec;
        None
    }

    /// Writes headers and checksums (or the pattern) into the buffer of a write that is about to be
    /// sent, after `DataSource::fill`.
    pub fn stamp(&mut self, op: &Op, buf: &mut [u8]) {
        let _ = (op, buf);
    }

    /// MUST be called for a write or trim that failed or was short: what its range holds is unknown.
    pub fn forget(&mut self, op: &Op) {
        let _ = op;
    }

    /// Checks a completed read; the first mismatch, if any.
    pub fn check_read(&mut self, op: &Op, buf: &[u8]) -> Option<Mismatch> {
        let _ = (op, buf);
        None
    }

    /// The next read of everything this job wrote, at most `max_bytes` long; `None` at the end.
    pub fn read_back(&mut self, max_bytes: u32) -> Option<Op> {
        let _ = max_bytes;
        None
    }
}
