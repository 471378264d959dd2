//! The superblock: two copies, written and flushed one after the other, of which the valid one with
//! the higher number counts. So a torn rewrite leaves the older in the other place, and what is damaged
//! later the same in the other place: what an older one points to is given up only once both are new.

use super::codec::{Fields, Put, crc};
use super::fnode::{Extent, put_extents, take_extents};
use crate::aligned::{AlignedBuffer, BLOCK_BYTES};
use crate::device::Device;
use crate::error::{KvError, Result};

/// Offsets of the copies on the DB device. The label of the store is in front of them.
pub const SLOT_OFFSETS: [u64; 2] = [4096, 8192];
/// No device gives space below this: label and superblocks are there.
pub const RESERVED_BYTES: u64 = 65_536;

const MAGIC: &[u8; 8] = b"osdyBFS1";
/// 3: envelopes may have premises.
const VERSION: u32 = 3;
/// The oldest that is read.
const OLDEST_VERSION: u32 = 2;

/// 16 bytes that tell one file system from another.
pub type Uuid = [u8; 16];

/// What a mount starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// This file system.
    pub uuid: Uuid,
    /// The store it belongs to.
    pub owner: Uuid,
    /// Counts superblocks.
    pub sequence: u64,
    /// Which of the three devices there are, one bit each.
    pub devices: u8,
    /// Number of the log's first transaction.
    pub log_sequence: u64,
    /// Checksum that this one continues.
    pub log_chain: u32,
    /// Where the log is.
    pub log_extents: Vec<Extent>,
}

impl Superblock {
    fn encode(&self) -> Result<AlignedBuffer> {
        let mut out = Vec::with_capacity(BLOCK_BYTES);
        out.extend(MAGIC);
        out.put_u32(VERSION);
        out.extend(self.uuid);
        out.extend(self.owner);
        out.put_u64(self.sequence);
        out.put_u8(self.devices);
        out.put_u64(self.log_sequence);
        out.put_u32(self.log_chain);
        put_extents(&mut out, &self.log_extents);
        let sum = crc(0, &[&out]);
        out.put_u32(sum);
        if out.len() > BLOCK_BYTES {
            return Err(KvError::Invalid(format!(
                "a log of {} extents does not fit the superblock",
                self.log_extents.len()
            )));
        }
        let mut block = AlignedBuffer::zeroed(BLOCK_BYTES);
        block.bytes_mut()[..out.len()].copy_from_slice(&out);
        Ok(block)
    }

    fn decode(block: &[u8]) -> Copy {
        let head = Fields::new(block).bytes(8);
        if head != Some(MAGIC) {
            return Copy::Absent;
        }
        let version = Fields::new(&block[8..]).u32().unwrap_or(0);
        if !(OLDEST_VERSION..=VERSION).contains(&version) {
            return Copy::Version(version);
        }
        Self::decode_fields(block).map_or(Copy::Damaged, Copy::Whole)
    }

    fn decode_fields(block: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(block);
        fields.bytes(12)?;
        let superblock = Self {
            uuid: fields.bytes(16)?.try_into().ok()?,
            owner: fields.bytes(16)?.try_into().ok()?,
            sequence: fields.u64()?,
            devices: fields.u8()?,
            log_sequence: fields.u64()?,
            log_chain: fields.u32()?,
            log_extents: take_extents(&mut fields)?,
        };
        let length = block.len() - fields.left();
        let sum = fields.u32()?;
        (sum == crc(0, &[block.get(..length)?])).then_some(superblock)
    }

    /// Writes both copies, with a flush each.
    pub fn write(&self, device: &dyn Device) -> Result<()> {
        SLOT_OFFSETS
            .iter()
            .try_for_each(|&slot| self.write_copy(device, slot))
    }

    fn write_copy(&self, device: &dyn Device, slot: u64) -> Result<()> {
        let block = self.encode()?;
        device
            .write_at(slot, block.bytes())
            .and_then(|()| device.flush())
            .map_err(|error| KvError::device("write the superblock of BlueFS", error))
    }

    /// Writes the copies that are not this one, or of an older version.
    pub fn mend(&self, device: &dyn Device) -> Result<()> {
        let block = self.encode()?;
        for slot in SLOT_OFFSETS {
            if read_block(device, slot)?.bytes() != block.bytes() {
                self.write_copy(device, slot)?;
            }
        }
        Ok(())
    }

