//! Schedules: when operations are meant to be sent. Absolute times in nanoseconds since the job's
//! start, accumulated without drift (integers or integers with the fraction carried over): fio's
//! Poisson rate is wrong above 100,000 a second because its gaps are whole microseconds.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::rng::{Rng, Use};
use crate::spec::{Arrival, SpecError};

const NS_PER_SECOND: f64 = 1e9;

/// One direction's schedule: the next intended time, and how it goes on.
#[derive(Clone, Debug)]
pub struct Schedule {
    law: Law,
    rng: Rng,
    next_ns: u64,
}

#[derive(Clone, Debug)]
enum Law {
    /// Fixed point with 64 fractional bits; `gap` is per operation, or per byte with `by_bytes`.
    Constant {
        at: u128,
        gap: u128,
        by_bytes: bool,
    },
    Poisson {
        clock: Clock,
        mean_ns: f64,
        by_bytes: bool,
    },
    /// The schedule runs in "on" time, which `pause_ns` shifts to real time.
    Burst {
        clock: Clock,
        gap_ns: f64,
        poisson: bool,
        on_ns: u64,
        off_ns: u64,
        burst_end_ns: u64,
        pause_ns: u64,
    },
    Profile(Profile),
}

/// Whole nanoseconds, and the fraction that is carried to the next step.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    at_ns: u64,
    fraction: f64,
}

impl Clock {
    #[inline]
    fn advance(&mut self, gap_ns: f64) -> u64 {
        let gap = gap_ns + self.fraction;
        let whole = gap as u64;
        self.fraction = gap - whole as f64;
        self.at_ns = self.at_ns.saturating_add(whole);
        self.at_ns
    }
}

/// A rate that changes linearly between points. Times are kept relative to the segment's start, so
/// that a long run loses no precision.
#[derive(Clone, Debug)]
struct Profile {
    /// (start in ns from the profile's start, operations per ns); the first starts at 0.
    points: Arc<[(u64, f64)]>,
    poisson: bool,
    repeat: bool,
    segment: usize,
    /// When the current repetition started.
    base_ns: u64,
    /// Position within the segment.
    at_ns: f64,
}

impl Profile {
    /// The time at which the integral of the rate has grown by `need`; `u64::MAX` if it never does.
    fn advance(&mut self, mut need: f64) -> u64 {
        loop {
            let (start_ns, rate) = self.points[self.segment];
            let Some(&(end_ns, end_rate)) = self.points.get(self.segment + 1) else {
                if self.repeat {
                    self.base_ns += start_ns;
                    self.segment = 0;
                    self.at_ns = 0.0;
                    continue;
                }
                if rate <= 0.0 {
                    return u64::MAX;
                }
                self.at_ns += need / rate;
                return self.base_ns + start_ns + self.at_ns as u64;
            };
            let length = (end_ns - start_ns) as f64;
            let slope = if length > 0.0 {
                (end_rate - rate) / length
            } else {
                0.0
            };
            let here = rate + slope * self.at_ns;
            let area = f64::midpoint(here, end_rate) * (length - self.at_ns);
            if need <= area && area > 0.0 {
                // The root of slope/2 x^2 + here x = need, in the form that is stable for slope 0.
                let root = (here * here + 2.0 * slope * need).max(0.0).sqrt();
                if here + root > 0.0 {
                    self.at_ns += 2.0 * need / (here + root);
                }
                return self.base_ns + start_ns + self.at_ns as u64;
            }
            need -= area;
            self.segment += 1;
            self.at_ns = 0.0;
        }
    }
}

fn per_second(rate: f64) -> Result<f64, SpecError> {
    if rate.is_finite() && rate > 0.0 {
        Ok(NS_PER_SECOND / rate)
    } else {
        Err(SpecError::Invalid(format!(
            "rate {rate} a second: give a rate above 0"
        )))
    }
}

