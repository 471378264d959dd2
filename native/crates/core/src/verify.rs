//! Checks of data read back: whatever is corrupt, stale, lost or in the wrong place is found and
//! located.
//!
//! Each `interval` bytes that a job writes carry a 32-byte header (little-endian):
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
//! | 28..32 | CRC-32C over bytes 0..28 and, with `crc32c`, the payload |
//!
//! A table of the last generation written to each interval (4 bytes an interval, untouched parts
//! cost no memory) tells lost and stale writes from good ones. The op stream holds operations back
//! that overlap one in flight, so that the table is always right.

use crc_fast::{CrcAlgorithm, checksum};
use serde::Serialize;

use crate::op::{CLOSED_LOOP, Op, OpKind};
use crate::rng::mix64;
use crate::spec::{Region, StreamSpec, VerifyKind};

const MAGIC: u32 = 0x6f64_7631;
const HEADER: usize = 32;

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
    /// Data of another job or run.
    Seed,
    /// Data that belongs elsewhere: a misdirected write or read.
    Offset,
    /// Another version of this interval: a lost, stale or reordered write.
    Generation,
    /// Other bytes than the pattern.
    Pattern,
}

impl MismatchKind {
    /// What is wrong, in words for a message.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Magic => "the header",
            Self::Crc => "the checksum",
            Self::Seed => "the seed of the job that wrote it",
            Self::Offset => "the offset it was written for",
            Self::Generation => "the generation",
            Self::Pattern => "the pattern",
        }
    }
}

/// The smallest interval a check can work with, in bytes.
#[must_use]
pub fn smallest_interval(kind: VerifyKind) -> u32 {
    match kind {
        VerifyKind::Crc32c | VerifyKind::Meta => HEADER as u32,
        VerifyKind::Pattern => 1,
    }
}

/// Stamps what is written and checks what is read.
#[derive(Debug)]
pub struct Verifier {
    kind: VerifyKind,
    interval: u32,
    seed: u32,
    regions: Box<[Region]>,
    /// Last generation written to each interval of each file; 0 = unknown.
    table: Box<[Vec<u32>]>,
    /// The job only reads: whatever an earlier run wrote is checked.
    foreign: bool,
    /// The pattern, repeated to an interval, and where `%o` stands in it.
    pattern: Box<[u8]>,
    pattern_offsets: Box<[u32]>,
    scratch: Box<[u8]>,
    /// Where `read_back` goes on: file and interval.
    cursor: (usize, usize),
    sequence: u64,
}

/// The header's fields, as found.
struct Header {
    kind: u8,
    file: u16,
    offset: u64,
    generation: u32,
    seed: u32,
    interval: u32,
}

impl Header {
    fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let u32_at = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
        (u32_at(0) == MAGIC).then(|| Self {
            kind: bytes[4],
            file: u16::from_le_bytes([bytes[6], bytes[7]]),
            offset: u64::from(u32_at(8)) | u64::from(u32_at(12)) << 32,
            generation: u32_at(16),
            seed: u32_at(20),
            interval: u32_at(24),
        })
    }

    fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4] = self.kind;
        bytes[6..8].copy_from_slice(&self.file.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.generation.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.seed.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.interval.to_le_bytes());
        bytes
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// CRC over the header's fields and the payload's CRC, so that neither has to be copied.
fn header_crc(header: &[u8; HEADER], payload: Option<&[u8]>) -> u32 {
    let mut bytes = *header;
    let payload = payload.map_or(0, crc32c);
    bytes[28..].copy_from_slice(&payload.to_le_bytes());
    crc32c(&bytes)
}

fn kind_code(kind: VerifyKind) -> u8 {
    match kind {
        VerifyKind::Crc32c => 1,
        VerifyKind::Pattern => 2,
        VerifyKind::Meta => 3,
    }
}

