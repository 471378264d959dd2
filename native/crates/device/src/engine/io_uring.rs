//! The `io_uring` engine.
//!
//! One ring, used by the thread that opened it (single issuer): completions are run by that thread when
//! it asks for them (deferred task run), files and buffers are registered where the kernel lets us, and
//! a batch costs one system call. Long waits arm one timeout operation that serves many waits, so that
//! no timer is set per operation.
//!
//! Two modes change who works: with `sqthread_poll` a thread of the kernel looks for submissions, so that
//! handing over costs no system call; with `hipri` nobody is interrupted by the device, whoever waits
//! polls it.

mod entry;
mod setup;

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use io_uring::types::Timespec;
use io_uring::{EnterFlags, IoUring, opcode};
use osdyno_core::op::{Op, OpKind};

use self::entry::Entries;
use self::setup::{build_ring, failed, register, register_ring};
use super::file::OpenFile;
use super::psync::{demand_polling, plain};
use super::{Completion, Engine, EngineError, Wait};
use crate::arena::Arena;
use crate::clock::now_ns;
use crate::spec::UringOptions;

/// The kernel's limit on entries of a submission queue.
const MAX_ENTRIES: u32 = 32_768;
/// `user_data` of the timeout operation; never an index.
const TIMEOUT_TAG: u64 = u64::MAX;
/// Waits at least this far ahead use the shared timeout operation, nearer ones a timer of their own.
const FAR_NS: u64 = 5_000_000;
/// Tries to hand over a batch that the kernel has no memory for just now, a millisecond apart.
const BUSY_TRIES: u32 = 5_000;

/// An operation queued or in flight.
#[derive(Clone, Copy, Debug, Default)]
struct Pending {
    tag: u32,
    /// What a result of 0 means in bytes: the length of calls that answer 0 when all is done.
    zero_means: i32,
    submitted_ns: u64,
}

/// An operation that is done by a plain system call when the batch is handed over.
#[derive(Clone, Copy, Debug)]
struct Plain {
    index: u32,
    op: Op,
}

/// Who waits for completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    /// The thread itself, within `reap`. The cheapest.
    Thread,
    /// An event loop that watches `ready_fd`. Excludes deferred task run: Linux 6.18 was seen to lose
    /// wake-ups of `poll` on such a ring.
    EventLoop,
}

/// See the module. Must stay on the thread that opened it.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Uring {
    ring: IoUring,
    /// Index of the ring's own descriptor in the kernel's table for this thread, if registered.
    ring_index: Option<u32>,
    entries: Entries,
    /// A thread of the kernel takes submissions (`sqthread_poll`).
    kernel_submits: bool,
    /// Completions come only while somebody polls for them (`hipri`).
    polls: bool,
    pending: Vec<Pending>,
    free: Vec<u32>,
    /// Indices queued since the last commit that went into the ring; `plain` holds the others.
    fresh: Vec<u32>,
    plain: Vec<Plain>,
    /// Completions of plain calls, not yet reaped.
    done: Vec<Completion>,
    /// Entries in the ring that the kernel has not been told of.
    unsubmitted: u32,
    in_ring: u32,
    /// Task work waits for us to enter the kernel; the kernel raises a flag for it.
    deferred: bool,
    waiter: Waiter,
    /// One operation at a time: nothing can have completed while submitting.
    single: bool,
    /// When the armed timeout operation fires.
    armed_ns: Option<u64>,
    /// Completions that a wait ends with.
    least: u32,
    notes: Vec<String>,
}

