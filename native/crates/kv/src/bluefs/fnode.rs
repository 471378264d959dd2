//! What BlueFS knows of a file: size, time, and where its bytes are.

use super::codec::{Fields, Put};

/// Which of the up to three devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Bdev {
    /// For write-ahead logs.
    Wal = 0,
    /// For the database, superblock and log.
    Db = 1,
    /// For what does not fit: the store's main device.
    Slow = 2,
}

/// All of them, fastest first.
pub const BDEVS: [Bdev; 3] = [Bdev::Wal, Bdev::Db, Bdev::Slow];

impl Bdev {
    /// Index into tables of three.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// As people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["wal", "db", "slow"][self.index()]
    }

    /// By index.
    #[must_use]
    pub fn from_index(index: u8) -> Option<Self> {
        BDEVS.get(usize::from(index)).copied()
    }
}

/// A piece of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Device.
    pub bdev: Bdev,
    /// Bytes from its start.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Extent {
    /// First byte behind.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// A file. An enveloped one (all but tables) wraps each flush in a header of its own, so that damage
/// shows and the size of a write-ahead log need not be logged: see `envelope`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fnode {
    /// Its number, never used again.
    pub ino: u64,
    /// Bytes of content. Of an enveloped file that is not sealed: it has that many or more.
    pub size: u64,
    /// Last change, nanoseconds since 1970.
    pub mtime_ns: u64,
    /// Content comes in envelopes.
    pub enveloped: bool,
    /// Enveloped, and `size` holds.
    pub sealed: bool,
    /// Where the bytes are, in order.
    pub extents: Vec<Extent>,
}

impl Fnode {
    /// Bytes of all extents.
    #[must_use]
    pub fn allocated(&self) -> u64 {
        self.extents.iter().map(|extent| extent.length).sum()
    }
}

/// Pieces of devices that hold bytes `offset..offset + length` of a file with these extents.
#[must_use]
pub fn pieces(extents: &[Extent], offset: u64, length: u64) -> Vec<Extent> {
    let mut found = Vec::new();
    let mut start = 0;
    let end = offset + length;
    for extent in extents {
        let from = offset.max(start);
        let to = end.min(start + extent.length);
        if from < to {
            found.push(Extent {
                bdev: extent.bdev,
                offset: extent.offset + (from - start),
                length: to - from,
            });
        }
        start += extent.length;
        if start >= end {
            break;
        }
    }
    found
}

/// Adds an extent, as part of the last where it continues that.
pub fn push_extent(extents: &mut Vec<Extent>, extent: Extent) {
    match extents.last_mut() {
        Some(last) if last.bdev == extent.bdev && last.end() == extent.offset => {
            last.length += extent.length;
        }
        _ => extents.push(extent),
    }
}

/// Cuts off what lies behind the first `keep` bytes and returns it.
pub fn cut_extents(extents: &mut Vec<Extent>, keep: u64) -> Vec<Extent> {
    let total: u64 = extents.iter().map(|extent| extent.length).sum();
    let cut = pieces(extents, keep, total.saturating_sub(keep));
    *extents = pieces(extents, 0, keep);
    cut
}

const ENVELOPED: u8 = 1;
const SEALED: u8 = 2;

/// Writes extents: count, then device, offset, length of each.
pub fn put_extents(out: &mut Vec<u8>, extents: &[Extent]) {
    out.put_u32(extents.len() as u32);
    for extent in extents {
        out.put_u8(extent.bdev as u8);
        out.put_u64(extent.offset);
        out.put_u64(extent.length);
    }
}

/// Reads extents.
pub fn take_extents(fields: &mut Fields<'_>) -> Option<Vec<Extent>> {
    let count = fields.u32()?;
    (0..count)
        .map(|_| {
            Some(Extent {
                bdev: Bdev::from_index(fields.u8()?)?,
                offset: fields.u64()?,
                length: fields.u64()?,
            })
        })
        .collect()
}

/// Writes a file's facts without its extents.
pub fn put_facts(out: &mut Vec<u8>, fnode: &Fnode) {
    let enveloped = if fnode.enveloped { ENVELOPED } else { 0 };
    let sealed = if fnode.sealed { SEALED } else { 0 };
    out.put_u64(fnode.ino);
    out.put_u64(fnode.size);
    out.put_u64(fnode.mtime_ns);
    out.put_u8(enveloped | sealed);
}

/// Reads them.
pub fn take_facts(fields: &mut Fields<'_>) -> Option<Fnode> {
    let (ino, size, mtime_ns) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let flags = fields.u8()?;
    Some(Fnode {
        ino,
        size,
        mtime_ns,
        enveloped: flags & ENVELOPED != 0,
        sealed: flags & SEALED != 0,
        extents: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn db(offset: u64, length: u64) -> Extent {
        Extent {
            bdev: Bdev::Db,
            offset,
            length,
        }
    }

    #[test]
    fn pieces_and_cuts() {
        let mut extents = vec![db(100, 10), db(200, 20)];
        assert_eq!(pieces(&extents, 5, 10), [db(105, 5), db(200, 5)]);
        assert_eq!(pieces(&extents, 30, 10), []);
        assert_eq!(cut_extents(&mut extents, 15), [db(205, 15)]);
        assert_eq!(extents, [db(100, 10), db(200, 5)]);
        push_extent(&mut extents, db(205, 1));
        assert_eq!(extents, [db(100, 10), db(200, 6)]);
    }
}
