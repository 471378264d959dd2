//! Where a job's operations come from: a generated stream or a trace. One branch an operation, always
//! taken the same way, keeps the generated stream inlined in the job loop.

use osdyno_core::op::{Next, Op};
use osdyno_core::spec::SpecError;
use osdyno_core::stream::OpStream;

use crate::replay::TraceSource;
use crate::spec::JobSpec;

/// See the module. The contract of every method is that of `OpStream`.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one for each job, and the large one is the one that must be quick"
)]
pub enum OpSource {
    /// By seed.
    Generated(OpStream),
    /// Recorded.
    Trace(TraceSource),
}

impl OpSource {
    /// The source that a job asks for.
    ///
    /// # Errors
    /// The specification contradicts itself; the trace cannot be read.
    pub fn open(spec: &JobSpec) -> Result<Self, SpecError> {
        Ok(match &spec.trace {
            None => Self::Generated(OpStream::new(&spec.stream)?),
            Some(trace) => Self::Trace(TraceSource::open(spec, trace)?),
        })
    }

    /// The next operation at `now_ns` since the job's start.
    #[inline]
    pub fn next(&mut self, now_ns: u64) -> Next {
        match self {
            Self::Generated(stream) => stream.next(now_ns),
            Self::Trace(trace) => trace.next(now_ns),
        }
    }

    /// An operation completed.
    #[inline]
    pub fn completed(&mut self, op: &Op, now_ns: u64) {
        match self {
            Self::Generated(stream) => stream.completed(op, now_ns),
            Self::Trace(trace) => trace.completed(),
        }
    }

    /// Operations that are due and not yet yielded.
    pub fn backlog(&mut self, now_ns: u64) -> u64 {
        match self {
            Self::Generated(stream) => stream.backlog(now_ns),
            Self::Trace(trace) => trace.backlog(now_ns),
        }
    }

    /// Drops what is due beyond `cap`; how many.
    pub fn drop_backlog(&mut self, now_ns: u64, cap: u64) -> u64 {
        match self {
            Self::Generated(stream) => stream.drop_backlog(now_ns, cap),
            Self::Trace(trace) => trace.drop_backlog(now_ns, cap),
        }
    }

    /// Ends it early.
    pub fn stop(&mut self) {
        match self {
            Self::Generated(stream) => stream.stop(),
            Self::Trace(trace) => trace.stop(),
        }
    }

    /// How often the files have begun anew.
    #[inline]
    #[must_use]
    pub fn rounds(&self) -> u64 {
        match self {
            Self::Generated(stream) => stream.rounds(),
            Self::Trace(_) => 0,
        }
    }

    /// Until when, since the job's start, a pause that `next` spoke of burns CPU.
    #[must_use]
    pub fn spins_until_ns(&self) -> u64 {
        match self {
            Self::Generated(stream) => stream.spins_until_ns(),
            Self::Trace(_) => 0,
        }
    }

    /// How far it is, `0..=1`.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        match self {
            Self::Generated(stream) => stream.progress(),
            Self::Trace(trace) => trace.progress(),
        }
    }

    /// Why it ended before its end, once `next` has answered `Done`.
    pub fn problem(&mut self) -> Option<String> {
        match self {
            Self::Generated(_) => None,
            Self::Trace(trace) => trace.problem(),
        }
    }
}
