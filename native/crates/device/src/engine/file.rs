//! An open file or block device, and what is done to it by plain system calls.

use std::ffi::CString;
use std::io::Error;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use osdyno_core::op::{Op, OpKind, PRIORITY_SHIFT, RANGE_PAGE};

use super::EngineError;
use crate::spec::{Access, SyncMode};

/// `_IO(0x12, 119)`, linux/fs.h: discard a range of a block device.
const BLKDISCARD: libc::Ioctl = 0x1277;
/// `_IO(0x12, 127)`, linux/fs.h: write zeroes to a range of a block device.
const BLKZEROOUT: libc::Ioctl = 0x127f;
/// `_IOR(0x12, 114, size_t)`, linux/fs.h: size of a block device in bytes.
const BLKGETSIZE64: libc::Ioctl = 0x8008_1272;
/// `_IO(0x12, 104)`, linux/fs.h: logical block size.
const BLKSSZGET: libc::Ioctl = 0x1268;

/// `_IO(0x12, 97)`, linux/fs.h: write back and drop the cached pages of a block device.
const BLKFLSBUF: libc::Ioctl = 0x1261;

/// Stands for the size of what has no end: /dev/null, /dev/zero.
const BOTTOMLESS_BYTES: u64 = 1 << 50;

/// /dev/null, /dev/zero and /dev/full. Source: admin-guide/devices.txt of the kernel.
fn keeps_nothing(device: libc::dev_t) -> bool {
    libc::major(device) == 1 && matches!(libc::minor(device), 3 | 5 | 7)
}

/// How a file is opened.
#[expect(clippy::struct_excessive_bools, reason = "independent choices")]
#[derive(Clone, Copy, Debug)]
pub struct OpenMode {
    /// For reading and writing, else for reading only.
    pub write: bool,
    /// `O_DIRECT`.
    pub direct: bool,
    /// `O_SYNC` / `O_DSYNC`.
    pub sync: SyncMode,
    /// Drop what is cached of it. Without `O_DIRECT` only.
    pub invalidate: bool,
    /// Made if it is not there (`create_on_open`).
    pub create: bool,
    /// The access to expect, which read-ahead of buffered files goes by; `None`: the kernel guesses.
    pub access: Option<Access>,
}

/// A file or block device that was opened. Closed when dropped.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
#[derive(Debug)]
pub struct OpenFile {
    /// -1 = closed for the time being.
    fd: AtomicI32,
    path: String,
    mode: OpenMode,
    block_device: bool,
    /// The device that holds it, or that it is.
    device: libc::dev_t,
    direct: bool,
    size: u64,
    allocated: u64,
    block_bytes: u32,
    discards: bool,
    zeroes: bool,
}

