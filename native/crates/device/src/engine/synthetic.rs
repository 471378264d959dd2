//! The synthetic engine: the device model on the real clock, without data.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use osdyno_core::op::{Op, OpKind};
use osdyno_core::spec::SyntheticSpec;
use osdyno_core::synthetic::SyntheticModel;

use super::{Completion, Engine, EngineError, Wait};
use crate::clock::now_ns;

/// Sleeping ends this long before a completion is due; the rest is spun, since a sleeper wakes up
/// to 50 us late (the default timer slack).
const SPIN_NS: u64 = 50_000;

/// An operation in service, ordered by completion; equal times by submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct InService {
    due_ns: u64,
    order: u64,
    tag: u32,
    result: i32,
    submitted_ns: u64,
}

/// The synthetic engine.
pub struct Synthetic {
    model: SyntheticModel,
    size: u64,
    /// When the first operation was handed over: the model's time 0.
    started_ns: Option<u64>,
    queued: Vec<(Op, u32)>,
    in_service: BinaryHeap<Reverse<InService>>,
    order: u64,
    depth: usize,
    timer: OwnedFd,
    notes: Vec<String>,
}

impl Synthetic {
    /// A device at rest; its time begins with the first operation.
    ///
    /// # Errors
    /// The specification describes no device.
    pub fn new(spec: &SyntheticSpec, depth: u32) -> Result<Self, EngineError> {
        let model = SyntheticModel::new(spec)
            .map_err(|error| EngineError::Unsupported(format!("synthetic device: {error}")))?;
        // SAFETY: takes no pointers; the result is checked.
        let timer = unsafe {
            libc::timerfd_create(
                libc::CLOCK_MONOTONIC,
                libc::TFD_CLOEXEC | libc::TFD_NONBLOCK,
            )
        };
        if timer < 0 {
            return Err(timer_failed());
        }
        let depth = depth.max(1) as usize;
        Ok(Self {
            model,
            size: spec.size,
            started_ns: None,
            queued: Vec::with_capacity(depth),
            in_service: BinaryHeap::with_capacity(depth),
            order: 0,
            depth,
            // SAFETY: it was just created and nothing else owns it.
            timer: unsafe { OwnedFd::from_raw_fd(timer) },
            notes: Vec::new(),
        })
    }

    /// Moves what is due into `out`.
    fn take(&mut self, now: u64, out: &mut Vec<Completion>) -> usize {
        let before = out.len();
        while out.len() < out.capacity() {
            match self.in_service.peek() {
                Some(Reverse(first)) if first.due_ns <= now => {
                    out.push(Completion {
                        tag: first.tag,
                        result: first.result,
                        submitted_ns: first.submitted_ns,
                        completed_ns: now,
                    });
                    self.in_service.pop();
                }
                _ => break,
            }
        }
        out.len() - before
    }

    fn next_due(&self) -> Option<u64> {
        self.in_service.peek().map(|Reverse(first)| first.due_ns)
    }

    fn outside(&self, op: &Op) -> bool {
        op.offset
            .checked_add(u64::from(op.length))
            .is_none_or(|end| end > self.size)
    }
}

fn timer_failed() -> EngineError {
    EngineError::System {
        call: "timerfd".to_owned(),
        source: Error::last_os_error(),
    }
}

impl Engine for Synthetic {
    fn queue(&mut self, op: &Op, _slot: u32, tag: u32) -> bool {
        if self.queued.len() + self.in_service.len() >= self.depth {
            return false;
        }
        self.queued.push((*op, tag));
        true
    }

    fn commit(&mut self) -> Result<u32, EngineError> {
        let count = self.queued.len() as u32;
        if count == 0 {
            return Ok(0);
        }
        let submitted_ns = now_ns();
        let start = *self.started_ns.get_or_insert(submitted_ns);
        for index in 0..self.queued.len() {
            let (op, tag) = self.queued[index];
            let (due_ns, result) = if self.outside(&op) {
                (submitted_ns, -libc::EINVAL)
            } else {
                let fate = self.model.admit(submitted_ns - start, op.kind, op.length);
                let done = match op.kind {
                    OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => 0,
                    _ => i32::try_from(op.length).unwrap_or(i32::MAX),
                };
                let result = if fate.ok { done } else { -libc::EIO };
                (start.saturating_add(fate.completes_ns), result)
            };
            self.in_service.push(Reverse(InService {
                due_ns,
                order: self.order,
                tag,
                result,
                submitted_ns,
            }));
            self.order += 1;
        }
        self.queued.clear();
        Ok(count)
    }

