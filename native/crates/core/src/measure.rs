//! What one job measures in one interval, and the totals that intervals merge into.
//!
//! The job's thread records into one `IntervalSet` and at the interval's end swaps it for a cleared
//! one; another thread merges it into `Totals`, makes the `IntervalRow`s and hands it back cleared.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::hdr::{Hdr, Moments};
use crate::hlog;
use crate::op::{DIRECTIONS, OpKind};
use crate::plat::PlatHist;

/// One completed operation. Times are nanoseconds on one clock, in this order.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What it did. Zeroes written count as writes, both flushes as syncs.
    pub kind: OpKind,
    /// When it was meant to be sent; in a closed loop equal to `sent_ns`.
    pub intended_ns: u64,
    /// When the job had it ready and turned to the engine.
    pub sent_ns: u64,
    /// When the engine had handed it over.
    pub submitted_ns: u64,
    /// When its completion was seen.
    pub completed_ns: u64,
    /// Bytes asked for.
    pub asked: u32,
    /// Bytes transferred (for trims and zeroes also 0), or a negative errno.
    pub result: i32,
}

/// Counters that both an interval and the totals have.
#[derive(Clone, Copy, Debug)]
struct Counters {
    ios: u64,
    bytes: u64,
    short: u64,
    errors: u64,
    first_sent_ns: u64,
    last_completed_ns: u64,
}

impl Counters {
    const EMPTY: Self = Self {
        ios: 0,
        bytes: 0,
        short: 0,
        errors: 0,
        first_sent_ns: u64::MAX,
        last_completed_ns: 0,
    };

    fn merge(&mut self, other: &Self) {
        self.ios += other.ios;
        self.bytes += other.bytes;
        self.short += other.short;
        self.errors += other.errors;
        self.first_sent_ns = self.first_sent_ns.min(other.first_sent_ns);
        self.last_completed_ns = self.last_completed_ns.max(other.last_completed_ns);
    }
}

/// One direction of an interval. An operation of a closed loop (intended == sent) has response == lat
/// and no wait: it takes one histogram (`closed`) instead of three, and is shared out on merging.
#[derive(Debug)]
struct DirectionSet {
    counters: Counters,
    service: Hdr,
    slat: PlatHist,
    closed: Hdr,
    open_wait: Hdr,
    open_response: Hdr,
    open_lat: PlatHist,
}

impl DirectionSet {
    fn new() -> Self {
        Self {
            counters: Counters::EMPTY,
            service: Hdr::new(),
            slat: PlatHist::new(),
            closed: Hdr::new(),
            open_wait: Hdr::new(),
            open_response: Hdr::new(),
            open_lat: PlatHist::new(),
        }
    }

    fn clear(&mut self) {
        self.counters = Counters::EMPTY;
        self.service.clear();
        self.slat.clear();
        self.closed.clear();
        self.open_wait.clear();
        self.open_response.clear();
        self.open_lat.clear();
    }

    /// The response times of closed and open operations together.
    fn response(&self) -> Cow<'_, Hdr> {
        if self.open_response.is_empty() {
            return Cow::Borrowed(&self.closed);
        }
        if self.closed.is_empty() {
            return Cow::Borrowed(&self.open_response);
        }
        let mut both = self.open_response.clone();
        both.merge_from(&self.closed);
        Cow::Owned(both)
    }

    /// The waits of closed (all zero) and open operations together.
    fn wait(&self) -> Cow<'_, Hdr> {
        if self.closed.is_empty() {
            return Cow::Borrowed(&self.open_wait);
        }
        let mut both = Hdr::new();
        both.merge_from(&self.open_wait);
        both.record_zeroes(self.closed.moments().count);
        Cow::Owned(both)
    }
}

/// What one job records in one interval.
#[derive(Debug)]
pub struct IntervalSet {
    directions: [Option<Box<DirectionSet>>; 3],
    sync: PlatHist,
}

impl IntervalSet {
    /// An empty set with room for the directions that the job uses (read, write, trim). Another
    /// direction gets room at its first operation.
    #[must_use]
    pub fn new(directions: [bool; 3]) -> Self {
        Self {
            directions: directions.map(|used| used.then(|| Box::new(DirectionSet::new()))),
            sync: PlatHist::new(),
        }
    }

