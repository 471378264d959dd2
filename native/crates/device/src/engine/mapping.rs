//! A file mapped into memory, and what happens when a page of it cannot be had: where a system call
//! answers `EIO`, touching a mapping raises `SIGBUS` (a failing device, a file cut short, a full disk).
//! A handler puts a page of zeroes in its place and leaves a mark, so that the copy ends and the
//! operation answers `EIO` instead of the process dying.

use std::io::Error;
use std::ptr::{self, NonNull};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::EngineError;
use super::file::{OpenFile, last_errno};
use crate::spec::Access;

/// Mappings at a time that the handler knows.
const PLACES: usize = 4096;

/// A mapping as the handler sees it: no locks, no allocation.
struct Place {
    taken: AtomicBool,
    start: AtomicUsize,
    length: AtomicUsize,
    faulted: AtomicBool,
}

static MAPPED: [Place; PLACES] = [const {
    Place {
        taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        length: AtomicUsize::new(0),
        faulted: AtomicBool::new(false),
    }
}; PLACES];

static HANDLER: Once = Once::new();
static PAGE: AtomicUsize = AtomicUsize::new(4096);
/// What a `SIGBUS` of somebody else's did before.
static FORMER: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);

fn install_handler() {
    HANDLER.call_once(|| {
        // SAFETY: the calls take valid structures; the handler is async-signal-safe.
        unsafe {
            let page = libc::sysconf(libc::_SC_PAGESIZE);
            PAGE.store(usize::try_from(page).unwrap_or(4096), Ordering::Relaxed);
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut former: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                on_bus_error;
            action.sa_sigaction = handler as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(libc::SIGBUS, &raw const action, &raw mut former);
            if former.sa_flags & libc::SA_SIGINFO == 0 {
                FORMER.store(former.sa_sigaction, Ordering::Relaxed);
            }
        }
    });
}