    fn reap(&mut self, wait: Wait, out: &mut Vec<Completion>) -> Result<usize, EngineError> {
        let deadline = match wait {
            Wait::No => 0,
            Wait::Until(time) => time,
            Wait::Forever => u64::MAX,
        };
        loop {
            let now = now_ns();
            let count = self.take(now, out);
            if count > 0 || now >= deadline || out.len() == out.capacity() {
                return Ok(count);
            }
            let Some(until) = self.next_due().map(|due| due.min(deadline)) else {
                if let Wait::Until(time) = wait {
                    std::thread::sleep(std::time::Duration::from_nanos(time - now));
                }
                return Ok(0);
            };
            let rest = until.saturating_sub(now);
            if rest > SPIN_NS {
                // A signal ends it early; the loop sees to the rest.
                std::thread::sleep(std::time::Duration::from_nanos(rest - SPIN_NS));
            } else {
                std::hint::spin_loop();
            }
        }
    }

    fn ready_fd(&self) -> Option<RawFd> {
        Some(self.timer.as_raw_fd())
    }

    /// The descriptor becomes readable `SPIN_NS` before the first completion is due.
    fn arm_ready(&mut self) -> Result<(), EngineError> {
        let delay = self
            .next_due()
            .map_or(0, |due| due.saturating_sub(now_ns() + SPIN_NS).max(1));
        let spec = libc::itimerspec {
            it_interval: libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: libc::timespec {
                tv_sec: (delay / 1_000_000_000).cast_signed(),
                tv_nsec: (delay % 1_000_000_000).cast_signed(),
            },
        };
        let fd = self.timer.as_raw_fd();
        // SAFETY: `spec` is valid for the call; the old value is not asked for.
        if unsafe { libc::timerfd_settime(fd, 0, &raw const spec, std::ptr::null_mut()) } != 0 {
            return Err(timer_failed());
        }
        Ok(())
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(patch: &str, depth: u32) -> Synthetic {
        let spec = format!(r#"{{"size": 1048576, "seed": 1 {patch}}}"#);
        Synthetic::new(&serde_json::from_str(&spec).unwrap(), depth).unwrap()
    }

    fn read(offset: u64) -> Op {
        Op {
            kind: OpKind::Read,
            flags: 0,
            file: 0,
            length: 4096,
            offset,
            intended_ns: 0,
            sequence: 0,
            generation: 0,
        }
    }

    #[test]
    fn completes_in_order_of_time_and_never_early() {
        let mut engine = device(r#", "serviceNs": 200000, "jitter": "exp""#, 16);
        for tag in 0..16 {
            assert!(engine.queue(&read(0), 0, tag));
        }
        assert!(!engine.queue(&read(0), 0, 16));
        assert_eq!(engine.commit().unwrap(), 16);
        let mut due: Vec<_> = engine.in_service.iter().map(|Reverse(op)| *op).collect();
        due.sort_unstable();
        let mut out = Vec::with_capacity(16);
        while out.len() < 16 {
            let from = out.len();
            let count = engine.reap(Wait::Forever, &mut out).unwrap();
            assert!(count > 0);
            for (done, expected) in out[from..].iter().zip(&due[from..]) {
                assert_eq!(done.tag, expected.tag);
                assert!(done.completed_ns >= expected.due_ns);
                assert_eq!(done.result, 4096);
            }
        }
    }

    #[test]
    fn waits_until_told_and_does_not_overfill() {
        let mut engine = device(r#", "serviceNs": 1"#, 4);
        let mut out = Vec::with_capacity(1);
        let deadline = now_ns() + 2_000_000;
        assert_eq!(engine.reap(Wait::Until(deadline), &mut out).unwrap(), 0);
        assert!(now_ns() >= deadline);
        assert!(engine.queue(&read(0), 0, 0) && engine.queue(&read(1 << 20), 0, 1));
        engine.commit().unwrap();
        assert_eq!(engine.reap(Wait::Forever, &mut out).unwrap(), 1);
        assert_eq!((out[0].tag, out[0].result), (1, -libc::EINVAL));
        out.clear();
        assert_eq!(engine.reap(Wait::Forever, &mut out).unwrap(), 1);
        assert_eq!(out[0].tag, 0);
    }

    #[test]
    fn its_descriptor_tells_when_to_look() {
        let mut engine = device(r#", "serviceNs": 3000000"#, 1);
        assert!(engine.queue(&read(0), 0, 0));
        engine.commit().unwrap();
        engine.arm_ready().unwrap();
        let mut poll = libc::pollfd {
            fd: engine.ready_fd().unwrap(),
            events: libc::POLLIN,
            revents: 0,
        };
        let mut out = Vec::with_capacity(1);
        // SAFETY: one valid entry.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 0) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, 10_000) }, 1);
        assert_eq!(engine.reap(Wait::Forever, &mut out).unwrap(), 1);
    }
}
