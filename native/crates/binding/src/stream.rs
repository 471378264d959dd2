//! The path through TypeScript: the native job loop over its bridge engine, stepped by the event
//! loop. `workloads/runner/engine-path.ts` carries the operations to a device and the completions
//! back.

#![expect(
    clippy::needless_pass_by_value,
    reason = "values come from JavaScript by value"
)]

use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use osdyno_device::arena::Arena;
use osdyno_device::clock;
use osdyno_device::collect::Collector;
use osdyno_device::engine::Completion;
use osdyno_device::engine::bridge::Bridge;
use osdyno_device::exchange::JobPort;
use osdyno_device::hiccup::HiccupMeter;
use osdyno_device::job_loop::JobLoop;
use osdyno_device::run::MAX_DEPTH;
use osdyno_device::spec::RunSpec;
use osdyno_device::write_budget::WriteBudget;

use crate::records::{SUBMISSION_BYTES, shared_buffer, write_submission};
use crate::run::take_log;

/// Doubles of a stream's state: 1 when the job is done; when it wants its next turn at the latest; 1
/// when what completes is measured, 0 within a warm-up.
const STATE_BYTES: usize = 24;

fn to_error(error: impl std::fmt::Display) -> Error {
    Error::from_reason(error.to_string())
}

/// The jobs' meeting point: gathers what they measure. See `NativeRun`, whose answers these are.
#[napi]
pub struct NativeEngineRun {
    spec: RunSpec,
    ports: Vec<Arc<JobPort>>,
    collector: Collector,
    budget: Option<Arc<WriteBudget>>,
    meter: Option<HiccupMeter>,
}

#[napi]
impl NativeEngineRun {
    /// For the JSON of a `RunSpec`.
    #[napi(constructor)]
    pub fn new(spec: String) -> Result<Self> {
        let spec: RunSpec = serde_json::from_str(&spec).map_err(to_error)?;
        let ports: Vec<_> = spec
            .jobs
            .iter()
            .map(|job| Arc::new(JobPort::new(job.directions())))
            .collect();
        let budget = WriteBudget::new(spec.write_budget_bytes, &ports);
        let mut collector = Collector::new(&spec.jobs, &ports);
        collector.set_budget(budget.clone());
        Ok(Self {
            collector,
            budget,
            spec,
            ports,
            meter: None,
        })
    }

    /// Begins the run; its start on the runner's clock, ns.
    #[napi]
    pub fn begin(&mut self) -> f64 {
        self.meter = self.spec.hiccups.then(HiccupMeter::start);
        let origin_ns = clock::now_ns();
        self.collector.begin(origin_ns);
        origin_ns as f64
    }

    /// JSON of `RunPoll`.
    #[napi]
    pub fn poll(&mut self) -> Result<String> {
        let finished = self.collect();
        serde_json::to_string(&self.collector.poll(finished)).map_err(to_error)
    }

    /// Asks every job to end.
    #[napi]
    pub fn stop(&mut self) {
        self.collector.stop();
    }

    /// Asks one job to end.
    #[napi]
    pub fn stop_job(&mut self, job: u32) {
        self.collector.stop_job(job as usize);
    }

    /// What was measured up to the last interval, as `result`.
    #[napi]
    pub fn snapshot(&mut self) -> Result<String> {
        self.collect();
        serde_json::to_string(&self.collector.snapshot()).map_err(to_error)
    }

    /// The next buffer of a job's log, `null` when there is none.
    #[napi]
    #[must_use]
    pub fn take_log(&self, job: u32) -> Option<Float64Array> {
        take_log(self.ports.get(job as usize))
    }

    /// JSON of `NativeOutcome`, once every job has ended.
    #[napi]
    pub fn result(&mut self) -> Result<String> {
        if !self.collect() {
            return Err(Error::from_reason("the run has not ended"));
        }
        serde_json::to_string(&self.collector.outcome()).map_err(to_error)
    }

