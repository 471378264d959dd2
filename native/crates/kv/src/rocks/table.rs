//! What describes a table of RocksDB, checked before RocksDB reads it: RocksDB 7.8 takes a table's
//! properties apart before it looks at their checksum, and a library with assertions ends the whole
//! process on what it finds there.
//!
//! A table ends with the kind of its checksums (1 byte), where its index of descriptions and its index
//! lie (40, padded), its version (4) and a magic number (8); each block is followed by its compression
//! (1) and its checksum (4). Source: <https://github.com/facebook/rocksdb/wiki/Rocksdb-BlockBasedTable-Format>.

use crc_fast::{CrcAlgorithm, checksum};
use xxhash_rust::{xxh3::xxh3_64, xxh32::xxh32, xxh64::xxh64};

use crate::bluefs::reader::FileReader;
use crate::error::{KvError, Result};

const FOOTER_BYTES: usize = 53;
const HANDLES: std::ops::Range<usize> = 1..41;
const VERSION: std::ops::Range<usize> = 41..45;
const MAGIC: [u8; 8] = 0x88e2_41b7_85f4_cff7_u64.to_le_bytes();
/// Later versions check their ends by themselves.
const NEWEST_VERSION: u32 = 5;
const TRAILER_BYTES: usize = 5;
/// Descriptions are some kilobytes; more than this is damage.
const MOST_BYTES: u64 = 16 << 20;
const PROPERTIES: &[u8] = b"rocksdb.properties";

/// Checks the blocks that describe a table. What is no table of a version that is known here is left
/// to RocksDB. Errors: `Corrupt`; what reading says.
pub fn check(reader: &FileReader) -> Result<()> {
    let size = reader.size();
    let mut footer = [0; FOOTER_BYTES];
    let Some(start) = size.checked_sub(FOOTER_BYTES as u64) else {
        return Ok(());
    };
    reader.read_at(start, &mut footer)?;
    let version = footer[VERSION].try_into().map_or(0, u32::from_le_bytes);
    if !footer.ends_with(&MAGIC) || version > NEWEST_VERSION {
        return Ok(());
    }
    let kind = footer[0];
    let descriptions = block(reader, kind, &mut &footer[HANDLES])?;
    if let Some(mut handle) = value_of(&descriptions, PROPERTIES) {
        block(reader, kind, &mut handle)?;
    }
    Ok(())
}

/// The block that a handle leads to, by its checksum whole.
fn block(reader: &FileReader, kind: u8, handle: &mut &[u8]) -> Result<Vec<u8>> {
    let damaged = || KvError::Corrupt("what describes it is damaged".to_owned());
    let at = number(handle).ok_or_else(damaged)?;
    let length = number(handle).ok_or_else(damaged)?;
    if length > MOST_BYTES || at.saturating_add(length) > reader.size() {
        return Err(damaged());
    }
    let length = length as usize;
    let mut bytes = vec![0; length + TRAILER_BYTES];
    let count = reader.read_at(at, &mut bytes)?;
    let stored = bytes[length + 1..].try_into().map_or(0, u32::from_le_bytes);
    if count < bytes.len() || computed(kind, &bytes[..=length]).is_some_and(|sum| sum != stored) {
        return Err(damaged());
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The checksum of a block and its compression; `None`: of a kind that is not known here.
fn computed(kind: u8, block: &[u8]) -> Option<u32> {
    const MASK_DELTA: u32 = 0xa282_ead8;
    const LAST_BYTE_PRIME: u32 = 0x6b90_83d9;
    match kind {
        0 => Some(0),
        1 => {
            let crc = checksum(CrcAlgorithm::Crc32Iscsi, block) as u32;
            Some(crc.rotate_right(15).wrapping_add(MASK_DELTA))
        }
        2 => Some(xxh32(block, 0)),
        3 => Some(xxh64(block, 0) as u32),
        4 => {
            let (last, rest) = block.split_last()?;
            Some(xxh3_64(rest) as u32 ^ u32::from(*last).wrapping_mul(LAST_BYTE_PRIME))
        }
        _ => None,
    }
}

/// A number in groups of seven bits, the least first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The value of a key in a block of entries: bytes shared with the key before, bytes not shared, bytes
/// of the value, and these.
fn value_of<'a>(block: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let (mut rest, mut key) = (block, Vec::new());
    loop {
        let shared = number(&mut rest)? as usize;
        let own = number(&mut rest)? as usize;
        let length = number(&mut rest)? as usize;
        let (key_end, after) = rest.split_at_checked(own)?;
        let (value, after) = after.split_at_checked(length)?;
        key.truncate(shared);
        key.extend_from_slice(key_end);
        if key == wanted {
            return Some(value);
        }
        rest = after;
    }
}
