//! The compressed V2 form of an `HdrHistogram`, as it stands in `.hlog` files and in results.
//!
//! Big-endian: cookie, length, then a zlib stream of a header with the geometry and the counts as
//! `ZigZag` LEB128 integers of at most 9 bytes; a negative one stands for a run of empty buckets.
//! Source: the `HdrHistogram` format; versions 0 and 1 are refused by their cookie.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

use crate::hdr::{self, Hdr};

const COOKIE_COMPRESSED: u32 = 0x1c84_9314;
const COOKIE_PLAIN: u32 = 0x1c84_9313;
const HEADER_BYTES: usize = 40;
/// Beyond any histogram that fits the counts of a 64-bit geometry with 5 digits (18 MiB of counts).
const PLAIN_LIMIT_BYTES: u64 = 64 << 20;

/// Why bytes are not a histogram.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Not base64.
    #[error("not base64: character {0} of the text")]
    Base64(usize),
    /// The bytes end early.
    #[error("the histogram ends early")]
    Truncated,
    /// Another form or version.
    #[error("cookie {0:#010x} is not that of a compressed V2 histogram (0x1c849314)")]
    Cookie(u32),
    /// The zlib stream is damaged.
    #[error("damaged zlib stream: {0}")]
    Zlib(String),
    /// The header contradicts itself.
    #[error("impossible histogram header: {0}")]
    Header(&'static str),
    /// The counts do not fit the header.
    #[error("impossible histogram counts: {0}")]
    Counts(&'static str),
}

/// Shape of a histogram: range and precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Lowest discernible value.
    pub lowest: u64,
    /// Highest trackable value.
    pub highest: u64,
    /// Significant digits, 0 to 5.
    pub digits: i32,
}

impl Geometry {
    /// That of `Hdr`.
    pub const OURS: Self = Self {
        lowest: 1,
        highest: hdr::HIGHEST_NS,
        digits: hdr::DIGITS,
    };

    fn unit_bits(&self) -> u32 {
        self.lowest.ilog2()
    }

    fn half_bits(&self) -> u32 {
        let largest_single = 2 * 10_u64.pow(self.digits as u32);
        largest_single.next_power_of_two().ilog2() - 1
    }

    /// Buckets that the range needs.
    fn buckets(&self) -> usize {
        let (unit, half) = (self.unit_bits(), self.half_bits());
        let mut powers = 1;
        // The first value that does not fit, as a power of two.
        let mut bits = unit + half + 1;
        while bits < 64 && (1_u64 << bits) <= self.highest {
            bits += 1;
            powers += 1;
        }
        (powers + 1) << half
    }

    /// Bucket of a value; values above what the array holds are counted in its last bucket.
    #[must_use]
    pub fn index(&self, value: u64) -> usize {
        let (half, unit) = (self.half_bits(), self.unit_bits());
        let scaled = value.min(self.highest_of(self.buckets() - 1)) >> unit;
        let shift = (scaled | ((1 << (half + 1)) - 1)).ilog2() - half;
        ((shift as usize) << half) + (scaled >> shift) as usize
    }

    /// Smallest value of a bucket.
    #[must_use]
    pub fn lowest_of(&self, index: usize) -> u64 {
        let half = self.half_bits();
        let shift = (index >> half).saturating_sub(1);
        ((index - (shift << half)) as u64) << (shift as u32 + self.unit_bits())
    }

    /// Largest value of a bucket.
    #[must_use]
    pub fn highest_of(&self, index: usize) -> u64 {
        let shift = (index >> self.half_bits()).saturating_sub(1);
        self.lowest_of(index) + (1 << (shift as u32 + self.unit_bits())) - 1
    }

    fn check(&self) -> Result<(), DecodeError> {
        if !(0..=5).contains(&self.digits) {
            return Err(DecodeError::Header("significant digits are not 0 to 5"));
        }
        if self.lowest < 1 || self.highest < self.lowest.saturating_mul(2) {
            return Err(DecodeError::Header(
                "highest value is below twice the lowest",
            ));
        }
        if self.highest > i64::MAX as u64 || self.unit_bits() + self.half_bits() > 61 {
            return Err(DecodeError::Header("range is beyond 63 bits"));
        }
        Ok(())
    }
}

