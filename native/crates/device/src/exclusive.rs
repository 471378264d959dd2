//! One process at a time: a lock on a file or device that ends with who holds it, however that ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Against whom a file or device is held, of those who ask for it this way, in this process too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// Everybody.
    All,
    /// Whoever wants it alone.
    Alone,
}

/// Holds a file or device.
#[derive(Debug)]
pub struct Exclusive {
    _file: File,
}

impl Exclusive {
    /// `None`: somebody else has it.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub fn take(path: &Path, against: Against) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).open(path)?;
        let how = match against {
            Against::All => libc::LOCK_EX,
            Against::Alone => libc::LOCK_SH,
        };
        // SAFETY: a plain call on a descriptor that is open.
        if unsafe { libc::flock(file.as_raw_fd(), how | libc::LOCK_NB) } == 0 {
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
        let take = |against| Exclusive::take(&path, against);
        let first = take(Against::All).unwrap();
        assert!(first.is_some());
        assert!(take(Against::All).unwrap().is_none());
        assert!(take(Against::Alone).unwrap().is_none());
        drop(first);
        let shared = [Against::Alone; 2].map(|against| take(against).unwrap());
        assert!(shared.iter().all(Option::is_some));
        assert!(take(Against::All).unwrap().is_none());
        drop(shared);
        assert!(take(Against::All).unwrap().is_some());
        std::fs::remove_file(&path).unwrap();
        assert!(take(Against::All).is_err());
    }
}
