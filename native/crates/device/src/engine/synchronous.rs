//! Engines that execute an operation by one call: psync and its kin, mappings, memory. An operation runs within
//! `commit`, so `reap` never waits.

use std::collections::VecDeque;
use std::os::fd::RawFd;

use osdyno_core::op::Op;

use super::file::OpenFile;
use super::{Completion, Engine, EngineError, Wait};
use crate::clock::now_ns;

/// Executes one operation at once.
pub trait Execute {
    /// Bytes transferred, or a negative errno. MUST check slot, length and range itself.
    fn execute(&mut self, op: &Op, slot: u32) -> i32;
    /// As `Engine::files`.
    fn files(&self) -> &[OpenFile] {
        &[]
    }
    /// As `Engine::replace_files`; `false` = it cannot.
    fn replace_files(&mut self, files: Vec<OpenFile>) -> bool {
        files.is_empty()
    }
}

/// The batch form over an `Execute`.
pub struct Synchronous<E> {
    device: E,
    queued: Vec<(Op, u32, u32)>,
    done: VecDeque<Completion>,
    depth: usize,
    notes: Vec<String>,
}

impl<E: Execute> Synchronous<E> {
    /// Room for `depth` operations, queued or completed and not reaped.
    pub fn new(device: E, depth: u32, notes: Vec<String>) -> Self {
        let depth = depth.max(1) as usize;
        Self {
            device,
            queued: Vec::with_capacity(depth),
            done: VecDeque::with_capacity(depth),
            depth,
            notes,
        }
    }
}

impl<E: Execute> Engine for Synchronous<E> {
    fn queue(&mut self, op: &Op, slot: u32, tag: u32) -> bool {
        if self.queued.len() + self.done.len() >= self.depth {
            return false;
        }
        self.queued.push((*op, slot, tag));
        true
    }

    fn commit(&mut self) -> Result<u32, EngineError> {
        let count = self.queued.len() as u32;
        for (op, slot, tag) in self.queued.drain(..) {
            let submitted_ns = now_ns();
            let result = self.device.execute(&op, slot);
            self.done.push_back(Completion {
                tag,
                result,
                submitted_ns,
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

    fn files(&self) -> &[OpenFile] {
        self.device.files()
    }

    fn replace_files(&mut self, files: Vec<OpenFile>) -> Result<(), EngineError> {
        if self.device.replace_files(files) {
            return Ok(());
        }
        let why = "a mapping keeps its files: unlink_each_loop does not work with it".to_owned();
        Err(EngineError::Unsupported(why))
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}