impl Uring {
    /// A ring over open `files`, in the order of `Op::file`, with the arena's slots as buffers, for at
    /// most `depth` operations queued or in flight.
    ///
    /// # Errors
    /// The kernel has no `io_uring` for us, or not what the options demand.
    pub fn new(
        files: Vec<OpenFile>,
        arena: Arc<Arena>,
        depth: u32,
        waiter: Waiter,
        options: &UringOptions,
    ) -> Result<Self, EngineError> {
        if options.hipri {
            files.iter().try_for_each(demand_polling)?;
        }
        let asked = depth.max(1);
        let depth = asked.min(MAX_ENTRIES / 2);
        // One entry more than operations, for the timeout.
        let (ring, deferred, note) = build_ring(depth + 1, waiter, options)?;
        let mut notes = Vec::from_iter(note);
        if depth < asked {
            notes.push(format!("io_uring: depth is limited to {depth}"));
        }
        let registered = register(&ring, &files, &arena, options, &mut notes)?;
        let ring_index = register_ring(&ring);
        let room = depth as usize;
        let mut uring = Self {
            ring,
            ring_index,
            entries: Entries::new(files, arena, depth, &registered, options),
            kernel_submits: options.sqthread_poll,
            polls: options.hipri,
            pending: vec![Pending::default(); room],
            free: (0..depth).rev().collect(),
            fresh: Vec::with_capacity(room),
            plain: Vec::with_capacity(room),
            done: Vec::with_capacity(room),
            unsubmitted: 0,
            in_ring: 0,
            deferred,
            waiter,
            single: depth == 1,
            armed_ns: None,
            least: 1,
            notes,
        };
        if options.hipri {
            uring.try_polling()?;
        }
        Ok(uring)
    }

    /// Reads a block of each file, since only trying shows whether its driver polls.
    fn try_polling(&mut self) -> Result<(), EngineError> {
        for file in 0..self.entries.files.len() {
            let length = self.entries.files[file]
                .block_bytes()
                .min(self.entries.arena.slot_bytes());
            let op = Op {
                kind: OpKind::Read,
                flags: 0,
                file: file as u16,
                length,
                offset: 0,
                intended_ns: 0,
                sequence: 0,
                generation: 0,
            };
            let mut out = Vec::with_capacity(1);
            self.queue(&op, 0, 0);
            self.commit()?;
            self.reap(Wait::Forever, &mut out)?;
            if let Some(errno) = out.first().map(|done| -done.result).filter(|&e| e > 0) {
                let why = io::Error::from_raw_os_error(errno);
                return Err(EngineError::Unsupported(format!(
                    "hipri=1: {}: a polled read fails ({why}); its driver cannot be polled, remove hipri",
                    self.entries.files[file].path()
                )));
            }
            // SAFETY: nothing is in flight.
            unsafe { self.entries.arena.slot(0, length as usize) }.fill(0);
        }
        Ok(())
    }

    /// The files, as opened.
    #[must_use]
    pub fn files(&self) -> &[OpenFile] {
        &self.entries.files
    }

