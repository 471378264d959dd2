//! What a job's loop records: interval sets and their edges, levels of depth and batches, lateness of
//! the generator.

use std::sync::Arc;

use osdyno_core::measure::{IntervalSet, Sample};

use crate::exchange::{Interval, JobPort};

/// An operation sent later than this although it was due and had a slot is late by the generator's
/// fault.
pub const LATE_THRESHOLD_NS: u64 = 100_000;

/// Sets handed over at the end of an interval, one after another.
#[derive(Debug)]
pub struct Recorder {
    port: Arc<JobPort>,
    set: IntervalSet,
    /// Where the running interval began.
    start_ns: u64,
    /// Start of the run and length of an interval: edges lie on this grid.
    origin_ns: u64,
    interval_ns: u64,
    /// End of the warm-up; 0 once it is over.
    warmup_end_ns: u64,
    /// The next edge.
    edge_ns: u64,
    /// Operations and bytes by direction of the sets handed over.
    passed: [(u64, u64); 3],
}

impl Recorder {
    /// Begins the first interval at `start_ns`.
    #[must_use]
    pub fn new(port: Arc<JobPort>, directions: [bool; 3], interval_ns: u64) -> Self {
        let set = port
            .take_spare(true)
            .unwrap_or_else(|| IntervalSet::new(directions));
        Self {
            port,
            set,
            start_ns: 0,
            origin_ns: 0,
            interval_ns: interval_ns.max(1_000_000),
            warmup_end_ns: 0,
            edge_ns: u64::MAX,
            passed: [(0, 0); 3],
        }
    }

    /// Begins the first interval.
    pub fn begin(&mut self, origin_ns: u64, start_ns: u64, ramp_ns: u64) {
        self.origin_ns = origin_ns;
        self.start_ns = start_ns;
        self.warmup_end_ns = if ramp_ns > 0 {
            start_ns.saturating_add(ramp_ns)
        } else {
            0
        };
        self.set_edge();
    }

    fn set_edge(&mut self) {
        let passed = (self.start_ns - self.origin_ns) / self.interval_ns;
        self.edge_ns = self.origin_ns + (passed + 1) * self.interval_ns;
        if self.warmup() {
            self.edge_ns = self.edge_ns.min(self.warmup_end_ns);
        }
    }

    /// Ends the warm-up at `at_ns` or, if an interval has ended since, there. `pass_edges` says so.
    pub fn end_warmup(&mut self, at_ns: u64) {
        if self.warmup() {
            self.warmup_end_ns = at_ns.max(self.start_ns + 1);
            self.edge_ns = self.edge_ns.min(self.warmup_end_ns);
        }
    }

    /// Where the running interval ends.
    #[must_use]
    pub fn edge_ns(&self) -> u64 {
        self.edge_ns
    }

    /// The running interval belongs to the warm-up.
    #[inline]
    #[must_use]
    pub fn warmup(&self) -> bool {
        self.warmup_end_ns != 0
    }

    /// Counts a completed operation.
    #[inline]
    pub fn record(&mut self, sample: &Sample) {
        self.set.record(sample);
    }

    /// Operations and bytes so far.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let sum = |(ios, bytes), (more_ios, more_bytes)| (ios + more_ios, bytes + more_bytes);
        self.by_direction().into_iter().fold((0, 0), sum)
    }

    /// Operations and bytes so far, of reads, writes and trims.
    #[must_use]
    pub fn by_direction(&self) -> [(u64, u64); 3] {
        let mut all = self.set.by_direction();
        for ((ios, bytes), passed) in all.iter_mut().zip(self.passed) {
            *ios += passed.0;
            *bytes += passed.1;
        }
        all
    }

    /// Ends every interval whose edge has passed; when measuring began, if the warm-up ended with one of
    /// them.
    pub fn pass_edges(&mut self, now_ns: u64, inflight: u32) -> Option<u64> {
        let mut measured_begins = None;
        while now_ns >= self.edge_ns {
            let ends_warmup = self.warmup() && self.edge_ns == self.warmup_end_ns;
            let set = if self.set.is_empty() {
                None
            } else {
                // The end of the warm-up is exact; another edge may give way to the next one when the
                // collector still has every spare set.
                let Some(fresh) = self
                    .port
                    .take_spare(ends_warmup)
                    .or_else(|| ends_warmup.then(|| IntervalSet::new([false; 3])))
                else {
                    let passed = (self.edge_ns - self.origin_ns) / self.interval_ns;
                    self.edge_ns = self.origin_ns + (passed + 1) * self.interval_ns;
                    if self.warmup() {
                        self.edge_ns = self.edge_ns.min(self.warmup_end_ns);
                    }
                    continue;
                };
                Some(self.swap(fresh))
            };
            self.hand_over(set, self.edge_ns, inflight);
            if ends_warmup {
                measured_begins = Some(self.warmup_end_ns);
                self.warmup_end_ns = 0;
            }
            self.set_edge();
        }
        measured_begins
    }

    fn swap(&mut self, fresh: IntervalSet) -> IntervalSet {
        self.passed = self.by_direction();
        std::mem::replace(&mut self.set, fresh)
    }

    fn hand_over(&mut self, set: Option<IntervalSet>, end_ns: u64, inflight: u32) {
        self.port.hand_over(Interval {
            set,
            start_ns: self.start_ns,
            end_ns,
            warmup: self.warmup(),
            inflight,
        });
        self.start_ns = end_ns;
    }

    /// Ends the last interval.
    pub fn end(&mut self, end_ns: u64, inflight: u32) {
        let end_ns = end_ns.max(self.start_ns);
        if end_ns > self.start_ns || !self.set.is_empty() {
            let set = self.swap(IntervalSet::new([false; 3]));
            self.hand_over(Some(set), end_ns, inflight);
        }
        self.edge_ns = u64::MAX;
    }
}

