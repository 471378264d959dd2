//! The engine of the path through TypeScript: it hands operations out and takes completions in, and
//! does nothing itself. With it the job loop runs the same code over any block device that
//! TypeScript drives.

use std::os::fd::RawFd;

use osdyno_core::op::Op;

use super::{Completion, Engine, EngineError, Wait};

/// An operation on its way out, with its buffer slot and tag.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// The operation.
    pub op: Op,
    /// Its buffer.
    pub slot: u32,
    /// Returned with the completion.
    pub tag: u32,
}

/// See the module.
#[derive(Debug)]
pub struct Bridge {
    outgoing: Vec<Outgoing>,
    committed: usize,
    incoming: Vec<Completion>,
    /// By tag: handed out and not come back.
    away: Vec<bool>,
    in_flight: usize,
    depth: usize,
    notes: Vec<String>,
}

impl Bridge {
    /// For at most `depth` operations queued or in flight, with tags below `depth`.
    #[must_use]
    pub fn new(depth: u32, notes: Vec<String>) -> Self {
        let depth = depth.max(1) as usize;
        Self {
            outgoing: Vec::with_capacity(depth),
            committed: 0,
            incoming: Vec::with_capacity(depth),
            away: vec![false; depth],
            in_flight: 0,
            depth,
            notes,
        }
    }

    /// The operations of the batches committed since `clear`.
    #[must_use]
    pub fn outgoing(&self) -> &[Outgoing] {
        &self.outgoing[..self.committed]
    }

    /// Forgets what `outgoing` gave: it has been sent.
    pub fn clear(&mut self) {
        self.outgoing.drain(..self.committed);
        self.committed = 0;
    }

    /// Brings a completion in; `false` when no such operation is away: an error of the device.
    #[must_use]
    pub fn deliver(&mut self, completion: Completion) -> bool {
        match self.away.get_mut(completion.tag as usize) {
            Some(away) if *away => *away = false,
            _ => return false,
        }
        self.incoming.push(completion);
        true
    }
}

impl Engine for Bridge {
    fn queue(&mut self, op: &Op, slot: u32, tag: u32) -> bool {
        let queued = self.outgoing.len() - self.committed;
        if self.in_flight + queued >= self.depth || tag as usize >= self.depth {
            return false;
        }
        let op = *op;
        self.outgoing.push(Outgoing { op, slot, tag });
        true
    }

    fn commit(&mut self) -> Result<u32, EngineError> {
        let count = self.outgoing.len() - self.committed;
        for outgoing in &self.outgoing[self.committed..] {
            self.away[outgoing.tag as usize] = true;
        }
        self.committed += count;
        self.in_flight += count;
        Ok(count as u32)
    }

    /// Never waits: the event loop does.
    fn reap(&mut self, _wait: Wait, out: &mut Vec<Completion>) -> Result<usize, EngineError> {
        let count = self.incoming.len().min(out.capacity() - out.len());
        out.extend(self.incoming.drain(..count));
        self.in_flight -= count;
        Ok(count)
    }

    fn ready_fd(&self) -> Option<RawFd> {
        None
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

#[cfg(test)]
mod tests {
    use osdyno_core::op::OpKind;

    use super::*;

    #[test]
    fn hands_out_batches_and_takes_in_what_it_handed_out() {
        let op = Op {
            kind: OpKind::Read,
            flags: 0,
            file: 0,
            length: 512,
            offset: 0,
            intended_ns: 0,
            sequence: 0,
            generation: 0,
        };
        let mut bridge = Bridge::new(2, Vec::new());
        assert!(bridge.queue(&op, 0, 1));
        assert!(bridge.outgoing().is_empty());
        assert!(!bridge.deliver(Completion::default()));
        assert_eq!(bridge.commit().unwrap(), 1);
        assert_eq!(bridge.outgoing()[0].tag, 1);
        bridge.clear();
        assert!(bridge.queue(&op, 1, 0) && !bridge.queue(&op, 1, 1));
        let done = Completion {
            tag: 1,
            ..Completion::default()
        };
        assert!(bridge.deliver(done));
        assert!(!bridge.deliver(done));
        assert!(!bridge.deliver(Completion { tag: 9, ..done }));
        let mut out = Vec::with_capacity(2);
        assert_eq!(bridge.reap(Wait::Forever, &mut out).unwrap(), 1);
        assert!(bridge.queue(&op, 0, 1));
        assert_eq!(bridge.commit().unwrap(), 2);
        let tags: Vec<u32> = bridge.outgoing().iter().map(|out| out.tag).collect();
        assert_eq!(tags, [0, 1]);
    }
}
