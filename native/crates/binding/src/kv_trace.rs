//! Notes of everything that is done to devices, by the native side and by TypeScript, in one order.

#![expect(
    clippy::needless_pass_by_value,
    reason = "values come from JavaScript by value"
)]

use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use osdyno_kv::device::traced::{StepKind, Trace, forget_paths, trace_paths};

/// The notes since they were taken last, one entry each in every array.
#[napi(object)]
pub struct DeviceSteps {
    /// 0 write, 1 written, 2 flush, 3 flushed, 4 failed, 5 mark.
    pub kinds: Uint8Array,
    /// Index of the path.
    pub devices: Uint8Array,
    /// Of operations, or of a mark.
    pub ids: Float64Array,
    /// Of writes.
    pub offsets: Float64Array,
    /// Bytes of a write.
    pub lengths: Float64Array,
    /// The bytes of all writes, one after the other.
    pub data: Uint8Array,
}

/// Traces the key-value stores on the paths that are opened while it is open, and whatever it is told.
#[napi]
pub struct NativeDeviceTrace {
    trace: Arc<Trace>,
    paths: Vec<String>,
}

#[napi]
impl NativeDeviceTrace {
    /// Devices by index.
    #[napi(constructor)]
    #[must_use]
    pub fn new(paths: Vec<String>) -> Self {
        let trace = Arc::new(Trace::default());
        trace_paths(&trace, &paths);
        Self { trace, paths }
    }

    /// A write begins; its id.
    #[napi]
    #[must_use]
    pub fn write(&self, device: u32, offset: f64, data: Uint8Array) -> f64 {
        self.trace
            .begin(StepKind::Write, device, offset as u64, &data) as f64
    }

    /// A write has ended.
    #[napi]
    pub fn written(&self, device: u32, id: f64, failed: bool) {
        let kind = if failed {
            StepKind::Failed
        } else {
            StepKind::Written
        };
        self.trace.note(kind, device, id as u64);
    }

    /// A flush begins; its id.
    #[napi]
    #[must_use]
    pub fn flush(&self, device: u32) -> f64 {
        self.trace.begin(StepKind::Flush, device, 0, &[]) as f64
    }

    /// A flush has ended.
    #[napi]
    pub fn flushed(&self, device: u32, id: f64, failed: bool) {
        let kind = if failed {
            StepKind::Failed
        } else {
            StepKind::Flushed
        };
        self.trace.note(kind, device, id as u64);
    }

    /// Something to find again.
    #[napi]
    pub fn mark(&self, id: f64) {
        self.trace.note(StepKind::Mark, 0, id as u64);
    }

    /// Everything since the last call.
    #[napi]
    #[must_use]
    pub fn take(&self) -> DeviceSteps {
        let steps = self.trace.take();
        let numbers = |of: fn(&osdyno_kv::device::traced::Step) -> u64| {
            Float64Array::new(steps.iter().map(|step| of(step) as f64).collect())
        };
        DeviceSteps {
            kinds: Uint8Array::new(steps.iter().map(|step| step.kind as u8).collect()),
            devices: Uint8Array::new(steps.iter().map(|step| step.device as u8).collect()),
            ids: numbers(|step| step.id),
            offsets: numbers(|step| step.offset),
            lengths: numbers(|step| step.data.len() as u64),
            data: Uint8Array::new(steps.iter().flat_map(|step| step.data.clone()).collect()),
        }
    }

    /// Devices that are opened from now on are not traced.
    #[napi]
    pub fn close(&self) {
        forget_paths(&self.paths);
    }
}
