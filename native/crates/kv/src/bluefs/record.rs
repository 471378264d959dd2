//! The log's transactions and the operations in them.
//!
//! A transaction is padded to blocks of 4096 and looks so: magic (4 bytes), length of the
//! operations (4), number (8), uuid (16), checksum (4), operations. The checksum continues that of
//! the transaction before, so that what an earlier life of the file system left behind never fits.

use super::codec::{Fields, Put, crc};
use super::fnode::{Extent, Fnode, put_extents, put_facts, take_extents, take_facts};
use super::superblock::Uuid;
use crate::aligned::{AlignedBuffer, BLOCK_BYTES};

/// Bytes before the operations.
pub const HEADER_BYTES: usize = 36;
const MAGIC: u32 = 0x4742_4c54;

/// The number of the log itself as a file.
pub const LOG_INO: u64 = 1;

/// A change of the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOp {
    /// The first one ever, and the first of a compacted log: nothing exists.
    Init,
    /// A directory begins.
    DirCreate(String),
    /// An empty directory ends.
    DirRemove(String),
    /// A name for a file.
    DirLink(String, String, u64),
    /// The name is gone.
    DirUnlink(String, String),
    /// All about a file.
    FileUpdate(Fnode),
    /// Its new facts; of its extents the first so many stay, these follow.
    FileUpdateInc(Fnode, u32),
    /// The file is gone.
    FileRemove(u64),
    /// Last in a compacted log's snapshot: the log goes on at this offset with this transaction
    /// number and checksum.
    Jump(u64, u64, u32),
    /// The log goes on at this offset.
    Skip(u64),
    /// Numbers of files below this were used.
    NextIno(u64),
}

/// Writes an operation.
pub fn put_op(out: &mut Vec<u8>, op: &LogOp) {
    match op {
        LogOp::Init => out.put_u8(1),
        LogOp::DirCreate(dir) => {
            out.put_u8(2);
            out.put_text(dir);
        }
        LogOp::DirRemove(dir) => {
            out.put_u8(3);
            out.put_text(dir);
        }
        LogOp::DirLink(dir, name, ino) => {
            out.put_u8(4);
            out.put_text(dir);
            out.put_text(name);
            out.put_u64(*ino);
        }
        LogOp::DirUnlink(dir, name) => {
            out.put_u8(5);
            out.put_text(dir);
            out.put_text(name);
        }
        LogOp::FileUpdate(fnode) => {
            out.put_u8(6);
            put_facts(out, fnode);
            put_extents(out, &fnode.extents);
        }
        LogOp::FileUpdateInc(fnode, kept) => {
            out.put_u8(7);
            put_facts(out, fnode);
            out.put_u32(*kept);
            put_extents(out, &fnode.extents);
        }
        LogOp::FileRemove(ino) => {
            out.put_u8(8);
            out.put_u64(*ino);
        }
        LogOp::Jump(offset, sequence, chain) => {
            out.put_u8(9);
            out.put_u64(*offset);
            out.put_u64(*sequence);
            out.put_u32(*chain);
        }
        LogOp::Skip(offset) => {
            out.put_u8(11);
            out.put_u64(*offset);
        }
        LogOp::NextIno(ino) => {
            out.put_u8(10);
            out.put_u64(*ino);
        }
    }
}

/// Reads an operation; `None`: it makes no sense.
pub fn take_op(fields: &mut Fields<'_>) -> Option<LogOp> {
    let text = |fields: &mut Fields<'_>| fields.text().map(str::to_owned);
    Some(match fields.u8()? {
        1 => LogOp::Init,
        2 => LogOp::DirCreate(text(fields)?),
        3 => LogOp::DirRemove(text(fields)?),
        4 => LogOp::DirLink(text(fields)?, text(fields)?, fields.u64()?),
        5 => LogOp::DirUnlink(text(fields)?, text(fields)?),
        6 => {
            let mut fnode = take_facts(fields)?;
            fnode.extents = take_extents(fields)?;
            LogOp::FileUpdate(fnode)
        }
        7 => {
            let mut fnode = take_facts(fields)?;
            let kept = fields.u32()?;
            fnode.extents = take_extents(fields)?;
            LogOp::FileUpdateInc(fnode, kept)
        }
        8 => LogOp::FileRemove(fields.u64()?),
        9 => LogOp::Jump(fields.u64()?, fields.u64()?, fields.u32()?),
        10 => LogOp::NextIno(fields.u64()?),
        11 => LogOp::Skip(fields.u64()?),
        _ => return None,
    })
}