    /// The newest whole one.
    pub fn read(device: &dyn Device) -> Result<Self> {
        let mut copies = Vec::new();
        for slot in SLOT_OFFSETS {
            copies.push(read_copy(device, slot)?);
        }
        let whole = copies.iter().filter_map(Copy::whole);
        if let Some(newest) = whole.max_by_key(|copy| copy.sequence) {
            return Ok(newest.clone());
        }
        let other = copies.iter().find_map(|copy| match copy {
            Copy::Version(version) => Some(*version),
            _ => None,
        });
        if copies.iter().all(|copy| matches!(copy, Copy::Absent)) {
            return Err(KvError::NotFound("a superblock of BlueFS".to_owned()));
        }
        Err(match other {
            Some(version) => KvError::Invalid(format!(
                "BlueFS there is of another version, {version}; this one reads {VERSION}: make the \
                 store anew"
            )),
            None => KvError::Corrupt("both superblocks of BlueFS are damaged".to_owned()),
        })
    }
}

/// What is in the place of a copy.
enum Copy {
    Whole(Superblock),
    Absent,
    Version(u32),
    Damaged,
}

impl Copy {
    fn whole(&self) -> Option<&Superblock> {
        match self {
            Self::Whole(superblock) => Some(superblock),
            _ => None,
        }
    }
}

fn read_block(device: &dyn Device, slot: u64) -> Result<AlignedBuffer> {
    let mut block = AlignedBuffer::zeroed(BLOCK_BYTES);
    device
        .read_at(slot, block.bytes_mut())
        .map_err(|error| KvError::device("read the superblock of BlueFS", error))?;
    Ok(block)
}

fn read_copy(device: &dyn Device, slot: u64) -> Result<Copy> {
    Ok(Superblock::decode(read_block(device, slot)?.bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::fnode::Bdev;
    use super::*;
    use crate::device::memory::MemoryDevice;

    fn flip(device: &MemoryDevice, at: u64) {
        let mut byte = [0];
        device.read_at(at, &mut byte).unwrap();
        device.write_at(at, &[byte[0] ^ 1]).unwrap();
    }

    #[test]
    fn a_torn_rewrite_leaves_the_other_and_damage_the_same() {
        let device = MemoryDevice::new(65_536);
        let error = Superblock::read(&device).unwrap_err();
        assert_eq!(error.errno(), libc::ENOENT);
        let mut block = Superblock {
            uuid: [7; 16],
            owner: [9; 16],
            sequence: 4,
            devices: 2,
            log_sequence: 17,
            log_chain: 5,
            log_extents: vec![Extent {
                bdev: Bdev::Db,
                offset: 65_536,
                length: 1 << 20,
            }],
        };
        block.write(&device).unwrap();
        let old = block.clone();
        assert_eq!(Superblock::read(&device).unwrap(), old.clone());
        block.sequence = 5;
        block.log_sequence = 18;
        block.write_copy(&device, SLOT_OFFSETS[0]).unwrap();
        assert_eq!(Superblock::read(&device).unwrap(), block.clone());
        // Torn: the older.
        flip(&device, SLOT_OFFSETS[0] + 40);
        assert_eq!(Superblock::read(&device).unwrap(), old);
        block.write(&device).unwrap();
        for slot in SLOT_OFFSETS {
            for at in [0, 9, 40, 80, 100] {
                flip(&device, slot + at);
                assert_eq!(Superblock::read(&device).unwrap(), block.clone());
                block.mend(&device).unwrap();
                for slot in SLOT_OFFSETS {
                    assert_eq!(read_copy(&device, slot).unwrap().whole(), Some(&block));
                }
            }
        }
        for slot in SLOT_OFFSETS {
            flip(&device, slot + 40);
        }
        let error = Superblock::read(&device).unwrap_err();
        assert_eq!(error.errno(), libc::EBADMSG);
        for slot in SLOT_OFFSETS {
            device.write_at(slot + 8, &[1]).unwrap();
        }
        let error = Superblock::read(&device).unwrap_err();
        assert_eq!(error.errno(), libc::EINVAL);
        assert!(error.to_string().contains("another version, 1;"), "{error}");
    }
}