/// Counts by fio's ranges.
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels([u64; 7]);

impl Levels {
    /// `count` operations were sent with `depth` in flight, themselves included: 1, 2-3, 4-7, 8-15, 16-31, 32-63, more.
    #[inline]
    pub fn depth(&mut self, depth: u32, count: u32) {
        self.0[depth.max(1).ilog2().min(6) as usize] += u64::from(count);
    }

    /// A batch of `size`: 0, 1-4, 5-8, 9-16, 17-32, 33-64, more.
    #[inline]
    pub fn batch(&mut self, size: u32) {
        let index = match size {
            0 => 0,
            1..=4 => 1,
            _ => ((size - 1).ilog2()).min(6) as usize,
        };
        self.0[index] += 1;
    }

    /// Shares, 0 to 1; zeroes when nothing was counted.
    #[must_use]
    pub fn shares(&self) -> [f64; 7] {
        let all = self.0.iter().sum::<u64>().max(1);
        self.0.map(|count| count as f64 / all as f64)
    }
}

/// Lateness of the generator itself: what lies between the moment an operation could have been sent
/// (it was due, and a slot was known to be free) and the moment it was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lateness {
    /// Operations later than the threshold.
    pub count: u64,
    /// The latest.
    pub max_ns: u64,
}

impl Lateness {
    /// Counts an operation of a schedule.
    #[inline]
    pub fn record(&mut self, could_ns: u64, sent_ns: u64) {
        let late = sent_ns.saturating_sub(could_ns);
        self.count += u64::from(late > LATE_THRESHOLD_NS);
        self.max_ns = self.max_ns.max(late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osdyno_core::op::OpKind;

    #[test]
    fn levels_follow_fios_ranges() {
        let mut depth = Levels::default();
        for value in [1, 2, 3, 4, 8, 16, 32, 63, 64, 4000] {
            depth.depth(value, 1);
        }
        assert_eq!(depth.0, [1, 2, 1, 1, 1, 2, 2]);
        let mut batch = Levels::default();
        for value in [0, 1, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 4000] {
            batch.batch(value);
        }
        assert_eq!(batch.0, [1, 2, 2, 2, 2, 2, 2]);
        assert!((batch.shares().iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    fn sample(at_ns: u64) -> Sample {
        Sample {
            kind: OpKind::Read,
            intended_ns: at_ns,
            sent_ns: at_ns,
            submitted_ns: at_ns,
            completed_ns: at_ns + 10,
            asked: 512,
            result: 512,
        }
    }

    #[test]
    fn edges_lie_on_the_runs_grid_and_the_warm_up_ends_exactly() {
        let port = Arc::new(JobPort::new([true, false, false]));
        let ms = 1_000_000;
        let mut recorder = Recorder::new(Arc::clone(&port), [true, false, false], 100 * ms);
        recorder.begin(1000 * ms, 1030 * ms, 120 * ms);
        let mut seen = Vec::new();
        for now in [1040, 1099, 1101, 1149, 1150, 1199, 1250, 1555] {
            recorder.pass_edges(now * ms, 1);
            recorder.record(&sample(now * ms));
            while let Some(interval) = port.next_interval() {
                let ios = interval.set.as_ref().map_or(0, |set| set.progress().0);
                let span = (interval.start_ns / ms, interval.end_ns / ms);
                seen.push((span, interval.warmup, ios));
                if let Some(mut set) = interval.set {
                    set.clear();
                    port.give_back(set);
                }
            }
        }
        assert_eq!(
            seen,
            [
                ((1030, 1100), true, 2),
                ((1100, 1150), true, 2),
                ((1150, 1200), false, 2),
                ((1200, 1300), false, 1),
                ((1300, 1400), false, 0),
                ((1400, 1500), false, 0),
            ]
        );
        recorder.end(1560 * ms, 0);
        let last = port.next_interval().unwrap();
        assert_eq!((last.start_ns / ms, last.end_ns / ms), (1500, 1560));
        assert_eq!(recorder.progress().0, 8);
    }

    #[test]
    fn an_interval_grows_when_no_set_is_to_be_had() {
        let port = Arc::new(JobPort::new([true, false, false]));
        let mut recorder = Recorder::new(Arc::clone(&port), [true, false, false], 1_000_000);
        recorder.begin(0, 0, 0);
        for edge in 1..=5_u64 {
            recorder.record(&sample(edge * 1_000_000 - 1));
            recorder.pass_edges(edge * 1_000_000, 0);
        }
        // One spare beside the set in use: the collector never gave any back.
        let spans: Vec<u64> = std::iter::from_fn(|| port.next_interval())
            .map(|interval| interval.end_ns / 1_000_000)
            .collect();
        assert_eq!(spans, [1]);
        recorder.end(5_500_000, 0);
        let rest = port.next_interval().unwrap();
        assert_eq!(rest.start_ns, 1_000_000);
        assert_eq!(rest.set.unwrap().progress().0, 4);
    }
}
