//! The loop of one job: take operations from the stream, send, reap, record.
//!
//! The path through TypeScript runs the same loop over `engine::bridge::Bridge`, whose `queue` writes
//! records for TypeScript and whose `reap` takes the completions that TypeScript polled. So the loop is
//! a struct over any `Engine` whose one step (`turn`) never blocks, sleeps or spins, and the thread's
//! `run` is nothing but turns and waits. No step allocates or locks on the path of an I/O.

mod batch;
mod build;
mod check;
mod check_pool;
mod checks;
mod edge;
mod files;
mod finish;
mod limits;
mod priority;
mod search;
mod thread;
mod tolerate;

use std::sync::Arc;

use osdyno_core::data::DataSource;
use osdyno_core::measure::Sample;
use osdyno_core::op::{CLOSED_LOOP, Next, Op, OpKind};

use self::batch::Batches;
use self::check::Part;
use self::checks::Checks;
use self::files::Keeper;
use self::limits::Limits;
use self::priority::Priorities;
use self::search::Search;
use self::tolerate::Tolerance;
use crate::arena::Arena;
use crate::clock::now_ns;
use crate::cpu::{self, Usage};
use crate::engine::{Completion, Engine, EngineError, Wait};
use crate::exchange::JobPort;
use crate::gate::FlowPart;
use crate::io_log::IoLog;
use crate::outcome::JobError;
use crate::pace::Pace;
use crate::record::{Lateness, Levels, Recorder};
use crate::renewal::Renewal;
use crate::replay::iolog::IologWriter;
use crate::source::OpSource;
use crate::write_budget::WriteBudget;

/// Longest wait without a look at the flag that stops the job.
const LOOK_NS: u64 = 50_000_000;
/// Operations handed over at once, at most: the device works on them while the next are prepared, and
/// none waits long between `sent` and `submitted`.
const BATCH: u32 = 8;
/// The same as a share of the queue. With batches of half a queue of 16 the device stood idle in between:
/// 4k random writes on a virtio disk lost 12 to 15% against handing over one by one, at 64 and 128
/// operations batches of 4 and 8 lost nothing and saved a fifth of the CPU.
const BATCHES_OF_QUEUE: u32 = 16;

/// Longest wait for completions while other threads check what was read: nothing else tells of it.
const CHECK_LOOK_NS: u64 = 100_000;

/// An operation in flight.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    op: Op,
    /// On the runner's clock.
    intended_ns: u64,
    sent_ns: u64,
}

/// What the loop works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The stream, without sending any of it.
    Imagine,
    /// The stream.
    Stream,
    /// Reading back what was written.
    ReadBack,
    /// Nothing more is sent.
    Drain,
}

/// Answer of a turn: what to wait for before the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Everything is sent and completed; `end` may be called. Nothing else counts then.
    pub done: bool,
    /// Operations are in flight: wake on a completion.
    pub inflight: bool,
    /// Wake in time to send at this time, to the microsecond.
    pub arrival_ns: Option<u64>,
    /// Wake at this time at the latest, exactness does not matter.
    pub until_ns: u64,
    /// The turn sent or took something.
    pub worked: bool,
    /// When the turn began.
    pub began_ns: u64,
}

