//! `io_submit_mode=offload`: a pool of threads, each with an engine of its own and one operation at a
//! time. Whoever hands operations over never waits for a submission that blocks.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use osdyno_core::op::Op;

use super::file::{OpenFile, OpenMode};
use super::io_uring::Waiter;
use super::open::{Driver, Opening, open_engine, open_files};
use super::{Completion, Engine, EngineError, Wait};
use crate::arena::Arena;
use crate::clock::now_ns;
use crate::cpu::{Usage, thread_usage};
use crate::spec::EngineSpec;

/// Threads of a pool at most.
const MOST: u32 = 1024;

/// What the pool shares.
#[derive(Debug)]
struct Shared {
    inbox: Mutex<Inbox>,
    work: Condvar,
    outbox: Mutex<Vec<Completion>>,
    news: Condvar,
    /// What each thread has used so far.
    used: Box<[Mutex<Usage>]>,
}

#[derive(Debug, Default)]
struct Inbox {
    waiting: VecDeque<(Op, u32, u32)>,
    closed: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See the module.
#[derive(Debug)]
pub struct Offload {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    queued: Vec<(Op, u32, u32)>,
    /// Handed over and not reaped.
    outstanding: usize,
    depth: usize,
    notes: Vec<String>,
}

/// What each thread opens.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// The engine.
    pub engine: EngineSpec,
    /// Its files.
    pub paths: Vec<String>,
    /// How they are opened.
    pub mode: OpenMode,
}

/// Boxes whatever engine is opened.
struct Boxer;

impl Driver for Boxer {
    type Output = Box<dyn Engine>;

    fn drive<E: Engine + 'static>(self, engine: E) -> Self::Output {
        Box::new(engine)
    }
}

impl Pooled {
    fn open(&self, arena: &Arc<Arena>) -> Result<Box<dyn Engine>, EngineError> {
        let paths: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        // The cache was dropped before the pool began.
        let mode = OpenMode {
            invalidate: false,
            create: false,
            ..self.mode
        };
        let files: Vec<OpenFile> = open_files(&self.engine, &paths, mode)?;
        let opening = Opening {
            arena: Arc::clone(arena),
            depth: 1,
            waiter: Waiter::Thread,
            mode,
        };
        open_engine(&self.engine, files, opening, Boxer)
    }
}

impl Offload {
    /// A pool of `depth` threads over the slots of `arena`. They run where the calling thread does, with
    /// its priorities.
    ///
    /// # Errors
    /// A thread does not start, or its engine does not open.
    pub fn new(pooled: &Pooled, arena: &Arc<Arena>, depth: u32) -> Result<Self, EngineError> {
        let one_device = matches!(
            pooled.engine,
            EngineSpec::Memory { .. } | EngineSpec::Synthetic { .. }
        );
        if one_device || depth > MOST {
            let why = if one_device {
                "io_submit_mode=offload gives each thread a device of its own: it needs files"
                    .into()
            } else {
                format!("io_submit_mode=offload with iodepth={depth}: at most {MOST} threads")
            };
            return Err(EngineError::Unsupported(why));
        }
        let shared = Arc::new(Shared {
            inbox: Mutex::default(),
            work: Condvar::new(),
            outbox: Mutex::new(Vec::with_capacity(depth as usize)),
            news: Condvar::new(),
            used: (0..depth).map(|_| Mutex::default()).collect(),
        });
        let (ready, readiness) = channel();
        let mut pool = Self {
            shared,
            threads: Vec::with_capacity(depth as usize),
            queued: Vec::with_capacity(depth as usize),
            outstanding: 0,
            depth: depth as usize,
            notes: vec![format!("operations are sent by {depth} threads")],
        };
        for index in 0..depth as usize {
            let (shared, arena) = (Arc::clone(&pool.shared), Arc::clone(arena));
            let (pooled, ready) = (pooled.clone(), ready.clone());
            let thread = std::thread::Builder::new()
                .name(format!("offload-{index}"))
                .spawn(move || work(&shared, &pooled, &arena, index, &ready))
                .map_err(|source| EngineError::System {
                    call: "start a thread".to_owned(),
                    source,
                })?;
            pool.threads.push(thread);
        }
        drop(ready);
        let opened: Result<Vec<()>, EngineError> = readiness.iter().take(depth as usize).collect();
        opened.map(|_| pool)
    }
}

