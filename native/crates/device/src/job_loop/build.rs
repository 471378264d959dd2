//! A job's loop from its specification.

use std::sync::Arc;

use osdyno_core::data::DataSource;
use osdyno_core::op::{Op, OpKind};
use osdyno_core::spec::SpecError;

use super::batch::{Batches, reap_room};
use super::checks::Checks;
use super::files::Keeper;
use super::limits::Limits;
use super::search::Search;
use super::tolerate::Tolerance;
use super::{BATCH, BATCHES_OF_QUEUE, InFlight, JobLoop, Phase};
use crate::arena::Arena;
use crate::cpu::Usage;
use crate::engine::Engine;
use crate::exchange::JobPort;
use crate::io_log::IoLog;
use crate::pace::Pace;
use crate::record::{Lateness, Levels, Recorder};
use crate::replay::iolog::IologWriter;
use crate::source::OpSource;
use crate::spec::JobSpec;

/// Scheduled operations that may wait unsent, unless the job says otherwise.
const BACKLOG_CAP: u64 = 1_000_000;

/// In place of an operation where there is none.
pub(super) const NOTHING: Op = Op {
    kind: OpKind::Read,
    flags: 0,
    file: 0,
    length: 0,
    offset: 0,
    intended_ns: 0,
    sequence: 0,
    generation: 0,
};

/// A slot in which nothing was sent yet.
const EMPTY: InFlight = InFlight {
    op: NOTHING,
    intended_ns: 0,
    sent_ns: 0,
};

/// Whether cached pages go whenever the job's files begin anew.
fn drops_caches(spec: &JobSpec) -> bool {
    let buffered = !spec.direct && spec.engine.on_files() && !spec.engine.maps();
    buffered && spec.cache.invalidate
}

/// A job that only checks what is there sends nothing of its stream.
fn first_phase(checks: Option<&Checks>) -> Phase {
    match checks {
        Some(checks) if checks.only => Phase::Imagine,
        _ => Phase::Stream,
    }
}

impl<E: Engine> JobLoop<E> {
    /// A loop over an engine that takes `depth` operations, with `depth` slots in the arena. Fills the
    /// buffers of writes.
    ///
    /// # Errors
    /// The stream's specification contradicts itself.
    pub fn new(
        spec: &JobSpec,
        engine: E,
        depth: u32,
        arena: Arc<Arena>,
        port: Arc<JobPort>,
        interval_ns: u64,
    ) -> Result<Self, SpecError> {
        let stream = OpSource::open(spec)?;
        let iolog = spec.write_iolog.as_ref().map(|iolog| {
            IologWriter::open(iolog)
                .map_err(|error| SpecError::Invalid(format!("write_iolog {}: {error}", iolog.path)))
        });
        let directions = spec.directions();
        let data = directions[1].then(|| {
            let mut data = DataSource::new(
                &spec.stream,
                arena.slot_bytes() as usize,
                arena.slot_count(),
            );
            // SAFETY: nothing is in flight yet, and the arena is this job's alone.
            data.prepare(unsafe { std::slice::from_raw_parts_mut(arena.base(), arena.length()) });
            data
        });
        let mut checks = Checks::new(spec, &arena)?;
        let mut notes = engine.notes().to_vec();
        notes.extend(checks.iter_mut().flat_map(Checks::take_notes));
        let phase = first_phase(checks.as_ref());
        let control = &spec.control;
        let limits = Limits::new(control);
        let target = control.latency_target;
        Ok(Self {
            recorder: Recorder::new(Arc::clone(&port), directions, interval_ns),
            log: spec
                .log
                .as_ref()
                .map(|log| IoLog::new(log, Arc::clone(&port))),
            checks,
            notes,
            lent: false,
            paths: spec.files.iter().map(|file| file.path.clone()).collect(),
            slots: vec![EMPTY; depth as usize],
            free: (0..depth).rev().collect(),
            out: Vec::with_capacity(reap_room(control.queue, depth)),
            parts: Vec::new(),
            queued: 0,
            held: None,
            phase,
            of_stream: true,
            engine,
            stream,
            iolog: iolog.transpose()?,
            data,
            arena,
            port,
            depth,
            batches: control.queue.map(Batches::new),
            hand_over: control.queue.map_or_else(
                || (depth / BATCHES_OF_QUEUE).clamp(1, BATCH),
                |queue| queue.submit.max(1),
            ),
            slow_ns: limits.slow_ns(),
            limits,
            search: target.map(|target| Box::new(Search::new(target, depth))),
            tolerance: Tolerance::new(control),
            priorities: None,
            flow: None,
            budget: None,
            drops_caches: drops_caches(spec),
            rounds: 0,
            keeper: Keeper::new(control, spec.files.len(), directions[1]).map(Box::new),
            pause_ns: u64::MAX,
            ramp_ns: spec.ramp_ns,
            start_delay_ns: spec.start_delay_ns,
            runtime_ns: spec.runtime_ns,
            backlog_cap: spec.backlog_cap.unwrap_or(BACKLOG_CAP),
            scheduled: spec.scheduled(),
            objects: spec.objects,
            origin_ns: 0,
            start_ns: 0,
            end_ns: u64::MAX,
            measured_ns: 0,
            edge_ns: 0,
            give_up_ns: u64::MAX,
            freed_ns: 0,
            stopped: false,
            cut_short: false,
            loops_on: false,
            renewal: None,
            dismissed: false,
            error: None,
            lateness: Lateness::default(),
            dropped: 0,
            backlog_max: 0,
            backlog_end: 0,
            continued: [0; 3],
            depth_levels: Levels::default(),
            submit_levels: Levels::default(),
            complete_levels: Levels::default(),
            pace: Pace::default(),
            spins: spec.stream.thinktime.spin_ns > 0,
            spun_ns: 0,
            slept_ns: 0,
            spins_since_ns: 0,
            usage: Usage::default(),
            cpu_ns: 0,
        })
    }
}
