//! Any trace: its format is found out from its first bytes.

use std::io::BufRead;

use super::blkparse::{BlkparseReader, is_event};
use super::blktrace::{BlktraceReader, order_of};
use super::iolog::{IologReader, version_of};
use super::{Entry, Format, Names, Passed, TraceError, TraceEvent};

/// A trace of any format.
#[derive(Debug)]
pub enum TraceReader<R> {
    /// fio's.
    Iolog(IologReader<R>),
    /// The kernel's.
    Blktrace(BlktraceReader<R>),
    /// The kernel's, as text.
    Blkparse(BlkparseReader<R>),
}

impl<R: BufRead> TraceReader<R> {
    /// Looks at the first bytes. The source's buffer MUST hold its first line (a few hundred bytes).
    ///
    /// # Errors
    /// It is no trace; reading failed.
    pub fn new(mut source: R, event: TraceEvent) -> Result<Self, TraceError> {
        let head = source.fill_buf()?;
        let start: Option<[u8; 4]> = head.first_chunk().copied();
        if let Some(order) = start.and_then(order_of) {
            return Ok(Self::Blktrace(BlktraceReader::new(source, order, event)));
        }
        let mut lines = head.split(|byte| *byte == b'\n');
        let first = lines.find(|line| !line.trim_ascii().is_empty());
        let first = first.unwrap_or_default().trim_ascii_end();
        if version_of(first).is_some() {
            return Ok(Self::Iolog(IologReader::new(source)?));
        }
        if is_event(first) {
            return Ok(Self::Blkparse(BlkparseReader::new(source, event)));
        }
        Err(TraceError::Format {
            place: "line 1".into(),
            what:
                "this is no trace: neither an iolog (`fio version 3 iolog`), nor blktrace's binary \
                   stream, nor what blkparse prints"
                    .into(),
        })
    }

    /// How it is written.
    #[must_use]
    pub fn format(&self) -> Format {
        match self {
            Self::Iolog(reader) if reader.version() == 2 => Format::Iolog2,
            Self::Iolog(_) => Format::Iolog3,
            Self::Blktrace(_) => Format::Blktrace,
            Self::Blkparse(_) => Format::Blkparse,
        }
    }

    /// The next operation.
    ///
    /// # Errors
    /// The trace is wrong there; reading failed. Do not read on.
    #[inline]
    pub fn next(&mut self, names: &mut Names) -> Result<Option<Entry>, TraceError> {
        match self {
            Self::Iolog(reader) => reader.next(names),
            Self::Blktrace(reader) => reader.next(names),
            Self::Blkparse(reader) => reader.next(names),
        }
    }

    /// What the clock of a block trace said at its first operation, ns; `None` before it, and for
    /// iologs, whose times count from the job's start.
    #[must_use]
    pub fn start_ns(&self) -> Option<u64> {
        match self {
            Self::Iolog(_) => None,
            Self::Blktrace(reader) => reader.start_ns,
            Self::Blkparse(reader) => reader.start_ns,
        }
    }

    /// What was passed over so far.
    #[must_use]
    pub fn passed(&self) -> Passed {
        match self {
            Self::Iolog(reader) => reader.passed,
            Self::Blktrace(reader) => reader.passed,
            Self::Blkparse(reader) => reader.passed,
        }
    }
}