impl Verifier {
    /// `None` if the job does not verify. The specification MUST have passed `OpStream::new`.
    #[must_use]
    pub fn new(spec: &StreamSpec) -> Option<Self> {
        let verify = spec.data.verify.as_ref()?;
        let interval = verify.interval.max(smallest_interval(verify.kind));
        let granules = |region: &Region| (region.size / u64::from(interval)) as usize;
        let foreign = spec.mix[1] <= 0.0 && !spec.trim_then_write;
        let table = spec.regions.iter().map(|region| {
            let count = if foreign { 0 } else { granules(region) };
            vec![0; count]
        });
        let length = verify.pattern.len().max(1);
        let pattern = (0..interval as usize)
            .map(|at| verify.pattern.get(at % length).copied().unwrap_or(0))
            .collect();
        let repeats = (0..interval).step_by(length);
        let offsets = repeats.flat_map(|start| {
            verify
                .pattern_offsets
                .iter()
                .map(move |offset| start + offset)
        });
        let is_pattern = verify.kind == VerifyKind::Pattern;
        Some(Self {
            kind: verify.kind,
            interval,
            seed: (mix64(spec.seed) >> 32) as u32,
            regions: spec.regions.clone().into(),
            table: table.collect(),
            foreign,
            pattern,
            pattern_offsets: offsets
                .filter(|offset| is_pattern && *offset < interval)
                .collect(),
            scratch: vec![0; interval as usize].into(),
            cursor: (0, 0),
            sequence: 0,
        })
    }

    /// Writes headers and checksums (or the pattern) into the buffer of a write that is about to be
    /// sent, after `DataSource::fill`. `buf.len() == op.length`.
    pub fn stamp(&mut self, op: &Op, buf: &mut [u8]) {
        let interval = self.interval as usize;
        let mut offset = op.offset;
        for granule in buf.chunks_exact_mut(interval) {
            if self.kind == VerifyKind::Pattern {
                self.paste(offset);
                granule.copy_from_slice(&self.scratch);
            } else {
                self.stamp_header(op, offset, granule);
            }
            offset += u64::from(self.interval);
        }
        self.set(op, op.generation);
    }

    fn stamp_header(&self, op: &Op, offset: u64, granule: &mut [u8]) {
        let mut header = Header {
            kind: kind_code(self.kind),
            file: op.file,
            offset,
            generation: op.generation,
            seed: self.seed,
            interval: self.interval,
        }
        .encode();
        let (head, payload) = granule.split_at_mut(HEADER);
        let covered = (self.kind == VerifyKind::Crc32c).then_some(&*payload);
        let crc = header_crc(&header, covered);
        header[28..].copy_from_slice(&crc.to_le_bytes());
        head.copy_from_slice(&header);
    }

    /// MUST be called for a write that failed or was short, and for a trim when it is sent: what
    /// the range holds is unknown from then on, and is not checked until it is written again.
    pub fn forget(&mut self, op: &Op) {
        self.set(op, 0);
    }

    fn set(&mut self, op: &Op, generation: u32) {
        let file = usize::from(op.file);
        let interval = u64::from(self.interval);
        let start = (op.offset - self.regions[file].offset) / interval;
        let end = start + u64::from(op.length) / interval;
        if let Some(entries) = self.table[file].get_mut(start as usize..end as usize) {
            entries.fill(generation);
        }
    }

    /// Checks a completed read (`buf.len() == op.length`); the first mismatch, if any. Intervals
    /// that this job did not write are not checked, unless the job only reads.
    pub fn check_read(&mut self, op: &Op, buf: &[u8]) -> Option<Mismatch> {
        let file = usize::from(op.file);
        let interval = u64::from(self.interval);
        let first = ((op.offset - self.regions[file].offset) / interval) as usize;
        let granules = buf.chunks_exact(self.interval as usize);
        for (index, granule) in granules.enumerate() {
            let expected = self.table[file].get(first + index).copied().unwrap_or(0);
            if expected == 0 && !self.foreign {
                continue;
            }
            let offset = op.offset + index as u64 * interval;
            let wrong = if self.kind == VerifyKind::Pattern {
                self.check_pattern(offset, granule)
            } else {
                self.check_header(op.file, offset, expected, granule)
            };
            if let Some((what, expected, found)) = wrong {
                return Some(Mismatch {
                    file: op.file,
                    offset,
                    length: self.interval,
                    what,
                    expected,
                    found,
                });
            }
        }
        None
    }

