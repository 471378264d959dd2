//! A block device driven from TypeScript: shared memory for data, submissions and completions, one
//! call a batch. The layout of the records is documented in `engine/hot/ioengine/records.ts`.

#![expect(
    clippy::needless_pass_by_value,
    reason = "values come from JavaScript by value"
)]

use std::collections::VecDeque;
use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use osdyno_core::op::{Op, OpKind};
use osdyno_device::arena::Arena;
use osdyno_device::clock;
use osdyno_device::engine::file::{OpenFile, OpenMode};
use osdyno_device::engine::io_uring::Waiter;
use osdyno_device::engine::open::{Driver, Opening, open_engine, open_files};
use osdyno_device::engine::{Completion, Engine, EngineError, Wait};
use osdyno_device::spec::{Access, EngineSpec, SyncMode};
use serde::{Deserialize, Serialize};

use crate::parking::Parking;
use crate::records::{
    COMPLETION_BYTES, SUBMISSION_BYTES, read_submission, shared_buffer, write_completion,
};

/// Operations in flight at most; far above what any device takes.
const MAX_DEPTH: u32 = 65_536;

/// What to open.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenSpec {
    engine: EngineSpec,
    /// File or device; absent for engines without one.
    path: Option<String>,
    #[serde(default)]
    write: bool,
    #[serde(default)]
    direct: bool,
    #[serde(default = "no_sync")]
    sync: SyncMode,
    /// Drop what is cached of the file; without direct I/O only.
    #[serde(default)]
    invalidate: bool,
    /// The access to expect of buffered files.
    access: Option<Access>,
    depth: u32,
    slot_bytes: u32,
    slot_count: u32,
    /// Alignment that is demanded of operations; absent: what the file needs.
    block_bytes: Option<u32>,
    /// Capacity of engines without a file; with one, absent: the file's size.
    size_bytes: Option<u64>,
}

fn no_sync() -> SyncMode {
    SyncMode::None
}

/// What was opened.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    size_bytes: u64,
    block_bytes: u32,
    block_device: bool,
    depth: u32,
    slot_bytes: u32,
    slot_count: u32,
    trim: bool,
    write_zeroes: bool,
    fua: bool,
    data: bool,
    notes: Vec<String>,
}

/// A block device driven from TypeScript.
#[napi]
pub struct NativeDevice {
    /// Dropped before the engine, whose descriptor it watches.
    parking: Option<Parking>,
    engine: Option<Box<dyn Engine>>,
    arena: Arc<Arena>,
    submissions: Arc<Arena>,
    completions: Arc<Arena>,
    /// Completions taken from the engine and not yet by the caller.
    reaped: Vec<Completion>,
    taken: usize,
    /// Completions of operations that were refused.
    refused: VecDeque<Completion>,
    in_engine: u32,
    ready_fd: Option<i32>,
    facts: Facts,
}

#[napi]
impl NativeDevice {
    /// Opens a device; `spec` is the JSON of `OpenSpec`. `share`: works on that device's arena.
    #[napi(constructor)]
    pub fn new(spec: String, share: Option<&NativeDevice>) -> Result<Self> {
        let spec: OpenSpec = serde_json::from_str(&spec)
            .map_err(|error| Error::new(Status::InvalidArg, format!("device: {error}")))?;
        let arena = share.map(|other| other.arena.clone());
        open(&spec, arena).map_err(|error| Error::from_reason(error.to_string()))
    }

    /// Facts and limits as JSON.
    #[napi]
    pub fn facts(&self) -> Result<String> {
        serde_json::to_string(&self.facts).map_err(|error| Error::from_reason(error.to_string()))
    }

