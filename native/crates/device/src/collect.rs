//! The collector: merges the intervals of the jobs into totals and rows, and makes the outcome. It runs
//! beside the jobs, on a thread of its own or wherever the jobs are stepped by hand.

use std::collections::VecDeque;
use std::sync::Arc;

use osdyno_core::hdr::Hdr;
use osdyno_core::measure::{IntervalRow, IntervalSet, LatencyRecord, RowPlace, Totals};

use crate::clock::{epoch_ms, now_ns};
use crate::cpu::{Usage, process_usage};
use crate::exchange::{Interval, JobPort};
use crate::hiccup::Hiccups;
use crate::outcome::{
    HiccupOutcome, JobEnd, JobOutcome, JobPoll, JobState, ProcessCpu, RunOutcome, RunPoll,
};
use crate::spec::JobSpec;
use crate::write_budget::WriteBudget;

/// How much longer than a job gives its own device the collector waits for the job itself, which may
/// hang in a system call.
const ABANDON_NS: u64 = 7_000_000_000;

/// A job as the collector sees it.
#[derive(Debug)]
struct Job {
    name: String,
    port: Arc<JobPort>,
    totals: Totals,
    /// Of the warm-up, where it may be all that there is.
    tried: Option<Box<Totals>>,
    /// For rows of intervals without operations.
    nothing: IntervalSet,
    end: Option<Box<JobEnd>>,
    last_edge_ns: u64,
    measured_from_ns: Option<u64>,
    /// It sends on a schedule.
    scheduled: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Collector {
    jobs: Vec<Job>,
    rows: VecDeque<IntervalRow>,
    origin_ns: u64,
    started_epoch_ms: u64,
    usage: Usage,
    stop_ns: Option<u64>,
    ended: Option<(u64, Usage)>,
    hiccups: Vec<Hiccups>,
    budget: Option<Arc<WriteBudget>>,
}

impl Collector {
    /// For these jobs, with a port for each. The run's clock starts with `begin`.
    #[must_use]
    pub fn new(specs: &[JobSpec], ports: &[Arc<JobPort>]) -> Self {
        let jobs = specs.iter().zip(ports).map(|(spec, port)| Job {
            name: spec.name.clone(),
            port: Arc::clone(port),
            totals: Totals::new(),
            tried: (spec.control.latency_target.is_some()).then(Box::default),
            nothing: IntervalSet::new(spec.directions()),
            end: None,
            last_edge_ns: 0,
            measured_from_ns: None,
            scheduled: spec.scheduled(),
        });
        Self {
            jobs: jobs.collect(),
            rows: VecDeque::new(),
            origin_ns: 0,
            started_epoch_ms: 0,
            usage: Usage::default(),
            stop_ns: None,
            ended: None,
            hiccups: Vec::new(),
            budget: None,
        }
    }

    /// The run begins at this time on the runner's clock.
    pub fn begin(&mut self, origin_ns: u64) {
        self.origin_ns = origin_ns;
        self.started_epoch_ms = epoch_ms();
        self.usage = process_usage();
    }

    /// Asks every job to end.
    pub fn stop(&mut self) {
        self.stop_ns.get_or_insert_with(now_ns);
        for job in &self.jobs {
            job.port.stop();
        }
    }

    /// Asks one job to end.
    pub fn stop_job(&mut self, index: usize) {
        if let Some(job) = self.jobs.get(index) {
            job.port.stop();
        }
    }

    /// The port of a job.
    #[must_use]
    pub fn port(&self, index: usize) -> Option<&Arc<JobPort>> {
        self.jobs.get(index).map(|job| &job.port)
    }

    /// The outcome as it stands: the intervals that ended so far. What a job says of itself (CPU,
    /// depths) is there from the second call on.
    #[must_use]
    pub fn snapshot(&self) -> RunOutcome {
        self.outcome_with(|job| job.end.clone().or_else(|| job.port.draft()))
    }

    /// Takes what the jobs handed over; `true` when every job has ended. Takes a lock of each port for a
    /// moment; merging happens outside of them.
    pub fn collect(&mut self) -> bool {
        let now = now_ns();
        let abandon = self
            .stop_ns
            .is_some_and(|stop_ns| now >= stop_ns + ABANDON_NS);
        for (index, job) in self.jobs.iter_mut().enumerate() {
            // The end is handed over after the last interval, so look for it first.
            let end = job.port.take_end();
            while let Some(interval) = job.port.next_interval() {
                job.take(interval, index, self.origin_ns, &mut self.rows);
            }
            if job.end.is_none() {
                job.end = end;
            }
            if job.end.is_none() && abandon {
                job.end = Some(Box::new(job.abandoned(self.origin_ns)));
            }
        }
        let ended = self.jobs.iter().all(|job| job.end.is_some());
        if ended && self.ended.is_none() {
            self.ended = Some((now_ns(), process_usage()));
        }
        ended
    }

