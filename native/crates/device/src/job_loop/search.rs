//! The search of the largest depth that keeps a latency, after fio's `latency_target`: from 1 the depth
//! doubles until a window fails, then the space between the largest good and the smallest bad one is
//! halved. A depth that the search stays at is the answer; it is then measured over one more window.
//! Slots beyond the depth are set aside, so that sending needs no further check.

use super::{JobLoop, Phase};
use crate::control::LatencyTargetSpec;
use crate::engine::Engine;
use crate::outcome::LatencyTargetOutcome;

/// Good windows at the depth below the smallest bad one before that one is tried again.
const STABLE: u32 = 3;

/// What follows a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Try this depth.
    Try,
    /// Measure this depth.
    Measure,
    /// The search is over.
    Done,
    /// Even one operation at a time is too slow.
    Hopeless,
}

/// The depths of a search, without clock or queue.
#[derive(Clone, Copy, Debug)]
struct Bisection {
    most: u32,
    depth: u32,
    good: u32,
    bad: u32,
    stable: u32,
    /// `bad` is a depth that failed, no longer the queue's own. (fio 3.33 takes a failure at the queue's
    /// depth for none and goes back and forth.)
    failed: bool,
    keep_running: bool,
    measuring: bool,
}

impl Bisection {
    fn new(most: u32, keep_running: bool) -> Self {
        Self {
            most,
            depth: 1,
            good: 1,
            bad: most,
            stable: 0,
            failed: false,
            keep_running,
            measuring: false,
        }
    }

    fn kept(&mut self) -> Verdict {
        let tried = self.depth;
        self.good = tried;
        if self.failed && tried + 1 == self.bad {
            self.stable += 1;
            if self.stable == STABLE {
                self.stable = 0;
                self.bad += 1;
            }
        }
        let next = if self.failed {
            u32::midpoint(tried, self.bad)
        } else {
            tried * 2
        };
        self.depth = next.min(self.most);
        if self.keep_running || self.depth != tried {
            Verdict::Try
        } else if std::mem::replace(&mut self.measuring, true) {
            Verdict::Done
        } else {
            Verdict::Measure
        }
    }

    fn missed(&mut self) -> Verdict {
        if self.depth == 1 {
            return Verdict::Hopeless;
        }
        self.failed = true;
        self.bad = self.depth;
        if self.depth == self.good {
            self.good -= 1;
        }
        self.depth = u32::midpoint(self.depth, self.good).max(1);
        self.stable = 0;
        Verdict::Try
    }
}

/// A search under way.
#[derive(Debug)]
pub(super) struct Search {
    spec: LatencyTargetSpec,
    depths: Bisection,
    /// Slots set aside.
    parked: Vec<u32>,
    /// A depth was decided on: what is in flight has to complete first, `true` = then measuring begins.
    settles: Option<bool>,
    /// Since the window began.
    ios: u64,
    slow: u64,
    /// What completes before this does not count.
    window_start_ns: u64,
    /// When the window ends; `u64::MAX`: there is none.
    window_end_ns: u64,
    /// What it was that measuring began for.
    pub(super) measured: bool,
}

impl Search {
    pub(super) fn new(spec: LatencyTargetSpec, depth: u32) -> Self {
        Self {
            spec,
            depths: Bisection::new(depth, spec.keep_running),
            parked: Vec::with_capacity(depth as usize),
            settles: None,
            ios: 0,
            slow: 0,
            window_start_ns: 0,
            window_end_ns: u64::MAX,
            measured: spec.keep_running,
        }
    }

    pub(super) fn edge_ns(&self) -> u64 {
        self.window_end_ns
    }

    pub(super) fn outcome(&self) -> LatencyTargetOutcome {
        LatencyTargetOutcome {
            depth: self.depths.depth,
            target_ns: self.spec.target_ns,
            window_ns: self.spec.window_ns,
            percentile: self.spec.percentile,
        }
    }

    fn new_window(&mut self, now_ns: u64) {
        self.ios = 0;
        self.slow = 0;
        self.window_start_ns = now_ns;
        self.window_end_ns = now_ns.saturating_add(self.spec.window_ns);
    }
}

impl<E: Engine> JobLoop<E> {
    /// The search begins, with a first window from `from_ns` on.
    pub(super) fn begin_search(&mut self, from_ns: u64) {
        if let Some(search) = &mut self.search {
            search.settles = Some(false);
        }
        self.settle(from_ns);
    }

    /// Counts `taken` operations that completed; called after they were recorded.
    #[cold]
    pub(super) fn searched(&mut self, taken: u32, now_ns: u64) {
        if let Some(search) = &mut self.search
            && now_ns >= search.window_start_ns
        {
            search.ios += u64::from(taken);
        }
        self.settle(now_ns);
    }

