//! What a job does beside I/O: ends of intervals, of the warm-up and of the runtime, the backlog, `stop`.

use super::{JobLoop, LOOK_NS, Phase};
use crate::clock::now_ns;
use crate::engine::Engine;
use crate::exchange::LiveView;
use crate::outcome::JobState;

/// What a device that never completes is given after `stop`, before the job ends without it.
const STOP_GRACE_NS: u64 = 5_000_000_000;
/// The same after the runtime's end, when nobody has asked to stop.
const END_GRACE_NS: u64 = 60_000_000_000;

impl<E: Engine> JobLoop<E> {
    /// See the module. Called when `edge_ns` has passed or `stop` was asked for.
    #[cold]
    pub(super) fn at_edge(&mut self, now: u64) {
        let inflight = self.inflight();
        if self.recorder.pass_edges(now, inflight) {
            self.begin_measuring(self.start_ns + self.ramp_ns);
        }
        if self.scheduled && self.phase == Phase::Stream {
            let since = now.saturating_sub(self.start_ns);
            self.backlog_max = self.backlog_max.max(self.stream.backlog(since));
            self.dropped += self.stream.drop_backlog(since, self.backlog_cap);
        }
        if self.port.stopping() && !self.stopped {
            self.stopped = true;
            self.stop_sending();
            self.give_up_ns = now + STOP_GRACE_NS;
        }
        if now >= self.end_ns {
            self.end_ns = u64::MAX;
            if self.phase == Phase::Stream {
                self.stop_sending();
                self.give_up_ns = self.give_up_ns.min(now + END_GRACE_NS);
            }
        }
        if self.phase == Phase::ReadBack && !self.stopped {
            self.give_up_ns = u64::MAX;
        }
        self.publish();
        if self.port.wants_draft() {
            self.port.set_draft(self.report(now));
        }
        self.edge_ns = (now + LOOK_NS)
            .min(self.recorder.edge_ns())
            .min(self.end_ns)
            .min(self.give_up_ns.max(now + 1));
    }

    /// Nothing more from the stream but what `end_fsync` asks for.
    fn stop_sending(&mut self) {
        if let Some(op) = self.held.take()
            && self.phase == Phase::Stream
        {
            self.stream.completed(&op, 0);
        }
        match self.phase {
            Phase::Stream if self.error.is_none() => self.stream.stop(),
            _ => self.phase = Phase::Drain,
        }
    }

    fn state(&self) -> JobState {
        match self.phase {
            _ if self.recorder.warmup() => JobState::Warmup,
            Phase::ReadBack => JobState::Verifying,
            Phase::Stream | Phase::Drain => JobState::Running,
        }
    }

    fn publish(&self) {
        let (ios, bytes) = self.recorder.progress();
        let elapsed = now_ns().saturating_sub(self.start_ns) as f64;
        let by_time = self
            .runtime_ns
            .map(|runtime| (elapsed / runtime.max(1) as f64).min(1.0));
        let progress = match (by_time, self.stream.progress()) {
            (Some(time), Some(stream)) => Some(time.max(stream)),
            (time, stream) => time.or(stream),
        };
        self.port.live.publish(&LiveView {
            state: self.state(),
            ios,
            bytes,
            inflight: self.inflight(),
            progress,
        });
    }
}
