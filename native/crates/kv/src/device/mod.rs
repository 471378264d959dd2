//! The devices below BlueFS.

pub mod file;
pub mod gate;
pub mod memory;
pub mod recorder;
pub mod traced;

use std::io;

/// A device as BlueFS sees it. Calls block, and come from many threads at once.
pub trait Device: Send + Sync {
    /// Fills `buffer` from this offset; any alignment.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes; offset and length MUST be multiples of 4096. Durable after a later `flush` only.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// All writes that returned before this call are durable when it returns.
    fn flush(&self) -> io::Result<()>;
    /// Bytes.
    fn size(&self) -> u64;
}

impl<D: Device + ?Sized> Device for Box<D> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, bytes)
    }

    fn flush(&self) -> io::Result<()> {
        (**self).flush()
    }

    fn size(&self) -> u64 {
        (**self).size()
    }
}
