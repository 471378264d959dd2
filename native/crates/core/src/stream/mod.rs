//! The op stream: what a job sends, in order, with intended times.
//!
//! Every draw comes from a sub-stream of one seed (`rng::Use`), so that the operations of a closed
//! or wholly scheduled stream depend on the specification alone and never on the clock.

mod build;
mod check;
mod features;
mod follow_up;
mod outlook;
mod place;
mod range_flush;
#[cfg(test)]
mod tests;
mod think;
#[cfg(test)]
pub(crate) use tests::spec_for_tests;

use crate::arrival::Arrivals;
use crate::op::{CLOSED_LOOP, Next, Op, OpKind};
use crate::rng::Rng;
use crate::spec::{SpecError, StreamSpec};
use crate::verify::LAST_GENERATION;
use follow_up::FollowUp;
use place::{Layout, Place};
use range_flush::RangeFlush;
use think::ThinkTime;

/// Yields the operations of one job.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct OpStream {
    choice: Choice,
    directions: Rng,
    layout: Layout,
    arrivals: [Option<Arrivals>; 3],
    /// Whether a direction's bytes count towards `io_bytes`.
    counts_bytes: [bool; 3],
    /// What `attend` has to see to before the next operation: bits below.
    attention: u8,
    sequence: u64,
    in_flight: u64,
    bytes_left: u64,
    operations_left: u64,
    bytes_in_loop: u64,
    operations_in_loop: u64,
    loops_left: u32,
    loops: u32,
    write_flags: u8,
    fsync_every: u32,
    fdatasync_every: u32,
    writes: u64,
    /// 0 = there is no `range_flush`.
    range_every: u32,
    range_flush: Option<Box<RangeFlush>>,
    pending_flush: Option<(OpKind, u16)>,
    end_fsync: bool,
    flushed_files: usize,
    think: Option<Box<ThinkTime>>,
    /// Think time counts what is sent.
    counts_sent: bool,
    /// The schedule is put off by this.
    delayed_ns: u64,
    loop_barrier: bool,
    generation: u32,
    verifies: bool,
    /// Operations in flight, where overlapping ones wait for each other.
    overlaps: Option<Vec<Flight>>,
    held: Option<Op>,
    /// What follows writes, under verification only.
    follow_up: Option<Box<FollowUp>>,
}

const THINKING: u8 = 1;
const HOLDING: u8 = 2;
const FLUSHING: u8 = 4;
const ENDING: u8 = 8;
const FOLLOWING: u8 = 16;
const LOOPING: u8 = 32;

/// Room for operations in flight without an allocation.
const OVERLAPS: usize = 4096;

const KINDS: [OpKind; 3] = [OpKind::Read, OpKind::Write, OpKind::Trim];

/// How the next direction is found.
#[derive(Debug)]
enum Choice {
    /// A closed loop of one direction.
    One(usize),
    /// A closed loop of several: direction 0 or 1 if the draw is below its threshold, else `last`.
    Mixed { below: [u64; 2], last: usize },
    /// Schedules merge by time; directions without one fill the time between.
    Scheduled {
        closed: bool,
        below: [u64; 2],
        last: usize,
    },
    /// `half` is the place that was trimmed and is to be written.
    TrimThenWrite {
        half: Option<Place>,
        scheduled: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    sequence: u64,
    start: u64,
    end: u64,
    file: u16,
    reads: bool,
}

impl OpStream {
    /// A stream from its specification; the error says what contradicts what.
    pub fn new(spec: &StreamSpec) -> Result<Self, SpecError> {
        build::build(spec)
    }

    /// The next operation at `now_ns` since the job's start. No allocation, no lock.
    ///
    /// Contract: `Next::AfterCompletions` is only answered while operations are in flight; ask
    /// again after any completion. Under verification an operation that overlaps one in flight is
    /// held back until that completed, because the order of overlapping operations is undefined.
    #[inline]
    pub fn next(&mut self, now_ns: u64) -> Next {
        loop {
            if self.attention != 0
                && let Some(next) = self.attend(now_ns)
            {
                return next;
            }
            let (direction, intended_ns) = match self.choose(now_ns) {
                Ok(chosen) => chosen,
                Err(next) => return next,
            };
            let place = match self.choice {
                Choice::TrimThenWrite {
                    half: Some(place), ..
                } => Some(place),
                _ => self.layout.next(direction),
            };
            let Some(place) = place else {
                self.end_loop();
                continue;
            };
            let op = self.account(direction, intended_ns, place);
            if self.overlaps.is_some() && self.holds(op) {
                return Next::AfterCompletions;
            }
            self.in_flight += 1;
            return Next::Op(op);
        }
    }

