//! The op stream: what a job sends, in order, with intended times.

use crate::op::{CLOSED_LOOP, Next, Op, OpKind};
use crate::rng::{Rng, Use};
use crate::spec::{BlockSizes, Pattern, SpecError, StreamSpec};

/// Yields the operations of one job.
#[derive(Debug)]
pub struct OpStream {
    rng: Rng,
    random: bool,
    kind: OpKind,
    bytes: u32,
    base: u64,
    blocks: u64,
    position: u64,
    sequence: u64,
    total: u64,
}

impl OpStream {
    /// A stream from its specification; the error says what contradicts what.
    pub fn new(spec: &StreamSpec) -> Result<Self, SpecError> {
        let direction = spec.mix.iter().position(|share| *share > 0.0).unwrap_or(0);
        let BlockSizes::Fixed { bytes } = spec.block_sizes[direction] else {
            return Err(SpecError::Invalid("mixed block sizes".into()));
        };
        let region = spec.regions[0];
        Ok(Self {
            rng: Rng::new(spec.seed, Use::Offset, 0),
            random: spec.pattern == Pattern::Random,
            kind: [OpKind::Read, OpKind::Write, OpKind::Trim][direction],
            bytes,
            base: region.offset,
            blocks: region.size / u64::from(bytes),
            position: 0,
            sequence: 0,
            total: if spec.time_based {
                u64::MAX
            } else {
                spec.io_bytes / u64::from(bytes)
            },
        })
    }

    /// The next operation at `now_ns` since the job's start. No allocation, no lock.
    #[inline]
    pub fn next(&mut self, now_ns: u64) -> Next {
        let _ = now_ns;
        if self.sequence >= self.total {
            return Next::Done;
        }
        let block = if self.random {
            self.rng.below(self.blocks)
        } else {
            self.position = (self.position + 1) % self.blocks;
            self.position
        };
        self.sequence += 1;
        Next::Op(Op {
            kind: self.kind,
            flags: 0,
            file: 0,
            length: self.bytes,
            offset: self.base + block * u64::from(self.bytes),
            intended_ns: CLOSED_LOOP,
            sequence: self.sequence - 1,
            generation: 0,
        })
    }

    /// MUST be called once for every operation that completed, also with an error: think time,
    /// barriers and the serialising of overlaps under verification depend on it. With verification,
    /// call it after `Verifier::check_read`.
    #[inline]
    pub fn completed(&mut self, op: &Op, now_ns: u64) {
        let _ = (op, now_ns);
    }

    /// Scheduled operations due at `now_ns` or before and not yet yielded.
    pub fn backlog(&mut self, now_ns: u64) -> u64 {
        let _ = now_ns;
        0
    }

    /// Drops the newest due arrivals beyond `cap` in the backlog and returns how many.
    pub fn drop_backlog(&mut self, now_ns: u64, cap: u64) -> u64 {
        self.backlog(now_ns).saturating_sub(cap)
    }

    /// Ends the stream early (the runtime is over): after this it yields what `end_fsync` asks for
    /// once everything in flight has completed, then `Done`.
    pub fn stop(&mut self) {
        self.total = self.sequence;
    }

    /// How far the stream is, `0..=1`; `None` if it has no end of its own.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        (self.total != u64::MAX).then(|| self.sequence as f64 / self.total as f64)
    }
}
