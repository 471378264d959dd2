//! A set of jobs that start together, each on its own thread: starting, stopping, results. What gathers
//! from the jobs (`collect`) knows nothing of threads: the path through TypeScript uses it too.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use osdyno_core::spec::SpecError;

use crate::arena::Arena;
use crate::clock::{now_ns, sleep_until};
use crate::collect::Collector;
use crate::cpu;
use crate::engine::file::{OpenFile, OpenMode};
use crate::engine::io_uring::Waiter;
use crate::engine::offload::{Offload, Pooled};
use crate::engine::open::{Driver, Opening, open_engine, open_files};
use crate::engine::{Engine, EngineError};
use crate::exchange::{JobPort, LiveView};
use crate::gate::Gates;
use crate::hiccup::HiccupMeter;
use crate::host;
use crate::job_loop::JobLoop;
use crate::outcome::{JobState, RunOutcome, RunPoll};
use crate::renewal::Renewal;
use crate::spec::{EngineSpec, JobSpec, RunSpec};
use crate::write_budget::WriteBudget;

/// Between the moment that every job is ready and the run's start: threads must have woken up by then.
const LEAD_NS: u64 = 2_000_000;
/// The collector looks by itself at least this often.
const LOOK: Duration = Duration::from_millis(500);
/// Longest nap of a job whose start is delayed, between two looks at the flag that stops it.
const NAP_NS: u64 = 50_000_000;
/// Operations in flight at most, a limit of the engines.
pub const MAX_DEPTH: u32 = 16_384;

