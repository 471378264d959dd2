//! What writes carry and how it is checked: `DataSpec` and below.

use serde::{Deserialize, Serialize};

/// What the buffers of writes hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataSpec {
    /// All zero bytes (`zero_buffers`).
    pub zero: bool,
    /// New random content for every write (`refill_buffers`); else buffers are filled once.
    pub refill: bool,
    /// Share of each buffer that compresses away, percent (`buffer_compress_percentage`), 0 = none.
    pub compress_percent: f64,
    /// The finer points.
    #[serde(default)]
    pub content: ContentSpec,
    /// Verification, if any.
    pub verify: Option<VerifySpec>,
}

/// Content beyond zeroes and random bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContentSpec {
    /// Repeated through every buffer (`buffer_pattern`); with a compressible share it is what that
    /// share holds. Empty: random bytes, and zeroes in the compressible share.
    pub pattern: Vec<u8>,
    /// Byte positions in `pattern` where the 8-byte little-endian file offset is put (`%o`).
    pub pattern_offsets: Vec<u32>,
    /// Bytes of which the share compresses away (`buffer_compress_chunk`); 0 = the smallest write.
    #[serde(rename = "compressChunkBytes")]
    pub compress_chunk: u32,
    /// A few bytes of each 512 change with every write (`scramble_buffers`). No effect where the
    /// content is new, a pattern or zeroes.
    pub scramble: bool,
    /// Writes that repeat earlier content.
    pub dedupe: Option<DedupeSpec>,
}

impl Default for ContentSpec {
    fn default() -> Self {
        Self {
            pattern: Vec::new(),
            pattern_offsets: Vec::new(),
            compress_chunk: 512,
            scramble: false,
            dedupe: None,
        }
    }
}

/// `dedupe_percentage` and friends. Each piece of a write, as long as the smallest write, is new or
/// a repetition.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DedupeSpec {
    /// Pieces that repeat, percent.
    pub percent: f64,
    /// They repeat one of so many contents (`dedupe_mode=working_set`); 0: the last new one.
    #[serde(default)]
    pub working_set: u64,
    /// Seed of the working set; the same in every job for `dedupe_global`.
    #[serde(default)]
    pub set_seed: u64,
}

/// How written data is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools)] // They are fio's own switches, one field each.
pub struct VerifySpec {
    /// Which check.
    pub kind: VerifyKind,
    /// Bytes of the pattern, already resolved to bytes; `%o` (the offset) is given by
    /// `patternOffsets`. With a header it is what the rest of the interval holds.
    #[serde(default)]
    pub pattern: Vec<u8>,
    /// Byte positions in `pattern` where the 8-byte little-endian file offset is put.
    #[serde(default)]
    pub pattern_offsets: Vec<u32>,
    /// Stop at the first mismatch.
    pub fatal: bool,
    /// Read everything written back after the write phase (`do_verify`).
    pub read_back: bool,
    /// Bytes that carry a header of their own; every block size is a multiple of it.
    pub interval: u32,
    /// Where in the interval the header stands (`verify_offset`), bytes.
    #[serde(default, rename = "headerOffsetBytes")]
    pub header_offset: u32,
    /// Read back as soon as so many writes wait for it (`verify_backlog`); 0 = at the end only.
    #[serde(default)]
    pub backlog: u64,
    /// So many at a time; 0 as `backlog`.
    #[serde(default)]
    pub backlog_batch: u64,
    /// Threads that check what was read (`verify_async`); 0 = the job's own.
    #[serde(default)]
    pub async_threads: u32,
    /// CPUs that those threads may use; empty = all.
    #[serde(default)]
    pub async_cpus: Vec<u32>,
    /// Write a bad block and what it should be to files (`verify_dump`).
    #[serde(default)]
    pub dump: bool,
    /// Write nothing: what an earlier run of the same job wrote is read back (`verify_only`).
    #[serde(default)]
    pub only: bool,
    /// The generation must be the last one written (`verify_write_sequence`).
    #[serde(default = "yes")]
    pub check_sequence: bool,
}

fn yes() -> bool {
    true
}

/// The checks, by fio's names. All but `Pattern` and `Null` write a header with offset, generation and
/// seed, which is checked whatever the kind; digests stand in it and cover the rest of the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyKind {
    /// CRC-7/MMC.
    Crc7,
    /// CRC-16/ARC.
    Crc16,
    /// CRC-32/ISO-HDLC, that of zlib.
    Crc32,
    /// CRC-32/ISCSI.
    Crc32c,
    /// CRC-64/XZ.
    Crc64,
    /// MD5.
    Md5,
    /// 32-bit xxHash.
    Xxhash,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
    /// SHA3-224.
    #[serde(rename = "sha3-224")]
    Sha3With224,
    /// SHA3-256.
    #[serde(rename = "sha3-256")]
    Sha3With256,
    /// SHA3-384.
    #[serde(rename = "sha3-384")]
    Sha3With384,
    /// SHA3-512.
    #[serde(rename = "sha3-512")]
    Sha3With512,
    /// The bare pattern, without a header.
    Pattern,
    /// A header, and the pattern after it.
    #[serde(rename = "pattern_hdr")]
    PatternHdr,
    /// The header alone; the rest only if there is a pattern.
    Meta,
    /// Nothing is written or checked, only read.
    Null,
}
