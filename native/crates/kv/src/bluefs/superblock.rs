//! The superblock: two slots, written in turn, of which the valid one with the higher number
//! counts. So a torn rewrite leaves the other.

use super::codec::{Fields, Put, crc};
use super::fnode::{Extent, put_extents, take_extents};
use crate::aligned::{AlignedBuffer, BLOCK_BYTES};
use crate::device::Device;
use crate::error::{KvError, Result};

/// Offsets of the slots on the DB device. The label of the store is in front of them.
pub const SLOT_OFFSETS: [u64; 2] = [4096, 8192];
/// No device gives space below this: label and superblocks are there.
pub const RESERVED_BYTES: u64 = 65_536;

const MAGIC: &[u8; 8] = b"osdyBFS1";
const VERSION: u32 = 1;

/// 16 bytes that tell one file system from another.
pub type Uuid = [u8; 16];

/// What a mount starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// This file system.
    pub uuid: Uuid,
    /// The store it belongs to.
    pub owner: Uuid,
    /// Counts writes of the superblock; its parity chooses the slot.
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

    fn decode(block: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(block);
        if fields.bytes(8)? != MAGIC || fields.u32()? != VERSION {
            return None;
        }
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

    /// Writes the slot that is due and flushes.
    pub fn write(&self, device: &dyn Device) -> Result<()> {
        let block = self.encode()?;
        let slot = SLOT_OFFSETS[(self.sequence % 2) as usize];
        device
            .write_at(slot, block.bytes())
            .and_then(|()| device.flush())
            .map_err(|error| KvError::device("write the superblock of BlueFS", error))
    }

    /// The newest valid one; `None`: there is no BlueFS here.
    pub fn read(device: &dyn Device) -> Result<Option<Self>> {
        let mut newest: Option<Self> = None;
        for slot in SLOT_OFFSETS {
            let mut block = AlignedBuffer::zeroed(BLOCK_BYTES);
            device
                .read_at(slot, block.bytes_mut())
                .map_err(|error| KvError::device("read the superblock of BlueFS", error))?;
            if let Some(found) = Self::decode(block.bytes())
                && newest
                    .as_ref()
                    .is_none_or(|best| best.sequence < found.sequence)
            {
                newest = Some(found);
            }
        }
        Ok(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fnode::Bdev;
    use super::*;
    use crate::device::memory::MemoryDevice;

    #[test]
    fn a_torn_rewrite_leaves_the_other() {
        let device = MemoryDevice::new(65_536);
        assert!(Superblock::read(&device).unwrap().is_none());
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
        assert_eq!(Superblock::read(&device).unwrap().as_ref(), Some(&old));
        block.sequence = 5;
        block.log_sequence = 18;
        block.write(&device).unwrap();
        assert_eq!(Superblock::read(&device).unwrap(), Some(block));
        // Any damage to the newer slot brings the older back.
        let mut torn = vec![0; 4096];
        device.read_at(8192, &mut torn).unwrap();
        torn[40] ^= 1;
        device.write_at(8192, &torn).unwrap();
        assert_eq!(Superblock::read(&device).unwrap(), Some(old));
    }
}
