//! The thread that writes commits: whatever is queued while one write is flushed goes into the
//! next, so commits share flushes without waiting for each other on purpose. They are through when
//! they are durable, while this thread still puts them into the memtables.

use std::cell::Cell;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::database::{Database, WriteBatch};
use crate::batch::records;
use crate::bluefs::premises::{ENTRY_BYTES, stand_on};
use crate::error::{KvError, Result};

/// Bytes of one write at most, unless a single commit is larger.
const WRITE_BYTES: usize = 4 << 20;

/// What was done.
#[derive(Debug, Default)]
pub struct CommitCounters {
    /// Commits.
    pub commits: AtomicU64,
    /// Writes with a flush each.
    pub writes: AtomicU64,
    /// Bytes of the commits.
    pub bytes: AtomicU64,
    /// Nanoseconds from the begin of writes until they were durable.
    pub write_ns: AtomicU64,
}

enum Job {
    Commit(Vec<u8>),
    /// One that stands on premises; written alone.
    Premised(Vec<u8>, Vec<u8>),
    /// To give back space of what was removed; so many bytes may be written before any is given back.
    Tidy(u64),
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    submitted: u64,
    closing: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Commits that are through, in the order of submission.
    done: AtomicU64,
    /// Someone waits on the descriptor.
    parked: AtomicBool,
    ready: OwnedFd,
    failed: AtomicBool,
    failures: Mutex<Vec<(u64, i32)>>,
    /// A write failed with this errno: what follows may build on it and fails too, until `recover`.
    broken: AtomicI32,
    counters: CommitCounters,
}