/// Why a run does not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The specification is not one.
    #[error("run specification: {0}")]
    Json(#[from] serde_json::Error),
    /// A job contradicts itself.
    #[error("job {name}: {source}")]
    Stream {
        /// The job.
        name: String,
        /// How.
        source: SpecError,
    },
    /// A job's engine does not open.
    #[error("job {name}: {source}")]
    Engine {
        /// The job.
        name: String,
        /// Why.
        source: EngineError,
    },
    /// Memory, CPUs, threads.
    #[error("job {name}: {what}: {source}")]
    System {
        /// The job.
        name: String,
        /// What failed.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// No job at all, or a job that cannot be.
    #[error("{0}")]
    Invalid(String),
}

/// What the threads of a run share.
#[derive(Debug)]
struct Shared {
    collector: Mutex<Collector>,
    gates: Gates,
    budget: Option<Arc<WriteBudget>>,
    start: Mutex<Start>,
    started: Condvar,
    finished: Mutex<bool>,
    ended: Condvar,
}

/// Where the start stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// Jobs get ready.
    Waiting,
    /// The run's start on the runner's clock.
    At(u64),
    /// One job could not: all go home.
    Cancelled,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running set of jobs. Needs nobody to poll it. Dropping it stops the jobs.
#[derive(Debug)]
pub struct Run {
    shared: Arc<Shared>,
}

impl Run {
    /// Gets every job ready (files, memory, buffers), then starts them together. Returns when they have
    /// been told to start.
    ///
    /// # Errors
    /// A job cannot be made ready; none was started then, nothing was written.
    pub fn start(spec: RunSpec) -> Result<Self, RunError> {
        if spec.jobs.is_empty() {
            return Err(RunError::Invalid("a run needs at least one job".to_owned()));
        }
        let ports: Vec<Arc<JobPort>> = spec
            .jobs
            .iter()
            .map(|job| Arc::new(JobPort::new(job.directions())))
            .collect();
        let budget = WriteBudget::new(spec.write_budget_bytes, &ports);
        let mut collector = Collector::new(&spec.jobs, &ports);
        collector.set_budget(budget.clone());
        let shared = Arc::new(Shared {
            collector: Mutex::new(collector),
            budget,
            gates: Gates::new(&spec.jobs, &ports).map_err(RunError::Invalid)?,
            start: Mutex::new(Start::Waiting),
            started: Condvar::new(),
            finished: Mutex::new(false),
            ended: Condvar::new(),
        });
        let (ready, readiness) = channel();
        let count = spec.jobs.len();
        for (index, (job, port)) in spec.jobs.into_iter().zip(&ports).enumerate() {
            let name = job.name.clone();
            let place = Place {
                index,
                shared: Arc::clone(&shared),
                port: Arc::clone(port),
                interval_ns: spec.interval_ns,
                ready: ready.clone(),
            };
            let spawned = std::thread::Builder::new()
                .name(format!("job-{name}"))
                .spawn(move || place.run(&job));
            if let Err(source) = spawned {
                let what = "start a thread".to_owned();
                let _ = ready.send(Err(RunError::System { name, what, source }));
                break;
            }
        }
        drop(ready);
        let outcome: Result<Vec<()>, RunError> = readiness.iter().take(count).collect();
        let outcome = outcome.and_then(|ready| {
            let all = ready.len() == count;
            all.then_some(())
                .ok_or_else(|| RunError::Invalid("a job's thread ended before it began".to_owned()))
        });
        if let Err(error) = outcome {
            shared.announce(Start::Cancelled);
            return Err(error);
        }
        let meter = spec.hiccups.then(HiccupMeter::start);
        let collecting = Arc::clone(&shared);
        let collector = std::thread::Builder::new()
            .name("collector".to_owned())
            .spawn(move || collecting.collect(meter))
            .map_err(|source| {
                shared.announce(Start::Cancelled);
                let (name, what) = ("collector".to_owned(), "start a thread".to_owned());
                RunError::System { name, what, source }
            })?;
        for port in &ports {
            port.wake_on_news(collector.thread().clone());
        }
        let origin_ns = now_ns() + LEAD_NS;
        locked(&shared.collector).begin(origin_ns);
        shared.announce(Start::At(origin_ns));
        Ok(Self { shared })
    }

    /// What happened since the last call.
    #[must_use]
    pub fn poll(&self) -> RunPoll {
        let finished = *locked(&self.shared.finished);
        let mut collector = locked(&self.shared.collector);
        collector.collect();
        collector.poll(finished)
    }

    /// Asks every job to stop sending and to end after what is in flight. Idempotent.
    pub fn stop(&self) {
        locked(&self.shared.collector).stop();
    }

    /// Asks one job to stop sending and to end after what is in flight.
    pub fn stop_job(&self, index: usize) {
        locked(&self.shared.collector).stop_job(index);
    }

    /// What was measured up to the last interval that ended. See `Collector::snapshot`.
    #[must_use]
    pub fn snapshot(&self) -> RunOutcome {
        let mut collector = locked(&self.shared.collector);
        collector.collect();
        collector.snapshot()
    }

    /// The port of a job, for its log.
    #[must_use]
    pub fn port(&self, index: usize) -> Option<Arc<JobPort>> {
        locked(&self.shared.collector).port(index).cloned()
    }

    /// Waits for the end and answers what was measured.
    #[must_use]
    pub fn result(&self) -> RunOutcome {
        let mut finished = locked(&self.shared.finished);
        while !*finished {
            finished = self
                .shared
                .ended
                .wait(finished)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(finished);
        locked(&self.shared.collector).outcome()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn announce(&self, start: Start) {
        *locked(&self.start) = start;
        self.started.notify_all();
    }

    /// The run's start, or `None` if it is called off.
    fn wait_for_start(&self) -> Option<u64> {
        let mut start = locked(&self.start);
        loop {
            match *start {
                Start::At(origin_ns) => return Some(origin_ns),
                Start::Cancelled => return None,
                Start::Waiting => {
                    start = self
                        .started
                        .wait(start)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// The collector's thread.
    fn collect(&self, meter: Option<HiccupMeter>) {
        if self.wait_for_start().is_none() {
            return;
        }
        while !locked(&self.collector).collect() {
            // Jobs wake this thread when an interval or they themselves end.
            std::thread::park_timeout(LOOK);
        }
        if let Some(meter) = meter {
            let hiccups = meter.finish();
            locked(&self.collector).set_hiccups(hiccups);
        }
        *locked(&self.finished) = true;
        self.ended.notify_all();
    }
}

/// A job's thread and where it belongs.
struct Place {
    index: usize,
    shared: Arc<Shared>,
    port: Arc<JobPort>,
    interval_ns: u64,
    ready: Sender<Result<(), RunError>>,
}

impl Place {
    fn run(self, job: &JobSpec) {
        if let Err(error) = self.prepare(job) {
            let _ = self.ready.send(Err(error));
        }
    }

    /// Opens the engine and runs the job over it; the loop is compiled for each engine.
    fn prepare(&self, job: &JobSpec) -> Result<(), RunError> {
        let system = |what: &str| {
            let (name, what) = (job.name.clone(), what.to_owned());
            move |source| RunError::System { name, what, source }
        };
        let engine = |source| RunError::Engine {
            name: job.name.clone(),
            source,
        };
        if job.iodepth == 0 || job.max_block == 0 {
            return Err(RunError::Invalid(format!(
                "job {}: iodepth and block size must be above 0",
                job.name
            )));
        }
        let pinned = host::place_thread(&job.control.host, &job.cpus)
            .map_err(|(what, source)| system(&what)(source))?;
        cpu::exact_timers();
        let depth = if job.engine.synchronous() && !job.control.offload {
            1
        } else {
            job.iodepth.min(MAX_DEPTH)
        };
        let arena = match job.control.host.huge_page_bytes {
            None => Arena::new(depth, job.max_block).map_err(system("memory for the buffers"))?,
            Some(bytes) => {
                let what = format!(
                    "{depth} buffers of {} bytes in huge pages of {bytes} bytes (see \
                     /sys/kernel/mm/hugepages/hugepages-{}kB/nr_hugepages)",
                    job.max_block,
                    bytes >> 10
                );
                Arena::of_huge_pages(depth, job.max_block, bytes).map_err(system(&what))?
            }
        };
        let arena = Arc::new(arena);
        let opening = Opening {
            arena: Arc::clone(&arena),
            depth,
            waiter: Waiter::Thread,
            mode: open_mode(job),
        };
        let files = open_all(job, opening.mode).map_err(engine)?;
        if job.control.offload {
            let pool = Offload::new(&pooled_of(job), &arena, depth).map_err(engine)?;
            drop(files);
            let outcome = self.drive(job, pool, depth, arena);
            drop(pinned);
            return outcome;
        }
        let place = self;
        let driver = LoopDriver {
            place,
            job,
            depth,
            arena,
        };
        let outcome = open_engine(&engine_of(job), files, opening, driver).map_err(engine);
        drop(pinned);
        outcome?
    }

    fn drive<E: Engine>(
        &self,
        job: &JobSpec,
        engine: E,
        depth: u32,
        arena: Arc<Arena>,
    ) -> Result<(), RunError> {
        let port = Arc::clone(&self.port);
        let mut job_loop = JobLoop::new(job, engine, depth, arena, port, self.interval_ns)
            .map_err(|source| RunError::Stream {
                name: job.name.clone(),
                source,
            })?;
        job_loop
            .set_priorities(&job.control)
            .map_err(|source| RunError::Engine {
                name: job.name.clone(),
                source,
            })?;
        if depth < job.iodepth {
            job_loop.note(format!(
                "iodepth {} acts as {depth} with this engine",
                job.iodepth
            ));
        }
        let _ = self.ready.send(Ok(()));
        let Some(origin_ns) = self.shared.wait_for_start() else {
            return Ok(());
        };
        let gates = &self.shared.gates;
        job_loop.keep_budget(self.shared.budget.clone());
        job_loop.join_flow(gates.flow(self.index));
        job_loop.renew_files(renewal_of(job));
        job_loop.share_files(gates.locks(self.index));
        let after_ns = gates.wait(self.index).unwrap_or(origin_ns).max(origin_ns);
        let start_ns = job_loop.start_ns(after_ns);
        loop {
            let now = now_ns();
            if now >= start_ns || self.port.stopping() {
                break;
            }
            self.port.live.publish(&LiveView {
                state: JobState::Delayed,
                ios: 0,
                bytes: 0,
                inflight: 0,
                progress: Some(0.0),
            });
            sleep_until(start_ns.min(now + NAP_NS));
        }
        job_loop.begin_after(origin_ns, after_ns);
        job_loop.run();
        job_loop.close_files();
        let failed = job_loop.failed();
        job_loop.finish();
        gates.ended(self.index, failed);
        Ok(())
    }
}

/// Not all files may be open at once.
fn limits_files(job: &JobSpec) -> bool {
    (1..job.files.len()).contains(&(job.control.open_files as usize))
}

/// Registered files stay open: with `openfiles` none is registered, unless that is demanded.
fn engine_of(job: &JobSpec) -> EngineSpec {
    let mut engine = job.engine.clone();
    if let EngineSpec::IoUring(options) = &mut engine
        && limits_files(job)
    {
        options.registerfiles.get_or_insert(false);
    }
    engine
}

fn open_mode(job: &JobSpec) -> OpenMode {
    OpenMode {
        write: job.write,
        direct: job.direct,
        sync: job.sync,
        invalidate: job.cache.invalidate,
        create: job.control.create_on_open,
        access: job.access(),
    }
}

fn pooled_of(job: &JobSpec) -> Pooled {
    Pooled {
        engine: job.engine.clone(),
        paths: job.files.iter().map(|file| file.path.clone()).collect(),
        mode: open_mode(job),
    }
}

fn renewal_of(job: &JobSpec) -> Option<Renewal> {
    let paths = job.files.iter().map(|file| file.path.clone());
    let renewal = || Renewal::new(job.engine.clone(), paths.collect(), open_mode(job));
    job.control.unlink_each_loop.then(renewal)
}

/// Runs a job over the engine that was opened for it.
struct LoopDriver<'a> {
    place: &'a Place,
    job: &'a JobSpec,
    depth: u32,
    arena: Arc<Arena>,
}

impl Driver for LoopDriver<'_> {
    type Output = Result<(), RunError>;

    fn drive<E: Engine + 'static>(self, engine: E) -> Self::Output {
        self.place.drive(self.job, engine, self.depth, self.arena)
    }
}

fn open_all(job: &JobSpec, mode: OpenMode) -> Result<Vec<OpenFile>, EngineError> {
    let mut files: Vec<OpenFile> = Vec::with_capacity(job.files.len());
    let registered = match &job.engine {
        EngineSpec::IoUring(options) => options.registerfiles == Some(true),
        _ => false,
    };
    let closes = limits_files(job) && !registered && !job.engine.maps();
    for file in &job.files {
        let write = mode.write && (!file.read_only || job.engine.maps());
        let mode = OpenMode { write, ..mode };
        files.extend(open_files(&job.engine, &[&file.path], mode)?);
        if let Some(last) = files.last()
            && closes
        {
            last.close();
        }
    }
    Ok(files)
}
