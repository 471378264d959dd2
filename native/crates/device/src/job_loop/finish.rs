//! The end of a job.

use super::JobLoop;
use super::check::errno_text;
use super::checks::Checks;
use crate::clock::now_ns;
use crate::cpu;
use crate::engine::{Engine, EngineError};
use crate::exchange::LiveView;
use crate::outcome::{ErrorsOutcome, GeneratorOutcome, JobEnd, JobState};
use crate::record::LATE_THRESHOLD_NS;

impl<E: Engine> JobLoop<E> {
    /// Ends the job because its engine does not work.
    #[cold]
    pub fn fail_engine(&mut self, error: &EngineError) {
        let (errno, message) = match error {
            EngineError::System { call, source } => {
                let errno = source.raw_os_error().unwrap_or(libc::EIO);
                (errno, format!("{call}: {}", errno_text(errno)))
            }
            EngineError::Unsupported(message) => (libc::EOPNOTSUPP, message.clone()),
        };
        self.fail(errno, message, now_ns());
    }

    /// Ends the job with a message of the caller's.
    pub fn fail_with(&mut self, errno: i32, message: String) {
        self.fail(errno, message, now_ns());
    }

    /// Adds a line to the job's notes.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn close_iolog(&mut self, now: u64) {
        let Some(iolog) = self.iolog.take() else {
            return;
        };
        if iolog.waits > 0 {
            let waits = iolog.waits;
            self.note(format!("the job waited {waits} times for its iolog"));
        }
        if let Err(error) = iolog.close(now.saturating_sub(self.start_ns)) {
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            self.fail(errno, format!("write_iolog: {error}"), now);
        }
    }

    /// Hands over the last interval and the job's last word. To be called once, after `run` or after a
    /// turn that said `done`; on the thread that took the turns.
    pub fn finish(mut self) {
        let now = now_ns();
        let inflight = self.inflight();
        if let Some(from_ns) = self.recorder.pass_edges(now, inflight) {
            self.measured_ns = from_ns;
        }
        self.close_iolog(now);
        if let Some(checks) = &mut self.checks {
            checks.writes_over(false);
            self.notes.extend(checks.take_notes());
        }
        let mut end = self.report(now);
        self.recorder.end(now, inflight);
        if let Some(note) = self.log.as_mut().and_then(|log| log.end(now)) {
            end.notes.push(note);
        }
        if end.unsettled {
            end.notes.push(
                "the search for the depth of latency_target had not settled when the job ended: what it \
                 tried is reported"
                    .to_owned(),
            );
        }
        let unread = self.checks.as_ref().is_some_and(Checks::reads_back);
        if unread && self.cut_short && !self.stopped && self.error.is_none() {
            end.notes.push(
                "the job was ended before all it had written was read back: that is not verified, as in \
                 fio; let size, io_size or number_ios end it"
                    .to_owned(),
            );
        }
        if inflight > 0 {
            end.notes.push(format!(
                "{inflight} operations had not completed when the job was given up; their buffers are kept"
            ));
        }
        let state = if self.error.is_some() {
            JobState::Failed
        } else {
            JobState::Done
        };
        let (ios, bytes) = self.recorder.progress();
        self.port.live.publish(&LiveView {
            state,
            ios,
            bytes,
            inflight,
            progress: Some(1.0),
        });
        let port = self.port.clone();
        // The engine goes first: once the job has ended, its files are closed.
        drop(self);
        port.finish(end);
    }

    /// What the job has to say of itself up to now. To be called on the thread that took the turns.
    #[cold]
    pub(super) fn report(&self, now: u64) -> JobEnd {
        let helpers = self.engine.helper_usage();
        let usage = cpu::thread_usage().plus(&helpers).since(&self.usage);
        let cpu_ns = cpu::thread_cpu_ns().saturating_sub(self.cpu_ns);
        // A job stopped before its start, or within the warm-up, measured nothing.
        let unsettled = self.search.as_ref().is_some_and(|search| !search.measured);
        let measured_ns = if self.recorder.warmup() && !unsettled {
            0
        } else {
            now.saturating_sub(self.measured_ns)
        };
        // Spinning is timed by the clock, which runs on while the CPU serves somebody else: count the
        // share of it that this thread was given the CPU.
        let awake_ns = measured_ns.saturating_sub(self.slept_ns).max(1);
        let had_cpu = (cpu_ns as f64 / awake_ns as f64).min(1.0);
        let worked_ns = cpu_ns as f64 - self.spun_ns as f64 * had_cpu;
        let busy = worked_ns / measured_ns.max(1) as f64;
        let since_start = |at_ns: u64| at_ns.saturating_sub(self.origin_ns);
        JobEnd {
            start_ns: since_start(self.start_ns.min(now)),
            end_ns: since_start(now),
            measured_ns,
            cpu: usage.into(),
            iodepth_levels: self.depth_levels.shares(),
            submit_levels: self.submit_levels.shares(),
            complete_levels: self.complete_levels.shares(),
            generator: GeneratorOutcome {
                late_count: self.lateness.count,
                late_max_ns: self.lateness.max_ns,
                late_threshold_ns: LATE_THRESHOLD_NS,
                dropped_arrivals: self.dropped,
                backlog_max: self.backlog_max,
                backlog_end: self.backlog_end,
                busy_share: if measured_ns == 0 {
                    0.0
                } else {
                    busy.clamp(0.0, 1.0)
                },
            },
            verify: self.checks.as_ref().map(|checks| checks.outcome.clone()),
            error: self.error.clone(),
            stopped: self.stopped,
            notes: self.notes.clone(),
            continued: self.continued,
            latency_target: self.search.as_ref().map(|search| search.outcome()),
            errors: self.tolerance.counts().then_some(ErrorsOutcome {
                total: self.tolerance.total,
                first: self.tolerance.first,
            }),
            unsettled,
            prios: self
                .priorities
                .as_ref()
                .map(|priorities| priorities.outcome()),
        }
    }
}
