//! What the jobs of a run may write together. A job claims the bytes of a write before it is sent: what
//! is not there is not written, and the first write that finds too little ends all jobs of the run.
//! Claims are exact, one atomic each, and made only where somebody set a budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use osdyno_core::op::{Op, OpKind};

use crate::exchange::JobPort;

/// See the module.
#[derive(Debug)]
pub struct WriteBudget {
    left: AtomicU64,
    refused: AtomicBool,
    ports: Vec<Arc<JobPort>>,
}

/// What an operation writes; zeroes count, trims do not (they count as trims in results, too).
#[inline]
fn bytes_of(op: &Op) -> Option<u64> {
    matches!(op.kind, OpKind::Write | OpKind::WriteZeroes).then_some(u64::from(op.length))
}

impl WriteBudget {
    /// Of `bytes`, for the jobs with these ports; `None`: there is no limit.
    #[must_use]
    pub fn new(bytes: Option<u64>, ports: &[Arc<JobPort>]) -> Option<Arc<Self>> {
        bytes.map(|bytes| {
            Arc::new(Self {
                left: AtomicU64::new(bytes),
                refused: AtomicBool::new(false),
                ports: ports.to_vec(),
            })
        })
    }

    /// Claims what the operation writes. `false`: it must not be sent, and every job was asked to end.
    pub fn admits(&self, op: &Op) -> bool {
        let Some(bytes) = bytes_of(op) else {
            return true;
        };
        let claim = |left: u64| left.checked_sub(bytes);
        let (taken, kept) = (Ordering::Relaxed, Ordering::Relaxed);
        let admitted = self.left.fetch_update(taken, kept, claim).is_ok();
        if !admitted {
            self.refused.store(true, Ordering::Relaxed);
            for port in &self.ports {
                port.dismiss();
            }
        }
        admitted
    }

    /// An operation that was admitted was not sent after all.
    pub fn give_back(&self, op: &Op) {
        let bytes = bytes_of(op).unwrap_or(0);
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Some write was not sent because it would have gone beyond.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osdyno_core::op::CLOSED_LOOP;

    fn op(kind: OpKind, length: u32) -> Op {
        Op {
            kind,
            flags: 0,
            file: 0,
            length,
            offset: 0,
            intended_ns: CLOSED_LOOP,
            sequence: 0,
            generation: 0,
        }
    }

    #[test]
    fn the_write_that_goes_beyond_is_refused_and_ends_every_job() {
        let ports = [true, false].map(|read| Arc::new(JobPort::new([read, true, false])));
        let budget = WriteBudget::new(Some(10), &ports).unwrap();
        assert!(budget.admits(&op(OpKind::Write, 6)));
        assert!(budget.admits(&op(OpKind::Read, 1000)));
        assert!(budget.admits(&op(OpKind::Trim, 1000)));
        assert!(budget.admits(&op(OpKind::WriteZeroes, 4)));
        budget.give_back(&op(OpKind::WriteZeroes, 4));
        assert!(!budget.refused() && ports.iter().all(|port| !port.stopping()));
        assert!(!budget.admits(&op(OpKind::Write, 5)));
        assert!(budget.refused());
        // An end like that of the runtime: nobody called the run off.
        assert!(ports.iter().all(|port| port.stopping() && !port.stopped()));
        assert!(budget.admits(&op(OpKind::Write, 4)));
        assert!(WriteBudget::new(None, &ports).is_none());
    }

    #[test]
    fn threads_share_it_to_the_byte() {
        let budget = WriteBudget::new(Some(100_003), &[]).unwrap();
        let written = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while budget.admits(&op(OpKind::Write, 7)) {
                        written.fetch_add(7, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(written.into_inner(), 100_003 / 7 * 7);
    }
}