/// The negative errno of the last system call, as a completion carries it.
#[must_use]
pub fn last_errno() -> i32 {
    -Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Repeats a system call while signals interrupt it; the negative errno when it failed.
pub fn retry(mut call: impl FnMut() -> isize) -> i32 {
    loop {
        let result = call();
        if result >= 0 {
            return i32::try_from(result).unwrap_or(i32::MAX);
        }
        let errno = last_errno();
        if errno != -libc::EINTR {
            return errno;
        }
    }
}

impl OpenFile {
    /// Opens an existing file or block device.
    ///
    /// # Errors
    /// The open failed, or it is neither a regular file, nor a block device, nor /dev/null, /dev/zero or
    /// /dev/full.
    pub fn open(path: &str, mode: OpenMode) -> Result<Self, EngineError> {
        let fd = open_descriptor(path, mode)?;
        let file = Self::describe(fd, path, mode)?;
        if !mode.direct {
            file.set_cache(mode);
        }
        Ok(file)
    }

    fn describe(fd: OwnedFd, path: &str, mode: OpenMode) -> Result<Self, EngineError> {
        let failed = |call: &str| EngineError::System {
            call: format!("{call} {path}"),
            source: Error::last_os_error(),
        };
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: the descriptor is open and `stat` is valid for writing.
        if unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) } != 0 {
            return Err(failed("stat"));
        }
        // SAFETY: fstat succeeded and filled it.
        let stat = unsafe { stat.assume_init() };
        let kind = stat.st_mode & libc::S_IFMT;
        let bottomless = kind == libc::S_IFCHR && keeps_nothing(stat.st_rdev);
        if kind != libc::S_IFREG && kind != libc::S_IFBLK && !bottomless {
            return Err(EngineError::Unsupported(format!(
                "{path}: neither a regular file nor a block device; name one of these"
            )));
        }
        let block_device = kind == libc::S_IFBLK;
        let mut size = if bottomless {
            BOTTOMLESS_BYTES
        } else {
            stat.st_size.max(0) as u64
        };
        let mut block_bytes = 512;
        if block_device {
            let mut sector: libc::c_int = 0;
            // SAFETY: the request writes one u64 through the pointer.
            if unsafe { libc::ioctl(fd.as_raw_fd(), BLKGETSIZE64, &raw mut size) } != 0 {
                return Err(failed("size of"));
            }
            // SAFETY: the request writes one int through the pointer.
            if unsafe { libc::ioctl(fd.as_raw_fd(), BLKSSZGET, &raw mut sector) } == 0 {
                block_bytes = u32::try_from(sector).unwrap_or(512).max(512);
            }
        } else {
            block_bytes = direct_alignment(&fd).unwrap_or(512).max(512);
        }
        let device = if block_device {
            stat.st_rdev
        } else {
            stat.st_dev
        };
        let discards = block_device && queue_limit(device, "discard_max_bytes").unwrap_or(0) > 0;
        let zeroes = !on_tmpfs(fd.as_raw_fd());
        let path = path.to_owned();
        Ok(Self {
            fd: AtomicI32::new(fd.into_raw_fd()),
            path,
            mode,
            block_device,
            device,
            direct: mode.direct,
            size,
            allocated: stat.st_blocks.max(0) as u64 * 512,
            block_bytes,
            discards,
            zeroes,
        })
    }

    /// The descriptor; it stays owned here. -1 while it is closed.
    #[must_use]
    #[inline]
    pub fn fd(&self) -> RawFd {
        self.fd.load(Ordering::Relaxed)
    }

    /// Closes it until `reopen`. Nothing of it may be in flight.
    pub fn close(&self) {
        let fd = self.fd.swap(-1, Ordering::Relaxed);
        if fd >= 0 {
            // SAFETY: the descriptor was owned here and nobody else has it any more.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }

    /// Opens it again after `close`.
    ///
    /// # Errors
    /// The open failed.
    pub fn reopen(&self) -> Result<(), EngineError> {
        let mode = OpenMode {
            invalidate: false,
            ..self.mode
        };
        let fd = open_descriptor(&self.path, mode)?;
        self.close();
        self.fd.store(fd.into_raw_fd(), Ordering::Relaxed);
        if !mode.direct {
            self.set_cache(mode);
        }
        Ok(())
    }

    /// The path it was opened with.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A block device, not a regular file.
    #[must_use]
    pub fn is_block_device(&self) -> bool {
        self.block_device
    }

    /// Opened with `O_DIRECT`.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// Its device has queues that can be polled for completions; `None` = the kernel does not say.
    #[must_use]
    pub fn can_poll(&self) -> Option<bool> {
        queue_limit(self.device, "io_poll").map(|on| on == 1)
    }

    /// Lies in memory that the machine forgets when it goes off (tmpfs).
    #[must_use]
    pub fn is_on_tmpfs(&self) -> bool {
        on_tmpfs(self.fd())
    }

    /// A regular file with holes, whose pages get their place when they are first written.
    #[must_use]
    pub fn has_holes(&self) -> bool {
        !self.block_device && self.allocated < self.size
    }

    /// Gives every hole its place: 0 or a negative errno.
    #[must_use]
    pub fn allocate(&self) -> i32 {
        let fd = self.fd();
        let Ok(length) = libc::off_t::try_from(self.size) else {
            return -libc::EFBIG;
        };
        // SAFETY: the descriptor is open; the call takes no pointers.
        retry(|| unsafe { libc::fallocate(fd, 0, 0, length) as isize })
    }

    /// Buffered runs begin with a cold cache, as fio's do (`invalidate=1`): reads of what layout or an
    /// earlier run left in the page cache would be the memory's figures, not the device's. And without
    /// a word on the access (`fadvise_hint=1`) read-ahead fetches neighbours that a random job may hit.
    fn set_cache(&self, mode: OpenMode) {
        let fd = self.fd();
        if mode.invalidate {
            self.drop_cache();
        }
        // SAFETY: the descriptor is open; the call takes no pointers. It only advises.
        unsafe {
            let advice = match mode.access {
                None => libc::POSIX_FADV_NORMAL,
                Some(Access::Random) => libc::POSIX_FADV_RANDOM,
                Some(Access::Sequential) => libc::POSIX_FADV_SEQUENTIAL,
                Some(Access::Noreuse) => libc::POSIX_FADV_NOREUSE,
            };
            libc::posix_fadvise(fd, 0, 0, advice);
        }
    }

    /// Drops what is cached of it, as far as nobody else uses that.
    pub fn drop_cache(&self) {
        drop_cache(self.fd(), self.block_device);
    }

    /// Bytes when it was opened.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Logical block size of a device in bytes; of a file what direct I/O needs, at least 512.
    #[must_use]
    pub fn block_bytes(&self) -> u32 {
        self.block_bytes
    }

    /// Whether ranges can be discarded, as far as that shows without trying.
    #[must_use]
    pub fn can_trim(&self) -> bool {
        !self.block_device || self.discards
    }

    /// Whether ranges can be zeroed without data, as far as that shows without trying.
    #[must_use]
    pub fn can_write_zeroes(&self) -> bool {
        self.block_device || self.zeroes
    }

    /// `fsync` or, for `DataFlush`, `fdatasync`: 0 or a negative errno.
    #[must_use]
    pub fn flush(&self, kind: OpKind) -> i32 {
        let fd = self.fd();
        // SAFETY: the descriptor is open; the calls take nothing else.
        retry(|| unsafe {
            if kind == OpKind::DataFlush {
                libc::fdatasync(fd) as isize
            } else {
                libc::fsync(fd) as isize
            }
        })
    }

    /// Starts to write pages back or waits for it, as a `RangeFlush` says: 0 or a negative errno.
    #[must_use]
    pub fn flush_range(&self, op: &Op) -> i32 {
        let fd = self.fd();
        let length = u64::from(op.generation) * RANGE_PAGE;
        let (Ok(start), Ok(length)) = (
            libc::off64_t::try_from(op.offset),
            libc::off64_t::try_from(length),
        ) else {
            return -libc::EINVAL;
        };
        if length == 0 {
            return 0;
        }
        let flags = libc::c_uint::from(op.flags >> PRIORITY_SHIFT);
        // SAFETY: the descriptor is open; the call takes no pointers.
        retry(|| unsafe { libc::sync_file_range(fd, start, length, flags) as isize })
    }

    /// Discards a range: its length, or a negative errno (`-EOPNOTSUPP` where it is impossible).
    #[must_use]
    pub fn trim(&self, offset: u64, length: u32) -> i32 {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        self.range(BLKDISCARD, mode, offset, length)
    }

    /// Makes a range read as zeroes: its length, or a negative errno.
    #[must_use]
    pub fn write_zeroes(&self, offset: u64, length: u32) -> i32 {
        let mode = libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE;
        self.range(BLKZEROOUT, mode, offset, length)
    }

    /// As `write_zeroes`, and durable when asked, which those calls do not offer themselves.
    #[must_use]
    pub fn write_zeroes_durably(&self, offset: u64, length: u32, durably: bool) -> i32 {
        let result = self.write_zeroes(offset, length);
        if result < 0 || !durably {
            return result;
        }
        match self.flush(OpKind::DataFlush) {
            0 => result,
            errno => errno,
        }
    }

    fn range(&self, request: libc::Ioctl, mode: libc::c_int, offset: u64, length: u32) -> i32 {
        let (Ok(start), Ok(done)) = (libc::off_t::try_from(offset), i32::try_from(length)) else {
            return -libc::EINVAL;
        };
        let fd = self.fd();
        let result = if self.block_device {
            let span = [offset, u64::from(length)];
            // SAFETY: both requests read two u64 from the array, which outlives the call.
            retry(|| unsafe { libc::ioctl(fd, request, span.as_ptr()) as isize })
        } else {
            // SAFETY: the descriptor is open; the call takes no pointers.
            retry(|| unsafe { libc::fallocate(fd, mode, start, libc::off_t::from(done)) as isize })
        };
        match result {
            0 => done,
            // Stacked devices and old kernels refuse in these words too.
            r if r == -libc::ENOTTY || r == -libc::ENOSYS => -libc::EOPNOTSUPP,
            r => r,
        }
    }
}

fn drop_cache(fd: RawFd, block_device: bool) {
    // SAFETY: neither call takes pointers; they fail on a descriptor that is not open. Both only advise.
    unsafe {
        // Of a device only root may drop everything; what nobody else uses goes either way.
        let flushed = block_device && libc::ioctl(fd, BLKFLSBUF) == 0;
        if !flushed {
            libc::posix_fadvise(fd, 0, 0, libc::POSIX_FADV_DONTNEED);
        }
    }
}

/// The same for a file that is not open here.
pub fn drop_cache_of(path: &str) {
    use std::os::unix::fs::FileTypeExt;
    if let Ok(file) = std::fs::File::open(path) {
        let device = file
            .metadata()
            .is_ok_and(|facts| facts.file_type().is_block_device());
        drop_cache(file.as_raw_fd(), device);
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.close();
    }
}

fn open_descriptor(path: &str, mode: OpenMode) -> Result<OwnedFd, EngineError> {
    let name = CString::new(path)
        .map_err(|_| EngineError::Unsupported(format!("{path:?}: a path holds no NUL byte")))?;
    let mut flags = libc::O_CLOEXEC
        | if mode.write {
            libc::O_RDWR
        } else {
            libc::O_RDONLY
        };
    if mode.direct {
        flags |= libc::O_DIRECT;
    }
    flags |= match mode.sync {
        SyncMode::None => 0,
        SyncMode::Sync => libc::O_SYNC,
        SyncMode::Dsync => libc::O_DSYNC,
    };
    if mode.create {
        flags |= libc::O_CREAT;
    }
    // What fio gives files that it makes.
    let rights: libc::c_uint = 0o644;
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    let raw = unsafe { libc::open(name.as_ptr(), flags, rights) };
    if raw < 0 {
        let source = Error::last_os_error();
        if mode.direct && source.raw_os_error() == Some(libc::EINVAL) {
            return Err(EngineError::Unsupported(format!(
                "{path}: its file system refuses O_DIRECT; use direct=0 or another file system"
            )));
        }
        let why = if mode.write {
            "for writing"
        } else {
            "for reading"
        };
        let call = format!("open {path} {why}");
        return Err(EngineError::System { call, source });
    }
    // SAFETY: `raw` was just opened and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// The alignment that direct I/O needs on this file (statx, Linux 6.1).
fn direct_alignment(fd: &OwnedFd) -> Option<u32> {
    let mut found = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: an empty path names the open descriptor; `found` is valid for writing.
    let failed = unsafe {
        libc::statx(
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_DIOALIGN,
            found.as_mut_ptr(),
        )
    };
    // SAFETY: all zero bytes are a valid value, and the call may have filled it.
    let found = unsafe { found.assume_init() };
    let known = failed == 0 && found.stx_mask & libc::STATX_DIOALIGN != 0;
    known.then_some(found.stx_dio_offset_align.max(found.stx_dio_mem_align))
}

/// What sysfs says of a device's queue; `None` where there is no such device or limit.
fn queue_limit(device: libc::dev_t, name: &str) -> Option<u64> {
    let (major, minor) = (libc::major(device), libc::minor(device));
    // A partition's queue is that of its disk, one folder up.
    ["queue", "../queue"].iter().find_map(|queue| {
        let path = format!("/sys/dev/block/{major}:{minor}/{queue}/{name}");
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    })
}

fn on_tmpfs(fd: RawFd) -> bool {
    let mut found = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the descriptor is open, `found` is valid for writing and read after success only.
    unsafe {
        libc::fstatfs(fd, found.as_mut_ptr()) == 0
            && found.assume_init().f_type == libc::TMPFS_MAGIC
    }
}