/// Commits to a database from a thread of their own.
pub struct Committer {
    takes_premises: bool,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Committer {
    /// Starts the thread. `read_only`: every commit fails.
    pub fn start(db: Arc<Database>, read_only: bool) -> Result<Self> {
        // SAFETY: a plain call; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(KvError::device("eventfd", std::io::Error::last_os_error()));
        }
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            done: AtomicU64::new(0),
            parked: AtomicBool::new(false),
            // SAFETY: the descriptor is fresh and nobody else's.
            ready: unsafe { OwnedFd::from_raw_fd(fd) },
            failed: AtomicBool::new(false),
            failures: Mutex::default(),
            broken: AtomicI32::new(0),
            counters: CommitCounters::default(),
        });
        let takes_premises = db.fs().takes_premises();
        let worker = shared.clone();
        let thread = std::thread::Builder::new()
            .name("kv_sync".to_owned())
            .spawn(move || work(&worker, &db, read_only))
            .map_err(|error| KvError::device("start a thread", error))?;
        Ok(Self {
            takes_premises,
            shared,
            thread: Some(thread),
        })
    }

    /// Queues an encoded batch; returns its number, from 1. Batches become durable in this order.
    #[expect(
        clippy::must_use_candidate,
        reason = "who counts commits knows the number"
    )]
    pub fn submit(&self, bytes: Vec<u8>) -> u64 {
        self.push(Job::Commit(bytes))
    }

    /// As `submit`, of a batch that stands on what was written to the DB device, not flushed yet:
    /// `premises` are entries of `bluefs::premises`, and one flush makes all of it durable. The writes
    /// MUST have ended. It is written alone; others wait behind it.
    ///
    /// # Errors
    /// `Invalid` when that are no whole entries, or write-ahead logs are on a device of their own.
    pub fn submit_premised(&self, bytes: Vec<u8>, premises: Vec<u8>) -> Result<u64> {
        if !self.takes_premises || !premises.len().is_multiple_of(ENTRY_BYTES) {
            let why = if self.takes_premises {
                format!("{} bytes are no premises", premises.len())
            } else {
                "a commit stands on premises only where the log is on the device of the data"
                    .to_owned()
            };
            return Err(KvError::Invalid(why));
        }
        if premises.is_empty() {
            return Ok(self.submit(bytes));
        }
        Ok(self.push(Job::Premised(bytes, premises)))
    }

    /// Queues that space of what was removed is given back, if that can be done;
    /// `free_bytes` may be written before any is given back. It is counted as a commit, and does not fail.
    #[expect(
        clippy::must_use_candidate,
        reason = "who counts commits knows the number"
    )]
    pub fn tidy(&self, free_bytes: u64) -> u64 {
        self.push(Job::Tidy(free_bytes))
    }

    fn push(&self, job: Job) -> u64 {
        let mut queue = self.shared.queue();
        queue.waiting.push_back(job);
        queue.submitted += 1;
        let number = queue.submitted;
        drop(queue);
        self.shared.wake.notify_one();
        number
    }

    /// How many commits are through, well or badly.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.shared.done.load(Ordering::SeqCst)
    }

    /// `take_failures` would bring some.
    #[must_use]
    pub fn has_failures(&self) -> bool {
        self.shared.failed.load(Ordering::SeqCst)
    }

    /// Numbers and errnos of commits that failed, since the last call.
    #[must_use]
    pub fn take_failures(&self) -> Vec<(u64, i32)> {
        if !self.shared.failed.swap(false, Ordering::SeqCst) {
            return Vec::new();
        }
        let mut failures = self
            .shared
            .failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *failures)
    }

    /// Whoever submits knows by now which commits failed: later ones are tried again.
    pub fn recover(&self) {
        self.shared.broken.store(0, Ordering::SeqCst);
    }

    /// Readable when something is done after `park`.
    #[must_use]
    pub fn ready_fd(&self) -> RawFd {
        self.shared.ready.as_raw_fd()
    }

    /// Asks for the descriptor to become readable once more than `seen` commits are through. False:
    /// they are already.
    #[must_use]
    pub fn park(&self, seen: u64) -> bool {
        self.shared.parked.store(true, Ordering::SeqCst);
        self.done() == seen
    }

    /// Makes the descriptor unreadable again.
    pub fn unpark(&self) {
        self.shared.parked.store(false, Ordering::SeqCst);
        let mut count = 0_u64;
        // SAFETY: the descriptor is open, and the kernel writes eight bytes.
        unsafe { libc::read(self.ready_fd(), (&raw mut count).cast(), 8) };
    }

    /// What was done.
    #[must_use]
    pub fn counters(&self) -> &CommitCounters {
        &self.shared.counters
    }

    /// Waits for what is queued, and ends.
    pub fn stop(&mut self) {
        self.shared.queue().closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread shows as commits that never complete; there is nobody to tell
            // here.
            drop(thread.join());
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn work(shared: &Arc<Shared>, db: &Database, read_only: bool) {
    let mut batch = WriteBatch::new();
    let mut spare = VecDeque::new();
    loop {
        {
            let mut queue = shared.queue();
            while queue.waiting.is_empty() && !queue.closing {
                queue = shared
                    .wake
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if queue.waiting.is_empty() {
                return;
            }
            std::mem::swap(&mut queue.waiting, &mut spare);
        }
        while !spare.is_empty() {
            if let Some(&Job::Tidy(free_bytes)) = spare.front() {
                spare.pop_front();
                if !read_only {
                    // Without space for it, all stays as it is.
                    drop(db.tidy(free_bytes));
                }
                finish(shared, 1, Vec::new());
                continue;
            }
            let (group, premises) = next_group(&mut spare);
            let broken = shared.broken.load(Ordering::SeqCst);
            if read_only {
                fail(shared, &group, libc::EROFS);
            } else if broken == 0 {
                stand_on(&premises, || write(shared, db, &mut batch, &group));
            } else {
                fail(shared, &group, broken);
            }
        }
    }
}

/// Commits for one write, and what it stands on.
fn next_group(waiting: &mut VecDeque<Job>) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut group = Vec::new();
    let mut bytes = 0;
    if let Some(Job::Premised(commit, premises)) = waiting.front_mut() {
        group.push(std::mem::take(commit));
        let premises = std::mem::take(premises);
        waiting.pop_front();
        return (group, premises);
    }
    while let Some(Job::Commit(next)) = waiting.front_mut() {
        bytes += next.len();
        if bytes > WRITE_BYTES && !group.is_empty() {
            break;
        }
        group.push(std::mem::take(next));
        waiting.pop_front();
    }
    (group, Vec::new())
}

/// A group that is being written.
struct Write {
    shared: Arc<Shared>,
    commits: u64,
    bytes: u64,
    /// Numbers of batches that make no sense, and EINVAL for each.
    senseless: Vec<(u64, i32)>,
    started: Instant,
}

impl Write {
    /// It is durable.
    fn durable(self) {
        let counters = &self.shared.counters;
        counters.writes.fetch_add(1, Ordering::Relaxed);
        counters.bytes.fetch_add(self.bytes, Ordering::Relaxed);
        let spent = self.started.elapsed().as_nanos() as u64;
        counters.write_ns.fetch_add(spent, Ordering::Relaxed);
        finish(&self.shared, self.commits, self.senseless);
    }
}

/// Writes a group, and tells of it as soon as it is durable. An error is that of all; one that comes
/// later is that of what follows.
fn write(shared: &Arc<Shared>, db: &Database, batch: &mut WriteBatch, group: &[Vec<u8>]) {
    let started = Instant::now();
    let filled = fill(db, batch, group, shared.done.load(Ordering::SeqCst) + 1);
    let senseless = match filled {
        Ok(senseless) => senseless,
        Err(error) => return broken(shared, group, error.errno()),
    };
    let write = Rc::new(Cell::new(Some(Write {
        shared: shared.clone(),
        commits: group.len() as u64,
        bytes: group.iter().map(|commit| commit.len() as u64).sum(),
        senseless,
        started,
    })));
    let told = write.clone();
    let tell = move || {
        if let Some(write) = told.take() {
            write.durable();
        }
    };
    let result = db.write_durably(batch, tell);
    match (result, write.take()) {
        (Ok(()), None) => {}
        (Ok(()), Some(write)) => write.durable(),
        (Err(error), None) => shared.broken.store(error.errno(), Ordering::SeqCst),
        (Err(error), Some(_)) => broken(shared, group, error.errno()),
    }
}

/// Puts commits into a batch; those that make no sense are the result.
fn fill(
    db: &Database,
    batch: &mut WriteBatch,
    group: &[Vec<u8>],
    first: u64,
) -> Result<Vec<(u64, i32)>> {
    batch.clear();
    let mut senseless = Vec::new();
    for (number, commit) in (first..).zip(group) {
        if records(commit).all(|record| record.is_ok()) {
            db.add(batch, commit)?;
        } else {
            senseless.push((number, libc::EINVAL));
        }
    }
    Ok(senseless)
}

/// A group failed, and so will what follows.
fn broken(shared: &Shared, group: &[Vec<u8>], errno: i32) {
    shared.broken.store(errno, Ordering::SeqCst);
    fail(shared, group, errno);
}

fn fail(shared: &Shared, group: &[Vec<u8>], errno: i32) {
    let first = shared.done.load(Ordering::SeqCst) + 1;
    let numbers = (first..).take(group.len());
    finish(
        shared,
        group.len() as u64,
        numbers.map(|number| (number, errno)).collect(),
    );
}

fn finish(shared: &Shared, count: u64, failures: Vec<(u64, i32)>) {
    if !failures.is_empty() {
        let mut list = shared
            .failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        list.extend(failures);
        shared.failed.store(true, Ordering::SeqCst);
    }
    shared.counters.commits.fetch_add(count, Ordering::Relaxed);
    shared.done.fetch_add(count, Ordering::SeqCst);
    if shared.parked.swap(false, Ordering::SeqCst) {
        let one = 1_u64;
        // SAFETY: the descriptor is open, and eight bytes are read. It cannot be full.
        unsafe { libc::write(shared.ready.as_raw_fd(), (&raw const one).cast(), 8) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_stands_on_premises_is_written_alone() {
        let plain = |byte: u8| Job::Commit(vec![byte]);
        let mut waiting = VecDeque::from([
            plain(1),
            plain(2),
            Job::Premised(vec![3], vec![9]),
            Job::Premised(vec![4], vec![8]),
            plain(5),
            Job::Tidy(0),
            plain(6),
        ]);
        assert_eq!(next_group(&mut waiting), (vec![vec![1], vec![2]], vec![]));
        assert_eq!(next_group(&mut waiting), (vec![vec![3]], vec![9]));
        assert_eq!(next_group(&mut waiting), (vec![vec![4]], vec![8]));
        assert_eq!(next_group(&mut waiting), (vec![vec![5]], vec![]));
        assert!(matches!(waiting.pop_front(), Some(Job::Tidy(0))));
        assert_eq!(next_group(&mut waiting), (vec![vec![6]], vec![]));
        assert!(waiting.is_empty());
    }
}
