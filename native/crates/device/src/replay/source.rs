//! The job's side of a replay: yields operations as an op stream does.

use std::collections::VecDeque;
use std::sync::mpsc::TryRecvError;

use osdyno_core::op::{CLOSED_LOOP, FLAG_FUA, Next, Op, OpKind};
use osdyno_core::spec::SpecError;

use super::ahead::{Channels, Message, read_ahead};
use super::{CHUNK, Planned, TraceSpec};
use crate::spec::JobSpec;

/// Operations that are read ahead when their times do not matter.
const AHEAD_CLOSED: u64 = 64 * 1024;
/// Operations that are read ahead at most: 24 bytes each.
const AHEAD_MOST: u64 = 1 << 20;
/// When the trace's next operations have not been read yet: look again after so long.
const LOOK_AGAIN_NS: u64 = 20_000;

/// See the module.
#[derive(Debug)]
pub struct TraceSource {
    channels: Option<Channels>,
    /// What is being yielded, and how far.
    chunk: Vec<Planned>,
    at: usize,
    /// What comes after it.
    chunks: VecDeque<Vec<Planned>>,
    paced: bool,
    fua: u8,
    sequence: u64,
    in_flight: u64,
    /// Entries yielded whole, of how many; 0 = unknown.
    entries: u64,
    entries_all: u64,
    /// Files to be flushed at the end.
    end_flushes: u16,
    /// Nothing more comes from the trace.
    ended: bool,
    problem: Option<String>,
}

impl TraceSource {
    /// Starts reading the trace of a job, and returns once as much is there as may be read ahead.
    ///
    /// # Errors
    /// The trace cannot be read.
    pub fn open(job: &JobSpec, trace: &TraceSpec) -> Result<Self, SpecError> {
        let ahead = if trace.paced {
            // The backlog is counted in what was read: a cap must lie within it.
            let cap = job.backlog_cap.unwrap_or(AHEAD_MOST);
            cap.saturating_add(AHEAD_CLOSED / 4)
                .clamp(AHEAD_CLOSED, AHEAD_MOST + AHEAD_CLOSED / 4)
        } else {
            AHEAD_CLOSED
        };
        let count = (ahead as usize).div_ceil(CHUNK);
        let channels = read_ahead(trace.clone(), job.max_block, count)
            .map_err(|error| SpecError::Invalid(format!("a thread to read the trace: {error}")))?;
        let writes = job.directions()[1];
        let mut source = Self {
            channels: Some(channels),
            chunk: Vec::new(),
            at: 0,
            chunks: VecDeque::with_capacity(count + 1),
            paced: trace.paced,
            fua: if job.stream.fua { FLAG_FUA } else { 0 },
            sequence: 0,
            in_flight: 0,
            entries: 0,
            entries_all: trace.operations.saturating_mul(u64::from(trace.passes)),
            end_flushes: if job.stream.end_fsync && writes {
                job.stream.regions.len() as u16
            } else {
                0
            },
            ended: false,
            problem: None,
        };
        source.wait_for_the_first(count);
        match source.problem.take() {
            Some(problem) => Err(SpecError::Invalid(problem)),
            None => Ok(source),
        }
    }

    /// The thread keeps one chunk to fill: all others can be here.
    fn wait_for_the_first(&mut self, count: usize) {
        while let Some(channels) = &self.channels
            && self.chunks.len() + 1 < count
        {
            match channels.full.recv() {
                Ok(message) => self.take(message),
                Err(_) => self.channels = None,
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Chunk(chunk) => self.chunks.push_back(chunk),
            Message::End => self.channels = None,
            Message::Failed(problem) => {
                self.problem = Some(problem);
                self.channels = None;
            }
        }
    }

    /// Takes all that was read meanwhile.
    fn take_all(&mut self) {
        while let Some(channels) = &self.channels {
            match channels.full.try_recv() {
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.problem = Some("the thread that reads the trace is gone".to_owned());
                    self.channels = None;
                }
            }
        }
    }

    fn give_back(&self, mut chunk: Vec<Planned>) {
        if let Some(channels) = &self.channels
            && chunk.capacity() > 0
        {
            chunk.clear();
            let _ = channels.empty.try_send(chunk);
        }
    }

