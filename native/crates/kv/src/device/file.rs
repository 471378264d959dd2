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
    /// With direct writes: reads go through the page cache all the same (`bluefs_buffered_io`). The
    /// kernel drops cached pages that a direct write changes.
    pub cached_reads: bool,
}

/// A file or block device. Direct I/O goes through aligned memory where the caller's is not.
pub struct FileDevice {
    file: File,
    direct: bool,
    cached: Option<File>,
    size: u64,
}

impl FileDevice {
    /// Opens what is there; never creates or grows anything.
    pub fn open(path: &Path, mode: FileMode) -> io::Result<Self> {
        let with = |flags| {
            OpenOptions::new()
                .read(true)
                .write(mode.write)
                .custom_flags(flags)
                .open(path)
        };
        let (mut file, direct) = match with(if mode.direct { libc::O_DIRECT } else { 0 }) {
            // A file system without direct I/O.
            Err(error) if mode.direct && error.raw_os_error() == Some(libc::EINVAL) => {
                (with(0)?, false)
            }
            other => (other?, mode.direct),
        };
        let cached = if direct && mode.cached_reads {
            Some(File::open(path)?)
        } else {
            None
        };
        // Works for block devices too, whose metadata tells no length.
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            direct,
            cached,
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
        if let Some(cached) = &self.cached {
            return cached.read_exact_at(buffer, offset);
        }
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
