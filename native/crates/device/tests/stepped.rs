//! The job loop stepped by hand, over an engine that does as little as it may.

#![allow(clippy::unwrap_used, reason = "tests")]

mod jobs;

use std::os::fd::RawFd;
use std::sync::Arc;

use osdyno_core::op::Op;
use osdyno_core::spec::Arrival;
use osdyno_device::arena::Arena;
use osdyno_device::clock::now_ns;
use osdyno_device::collect::Collector;
use osdyno_device::engine::null::Null;
use osdyno_device::engine::{Completion, Engine, EngineError, Wait};
use osdyno_device::exchange::JobPort;
use osdyno_device::job_loop::JobLoop;
use osdyno_device::outcome::JobOutcome;
use osdyno_device::spec::{EngineSpec, JobSpec};

use jobs::{BLOCK, ErrorMessage, MS, job, scheduled, timed, verifying};

/// Memory that transfers at most 1000 bytes at a time, as devices may.
struct Reluctant {
    bytes: Vec<u8>,
    arena: Arc<Arena>,
    queued: Vec<(Op, u32, u32)>,
    done: Vec<Completion>,
}

impl Engine for Reluctant {
    fn queue(&mut self, op: &Op, slot: u32, tag: u32) -> bool {
        self.queued.push((*op, slot, tag));
        true
    }

    fn commit(&mut self) -> Result<u32, EngineError> {
        let count = self.queued.len() as u32;
        for (op, slot, tag) in self.queued.drain(..) {
            let length = op.length.min(1000) as usize;
            // SAFETY: the slot is lent to this operation.
            let slot = unsafe { self.arena.slot(slot, length) };
            let range = op.offset as usize..op.offset as usize + length;
            match op.kind {
                osdyno_core::op::OpKind::Read => slot.copy_from_slice(&self.bytes[range]),
                _ => self.bytes[range].copy_from_slice(slot),
            }
            self.done.push(Completion {
                tag,
                result: length as i32,
                submitted_ns: now_ns(),
                completed_ns: now_ns(),
            });
        }
        Ok(count)
    }

    fn reap(&mut self, _wait: Wait, out: &mut Vec<Completion>) -> Result<usize, EngineError> {
        let count = self.done.len().min(out.capacity() - out.len());
        out.extend(self.done.drain(..count));
        Ok(count)
    }

    fn ready_fd(&self) -> Option<RawFd> {
        None
    }

    fn notes(&self) -> &[String] {
        &[]
    }
}

fn step_by_hand<E: Engine>(
    job: &JobSpec,
    depth: u32,
    engine: impl FnOnce(Arc<Arena>) -> E,
) -> JobOutcome {
    let arena = Arc::new(Arena::new(depth, BLOCK).unwrap());
    let port = Arc::new(JobPort::new(job.directions()));
    let mut collector = Collector::new(std::slice::from_ref(job), &[Arc::clone(&port)]);
    let engine = engine(Arc::clone(&arena));
    let mut job_loop = JobLoop::new(job, engine, depth, arena, port, 50 * MS).unwrap();
    let origin_ns = now_ns();
    collector.begin(origin_ns);
    job_loop.begin(origin_ns);
    while !job_loop.turn().unwrap().done {}
    job_loop.finish();
    assert!(collector.collect());
    collector.outcome().jobs.remove(0)
}

#[test]
fn short_transfers_go_on_where_they_ended() {
    let blocks = 50;
    let job = verifying(job(EngineSpec::Null, true, blocks, 4), true);
    let outcome = step_by_hand(&job, 4, |arena| Reluctant {
        bytes: vec![0; blocks as usize * BLOCK as usize],
        arena,
        queued: Vec::new(),
        done: Vec::new(),
    });
    // Every byte is in its place: the headers and checksums of all blocks are right.
    assert_eq!(outcome.error_message(), None);
    assert_eq!(outcome.end.verify.unwrap().mismatch_count, 0);
    for direction in [outcome.measured.read, outcome.measured.write] {
        let direction = direction.unwrap();
        assert_eq!((direction.ios, direction.short_ios), (blocks, blocks));
        assert_eq!(direction.bytes, blocks * u64::from(BLOCK));
    }
}

#[test]
fn a_turn_never_waits_for_a_schedule() {
    let rate = Arrival::Constant {
        rate: 100.0,
        by_bytes: false,
    };
    let job = scheduled(timed(job(EngineSpec::Null, false, 1000, 4), 100), &rate);
    let outcome = step_by_hand(&job, 4, |_| Null::new(4));
    assert!(outcome.measured.read.unwrap().ios.abs_diff(10) <= 1);
}