/// A histogram in any geometry, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Its shape.
    pub geometry: Geometry,
    /// Counts of buckets from 0; trailing empty ones are left out.
    pub counts: Vec<u64>,
}

impl Decoded {
    /// Values counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Largest value of the highest bucket in use; 0 when empty.
    #[must_use]
    pub fn max(&self) -> u64 {
        let last = self.counts.iter().rposition(|count| *count > 0);
        last.map_or(0, |index| self.geometry.highest_of(index))
    }

    /// Value at a percentile (0 to 100): the largest value of the first bucket that reaches it.
    #[must_use]
    pub fn value_at_percentile(&self, percentile: f64) -> u64 {
        let rank = hdr::rank_of(percentile, self.total());
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        reached.map_or(0, |index| self.geometry.highest_of(index))
    }

    /// Counts what `other` counted: exactly when the shapes are equal, else each of its buckets at its
    /// smallest value (as `HdrHistogram` adds them).
    pub fn merge_from(&mut self, other: &Self) {
        let same = self.geometry == other.geometry;
        for (theirs, count) in other.counts.iter().enumerate() {
            if *count == 0 {
                continue;
            }
            let value = other.geometry.lowest_of(theirs);
            let index = if same {
                theirs
            } else {
                self.geometry.index(value)
            };
            if self.counts.len() <= index {
                self.counts.resize(index + 1, 0);
            }
            self.counts[index] += count;
        }
    }
}

/// Base64 of the compressed V2 form; the empty string for an empty histogram.
#[must_use]
pub fn to_text(hdr: &Hdr) -> String {
    if hdr.is_empty() {
        return String::new();
    }
    base64(&compress(&plain(&Geometry::OURS, hdr.counts())))
}

/// Base64 of the compressed V2 form of any histogram.
#[must_use]
pub fn encode(histogram: &Decoded) -> String {
    base64(&compress(&plain(&histogram.geometry, &histogram.counts)))
}

/// Reads base64 of the compressed V2 form.
pub fn decode(text: &str) -> Result<Decoded, DecodeError> {
    read_plain(&inflate(&from_base64(text)?)?)
}

/// The uncompressed V2 form: header and counts.
#[must_use]
pub fn plain(geometry: &Geometry, counts: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + 64 + counts.len() / 8);
    out.extend(COOKIE_PLAIN.to_be_bytes());
    out.extend([0; 4]);
    out.extend(0_i32.to_be_bytes());
    out.extend(geometry.digits.to_be_bytes());
    out.extend(geometry.lowest.to_be_bytes());
    out.extend(geometry.highest.to_be_bytes());
    out.extend(1_f64.to_be_bytes());
    let used = counts
        .iter()
        .rposition(|count| *count > 0)
        .map_or(0, |last| last + 1);
    let mut index = 0;
    while index < used {
        let empty = counts[index..used]
            .iter()
            .take_while(|count| **count == 0)
            .count();
        let number = match empty {
            0 => counts[index].cast_signed(),
            1 => 0,
            run => -run.cast_signed() as i64,
        };
        index += empty.max(1);
        put_zigzag(&mut out, number);
    }
    let payload = (out.len() - HEADER_BYTES) as u32;
    out[4..8].copy_from_slice(&payload.to_be_bytes());
    out
}

/// The uncompressed V2 form inside the compressed one.
pub fn inflate(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let cookie = u32::from_be_bytes(take(bytes, 0)?);
    if cookie != COOKIE_COMPRESSED {
        return Err(DecodeError::Cookie(cookie));
    }
    let length = u32::from_be_bytes(take(bytes, 4)?) as usize;
    let body = bytes.get(8..8 + length).ok_or(DecodeError::Truncated)?;
    let mut out = Vec::new();
    let mut limited = ZlibDecoder::new(body).take(PLAIN_LIMIT_BYTES);
    limited
        .read_to_end(&mut out)
        .map_err(|error| DecodeError::Zlib(error.to_string()))?;
    Ok(out)
}

