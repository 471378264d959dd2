//! `lockfile`: jobs of a run that share a file take turns with its operations. The lock is held from
//! sending to completion; who waits is served in the order of asking, so that a quick job does not
//! starve the others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use osdyno_core::op::OpKind;

use crate::control::LockMode;
use crate::spec::JobSpec;

/// One file's lock.
#[derive(Debug, Default)]
pub struct FileLock {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    readers: u32,
    writer: bool,
    /// Jobs that wait, the first one first.
    waiting: VecDeque<usize>,
}

fn locked(lock: &FileLock) -> MutexGuard<'_, State> {
    lock.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A job's locks, one per file of it.
#[derive(Debug)]
pub struct FileLocks {
    job: usize,
    mode: LockMode,
    locks: Box<[Arc<FileLock>]>,
}

/// The locks of the jobs of a run that have `lockfile`; files are the same if their paths are.
#[must_use]
pub fn locks_of(jobs: &[JobSpec]) -> Vec<Option<FileLocks>> {
    let mut by_path = BTreeMap::<&str, Arc<FileLock>>::new();
    let mut all = Vec::with_capacity(jobs.len());
    for (job, spec) in jobs.iter().enumerate() {
        let mode = spec.control.lock_file;
        let locks = spec
            .files
            .iter()
            .map(|file| Arc::clone(by_path.entry(file.path.as_str()).or_default()));
        all.push((mode != LockMode::None).then(|| FileLocks {
            job,
            mode,
            locks: locks.collect(),
        }));
    }
    all
}

impl FileLocks {
    fn shares(&self, kind: OpKind) -> bool {
        self.mode == LockMode::Readwrite && kind == OpKind::Read
    }

    /// Takes the lock for an operation; `false`: not now, and the job stands in line.
    #[must_use]
    pub fn take(&self, file: usize, kind: OpKind) -> bool {
        let Some(lock) = self.locks.get(file) else {
            return true;
        };
        let mut state = locked(lock);
        let first = state.waiting.front().is_none_or(|job| *job == self.job);
        let free = if self.shares(kind) {
            !state.writer
        } else {
            !state.writer && state.readers == 0
        };
        if !first || !free {
            if !state.waiting.contains(&self.job) {
                state.waiting.push_back(self.job);
            }
            return false;
        }
        state.waiting.pop_front();
        if self.shares(kind) {
            state.readers += 1;
        } else {
            state.writer = true;
        }
        true
    }

    /// Gives back what `take` took for an operation of this kind.
    pub fn give(&self, file: usize, kind: OpKind) {
        if let Some(lock) = self.locks.get(file) {
            let mut state = locked(lock);
            if self.shares(kind) {
                state.readers = state.readers.saturating_sub(1);
            } else {
                state.writer = false;
            }
        }
    }

    /// The job stands in no line any more.
    pub fn leave(&self) {
        for lock in &self.locks {
            locked(lock).waiting.retain(|job| *job != self.job);
        }
    }
}

impl Drop for FileLocks {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(mode: LockMode) -> [FileLocks; 2] {
        let lock = Arc::new(FileLock::default());
        [0, 1].map(|job| FileLocks {
            job,
            mode,
            locks: [Arc::clone(&lock)].into(),
        })
    }

    #[test]
    fn readers_share_and_writers_do_not() {
        let [first, second] = two(LockMode::Readwrite);
        assert!(first.take(0, OpKind::Read));
        assert!(second.take(0, OpKind::Read));
        assert!(!first.take(0, OpKind::Write));
        first.give(0, OpKind::Read);
        // The writer came first.
        assert!(!second.take(0, OpKind::Read));
        second.give(0, OpKind::Read);
        assert!(first.take(0, OpKind::Write));
        assert!(!second.take(0, OpKind::Read));
        first.give(0, OpKind::Write);
        assert!(second.take(0, OpKind::Read));
    }

    #[test]
    fn an_exclusive_lock_goes_round() {
        let [first, second] = two(LockMode::Exclusive);
        assert!(first.take(0, OpKind::Read));
        assert!(!second.take(0, OpKind::Read));
        first.give(0, OpKind::Read);
        assert!(!first.take(0, OpKind::Read), "the other one waits longer");
        assert!(second.take(0, OpKind::Read));
        drop(first);
        second.give(0, OpKind::Read);
        assert!(second.take(0, OpKind::Write));
    }
}