    /// The data arena. Each of the three buffers may be asked for once.
    #[napi]
    pub fn arena<'env>(&self, env: &'env Env) -> Result<ArrayBuffer<'env>> {
        shared_buffer(env, &self.arena, self.arena.length())
    }

    /// Submission records.
    #[napi]
    pub fn submissions<'env>(&self, env: &'env Env) -> Result<ArrayBuffer<'env>> {
        let length = self.facts.depth as usize * SUBMISSION_BYTES;
        shared_buffer(env, &self.submissions, length)
    }

    /// Completion records.
    #[napi]
    pub fn completions<'env>(&self, env: &'env Env) -> Result<ArrayBuffer<'env>> {
        let length = self.facts.depth as usize * COMPLETION_BYTES;
        shared_buffer(env, &self.completions, length)
    }

    /// Hands over the first `count` submission records; returns how many were taken.
    #[napi]
    pub fn commit(&mut self, count: u32) -> Result<u32> {
        let Some(engine) = self.engine.as_mut() else {
            return Err(closed());
        };
        let count = count.min(self.facts.depth);
        let mut queued = 0;
        for index in 0..count {
            // SAFETY: the memory holds `depth` records, `index` is below it.
            let record = unsafe { read_submission(self.submissions.base(), index) };
            let result = match record.op {
                Some(op) => check(&op, record.slot, &self.facts),
                None => -libc::EINVAL,
            };
            if let (0, Some(op)) = (result, record.op)
                && engine.queue(&op, record.slot, record.tag)
            {
                queued += 1;
                continue;
            }
            let now = clock::now_ns();
            self.refused.push_back(Completion {
                tag: record.tag,
                result: if result == 0 { -libc::EAGAIN } else { result },
                submitted_ns: now,
                completed_ns: now,
            });
        }
        if queued > 0 {
            engine.commit().map_err(broken)?;
            self.in_engine += queued;
        }
        if self.has_ready()
            && let Some(parking) = self.parking.as_mut()
        {
            parking.notify();
        }
        Ok(count)
    }

    /// Writes at most `max` completion records, waiting at most `wait_ns` for the first.
    #[napi]
    pub fn poll(&mut self, max: u32, wait_ns: f64) -> Result<u32> {
        let max = max.min(self.facts.depth) as usize;
        let wait = if wait_ns > 0.0 && self.refused.is_empty() {
            Wait::Until(clock::now_ns() + wait_ns as u64)
        } else {
            Wait::No
        };
        self.reap(wait)?;
        let mut count = 0;
        while count < max {
            let completion = if let Some(refused) = self.refused.pop_front() {
                refused
            } else if let Some(reaped) = self.reaped.get(self.taken) {
                self.taken += 1;
                *reaped
            } else {
                break;
            };
            // SAFETY: the memory holds `depth` records, `count` is below it.
            unsafe {
                write_completion(
                    self.completions.base(),
                    self.facts.depth as usize,
                    count,
                    &completion,
                );
            }
            count += 1;
        }
        Ok(count as u32)
    }

    /// Sets what `park` calls, once.
    #[napi]
    pub fn set_wake(&mut self, env: Env, callback: Function<(), ()>) -> Result<()> {
        self.parking = Some(Parking::new(&env, &callback, self.ready_fd)?);
        Ok(())
    }

    /// Calls what `set_wake` set, once, on a later turn of the loop, when `poll` has something.
    #[napi]
    pub fn park(&mut self) -> Result<()> {
        // What completed by now may not show on the descriptor.
        self.reap(Wait::No)?;
        let ready = self.has_ready();
        let (Some(parking), Some(engine)) = (self.parking.as_mut(), self.engine.as_mut()) else {
            return Err(closed());
        };
        if !ready {
            engine.arm_ready().map_err(broken)?;
        }
        parking.arm(ready);
        Ok(())
    }

    /// Closes the device; operations in flight are lost. The arena stays until it is collected.
    #[napi]
    pub fn close(&mut self) {
        self.parking = None;
        self.engine = None;
    }

    /// Takes completions from the engine when the caller has had all earlier ones.
    fn reap(&mut self, wait: Wait) -> Result<()> {
        let engine = self.engine.as_mut().ok_or_else(closed)?;
        if self.taken == self.reaped.len() && self.in_engine > 0 {
            self.reaped.clear();
            self.taken = 0;
            let count = engine.reap(wait, &mut self.reaped).map_err(broken)?;
            self.in_engine -= count as u32;
        }
        Ok(())
    }

    /// `poll` would find something without waiting.
    fn has_ready(&self) -> bool {
        !self.refused.is_empty()
            || self.taken < self.reaped.len()
            || (self.ready_fd.is_none() && self.in_engine > 0)
    }
}

fn closed() -> Error {
    Error::from_reason("the device is closed")
}

fn broken(error: EngineError) -> Error {
    Error::from_reason(error.to_string())
}