fn profile(points: &[(u64, f64)], poisson: bool, repeat: bool) -> Result<Law, SpecError> {
    let invalid = |message: String| Err(SpecError::Invalid(message));
    let Some(&(first_ns, first_rate)) = points.first() else {
        return invalid("rate profile without points: give at least one".into());
    };
    if let Some(pair) = points.windows(2).find(|pair| pair[0].0 > pair[1].0) {
        let (before, after) = (pair[0].0, pair[1].0);
        return invalid(format!(
            "rate profile: point at {after} ns after one at {before} ns; times must ascend"
        ));
    }
    let bad = |point: &&(u64, f64)| !point.1.is_finite() || point.1 < 0.0;
    if let Some(point) = points.iter().find(bad) {
        return invalid(format!(
            "rate profile: rate {} at {} ns; rates are 0 or more",
            point.1, point.0
        ));
    }
    // Before the first point its rate holds.
    let mut all = Vec::with_capacity(points.len() + 1);
    if first_ns > 0 {
        all.push((0, first_rate / NS_PER_SECOND));
    }
    all.extend(points.iter().map(|&(at, rate)| (at, rate / NS_PER_SECOND)));
    let area = |pair: &[(u64, f64)]| (pair[0].1 + pair[1].1) * (pair[1].0 - pair[0].0) as f64;
    if repeat && all.windows(2).map(area).sum::<f64>() <= 0.0 {
        return invalid("rate profile that repeats, but never sends: give a rate above 0".into());
    }
    Ok(Law::Profile(Profile {
        points: all.into(),
        poisson,
        repeat,
        segment: 0,
        base_ns: 0,
        at_ns: 0.0,
    }))
}

impl Schedule {
    /// `None` for a closed loop. Evenly spaced schedules start at 0.
    pub fn new(arrival: &Arrival, seed: u64, direction: usize) -> Result<Option<Self>, SpecError> {
        let clock = Clock::default();
        let law = match *arrival {
            Arrival::Closed => return Ok(None),
            Arrival::Constant { rate, by_bytes } => Law::Constant {
                at: 0,
                gap: (per_second(rate)? * 18_446_744_073_709_551_616.0) as u128,
                by_bytes,
            },
            Arrival::Poisson { rate, by_bytes } => Law::Poisson {
                clock,
                mean_ns: per_second(rate)?,
                by_bytes,
            },
            Arrival::Burst {
                rate,
                on_ns,
                off_ns,
                poisson,
            } => {
                if on_ns == 0 {
                    return Err(SpecError::Invalid(
                        "bursts of 0 ns: give the length of a burst".into(),
                    ));
                }
                Law::Burst {
                    clock,
                    gap_ns: per_second(rate)?,
                    poisson,
                    on_ns,
                    off_ns,
                    burst_end_ns: on_ns,
                    pause_ns: 0,
                }
            }
            Arrival::Profile {
                ref points,
                poisson,
                repeat,
            } => profile(points, poisson, repeat)?,
        };
        let rng = Rng::new(seed, Use::Arrival, direction as u64);
        let mut schedule = Self {
            law,
            rng,
            next_ns: 0,
        };
        schedule.start();
        Ok(Some(schedule))
    }

    /// Poisson streams begin with a gap; evenly spaced ones with an arrival at 0 (or, on a profile,
    /// as soon as its rate is above 0).
    fn start(&mut self) {
        match &mut self.law {
            Law::Poisson {
                by_bytes: false, ..
            }
            | Law::Burst { poisson: true, .. }
            | Law::Profile(Profile { poisson: true, .. }) => self.advance(0),
            Law::Profile(profile) => self.next_ns = profile.advance(0.0),
            Law::Constant { .. } | Law::Poisson { .. } | Law::Burst { .. } => {}
        }
    }

    /// Whether gaps depend on the operations' bytes.
    #[must_use]
    pub fn by_bytes(&self) -> bool {
        matches!(
            self.law,
            Law::Constant { by_bytes: true, .. } | Law::Poisson { by_bytes: true, .. }
        )
    }

    /// The next intended time; `u64::MAX` when the schedule has ended.
    #[inline]
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// Goes on to the arrival after the next, whose operation has `bytes` bytes.
    #[inline]
    pub fn advance(&mut self, bytes: u32) {
        self.next_ns = match &mut self.law {
            Law::Constant { at, gap, by_bytes } => {
                let gap = if *by_bytes {
                    gap.saturating_mul(u128::from(bytes))
                } else {
                    *gap
                };
                *at = at.saturating_add(gap);
                (*at >> 64) as u64
            }
            Law::Poisson {
                clock,
                mean_ns,
                by_bytes,
            } => {
                let mean = if *by_bytes {
                    *mean_ns * f64::from(bytes)
                } else {
                    *mean_ns
                };
                clock.advance(self.rng.exponential() * mean)
            }
            Law::Burst {
                clock,
                gap_ns,
                poisson,
                on_ns,
                off_ns,
                burst_end_ns,
                pause_ns,
            } => {
                let gap = if *poisson {
                    self.rng.exponential() * *gap_ns
                } else {
                    *gap_ns
                };
                let at_ns = clock.advance(gap);
                if at_ns >= *burst_end_ns {
                    let bursts = (at_ns - *burst_end_ns) / *on_ns + 1;
                    *burst_end_ns += bursts * *on_ns;
                    *pause_ns += bursts * *off_ns;
                }
                at_ns + *pause_ns
            }
            Law::Profile(profile) => {
                let need = if profile.poisson {
                    self.rng.exponential()
                } else {
                    1.0
                };
                profile.advance(need)
            }
        };
    }
}

