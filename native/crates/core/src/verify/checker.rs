//! What an interval must look like: laying it down, and comparing. Knows nothing of what was written
//! when, so that helper threads can share it.

use super::digest::{LONGEST, crc32c, digest, digest_bytes};
use super::{Mismatch, MismatchKind, READ, ZEROED};
use crate::op::Op;
use crate::rng::mix64;
use crate::spec::{StreamSpec, VerifyKind};

const MAGIC: u32 = 0x6f64_7631;
/// The header without the digest.
const FIXED: usize = 32;

/// Bytes of a kind's header, digest included.
#[must_use]
pub fn header_bytes(kind: VerifyKind) -> u32 {
    match kind {
        VerifyKind::Pattern | VerifyKind::Null => 0,
        kind => (FIXED + digest_bytes(kind)) as u32,
    }
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
    fn parse(bytes: &[u8; FIXED]) -> Option<Self> {
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

    fn encode(&self) -> [u8; FIXED] {
        let mut bytes = [0; FIXED];
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

/// The number of a kind in headers; never changes.
fn kind_code(kind: VerifyKind) -> u8 {
    match kind {
        VerifyKind::Crc32c => 1,
        VerifyKind::Pattern => 2,
        VerifyKind::Meta => 3,
        VerifyKind::Null => 4,
        VerifyKind::PatternHdr => 5,
        VerifyKind::Crc7 => 6,
        VerifyKind::Crc16 => 7,
        VerifyKind::Crc32 => 8,
        VerifyKind::Crc64 => 9,
        VerifyKind::Md5 => 10,
        VerifyKind::Xxhash => 11,
        VerifyKind::Sha1 => 12,
        VerifyKind::Sha256 => 13,
        VerifyKind::Sha512 => 14,
        VerifyKind::Sha3With224 => 15,
        VerifyKind::Sha3With256 => 16,
        VerifyKind::Sha3With384 => 17,
        VerifyKind::Sha3With512 => 18,
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A check that failed: which, what should have been there, what was.
type Wrong = (MismatchKind, String, String);

/// Lays intervals down and checks them.
#[derive(Debug)]
pub struct Checker {
    kind: VerifyKind,
    pub(super) interval: u32,
    /// The header's place, digest included.
    head: std::ops::Range<usize>,
    seed: u32,
    /// The job only reads: whatever an earlier run wrote is checked.
    foreign: bool,
    check_sequence: bool,
    /// The pattern, repeated to an interval; empty if there is none.
    pattern: Box<[u8]>,
    /// Where `%o` stands in it, ascending.
    pattern_offsets: Box<[u32]>,
}

impl Checker {
    pub(super) fn new(spec: &StreamSpec) -> Option<Self> {
        let verify = spec.data.verify.as_ref()?;
        let header = header_bytes(verify.kind);
        let interval = verify.interval.max(header).max(1);
        let length = verify.pattern.len();
        let patterned = if length == 0 { 0 } else { interval };
        let repeats = (0..patterned).step_by(length.max(1));
        let mut offsets: Vec<u32> = repeats
            .flat_map(|start| verify.pattern_offsets.iter().map(move |at| start + at))
            .filter(|at| *at < interval)
            .collect();
        offsets.sort_unstable();
        let start = verify.header_offset.min(interval - header) as usize;
        Some(Self {
            kind: verify.kind,
            interval,
            head: start..start + header as usize,
            seed: (mix64(spec.seed) >> 32) as u32,
            foreign: spec.mix[1] <= 0.0 && !spec.trim_then_write,
            check_sequence: verify.check_sequence,
            pattern: (0..patterned as usize)
                .map(|at| verify.pattern[at % length])
                .collect(),
            pattern_offsets: offsets.into(),
        })
    }

    /// The job only reads.
    pub(super) fn foreign(&self) -> bool {
        self.foreign
    }

    /// What stands before and after the header.
    fn payload<'a>(&self, granule: &'a [u8]) -> [&'a [u8]; 2] {
        [&granule[..self.head.start], &granule[self.head.end..]]
    }

    /// Lays down what an interval carries beside its content.
    pub(super) fn stamp(&self, file: u16, offset: u64, generation: u32, granule: &mut [u8]) {
        if self.kind == VerifyKind::Null {
            return;
        }
        if !self.pattern.is_empty() {
            granule.copy_from_slice(&self.pattern);
            for at in &self.pattern_offsets {
                let room = &mut granule[*at as usize..];
                let length = room.len().min(8);
                room[..length].copy_from_slice(&offset.to_le_bytes()[..length]);
            }
        }
        if self.head.is_empty() {
            return;
        }
        let header = Header {
            kind: kind_code(self.kind),
            file,
            offset,
            generation,
            seed: self.seed,
            interval: self.interval,
        };
        let mut bytes = [0; FIXED + LONGEST];
        let head = &mut bytes[..self.head.len()];
        head[..FIXED].copy_from_slice(&header.encode());
        digest(self.kind, self.payload(granule), &mut head[FIXED..]);
        let crc = self.header_crc(head, granule);
        head[28..FIXED].copy_from_slice(&crc.to_le_bytes());
        granule[self.head.clone()].copy_from_slice(head);
    }

    /// CRC over the header's fields, the digest and, with CRC-32C, the payload's CRC, so that nothing has
    /// to be copied.
    fn header_crc(&self, head: &[u8], granule: &[u8]) -> u32 {
        let mut bytes = [0; FIXED + LONGEST];
        let bytes = &mut bytes[..head.len()];
        bytes.copy_from_slice(head);
        let payload = match self.kind {
            VerifyKind::Crc32c => crc32c(self.payload(granule)),
            _ => 0,
        };
        bytes[28..FIXED].copy_from_slice(&payload.to_le_bytes());
        crc32c([&[], bytes])
    }

    /// Checks a completed read (`buf.len() == op.length`); the first mismatch, if any. `expected` holds
    /// the last generation of each interval; 0 and what is missing is not checked, unless the job
    /// only reads.
    #[must_use]
    pub fn check(&self, op: &Op, buf: &[u8], expected: &[u32]) -> Option<Mismatch> {
        if self.kind == VerifyKind::Null {
            return None;
        }
        let granules = buf.chunks_exact(self.interval as usize);
        for (index, granule) in granules.enumerate() {
            let expected = expected.get(index).map_or(0, |entry| entry & !READ);
            if expected == 0 && !self.foreign {
                continue;
            }
            let offset = op.offset + index as u64 * u64::from(self.interval);
            if let Some((what, expected, found)) = self.wrong(op.file, offset, expected, granule) {
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

    fn wrong(&self, file: u16, offset: u64, expected: u32, granule: &[u8]) -> Option<Wrong> {
        if expected == ZEROED {
            let at = granule.iter().position(|byte| *byte != 0)?;
            return Some((
                MismatchKind::Zero,
                format!("zeroes after a trim, at byte {at} of the interval"),
                format!("{:#04x}", granule[at]),
            ));
        }
        if !self.head.is_empty()
            && let Some(wrong) = self.wrong_header(file, offset, expected, granule)
        {
            return Some(wrong);
        }
        // A digest covers the pattern too.
        let bare = matches!(
            self.kind,
            VerifyKind::Pattern | VerifyKind::PatternHdr | VerifyKind::Meta
        );
        if bare && !self.pattern.is_empty() {
            return self.wrong_pattern(offset, granule);
        }
        None
    }

    fn wrong_header(
        &self,
        file: u16,
        offset: u64,
        generation: u32,
        granule: &[u8],
    ) -> Option<Wrong> {
        let head = &granule[self.head.clone()];
        let fixed = head.first_chunk::<FIXED>()?;
        let Some(header) = Header::parse(fixed) else {
            let start = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
            let expected = format!("a header with magic {MAGIC:#010x}");
            return Some((MismatchKind::Magic, expected, format!("{start:#010x}")));
        };
        let differ = |what, expected: String, found: String| Some((what, expected, found));
        if let Some(wrong) = self.wrong_sum(head, granule) {
            return Some(wrong);
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
        if self.check_sequence && !self.foreign && header.generation != generation {
            return differ(
                MismatchKind::Generation,
                format!("write {generation}"),
                format!("write {}", header.generation),
            );
        }
        None
    }

    /// The checksum of the header, and the digest of the rest.
    fn wrong_sum(&self, head: &[u8], granule: &[u8]) -> Option<Wrong> {
        let stored = u32::from_le_bytes([head[28], head[29], head[30], head[31]]);
        let crc = self.header_crc(head, granule);
        if crc != stored {
            let code = kind_code(self.kind);
            return Some((
                MismatchKind::Crc,
                format!("crc {stored:#010x}, as stored"),
                format!("crc {crc:#010x} of the data, check {} of {code}", head[4]),
            ));
        }
        let mut found = [0; LONGEST];
        let found = &mut found[..head.len() - FIXED];
        digest(self.kind, self.payload(granule), found);
        let stored = &head[FIXED..];
        (*found != *stored).then(|| {
            let name = format!("{:?}", self.kind).to_lowercase();
            (
                MismatchKind::Digest,
                format!("{name} {}, as stored", hex(stored)),
                format!("{name} {} of the data", hex(found)),
            )
        })
    }

    /// Compares what is not the header with the pattern.
    fn wrong_pattern(&self, offset: u64, granule: &[u8]) -> Option<Wrong> {
        let place = offset.to_le_bytes();
        let mut from = 0;
        let differs = |range: std::ops::Range<usize>, expected: &[u8]| {
            let equal = granule[range.clone()] == *expected;
            let mut bytes = range.clone().zip(expected);
            let outside = |at: &usize| !self.head.contains(at);
            (!equal)
                .then(|| bytes.find(|(at, byte)| granule[*at] != **byte && outside(at)))
                .flatten()
                .map(|(at, byte)| (at, *byte))
        };
        let mut found = None;
        let offsets = self.pattern_offsets.iter().map(|at| *at as usize);
        let ends = offsets.clone().skip(1).chain([granule.len()]);
        // In a pattern shorter than an offset, the next one covers the rest of it.
        for (at, next) in offsets.zip(ends) {
            let end = (at + place.len()).min(next);
            found = found
                .or_else(|| differs(from..at, &self.pattern[from..at]))
                .or_else(|| differs(at..end, &place[..end - at]));
            from = end;
        }
        let (at, byte) = found.or_else(|| differs(from..granule.len(), &self.pattern[from..]))?;
        Some((
            MismatchKind::Pattern,
            format!("{byte:#04x} at byte {at} of the interval"),
            format!("{:#04x}", granule[at]),
        ))
    }

    /// The generation that an interval of this job says to be, for `expected`.
    pub(super) fn generation_in(&self, granule: &[u8]) -> Option<u32> {
        let head = granule.get(self.head.clone())?;
        let header = Header::parse(head.first_chunk::<FIXED>()?)?;
        (header.seed == self.seed).then_some(header.generation)
    }
}