/// Puts zeroes where a page is missing, if it is one of ours; else whatever was there before.
extern "C" fn on_bus_error(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid structure with the address of the fault.
    let address = unsafe { (*info).si_addr() }.addr();
    for place in &MAPPED {
        let start = place.start.load(Ordering::Acquire);
        let length = place.length.load(Ordering::Acquire);
        if start != 0 && address.wrapping_sub(start) < length {
            let page = PAGE.load(Ordering::Relaxed);
            let at = address & !(page - 1);
            // SAFETY: the page lies within one of our mappings; mmap is a plain system call here.
            let put = unsafe {
                libc::mmap(
                    ptr::without_provenance_mut(at),
                    page,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                    -1,
                    0,
                )
            };
            if put != libc::MAP_FAILED {
                place.faulted.store(true, Ordering::Release);
                return;
            }
        }
    }
    // The access is repeated after the return, and handled as it would have been without us.
    // SAFETY: plain system calls with valid structures.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = FORMER.load(Ordering::Relaxed);
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

/// A whole file in memory, shared with everybody who reads or writes it.
pub struct Mapping {
    base: NonNull<u8>,
    length: usize,
    fd: libc::c_int,
    flags: libc::c_int,
    write: bool,
    place: &'static Place,
}

impl Mapping {
    /// Maps a file from its beginning to its end. `synchronous`: only as memory that is durable once
    /// its cache lines are written back (`MAP_SYNC`).
    ///
    /// # Errors
    /// The kernel does not map it, or not so; or it is empty.
    pub fn new(file: &OpenFile, write: bool, synchronous: bool) -> Result<Self, EngineError> {
        install_handler();
        let path = file.path();
        let refused =
            |why: &str| EngineError::Unsupported(format!("{path} cannot be mapped: {why}"));
        let length = usize::try_from(file.size()).map_err(|_| refused("it is too large"))?;
        if length == 0 {
            return Err(refused("it is empty; lay it out first"));
        }
        let flags = if synchronous {
            libc::MAP_SHARED_VALIDATE | libc::MAP_SYNC
        } else {
            libc::MAP_SHARED
        };
        let protection = libc::PROT_READ | if write { libc::PROT_WRITE } else { 0 };
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing.
        let base = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags, file.fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(EngineError::System {
                call: format!("map {path}"),
                source: Error::last_os_error(),
            });
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(|| refused("no address"))?;
        let free = |place: &&Place| !place.taken.swap(true, Ordering::AcqRel);
        let Some(place) = MAPPED.iter().find(free) else {
            // SAFETY: the mapping was just made with this length.
            unsafe { libc::munmap(base.as_ptr().cast(), length) };
            return Err(refused("too many files are mapped at once"));
        };
        place.faulted.store(false, Ordering::Relaxed);
        place.length.store(length, Ordering::Release);
        place.start.store(base.as_ptr().addr(), Ordering::Release);
        Ok(Self {
            base,
            length,
            fd: file.fd(),
            flags,
            write,
            place,
        })
    }

    /// Bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Tells the kernel how it is going to be read.
    pub fn advise(&self, access: Option<Access>) {
        let advice = match access {
            None | Some(Access::Noreuse) => return,
            Some(Access::Random) => libc::MADV_RANDOM,
            Some(Access::Sequential) => libc::MADV_SEQUENTIAL,
        };
        // SAFETY: the range is our mapping; the advice changes no data.
        unsafe { libc::madvise(self.base.as_ptr().cast(), self.length, advice) };
    }

    /// Asks for transparent huge pages; why there are none, if so.
    #[must_use]
    pub fn ask_for_huge_pages(&self) -> Option<Error> {
        let start = self.base.as_ptr().cast();
        // SAFETY: the range is our mapping; the advice changes no data.
        let refused = unsafe { libc::madvise(start, self.length, libc::MADV_HUGEPAGE) } != 0;
        refused.then(Error::last_os_error)
    }

    /// The first byte at `offset`, if `length` bytes from there lie within.
    #[must_use]
    pub fn at(&self, offset: u64, length: usize) -> Option<*mut u8> {
        let offset = usize::try_from(offset).ok()?;
        let inside = offset.checked_add(length)? <= self.length;
        // SAFETY: the offset lies within the mapping, or at its end.
        inside.then(|| unsafe { self.base.as_ptr().add(offset) })
    }

    /// After an access to a range: 0, or `-EIO` when a page of it was missing. It is mapped anew then,
    /// so that the next access is a new attempt.
    #[must_use]
    pub fn check(&self, offset: u64, length: usize) -> i32 {
        if !self.place.faulted.load(Ordering::Acquire) {
            return 0;
        }
        self.place.faulted.store(false, Ordering::Relaxed);
        let (start, bytes) = self.pages(offset, length);
        let protection = libc::PROT_READ | if self.write { libc::PROT_WRITE } else { 0 };
        // SAFETY: the pages lie within our mapping and are replaced by the same pages of the file.
        unsafe {
            libc::mmap(
                self.base.as_ptr().add(start).cast(),
                bytes,
                protection,
                self.flags | libc::MAP_FIXED,
                self.fd,
                start as libc::off_t,
            );
        }
        -libc::EIO
    }

    /// Writes the pages of a range to the file and waits: 0 or a negative errno.
    #[must_use]
    pub fn sync(&self, offset: u64, length: usize) -> i32 {
        let (start, bytes) = self.pages(offset, length);
        // SAFETY: the pages lie within our mapping.
        let result = unsafe {
            let start = self.base.as_ptr().add(start).cast();
            libc::msync(start, bytes, libc::MS_SYNC)
        };
        if result == 0 { 0 } else { last_errno() }
    }

    /// The whole pages of a range: where they begin and their bytes.
    fn pages(&self, offset: u64, length: usize) -> (usize, usize) {
        let page = PAGE.load(Ordering::Relaxed);
        let start = (offset as usize).min(self.length);
        let end = start.saturating_add(length).min(self.length);
        let first = start & !(page - 1);
        (first, end - first)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.place.start.store(0, Ordering::Release);
        self.place.length.store(0, Ordering::Release);
        // SAFETY: the mapping was made by `new` with this length and ends here.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.length) };
        self.place.taken.store(false, Ordering::Release);
    }
}