    /// Counts a completed operation. Failed operations are counted as errors and leave no times: a
    /// quick EIO must not make a device look fast.
    #[inline]
    pub fn record(&mut self, sample: &Sample) {
        let direction = match sample.kind {
            OpKind::Read => 0,
            OpKind::Write | OpKind::WriteZeroes => 1,
            OpKind::Trim => 2,
            OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => {
                if sample.result >= 0 {
                    self.sync
                        .record(sample.completed_ns.saturating_sub(sample.sent_ns));
                }
                return;
            }
        };
        let set = self.directions[direction].get_or_insert_with(|| Box::new(DirectionSet::new()));
        let counters = &mut set.counters;
        if sample.result < 0 {
            counters.errors += 1;
            return;
        }
        counters.ios += 1;
        let whole = matches!(sample.kind, OpKind::Trim | OpKind::WriteZeroes);
        let moved = if whole {
            sample.asked
        } else {
            sample.result as u32
        };
        counters.bytes += u64::from(moved);
        counters.short += u64::from(moved < sample.asked);
        counters.first_sent_ns = counters.first_sent_ns.min(sample.sent_ns);
        counters.last_completed_ns = counters.last_completed_ns.max(sample.completed_ns);

        let lat = sample.completed_ns.saturating_sub(sample.sent_ns);
        set.service
            .record(sample.completed_ns.saturating_sub(sample.submitted_ns));
        set.slat
            .record(sample.submitted_ns.saturating_sub(sample.sent_ns));
        if sample.intended_ns == sample.sent_ns {
            set.closed.record(lat);
        } else {
            set.open_wait
                .record(sample.sent_ns.saturating_sub(sample.intended_ns));
            set.open_response
                .record(sample.completed_ns.saturating_sub(sample.intended_ns));
            set.open_lat.record(lat);
        }
    }

    /// Nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sync.is_empty()
            && self.directions.iter().flatten().all(|set| {
                let counters = &set.counters;
                counters.ios == 0 && counters.errors == 0
            })
    }

    /// Forgets everything; costs only the buckets in use.
    pub fn clear(&mut self) {
        for set in self.directions.iter_mut().flatten() {
            set.clear();
        }
        self.sync.clear();
    }

    /// Operations and bytes that completed, over all directions: for progress.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        self.directions
            .iter()
            .flatten()
            .fold((0, 0), |(ios, bytes), set| {
                (ios + set.counters.ios, bytes + set.counters.bytes)
            })
    }

    /// The same of reads, writes and trims.
    #[must_use]
    pub fn by_direction(&self) -> [(u64, u64); 3] {
        [0, 1, 2].map(|direction| {
            let set = self.directions[direction].as_deref();
            set.map_or((0, 0), |set| (set.counters.ios, set.counters.bytes))
        })
    }

    /// The rows of the time series, one per direction that the job uses.
    #[must_use]
    pub fn rows(&self, place: &RowPlace) -> Vec<IntervalRow> {
        let sets = self.directions.iter().enumerate();
        sets.filter_map(|(direction, set)| Some(row(DIRECTIONS[direction], set.as_deref()?, place)))
            .collect()
    }
}

/// Where an interval stands.
#[derive(Clone, Copy, Debug)]
pub struct RowPlace {
    /// End of the interval, ns since the run's start.
    pub end_ns: u64,
    /// Its length, ns.
    pub length_ns: u64,
    /// Index of the job in the run.
    pub job: usize,
    /// Within the warm-up.
    pub warmup: bool,
    /// Operations in flight at its end.
    pub inflight: u32,
}

fn row(direction: &'static str, set: &DirectionSet, place: &RowPlace) -> IntervalRow {
    let (response, wait) = (set.response(), set.wait());
    IntervalRow {
        end_ns: place.end_ns,
        length_ns: place.length_ns,
        job: place.job,
        direction: Cow::Borrowed(direction),
        warmup: place.warmup,
        ios: set.counters.ios,
        bytes: set.counters.bytes,
        service_p50_ns: set.service.value_at_percentile(50.0),
        service_p99_ns: set.service.value_at_percentile(99.0),
        response_p50_ns: response.value_at_percentile(50.0),
        response_p99_ns: response.value_at_percentile(99.0),
        response_max_ns: response.moments().max,
        inflight: place.inflight,
        service_hdr: hlog::to_text(&set.service),
        wait_hdr: hlog::to_text(&wait),
        response_hdr: hlog::to_text(&response),
    }
}

#[derive(Debug)]
struct DirectionTotals {
    counters: Counters,
    service: Hdr,
    wait: Hdr,
    response: Hdr,
    slat: PlatHist,
    lat: PlatHist,
}

impl DirectionTotals {
    fn new() -> Self {
        Self {
            counters: Counters::EMPTY,
            service: Hdr::new(),
            wait: Hdr::new(),
            response: Hdr::new(),
            slat: PlatHist::new(),
            lat: PlatHist::new(),
        }
    }

    fn merge(&mut self, set: &DirectionSet) {
        self.counters.merge(&set.counters);
        self.service.merge_from(&set.service);
        self.slat.merge_from(&set.slat);
        self.response.merge_from(&set.open_response);
        self.response.merge_from(&set.closed);
        self.wait.merge_from(&set.open_wait);
        self.wait.record_zeroes(set.closed.moments().count);
        self.lat.merge_from(&set.open_lat);
        self.lat.merge_hdr(&set.closed);
    }

    fn outcome(&self) -> DirectionOutcome {
        let counters = &self.counters;
        DirectionOutcome {
            ios: counters.ios,
            bytes: counters.bytes,
            short_ios: counters.short,
            errors: counters.errors,
            runtime_ns: counters
                .last_completed_ns
                .saturating_sub(counters.first_sent_ns),
            service: LatencyRecord::from(&self.service),
            wait: LatencyRecord::from(&self.wait),
            response: LatencyRecord::from(&self.response),
            slat: PlatRecord::from(&self.slat),
            lat: PlatRecord::from(&self.lat),
        }
    }
}