/// A thread of the pool.
fn work(
    shared: &Shared,
    pooled: &Pooled,
    arena: &Arc<Arena>,
    index: usize,
    ready: &Sender<Result<(), EngineError>>,
) {
    let mut engine = match pooled.open(arena) {
        Ok(engine) => engine,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    let mut out = Vec::with_capacity(1);
    loop {
        let mut inbox = locked(&shared.inbox);
        let (op, slot, tag) = loop {
            if let Some(next) = inbox.waiting.pop_front() {
                break next;
            }
            if inbox.closed {
                return;
            }
            inbox = shared
                .work
                .wait(inbox)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(inbox);
        let completion = execute(engine.as_mut(), &op, slot, tag, &mut out);
        *locked(&shared.used[index]) = thread_usage();
        locked(&shared.outbox).push(completion);
        shared.news.notify_one();
    }
}

fn execute(
    engine: &mut dyn Engine,
    op: &Op,
    slot: u32,
    tag: u32,
    out: &mut Vec<Completion>,
) -> Completion {
    let began_ns = now_ns();
    out.clear();
    let taken = engine.queue(op, slot, tag);
    let outcome = engine
        .commit()
        .and_then(|_| engine.reap(Wait::Forever, out));
    if let Some(&completion) = out.first() {
        return completion;
    }
    let errno = match outcome {
        Err(EngineError::System { source, .. }) => source.raw_os_error().unwrap_or(libc::EIO),
        _ if !taken => libc::EBUSY,
        _ => libc::EIO,
    };
    Completion {
        tag,
        result: -errno,
        submitted_ns: began_ns,
        completed_ns: now_ns(),
    }
}

impl Engine for Offload {
    fn queue(&mut self, op: &Op, slot: u32, tag: u32) -> bool {
        if self.queued.len() + self.outstanding >= self.depth {
            return false;
        }
        self.queued.push((*op, slot, tag));
        true
    }

    fn commit(&mut self) -> Result<u32, EngineError> {
        let count = self.queued.len();
        if count > 0 {
            locked(&self.shared.inbox)
                .waiting
                .extend(self.queued.drain(..));
            for _ in 0..count {
                self.shared.work.notify_one();
            }
            self.outstanding += count;
        }
        Ok(count as u32)
    }

    fn reap(&mut self, wait: Wait, out: &mut Vec<Completion>) -> Result<usize, EngineError> {
        let mut outbox = locked(&self.shared.outbox);
        while outbox.is_empty() && self.outstanding > 0 {
            let left = match wait {
                Wait::No => break,
                Wait::Until(deadline_ns) => match deadline_ns.checked_sub(now_ns()) {
                    None | Some(0) => break,
                    Some(left_ns) => Duration::from_nanos(left_ns),
                },
                Wait::Forever => Duration::from_secs(1),
            };
            let waited = self.shared.news.wait_timeout(outbox, left);
            outbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let room = out.capacity() - out.len();
        let count = outbox.len().min(room);
        out.extend(outbox.drain(..count));
        self.outstanding -= count;
        Ok(count)
    }

    fn ready_fd(&self) -> Option<RawFd> {
        None
    }

    fn helper_usage(&self) -> Usage {
        let used = self.shared.used.iter().map(|used| *locked(used));
        used.fold(Usage::default(), |sum, used| sum.plus(&used))
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Drop for Offload {
    fn drop(&mut self) {
        locked(&self.shared.inbox).closed = true;
        self.shared.work.notify_all();
        if self.outstanding == 0 {
            for thread in self.threads.drain(..) {
                let _ = thread.join();
            }
        }
        // Else a thread hangs in its device: it keeps its buffers, and ends by itself if that ever does.
    }
}

#[cfg(test)]
mod tests {
    use osdyno_core::op::OpKind;

    use super::*;
    use crate::spec::SyncMode;

    fn pooled(engine: EngineSpec, paths: Vec<String>) -> Pooled {
        let mode = OpenMode {
            write: true,
            direct: false,
            sync: SyncMode::None,
            invalidate: false,
            create: false,
            access: None,
        };
        Pooled {
            engine,
            paths,
            mode,
        }
    }

    fn op(kind: OpKind, block: u64) -> Op {
        Op {
            kind,
            flags: 0,
            file: 0,
            length: 4096,
            offset: block * 4096,
            intended_ns: 0,
            sequence: 0,
            generation: 0,
        }
    }

    fn all(pool: &mut Offload, count: usize) -> Vec<Completion> {
        let mut done = Vec::new();
        while done.len() < count {
            let mut out = Vec::with_capacity(3);
            assert!(pool.reap(Wait::Forever, &mut out).unwrap() <= 3);
            done.append(&mut out);
        }
        done.sort_by_key(|completion| completion.tag);
        done
    }

    #[test]
    fn a_pool_of_synchronous_threads_does_a_batch() {
        let path = std::env::temp_dir().join(format!("osdyno-offload-{}", std::process::id()));
        std::fs::write(&path, vec![0_u8; 8 * 4096]).unwrap();
        let arena = Arc::new(Arena::new(8, 4096).unwrap());
        for engine in [EngineSpec::Psync, EngineSpec::Sync] {
            let paths = vec![path.to_str().unwrap().to_owned()];
            let mut pool = Offload::new(&pooled(engine, paths), &arena, 8).unwrap();
            for round in 0..20_u8 {
                for slot in 0..8_u32 {
                    // SAFETY: nothing is in flight in this slot.
                    unsafe { arena.slot(slot, 4096) }.fill(slot as u8 + round);
                    assert!(pool.queue(&op(OpKind::Write, u64::from(slot)), slot, slot));
                }
                assert!(!pool.queue(&op(OpKind::Read, 0), 0, 8));
                assert_eq!(pool.commit().unwrap(), 8);
                for (tag, completion) in all(&mut pool, 8).iter().enumerate() {
                    assert_eq!((completion.tag, completion.result), (tag as u32, 4096));
                    assert!(completion.submitted_ns <= completion.completed_ns);
                }
                let written = std::fs::read(&path).unwrap();
                for (block, bytes) in written.chunks(4096).enumerate() {
                    assert!(bytes.iter().all(|&byte| byte == block as u8 + round));
                }
            }
            let used = pool.helper_usage();
            assert!(used.voluntary_switches + used.involuntary_switches > 0);
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn waits_end_in_time_and_errors_are_results() {
        let arena = Arc::new(Arena::new(2, 4096).unwrap());
        let mut pool = Offload::new(&pooled(EngineSpec::Psync, Vec::new()), &arena, 2).unwrap();
        let mut out = Vec::with_capacity(2);
        let until = Wait::Until(now_ns() + 1_000_000);
        assert_eq!(pool.reap(until, &mut out).unwrap(), 0);
        pool.queue(&op(OpKind::Read, 0), 0, 7);
        pool.commit().unwrap();
        let done = all(&mut pool, 1);
        assert_eq!((done[0].tag, done[0].result), (7, -libc::EINVAL));
    }

    #[test]
    fn what_cannot_be_pooled_is_refused() {
        let arena = Arc::new(Arena::new(1, 4096).unwrap());
        let nowhere = vec!["/nowhere/at/all".to_owned()];
        for (engine, paths, depth) in [
            (EngineSpec::Psync, nowhere, 1),
            (EngineSpec::Memory { size: 4096 }, Vec::new(), 1),
            (EngineSpec::Psync, Vec::new(), MOST + 1),
        ] {
            assert!(Offload::new(&pooled(engine, paths), &arena, depth).is_err());
        }
    }
}
