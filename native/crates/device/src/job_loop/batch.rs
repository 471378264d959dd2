//! fio's batches: the queue is filled, then reaped from in batches until it is low, then filled again.

use super::JobLoop;
use crate::control::QueueSpec;
use crate::engine::{Engine, EngineError, Wait};

/// What a job with batches is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Sends; looks at no completion.
    Fill,
    /// The stream has nothing to send just now: takes what comes.
    Take,
    /// Was full: takes batches, sends nothing.
    Drain,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batches {
    least: u32,
    low: u32,
    doing: Doing,
}

impl Batches {
    pub(super) fn new(spec: QueueSpec) -> Self {
        Self {
            least: spec.complete_min.max(1),
            low: spec.low,
            doing: Doing::Fill,
        }
    }
}

/// Completions that a queue of `depth` takes at a time, at most.
pub(super) fn reap_room(spec: Option<QueueSpec>, depth: u32) -> usize {
    spec.map_or(depth, |queue| {
        queue.complete_max.max(queue.complete_min).clamp(1, depth)
    }) as usize
}

impl<E: Engine> JobLoop<E> {
    /// Looks for completions as the batches say; `true`: what is in `out` is to be taken.
    pub(super) fn gather(&mut self) -> Result<bool, EngineError> {
        let Some(batches) = self.batches else {
            return Ok(true);
        };
        let inflight = self.in_engine();
        if batches.doing == Doing::Fill || inflight == 0 {
            return Ok(false);
        }
        let least = if batches.doing == Doing::Drain {
            batches.least.min(inflight) as usize
        } else {
            1
        };
        if self.out.len() < least {
            self.engine.reap(Wait::No, &mut self.out)?;
        }
        Ok(self.out.len() >= least.min(self.out.capacity()))
    }

    /// Tells the engine how many completions the next wait is for.
    #[inline]
    pub(super) fn announce_wait(&mut self) {
        if let Some(batches) = &self.batches {
            let least = match batches.doing {
                Doing::Drain => batches.least.saturating_sub(self.out.len() as u32),
                Doing::Fill | Doing::Take => 1,
            };
            self.engine.wait_for(least.max(1));
        }
    }

    /// Whether operations are sent in this turn.
    #[inline]
    pub(super) fn sends(&mut self) -> bool {
        let inflight = self.inflight();
        let Some(batches) = &mut self.batches else {
            return true;
        };
        if batches.doing == Doing::Drain && inflight <= batches.low && self.out.is_empty() {
            batches.doing = Doing::Fill;
        }
        batches.doing != Doing::Drain
    }

    /// After sending: a full queue is drained next, any other one has to wait for the stream.
    pub(super) fn sent_batch(&mut self) {
        let full = self.free.is_empty() || self.held.is_some();
        if let Some(batches) = &mut self.batches {
            batches.doing = if full { Doing::Drain } else { Doing::Take };
        }
    }
}
