//! An asynchronous I/O context of the kernel, by its raw system calls (`io_setup(2)` and its kin).

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::EngineError;

pub(super) const PREAD: u16 = 0;
pub(super) const PWRITE: u16 = 1;
pub(super) const FSYNC: u16 = 2;
pub(super) const FDSYNC: u16 = 3;
pub(super) const POLL: u16 = 5;
/// `IOCB_FLAG_RESFD`: completions add to an eventfd.
pub(super) const FLAG_EVENTFD: u32 = 1;
/// The block has a priority (`IOCB_FLAG_IOPRIO`).
pub(super) const FLAG_PRIORITY: u32 = 2;

/// `AIO_RING_MAGIC`: what the ring's memory holds when it is laid out as below.
const RING_MAGIC: u32 = 0xa10a_10a1;

/// `struct iocb`, `linux/aio_abi.h`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Control {
    pub data: u64,
    #[cfg(target_endian = "little")]
    pub key: u32,
    pub rw_flags: i32,
    #[cfg(target_endian = "big")]
    pub key: u32,
    pub opcode: u16,
    pub priority: i16,
    pub fd: u32,
    pub buffer: u64,
    pub length: u64,
    pub offset: i64,
    pub reserved: u64,
    pub flags: u32,
    pub event_fd: u32,
}

/// `struct io_event`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Event {
    pub data: u64,
    pub control: u64,
    pub result: i64,
    pub result2: i64,
}

/// Head of the ring, aligned as the events behind it, that the kernel maps into the process, where the context's identifier points.
#[repr(C, align(8))]
struct Ring {
    id: u32,
    capacity: u32,
    head: AtomicU32,
    tail: AtomicU32,
    magic: u32,
    compatible: u32,
    incompatible: u32,
    header_bytes: u32,
}

/// A context. One thread submits and takes.
pub(super) struct Context {
    id: u64,
    /// Whether completions can be taken from the ring without a system call.
    ring: Option<NonNull<Ring>>,
    events: Vec<Event>,
}

impl Context {
    /// For `count` operations in flight.
    pub fn new(count: u32) -> Result<Self, EngineError> {
        let mut id = 0_u64;
        // SAFETY: the kernel writes one word through the pointer.
        let failed = unsafe { libc::syscall(libc::SYS_io_setup, count, &raw mut id) } != 0;
        if failed {
            let source = io::Error::last_os_error();
            return Err(match source.raw_os_error() {
                Some(libc::EAGAIN) => EngineError::Unsupported(format!(
                    "libaio: the machine's limit of asynchronous operations is reached; lower iodepth \
                     ({count}) or raise it (sysctl fs.aio-max-nr)"
                )),
                Some(libc::ENOSYS) => EngineError::Unsupported(
                    "libaio is not available here: this kernel has no asynchronous I/O; use \
                     ioengine=io_uring or psync"
                        .to_owned(),
                ),
                _ => EngineError::System {
                    call: "io_setup".to_owned(),
                    source,
                },
            });
        }
        let ring = NonNull::new(ptr::with_exposed_provenance_mut::<Ring>(id as usize));
        // SAFETY: the identifier is the address of the context's ring, mapped by the kernel.
        let usable = ring.filter(|ring| unsafe {
            let ring = ring.as_ref();
            ring.magic == RING_MAGIC
                && ring.incompatible == 0
                && ring.header_bytes as usize == size_of::<Ring>()
        });
        Ok(Self {
            id,
            ring: usable,
            events: vec![Event::default(); count as usize],
        })
    }

    /// Hands over a batch; how many the kernel took, or a positive errno of the first.
    ///
    /// # Safety
    /// The control blocks and what they point to MUST live until their completion.
    #[inline]
    pub unsafe fn submit(&self, batch: &mut [*mut Control]) -> Result<usize, i32> {
        // SAFETY: the kernel reads the pointers and what they point to, by the caller's promise.
        let taken = unsafe {
            libc::syscall(
                libc::SYS_io_submit,
                self.id,
                batch.len(),
                batch.as_mut_ptr(),
            )
        };
        usize::try_from(taken).map_err(|_| errno())
    }

    /// Takes at most `room` completions without waiting.
    #[inline]
    pub fn take(&mut self, room: usize, mut each: impl FnMut(&Event)) -> usize {
        let Some(ring) = self.ring else {
            let zero = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            return self.wait(room, 0, Some(&zero), each).unwrap_or(0);
        };
        // SAFETY: the ring stays mapped as long as the context; only this thread moves its head.
        let header = unsafe { ring.as_ref() };
        let mut head = header.head.load(Ordering::Relaxed);
        let tail = header.tail.load(Ordering::Acquire);
        let mut count = 0;
        while head != tail && count < room {
            // SAFETY: the events follow the header, `head` is below the capacity; the kernel wrote this
            // one before it moved the tail.
            each(unsafe { &*ring.as_ptr().add(1).cast::<Event>().add(head as usize) });
            head += 1;
            if head >= header.capacity {
                head = 0;
            }
            count += 1;
        }
        if count > 0 {
            header.head.store(head, Ordering::Release);
        }
        count
    }

    /// Waits for `least` completions, at most as long as told, and takes at most `room`.
    #[inline]
    pub fn wait(
        &mut self,
        room: usize,
        least: usize,
        timeout: Option<&libc::timespec>,
        each: impl FnMut(&Event),
    ) -> Result<usize, i32> {
        let room = room.min(self.events.len());
        // SAFETY: the kernel writes at most `room` events into the vector, which has as many, and reads
        // the time, which outlives the call.
        let count = unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.id,
                least,
                room,
                self.events.as_mut_ptr(),
                timeout.map_or(ptr::null(), ptr::from_ref),
            )
        };
        let count = usize::try_from(count).map_err(|_| errno())?;
        self.events[..count].iter().for_each(each);
        Ok(count)
    }

    /// Whether a completion can be seen without a system call.
    pub fn shows_some(&self) -> bool {
        // SAFETY: the ring stays mapped as long as the context.
        self.ring.is_some_and(|ring| unsafe {
            let ring = ring.as_ref();
            ring.head.load(Ordering::Relaxed) != ring.tail.load(Ordering::Acquire)
        })
    }

    /// Completions can only be seen by a system call.
    pub fn is_hidden(&self) -> bool {
        self.ring.is_none()
    }

    /// Gives the context back. The kernel waits for what is in flight.
    pub fn destroy(&mut self) {
        self.ring = None;
        // SAFETY: the identifier is ours and is not used again.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.id) };
    }
}

fn errno() -> i32 {
    io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}
