//! The compressors: one buffer in, one buffer out, contexts reused, damaged input an answer and not a
//! failure. Memory is bounded by the buffers given: nothing is allocated by what the input claims.
//!
//! Formats: raw snappy, LZ4 block, zstd frame, raw deflate. None carries a checksum of its own; the
//! store's guards the compressed bytes.

use std::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use zstd::bulk;
use zstd::zstd_safe::CParameter;

/// A compressor by its name in `bluestore_compression_algorithm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressorKind {
    /// Raw snappy.
    Snappy,
    /// LZ4 block.
    Lz4,
    /// A zstd frame; levels -131072 to 22.
    Zstd,
    /// Raw deflate; levels 0 to 9.
    Zlib,
}

/// Why there is no compressor.
#[derive(Debug, thiserror::Error)]
pub enum CompressorError {
    /// The level is out of range.
    #[error("{kind} has no level {level}; give {low} to {high}")]
    Level {
        /// Which compressor.
        kind: CompressorKind,
        /// What was asked for.
        level: i32,
        /// Lowest.
        low: i32,
        /// Highest.
        high: i32,
    },
    /// The library has no memory for its context.
    #[error("zstd: {0}")]
    Context(#[from] std::io::Error),
}

impl CompressorKind {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Snappy, Self::Lz4, Self::Zstd, Self::Zlib];

    /// By its place in `ALL`.
    #[must_use]
    pub fn from_number(number: usize) -> Option<Self> {
        Self::ALL.get(number).copied()
    }

    /// Lowest and highest level; both 0 for those without.
    #[must_use]
    pub fn levels(self) -> (i32, i32) {
        match self {
            Self::Snappy | Self::Lz4 => (0, 0),
            Self::Zstd => {
                let range = zstd::compression_level_range();
                (*range.start(), *range.end())
            }
            Self::Zlib => (0, 9),
        }
    }
}

impl fmt::Display for CompressorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Zlib => "zlib",
        })
    }
}

enum State {
    Snappy(Box<snap::raw::Encoder>, snap::raw::Decoder),
    Lz4,
    Zstd(bulk::Compressor<'static>, bulk::Decompressor<'static>),
    Zlib(Compress, Decompress),
}

/// A compressor with its contexts.
pub struct Compressor {
    state: State,
    /// For libraries that want room for the worst case; grows to what the largest input needed.
    scratch: Vec<u8>,
}

impl Compressor {
    /// At a level; those without take 0.
    pub fn new(kind: CompressorKind, level: i32) -> Result<Self, CompressorError> {
        let (low, high) = kind.levels();
        if !(low..=high).contains(&level) {
            return Err(CompressorError::Level {
                kind,
                level,
                low,
                high,
            });
        }
        let state = match kind {
            CompressorKind::Snappy => State::Snappy(
                Box::new(snap::raw::Encoder::new()),
                snap::raw::Decoder::new(),
            ),
            CompressorKind::Lz4 => State::Lz4,
            CompressorKind::Zstd => {
                let mut compressor = bulk::Compressor::new(level)?;
                // The length is known to whoever decompresses; the frame need not repeat it.
                compressor.set_parameter(CParameter::ContentSizeFlag(false))?;
                State::Zstd(compressor, bulk::Decompressor::new()?)
            }
            CompressorKind::Zlib => {
                let level = Compression::new(level.unsigned_abs());
                State::Zlib(Compress::new(level, false), Decompress::new(false))
            }
        };
        Ok(Self {
            state,
            scratch: Vec::new(),
        })
    }

    /// Compresses into `out`; the bytes written, `None` when they do not fit.
    pub fn compress(&mut self, bytes: &[u8], out: &mut [u8]) -> Option<usize> {
        match &mut self.state {
            State::Snappy(encoder, _) => {
                let worst = snap::raw::max_compress_len(bytes.len());
                through(&mut self.scratch, worst, out, |room| {
                    encoder.compress(bytes, room).ok()
                })
            }
            State::Lz4 => {
                let worst = lz4_flex::block::get_maximum_output_size(bytes.len());
                through(&mut self.scratch, worst, out, |room| {
                    lz4_flex::block::compress_into(bytes, room).ok()
                })
            }
            State::Zstd(compressor, _) => {
                let worst = zstd::zstd_safe::compress_bound(bytes.len());
                through(&mut self.scratch, worst, out, |room| {
                    compressor.compress_to_buffer(bytes, room).ok()
                })
            }
            State::Zlib(compress, _) => {
                compress.reset();
                let status = compress.compress(bytes, out, FlushCompress::Finish).ok()?;
                let whole = status == Status::StreamEnd;
                whole.then_some(compress.total_out() as usize)
            }
        }
    }

    /// Decompresses to exactly `out.len()` bytes; `false`: `bytes` are damaged.
    pub fn decompress(&mut self, bytes: &[u8], out: &mut [u8]) -> bool {
        match &mut self.state {
            State::Snappy(_, decoder) => {
                snap::raw::decompress_len(bytes).is_ok_and(|length| length == out.len())
                    && decoder.decompress(bytes, out).is_ok()
            }
            State::Lz4 => {
                let done = lz4_flex::block::decompress_into(bytes, out);
                done.is_ok_and(|length| length == out.len())
            }
            State::Zstd(_, decompressor) => {
                let length = out.len();
                let done = decompressor.decompress_to_buffer(bytes, out);
                done.is_ok_and(|written| written == length)
            }
            State::Zlib(_, decompress) => {
                decompress.reset(false);
                let status = decompress.decompress(bytes, out, FlushDecompress::Finish);
                status.is_ok_and(|status| status == Status::StreamEnd)
                    && decompress.total_out() == out.len() as u64
                    && decompress.total_in() == bytes.len() as u64
            }
        }
    }
}

/// Compresses straight to `out` when it has room for the worst case, else through `scratch`.
fn through(
    scratch: &mut Vec<u8>,
    worst: usize,
    out: &mut [u8],
    compress: impl FnOnce(&mut [u8]) -> Option<usize>,
) -> Option<usize> {
    if out.len() >= worst {
        return compress(out);
    }
    if scratch.len() < worst {
        scratch.resize(worst, 0);
    }
    let length = compress(scratch)?;
    out.get_mut(..length)?.copy_from_slice(&scratch[..length]);
    Some(length)
}