/// See the module.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct JobLoop<E> {
    engine: E,
    stream: OpSource,
    /// What is sent is recorded.
    iolog: Option<IologWriter>,
    data: Option<DataSource>,
    checks: Option<Checks>,
    /// The read that was just examined is being checked elsewhere: its slot is not free.
    lent: bool,
    arena: Arc<Arena>,
    port: Arc<JobPort>,
    recorder: Recorder,
    log: Option<IoLog>,
    slots: Vec<InFlight>,
    free: Vec<u32>,
    out: Vec<Completion>,
    /// Short transfers that go on.
    parts: Vec<Part>,
    /// Operations queued since the last commit.
    queued: u32,
    /// Taken from the stream, but the engine was full.
    held: Option<Op>,
    phase: Phase,
    /// What is in flight came from the stream, not from reading back.
    of_stream: bool,
    /// Slots in use: free, or in flight.
    depth: u32,
    /// fio's batches, if the job has them.
    batches: Option<Batches>,
    /// Operations handed over at once, at most.
    hand_over: u32,
    limits: Limits,
    /// An operation that took longer is to be held against the limits.
    slow_ns: u64,
    search: Option<Box<Search>>,
    tolerance: Tolerance,
    priorities: Option<Box<Priorities>>,
    flow: Option<FlowPart>,
    budget: Option<Arc<WriteBudget>>,
    keeper: Option<Box<Keeper>>,
    /// Cached pages go when the files begin anew, and how often they have.
    drops_caches: bool,
    rounds: u64,
    /// Nothing is sent before this time, on the runner's clock; `u64::MAX` = that is not so.
    pause_ns: u64,
    paths: Vec<String>,
    ramp_ns: u64,
    start_delay_ns: u64,
    runtime_ns: Option<u64>,
    backlog_cap: u64,
    scheduled: bool,
    /// Results say what was moved.
    objects: bool,
    /// Times on the runner's clock.
    origin_ns: u64,
    start_ns: u64,
    end_ns: u64,
    measured_ns: u64,
    /// The next time at which something other than I/O is to be done.
    edge_ns: u64,
    /// When to give up on operations in flight.
    give_up_ns: u64,
    /// When a slot became free after all had been in use.
    freed_ns: u64,
    stopped: bool,
    /// The stream did not come to its own end.
    cut_short: bool,
    /// What is read back is a loop's, and another follows.
    loops_on: bool,
    renewal: Option<Renewal>,
    /// Another job's end ends this one.
    dismissed: bool,
    error: Option<JobError>,
    notes: Vec<String>,
    lateness: Lateness,
    dropped: u64,
    backlog_max: u64,
    /// Arrivals that were due when the stream was ended, and never sent.
    backlog_end: u64,
    continued: [u64; 3],
    depth_levels: Levels,
    submit_levels: Levels,
    complete_levels: Levels,
    pace: Pace,
    /// Some of the think time burns CPU.
    spins: bool,
    spun_ns: u64,
    /// Time spent asleep by jobs that spin at times.
    slept_ns: u64,
    /// Since when the thread spins, 0 = it does not.
    spins_since_ns: u64,
    usage: Usage,
    cpu_ns: u64,
}

impl<E: Engine> JobLoop<E> {
    /// The engine, for whoever carries operations in and out by hand.
    pub fn engine_mut(&mut self) -> &mut E {
        &mut self.engine
    }

    /// What completes now is measured: the job is in no warm-up.
    #[must_use]
    pub fn measuring(&self) -> bool {
        !self.recorder.warmup()
    }

    /// Time that whoever steps the loop spent on nothing but waiting for the next arrival.
    pub fn add_spun(&mut self, by_ns: u64) {
        self.spun_ns += by_ns;
    }

    /// The buffers.
    #[must_use]
    pub fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    /// When the job's first operation may be sent, once the run has begun at `origin_ns`.
    #[must_use]
    pub fn start_ns(&self, origin_ns: u64) -> u64 {
        origin_ns + self.start_delay_ns
    }

    /// Begins, at `start_ns(origin_ns)` or later. The schedule counts from `start_ns`.
    pub fn begin(&mut self, origin_ns: u64) {
        self.begin_after(origin_ns, origin_ns);
    }

    /// Begins a job of a run that began at `origin_ns`, at `start_ns(after_ns)` or later.
    pub fn begin_after(&mut self, origin_ns: u64, after_ns: u64) {
        self.origin_ns = origin_ns;
        self.start_ns = self.start_ns(after_ns);
        self.end_ns = self
            .runtime_ns
            .map_or(u64::MAX, |runtime| self.start_ns.saturating_add(runtime));
        // What a search tries is not measured until it has found its answer.
        let warmup_ns = match &self.search {
            Some(search) if !search.measured => u64::MAX,
            _ => self.ramp_ns,
        };
        self.recorder.begin(origin_ns, self.start_ns, warmup_ns);
        self.begin_measuring(self.start_ns);
        if let Some(log) = &mut self.log {
            log.begin(self.start_ns.saturating_add(warmup_ns));
        }
        self.begin_search(self.start_ns.saturating_add(self.ramp_ns));
        self.edge_ns = self.start_ns;
    }

    fn begin_measuring(&mut self, at_ns: u64) {
        self.measured_ns = at_ns;
        if let Some(priorities) = &mut self.priorities {
            priorities.clear();
        }
        self.lateness = Lateness::default();
        self.dropped = 0;
        self.backlog_max = 0;
        self.backlog_end = 0;
        self.continued = [0; 3];
        self.depth_levels = Levels::default();
        self.submit_levels = Levels::default();
        self.complete_levels = Levels::default();
        self.spun_ns = 0;
        self.slept_ns = 0;
        self.usage = cpu::thread_usage().plus(&self.engine.helper_usage());
        self.cpu_ns = cpu::thread_cpu_ns();
    }

    /// Operations in flight, one that the engine had no room for included.
    #[inline]
    fn inflight(&self) -> u32 {
        self.depth - self.free.len() as u32
    }

