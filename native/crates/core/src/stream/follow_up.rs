//! What follows writes under verification while the job goes on: they are read back in batches
//! (`verify_backlog`), and some are trimmed (`trim_percentage`).
//!
//! When: as fio 3.33, seen with `write_iolog` (its trims with a backlog end in a failed assertion).

use std::collections::VecDeque;

use crate::op::{CLOSED_LOOP, FLAG_READ_BACK, Op, OpKind};
use crate::rng::{Rng, Use, threshold};
use crate::spec::StreamSpec;

/// Room for waiting pieces without an allocation.
const ROOM: u64 = 1 << 16;

/// A range that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    file: u16,
    offset: u64,
    length: u32,
}

impl Piece {
    fn of(op: &Op) -> Self {
        Self {
            file: op.file,
            offset: op.offset,
            length: op.length,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.file == other.file
            && self.offset < other.offset + u64::from(other.length)
            && other.offset < self.offset + u64::from(self.length)
    }

    fn operation(&self, kind: OpKind, flags: u8) -> Op {
        Op {
            kind,
            flags,
            file: self.file,
            length: self.length,
            offset: self.offset,
            intended_ns: CLOSED_LOOP,
            sequence: 0,
            generation: 0,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct FollowUp {
    /// Written, not read back yet: in the order of the writes if no block is written twice in a pass,
    /// else by place, the newer of two that overlap.
    waiting: VecDeque<Piece>,
    by_place: bool,
    backlog: u64,
    batch: u64,
    reads_due: u64,
    trims: Option<Trims>,
}

#[derive(Debug)]
struct Trims {
    /// Chosen to be trimmed.
    marked: VecDeque<Piece>,
    rng: Rng,
    share: u64,
    backlog: u64,
    batch: u64,
    due: u64,
    verify_zero: bool,
    /// Writes so far, less the trims that are not checked.
    written: u64,
}

impl FollowUp {
    /// `None` if nothing follows.
    pub fn new(spec: &StreamSpec, with_map: bool) -> Option<Self> {
        let verify = spec.data.verify.as_ref()?;
        let or = |value: u64, otherwise: u64| if value == 0 { otherwise } else { value };
        let trims = spec.trims.filter(|trims| trims.percent > 0.0).map(|trims| {
            let backlog = trims.backlog.max(1);
            Trims {
                marked: VecDeque::with_capacity(backlog.min(ROOM) as usize),
                rng: Rng::new(spec.seed, Use::Trim, 0),
                share: threshold(trims.percent / 100.0),
                backlog,
                batch: or(trims.backlog_batch, backlog),
                due: 0,
                verify_zero: trims.verify_zero,
                written: 0,
            }
        });
        (verify.backlog > 0 || trims.is_some()).then(|| Self {
            waiting: VecDeque::with_capacity(verify.backlog.min(ROOM) as usize + 1),
            by_place: !with_map,
            backlog: verify.backlog,
            batch: or(verify.backlog_batch, verify.backlog),
            reads_due: 0,
            trims,
        })
    }

    /// Notes a write that is being sent; whether something is to follow it.
    pub fn wrote(&mut self, op: &Op) -> bool {
        let piece = Piece::of(op);
        if self.backlog > 0 {
            self.wait(piece);
            if (self.waiting.len() as u64).is_multiple_of(self.backlog) {
                self.reads_due = self.batch;
            }
        }
        if let Some(trims) = &mut self.trims {
            // What is written anew is not trimmed for having been written before.
            trims.marked.retain(|marked| !marked.overlaps(&piece));
            if trims.rng.chance(trims.share) {
                trims.marked.push_back(piece);
            }
            trims.written += 1;
            let count = if self.backlog > 0 {
                self.waiting.len() as u64
            } else {
                trims.written
            };
            if count.is_multiple_of(trims.backlog) {
                trims.due = trims.batch;
            }
        }
        self.reads_due > 0 || self.trims.as_ref().is_some_and(|trims| trims.due > 0)
    }

    fn wait(&mut self, piece: Piece) {
        if !self.by_place {
            self.waiting.push_back(piece);
            return;
        }
        let mut at = self.waiting.partition_point(|other| *other < piece);
        // Pieces do not overlap each other: those that the new one overlaps stand around it.
        while at > 0 && self.waiting[at - 1].overlaps(&piece) {
            at -= 1;
        }
        while self
            .waiting
            .get(at)
            .is_some_and(|other| other.overlaps(&piece))
        {
            self.waiting.remove(at);
        }
        self.waiting.insert(at, piece);
    }

    /// The next operation that follows, without its sequence; `None` when there is nothing to do now.
    pub fn next(&mut self) -> Option<Op> {
        if self.reads_due > 0 {
            self.reads_due -= 1;
            if let Some(piece) = self.waiting.pop_front() {
                if let Some(trims) = &mut self.trims {
                    trims.marked.retain(|marked| !marked.overlaps(&piece));
                }
                return Some(piece.operation(OpKind::Read, FLAG_READ_BACK));
            }
            self.reads_due = 0;
        }
        let trims = self.trims.as_mut()?;
        if trims.due > 0 {
            trims.due -= 1;
            if let Some(piece) = trims.marked.pop_front() {
                if !trims.verify_zero {
                    trims.written -= 1;
                    self.waiting.retain(|waiting| *waiting != piece);
                }
                return Some(piece.operation(OpKind::Trim, 0));
            }
            trims.due = 0;
        }
        None
    }

    /// The writes are over: what is marked is trimmed now. Whether something is to follow.
    pub fn end(&mut self) -> bool {
        let left = self.trims.as_mut().map_or(0, |trims| {
            trims.due = trims.marked.len() as u64;
            trims.due
        });
        left > 0
    }
}
