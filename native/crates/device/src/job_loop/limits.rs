//! What a job has to keep up: no operation above a latency, no rate below a floor.

use osdyno_core::op::{DIRECTIONS, OpKind};

use super::check::verb;
use super::{InFlight, JobLoop, Phase};
use crate::control::{ControlSpec, RateFloorSpec};
use crate::engine::{Completion, Engine};

/// No rate is judged before (as fio does).
const SETTLE_NS: u64 = 2_000_000_000;

/// Figures at the last look at a rate.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    at_ns: u64,
    ios: u64,
    bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Limits {
    max_latency_ns: [u64; 3],
    target_ns: u64,
    floor: Option<RateFloorSpec>,
    looks: [Option<Look>; 3],
}

impl Limits {
    pub(super) fn new(spec: &ControlSpec) -> Self {
        Self {
            max_latency_ns: spec
                .max_latency_ns
                .map(|limit| if limit == 0 { u64::MAX } else { limit }),
            target_ns: spec
                .latency_target
                .map_or(u64::MAX, |target| target.target_ns),
            floor: spec.rate_floor,
            looks: [None; 3],
        }
    }

    /// Whatever is not slower than this needs no look at the limits.
    pub(super) fn slow_ns(&self) -> u64 {
        let [read, write, trim] = self.max_latency_ns;
        read.min(write).min(trim).min(self.target_ns)
    }

    /// The next time at which a rate can be judged.
    pub(super) fn edge_ns(&self, start_ns: u64) -> u64 {
        let Some(floor) = &self.floor else {
            return u64::MAX;
        };
        let cycle_ns = floor.cycle_ns;
        let next = |look: &Look| look.at_ns.saturating_add(cycle_ns);
        let soonest = self.looks.iter().flatten().map(next).min();
        soonest.unwrap_or(0).max(start_ns.saturating_add(SETTLE_NS))
    }

    /// Judges the rates since the last look; the message of the one that is too low.
    fn judge(&mut self, now_ns: u64, figures: [(u64, u64); 3]) -> Option<String> {
        let floor = self.floor?;
        for (direction, (ios, bytes)) in figures.into_iter().enumerate() {
            let (least_bytes, least_ios) = (floor.bytes[direction], floor.iops[direction]);
            if least_bytes == 0 && least_ios == 0 {
                continue;
            }
            let look = Look {
                at_ns: now_ns,
                ios,
                bytes,
            };
            let Some(last) = self.looks[direction] else {
                // fio judges from the first operation on.
                self.looks[direction] = (ios > 0).then_some(look);
                continue;
            };
            let spent_ns = now_ns.saturating_sub(last.at_ns);
            if spent_ns < floor.cycle_ns.max(1) {
                continue;
            }
            let rate = |count: u64| (count as f64 / spent_ns as f64 * 1e9) as u64;
            let name = DIRECTIONS[direction];
            if least_bytes > 0 {
                let found = rate(bytes - last.bytes);
                if found < least_bytes {
                    return Some(format!(
                        "rate_min={least_bytes} bytes a second of {name}s not met, got {found}"
                    ));
                }
            } else {
                let found = rate(ios - last.ios);
                if found < least_ios {
                    return Some(format!(
                        "rate_iops_min={least_ios} {name}s a second not met, got {found}"
                    ));
                }
            }
            self.looks[direction] = Some(look);
        }
        None
    }
}

impl<E: Engine> JobLoop<E> {
    /// An operation took longer than some limit.
    #[cold]
    pub(super) fn slow(&mut self, flight: &InFlight, completion: &Completion) {
        let op = flight.op;
        let direction = match op.kind {
            OpKind::Read => 0,
            OpKind::Write | OpKind::WriteZeroes => 1,
            OpKind::Trim => 2,
            OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => return,
        };
        let took_ns = completion.completed_ns.saturating_sub(flight.sent_ns);
        let now_ns = completion.completed_ns;
        let mut limit_ns = self.limits.max_latency_ns[direction];
        let mut over = took_ns > limit_ns;
        if !over && took_ns > self.limits.target_ns && self.phase == Phase::Stream {
            limit_ns = self.limits.target_ns;
            over = self.missed_target(now_ns);
        }
        if !over {
            return;
        }
        let path = self.path(op.file);
        let message = format!(
            "{} of {} bytes at {} of {path} took {took_ns} ns, {limit_ns} are allowed",
            verb(op.kind),
            op.length,
            op.offset
        );
        self.fail(libc::ETIMEDOUT, message, now_ns);
    }

    /// Ends the job when a rate is below its floor.
    pub(super) fn judge_rates(&mut self, now_ns: u64) {
        let settled = now_ns >= self.start_ns.saturating_add(SETTLE_NS);
        if self.limits.floor.is_none()
            || self.phase != Phase::Stream
            || self.recorder.warmup()
            || !settled
        {
            return;
        }
        let figures = self.recorder.by_direction();
        if let Some(message) = self.limits.judge(now_ns, figures) {
            self.fail(libc::EIO, message, now_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn limits(bytes: u64, iops: u64) -> Limits {
        Limits::new(&ControlSpec {
            rate_floor: Some(RateFloorSpec {
                bytes: [bytes, 0, 0],
                iops: [iops, 0, 0],
                cycle_ns: S,
            }),
            ..ControlSpec::default()
        })
    }

    #[test]
    fn rates_are_judged_over_whole_cycles() {
        let mut limits = limits(0, 100);
        let mut judge = |at: u64, ios: u64| limits.judge(at, [(ios, 0); 3]);
        assert_eq!(judge(2 * S, 0), None);
        assert_eq!(judge(3 * S, 50), None);
        assert_eq!(judge(3 * S + S / 2, 51), None);
        assert_eq!(judge(4 * S, 150), None);
        let message = judge(5 * S, 249).unwrap();
        assert!(message.contains("got 99"), "{message}");
    }

    #[test]
    fn bytes_have_a_floor_too_and_other_directions_none() {
        let mut limits = limits(1000, 0);
        assert_eq!(limits.judge(2 * S, [(1, 1), (0, 0), (0, 0)]), None);
        let message = limits.judge(4 * S, [(1, 1001), (0, 0), (0, 0)]).unwrap();
        assert!(message.contains("got 500"), "{message}");
    }
}
