//! Priorities of single operations, and what each of them got.

use osdyno_core::measure::{PlatRecord, Sample};
use osdyno_core::op::{Op, OpKind, PRIORITY_SHIFT};
use osdyno_core::plat::PlatHist;
use osdyno_core::rng::{Rng, Use, threshold};

use super::JobLoop;
use crate::control::{ControlSpec, PriorityShare};
use crate::engine::{Engine, EngineError};
use crate::outcome::PriorityOutcome;

/// Priorities that an operation's flags have room for, beside none of its own.
const MOST: usize = (u8::MAX >> PRIORITY_SHIFT) as usize;

/// Operations of some size whose draw is from `from` to below `to` have a priority.
#[derive(Clone, Copy, Debug)]
struct Share {
    /// 0 = of any size.
    bytes: u32,
    from: u64,
    to: u64,
    index: u8,
}

/// Times of the operations of one direction and priority.
#[derive(Debug, Default)]
struct Times {
    service: PlatHist,
    lat: PlatHist,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Priorities {
    shares: [Vec<Share>; 2],
    draws: [Rng; 2],
    /// Class and level by index; the first is the job's own.
    known: Vec<(u8, u8)>,
    /// By direction and index.
    times: [Vec<Times>; 2],
}

impl Priorities {
    /// `None` when the job has none. `Err`: more than fit.
    pub(super) fn new(spec: &ControlSpec) -> Result<Option<Self>, String> {
        let Some(rules) = &spec.command_priority else {
            return Ok(None);
        };
        let mut known = vec![spec.host.io_priority.unwrap_or((0, 0))];
        let mut shares_of = |rules: &[PriorityShare]| -> Vec<Share> {
            let mut shares: Vec<Share> = Vec::with_capacity(rules.len());
            for rule in rules {
                let own = (rule.class, rule.level);
                let found = known.iter().skip(1).position(|&other| other == own);
                let index = found.map_or(known.len(), |at| at + 1);
                if found.is_none() {
                    known.push(own);
                }
                let before = shares.iter().filter(|share| share.bytes == rule.bytes);
                let from = before.map(|share| share.to).max().unwrap_or(0);
                shares.push(Share {
                    bytes: rule.bytes,
                    from,
                    to: from.saturating_add(threshold(rule.percent / 100.0)),
                    index: index as u8,
                });
            }
            shares
        };
        let shares = [shares_of(&rules.read), shares_of(&rules.write)];
        if known.len() > MOST + 1 {
            return Err(format!(
                "{} priorities of single operations: at most {MOST}",
                known.len() - 1
            ));
        }
        let times = || known.iter().map(|_| Times::default()).collect();
        Ok(Some(Self {
            shares,
            draws: [0, 1].map(|direction| Rng::new(rules.seed, Use::Priority, direction)),
            times: [times(), times()],
            known,
        }))
    }

    /// The priorities as the kernel takes them, by index.
    fn table(&self) -> Vec<u16> {
        let value = |&(class, level): &(u8, u8)| u16::from(class) << 13 | u16::from(level);
        let mut table: Vec<u16> = self.known.iter().map(value).collect();
        // The thread's own holds for the others.
        table[0] = 0;
        table
    }

    pub(super) fn draw(&mut self, op: &mut Op) {
        let direction = match op.kind {
            OpKind::Read => 0,
            OpKind::Write => 1,
            _ => return,
        };
        if self.shares[direction].is_empty() {
            return;
        }
        let draw = self.draws[direction].next_u64();
        let meant = |share: &&Share| {
            (share.bytes == 0 || share.bytes == op.length) && share.from <= draw && draw < share.to
        };
        if let Some(share) = self.shares[direction].iter().find(meant) {
            op.flags |= share.index << PRIORITY_SHIFT;
        }
    }

    pub(super) fn record(&mut self, sample: &Sample, op: &Op) {
        let direction = op.kind as usize;
        let index = usize::from(op.flags >> PRIORITY_SHIFT);
        if sample.result < 0 || direction > 1 {
            return;
        }
        if let Some(times) = self.times[direction].get_mut(index) {
            let since = |from_ns: u64| sample.completed_ns.saturating_sub(from_ns);
            times.service.record(since(sample.submitted_ns));
            times.lat.record(since(sample.sent_ns));
        }
    }

