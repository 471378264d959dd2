//! Binding of the native run: JSON in, JSON out.

use std::sync::Arc;

use napi::bindgen_prelude::{Error, Float64Array, Result};
use napi_derive::napi;
use osdyno_device::exchange::JobPort;
use osdyno_device::run::Run;

/// A running set of native jobs; `NativeRun` of `engine/base/native.ts`.
#[napi(js_name = "NativeRun")]
pub struct NativeRun {
    run: Run,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::from_reason(error.to_string())
}

#[napi]
impl NativeRun {
    /// What happened since the last call, as the JSON of `RunPoll`.
    #[napi]
    pub fn poll(&self) -> Result<String> {
        serde_json::to_string(&self.run.poll()).map_err(failed)
    }

    /// Asks every job to end after what is in flight. Idempotent.
    #[napi]
    pub fn stop(&self) {
        self.run.stop();
    }

    /// Asks one job to end.
    #[napi]
    pub fn stop_job(&self, job: u32) {
        self.run.stop_job(job as usize);
    }

    /// What was measured up to the last interval, as `result`.
    #[napi]
    pub fn snapshot(&self) -> Result<String> {
        serde_json::to_string(&self.run.snapshot()).map_err(failed)
    }

    /// The next buffer of a job's log (`osdyno_device::io_log`), `null` when there is none.
    #[napi]
    #[must_use]
    pub fn take_log(&self, job: u32) -> Option<Float64Array> {
        take_log(self.run.port(job as usize).as_ref())
    }

    /// Waits for the end; the JSON of `NativeOutcome`.
    #[napi]
    pub fn result(&self) -> Result<String> {
        serde_json::to_string(&self.run.result()).map_err(failed)
    }
}

/// A copy of the next buffer of a job's log.
#[must_use]
pub fn take_log(port: Option<&Arc<JobPort>>) -> Option<Float64Array> {
    port?.log.drain(|rows| Float64Array::with_data_copied(rows))
}

/// Starts the jobs of a `RunSpec` (JSON). Throws in one line when a job cannot be made ready; nothing
/// has been sent then.
#[napi]
#[allow(
    clippy::needless_pass_by_value,
    reason = "strings cross the binding by value"
)]
pub fn start_run(spec: String) -> Result<NativeRun> {
    let spec = serde_json::from_str(&spec).map_err(failed)?;
    let run = Run::start(spec).map_err(failed)?;
    Ok(NativeRun { run })
}