/// A transaction as it goes to the device, and the checksum that the next one continues.
#[must_use]
pub fn encode_transaction(
    uuid: &Uuid,
    sequence: u64,
    chain: u32,
    ops: &[u8],
) -> (AlignedBuffer, u32) {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.put_u32(MAGIC);
    header.put_u32(ops.len() as u32);
    header.put_u64(sequence);
    header.extend(uuid);
    let sum = crc(chain, &[&header, ops]);
    header.put_u32(sum);
    let mut out = AlignedBuffer::new();
    out.extend(&header);
    out.extend(ops);
    (out, sum)
}

/// Bytes on the device of a transaction with so many bytes of operations.
#[must_use]
pub fn padded_bytes(ops: usize) -> u64 {
    (HEADER_BYTES + ops).next_multiple_of(BLOCK_BYTES) as u64
}

/// The bytes of operations that a header announces, if it can be the header of that transaction.
#[must_use]
pub fn announced(header: &[u8], uuid: &Uuid, sequence: u64) -> Option<usize> {
    let mut fields = Fields::new(header);
    let magic = fields.u32()?;
    let length = fields.u32()?;
    let fits = magic == MAGIC && fields.u64()? == sequence && fields.bytes(16)? == uuid;
    fits.then_some(length as usize)
}

/// The operations of a whole transaction and its checksum; `None`: torn.
#[must_use]
pub fn decode_transaction(bytes: &[u8], chain: u32) -> Option<(Vec<LogOp>, u32)> {
    let mut fields = Fields::new(bytes);
    fields.bytes(4)?;
    let length = fields.u32()? as usize;
    fields.bytes(24)?;
    let sum = fields.u32()?;
    let ops = fields.bytes(length)?;
    if crc(chain, &[&bytes[..HEADER_BYTES - 4], ops]) != sum {
        return None;
    }
    let mut fields = Fields::new(ops);
    let mut decoded = Vec::new();
    while !fields.is_empty() {
        decoded.push(take_op(&mut fields)?);
    }
    Some((decoded, sum))
}

/// The change from one state of a file to another, as short as it can be told.
#[must_use]
pub fn file_update(old: Option<&Fnode>, new: &Fnode) -> LogOp {
    let Some(old) = old else {
        return LogOp::FileUpdate(new.clone());
    };
    let same: &dyn Fn(&(&Extent, &Extent)) -> bool = &|(old, new)| old == new;
    let kept = old
        .extents
        .iter()
        .zip(&new.extents)
        .take_while(same)
        .count();
    let mut delta = new.clone();
    delta.extents.drain(..kept);
    LogOp::FileUpdateInc(delta, kept as u32)
}

#[cfg(test)]
mod tests {
    use super::super::fnode::Bdev;
    use super::*;

    #[test]
    fn transactions_come_back_or_not_at_all() {
        let fnode = Fnode {
            ino: 5,
            size: 70_000,
            mtime_ns: 3,
            enveloped: true,
            sealed: true,
            extents: vec![Extent {
                bdev: Bdev::Slow,
                offset: 1 << 40,
                length: 131_072,
            }],
        };
        let ops = vec![
            LogOp::Init,
            LogOp::DirCreate("db".to_owned()),
            LogOp::DirLink("db".to_owned(), "CURRENT".to_owned(), 5),
            LogOp::DirUnlink("db".to_owned(), "x".to_owned()),
            LogOp::DirRemove("db.slow".to_owned()),
            LogOp::FileUpdate(fnode.clone()),
            file_update(Some(&fnode), &fnode),
            LogOp::FileRemove(5),
            LogOp::Jump(1 << 20, 7, 8),
            LogOp::NextIno(9),
            LogOp::Skip(4096),
        ];
        let mut bytes = Vec::new();
        for op in &ops {
            put_op(&mut bytes, op);
        }
        let uuid = [3; 16];
        let (out, sum) = encode_transaction(&uuid, 12, 99, &bytes);
        assert_eq!(announced(out.bytes(), &uuid, 12), Some(bytes.len()));
        assert_eq!(announced(out.bytes(), &uuid, 13), None);
        assert_eq!(decode_transaction(out.bytes(), 99), Some((ops, sum)));
        assert_eq!(decode_transaction(out.bytes(), 98), None);
        for at in 0..out.len() {
            let mut torn = out.bytes().to_vec();
            torn[at] ^= 0x10;
            assert_eq!(decode_transaction(&torn, 99), None, "byte {at}");
        }
    }
}
