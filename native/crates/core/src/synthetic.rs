//! The synthetic device: one model of service time, jitter, stalls, errors and limits.
//!
//! A model, not an engine: it has no clock and moves no data. The caller tells it when an operation
//! arrives and it answers when that operation completes, so that the native engine, the engine's
//! real-time device and the simulator all behave alike. The answer depends only on the specification,
//! the times and the order of the calls.
//!
//! An operation waits for a free channel, then for its turn under the IOPS limit, and then is in
//! service. No work is done during a stall: what arrives within waits for its end, what is in service
//! is held up for its length. Data passes one shared pipe under the bandwidth limit.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::op::OpKind;
use crate::rng::{Rng, Use, threshold};
use crate::spec::{Jitter, SyntheticSpec};

/// More channels than any device has queues for; bounds what a specification can allocate.
const CHANNELS_LIMIT: u32 = 1 << 20;
const SIGMA: f64 = 0.5;

/// Why a specification describes no device.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SyntheticError {
    /// Stalls follow each other without a gap.
    #[error("stall_every must be longer than stall_for, or the device never works again")]
    EndlessStall,
    /// Not a probability.
    #[error("error_rate must be 0 to 1, not {0}")]
    ErrorRate(f64),
    /// A limit that lets nothing pass, or is no number.
    #[error("{name} must be above 0, not {value}")]
    Limit {
        /// Which.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// No channels, or absurdly many.
    #[error("channels must be 1 to 1048576, not {0}")]
    Channels(u32),
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// When it completes, ns since the device's start; never before it was admitted.
    pub completes_ns: u64,
    /// `false`: it fails with EIO.
    pub ok: bool,
}

/// Time windows in which no work is done: `[at + k * every, at + k * every + length)`.
#[derive(Clone, Copy, Debug)]
struct Stalls {
    at: u64,
    length: u64,
    every: Option<u64>,
}

impl Stalls {
    /// `time`, or the end of the stall that it lies in.
    fn leave(&self, time: u64) -> u64 {
        if time < self.at {
            return time;
        }
        let into = self
            .every
            .map_or(time - self.at, |every| (time - self.at) % every);
        if into < self.length {
            time + (self.length - into)
        } else {
            time
        }
    }

    /// Start of the first stall after `time`, which lies in none.
    fn next_start(&self, time: u64) -> Option<u64> {
        if time < self.at {
            return Some(self.at);
        }
        let every = self.every?;
        Some(self.at + ((time - self.at) / every + 1) * every)
    }

    /// When work of `work_ns` that begins at `time` is done.
    fn finish(&self, time: u64, work_ns: u64) -> u64 {
        let begin = self.leave(time);
        let Some(stall) = self
            .next_start(begin)
            .filter(|stall| begin + work_ns > *stall)
        else {
            return begin + work_ns;
        };
        let rest = work_ns - (stall - begin);
        let resumed = stall + self.length;
        let Some(every) = self.every else {
            return resumed + rest;
        };
        // Whole periods at once: long work must not take a step per stall.
        let worked_each = every - self.length;
        let periods = (rest - 1) / worked_each;
        resumed + periods * every + (rest - periods * worked_each)
    }
}

/// A limit as absolute spacing: turns begin `gap` apart while there is demand, with the fraction of a
/// nanosecond carried on, so that the rate is exact in the long run. Idle time earns no credit.
#[derive(Clone, Copy, Debug, Default)]
struct Spacing {
    free_at: u64,
    carry: f64,
}

impl Spacing {
    /// When a turn that may begin at `time` begins, with what is left of the last turn's fraction.
    fn begin(&mut self, time: u64) -> u64 {
        if time > self.free_at {
            self.carry = 0.0;
            return time;
        }
        self.free_at
    }

    /// Whole nanoseconds of a turn of `gap_ns`; the fraction is kept.
    fn whole(&mut self, gap_ns: f64) -> u64 {
        let gap = gap_ns + self.carry;
        self.carry = gap.fract();
        gap as u64
    }
}

/// The device.
#[derive(Clone, Debug)]
pub struct SyntheticModel {
    service_ns: f64,
    jitter: Jitter,
    stalls: Option<Stalls>,
    failure: Option<u64>,
    iops_gap_ns: Option<f64>,
    byte_ns: Option<f64>,
    channels: usize,
    /// When each busy channel becomes free, earliest on top. Empty without a limit.
    busy: BinaryHeap<Reverse<u64>>,
    turns: Spacing,
    pipe: Spacing,
    last_write_ns: u64,
    services: Rng,
    failures: Rng,
}

