//! A file or block device by pread, pwrite and fdatasync.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::Device;
use crate::aligned::{AlignedBuffer, BLOCK_BYTES};

/// How a file is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileMode {
    /// For writing too.
    pub write: bool,
    /// Past the page cache.
    pub direct: bool,
}

/// A file or block device. Direct I/O goes through aligned memory where the caller's is not.
pub struct FileDevice {
    /// For writes, and for reads unless those are to be cached.
    file: File,
    direct: bool,
    size: u64,
}

impl FileDevice {
    /// Opens what is there; never creates or grows anything.
    pub fn open(path: &Path, mode: FileMode) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(mode.write)
            .custom_flags(if mode.direct { libc::O_DIRECT } else { 0 })
            .open(path)?;
        // Works for block devices too, whose metadata tells no length.
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            direct: mode.direct,
            size: size / BLOCK_BYTES as u64 * BLOCK_BYTES as u64,
        })
    }
}

fn suits(bytes: &[u8], offset: u64) -> bool {
    bytes.as_ptr().addr().is_multiple_of(BLOCK_BYTES)
        && bytes.len().is_multiple_of(BLOCK_BYTES)
        && offset.is_multiple_of(BLOCK_BYTES as u64)
}

impl Device for FileDevice {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if !self.direct || suits(buffer, offset) {
            return self.file.read_exact_at(buffer, offset);
        }
        let block = BLOCK_BYTES as u64;
        let start = offset / block * block;
        let end = (offset + buffer.len() as u64).next_multiple_of(block);
        let mut aligned = AlignedBuffer::zeroed((end - start) as usize);
        self.file.read_exact_at(aligned.bytes_mut(), start)?;
        let skip = (offset - start) as usize;
        buffer.copy_from_slice(&aligned.bytes()[skip..skip + buffer.len()]);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset + bytes.len() as u64 > self.size {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        if !self.direct || suits(bytes, offset) {
            return self.file.write_all_at(bytes, offset);
        }
        let mut aligned = AlignedBuffer::new();
        aligned.extend(bytes);
        self.file.write_all_at(aligned.bytes(), offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn size(&self) -> u64 {
        self.size
    }
}