    #[inline]
    fn choose(&mut self, now_ns: u64) -> Result<(usize, u64), Next> {
        match self.choice {
            Choice::One(direction) => Ok((direction, CLOSED_LOOP)),
            Choice::Mixed { below, last } => Ok((self.draw_direction(below, last), CLOSED_LOOP)),
            Choice::Scheduled {
                closed,
                below,
                last,
            } => {
                let (mut first, mut at) = (0, u64::MAX);
                for direction in 0..3 {
                    if let Some(arrivals) = &self.arrivals[direction]
                        && arrivals.next_ns() < at
                    {
                        (first, at) = (direction, arrivals.next_ns());
                    }
                }
                if at != u64::MAX {
                    at = at.saturating_add(self.delayed_ns);
                }
                if at <= now_ns && at != u64::MAX {
                    Ok((first, at))
                } else if closed {
                    Ok((self.draw_direction(below, last), CLOSED_LOOP))
                } else if at == u64::MAX {
                    Err(self.schedule_ended())
                } else {
                    Err(Next::NotBefore(at))
                }
            }
            Choice::TrimThenWrite { half, scheduled } => {
                let direction = if half.is_some() { 1 } else { 2 };
                if !scheduled {
                    return Ok((direction, CLOSED_LOOP));
                }
                let at = self.arrivals[1].as_ref().map_or(0, Arrivals::next_ns);
                match at.saturating_add(self.delayed_ns) {
                    u64::MAX => Err(self.schedule_ended()),
                    at if at <= now_ns => Ok((direction, at)),
                    at => Err(Next::NotBefore(at)),
                }
            }
        }
    }

    #[inline]
    fn draw_direction(&mut self, below: [u64; 2], last: usize) -> usize {
        let draw = self.directions.next_u64();
        if draw < below[0] {
            0
        } else if draw < below[1] {
            1
        } else {
            last
        }
    }

    /// Every schedule ran out: the stream is over.
    #[cold]
    fn schedule_ended(&mut self) -> Next {
        self.end();
        self.attend(0).unwrap_or(Next::Done)
    }

    /// Builds the operation and books it.
    #[inline]
    fn account(&mut self, direction: usize, intended_ns: u64, place: Place) -> Op {
        let mut op = Op {
            kind: KINDS[direction],
            flags: 0,
            file: place.file as u16,
            length: place.length,
            offset: place.offset,
            intended_ns,
            sequence: self.sequence,
            generation: 0,
        };
        self.sequence += 1;
        if direction == 1 {
            self.account_write(&mut op);
        }
        if self.counts_sent && self.think.as_mut().is_some_and(|think| think.sent()) {
            self.attention |= THINKING;
        }
        if let Choice::TrimThenWrite { half, .. } = &mut self.choice {
            *half = (direction == 2).then_some(place);
            if let Some(arrivals) = &mut self.arrivals[1] {
                arrivals.take(place.length);
            }
        } else if intended_ns != CLOSED_LOOP
            && let Some(arrivals) = &mut self.arrivals[direction]
        {
            arrivals.take(place.length);
        }
        if self.bytes_left != u64::MAX && self.counts_bytes[direction] {
            self.bytes_left = self.bytes_left.saturating_sub(u64::from(place.length));
        }
        if self.operations_left != u64::MAX {
            self.operations_left -= 1;
        }
        if self.bytes_left == 0 || self.operations_left == 0 {
            self.end_loop();
        }
        op
    }

    #[inline]
    fn account_write(&mut self, op: &mut Op) {
        op.flags = self.write_flags;
        if self.verifies {
            // By value: whose address is taken, that is copied through memory afterwards, which costs
            // 15 ns where nothing is verified.
            op.generation = self.account_verified(*op);
        }
        if self.fsync_every | self.fdatasync_every | self.range_every != 0 {
            self.writes += 1;
            if let Some(ranges) = &mut self.range_flush {
                ranges.wrote(op);
            }
            let due = |every: u32| every != 0 && self.writes.is_multiple_of(u64::from(every));
            let kind = if due(self.fsync_every) {
                OpKind::Flush
            } else if due(self.fdatasync_every) {
                OpKind::DataFlush
            } else if due(self.range_every) {
                OpKind::RangeFlush
            } else {
                return;
            };
            self.pending_flush = Some((kind, op.file));
            self.attention |= FLUSHING;
        }
    }

    /// Numbers a write under verification and books what is to follow it.
    #[inline(never)]
    fn account_verified(&mut self, mut op: Op) -> u32 {
        // 0 means "not written" in the verifier's table.
        self.generation = if self.generation == LAST_GENERATION {
            1
        } else {
            self.generation + 1
        };
        op.generation = self.generation;
        if let Some(follow_up) = &mut self.follow_up
            && follow_up.wrote(&op)
        {
            self.attention |= FOLLOWING;
        }
        op.generation
    }

    /// Holds an operation back that overlaps one in flight; else notes it as in flight.
    #[inline(never)]
    fn holds(&mut self, op: Op) -> bool {
        let Some(flights) = &mut self.overlaps else {
            return false;
        };
        let (start, end) = (op.offset, op.offset + u64::from(op.length));
        let reads = op.kind == OpKind::Read;
        let overlap = |flight: &Flight| {
            flight.file == op.file
                && flight.start < end
                && start < flight.end
                && !(reads && flight.reads)
        };
        if flights.iter().any(overlap) {
            self.held = Some(op);
            self.attention |= HOLDING;
            return true;
        }
        flights.push(Flight {
            sequence: op.sequence,
            start,
            end,
            file: op.file,
            reads,
        });
        false
    }