    pub(super) fn clear(&mut self) {
        for times in self.times.iter_mut().flatten() {
            times.service.clear();
            times.lat.clear();
        }
    }

    pub(super) fn outcome(&self) -> Vec<PriorityOutcome> {
        let mut all = Vec::new();
        for (direction, times) in ["read", "write"].into_iter().zip(&self.times) {
            for (&(class, level), times) in self.known.iter().zip(times) {
                if !times.lat.is_empty() {
                    all.push(PriorityOutcome {
                        direction,
                        class,
                        level,
                        service: PlatRecord::from(&times.service),
                        lat: PlatRecord::from(&times.lat),
                    });
                }
            }
        }
        all
    }
}

impl<E: Engine> JobLoop<E> {
    /// Tells the engine of the job's priorities.
    ///
    /// # Errors
    /// There are too many, or the engine has none.
    pub fn set_priorities(&mut self, spec: &ControlSpec) -> Result<(), EngineError> {
        let priorities = Priorities::new(spec).map_err(EngineError::Unsupported)?;
        if let Some(priorities) = priorities {
            self.engine.set_priorities(&priorities.table())?;
            self.priorities = Some(Box::new(priorities));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use osdyno_core::op::CLOSED_LOOP;

    use super::*;
    use crate::control::CommandPrioritySpec;

    fn share(percent: f64, class: u8, level: u8, bytes: u32) -> PriorityShare {
        PriorityShare {
            percent,
            class,
            level,
            bytes,
        }
    }

    fn priorities(read: Vec<PriorityShare>) -> Priorities {
        let spec = ControlSpec {
            command_priority: Some(CommandPrioritySpec {
                read,
                write: Vec::new(),
                seed: 7,
            }),
            ..ControlSpec::default()
        };
        Priorities::new(&spec).unwrap().unwrap()
    }

    /// How many of 10,000 operations have each index.
    fn drawn(priorities: &mut Priorities, kind: OpKind, length: u32) -> [u32; 4] {
        let mut counts = [0; 4];
        for sequence in 0..10_000 {
            let mut op = Op {
                kind,
                flags: 1,
                file: 0,
                length,
                offset: 0,
                intended_ns: CLOSED_LOOP,
                sequence,
                generation: 0,
            };
            priorities.draw(&mut op);
            assert_eq!(op.flags & 1, 1);
            counts[usize::from(op.flags >> PRIORITY_SHIFT)] += 1;
        }
        counts
    }

    #[test]
    fn shares_are_kept_by_size() {
        let mut all = priorities(vec![
            share(30.0, 1, 0, 4096),
            share(20.0, 2, 7, 4096),
            share(100.0, 1, 0, 8192),
        ]);
        assert_eq!(all.table(), [0, 1 << 13, 2 << 13 | 7]);
        let [none, first, second, other] = drawn(&mut all, OpKind::Read, 4096);
        assert!(none.abs_diff(5000) < 300, "{none}");
        assert!(first.abs_diff(3000) < 300, "{first}");
        assert!(second.abs_diff(2000) < 300 && other == 0, "{second}");
        assert_eq!(drawn(&mut all, OpKind::Read, 8192)[1], 10_000);
        assert_eq!(drawn(&mut all, OpKind::Read, 512)[0], 10_000);
        assert_eq!(drawn(&mut all, OpKind::Write, 4096)[0], 10_000);
        let mut any = priorities(vec![share(100.0, 3, 1, 0)]);
        assert_eq!(drawn(&mut any, OpKind::Read, 512)[1], 10_000);
    }

    #[test]
    fn too_many_are_refused() {
        let read = (0..=MOST as u8).map(|at| share(1.0, 1 + at / 8, at % 8, 0));
        let spec = ControlSpec {
            command_priority: Some(CommandPrioritySpec {
                read: read.collect(),
                ..CommandPrioritySpec::default()
            }),
            ..ControlSpec::default()
        };
        assert!(Priorities::new(&spec).unwrap_err().contains("at most"));
    }
}
