//! The null engine: completes everything at once and moves no data. It shows what the runner itself
//! costs. Nothing is ever awaited: what was handed over has completed.

use std::os::fd::RawFd;

use osdyno_core::op::{Op, OpKind};

use super::{Completion, Engine, EngineError, Wait};
use crate::clock::{between_ns, now_ns};

/// See the module.
#[derive(Debug)]
pub struct Null {
    /// Queued (not yet handed over) after `committed` ones.
    pending: Vec<Completion>,
    committed: usize,
    depth: usize,
}

impl Null {
    /// For at most `depth` operations queued or in flight.
    #[must_use]
    pub fn new(depth: u32) -> Self {
        let depth = depth.max(1) as usize;
        Self {
            pending: Vec::with_capacity(depth),
            committed: 0,
            depth,
        }
    }
}

impl Engine for Null {
    #[inline]
    fn queue(&mut self, op: &Op, _slot: u32, tag: u32) -> bool {
        if self.pending.len() >= self.depth {
            return false;
        }
        let result = match op.kind {
            OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => 0,
            OpKind::Read | OpKind::Write | OpKind::Trim | OpKind::WriteZeroes => op.length as i32,
        };
        self.pending.push(Completion {
            tag,
            result,
            submitted_ns: 0,
            completed_ns: 0,
        });
        true
    }

    #[inline]
    fn commit(&mut self) -> Result<u32, EngineError> {
        let fresh = &mut self.pending[self.committed..];
        let count = fresh.len();
        if count > 0 {
            let now = between_ns();
            for completion in fresh {
                completion.submitted_ns = now;
            }
            self.committed += count;
        }
        Ok(count as u32)
    }

    #[inline]
    fn reap(&mut self, _wait: Wait, out: &mut Vec<Completion>) -> Result<usize, EngineError> {
        let count = self.committed.min(out.capacity() - out.len());
        if count == 0 {
            return Ok(0);
        }
        let now = now_ns();
        for completion in &mut self.pending[..count] {
            completion.completed_ns = now;
            out.push(*completion);
        }
        self.pending.drain(..count);
        self.committed -= count;
        Ok(count)
    }

    fn ready_fd(&self) -> Option<RawFd> {
        None
    }

    fn notes(&self) -> &[String] {
        &[]
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
    fn completes_what_was_committed_and_nothing_else() {
        let mut engine = Null::new(2);
        let mut out = Vec::with_capacity(8);
        assert!(engine.queue(&op(OpKind::Write, 4096), 0, 7));
        assert_eq!(engine.reap(Wait::No, &mut out).unwrap(), 0);
        assert_eq!(engine.commit().unwrap(), 1);
        assert!(engine.queue(&op(OpKind::Flush, 0), 1, 8));
        assert!(!engine.queue(&op(OpKind::Read, 512), 0, 9));
        assert_eq!(engine.reap(Wait::Forever, &mut out).unwrap(), 1);
        assert_eq!((out[0].tag, out[0].result), (7, 4096));
        assert!(out[0].completed_ns >= out[0].submitted_ns && out[0].submitted_ns > 0);
        assert_eq!(engine.commit().unwrap(), 1);
        assert_eq!(engine.reap(Wait::No, &mut out).unwrap(), 1);
        assert_eq!((out[1].tag, out[1].result), (8, 0));
    }

    #[test]
    fn respects_the_room_it_is_given() {
        let mut engine = Null::new(4);
        let mut out = Vec::with_capacity(3);
        for tag in 0..4 {
            assert!(engine.queue(&op(OpKind::Read, 1), tag, tag));
        }
        engine.commit().unwrap();
        assert_eq!(engine.reap(Wait::No, &mut out).unwrap(), 3);
        out.clear();
        assert_eq!(engine.reap(Wait::No, &mut out).unwrap(), 1);
        assert_eq!(out[0].tag, 3);
    }
}