    /// What comes before the next operation: think time, an operation held back, a flush, the end.
    #[cold]
    fn attend(&mut self, now_ns: u64) -> Option<Next> {
        if self.attention & THINKING != 0
            && let Some(next) = self.attend_think(now_ns)
        {
            return Some(next);
        }
        if self.attention & HOLDING != 0
            && let Some(op) = self.held.take()
        {
            self.attention &= !HOLDING;
            if self.holds(op) {
                return Some(Next::AfterCompletions);
            }
            self.in_flight += 1;
            return Some(Next::Op(op));
        }
        if self.attention & FLUSHING != 0 {
            self.attention &= !FLUSHING;
            if let Some((kind, file)) = self.pending_flush.take() {
                return Some(self.flush(kind, file));
            }
        }
        if self.attention & FOLLOWING != 0
            && let Some(next) = self.attend_following()
        {
            return Some(next);
        }
        if self.attention & LOOPING != 0 {
            if self.in_flight > 0 {
                return Some(Next::AfterCompletions);
            }
            self.attention &= !LOOPING;
            return Some(Next::LoopEnd);
        }
        (self.attention & ENDING != 0).then(|| self.attend_end())
    }

    fn attend_following(&mut self) -> Option<Next> {
        let Some(mut op) = self
            .follow_up
            .as_mut()
            .and_then(|follow_up| follow_up.next())
        else {
            self.attention &= !FOLLOWING;
            return None;
        };
        op.sequence = self.sequence;
        self.sequence += 1;
        if self.holds(op) {
            return Some(Next::AfterCompletions);
        }
        self.in_flight += 1;
        Some(Next::Op(op))
    }

    fn attend_think(&mut self, now_ns: u64) -> Option<Next> {
        if let Some(think) = &mut self.think {
            let next = think.attend(now_ns, self.in_flight);
            self.delayed_ns = think.delayed_ns();
            if next.is_some() {
                return next;
            }
        }
        self.attention &= !THINKING;
        None
    }

    /// How often the files have begun anew so far: by loops, `time_based`, or more bytes than they have.
    #[inline]
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.layout.rounds
    }

    /// Until when, since the job's start, a pause that `next` spoke of burns CPU; 0 = it does not.
    #[must_use]
    pub fn spins_until_ns(&self) -> u64 {
        self.think
            .as_ref()
            .map_or(0, |think| think.spins_until_ns())
    }

    fn attend_end(&mut self) -> Next {
        if self.end_fsync && self.flushed_files < self.layout.files.len() {
            if self.flushed_files == 0 && self.in_flight > 0 {
                return Next::AfterCompletions;
            }
            self.flushed_files += 1;
            return self.flush(OpKind::Flush, (self.flushed_files - 1) as u16);
        }
        Next::Done
    }

    fn flush(&mut self, kind: OpKind, file: u16) -> Next {
        self.sequence += 1;
        self.in_flight += 1;
        let mut op = Op {
            kind,
            flags: 0,
            file,
            length: 0,
            offset: 0,
            intended_ns: CLOSED_LOOP,
            sequence: self.sequence - 1,
            generation: 0,
        };
        if let Some(ranges) = &mut self.range_flush {
            ranges.flushes(&mut op);
        }
        Next::Op(op)
    }

    #[cold]
    fn end_loop(&mut self) {
        self.loops_left -= 1;
        if self.loops_left == 0 {
            self.end();
            return;
        }
        self.bytes_left = self.bytes_in_loop;
        self.operations_left = self.operations_in_loop;
        if let Choice::TrimThenWrite { half, .. } = &mut self.choice {
            *half = None;
        }
        self.layout.restart();
        if self.loop_barrier {
            self.attention |= LOOPING;
        }
    }

    fn end(&mut self) {
        self.loops_left = 0;
        self.attention |= ENDING;
        if let Some(follow_up) = &mut self.follow_up
            && follow_up.end()
        {
            self.attention |= FOLLOWING;
        }
    }

    /// MUST be called once for every operation that completed, also with an error: think time,
    /// barriers and the serialising of overlaps under verification depend on it. With verification,
    /// call it after `Verifier::check_read`.
    #[inline]
    pub fn completed(&mut self, op: &Op, now_ns: u64) {
        self.in_flight -= 1;
        if let Some(flights) = &mut self.overlaps
            && let Some(at) = flights
                .iter()
                .position(|flight| flight.sequence == op.sequence)
        {
            flights.swap_remove(at);
        }
        if let Some(think) = &mut self.think
            && op.length > 0
            && think.completed(now_ns)
        {
            self.attention |= THINKING;
        }
    }

    /// Ends the stream early (the runtime is over): after this it yields what `end_fsync` asks for
    /// once everything in flight has completed, then `Done`.
    pub fn stop(&mut self) {
        self.held = None;
        self.pending_flush = None;
        self.follow_up = None;
        self.attention = 0;
        self.end();
    }
}