    fn check_header(
        &self,
        file: u16,
        offset: u64,
        generation: u32,
        granule: &[u8],
    ) -> Option<(MismatchKind, String, String)> {
        let (head, payload) = granule.split_first_chunk::<HEADER>()?;
        let Some(header) = Header::parse(head) else {
            let start = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
            let expected = format!("a header with magic {MAGIC:#010x}");
            return Some((MismatchKind::Magic, expected, format!("{start:#010x}")));
        };
        let stored = u32::from_le_bytes([head[28], head[29], head[30], head[31]]);
        let covered = (self.kind == VerifyKind::Crc32c).then_some(payload);
        let crc = header_crc(head, covered);
        let differ = |what, expected: String, found: String| Some((what, expected, found));
        if crc != stored {
            return differ(
                MismatchKind::Crc,
                format!("crc {stored:#010x}, as stored"),
                format!("crc {crc:#010x} of the data"),
            );
        }
        if header.interval != self.interval || header.kind != kind_code(self.kind) {
            return differ(
                MismatchKind::Magic,
                format!(
                    "check {} over {} bytes",
                    kind_code(self.kind),
                    self.interval
                ),
                format!("check {} over {} bytes", header.kind, header.interval),
            );
        }
        if !self.foreign && header.seed != self.seed {
            return differ(
                MismatchKind::Seed,
                format!("seed {:#010x}", self.seed),
                format!("seed {:#010x}", header.seed),
            );
        }
        if header.offset != offset || (!self.foreign && header.file != file) {
            return differ(
                MismatchKind::Offset,
                format!("data of file {file}, offset {offset}"),
                format!("data of file {}, offset {}", header.file, header.offset),
            );
        }
        if !self.foreign && header.generation != generation {
            return differ(
                MismatchKind::Generation,
                format!("write {generation}"),
                format!("write {}", header.generation),
            );
        }
        None
    }

    /// Lays the pattern for an offset into `scratch`.
    fn paste(&mut self, offset: u64) {
        self.scratch.copy_from_slice(&self.pattern);
        let bytes = offset.to_le_bytes();
        for at in &self.pattern_offsets {
            let room = &mut self.scratch[*at as usize..];
            let length = room.len().min(bytes.len());
            room[..length].copy_from_slice(&bytes[..length]);
        }
    }

    fn check_pattern(
        &mut self,
        offset: u64,
        granule: &[u8],
    ) -> Option<(MismatchKind, String, String)> {
        self.paste(offset);
        if *granule == *self.scratch {
            return None;
        }
        let mut pairs = granule.iter().zip(&self.scratch);
        let at = pairs.position(|(found, expected)| found != expected)?;
        Some((
            MismatchKind::Pattern,
            format!("{:#04x} at byte {at} of the interval", self.scratch[at]),
            format!("{:#04x}", granule[at]),
        ))
    }

    /// The next read of everything this job wrote, in order of file and offset, at most `max_bytes`
    /// long (at least one interval); `None` at the end.
    pub fn read_back(&mut self, max_bytes: u32) -> Option<Op> {
        let most = ((max_bytes / self.interval) as usize).max(1);
        loop {
            let (file, from) = self.cursor;
            let entries = self.table.get(file)?;
            let Some(found) = entries[from..].iter().position(|entry| *entry != 0) else {
                self.cursor = (file + 1, 0);
                continue;
            };
            let start = from + found;
            let run = entries[start..].iter().take(most);
            let length = run.take_while(|entry| **entry != 0).count();
            self.cursor = (file, start + length);
            self.sequence += 1;
            return Some(Op {
                kind: OpKind::Read,
                flags: 0,
                file: file as u16,
                length: length as u32 * self.interval,
                offset: self.regions[file].offset + start as u64 * u64::from(self.interval),
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
