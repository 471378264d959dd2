//! The `libaio` engine: Linux native asynchronous I/O by its raw system calls, so that no library is
//! needed. Completions are taken from the context's ring in memory where the kernel shows it; a wait
//! costs a system call. As with `io_uring`, long waits share one timer, a `timerfd` that the context
//! itself polls.

mod context;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use osdyno_core::op::{FLAG_FUA, Op, OpKind, PRIORITY_SHIFT};

use self::context::{
    Context, Control, Event, FDSYNC, FLAG_EVENTFD, FLAG_PRIORITY, FSYNC, POLL, PREAD, PWRITE,
};
use super::file::{OpenFile, last_errno};
use super::io_uring::Waiter;
use super::psync::plain;
use super::{Completion, Engine, EngineError, Wait};
use crate::arena::Arena;
use crate::clock::now_ns;

/// `Control::data` of the timer; never an index.
const TIMER_TAG: u64 = u64::MAX;
/// Waits at least this far ahead use the shared timer, nearer ones a time-out of their own.
const FAR_NS: u64 = 5_000_000;
/// Tries to hand over a batch that the kernel has no room for just now, a millisecond apart.
const BUSY_TRIES: u32 = 5_000;
/// How long `drop` waits for what is still in flight.
const DRAIN_NS: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug)]
struct Pending {
    op: Op,
    tag: u32,
    submitted_ns: u64,
}

/// How operations are handed over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// `RWF_*` of every read and write.
    pub flags: i32,
    /// A batch by one system call. Else each operation by its own, as fio does unless told otherwise: the
    /// kernel holds a batch back until it has all of it, which at depth 16 cost 5 to 10% of the
    /// operations a second of a virtual disk, and spared little CPU.
    pub batched: bool,
}

/// See the module.
pub struct Libaio {
    context: Context,
    files: Vec<OpenFile>,
    arena: Arc<Arena>,
    /// Priorities that operations name; empty = they name none.
    priorities: Box<[u16]>,
    /// One for each operation, and the timer's.
    controls: Vec<Control>,
    pending: Vec<Pending>,
    free: Vec<u32>,
    /// Indices queued since the last commit.
    fresh: Vec<u32>,
    /// The control blocks of `fresh`, as the kernel wants them.
    batch: Vec<*mut Control>,
    /// Completions that are not in the context's ring.
    done: Vec<Completion>,
    in_kernel: u32,
    /// Readable when a completion has come, for an event loop.
    ready: Option<OwnedFd>,
    /// `None` when the kernel cannot poll a timer.
    timer: Option<OwnedFd>,
    armed_ns: Option<u64>,
    /// The kernel's own asynchronous fsync; it says when it has none.
    flushes: bool,
    /// `RWF_*` of every read and write.
    flags: i32,
    /// Operations of one `io_submit` at most.
    at_once: usize,
    notes: Vec<String>,
}

/// A new descriptor, or why there is none.
fn owned(call: &str, fd: libc::c_int) -> Result<OwnedFd, EngineError> {
    if fd < 0 {
        return Err(EngineError::System {
            call: call.to_owned(),
            source: io::Error::last_os_error(),
        });
    }
    // SAFETY: the descriptor was just opened and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn time(ns: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: (ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (ns % 1_000_000_000) as libc::c_long,
    }
}