    /// Adds what the hiccup meter saw.
    pub fn set_hiccups(&mut self, hiccups: Vec<Hiccups>) {
        self.hiccups = hiccups;
    }

    /// What the jobs may write, for the outcome to say whether that ended them.
    pub fn set_budget(&mut self, budget: Option<Arc<WriteBudget>>) {
        self.budget = budget;
    }

    /// Rows and states since the last call; `finished` is the caller's to say.
    pub fn poll(&mut self, finished: bool) -> RunPoll {
        let job = |job: &Job| {
            let view = job.port.live.view();
            JobPoll {
                state: match &job.end {
                    Some(end) if end.error.is_some() => JobState::Failed,
                    Some(_) => JobState::Done,
                    None => view.state,
                },
                ios: view.ios,
                bytes: view.bytes,
                inflight: view.inflight,
                progress: view.progress,
            }
        };
        RunPoll {
            finished,
            now_ns: now_ns().saturating_sub(self.origin_ns),
            intervals: self.rows.drain(..).collect(),
            jobs: self.jobs.iter().map(job).collect(),
        }
    }

    /// The outcome, once `collect` said that every job has ended.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        self.outcome_with(|job| job.end.clone())
    }

    fn outcome_with(&self, end: impl Fn(&Job) -> Option<Box<JobEnd>>) -> RunOutcome {
        let (ended_ns, usage) = self.ended.unwrap_or_else(|| (now_ns(), process_usage()));
        let used = usage.since(&self.usage);
        let record = |lateness: &Hdr| LatencyRecord::from(lateness);
        RunOutcome {
            started_epoch_ms: self.started_epoch_ms,
            runtime_ns: ended_ns.saturating_sub(self.origin_ns),
            jobs: self
                .jobs
                .iter()
                .map(|job| job.outcome(end(job).map_or_else(JobEnd::default, |end| *end)))
                .collect(),
            hiccups: self
                .hiccups
                .iter()
                .map(|hiccups| HiccupOutcome {
                    cpu: hiccups.cpu,
                    lateness: record(&hiccups.lateness),
                })
                .collect(),
            process_cpu: ProcessCpu {
                user_ns: used.user_ns,
                system_ns: used.system_ns,
            },
            write_budget_spent: self.budget.as_ref().is_some_and(|budget| budget.refused()),
        }
    }
}

impl Job {
    fn take(
        &mut self,
        interval: Interval,
        index: usize,
        origin_ns: u64,
        rows: &mut VecDeque<IntervalRow>,
    ) {
        let place = RowPlace {
            end_ns: interval.end_ns.saturating_sub(origin_ns),
            length_ns: interval.end_ns - interval.start_ns,
            job: index,
            warmup: interval.warmup,
            inflight: interval.inflight,
        };
        self.last_edge_ns = interval.end_ns;
        if !interval.warmup {
            self.measured_from_ns.get_or_insert(interval.start_ns);
        }
        let set = interval.set.as_ref().unwrap_or(&self.nothing);
        if place.length_ns > 0 || !set.is_empty() {
            rows.extend(set.rows(&place));
        }
        if !interval.warmup {
            self.totals.merge(set);
        } else if let Some(tried) = &mut self.tried {
            tried.merge(set);
        }
        if let Some(mut set) = interval.set {
            set.clear();
            self.port.give_back(set);
        }
    }

    /// The end of a job that does not answer: what it handed over so far stands.
    fn abandoned(&self, origin_ns: u64) -> JobEnd {
        let end_ns = self.last_edge_ns.max(origin_ns);
        let inflight = self.port.live.view().inflight;
        JobEnd {
            end_ns: end_ns - origin_ns,
            measured_ns: self.measured_from_ns.map_or(0, |from_ns| end_ns - from_ns),
            stopped: true,
            notes: vec![format!(
                "the job hangs in the device and was given up with {inflight} operations in flight; what \
                 it measured after its last interval is lost"
            )],
            ..JobEnd::default()
        }
    }

    fn outcome(&self, end: JobEnd) -> JobOutcome {
        let totals = match &self.tried {
            Some(tried) if end.unsettled => tried,
            _ => &self.totals,
        };
        let mut measured = totals.outcome();
        let directions = [&mut measured.read, &mut measured.write, &mut measured.trim];
        for (direction, continued) in directions.into_iter().zip(end.continued) {
            if let Some(direction) = direction {
                direction.short_ios += continued;
                // Rates of a schedule are over the time it ran, its pauses included; of a closed loop,
                // from the first operation sent to the last one completed.
                if self.scheduled && end.verify.is_none() {
                    direction.runtime_ns = direction.runtime_ns.max(end.measured_ns);
                }
            }
        }
        JobOutcome {
            name: self.name.clone(),
            end,
            measured,
        }
    }
}