    /// An operation was slower than the target; `true`: that alone ends the job.
    pub(super) fn missed_target(&mut self, now_ns: u64) -> bool {
        let Some(search) = &mut self.search else {
            return false;
        };
        if now_ns < search.window_start_ns || search.settles.is_some() {
            return false;
        }
        search.slow += 1;
        if search.spec.percentile < 100.0 {
            return false;
        }
        let verdict = search.depths.missed();
        self.follow(verdict, now_ns);
        verdict == Verdict::Hopeless
    }

    /// Judges the window when it is over.
    pub(super) fn judge_window(&mut self, now_ns: u64) {
        let Some(search) = &mut self.search else {
            return;
        };
        if self.phase != Phase::Stream || now_ns < search.window_end_ns {
            return;
        }
        if search.settles.is_some() || search.ios == 0 {
            // Nothing to judge yet: look again soon.
            search.window_end_ns = now_ns + super::LOOK_NS;
            return;
        }
        let kept = search.ios.saturating_sub(search.slow) as f64 / search.ios as f64 * 100.0;
        let verdict = if kept >= search.spec.percentile {
            search.depths.kept()
        } else {
            search.depths.missed()
        };
        if verdict == Verdict::Hopeless {
            // fio stays at one at a time and goes on counting until enough are quick.
            search.window_end_ns = now_ns + super::LOOK_NS;
            return;
        }
        self.follow(verdict, now_ns);
    }

    fn follow(&mut self, verdict: Verdict, now_ns: u64) {
        let Some(search) = &mut self.search else {
            return;
        };
        search.new_window(now_ns);
        match verdict {
            Verdict::Hopeless => {}
            Verdict::Done => self.end_stream(),
            Verdict::Try => search.settles = Some(false),
            Verdict::Measure => search.settles = Some(true),
        }
        self.settle(now_ns);
    }

    /// Sets slots aside or takes them back. A smaller depth, and the last window, wait for what is in
    /// flight: it was sent at another depth.
    fn settle(&mut self, now_ns: u64) {
        let Some(search) = &mut self.search else {
            return;
        };
        let Some(measures) = search.settles else {
            return;
        };
        let allowed = self.depth + search.parked.len() as u32;
        let wanted = search.depths.depth.min(allowed);
        if wanted < self.depth || measures {
            self.depth -= self.free.len() as u32;
            search.parked.append(&mut self.free);
            if self.depth > 0 {
                return;
            }
        }
        while self.depth < wanted
            && let Some(slot) = search.parked.pop()
        {
            self.free.push(slot);
            self.depth += 1;
        }
        search.settles = None;
        search.new_window(now_ns);
        if measures && !search.measured {
            search.measured = true;
            self.recorder.end_warmup(now_ns);
            self.edge_ns = now_ns;
        }
        self.edge_ns = self.edge_ns.min(now_ns.saturating_add(super::LOOK_NS));
    }

    /// Every slot again, for what follows the stream.
    pub(super) fn end_search(&mut self) {
        if let Some(search) = &mut self.search {
            search.settles = None;
            search.window_end_ns = u64::MAX;
            self.depth += search.parked.len() as u32;
            self.free.append(&mut search.parked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a search on a device that keeps the latency up to depth `good`.
    fn found(most: u32, good: u32) -> (u32, usize) {
        let mut depths = Bisection::new(most, false);
        for window in 0..100 {
            let verdict = if depths.depth <= good {
                depths.kept()
            } else {
                depths.missed()
            };
            match verdict {
                Verdict::Done => return (depths.depth, window),
                Verdict::Hopeless => return (0, window),
                Verdict::Try | Verdict::Measure => {}
            }
        }
        panic!("the search for {good} of {most} does not end");
    }

    #[test]
    fn finds_the_largest_good_depth() {
        for most in [1, 2, 3, 16, 100, 128] {
            for good in 1..=most {
                let (depth, windows) = found(most, good);
                assert_eq!(depth, good, "of {most}");
                assert!(windows < 20, "{windows} windows for {good} of {most}");
            }
        }
        assert_eq!(found(16, 0).0, 0);
    }

    #[test]
    fn goes_on_when_told_to() {
        let mut depths = Bisection::new(8, true);
        for _ in 0..50 {
            assert_eq!(depths.kept(), Verdict::Try);
        }
        assert_eq!(depths.depth, 8);
        assert_eq!(depths.missed(), Verdict::Try);
        assert!(depths.depth < 8);
    }
}
