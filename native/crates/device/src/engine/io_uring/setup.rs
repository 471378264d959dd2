//! Setting up a ring: the best features this kernel takes, registered buffers and descriptors.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use io_uring::{Builder, IoUring};

use super::{EngineError, OpenFile, Waiter};
use crate::arena::Arena;
use crate::spec::UringOptions;

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
    options: &UringOptions,
) -> Result<(IoUring, bool, Option<String>), EngineError> {
    /// How to configure, and whether that defers task work.
    type Attempt = (fn(&mut Builder), bool);
    let attempts: [Attempt; 6] = [
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
        (
            |b| {
                b.setup_single_issuer().setup_submit_all();
            },
            false,
        ),
        (|_| {}, false),
    ];
    let mut last = io::Error::from_raw_os_error(libc::ENOSYS);
    for (configure, deferred) in attempts {
        if deferred && (waiter == Waiter::EventLoop || options.sqthread_poll) {
            continue;
        }
        let mut builder = IoUring::builder();
        builder.setup_clamp().dontfork();
        configure(&mut builder);
        if options.sqthread_poll {
            // The kernel's own idle time, a second.
            builder.setup_sqpoll(0);
            if let Some(cpu) = options.sqthread_poll_cpu {
                builder.setup_sqpoll_cpu(cpu);
            }
        }
        if options.hipri {
            builder.setup_iopoll();
        }
        match builder.build(entries) {
            Ok(ring) => {
                let note = if options.sqthread_poll {
                    Some(
                        "io_uring: sqthread_poll: a thread of the kernel takes a CPU for submissions, \
                         which is not in the job's own CPU figures",
                    )
                } else if !deferred && waiter == Waiter::Thread {
                    Some(
                        "io_uring: this kernel lacks single issuer with deferred task run (Linux 6.1); \
                         expect more CPU per operation",
                    )
                } else {
                    None
                };
                return Ok((ring, deferred, note.map(str::to_owned)));
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => last = error,
            Err(error) => {
                last = error;
                break;
            }
        }
    }
    match (last.raw_os_error(), options.sqthread_poll_cpu) {
        (Some(libc::EINVAL), Some(cpu)) => Err(EngineError::Unsupported(format!(
            "sqthread_poll_cpu={cpu}: the kernel refuses to bind its submission thread there; name a \
             CPU that is online and allowed"
        ))),
        (Some(libc::EPERM | libc::ENOSYS | libc::EACCES), _) => {
            Err(EngineError::Unsupported(format!(
                "io_uring is not available here ({last}); use ioengine=psync, or allow it \
             (sysctl kernel.io_uring_disabled=0, seccomp)"
            )))
        }
        _ => Err(failed("io_uring_setup")(last)),
    }
}

/// What the kernel holds on to for us.
pub(super) struct Registered {
    /// The files.
    pub files: bool,
    /// Slots per registered buffer; 0 = none is registered.
    pub buffer_slots: u32,
}

/// Registers files and buffers unless the options say no.
///
/// # Errors
/// The kernel refuses what the options demand.
pub(super) fn register(
    ring: &IoUring,
    files: &[OpenFile],
    arena: &Arena,
    options: &UringOptions,
    notes: &mut Vec<String>,
) -> Result<Registered, EngineError> {
    let by_place = options.registerfiles != Some(false);
    if by_place {
        let fds: Vec<RawFd> = files.iter().map(OpenFile::fd).collect();
        ring.submitter()
            .register_files(&fds)
            .map_err(failed("register files with io_uring"))?;
    }
    let mut buffer_slots = 0;
    if options.fixedbufs != Some(false) {
        match register_buffers(ring, arena) {
            Ok(slots) => buffer_slots = slots,
            Err(why) if options.fixedbufs == Some(true) => {
                return Err(EngineError::Unsupported(format!("fixedbufs=1: {why}")));
            }
            Err(why) => notes.push(format!("io_uring: {why}; this costs CPU per operation")),
        }
    }
    Ok(Registered {
        files: by_place,
        buffer_slots,
    })
}

/// Registers the arena's slots as fixed buffers; slots per buffer, or why the kernel refused.
fn register_buffers(ring: &IoUring, arena: &Arena) -> Result<u32, String> {
    let slot_bytes = arena.slot_bytes() as usize;
    let slots_per_buffer = (MAX_BUFFER / slot_bytes) as u32;
    if slots_per_buffer == 0 {
        return Err("buffers above 1 GiB cannot be registered".to_owned());
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
        Ok(()) => Ok(slots_per_buffer),
        Err(error) => Err(format!(
            "buffers are not registered ({error}); raise the locked memory limit (ulimit -l) above {} \
             KiB",
            arena.length() / 1024
        )),
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
