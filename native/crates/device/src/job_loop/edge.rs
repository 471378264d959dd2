//! What a job does beside I/O: ends of intervals, of the warm-up and of the runtime, the backlog, `stop`.

use std::sync::Arc;

use super::{JobLoop, LOOK_NS, Phase};
use crate::clock::now_ns;
use crate::engine::Engine;
use crate::exchange::LiveView;
use crate::gate::FlowPart;
use crate::outcome::JobState;
use crate::renewal::Renewal;
use crate::write_budget::WriteBudget;

/// What a device that never completes is given after `stop`, before the job ends without it.
const STOP_GRACE_NS: u64 = 5_000_000_000;
/// The same after the runtime's end, when nobody has asked to stop.
const END_GRACE_NS: u64 = 60_000_000_000;
/// Rates are not looked at more often than this.
const LEAST_LOOK_NS: u64 = 1_000_000;

impl<E: Engine> JobLoop<E> {
    /// Drops arrivals beyond the cap. Called before slots that completed are filled again, since until
    /// then every arrival waited, and at edges for devices that complete nothing for long.
    pub(super) fn turn_away(&mut self, now: u64) {
        if self.phase == Phase::Stream {
            let since = now.saturating_sub(self.start_ns);
            let waiting = self.stream.backlog(since);
            self.backlog_max = self.backlog_max.max(waiting.min(self.backlog_cap));
            if waiting > self.backlog_cap {
                self.dropped += self.stream.drop_backlog(since, self.backlog_cap);
            }
        }
    }

    /// See the module. Called when `edge_ns` has passed or `stop` was asked for.
    #[cold]
    pub(super) fn at_edge(&mut self, now: u64) {
        let inflight = self.inflight();
        if let Some(from_ns) = self.recorder.pass_edges(now, inflight) {
            self.begin_measuring(from_ns);
            if self.search.is_some()
                && let Some(log) = &mut self.log
            {
                log.begin(from_ns);
            }
        }
        self.judge_window(now);
        self.judge_rates(now);
        if self.scheduled {
            self.turn_away(now);
        }
        if self.port.stopped() && !self.stopped {
            self.stopped = true;
            self.stop_sending();
            self.give_up_ns = now + STOP_GRACE_NS;
        } else if self.port.stopping() && !self.stopping() {
            self.dismissed = true;
            self.end_ns = now;
        }
        if now >= self.end_ns {
            if self.scheduled && self.phase == Phase::Stream {
                let until = self.end_ns.clamp(self.start_ns, now) - self.start_ns;
                let held = u64::from(self.held.is_some());
                self.backlog_end = self.stream.backlog(until) + held;
            }
            self.end_ns = u64::MAX;
            if self.phase != Phase::Drain {
                self.stop_sending();
                self.give_up_ns = self.give_up_ns.min(now + END_GRACE_NS);
            }
        }
        if self.phase == Phase::ReadBack && !self.cut_short {
            self.give_up_ns = u64::MAX;
        }
        self.publish();
        if self.port.wants_draft() {
            self.port.set_draft(self.report(now));
        }
        let search_ns = self
            .search
            .as_ref()
            .map_or(u64::MAX, |search| search.edge_ns());
        let rates_ns = self.limits.edge_ns(self.start_ns);
        self.edge_ns = (now + LOOK_NS)
            .min(self.recorder.edge_ns())
            .min(self.end_ns)
            .min(search_ns.max(now + 1))
            .min(rates_ns.max(now + LEAST_LOOK_NS))
            .min(self.give_up_ns.max(now + 1));
    }

    /// Whether the job's flow lets it send; else it pauses.
    #[cold]
    pub(super) fn admitted(&mut self, now: u64) -> bool {
        let inflight = self.inflight();
        self.pause_ns = u64::MAX;
        match &mut self.flow {
            Some(flow) if self.phase == Phase::Stream => match flow.admits(now, inflight) {
                Ok(()) => true,
                Err(until_ns) => {
                    self.pause_ns = until_ns;
                    false
                }
            },
            _ => true,
        }
    }

    /// Between two loops, with nothing in flight: what was written is read back, then files are renewed.
    #[cold]
    pub(super) fn between_loops(&mut self) {
        if let Some(checks) = &mut self.checks
            && checks.reads_back()
        {
            checks.rewind();
            self.loops_on = true;
            self.phase = Phase::ReadBack;
            self.of_stream = false;
        } else {
            self.renew();
        }
    }

    #[cold]
    pub(super) fn renew(&mut self) {
        self.close_files();
        let Some(renewal) = &self.renewal else {
            return;
        };
        let renewed = renewal
            .renew()
            .and_then(|files| self.engine.replace_files(files));
        if let Err(error) = renewed {
            self.fail_engine(&error);
        }
        self.close_unused();
    }

    /// The job's files are made anew between its loops.
    pub fn renew_files(&mut self, renewal: Option<Renewal>) {
        self.renewal = renewal;
    }

    /// The job's part in a flow.
    pub fn join_flow(&mut self, flow: Option<FlowPart>) {
        self.flow = flow;
    }

    /// What the job may write, with others.
    pub fn keep_budget(&mut self, budget: Option<Arc<WriteBudget>>) {
        self.budget = budget;
    }

    /// The job has failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.error.is_some()
    }

    /// The job was asked to end.
    #[inline]
    pub(super) fn stopping(&self) -> bool {
        self.stopped || self.dismissed
    }

    /// Ends the stream as the end of the runtime would, at once.
    pub(super) fn end_stream(&mut self) {
        self.end_ns = 0;
        self.edge_ns = 0;
    }

    /// Nothing more from the stream but what `end_fsync` asks for.
    fn stop_sending(&mut self) {
        self.withdraw();
        self.cut_short = true;
        self.loops_on = false;
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
            Phase::ReadBack | Phase::Imagine => JobState::Verifying,
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
