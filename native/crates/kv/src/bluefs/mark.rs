//! How far the log is durable, beside the log. A transaction at the log's end that does not fit may
//! be torn by a crash or damaged since; only what was written after its flush can tell. So each
//! transaction, once flushed, is followed by a mark with its number. Marks are not flushed
//! themselves, since whatever is flushed next takes them along, and they alternate between two
//! places, so that tearing one leaves the other. A mark never claims more than was durable.

use super::codec::{Fields, Put, crc};
use super::superblock::Uuid;
use crate::aligned::{AlignedBuffer, BLOCK_BYTES};
use crate::device::Device;
use crate::error::{KvError, Result};

/// Offsets of the two places on the DB device, below what devices give.
pub const MARK_OFFSETS: [u64; 2] = [12_288, 16_384];

const MAGIC: &[u8; 8] = b"osdyMRK1";

/// Notes that transactions up to this number are durable.
pub fn write(device: &dyn Device, uuid: &Uuid, sequence: u64) -> Result<()> {
    let mut out = Vec::new();
    out.extend(MAGIC);
    out.extend(uuid);
    out.put_u64(sequence);
    let sum = crc(0, &[&out]);
    out.put_u32(sum);
    let mut block = AlignedBuffer::zeroed(BLOCK_BYTES);
    block.bytes_mut()[..out.len()].copy_from_slice(&out);
    device
        .write_at(MARK_OFFSETS[(sequence % 2) as usize], block.bytes())
        .map_err(|error| KvError::device("mark the end of BlueFS's log", error))
}

/// The highest number that a mark of this file system has; 0 without one.
pub fn read(device: &dyn Device, uuid: &Uuid) -> Result<u64> {
    let mut highest = 0;
    for place in MARK_OFFSETS {
        let mut block = AlignedBuffer::zeroed(BLOCK_BYTES);
        device
            .read_at(place, block.bytes_mut())
            .map_err(|error| KvError::device("read the marks of BlueFS's log", error))?;
        highest = highest.max(decode(block.bytes(), uuid).unwrap_or(0));
    }
    Ok(highest)
}

fn decode(block: &[u8], uuid: &Uuid) -> Option<u64> {
    let mut fields = Fields::new(block);
    if fields.bytes(8)? != MAGIC || fields.bytes(16)? != uuid {
        return None;
    }
    let sequence = fields.u64()?;
    let length = block.len() - fields.left();
    (fields.u32()? == crc(0, &[&block[..length]])).then_some(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;

    #[test]
    fn the_highest_whole_one_counts() {
        let device = MemoryDevice::new(65_536);
        assert_eq!(read(&device, &[1; 16]).unwrap(), 0);
        write(&device, &[1; 16], 7).unwrap();
        write(&device, &[1; 16], 8).unwrap();
        assert_eq!(read(&device, &[1; 16]).unwrap(), 8);
        assert_eq!(read(&device, &[2; 16]).unwrap(), 0);
        for at in 0..36 {
            let mut torn = vec![0; 4096];
            device.read_at(MARK_OFFSETS[0], &mut torn).unwrap();
            torn[at] ^= 2;
            let other = MemoryDevice::new(65_536);
            other.write_at(MARK_OFFSETS[0], &torn).unwrap();
            write(&other, &[1; 16], 7).unwrap();
            assert_eq!(read(&other, &[1; 16]).unwrap(), 7, "byte {at}");
        }
    }
}
