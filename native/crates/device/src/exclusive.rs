//! One process at a time: a lock on a file or device that ends with who holds it, however that ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Holds a file or device against everybody else who asks for it this way, in this process too.
#[derive(Debug)]
pub struct Exclusive {
    _file: File,
}

impl Exclusive {
    /// `None`: somebody else has it.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).open(path)?;
        // SAFETY: a plain call on a descriptor that is open.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(Some(Self { _file: file }));
        }
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::WouldBlock {
            return Ok(None);
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_for_the_first() {
        let path = std::env::temp_dir().join(format!("osdyno-exclusive-{}", std::process::id()));
        std::fs::write(&path, b"x").unwrap();
        let first = Exclusive::take(&path).unwrap();
        assert!(first.is_some());
        assert!(Exclusive::take(&path).unwrap().is_none());
        drop(first);
        assert!(Exclusive::take(&path).unwrap().is_some());
        std::fs::remove_file(&path).unwrap();
        assert!(Exclusive::take(&path).is_err());
    }
}