    /// Takes what the jobs handed over; to be called once an interval. `true`: all have ended.
    #[napi]
    pub fn collect(&mut self) -> bool {
        let finished = self.collector.collect();
        if finished && let Some(meter) = self.meter.take() {
            self.collector.set_hiccups(meter.finish());
        }
        finished
    }
}

/// The completion arrays of one file's device.
struct Source {
    tag: Int32Array,
    result: Int32Array,
    submitted: Float64Array,
    completed: Float64Array,
}

/// One job.
#[napi]
pub struct NativeStream {
    /// `None` once it has ended. Dropped before the memory it works on.
    job: Option<JobLoop<Bridge>>,
    sources: Vec<Source>,
    records: Arc<Arena>,
    state: Arc<Arena>,
    depth: u32,
    /// Keeps the slots in place; the job holds their address.
    _slots: Uint8Array,
}

#[napi]
impl NativeStream {
    /// Job `job` of a run, with its buffers in the slots of `slots`.
    #[napi(constructor)]
    pub fn new(
        run: &NativeEngineRun,
        job: u32,
        slots: Uint8Array,
        slot_bytes: u32,
        depth: u32,
        notes: Vec<String>,
    ) -> Result<Self> {
        let index = job as usize;
        let (Some(spec), Some(port)) = (run.spec.jobs.get(index), run.ports.get(index)) else {
            return Err(Error::from_reason(format!("there is no job {job}")));
        };
        let depth = depth.clamp(1, MAX_DEPTH);
        let bytes: &[u8] = &slots;
        let count = u32::try_from(bytes.len() / slot_bytes.max(1) as usize).unwrap_or(u32::MAX);
        if count < depth || slot_bytes < spec.max_block {
            return Err(Error::from_reason(format!(
                "job {}: the device has {count} slots of {slot_bytes} bytes, not {depth} of {}",
                spec.name, spec.max_block
            )));
        }
        // SAFETY: `slots` is kept as long as the job, and a buffer's memory does not move.
        let arena =
            unsafe { Arena::over(bytes.as_ptr().cast_mut(), bytes.len(), count, slot_bytes) };
        let arena = arena.ok_or_else(|| to_error("the device has no slots"))?;
        let bridge = Bridge::new(depth, notes);
        let interval_ns = run.spec.interval_ns;
        let mut job = JobLoop::new(
            spec,
            bridge,
            depth,
            Arc::new(arena),
            port.clone(),
            interval_ns,
        )
        .map_err(|error| Error::from_reason(format!("job {}: {error}", spec.name)))?;
        job.keep_budget(run.budget.clone());
        let records = Arena::new(1, depth * SUBMISSION_BYTES as u32).map_err(to_error)?;
        Ok(Self {
            job: Some(job),
            sources: Vec::with_capacity(spec.files.len()),
            records: Arc::new(records),
            state: Arc::new(Arena::new(1, STATE_BYTES as u32).map_err(to_error)?),
            depth,
            _slots: slots,
        })
    }

    /// Names the completion arrays of the next file's device.
    #[napi]
    pub fn add_file(
        &mut self,
        tag: Int32Array,
        result: Int32Array,
        submitted: Float64Array,
        completed: Float64Array,
    ) {
        self.sources.push(Source {
            tag,
            result,
            submitted,
            completed,
        });
    }