fn compress(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + plain.len() / 2);
    out.extend(COOKIE_COMPRESSED.to_be_bytes());
    out.extend([0; 4]);
    let mut encoder = ZlibEncoder::new(out, Compression::fast());
    // Writing into a vector cannot fail.
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    let mut out = written.unwrap_or_default();
    let length = (out.len() - 8) as u32;
    out[4..8].copy_from_slice(&length.to_be_bytes());
    out
}

fn read_plain(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let cookie = u32::from_be_bytes(take(bytes, 0)?);
    if cookie != COOKIE_PLAIN {
        return Err(DecodeError::Cookie(cookie));
    }
    let length = u32::from_be_bytes(take(bytes, 4)?) as usize;
    if i32::from_be_bytes(take(bytes, 8)?) != 0 {
        return Err(DecodeError::Header("a normalizing offset is not supported"));
    }
    let geometry = Geometry {
        digits: i32::from_be_bytes(take(bytes, 12)?),
        lowest: u64::from_be_bytes(take(bytes, 16)?),
        highest: u64::from_be_bytes(take(bytes, 24)?),
    };
    geometry.check()?;
    take::<8>(bytes, 32)?;
    let end = HEADER_BYTES.saturating_add(length);
    let payload = bytes.get(HEADER_BYTES..end).ok_or(DecodeError::Truncated)?;
    let counts = read_counts(payload, geometry.buckets())?;
    Ok(Decoded { geometry, counts })
}

fn read_counts(mut payload: &[u8], buckets: usize) -> Result<Vec<u64>, DecodeError> {
    let mut counts = Vec::new();
    let mut total = 0_u64;
    while !payload.is_empty() {
        let number = take_zigzag(&mut payload)?;
        let run = if number < 0 {
            number.unsigned_abs() as usize
        } else {
            1
        };
        if run > buckets - counts.len() {
            return Err(DecodeError::Counts("more buckets than the range has"));
        }
        counts.resize(counts.len() + run, 0);
        if number > 0 {
            total = total
                .checked_add(number as u64)
                .ok_or(DecodeError::Counts("the total is beyond 64 bits"))?;
            if let Some(last) = counts.last_mut() {
                *last = number as u64;
            }
        }
    }
    let used = counts
        .iter()
        .rposition(|count| *count > 0)
        .map_or(0, |last| last + 1);
    counts.truncate(used);
    Ok(counts)
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], DecodeError> {
    let slice = bytes.get(at..at + N).ok_or(DecodeError::Truncated)?;
    slice.try_into().map_err(|_| DecodeError::Truncated)
}

/// Eight groups of 7 bits with a continuation bit, then one whole byte: 64 bits in at most 9 bytes.
fn put_zigzag(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    for _ in 0..8 {
        if rest < 0x80 {
            out.push(rest as u8);
            return;
        }
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn take_zigzag(bytes: &mut &[u8]) -> Result<i64, DecodeError> {
    let mut number = 0_u64;
    for group in 0..9 {
        let (byte, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
        *bytes = rest;
        let bits = if group == 8 { *byte } else { *byte & 0x7f };
        number |= u64::from(bits) << (7 * group);
        if *byte < 0x80 {
            break;
        }
    }
    Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for position in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * position)) as usize & 63];
            out.push(if position > chunk.len() {
                '='
            } else {
                letter as char
            });
        }
    }
    out
}

/// Reads base64 with or without padding.
pub fn from_base64(text: &str) -> Result<Vec<u8>, DecodeError> {
    let letters = text.trim_end_matches('=').as_bytes();
    let mut out = Vec::with_capacity(letters.len() / 4 * 3 + 2);
    for (chunk_index, chunk) in letters.chunks(4).enumerate() {
        let mut bits = 0_u32;
        for (position, letter) in chunk.iter().enumerate() {
            let at = chunk_index * 4 + position;
            let value = sextet(*letter).ok_or(DecodeError::Base64(at))?;
            bits |= value << (18 - 6 * position);
        }
        if chunk.len() == 1 {
            return Err(DecodeError::Truncated);
        }
        out.extend(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Ok(out)
}

fn sextet(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}