    /// `io_uring_enter`; the result or a positive errno.
    #[inline]
    fn enter(
        &self,
        submit: u32,
        wait: u32,
        mut flags: u32,
        timeout: Option<&Timespec>,
    ) -> Result<u32, i32> {
        let fd = if let Some(index) = self.ring_index {
            flags |= EnterFlags::REGISTERED_RING.bits();
            index as libc::c_int
        } else {
            self.ring.as_raw_fd()
        };
        // The kernel's `struct io_uring_getevents_arg`: signal mask, its size, minimum wait, timeout.
        let argument = [
            0_u64,
            0,
            timeout.map_or(0, |time| std::ptr::from_ref(time) as u64),
        ];
        let (pointer, size) = if timeout.is_some() {
            flags |= EnterFlags::EXT_ARG.bits();
            (argument.as_ptr(), size_of_val(&argument))
        } else {
            (std::ptr::null(), 0)
        };
        // SAFETY: the ring is ours; submitted entries name memory of the arena, which outlives them (see
        // `drop`); `argument` and the time it points to outlive the call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                fd,
                submit,
                wait,
                flags,
                pointer,
                size,
            )
        };
        if result >= 0 {
            Ok(result as u32)
        } else {
            Err(io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO))
        }
    }

    /// Tells the kernel of everything in the ring.
    #[inline]
    fn submit(&mut self, flags: u32) -> Result<(), EngineError> {
        if self.kernel_submits {
            self.unsubmitted = 0;
            if self.ring.submission().need_wakeup() {
                // An error shows as operations that never complete; the only one possible is EINTR,
                // after which the thread is awake.
                let _ = self.enter(0, 0, EnterFlags::SQ_WAKEUP.bits(), None);
            }
            return Ok(());
        }
        let mut tries = 0;
        while self.unsubmitted > 0 {
            match self.enter(self.unsubmitted, 0, flags, None) {
                Ok(taken) => self.unsubmitted -= taken.min(self.unsubmitted),
                Err(libc::EINTR) => {}
                Err(libc::EAGAIN | libc::EBUSY) if tries < BUSY_TRIES => {
                    tries += 1;
                    // Out of requests: run completions, which frees some.
                    let _ = self.enter(0, 0, EnterFlags::GETEVENTS.bits(), None);
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Err(errno) => {
                    return Err(failed("io_uring_enter")(io::Error::from_raw_os_error(
                        errno,
                    )));
                }
            }
        }
        Ok(())
    }

    /// Executes the plain calls of this batch.
    #[cold]
    fn run_plain(&mut self) {
        for Plain { index, op } in self.plain.drain(..) {
            let submitted_ns = now_ns();
            let result = match self.entries.files.get(op.file as usize) {
                None => -libc::EBADF,
                Some(file) => plain(file, &op),
            };
            self.done.push(Completion {
                tag: self.pending[index as usize].tag,
                result,
                submitted_ns,
                completed_ns: now_ns(),
            });
            self.free.push(index);
        }
    }

    /// Moves completions from the ring to `out`, which has room for `room` more.
    #[inline]
    fn take(&mut self, room: usize, out: &mut Vec<Completion>) -> usize {
        let mut count = 0;
        let queue = self.ring.completion();
        if queue.is_empty() {
            return 0;
        }
        let completed_ns = now_ns();
        for entry in queue {
            if entry.user_data() == TIMEOUT_TAG {
                self.armed_ns = None;
            } else {
                let index = entry.user_data() as u32;
                let pending = self.pending[index as usize];
                let result = match entry.result() {
                    0 => pending.zero_means,
                    result => result,
                };
                out.push(Completion {
                    tag: pending.tag,
                    result,
                    submitted_ns: pending.submitted_ns,
                    completed_ns,
                });
                self.free.push(index);
                self.in_ring -= 1;
                count += 1;
                if count == room {
                    break;
                }
            }
        }
        count
    }
}

impl Engine for Uring {
    #[inline]
    fn queue(&mut self, op: &Op, slot: u32, tag: u32) -> bool {
        let Some(index) = self.free.pop() else {
            return false;
        };
        let entry = self.entries.build(index, op, slot);
        let by_fallocate = matches!(op.kind, OpKind::Trim | OpKind::WriteZeroes);
        self.pending[index as usize] = Pending {
            tag,
            zero_means: if by_fallocate { op.length as i32 } else { 0 },
            submitted_ns: 0,
        };
        let Some(entry) = entry else {
            self.plain.push(Plain { index, op: *op });
            return true;
        };
        let entry = entry.user_data(u64::from(index));
        // SAFETY: the buffer is a slot of the arena, lent until completion; see `drop` for the rest.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        debug_assert!(pushed.is_ok(), "the ring has an entry per operation");
        self.unsubmitted += 1;
        self.in_ring += 1;
        self.fresh.push(index);
        true
    }

    #[inline]
    fn commit(&mut self) -> Result<u32, EngineError> {
        let mut count = self.fresh.len();
        if count > 0 {
            // At more than one operation in flight others have probably completed by now: let the same
            // call run their completions.
            let flags = if self.deferred && !self.single {
                EnterFlags::GETEVENTS.bits()
            } else {
                0
            };
            self.submit(flags)?;
            let now = now_ns();
            for &index in &self.fresh {
                self.pending[index as usize].submitted_ns = now;
            }
            self.fresh.clear();
        }
        if !self.plain.is_empty() {
            count += self.plain.len();
            self.run_plain();
        }
        Ok(count as u32)
    }