    /// The records of operations to be sent. To be asked for once, as `state`.
    #[napi]
    pub fn records<'env>(&self, env: &'env Env) -> Result<ArrayBuffer<'env>> {
        shared_buffer(env, &self.records, self.depth as usize * SUBMISSION_BYTES)
    }

    /// See `STATE_BYTES`.
    #[napi]
    pub fn state<'env>(&self, env: &'env Env) -> Result<ArrayBuffer<'env>> {
        shared_buffer(env, &self.state, STATE_BYTES)
    }

    /// When the job begins in a run that began at `origin_ns`.
    #[napi]
    #[must_use]
    pub fn start_ns(&self, origin_ns: f64) -> f64 {
        let origin_ns = origin_ns as u64;
        let job = self.job.as_ref();
        job.map_or(0, |job| job.start_ns(origin_ns)) as f64
    }

    /// Begins the job, at `start_ns` or later.
    #[napi]
    pub fn begin(&mut self, origin_ns: f64) -> Result<()> {
        self.job_mut()?.begin(origin_ns as u64);
        Ok(())
    }

    /// Brings in the first `count` completions of a file's device.
    #[napi]
    pub fn deliver(&mut self, file: u32, count: u32) -> Result<()> {
        let source = self.sources.get(file as usize);
        let source = source.ok_or_else(|| to_error("there is no such file"))?;
        let bridge = self.job.as_mut().ok_or_else(ended)?.engine_mut();
        let (tags, results): (&[i32], &[i32]) = (&source.tag, &source.result);
        let (submitted, completed): (&[f64], &[f64]) = (&source.submitted, &source.completed);
        let rows = tags
            .iter()
            .zip(results)
            .zip(submitted.iter().zip(completed));
        for ((&tag, &result), (&submitted_ns, &completed_ns)) in rows.take(count as usize) {
            let known = bridge.deliver(Completion {
                tag: tag.cast_unsigned(),
                result,
                submitted_ns: submitted_ns as u64,
                completed_ns: completed_ns as u64,
            });
            if !known {
                let line = format!("the device completed tag {tag}, which was not in flight");
                return Err(Error::from_reason(line));
            }
        }
        Ok(())
    }

    /// One step of the job: takes what was delivered and writes the records of what is to be sent;
    /// their number. The state is written too.
    #[napi]
    pub fn turn(&mut self) -> Result<u32> {
        let job = self.job.as_mut().ok_or_else(ended)?;
        let turn = job.turn().map_err(to_error)?;
        let measuring = job.measuring();
        let bridge = job.engine_mut();
        let count = bridge.outgoing().len() as u32;
        for (index, out) in bridge.outgoing().iter().enumerate() {
            // SAFETY: the memory holds `depth` records; the bridge hands out no more at once.
            unsafe {
                write_submission(
                    self.records.base(),
                    index as u32,
                    &out.op,
                    out.slot,
                    out.tag,
                );
            }
        }
        bridge.clear();
        let next_ns = turn
            .arrival_ns
            .map_or(turn.until_ns, |at| at.min(turn.until_ns));
        // SAFETY: the state's memory is three doubles long and aligned to a page.
        unsafe {
            #[expect(clippy::cast_ptr_alignment, reason = "aligned to a page")]
            let state = self.state.base().cast::<[f64; 3]>();
            let flag = |set: bool| f64::from(u8::from(set));
            state.write([flag(turn.done), next_ns as f64, flag(measuring)]);
        }
        Ok(count)
    }

    /// Time that went by while nothing was done but waiting for an arrival.
    #[napi]
    pub fn spun(&mut self, by_ns: f64) -> Result<()> {
        self.job_mut()?.add_spun(by_ns as u64);
        Ok(())
    }

    /// Ends the job because its device does not work; no turn may follow.
    #[napi]
    pub fn fail(&mut self, message: String) -> Result<()> {
        let mut job = self.job.take().ok_or_else(ended)?;
        job.fail_with(libc::EIO, message);
        job.finish();
        Ok(())
    }

    /// Ends the job after a turn that said it is done.
    #[napi]
    pub fn end(&mut self) -> Result<()> {
        self.job.take().ok_or_else(ended)?.finish();
        Ok(())
    }

    fn job_mut(&mut self) -> Result<&mut JobLoop<Bridge>> {
        self.job.as_mut().ok_or_else(ended)
    }
}

fn ended() -> Error {
    Error::from_reason("the job has ended")
}