impl Libaio {
    /// An engine over open `files`, in the order of `Op::file`, for at most `depth` operations queued or
    /// in flight.
    ///
    /// # Errors
    /// The kernel has no context for so many.
    pub fn new(
        files: Vec<OpenFile>,
        arena: Arc<Arena>,
        depth: u32,
        waiter: Waiter,
        options: Options,
    ) -> Result<Self, EngineError> {
        let depth = depth.max(1);
        let context = Context::new(depth + 1)?;
        let ready = if waiter == Waiter::EventLoop {
            // SAFETY: the call takes no pointers.
            let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
            Some(owned("eventfd", fd)?)
        } else {
            None
        };
        // SAFETY: the call takes no pointers.
        let timer = unsafe {
            libc::timerfd_create(
                libc::CLOCK_MONOTONIC,
                libc::TFD_CLOEXEC | libc::TFD_NONBLOCK,
            )
        };
        let mut notes = Vec::new();
        if files.iter().any(|file| !file.is_direct()) {
            notes.push(
                "libaio: without direct=1 the kernel does each operation while it is handed over, one \
                 after the other"
                    .to_owned(),
            );
        }
        let room = depth as usize;
        let nothing = Pending {
            op: Op {
                kind: OpKind::Read,
                flags: 0,
                file: 0,
                length: 0,
                offset: 0,
                intended_ns: 0,
                sequence: 0,
                generation: 0,
            },
            tag: 0,
            submitted_ns: 0,
        };
        Ok(Self {
            context,
            files,
            arena,
            priorities: Box::default(),
            controls: vec![Control::default(); room + 1],
            pending: vec![nothing; room],
            free: (0..depth).rev().collect(),
            fresh: Vec::with_capacity(room),
            batch: Vec::with_capacity(room),
            done: Vec::with_capacity(room),
            in_kernel: 0,
            ready,
            timer: Some(owned("timerfd_create", timer)?),
            armed_ns: None,
            flushes: true,
            flags: options.flags,
            at_once: if options.batched { usize::MAX } else { 1 },
            notes,
        })
    }

    /// The control block of an operation; `None` when a plain call does it (or refuses it).
    #[inline]
    fn control(&self, index: u32, op: &Op, slot: u32) -> Option<Control> {
        let file = self.files.get(usize::from(op.file))?;
        let mut control = Control {
            data: u64::from(index),
            fd: file.fd() as u32,
            ..Control::default()
        };
        match op.kind {
            OpKind::Read | OpKind::Write => {
                if slot >= self.arena.slot_count() || op.length > self.arena.slot_bytes() {
                    return None;
                }
                let write = op.kind == OpKind::Write;
                control.opcode = if write { PWRITE } else { PREAD };
                control.rw_flags = self.flags;
                if write && op.flags & FLAG_FUA != 0 {
                    control.rw_flags |= libc::RWF_DSYNC;
                }
                control.buffer = self.arena.slot_ptr(slot) as u64;
                control.length = u64::from(op.length);
                control.offset = i64::try_from(op.offset).ok()?;
                let index = usize::from(op.flags >> PRIORITY_SHIFT);
                if let Some(&priority) = self.priorities.get(index)
                    && priority > 0
                {
                    control.flags |= FLAG_PRIORITY;
                    control.priority = priority as i16;
                }
            }
            OpKind::Flush if self.flushes => control.opcode = FSYNC,
            OpKind::DataFlush if self.flushes => control.opcode = FDSYNC,
            _ => return None,
        }
        if let Some(ready) = &self.ready {
            control.flags |= FLAG_EVENTFD;
            control.event_fd = ready.as_raw_fd() as u32;
        }
        Some(control)
    }

    /// Does an operation by plain system calls, at once.
    #[cold]
    fn run_plain(&mut self, index: u32) {
        let Pending { op, tag, .. } = self.pending[index as usize];
        let submitted_ns = now_ns();
        let result = match self.files.get(usize::from(op.file)) {
            Some(file) => plain(file, &op),
            None => -libc::EBADF,
        };
        self.complete(index, tag, result, submitted_ns);
    }

    fn complete(&mut self, index: u32, tag: u32, result: i32, submitted_ns: u64) {
        self.done.push(Completion {
            tag,
            result,
            submitted_ns,
            completed_ns: now_ns(),
        });
        self.free.push(index);
    }

    /// The kernel refused the operation itself: it completes with that, or by a plain call.
    #[cold]
    fn refused(&mut self, index: u32, errno: i32) {
        let Pending { op, tag, .. } = self.pending[index as usize];
        let flush = matches!(op.kind, OpKind::Flush | OpKind::DataFlush);
        if flush && errno == libc::EINVAL {
            // Before Linux 4.18, or a file system without it.
            self.flushes = false;
            self.run_plain(index);
        } else {
            self.complete(index, tag, -errno, now_ns());
        }
    }

    /// Moves completions to `out`, which has room for `room` more.
    #[inline]
    fn take(&mut self, room: usize, out: &mut Vec<Completion>) -> usize {
        let before = out.len();
        let (pending, free) = (&self.pending, &mut self.free);
        let armed_ns = &mut self.armed_ns;
        let mut completed_ns = 0;
        self.context.take(room, |event| {
            if completed_ns == 0 {
                completed_ns = now_ns();
            }
            deliver(event, pending, free, armed_ns, completed_ns, out);
        });
        let count = out.len() - before;
        self.in_kernel -= count as u32;
        count
    }

