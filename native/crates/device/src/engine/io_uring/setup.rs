//! Setting up a ring: the best features this kernel takes, registered buffers and descriptors.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::{Builder, IoUring};

use super::{EngineError, Waiter};
use crate::arena::Arena;

/// Bytes of one registered buffer at most, a limit of the kernel.
const MAX_BUFFER: usize = 1 << 30;
/// `IORING_REGISTER_RING_FDS`, `linux/io_uring.h`.
const REGISTER_RING_FDS: libc::c_uint = 20;

pub(super) fn failed(call: &str) -> impl FnOnce(io::Error) -> EngineError {
    let call = call.to_owned();
    move |source| EngineError::System { call, source }
}

/// A ring with the best set of features that this kernel takes, whether task work is deferred in it,
/// and what is to be said about it.
pub(super) fn build_ring(
    entries: u32,
    waiter: Waiter,
) -> Result<(IoUring, bool, Option<String>), EngineError> {
    /// How to configure, and whether that defers task work.
    type Attempt = (fn(&mut Builder), bool);
    let attempts: [Attempt; 5] = [
        (
            |b| {
                b.setup_single_issuer()
                    .setup_defer_taskrun()
                    .setup_taskrun_flag()
                    .setup_submit_all()
                    .setup_no_sqarray();
            },
            true,
        ),
        (
            |b| {
                b.setup_single_issuer()
                    .setup_defer_taskrun()
                    .setup_taskrun_flag()
                    .setup_submit_all();
            },
            true,
        ),
        (
            |b| {
                b.setup_single_issuer()
                    .setup_coop_taskrun()
                    .setup_submit_all();
            },
            false,
        ),
        (
            |b| {
                b.setup_coop_taskrun().setup_submit_all();
            },
            false,
        ),
        (|_| {}, false),
    ];
    let mut last = io::Error::from_raw_os_error(libc::ENOSYS);
    for (configure, deferred) in attempts {
        if deferred && waiter == Waiter::EventLoop {
            continue;
        }
        let mut builder = IoUring::builder();
        builder.setup_clamp().dontfork();
        configure(&mut builder);
        match builder.build(entries) {
            Ok(ring) => {
                let note = (!deferred && waiter == Waiter::Thread).then(|| {
                    "io_uring: this kernel lacks single issuer with deferred task run (Linux 6.1); \
                     expect more CPU per operation"
                        .to_owned()
                });
                return Ok((ring, deferred, note));
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => last = error,
            Err(error) => {
                last = error;
                break;
            }
        }
    }
    match last.raw_os_error() {
        Some(libc::EPERM | libc::ENOSYS | libc::EACCES) => Err(EngineError::Unsupported(format!(
            "io_uring is not available here ({last}); use ioengine=psync, or allow it \
             (sysctl kernel.io_uring_disabled=0, seccomp)"
        ))),
        _ => Err(failed("io_uring_setup")(last)),
    }
}

/// Registers the arena's slots as fixed buffers; slots per buffer, 0 when the kernel refused.
pub(super) fn register_buffers(ring: &IoUring, arena: &Arena, notes: &mut Vec<String>) -> u32 {
    let slot_bytes = arena.slot_bytes() as usize;
    let slots_per_buffer = (MAX_BUFFER / slot_bytes) as u32;
    if slots_per_buffer == 0 {
        return 0;
    }
    let buffers: Vec<libc::iovec> = (0..arena.slot_count())
        .step_by(slots_per_buffer as usize)
        .map(|first| libc::iovec {
            iov_base: arena.slot_ptr(first).cast(),
            iov_len: slot_bytes * slots_per_buffer.min(arena.slot_count() - first) as usize,
        })
        .collect();
    // SAFETY: the memory stays mapped as long as the ring: the engine holds the arena.
    match unsafe { ring.submitter().register_buffers(&buffers) } {
        Ok(()) => slots_per_buffer,
        Err(error) => {
            notes.push(format!(
                "io_uring: buffers are not registered ({error}), which costs CPU per operation; raise \
                 the locked memory limit (ulimit -l) above {} KiB",
                arena.length() / 1024
            ));
            0
        }
    }
}

/// Registers the ring's descriptor for this thread, which saves its look-up in every call.
pub(super) fn register_ring(ring: &IoUring) -> Option<u32> {
    /// `struct io_uring_rsrc_update`, `linux/io_uring.h`.
    #[repr(C)]
    struct Update {
        offset: u32,
        reserved: u32,
        data: u64,
    }
    let fd = ring.as_raw_fd();
    let mut update = Update {
        offset: u32::MAX,
        reserved: 0,
        data: fd as u64,
    };
    // SAFETY: the kernel reads and writes one `Update`, which outlives the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            fd,
            REGISTER_RING_FDS,
            &raw mut update,
            1,
        )
    };
    (done == 1).then_some(update.offset)
}
