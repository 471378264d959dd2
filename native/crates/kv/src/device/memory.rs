//! A device in memory.

use std::io;
use std::sync::{PoisonError, RwLock};

use super::Device;

/// Bytes in memory, zero at first.
pub struct MemoryDevice {
    bytes: RwLock<Vec<u8>>,
}

impl MemoryDevice {
    /// A device of this size.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self::from_image(vec![0; size as usize])
    }

    /// A device that holds these bytes.
    #[must_use]
    pub fn from_image(image: Vec<u8>) -> Self {
        Self {
            bytes: RwLock::new(image),
        }
    }

    /// A copy of all bytes.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        self.bytes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The range of an operation, or the error of one that is outside.
pub(super) fn range(offset: u64, length: usize, size: usize) -> io::Result<std::ops::Range<usize>> {
    let end = offset.checked_add(length as u64);
    if end.is_none_or(|end| end > size as u64) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let start = offset as usize;
    Ok(start..start + length)
}

impl Device for MemoryDevice {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        buffer.copy_from_slice(&bytes[range(offset, buffer.len(), bytes.len())?]);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        let range = range(offset, data.len(), bytes.len())?;
        bytes[range].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn size(&self) -> u64 {
        let bytes = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        bytes.len() as u64
    }
}