    /// One step: records what completed, sends what is due. Never waits. An error of the engine itself
    /// ends the job: no further turn may be taken.
    ///
    /// # Errors
    /// What the engine answered.
    #[inline]
    pub fn turn(&mut self) -> Result<Turn, EngineError> {
        let checked = if self.checks.is_some() {
            self.take_checked(0)
        } else {
            0
        };
        let ready = if self.batches.is_some() {
            self.gather()?
        } else {
            if self.out.is_empty() && self.inflight() > 0 {
                self.engine.reap(Wait::No, &mut self.out)?;
            }
            true
        };
        let mut now = match self.out.last() {
            Some(last) if ready => last.completed_ns,
            _ => now_ns(),
        };
        if now >= self.edge_ns || (self.port.stopping() && !self.stopping()) {
            self.at_edge(now);
        }
        let began_ns = now;
        let taken = if ready { self.out.len() } else { 0 };
        if taken > 0 {
            if self.scheduled && self.free.is_empty() {
                self.turn_away(now);
            }
            self.complete_levels.batch(taken as u32);
            self.take();
            if self.search.is_some() {
                self.searched(taken as u32, now);
            }
        }
        let (sent, arrival_ns) = if self.sends() {
            let sent = self.send(&mut now)?;
            self.sent_batch();
            sent
        } else {
            (0, None)
        };
        if self.queued > 0 {
            self.commit()?;
        }
        let inflight = self.inflight() > 0;
        let done = (self.phase == Phase::Drain && !inflight) || now >= self.give_up_ns;
        Ok(Turn {
            done,
            inflight,
            arrival_ns,
            until_ns: match self.being_checked() {
                0 => self.edge_ns.min(self.pause_ns),
                _ => self
                    .edge_ns
                    .min(self.pause_ns)
                    .min(began_ns + CHECK_LOOK_NS),
            },
            worked: sent + taken as u32 + checked > 0,
            began_ns,
        })
    }

    /// Sends while there are slots and operations; their number, and when the next one is due.
    #[inline]
    fn send(&mut self, now: &mut u64) -> Result<(u32, Option<u64>), EngineError> {
        let mut sent = 0;
        while let Some(&slot) = self.free.last() {
            let op = match self.held.take() {
                Some(op) => op,
                None if self.flow.is_some() && !self.admitted(*now) => return Ok((sent, None)),
                None => match self.next(*now) {
                    Next::Op(mut op) => {
                        if let Some(priorities) = &mut self.priorities {
                            priorities.draw(&mut op);
                        }
                        op
                    }
                    Next::NotBefore(at_ns) => {
                        return Ok((sent, Some(self.start_ns.saturating_add(at_ns))));
                    }
                    Next::AfterCompletions => return Ok((sent, None)),
                    Next::LoopEnd => {
                        self.between_loops();
                        continue;
                    }
                    Next::Done => {
                        if self.inflight() > 0 || self.phase == Phase::Drain {
                            return Ok((sent, None));
                        }
                        self.next_phase();
                        continue;
                    }
                },
            };
            if self.keeper.is_some() && !self.may_send(&op, *now) {
                self.held = Some(op);
                return Ok((sent, None));
            }
            if let Some(budget) = &self.budget
                && !budget.admits(&op)
            {
                self.file_used(op.file, op.kind);
                self.held = Some(op);
                // The budget has asked the job to end: the next turn does.
                self.edge_ns = 0;
                return Ok((sent, None));
            }
            if op.kind == OpKind::Write {
                self.prepare_write(&op, slot);
            }
            let sent_ns = now_ns();
            *now = sent_ns;
            let intended_ns = if op.intended_ns == CLOSED_LOOP {
                sent_ns
            } else {
                let intended_ns = self.start_ns + op.intended_ns;
                self.lateness
                    .record(intended_ns.max(self.freed_ns), sent_ns);
                intended_ns
            };
            if !self.engine.queue(&op, slot, slot) {
                if let Some(budget) = &self.budget {
                    budget.give_back(&op);
                }
                self.file_used(op.file, op.kind);
                self.held = Some(op);
                break;
            }
            self.free.pop();
            if let Some(iolog) = &mut self.iolog
                && self.phase == Phase::Stream
            {
                iolog.record(&op, sent_ns.saturating_sub(self.start_ns));
            }
            self.slots[slot as usize] = InFlight {
                op,
                intended_ns,
                sent_ns,
            };
            if self.batches.is_none() {
                self.depth_levels.depth(self.inflight(), 1);
            }
            if let Some(flow) = &mut self.flow {
                flow.sent();
            }
            sent += 1;
            self.queued += 1;
            if self.queued >= self.hand_over {
                self.commit()?;
            }
        }
        Ok((sent, None))
    }