    /// One call that waits for a completion; a signal or the timer ends it early.
    #[inline]
    fn wait(
        &mut self,
        timeout: Option<&libc::timespec>,
        room: usize,
        out: &mut Vec<Completion>,
    ) -> Result<usize, EngineError> {
        let before = out.len();
        let (pending, free) = (&self.pending, &mut self.free);
        let armed_ns = &mut self.armed_ns;
        let mut completed_ns = 0;
        let waited = self.context.wait(room, 1, timeout, |event| {
            if completed_ns == 0 {
                completed_ns = now_ns();
            }
            deliver(event, pending, free, armed_ns, completed_ns, out);
        });
        match waited {
            Ok(_) | Err(libc::EINTR) => {}
            Err(errno) => {
                return Err(EngineError::System {
                    call: "io_getevents".to_owned(),
                    source: io::Error::from_raw_os_error(errno),
                });
            }
        }
        let count = out.len() - before;
        self.in_kernel -= count as u32;
        Ok(count)
    }

    /// Waits once, not beyond the deadline; `None` when the time is over.
    #[inline]
    fn wait_until(
        &mut self,
        deadline_ns: u64,
        room: usize,
        out: &mut Vec<Completion>,
    ) -> Result<Option<usize>, EngineError> {
        // While the armed timer fires early enough, the clock need not even be read.
        if self.armed_ns.is_none_or(|armed| armed > deadline_ns) {
            let now = now_ns();
            if now >= deadline_ns {
                return Ok(None);
            }
            let left = deadline_ns - now;
            if left < FAR_NS || self.armed_ns.is_some() || !self.arm(left) {
                return self.wait(Some(&time(left)), room, out).map(Some);
            }
            self.armed_ns = Some(deadline_ns);
        }
        self.wait(None, room, out).map(Some)
    }

    /// Lets the context complete the timer's own operation in `left_ns`; `false` when it cannot.
    #[cold]
    fn arm(&mut self, left_ns: u64) -> bool {
        let Some(timer) = &self.timer else {
            return false;
        };
        let setting = libc::itimerspec {
            it_interval: time(0),
            it_value: time(left_ns),
        };
        // SAFETY: the descriptor is open and the setting outlives the call.
        let set = unsafe {
            libc::timerfd_settime(
                timer.as_raw_fd(),
                0,
                &raw const setting,
                std::ptr::null_mut(),
            )
        } == 0;
        let place = self.controls.len() - 1;
        self.controls[place] = Control {
            data: TIMER_TAG,
            opcode: POLL,
            fd: timer.as_raw_fd() as u32,
            buffer: libc::POLLIN as u64,
            ..Control::default()
        };
        // SAFETY: the control block lives as long as the engine and points to nothing.
        let armed = set
            && unsafe {
                self.context
                    .submit(&mut [&raw mut self.controls[place]])
                    .is_ok()
            };
        if !armed {
            self.timer = None;
        }
        armed
    }
}

/// One event of the context: an operation's completion, or the timer's.
#[inline]
fn deliver(
    event: &Event,
    pending: &[Pending],
    free: &mut Vec<u32>,
    armed_ns: &mut Option<u64>,
    completed_ns: u64,
    out: &mut Vec<Completion>,
) {
    if event.data == TIMER_TAG {
        *armed_ns = None;
        return;
    }
    let index = event.data as u32;
    let known = &pending[index as usize];
    out.push(Completion {
        tag: known.tag,
        result: event.result as i32,
        submitted_ns: known.submitted_ns,
        completed_ns,
    });
    free.push(index);
}

impl Engine for Libaio {
    #[inline]
    fn queue(&mut self, op: &Op, slot: u32, tag: u32) -> bool {
        let Some(index) = self.free.pop() else {
            return false;
        };
        let pending = &mut self.pending[index as usize];
        *pending = Pending {
            op: *op,
            tag,
            submitted_ns: 0,
        };
        // A control block without an operation is none of the kernel's: see `commit`.
        self.controls[index as usize] = self.control(index, op, slot).unwrap_or(Control {
            data: TIMER_TAG,
            ..Control::default()
        });
        self.fresh.push(index);
        true
    }