    #[inline]
    fn reap(&mut self, wait: Wait, out: &mut Vec<Completion>) -> Result<usize, EngineError> {
        let room = out.capacity() - out.len();
        if room == 0 {
            return Ok(0);
        }
        if !self.done.is_empty() {
            let count = room.min(self.done.len());
            out.extend(self.done.drain(..count));
            return Ok(count);
        }
        let mut count = self.take(room, out);
        if count > 0 {
            return Ok(count);
        }
        match wait {
            Wait::No => {
                // SAFETY: no other view of the submission queue exists during the call.
                let due = self.deferred && unsafe { self.ring.submission_shared() }.taskrun();
                if due || (self.polls && self.in_ring > 0 && !self.kernel_submits) {
                    self.wait(0, None)?;
                    count = self.take(room, out);
                }
                return Ok(count);
            }
            Wait::Forever => {
                while count == 0 && self.in_ring > 0 {
                    self.wait(self.wanted(), None)?;
                    count = self.take(room, out);
                }
            }
            Wait::Until(deadline_ns) => {
                while count == 0 && self.wait_until(deadline_ns)? {
                    count = self.take(room, out);
                }
            }
        }
        Ok(count)
    }

    fn ready_fd(&self) -> Option<RawFd> {
        // A device that is polled tells nobody: the event loop has to come and look.
        (self.waiter == Waiter::EventLoop && !self.polls).then(|| self.ring.as_raw_fd())
    }

    fn files(&self) -> &[OpenFile] {
        &self.entries.files
    }

    fn keeps_files(&self) -> bool {
        // The kernel holds on to those that are registered.
        self.entries.by_place()
    }

    fn replace_files(&mut self, files: Vec<OpenFile>) -> Result<(), EngineError> {
        let fds: Vec<RawFd> = files.iter().map(OpenFile::fd).collect();
        if self.entries.by_place() {
            self.ring
                .submitter()
                .register_files_update(0, &fds)
                .map_err(failed("register files with io_uring"))?;
        }
        self.entries.files = files;
        Ok(())
    }

    #[inline]
    fn wait_for(&mut self, least: u32) {
        self.least = least;
    }

    fn set_priorities(&mut self, priorities: &[u16]) -> Result<(), EngineError> {
        self.entries.priorities = priorities.into();
        Ok(())
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Uring {
    /// One call that waits for `count` completions; a signal ends it early.
    #[inline]
    fn wait(&mut self, count: u32, timeout: Option<&Timespec>) -> Result<(), EngineError> {
        let flags = EnterFlags::GETEVENTS.bits();
        match self.enter(self.unsubmitted, count, flags, timeout) {
            Ok(taken) => {
                self.unsubmitted -= taken.min(self.unsubmitted);
                Ok(())
            }
            Err(libc::EINTR | libc::ETIME | libc::EAGAIN | libc::EBUSY) => Ok(()),
            Err(errno) => Err(failed("io_uring_enter")(io::Error::from_raw_os_error(
                errno,
            ))),
        }
    }

    /// Completions that a wait ends with.
    #[inline]
    fn wanted(&self) -> u32 {
        self.least.min(self.in_ring).max(1)
    }

    /// Waits once for a completion; `false` when the time is over.
    #[inline]
    fn wait_until(&mut self, deadline_ns: u64) -> Result<bool, EngineError> {
        // While the armed timeout fires early enough, the clock need not even be read.
        if self.armed_ns.is_none_or(|armed| armed > deadline_ns) {
            let now = now_ns();
            if now >= deadline_ns {
                // Whatever has arrived meanwhile still counts.
                self.wait(0, None)?;
                return Ok(false);
            }
            let left = deadline_ns - now;
            let time = Timespec::new()
                .sec(left / 1_000_000_000)
                .nsec((left % 1_000_000_000) as u32);
            // A ring that polls knows no timeouts; what it waits for comes soon or never. And the thread of
            // the kernel might read the time after this call.
            if left < FAR_NS || self.armed_ns.is_some() || self.polls || self.kernel_submits {
                self.wait(self.wanted(), Some(&time))?;
                return Ok(true);
            }
            let entry = opcode::Timeout::new(&raw const time)
                .build()
                .user_data(TIMEOUT_TAG);
            // SAFETY: the kernel reads the time while submitting, which `wait` below does.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                self.unsubmitted += 1;
                self.armed_ns = Some(deadline_ns);
            }
            self.submit(0)?;
        }
        self.wait(self.wanted(), None)?;
        // The timeout fired, or the deadline is another one: the next round looks at the clock.
        Ok(true)
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if self.in_ring > 0 {
            // The kernel still owns buffers of operations that never completed: keep the memory.
            std::mem::forget(Arc::clone(&self.entries.arena));
        }
    }
}
