//! The checksums that guard data on a device: one value per chunk, a whole blob per call.
//!
//! Ceph's conventions: every sum starts from all ones; CRC-32C is not inverted at the end, so that
//! the standard CRC-32C is its complement; `crc32c_16` and `crc32c_8` keep the low bits. Values are
//! little-endian, one after the other.

pub mod crc32c;
#[cfg(target_arch = "x86_64")]
mod crc32c_fused;

use std::fmt;

use xxhash_rust::xxh32::xxh32;
use xxhash_rust::xxh64::xxh64;

/// Ceph starts every sum from all ones.
pub const SEED: u64 = u64::MAX;

/// A checksum by its name in `bluestore_csum_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumKind {
    /// No values: every chunk is taken for good.
    None,
    /// CRC-32C, 4 bytes.
    Crc32c,
    /// Its low 2 bytes.
    Crc32c16,
    /// Its low byte.
    Crc32c8,
    /// xxHash32, 4 bytes.
    Xxhash32,
    /// xxHash64, 8 bytes.
    Xxhash64,
}

/// Why no sums can be taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChecksumError {
    /// Not a positive number of whole chunks.
    #[error("{length} bytes are not whole chunks of {chunk} bytes")]
    Chunks {
        /// Of the data.
        length: usize,
        /// Of a chunk.
        chunk: usize,
    },
    /// The values have another length than the chunks call for.
    #[error("{found} bytes of checksums where {wanted} are needed")]
    Values {
        /// Bytes there are.
        found: usize,
        /// Bytes needed.
        wanted: usize,
    },
}

impl ChecksumKind {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Crc32c,
        Self::Crc32c16,
        Self::Crc32c8,
        Self::Xxhash32,
        Self::Xxhash64,
    ];

    /// By its place in `ALL`.
    #[must_use]
    pub fn from_number(number: usize) -> Option<Self> {
        Self::ALL.get(number).copied()
    }

    /// Bytes of a value.
    #[must_use]
    pub const fn value_bytes(self) -> usize {
        match self {
            Self::None => 0,
            Self::Crc32c8 => 1,
            Self::Crc32c16 => 2,
            Self::Crc32c | Self::Xxhash32 => 4,
            Self::Xxhash64 => 8,
        }
    }

    /// Writes the value of every chunk of `bytes` to `values`.
    pub fn checksum(
        self,
        bytes: &[u8],
        chunk: usize,
        values: &mut [u8],
    ) -> Result<(), ChecksumError> {
        self.check(bytes.len(), chunk, values.len())?;
        match self {
            Self::None => {}
            Self::Crc32c => sums::<4>(bytes, chunk, values, |b| crc32c::crc32c(b).to_le_bytes()),
            Self::Crc32c16 => sums::<2>(bytes, chunk, values, |b| low(crc32c::crc32c(b))),
            Self::Crc32c8 => sums::<1>(bytes, chunk, values, |b| low(crc32c::crc32c(b))),
            Self::Xxhash32 => sums::<4>(bytes, chunk, values, |b| {
                xxh32(b, SEED as u32).to_le_bytes()
            }),
            Self::Xxhash64 => sums::<8>(bytes, chunk, values, |b| xxh64(b, SEED).to_le_bytes()),
        }
        Ok(())
    }

    /// The first chunk of `bytes` whose value is not the one in `values`.
    pub fn verify(
        self,
        bytes: &[u8],
        chunk: usize,
        values: &[u8],
    ) -> Result<Option<usize>, ChecksumError> {
        self.check(bytes.len(), chunk, values.len())?;
        Ok(match self {
            Self::None => None,
            Self::Crc32c => bad::<4>(bytes, chunk, values, |b| crc32c::crc32c(b).to_le_bytes()),
            Self::Crc32c16 => bad::<2>(bytes, chunk, values, |b| low(crc32c::crc32c(b))),
            Self::Crc32c8 => bad::<1>(bytes, chunk, values, |b| low(crc32c::crc32c(b))),
            Self::Xxhash32 => bad::<4>(bytes, chunk, values, |b| {
                xxh32(b, SEED as u32).to_le_bytes()
            }),
            Self::Xxhash64 => bad::<8>(bytes, chunk, values, |b| xxh64(b, SEED).to_le_bytes()),
        })
    }

    fn check(self, length: usize, chunk: usize, values: usize) -> Result<(), ChecksumError> {
        if chunk == 0 || !length.is_multiple_of(chunk) {
            return Err(ChecksumError::Chunks { length, chunk });
        }
        let wanted = length / chunk * self.value_bytes();
        if values != wanted {
            let found = values;
            return Err(ChecksumError::Values { found, wanted });
        }
        Ok(())
    }
}

impl fmt::Display for ChecksumKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Crc32c => "crc32c",
            Self::Crc32c16 => "crc32c_16",
            Self::Crc32c8 => "crc32c_8",
            Self::Xxhash32 => "xxhash32",
            Self::Xxhash64 => "xxhash64",
        })
    }
}

/// The low `N` bytes.
fn low<const N: usize>(value: u32) -> [u8; N] {
    let bytes = value.to_le_bytes();
    std::array::from_fn(|at| bytes[at])
}

fn sums<const N: usize>(
    bytes: &[u8],
    chunk: usize,
    values: &mut [u8],
    sum: impl Fn(&[u8]) -> [u8; N],
) {
    let (values, _) = values.as_chunks_mut::<N>();
    for (part, value) in bytes.chunks_exact(chunk).zip(values) {
        *value = sum(part);
    }
}

fn bad<const N: usize>(
    bytes: &[u8],
    chunk: usize,
    values: &[u8],
    sum: impl Fn(&[u8]) -> [u8; N],
) -> Option<usize> {
    let (values, _) = values.as_chunks::<N>();
    let mut parts = bytes.chunks_exact(chunk).zip(values);
    parts.position(|(part, value)| sum(part) != *value)
}