/// 0, or the negative errno of an operation that cannot be done here.
fn check(op: &Op, slot: u32, facts: &Facts) -> i32 {
    if matches!(
        op.kind,
        OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush
    ) {
        return 0;
    }
    let block = u64::from(facts.block_bytes);
    let length = u64::from(op.length);
    let inside = op
        .offset
        .checked_add(length)
        .is_some_and(|end| end <= facts.size_bytes);
    if !inside || length == 0 || !op.offset.is_multiple_of(block) || !length.is_multiple_of(block) {
        return -libc::EINVAL;
    }
    let carries = matches!(op.kind, OpKind::Read | OpKind::Write);
    if carries && (slot >= facts.slot_count || op.length > facts.slot_bytes) {
        return -libc::EINVAL;
    }
    let can = match op.kind {
        OpKind::Trim => facts.trim,
        OpKind::WriteZeroes => facts.write_zeroes,
        _ => true,
    };
    if can { 0 } else { -libc::EOPNOTSUPP }
}

fn open(
    spec: &OpenSpec,
    shared: Option<Arc<Arena>>,
) -> std::result::Result<NativeDevice, EngineError> {
    let memory_error = |source| EngineError::System {
        call: format!("map {} slots of {} bytes", spec.slot_count, spec.slot_bytes),
        source,
    };
    if !(1..=MAX_DEPTH).contains(&spec.depth) {
        return Err(EngineError::Unsupported(format!(
            "a depth of {} is not between 1 and {MAX_DEPTH}",
            spec.depth
        )));
    }
    let depth = spec.depth;
    let arena = match shared {
        Some(arena) => arena,
        None => Arc::new(Arena::new(spec.slot_count, spec.slot_bytes).map_err(memory_error)?),
    };
    let submissions = Arena::new(1, depth * SUBMISSION_BYTES as u32).map_err(memory_error)?;
    let completions = Arena::new(1, depth * COMPLETION_BYTES as u32).map_err(memory_error)?;
    let mut facts = Facts {
        size_bytes: spec.size_bytes.unwrap_or(0),
        block_bytes: spec.block_bytes.unwrap_or(512).max(1),
        block_device: false,
        depth,
        slot_bytes: arena.slot_bytes(),
        slot_count: arena.slot_count(),
        trim: true,
        write_zeroes: true,
        fua: true,
        data: true,
        notes: Vec::new(),
    };
    let engine = open_boxed(spec, &arena, &mut facts)?;
    facts.notes = engine.notes().to_vec();
    Ok(NativeDevice {
        parking: None,
        ready_fd: engine.ready_fd(),
        engine: Some(engine),
        arena,
        submissions: Arc::new(submissions),
        completions: Arc::new(completions),
        reaped: Vec::with_capacity(depth as usize),
        taken: 0,
        refused: VecDeque::with_capacity(depth as usize),
        in_engine: 0,
        facts,
    })
}

/// An engine behind its trait.
struct Boxing;

impl Driver for Boxing {
    type Output = Box<dyn Engine>;

    fn drive<E: Engine + 'static>(self, engine: E) -> Self::Output {
        Box::new(engine)
    }
}

fn open_boxed(
    spec: &OpenSpec,
    arena: &Arc<Arena>,
    facts: &mut Facts,
) -> std::result::Result<Box<dyn Engine>, EngineError> {
    let opening = Opening {
        arena: arena.clone(),
        depth: facts.depth,
        waiter: Waiter::EventLoop,
        mode: OpenMode {
            write: spec.write,
            direct: spec.direct,
            sync: spec.sync,
            invalidate: spec.invalidate,
            create: false,
            access: spec.access,
        },
    };
    let mut files = Vec::new();
    match &spec.engine {
        EngineSpec::Memory { size } => facts.size_bytes = *size,
        EngineSpec::Null => facts.data = false,
        EngineSpec::Synthetic { model } => {
            facts.size_bytes = model.size;
            facts.data = false;
        }
        engine => {
            let path = spec.path.as_deref().ok_or_else(|| {
                EngineError::Unsupported(
                    "this engine works on a file or device; name one".to_owned(),
                )
            })?;
            files = open_files(engine, &[path], opening.mode)?;
            for file in &files {
                complete(facts, spec, file);
            }
        }
    }
    open_engine(&spec.engine, files, opening, Boxing)
}

/// Completes the facts by what the file is.
fn complete(facts: &mut Facts, spec: &OpenSpec, file: &OpenFile) {
    facts.block_device = file.is_block_device();
    facts.write_zeroes = file.can_write_zeroes();
    facts.trim = file.can_trim();
    facts.size_bytes = spec.size_bytes.unwrap_or(file.size());
    facts.block_bytes = spec.block_bytes.unwrap_or(file.block_bytes()).max(1);
}
