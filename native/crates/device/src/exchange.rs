//! Between a job and the collector: interval sets go over once per interval, counters stand by for
//! whoever looks. The job never waits here on the path of an I/O.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::Thread;

use osdyno_core::measure::IntervalSet;

use crate::io_log::LogPort;
use crate::outcome::{JobEnd, JobState};

/// An interval that ended. Times on the runner's clock.
#[derive(Debug)]
pub struct Interval {
    /// What was recorded; `None` when nothing can have been (the job slept or was blocked through it).
    pub set: Option<IntervalSet>,
    /// Where it starts.
    pub start_ns: u64,
    /// Where it ends.
    pub end_ns: u64,
    /// Within the warm-up.
    pub warmup: bool,
    /// Operations in flight at its end.
    pub inflight: u32,
}

/// Figures of a job that anybody may read at any time.
#[derive(Debug, Default)]
pub struct Live {
    state: AtomicU32,
    ios: AtomicU64,
    bytes: AtomicU64,
    inflight: AtomicU32,
    progress: AtomicU64,
}

/// A reading of `Live`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveView {
    /// State.
    pub state: JobState,
    /// Operations completed so far.
    pub ios: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// Operations in flight.
    pub inflight: u32,
    /// 0 to 1; `None` when unknown.
    pub progress: Option<f64>,
}

impl Live {
    /// Publishes figures.
    pub fn publish(&self, view: &LiveView) {
        self.state.store(view.state as u32, Ordering::Relaxed);
        self.ios.store(view.ios, Ordering::Relaxed);
        self.bytes.store(view.bytes, Ordering::Relaxed);
        self.inflight.store(view.inflight, Ordering::Relaxed);
        let progress = view.progress.unwrap_or(f64::NAN);
        self.progress.store(progress.to_bits(), Ordering::Relaxed);
    }

    /// Reads them.
    #[must_use]
    pub fn view(&self) -> LiveView {
        let progress = f64::from_bits(self.progress.load(Ordering::Relaxed));
        LiveView {
            state: JobState::from_number(self.state.load(Ordering::Relaxed)),
            ios: self.ios.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            inflight: self.inflight.load(Ordering::Relaxed),
            progress: (!progress.is_nan()).then_some(progress),
        }
    }
}

/// The meeting point of one job and the collector.
#[derive(Debug)]
pub struct JobPort {
    ended: Mutex<VecDeque<Interval>>,
    spares: Mutex<Vec<IntervalSet>>,
    end: Mutex<Option<Box<JobEnd>>>,
    /// What was asked of the job: 0 nothing, `END`, `STOP`.
    asked: AtomicU32,
    collector: OnceLock<Thread>,
    draft_wanted: AtomicBool,
    draft: Mutex<Option<Box<JobEnd>>>,
    /// See `Live`.
    pub live: Live,
    /// Rows of the job's log.
    pub log: LogPort,
}

const END: u32 = 1;
const STOP: u32 = 2;

/// Sets per job: one being recorded into, one at the collector, one for the end of the warm-up that
/// falls next to the end of an interval.
const SPARE_SETS: usize = 2;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobPort {
    /// A port with spare sets for the directions that the job uses.
    #[must_use]
    pub fn new(directions: [bool; 3]) -> Self {
        let spares = (0..SPARE_SETS)
            .map(|_| IntervalSet::new(directions))
            .collect();
        Self {
            ended: Mutex::new(VecDeque::with_capacity(64)),
            spares: Mutex::new(spares),
            end: Mutex::new(None),
            asked: AtomicU32::new(0),
            collector: OnceLock::new(),
            draft_wanted: AtomicBool::new(false),
            draft: Mutex::new(None),
            live: Live::default(),
            log: LogPort::default(),
        }
    }

    /// Names the thread that is woken when an interval or the job ends.
    pub fn wake_on_news(&self, thread: Thread) {
        let _ = self.collector.set(thread);
    }

    fn wake(&self) {
        if let Some(thread) = self.collector.get() {
            thread.unpark();
        }
    }

    /// The job's side: a cleared set, if one is there. With `wait` false it gives up when the collector
    /// is just at it.
    #[must_use]
    pub fn take_spare(&self, wait: bool) -> Option<IntervalSet> {
        if wait {
            return locked(&self.spares).pop();
        }
        match self.spares.try_lock() {
            Ok(mut spares) => spares.pop(),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().pop(),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The job's side: hands over an interval. The collector holds this lock for a moment only.
    pub fn hand_over(&self, interval: Interval) {
        locked(&self.ended).push_back(interval);
        self.wake();
    }

    /// The job's side: its last word.
    pub fn finish(&self, end: JobEnd) {
        *locked(&self.end) = Some(Box::new(end));
        self.wake();
    }

    /// The collector's side: the next interval that ended.
    #[must_use]
    pub fn next_interval(&self) -> Option<Interval> {
        locked(&self.ended).pop_front()
    }

    /// The collector's side: gives a cleared set back.
    pub fn give_back(&self, set: IntervalSet) {
        locked(&self.spares).push(set);
    }

    /// The collector's side: the job's last word, once.
    #[must_use]
    pub fn take_end(&self) -> Option<Box<JobEnd>> {
        locked(&self.end).take()
    }

    /// The collector's side: what the job would say if it ended now, as of a moment ago. The job makes
    /// it from the first call on, a few times a second.
    #[must_use]
    pub fn draft(&self) -> Option<Box<JobEnd>> {
        self.draft_wanted.store(true, Ordering::Relaxed);
        locked(&self.draft).clone()
    }

    /// The job's side: somebody wants drafts.
    #[must_use]
    pub fn wants_draft(&self) -> bool {
        self.draft_wanted.load(Ordering::Relaxed)
    }

    /// The job's side: see `draft`.
    pub fn set_draft(&self, end: JobEnd) {
        *locked(&self.draft) = Some(Box::new(end));
    }

    /// Asks the job to end: the run is called off.
    pub fn stop(&self) {
        self.asked.store(STOP, Ordering::Relaxed);
    }

    /// Asks the job to end as if its runtime were over.
    pub fn dismiss(&self) {
        self.asked.fetch_max(END, Ordering::Relaxed);
    }

    /// The job was asked to end, in either way.
    #[inline]
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.asked.load(Ordering::Relaxed) != 0
    }

    /// The run was called off.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.asked.load(Ordering::Relaxed) == STOP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spares_run_out_and_come_back() {
        let port = JobPort::new([true, false, false]);
        let first = port.take_spare(false).unwrap();
        assert!(port.take_spare(true).is_some());
        assert!(port.take_spare(true).is_none());
        port.hand_over(Interval {
            set: Some(first),
            start_ns: 1,
            end_ns: 2,
            warmup: false,
            inflight: 0,
        });
        port.give_back(port.next_interval().unwrap().set.unwrap());
        assert!(port.next_interval().is_none());
        assert!(port.take_spare(false).is_some());
    }

    #[test]
    fn live_figures_survive_the_trip() {
        let live = Live::default();
        for progress in [None, Some(0.25)] {
            let view = LiveView {
                state: JobState::Verifying,
                ios: 3,
                bytes: 4,
                inflight: 5,
                progress,
            };
            live.publish(&view);
            assert_eq!(live.view(), view);
        }
    }
}
