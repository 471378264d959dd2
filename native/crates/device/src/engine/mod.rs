//! Block I/O engines behind one trait. The job loop is generic over it, so that the calls inline.

pub mod bridge;
pub mod file;
pub mod io_uring;
pub mod libaio;
pub mod mapping;
pub mod memory;
pub mod null;
pub mod offload;
pub mod open;
pub mod persist;
pub mod pmem;
pub mod psync;
pub mod synchronous;
pub mod synthetic;

use std::os::fd::RawFd;

use osdyno_core::op::Op;

use self::file::OpenFile;
use crate::cpu::Usage;

/// One completed operation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Completion {
    /// The tag it was queued with.
    pub tag: u32,
    /// Bytes transferred, or a negative errno.
    pub result: i32,
    /// When it was handed over: `io_uring` after the submitting system call returned (as fio does),
    /// synchronous engines before the call. `now_ns` scale.
    pub submitted_ns: u64,
    /// When its completion was seen.
    pub completed_ns: u64,
}

/// How long `reap` may wait for the first completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    No,
    /// Until this time on the runner's clock.
    Until(u64),
    /// Until one is there. Only with operations in flight.
    Forever,
}

/// A failure of the engine itself (not of one operation, which is a completion with an errno).
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A system call of the engine failed.
    #[error("{call}: {source}")]
    System {
        /// Which call, with its object: `open /dev/x`.
        call: String,
        /// The errno.
        source: std::io::Error,
    },
    /// The machine cannot do what was asked.
    #[error("{0}")]
    Unsupported(String),
}

/// What every engine does. Batch form: operations gather by `queue`, `commit` hands them over, `reap`
/// takes what completed. At most `depth` (given when it was opened) are queued or in flight.
pub trait Engine {
    /// Queues an operation with its buffer slot; `false` means full: reap first.
    /// Operations the engine cannot do are taken and complete with `-EOPNOTSUPP` / `-EINVAL`.
    fn queue(&mut self, op: &Op, slot: u32, tag: u32) -> bool;
    /// Hands over what is queued and returns how many operations that were.
    fn commit(&mut self) -> Result<u32, EngineError>;
    /// Appends completions to `out` (at most its spare capacity: it never reallocates) and returns
    /// how many. Waits as told while there is none.
    fn reap(&mut self, wait: Wait, out: &mut Vec<Completion>) -> Result<usize, EngineError>;
    /// A descriptor that polls readable when `reap` would find something, if the engine has one.
    fn ready_fd(&self) -> Option<RawFd>;
    /// MUST be called before waiting on `ready_fd`: engines that keep time set it up here.
    fn arm_ready(&mut self) -> Result<(), EngineError> {
        Ok(())
    }
    /// The files, where operations go to their descriptors; else none.
    fn files(&self) -> &[OpenFile] {
        &[]
    }
    /// Whether its files MUST stay open.
    fn keeps_files(&self) -> bool {
        self.files().is_empty()
    }
    /// From now on the files are these, in the same order. Only with nothing queued or in flight.
    fn replace_files(&mut self, files: Vec<OpenFile>) -> Result<(), EngineError> {
        if files.is_empty() {
            return Ok(());
        }
        let why = "this engine keeps its files: unlink_each_loop does not work with it".to_owned();
        Err(EngineError::Unsupported(why))
    }
    /// `reap` is next called to wait for this many completions and not for one: an engine that can do
    /// that in one system call does.
    fn wait_for(&mut self, _least: u32) {}
    /// The priorities that operations name (`PRIORITY_SHIFT`), as `ioprio_set(2)` takes them; the first
    /// stands for none.
    fn set_priorities(&mut self, _priorities: &[u16]) -> Result<(), EngineError> {
        let why = "this engine has no priorities of single operations (cmdprio): io_uring and libaio have";
        Err(EngineError::Unsupported(why.to_owned()))
    }
    /// What threads of the engine's own have used so far.
    fn helper_usage(&self) -> Usage {
        Usage::default()
    }
    /// What the engine found out about the machine, one line each.
    fn notes(&self) -> &[String];
}