    /// The next operation, as `OpStream::next`.
    #[inline(never)]
    pub fn next(&mut self, now_ns: u64) -> Next {
        loop {
            if let Some(planned) = self.chunk.get(self.at) {
                if self.paced && planned.time_ns > now_ns {
                    return Next::NotBefore(planned.time_ns);
                }
                let planned = *planned;
                self.at += 1;
                return Next::Op(self.op(&planned));
            }
            if let Some(next) = self.refill(now_ns) {
                return next;
            }
        }
    }

    #[inline]
    fn op(&mut self, planned: &Planned) -> Op {
        self.sequence += 1;
        self.in_flight += 1;
        self.entries += u64::from(planned.last);
        Op {
            kind: planned.kind,
            flags: if planned.kind == OpKind::Write {
                self.fua
            } else {
                0
            },
            file: planned.file,
            length: planned.length,
            offset: planned.offset,
            intended_ns: if self.paced {
                planned.time_ns
            } else {
                CLOSED_LOOP
            },
            sequence: self.sequence - 1,
            generation: 0,
        }
    }

    /// Goes on to the next chunk; what to answer when there is none.
    #[cold]
    fn refill(&mut self, now_ns: u64) -> Option<Next> {
        if !self.ended {
            self.take_all();
            if let Some(next) = self.chunks.pop_front() {
                let done = std::mem::replace(&mut self.chunk, next);
                self.at = 0;
                self.give_back(done);
                return None;
            }
            if self.channels.is_some() {
                return Some(Next::NotBefore(now_ns + LOOK_AGAIN_NS));
            }
            self.ended = true;
        }
        if self.end_flushes == 0 || self.problem.is_some() {
            return Some(Next::Done);
        }
        if self.in_flight > 0 {
            return Some(Next::AfterCompletions);
        }
        self.end_flushes -= 1;
        let mut op = self.op(&Planned {
            time_ns: 0,
            offset: 0,
            length: 0,
            file: self.end_flushes,
            kind: OpKind::Flush,
            last: false,
        });
        op.intended_ns = CLOSED_LOOP;
        Some(Next::Op(op))
    }

    /// As `OpStream::completed`.
    #[inline]
    pub fn completed(&mut self) {
        self.in_flight -= 1;
    }

    /// Operations due at `now_ns` or before and not yet yielded, as far as the trace has been read.
    pub fn backlog(&mut self, now_ns: u64) -> u64 {
        if !self.paced || self.ended {
            return 0;
        }
        self.take_all();
        let rest = &self.chunk[self.at.min(self.chunk.len())..];
        let mut due = due_of(rest, now_ns);
        let mut whole = due == rest.len();
        for chunk in &self.chunks {
            if !whole {
                break;
            }
            let here = due_of(chunk, now_ns);
            whole = here == chunk.len();
            due += here;
        }
        due as u64
    }

    /// As `OpStream::drop_backlog`: turns away the newest of what is due beyond `cap`.
    pub fn drop_backlog(&mut self, now_ns: u64, cap: u64) -> u64 {
        let backlog = self.backlog(now_ns);
        if backlog <= cap {
            return 0;
        }
        let mut keep = cap as usize;
        let mut dropped = 0;
        let mut thin = |chunk: &mut Vec<Planned>, from: usize| {
            let due = due_of(&chunk[from..], now_ns);
            let kept = due.min(keep);
            keep -= kept;
            dropped += due - kept;
            chunk.drain(from + kept..from + due);
        };
        let at = self.at.min(self.chunk.len());
        thin(&mut self.chunk, at);
        for chunk in &mut self.chunks {
            thin(chunk, 0);
        }
        let chunks = std::mem::take(&mut self.chunks);
        for chunk in chunks {
            if chunk.is_empty() {
                self.give_back(chunk);
            } else {
                self.chunks.push_back(chunk);
            }
        }
        dropped as u64
    }

    /// As `OpStream::stop`.
    pub fn stop(&mut self) {
        self.ended = true;
        self.channels = None;
        self.chunks.clear();
        self.chunk.clear();
        self.at = 0;
    }

    /// As `OpStream::progress`.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        if self.ended {
            return Some(1.0);
        }
        (self.entries_all > 0).then(|| (self.entries as f64 / self.entries_all as f64).min(1.0))
    }

    /// Why the trace could not be read to its end, once `next` has answered `Done`.
    pub fn problem(&mut self) -> Option<String> {
        self.problem.take()
    }
}

fn due_of(planned: &[Planned], now_ns: u64) -> usize {
    planned.partition_point(|planned| planned.time_ns <= now_ns)
}
