//! A device that can be cut off at once, as by the end of the process.

use std::io;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::Device;

/// Lets everything through until it is shut.
pub struct Gate<D> {
    device: D,
    /// Held for reading while something is written.
    shut: RwLock<bool>,
}

impl<D: Device> Gate<D> {
    /// An open gate before a device.
    #[must_use]
    pub fn new(device: D) -> Self {
        Self {
            device,
            shut: RwLock::new(false),
        }
    }

    fn pass(&self) -> io::Result<RwLockReadGuard<'_, bool>> {
        let shut = self.shut.read().unwrap_or_else(PoisonError::into_inner);
        if *shut {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        Ok(shut)
    }
}

/// Shuts a gate.
pub trait Shut: Send + Sync {
    /// When this returns nothing is written any more, by any thread: it fails instead.
    fn shut(&self);
}

impl<D: Device> Shut for Gate<D> {
    fn shut(&self) {
        *self.shut.write().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

impl<D: Device> Device for Gate<D> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.device.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let _open = self.pass()?;
        self.device.write_at(offset, bytes)
    }

    fn flush(&self) -> io::Result<()> {
        let _open = self.pass()?;
        self.device.flush()
    }

    fn size(&self) -> u64 {
        self.device.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;

    #[test]
    fn nothing_is_written_once_it_is_shut() {
        let gate = Gate::new(MemoryDevice::new(8192));
        gate.write_at(0, &[1; 4096]).unwrap();
        gate.flush().unwrap();
        gate.shut();
        let refused = gate.write_at(4096, &[2; 4096]).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ENODEV));
        assert!(gate.flush().is_err());
        let mut found = [9; 8192];
        gate.read_at(0, &mut found).unwrap();
        assert_eq!(found[..4096], [1; 4096]);
        assert_eq!(found[4096..], [0; 4096]);
    }
}