    fn commit(&mut self) -> Result<u32, EngineError> {
        let count = self.fresh.len() as u32;
        self.batch.clear();
        for place in 0..self.fresh.len() {
            let index = self.fresh[place];
            let control = &raw mut self.controls[index as usize];
            if self.controls[index as usize].data == TIMER_TAG {
                self.run_plain(index);
            } else {
                self.batch.push(control);
            }
        }
        self.fresh.clear();
        let (mut sent, mut tries) = (0, 0);
        while sent < self.batch.len() {
            let end = sent.saturating_add(self.at_once).min(self.batch.len());
            // SAFETY: control blocks live as long as the engine; buffers are slots of the arena, lent
            // until completion; see `drop` for the rest.
            let taken = unsafe { self.context.submit(&mut self.batch[sent..end]) };
            match taken {
                Ok(taken) if taken > 0 => {
                    let now = now_ns();
                    for &control in &self.batch[sent..sent + taken] {
                        // SAFETY: the pointer was made above from a vector that has not moved since.
                        let index = unsafe { (*control).data };
                        self.pending[index as usize].submitted_ns = now;
                    }
                    self.in_kernel += taken as u32;
                    sent += taken;
                }
                Err(libc::EINTR) => {}
                Ok(_) | Err(libc::EAGAIN) if tries < BUSY_TRIES => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(_) => return Err(busy()),
                Err(errno) => {
                    // SAFETY: as above.
                    let index = unsafe { (*self.batch[sent]).data } as u32;
                    self.refused(index, errno);
                    sent += 1;
                }
            }
        }
        Ok(count)
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
            Wait::No => {}
            Wait::Forever => {
                while count == 0 && self.in_kernel > 0 {
                    count = self.wait(None, room, out)?;
                }
            }
            Wait::Until(deadline_ns) => {
                while count == 0 {
                    match self.wait_until(deadline_ns, room, out)? {
                        Some(some) => count = some,
                        None => return Ok(0),
                    }
                }
            }
        }
        Ok(count)
    }

    fn ready_fd(&self) -> Option<RawFd> {
        self.ready.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Lets the descriptor tell of what comes from now on, and of what is there already.
    fn arm_ready(&mut self) -> Result<(), EngineError> {
        let Some(ready) = &self.ready else {
            return Ok(());
        };
        let fd = ready.as_raw_fd();
        let mut count = 0_u64;
        // SAFETY: the kernel writes 8 bytes through the pointer; nothing to read is no error.
        unsafe { libc::read(fd, (&raw mut count).cast(), size_of::<u64>()) };
        // Where the ring cannot be looked into, one turn too many is the price.
        if self.context.shows_some() || !self.done.is_empty() || self.context.is_hidden() {
            count = 1;
            // SAFETY: the kernel reads 8 bytes through the pointer.
            if unsafe { libc::write(fd, (&raw const count).cast(), size_of::<u64>()) } < 0 {
                return Err(EngineError::System {
                    call: "write to an eventfd".to_owned(),
                    source: io::Error::from_raw_os_error(-last_errno()),
                });
            }
        }
        Ok(())
    }

    fn files(&self) -> &[OpenFile] {
        &self.files
    }

    fn replace_files(&mut self, files: Vec<OpenFile>) -> Result<(), EngineError> {
        self.files = files;
        Ok(())
    }

    fn set_priorities(&mut self, priorities: &[u16]) -> Result<(), EngineError> {
        self.priorities = priorities.into();
        Ok(())
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

fn busy() -> EngineError {
    EngineError::System {
        call: "io_submit".to_owned(),
        source: io::Error::from_raw_os_error(libc::EAGAIN),
    }
}

impl Drop for Libaio {
    fn drop(&mut self) {
        let deadline_ns = now_ns() + DRAIN_NS;
        let mut out = Vec::with_capacity(self.pending.len());
        while self.in_kernel > 0 && now_ns() < deadline_ns {
            out.clear();
            if self.reap(Wait::Until(deadline_ns), &mut out).is_err() {
                break;
            }
        }
        if self.in_kernel > 0 {
            // The kernel still owns buffers of operations that never completed: keep the memory, and
            // leave the context to the process's end, since giving it back would wait for them.
            std::mem::forget(Arc::clone(&self.arena));
        } else {
            self.context.destroy();
        }
    }
}
