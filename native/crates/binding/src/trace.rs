//! Binding of traces: looking at one, merging several, without holding up the event loop.

#![expect(
    clippy::needless_pass_by_value,
    reason = "values come from JavaScript by value"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use napi::bindgen_prelude::{AsyncTask, Error, Result};
use napi::{Env, Task};
use napi_derive::napi;
use osdyno_device::replay::TraceSpec;
use osdyno_device::replay::merged::write_merged;
use osdyno_device::replay::scan::scan;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::from_reason(error.to_string())
}

fn scan_json(spec: &str, ended: &AtomicBool) -> Result<String> {
    let spec: TraceSpec = serde_json::from_str(spec).map_err(failed)?;
    let facts = scan(&spec, ended).map_err(failed)?;
    serde_json::to_string(&facts).map_err(failed)
}

/// The JSON of `TraceFacts` for that of a `TraceSpec`. Throws in one line when it cannot be read.
#[napi]
pub fn scan_trace(spec: String) -> Result<String> {
    scan_json(&spec, &AtomicBool::new(false))
}

/// Work on traces that can be ended.
#[napi]
#[derive(Default)]
pub struct NativeTraceWork {
    ended: Arc<AtomicBool>,
}

#[napi]
impl NativeTraceWork {
    /// Nothing begins yet.
    #[napi(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends what is going on.
    #[napi]
    pub fn stop(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// As `scan_trace`. When stopped, the facts say `cutShort`.
    #[napi]
    #[must_use]
    pub fn scan(&self, spec: String) -> AsyncTask<ScanTask> {
        let ended = Arc::clone(&self.ended);
        AsyncTask::new(ScanTask { spec, ended })
    }

    /// Merges the inputs of a `TraceSpec` into a file; how many operations that were.
    #[napi]
    #[must_use]
    pub fn merge(&self, spec: String, path: String) -> AsyncTask<MergeTask> {
        let ended = Arc::clone(&self.ended);
        AsyncTask::new(MergeTask { spec, path, ended })
    }
}

/// A scan on a thread of libuv.
pub struct ScanTask {
    spec: String,
    ended: Arc<AtomicBool>,
}

impl Task for ScanTask {
    type Output = String;
    type JsValue = String;

    fn compute(&mut self) -> Result<String> {
        scan_json(&self.spec, &self.ended)
    }

    fn resolve(&mut self, _env: Env, facts: String) -> Result<String> {
        Ok(facts)
    }
}

/// A merge on a thread of libuv.
pub struct MergeTask {
    spec: String,
    path: String,
    ended: Arc<AtomicBool>,
}

impl Task for MergeTask {
    type Output = f64;
    type JsValue = f64;

    fn compute(&mut self) -> Result<f64> {
        let spec: TraceSpec = serde_json::from_str(&self.spec).map_err(failed)?;
        let count = write_merged(&spec, &self.path, &self.ended).map_err(failed)?;
        Ok(count as f64)
    }

    fn resolve(&mut self, _env: Env, count: f64) -> Result<f64> {
        Ok(count)
    }
}