impl SyntheticModel {
    /// A device at rest. All memory it will ever need is taken here.
    pub fn new(spec: &SyntheticSpec) -> Result<Self, SyntheticError> {
        check(spec)?;
        let channels = spec.channels.unwrap_or(0) as usize;
        let stalls = spec
            .stall_at_ns
            .filter(|_| spec.stall_for_ns > 0)
            .map(|at| Stalls {
                at,
                length: spec.stall_for_ns,
                every: spec.stall_every_ns,
            });
        Ok(Self {
            service_ns: spec.service_ns as f64,
            jitter: spec.jitter,
            stalls,
            failure: (spec.error_rate > 0.0).then(|| threshold(spec.error_rate)),
            iops_gap_ns: spec.iops.map(|rate| 1e9 / rate),
            byte_ns: spec.bandwidth.map(|rate| 1e9 / rate),
            channels,
            busy: BinaryHeap::with_capacity(channels + 1),
            turns: Spacing::default(),
            pipe: Spacing::default(),
            last_write_ns: 0,
            services: Rng::new(spec.seed, Use::Jitter, 0),
            failures: Rng::new(spec.seed, Use::Fault, 0),
        })
    }

    /// Takes an operation that arrives at `now_ns` (since the device's start) and tells its fate.
    /// Reads and writes pass the bandwidth limit; trims, zeroes and flushes carry no data and cost one
    /// service time. A flush completes after every write admitted before it.
    pub fn admit(&mut self, now_ns: u64, kind: OpKind, bytes: u32) -> Admitted {
        let mut start = now_ns;
        let all_busy = self.channels > 0 && self.busy.len() == self.channels;
        if let Some(Reverse(free_at)) = all_busy.then(|| self.busy.pop()).flatten() {
            start = start.max(free_at);
        }
        if let Some(gap_ns) = self.iops_gap_ns {
            let turn = self.turns.begin(start);
            start = self.leave_stall(turn);
            self.turns.free_at = start + self.turns.whole(gap_ns);
        }
        let service_ns = self.draw_service();
        let mut completes_ns = self.finish(start, service_ns);
        if let (Some(byte_ns), OpKind::Read | OpKind::Write) = (self.byte_ns, kind) {
            let begin = self.pipe.begin(start);
            let transfer_ns = self.pipe.whole(f64::from(bytes) * byte_ns);
            self.pipe.free_at = self.finish(begin, transfer_ns);
            completes_ns = completes_ns.max(self.pipe.free_at);
        }
        match kind {
            OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => {
                completes_ns = completes_ns.max(self.last_write_ns);
            }
            OpKind::Write | OpKind::WriteZeroes | OpKind::Trim => {
                self.last_write_ns = self.last_write_ns.max(completes_ns);
            }
            OpKind::Read => {}
        }
        if self.channels > 0 {
            self.busy.push(Reverse(completes_ns));
        }
        let ok = self.failure.is_none_or(|rate| !self.failures.chance(rate));
        Admitted { completes_ns, ok }
    }

    fn leave_stall(&self, time: u64) -> u64 {
        self.stalls.map_or(time, |stalls| stalls.leave(time))
    }

    fn finish(&self, start: u64, work_ns: u64) -> u64 {
        self.stalls
            .map_or(start + work_ns, |stalls| stalls.finish(start, work_ns))
    }

    fn draw_service(&mut self) -> u64 {
        let mean = self.service_ns;
        let drawn = match self.jitter {
            Jitter::None => return mean as u64,
            Jitter::Exp => mean * self.services.exponential(),
            Jitter::Uniform => mean * (0.5 + self.services.unit()),
            Jitter::Lognormal => {
                // Box and Muller; shifted by sigma^2 / 2 so that the mean is the one asked for.
                let radius = (2.0 * self.services.exponential()).sqrt();
                let normal = radius * (std::f64::consts::TAU * self.services.unit()).cos();
                mean * (SIGMA * normal - SIGMA * SIGMA / 2.0).exp()
            }
        };
        drawn.round() as u64
    }
}

fn check(spec: &SyntheticSpec) -> Result<(), SyntheticError> {
    if spec
        .stall_every_ns
        .is_some_and(|every| every <= spec.stall_for_ns)
    {
        return Err(SyntheticError::EndlessStall);
    }
    if !(0.0..=1.0).contains(&spec.error_rate) {
        return Err(SyntheticError::ErrorRate(spec.error_rate));
    }
    for (name, limit) in [("iops", spec.iops), ("bw", spec.bandwidth)] {
        if let Some(value) = limit.filter(|value| !(value.is_finite() && *value > 0.0)) {
            return Err(SyntheticError::Limit { name, value });
        }
    }
    match spec.channels {
        Some(channels) if !(1..=CHANNELS_LIMIT).contains(&channels) => {
            Err(SyntheticError::Channels(channels))
        }
        _ => Ok(()),
    }
}
