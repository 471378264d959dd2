//! The moment at which a write is durable: when its write-ahead log was synced. RocksDB tells of a
//! write only once it is in the memtables too, which for a dozen records takes as long again as
//! writing and flushing them. Whoever waits for durability goes on meanwhile; whoever reads waits
//! for the memtables, see `Applied`.
//!
//! RocksDB appends a write to the newest log, then syncs those that are not yet, the newest last, all
//! on the thread that writes: so the sync that succeeds of the log that this thread appended to last
//! makes the write durable. That the log's file exists the sync makes durable too.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

thread_local! {
    static TOLD: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    static NEWEST: Cell<*const c_void> = const { Cell::new(std::ptr::null()) };
}

/// Calls `told` within `write`, a write with a sync on this thread, as soon as that is durable. Not
/// called: nothing is known of it before `write` returns.
pub fn watch<R>(told: Box<dyn FnOnce()>, write: impl FnOnce() -> R) -> R {
    struct Unwatch;
    impl Drop for Unwatch {
        fn drop(&mut self) {
            TOLD.with_borrow_mut(|told| drop(told.take()));
        }
    }
    NEWEST.set(std::ptr::null());
    TOLD.with_borrow_mut(|place| *place = Some(told));
    let _end = Unwatch;
    write()
}

/// This thread appended to a write-ahead log.
pub fn appended(log: *const c_void) {
    NEWEST.set(log);
}

/// This thread made all of a write-ahead log durable.
pub fn synced(log: *const c_void) {
    if NEWEST.get() == log
        && let Some(told) = TOLD.with_borrow_mut(Option::take)
    {
        told();
    }
}

/// Whether a write that was told of is in the memtables.
#[derive(Debug, Default)]
pub struct Applied {
    state: Mutex<State>,
    over: Condvar,
}

#[derive(Debug, Default)]
struct State {
    under_way: bool,
    waiting: u32,
}

impl Applied {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write is told of that is not in the memtables yet.
    pub fn begin(&self) {
        self.state().under_way = true;
    }

    /// It is there, or never will be.
    pub fn end(&self) {
        let mut state = self.state();
        state.under_way = false;
        if state.waiting > 0 {
            self.over.notify_all();
        }
    }

    /// Returns when whatever was told of can be read.
    pub fn wait(&self) {
        let mut state = self.state();
        while state.under_way {
            state.waiting += 1;
            state = self
                .over
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn watched(calls: impl FnOnce(&[*const c_void; 2])) -> bool {
        let told = Rc::new(Cell::new(false));
        let tell = told.clone();
        let logs = [16, 32].map(std::ptr::without_provenance);
        watch(Box::new(move || tell.set(true)), || calls(&logs));
        told.get()
    }

    #[test]
    fn tells_at_the_sync_of_the_log_that_was_written() {
        assert!(watched(|[_, new]| {
            appended(*new);
            synced(*new);
        }));
        // A log before it that was not synced yet.
        assert!(!watched(|[old, new]| {
            appended(*new);
            synced(*old);
        }));
        assert!(watched(|[old, new]| {
            appended(*old);
            appended(*new);
            synced(*old);
            synced(*new);
        }));
        // Another write's.
        assert!(!watched(|[_, new]| synced(*new)));
        appended(std::ptr::without_provenance(16));
        assert!(!watched(|[old, _]| synced(*old)));
        // Of nobody's write.
        synced(std::ptr::without_provenance(16));
    }

    #[test]
    fn readers_wait_for_what_was_told_of() {
        let applied = Arc::new(Applied::default());
        applied.wait();
        applied.begin();
        let there = Arc::new(AtomicBool::new(false));
        let (reader, seen) = (applied.clone(), there.clone());
        let thread = std::thread::spawn(move || {
            reader.wait();
            seen.load(Ordering::SeqCst)
        });
        while applied.state().waiting == 0 {
            std::thread::yield_now();
        }
        there.store(true, Ordering::SeqCst);
        applied.end();
        assert!(thread.join().unwrap());
    }
}
