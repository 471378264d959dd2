//! What jobs of one run have to do with each other: one begins when another has ended, one's end ends
//! others, flows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::now_ns;
use crate::control::{ExitSpec, ExitWhat, FlowSpec};
use crate::exchange::JobPort;
use crate::file_lock::{FileLocks, locks_of};
use crate::outcome::JobState;
use crate::spec::JobSpec;

/// Between two looks at whether a waiting job was called off.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Job {
    port: Arc<JobPort>,
    exit: ExitSpec,
    wait_for: Vec<usize>,
    flow: Option<FlowSpec>,
}

/// See the module.
#[derive(Debug)]
pub struct Gates {
    jobs: Vec<Job>,
    /// When each job ended, on the runner's clock.
    ended: Mutex<Vec<Option<u64>>>,
    news: Condvar,
    flows: BTreeMap<u32, Arc<Flow>>,
    /// Taken by the jobs, by place.
    locks: Mutex<Vec<Option<FileLocks>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gates {
    /// For the jobs of a run, each with its port.
    ///
    /// # Errors
    /// A job waits for itself, for one that does not exist, or in a circle.
    pub fn new(specs: &[JobSpec], ports: &[Arc<JobPort>]) -> Result<Self, String> {
        let mut flows = BTreeMap::<u32, Arc<Flow>>::new();
        for flow in specs.iter().filter_map(|spec| spec.control.flow) {
            let shared = flows.entry(flow.id).or_default();
            shared
                .weight
                .fetch_add(u64::from(flow.weight), Ordering::Relaxed);
        }
        for (index, spec) in specs.iter().enumerate() {
            // Only earlier jobs may be waited for, so there is no circle.
            if let Some(other) = spec.control.wait_for.iter().find(|other| **other >= index) {
                return Err(format!(
                    "job {} waits for job {other} of the run: only jobs before it can be waited for",
                    spec.name
                ));
            }
        }
        let jobs = specs.iter().zip(ports).map(|(spec, port)| Job {
            port: Arc::clone(port),
            exit: spec.control.exit,
            wait_for: spec.control.wait_for.clone(),
            flow: spec.control.flow,
        });
        Ok(Self {
            ended: Mutex::new(vec![None; specs.len()]),
            jobs: jobs.collect(),
            news: Condvar::new(),
            flows,
            locks: Mutex::new(locks_of(specs)),
        })
    }

    /// Waits until those that a job waits for have ended; when the last of them did, `None` if there are
    /// none or the job was asked to end meanwhile.
    #[must_use]
    pub fn wait(&self, index: usize) -> Option<u64> {
        let job = self.jobs.get(index)?;
        let mut ended = locked(&self.ended);
        loop {
            let times = job.wait_for.iter().map(|&other| ended[other]);
            let last = times.collect::<Option<Vec<u64>>>();
            match last {
                Some(times) => return times.into_iter().max(),
                None if job.port.stopping() => return None,
                None => {}
            }
            let waited = self.news.wait_timeout(ended, LOOK);
            ended = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A job has ended.
    pub fn ended(&self, index: usize, failed: bool) {
        locked(&self.ended)[index] = Some(now_ns());
        self.news.notify_all();
        let exit = self.jobs[index].exit;
        if exit.on_end || (exit.on_error && failed) {
            for job in &self.jobs {
                let meant = match exit.what {
                    ExitWhat::Group => job.exit.group == exit.group,
                    ExitWhat::Running => job.port.live.view().state != JobState::Delayed,
                    ExitWhat::All => true,
                };
                if meant {
                    job.port.dismiss();
                }
            }
        }
    }

    /// A job's locks on its files, once.
    #[must_use]
    pub fn locks(&self, index: usize) -> Option<FileLocks> {
        locked(&self.locks).get_mut(index)?.take()
    }

    /// A job's part in its flow.
    #[must_use]
    pub fn flow(&self, index: usize) -> Option<FlowPart> {
        let spec = self.jobs.get(index)?.flow?;
        let flow = Arc::clone(self.flows.get(&spec.id)?);
        Some(FlowPart {
            flow,
            spec,
            own: 0,
            pause_ns: 0,
        })
    }
}

/// What the jobs of a flow share.
#[derive(Debug, Default)]
struct Flow {
    operations: AtomicU64,
    weight: AtomicU64,
}

/// How long a job that is ahead leaves the CPU to those that are behind.
const AHEAD_NS: u64 = 50_000;

/// A job's part in a flow. Leaves it when dropped.
#[derive(Debug)]
pub struct FlowPart {
    flow: Arc<Flow>,
    spec: FlowSpec,
    own: u64,
    /// Not to be asked before this time.
    pause_ns: u64,
}

impl FlowPart {
    /// Whether the job may send; else when to ask again, `u64::MAX`: after the next completion.
    pub fn admits(&mut self, now_ns: u64, inflight: u32) -> Result<(), u64> {
        if now_ns < self.pause_ns {
            return Err(self.pause_ns);
        }
        // The job is ahead when its share of the operations is above its share of the weights. The
        // first operation of all counts as sent, so that one job begins (as in fio).
        let all = self.flow.operations.load(Ordering::Relaxed) + 1;
        let weight = self.flow.weight.load(Ordering::Relaxed);
        if self.own * weight <= u64::from(self.spec.weight) * all {
            return Ok(());
        }
        if self.spec.sleep_ns == 0 {
            return Err(now_ns + AHEAD_NS);
        }
        // fio sleeps with nothing in flight.
        if inflight > 0 {
            return Err(u64::MAX);
        }
        self.pause_ns = now_ns + self.spec.sleep_ns;
        Err(self.pause_ns)
    }

    /// An operation was sent.
    pub fn sent(&mut self) {
        self.own += 1;
        self.flow.operations.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for FlowPart {
    fn drop(&mut self) {
        self.flow.operations.fetch_sub(self.own, Ordering::Relaxed);
        let weight = u64::from(self.spec.weight);
        self.flow.weight.fetch_sub(weight, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(flow: &Arc<Flow>, weight: u32, sleep_ns: u64) -> FlowPart {
        flow.weight.fetch_add(u64::from(weight), Ordering::Relaxed);
        let id = 0;
        FlowPart {
            flow: Arc::clone(flow),
            spec: FlowSpec {
                id,
                weight,
                sleep_ns,
            },
            own: 0,
            pause_ns: 0,
        }
    }

    #[test]
    fn operations_keep_the_ratio_of_the_weights() {
        let flow = Arc::new(Flow::default());
        let mut parts = [part(&flow, 8, 0), part(&flow, 2, 0)];
        // The second job is ten times as quick to ask.
        for turn in 0..10_000 {
            for (index, part) in parts.iter_mut().enumerate() {
                if (index == 1 || turn % 10 == 0) && part.admits(turn * 1_000_000, 1).is_ok() {
                    part.sent();
                }
            }
        }
        let [first, second] = parts.each_ref().map(|part| part.own);
        assert!(first > 900, "{first}");
        assert!((first * 2).abs_diff(second * 8) <= 20, "{first} {second}");
        drop(parts);
        assert_eq!(flow.operations.load(Ordering::Relaxed), 0);
        assert_eq!(flow.weight.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_job_that_is_ahead_drains_and_sleeps() {
        let flow = Arc::new(Flow::default());
        let mut ahead = part(&flow, 1, 1000);
        let behind = part(&flow, 1, 1000);
        while ahead.admits(0, 0).is_ok() {
            ahead.sent();
        }
        assert!(ahead.own < 5);
        ahead.pause_ns = 0;
        assert_eq!(ahead.admits(10, 1), Err(u64::MAX));
        assert_eq!(ahead.admits(10, 0), Err(1010));
        assert_eq!(ahead.admits(900, 0), Err(1010));
        drop(behind);
        assert_eq!(ahead.admits(1010, 0), Ok(()));
    }
}
