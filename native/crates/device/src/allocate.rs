//! Space for files at layout. Source: fallocate(2), `posix_fallocate(3)`; fio's `fallocate`.

use std::os::fd::{AsRawFd, BorrowedFd};

/// How space is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// `fallocate`: extents without data, or `EOPNOTSUPP`.
    Native,
    /// `posix_fallocate`: the C library writes into every block where the file system cannot do it.
    Posix,
    /// `fallocate` that leaves the file's length as it is.
    Keep,
}

/// Sets aside the first `bytes` of a file: 0, or a negative errno.
#[must_use]
pub fn allocate(file: BorrowedFd<'_>, bytes: u64, how: Allocation) -> i32 {
    let Ok(length) = libc::off_t::try_from(bytes) else {
        return -libc::EFBIG;
    };
    let fd = file.as_raw_fd();
    loop {
        // SAFETY: the descriptor is open for as long as it is borrowed; the calls take no pointers.
        let errno = unsafe {
            match how {
                Allocation::Posix => libc::posix_fallocate(fd, 0, length),
                Allocation::Native => errno_of(libc::fallocate(fd, 0, 0, length)),
                Allocation::Keep => {
                    errno_of(libc::fallocate(fd, libc::FALLOC_FL_KEEP_SIZE, 0, length))
                }
            }
        };
        if errno != libc::EINTR {
            return -errno;
        }
    }
}

fn errno_of(result: i32) -> i32 {
    if result == 0 {
        return 0;
    }
    std::io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}