/// Totals of one job over the intervals that count.
#[derive(Debug, Default)]
pub struct Totals {
    directions: [Option<Box<DirectionTotals>>; 3],
    sync: PlatHist,
}

impl Totals {
    /// Empty totals.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an interval; every total stays exact.
    pub fn merge(&mut self, set: &IntervalSet) {
        for (mine, theirs) in self.directions.iter_mut().zip(&set.directions) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_with(|| Box::new(DirectionTotals::new()))
                    .merge(theirs);
            }
        }
        self.sync.merge_from(&set.sync);
    }

    /// What was measured; a direction is `None` when the job does not use it.
    #[must_use]
    pub fn outcome(&self) -> MeasuredOutcome {
        let of = |direction: usize| {
            self.directions[direction]
                .as_ref()
                .map(|totals| totals.outcome())
        };
        MeasuredOutcome {
            read: of(0),
            write: of(1),
            trim: of(2),
            sync: PlatRecord::from(&self.sync),
        }
    }
}

/// The measured part of a `JobOutcome` (`workloads/run-outcome.ts`); flatten it into that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasuredOutcome {
    /// Reads.
    pub read: Option<DirectionOutcome>,
    /// Writes.
    pub write: Option<DirectionOutcome>,
    /// Trims.
    pub trim: Option<DirectionOutcome>,
    /// Flushes.
    pub sync: PlatRecord,
}

/// `DirectionOutcome` of `workloads/run-outcome.ts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectionOutcome {
    /// Operations that completed.
    pub ios: u64,
    /// Bytes transferred.
    pub bytes: u64,
    /// Operations that transferred fewer bytes than asked.
    pub short_ios: u64,
    /// Operations that failed.
    pub errors: u64,
    /// From the first operation's start to the last one's end.
    pub runtime_ns: u64,
    /// completed - submitted.
    pub service: LatencyRecord,
    /// sent - intended.
    pub wait: LatencyRecord,
    /// completed - intended.
    pub response: LatencyRecord,
    /// submitted - sent.
    pub slat: PlatRecord,
    /// completed - sent.
    pub lat: PlatRecord,
}

/// `TimeTotals` of `workloads/run-outcome.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeTotals {
    /// Values.
    pub count: u64,
    /// Smallest, 0 when there is none.
    pub min_ns: u64,
    /// Largest.
    pub max_ns: u64,
    /// Sum.
    pub sum_ns: u64,
    /// Sum of squares.
    pub sum_squares: f64,
}

impl From<&Moments> for TimeTotals {
    fn from(moments: &Moments) -> Self {
        Self {
            count: moments.count,
            min_ns: moments.min_or_zero(),
            max_ns: moments.max,
            sum_ns: moments.sum,
            sum_squares: moments.sum_squares as f64,
        }
    }
}

/// `LatencyRecord` of `workloads/run-outcome.ts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyRecord {
    /// Exact totals.
    #[serde(flatten)]
    pub totals: TimeTotals,
    /// The histogram, base64 of its compressed V2 form; empty when nothing was counted.
    pub hdr: String,
}

impl From<&Hdr> for LatencyRecord {
    fn from(hdr: &Hdr) -> Self {
        Self {
            totals: hdr.moments().into(),
            hdr: hlog::to_text(hdr),
        }
    }
}

/// `PlatRecord` of `workloads/run-outcome.ts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlatRecord {
    /// Exact totals.
    #[serde(flatten)]
    pub totals: TimeTotals,
    /// Buckets above zero with their counts, ascending.
    pub buckets: Vec<(u32, u64)>,
}

impl From<&PlatHist> for PlatRecord {
    fn from(hist: &PlatHist) -> Self {
        Self {
            totals: hist.moments().into(),
            buckets: hist.sparse(),
        }
    }
}

/// `IntervalRow` of `workloads/run-outcome.ts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntervalRow {
    /// End of the interval, ns since the run's start.
    pub end_ns: u64,
    /// Its length.
    pub length_ns: u64,
    /// Index of the job.
    pub job: usize,
    /// `read`, `write` or `trim`.
    pub direction: Cow<'static, str>,
    /// Within the warm-up.
    pub warmup: bool,
    /// Operations that completed.
    pub ios: u64,
    /// Bytes transferred.
    pub bytes: u64,
    /// Median service time.
    pub service_p50_ns: u64,
    /// 99th percentile.
    pub service_p99_ns: u64,
    /// Median response time.
    pub response_p50_ns: u64,
    /// 99th percentile.
    pub response_p99_ns: u64,
    /// Largest.
    pub response_max_ns: u64,
    /// Operations in flight at the end.
    pub inflight: u32,
    /// Histograms of the interval; empty when nothing completed.
    pub service_hdr: String,
    /// See `service_hdr`.
    pub wait_hdr: String,
    /// See `service_hdr`.
    pub response_hdr: String,
}