/// A schedule with its backlog: a second copy of it runs ahead to count what is due, so that the
/// count is exact, costs nothing while nobody asks, and needs constant memory.
#[derive(Clone, Debug)]
pub struct Arrivals {
    main: Schedule,
    /// Index of the arrival `main` stands at.
    at: u64,
    ahead: Schedule,
    /// Index of the arrival `ahead` stands at.
    seen: u64,
    /// Arrivals between `at` and `seen` that were dropped.
    skipped: u64,
    gaps: VecDeque<Gap>,
    /// Bytes of an operation, for schedules by bytes: exact if all are equal, else the mean.
    bytes: u32,
}

/// Dropped arrivals: from index `from` go on at index `to`.
#[derive(Clone, Debug)]
struct Gap {
    from: u64,
    to: u64,
    resume: Schedule,
}

/// Separate runs of dropped arrivals that are remembered. Beyond that, arrivals between two runs
/// are dropped too: an overloaded run stays labelled overloaded, and memory constant.
const GAPS: usize = 256;

impl Arrivals {
    /// `bytes`: an operation's (mean) size.
    #[must_use]
    pub fn new(schedule: Schedule, bytes: u32) -> Self {
        Self {
            ahead: schedule.clone(),
            main: schedule,
            at: 0,
            seen: 0,
            skipped: 0,
            gaps: VecDeque::with_capacity(GAPS),
            bytes,
        }
    }

    /// The next intended time.
    #[inline]
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        self.main.next_ns
    }

    /// The operation of the next arrival, of `bytes` bytes, is sent.
    #[inline]
    pub fn take(&mut self, bytes: u32) {
        self.main.advance(bytes);
        self.at += 1;
        if let Some(gap) = self.gaps.front()
            && gap.from == self.at
        {
            self.jump();
        }
    }

    #[cold]
    fn jump(&mut self) {
        if let Some(gap) = self.gaps.pop_front() {
            self.skipped -= gap.to - gap.from;
            self.at = gap.to;
            self.main = gap.resume;
        }
    }

    /// Arrivals due at `now_ns` or before that were neither taken nor dropped. `now_ns` MUST not go
    /// back.
    pub fn due(&mut self, now_ns: u64) -> u64 {
        let due = self.main.next_ns <= now_ns && self.main.next_ns != u64::MAX;
        // Behind: nobody asked for a while. Ahead though nothing is due: operations were larger
        // than the mean that `ahead` counts with.
        if self.seen < self.at || (!due && self.seen > self.at) {
            self.ahead = self.main.clone();
            self.seen = self.at;
            self.gaps.clear();
            self.skipped = 0;
        }
        if !due {
            return 0;
        }
        while self.ahead.next_ns <= now_ns && self.ahead.next_ns != u64::MAX {
            self.ahead.advance(self.bytes);
            self.seen += 1;
        }
        (self.seen - self.at - self.skipped).max(1)
    }

    /// Drops the newest `count` due arrivals (those that came when the queue was full, as a bounded
    /// queue does: dropping the oldest would hide the longest waits). Returns how many it dropped.
    pub fn drop_newest(&mut self, count: u64) -> u64 {
        let kept_from = self.gaps.back().map_or(self.at, |gap| gap.to);
        let fresh = self.seen - kept_from;
        let mut count = count.min(fresh);
        if count == 0 {
            return 0;
        }
        if self.gaps.len() == GAPS {
            count = fresh;
        }
        let from = self.seen - count;
        if from == self.at {
            self.at = self.seen;
            self.main = self.ahead.clone();
            return count;
        }
        self.skipped += count;
        if from == kept_from
            && let Some(gap) = self.gaps.back_mut()
        {
            gap.to = self.seen;
            gap.resume = self.ahead.clone();
        } else {
            self.gaps.push_back(Gap {
                from,
                to: self.seen,
                resume: self.ahead.clone(),
            });
        }
        count
    }
}

#[cfg(test)]
mod tests;
