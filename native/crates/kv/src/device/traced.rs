//! Devices whose writes and flushes are noted as they begin and as they end, by whoever uses them, so
//! that any image that a power cut could leave behind can be built from the notes.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::Device;

/// What happened to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StepKind {
    /// A write begins; from now on parts of it may be on the device.
    Write,
    /// A write has ended; the next flush that begins makes it durable.
    Written,
    /// A flush begins.
    Flush,
    /// A flush has ended.
    Flushed,
    /// An operation failed.
    Failed,
    /// The user's own.
    Mark,
}

/// One note.
#[derive(Debug, Clone)]
pub struct Step {
    /// What happened.
    pub kind: StepKind,
    /// Which device of the trace.
    pub device: u32,
    /// Of the operation, from 1; of a mark, what the user says.
    pub id: u64,
    /// Bytes from the start of the device, for writes.
    pub offset: u64,
    /// What is written.
    pub data: Vec<u8>,
}

#[derive(Default)]
struct Notes {
    steps: Vec<Step>,
    operations: u64,
}

/// The notes of several devices in one order.
#[derive(Default)]
pub struct Trace {
    notes: Mutex<Notes>,
}

impl Trace {
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operation begins; its id.
    pub fn begin(&self, kind: StepKind, device: u32, offset: u64, data: &[u8]) -> u64 {
        let mut notes = self.lock();
        notes.operations += 1;
        let id = notes.operations;
        notes.steps.push(Step {
            kind,
            device,
            id,
            offset,
            data: data.to_vec(),
        });
        id
    }

    /// Something without data: the end of an operation, or a mark.
    pub fn note(&self, kind: StepKind, device: u32, id: u64) {
        self.lock().steps.push(Step {
            kind,
            device,
            id,
            offset: 0,
            data: Vec::new(),
        });
    }

    /// Everything so far, and forgets it.
    #[must_use]
    pub fn take(&self) -> Vec<Step> {
        std::mem::take(&mut self.lock().steps)
    }
}

/// Traces, and the index of a device in them, by the device's path.
type Traces = HashMap<String, (Arc<Trace>, u32)>;

static TRACES: LazyLock<Mutex<Traces>> = LazyLock::new(Mutex::default);

fn traces() -> MutexGuard<'static, Traces> {
    TRACES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on devices that are opened at these paths are traced; their index is the one here.
pub fn trace_paths(trace: &Arc<Trace>, paths: &[String]) {
    for (index, path) in (0..).zip(paths) {
        traces().insert(path.clone(), (trace.clone(), index));
    }
}

/// Devices that are opened at these paths are no longer traced.
pub fn forget_paths(paths: &[String]) {
    for path in paths {
        traces().remove(path);
    }
}

/// The device, traced if its path is.
pub fn traced(path: &str, device: impl Device + 'static) -> Box<dyn Device> {
    match traces().get(path) {
        Some((trace, index)) => Box::new(Traced {
            device,
            trace: trace.clone(),
            index: *index,
        }),
        None => Box::new(device),
    }
}

struct Traced<D> {
    device: D,
    trace: Arc<Trace>,
    index: u32,
}

impl<D> Traced<D> {
    fn ended(&self, id: u64, kind: StepKind, result: io::Result<()>) -> io::Result<()> {
        let kind = if result.is_ok() {
            kind
        } else {
            StepKind::Failed
        };
        self.trace.note(kind, self.index, id);
        result
    }
}

impl<D: Device> Device for Traced<D> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.device.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let id = self.trace.begin(StepKind::Write, self.index, offset, bytes);
        let result = self.device.write_at(offset, bytes);
        self.ended(id, StepKind::Written, result)
    }

    fn flush(&self) -> io::Result<()> {
        let id = self.trace.begin(StepKind::Flush, self.index, 0, &[]);
        let result = self.device.flush();
        self.ended(id, StepKind::Flushed, result)
    }

    fn size(&self) -> u64 {
        self.device.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::memory::MemoryDevice;

    #[test]
    fn what_is_done_to_a_traced_path_is_noted_in_order() {
        let trace = Arc::new(Trace::default());
        let paths = ["a".to_owned(), "b".to_owned()];
        trace_paths(&trace, &paths);
        let device = traced("b", MemoryDevice::new(8192));
        device.write_at(4096, &[3; 4096]).unwrap();
        device.flush().unwrap();
        trace.note(StepKind::Mark, 0, 77);
        assert!(device.write_at(8192, &[3; 4096]).is_err());
        forget_paths(&paths);
        traced("b", MemoryDevice::new(8192))
            .write_at(0, &[1; 4096])
            .unwrap();
        let steps = trace.take();
        let told: Vec<_> = steps
            .iter()
            .map(|step| (step.kind, step.device, step.id))
            .collect();
        assert_eq!(
            told,
            [
                (StepKind::Write, 1, 1),
                (StepKind::Written, 1, 1),
                (StepKind::Flush, 1, 2),
                (StepKind::Flushed, 1, 2),
                (StepKind::Mark, 0, 77),
                (StepKind::Write, 1, 3),
                (StepKind::Failed, 1, 3),
            ]
        );
        assert_eq!(
            (steps[0].offset, &steps[0].data[..]),
            (4096, &[3; 4096][..])
        );
        assert!(trace.take().is_empty());
    }
}