    /// Hands over what is queued.
    #[inline]
    fn commit(&mut self) -> Result<(), EngineError> {
        self.queued = 0;
        let batch = self.engine.commit()?;
        if self.batches.is_some() {
            // fio counts a batch at the depth that it makes.
            self.depth_levels.depth(self.inflight(), batch);
        }
        self.submit_levels.batch(batch);
        Ok(())
    }

    #[inline]
    fn next(&mut self, now_ns: u64) -> Next {
        match self.phase {
            Phase::Stream => {
                let next = self.stream.next(now_ns.saturating_sub(self.start_ns));
                if self.drops_caches && self.stream.rounds() != self.rounds {
                    self.begin_round();
                }
                if let (Some(checks), Next::Op(op)) = (&mut self.checks, &next) {
                    checks.sends(op);
                }
                next
            }
            Phase::Imagine => {
                let checks = self.checks.as_mut();
                let over = checks.is_none_or(|checks| checks.imagine(&mut self.stream));
                if over { Next::Done } else { Next::NotBefore(0) }
            }
            Phase::ReadBack => self
                .checks
                .as_mut()
                .and_then(Checks::read_back)
                .map_or(Next::Done, Next::Op),
            Phase::Drain => Next::Done,
        }
    }

    /// The phase before has sent and completed everything.
    #[cold]
    fn next_phase(&mut self) {
        if let Some(problem) = self.stream.problem() {
            return self.fail(libc::EIO, problem, now_ns());
        }
        if std::mem::take(&mut self.loops_on) {
            self.phase = Phase::Stream;
            self.of_stream = true;
            return self.renew();
        }
        self.end_search();
        let whole = self.error.is_none() && !self.cut_short;
        if let Some(checks) = &mut self.checks
            && self.phase == Phase::Stream
        {
            checks.writes_over(whole);
        }
        let reads_back = matches!(self.phase, Phase::Stream | Phase::Imagine)
            && !self.cut_short
            && self.error.is_none()
            && self.checks.as_ref().is_some_and(Checks::reads_back);
        if let Some(checks) = &mut self.checks {
            checks.rewind();
        }
        self.of_stream &= !reads_back;
        self.phase = if reads_back {
            Phase::ReadBack
        } else {
            Phase::Drain
        };
    }

    #[inline]
    fn prepare_write(&mut self, op: &Op, slot: u32) {
        // SAFETY: the slot is free, hence lent to nobody.
        let bytes = unsafe { self.arena.slot(slot, op.length as usize) };
        if let Some(data) = &mut self.data {
            data.fill(op, slot, bytes);
        }
        if let Some(checks) = &mut self.checks {
            checks.stamp(op, bytes);
        }
    }

    /// Takes the completions in `out`.
    #[inline]
    fn take(&mut self) {
        let was_full = self.free.is_empty();
        for index in 0..self.out.len() {
            let mut completion = self.out[index];
            let mut flight = self.slots[completion.tag as usize];
            let mut result = completion.result;
            let whole = result == flight.op.length as i32 || (self.objects && result >= 0);
            if !whole || self.checks.is_some() || !self.parts.is_empty() {
                match self.examine(&mut completion, &mut flight) {
                    Some(final_result) => result = final_result,
                    None => continue,
                }
            }
            if completion.completed_ns.saturating_sub(flight.sent_ns) > self.slow_ns && result >= 0
            {
                self.slow(&flight, &completion);
            }
            let op = &flight.op;
            let sample = Sample {
                kind: op.kind,
                intended_ns: flight.intended_ns,
                sent_ns: flight.sent_ns,
                submitted_ns: completion.submitted_ns,
                completed_ns: completion.completed_ns,
                asked: if self.objects && result >= 0 {
                    result as u32
                } else {
                    op.length
                },
                result,
            };
            self.recorder.record(&sample);
            if let Some(priorities) = &mut self.priorities {
                priorities.record(&sample, op);
            }
            if let Some(log) = &mut self.log {
                log.record(&sample, op);
            }
            if std::mem::take(&mut self.lent) {
                continue;
            }
            if self.of_stream {
                let since = completion.completed_ns.saturating_sub(self.start_ns);
                self.stream.completed(op, since);
            }
            if self.keeper.is_some() {
                self.file_used(flight.op.file, flight.op.kind);
            }
            self.free.push(completion.tag);
        }
        if let Some(last) = self.out.last()
            && was_full
        {
            self.freed_ns = last.completed_ns;
        }
        self.out.clear();
    }
}
