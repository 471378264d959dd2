//! What a native run is told to do, and what it answers, as JSON (camelCase).

use crate::control::ControlSpec;
use crate::io_log::IoLogSpec;
use crate::replay::TraceSpec;
use crate::replay::iolog::IologSpec;
use osdyno_core::spec::{Arrival, Pattern, StreamSpec, SyntheticSpec};
use serde::{Deserialize, Serialize};

/// A block I/O engine by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EngineSpec {
    /// Linux `io_uring`.
    IoUring(UringOptions),
    /// Linux native asynchronous I/O (`io_submit`).
    Libaio {
        /// Refuse what would block (`RWF_NOWAIT`).
        #[serde(default)]
        nowait: bool,
        /// Hand a batch over by one system call, not each operation by its own.
        #[serde(default)]
        batched: bool,
    },
    /// `pread`/`pwrite`, one at a time.
    Psync,
    /// `lseek` and `read`/`write`, one at a time.
    Sync,
    /// `preadv`/`pwritev`, one at a time.
    Pvsync,
    /// `preadv2`/`pwritev2`, one at a time.
    Pvsync2 {
        /// Ask the device to poll for the completion (`RWF_HIPRI`).
        #[serde(default)]
        hipri: bool,
        /// The share of operations that are; 100 if there is none.
        #[serde(default, rename = "hipriPercentage")]
        hipri_percentage: Option<u8>,
        /// Refuse what would block (`RWF_NOWAIT`).
        #[serde(default)]
        nowait: bool,
        /// Keep no cached pages of buffered operations (`RWF_DONTCACHE`, Linux 6.14).
        #[serde(default)]
        uncached: bool,
    },
    /// Copies to and from a mapping of the file; `msync` makes it durable.
    Mmap {
        /// Ask for huge pages.
        #[serde(default)]
        thp: bool,
    },
    /// Copies to and from a mapping of the file; where that is memory, writing back cache lines makes it
    /// durable.
    Pmem,
    /// A buffer of `size` bytes.
    Memory {
        /// Bytes.
        size: u64,
    },
    /// Completes at once, moves no data.
    Null,
    /// The synthetic device model on the real clock, without data.
    Synthetic {
        /// Its law.
        model: SyntheticSpec,
    },
}

impl EngineSpec {
    /// One operation at a time, whatever depth a job asks for.
    #[must_use]
    pub fn synchronous(&self) -> bool {
        matches!(
            self,
            Self::Psync
                | Self::Sync
                | Self::Pvsync
                | Self::Pvsync2 { .. }
                | Self::Mmap { .. }
                | Self::Pmem
                | Self::Memory { .. }
        )
    }

    /// Works on a mapping of its files, so that open flags for direct or durable I/O mean nothing.
    #[must_use]
    pub fn maps(&self) -> bool {
        matches!(self, Self::Mmap { .. } | Self::Pmem)
    }

    /// Works on files or devices.
    #[must_use]
    pub fn on_files(&self) -> bool {
        !matches!(
            self,
            Self::Memory { .. } | Self::Null | Self::Synthetic { .. }
        )
    }
}

/// What fio's keys say about `io_uring`. `None`: what serves best here; else it is demanded.
#[expect(clippy::struct_excessive_bools, reason = "independent keys")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UringOptions {
    /// A thread of the kernel looks for submissions (`IORING_SETUP_SQPOLL`).
    pub sqthread_poll: bool,
    /// That thread's CPU.
    pub sqthread_poll_cpu: Option<u32>,
    /// Poll the device for completions (`IORING_SETUP_IOPOLL`).
    pub hipri: bool,
    /// Register the buffers.
    pub fixedbufs: Option<bool>,
    /// Register the files.
    pub registerfiles: Option<bool>,
    /// Plain buffers instead of vectors of one.
    pub nonvectored: Option<bool>,
    /// Every so many reads and writes go straight to a worker of the kernel (`IOSQE_ASYNC`); 0 = none.
    pub force_async: u32,
    /// Refuse what would block (`RWF_NOWAIT`).
    pub nowait: bool,
    /// Keep no cached pages of buffered operations (`RWF_DONTCACHE`, Linux 6.14).
    pub uncached: bool,
}

/// What becomes of the cached pages of a job's files when it opens them without direct I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheSpec {
    /// Drop what is cached of them.
    pub invalidate: bool,
    /// What the kernel is told about the access to expect.
    pub advise: Advise,
}

impl Default for CacheSpec {
    fn default() -> Self {
        Self {
            invalidate: true,
            advise: Advise::Pattern,
        }
    }
}

/// fio's `fadvise_hint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Advise {
    /// Nothing.
    None,
    /// What the job's stream does.
    Pattern,
    /// Random, whatever it does.
    Random,
    /// Sequential, whatever it does.
    Sequential,
    /// Pages are used once.
    Noreuse,
}

/// The access to expect of a file, for `posix_fadvise` and `madvise`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Access {
    /// Little read-ahead.
    Random,
    /// Much read-ahead.
    Sequential,
    /// Pages are used once.
    Noreuse,
}

/// One file or device of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSpec {
    /// Path; must exist (the TypeScript side lays files out first).
    pub path: String,
    /// Opened for reading only, whatever the job's `write` says. Engines that map files ignore it.
    #[serde(default)]
    pub read_only: bool,
}

/// One thread of the runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    /// Name, for messages.
    pub name: String,
    /// Engine.
    pub engine: EngineSpec,
    /// Files in the order of the stream's regions. Empty for memory, null and synthetic engines.
    pub files: Vec<FileSpec>,
    /// Open for writing as well (else `O_RDONLY`).
    pub write: bool,
    /// `O_DIRECT`.
    pub direct: bool,
    /// `O_SYNC` / `O_DSYNC`.
    pub sync: SyncMode,
    /// The files' cached pages; without direct I/O only.
    #[serde(default)]
    pub cache: CacheSpec,
    /// Operations in flight at most.
    pub iodepth: u32,
    /// Largest block in bytes: the size of a buffer slot.
    pub max_block: u32,
    /// The operations.
    pub stream: StreamSpec,
    /// Do nothing for this long after the run's start.
    #[serde(default)]
    pub start_delay_ns: u64,
    /// Stop sending after this long (warm-up included); `None` = when the stream ends.
    pub runtime_ns: Option<u64>,
    /// The first part of the run that is labelled warm-up and not counted in results.
    #[serde(default)]
    pub ramp_ns: u64,
    /// CPUs the thread may use; empty = all.
    #[serde(default)]
    pub cpus: Vec<u32>,
    /// Scheduled operations that may wait unsent before the run is labelled overloaded and further
    /// arrivals are dropped (and counted); `None` = 1,000,000.
    #[serde(default)]
    pub backlog_cap: Option<u64>,
    /// Percentiles to report, ascending, beside the standard ones.
    #[serde(default)]
    pub percentiles: Vec<f64>,
    /// What fio's log files are made of; `None` = nothing.
    #[serde(default)]
    pub log: Option<IoLogSpec>,
    /// What governs the job beside its operations.
    #[serde(default)]
    pub control: ControlSpec,
    /// Operations come from a trace; of `stream` then counts what it says about data, flushes at the
    /// end and which directions there are (`mix`).
    #[serde(default)]
    pub trace: Option<TraceSpec>,
    /// Record what is sent (`write_iolog`).
    #[serde(default)]
    pub write_iolog: Option<IologSpec>,
    /// Files that verification leaves or finds.
    #[serde(default)]
    pub check_files: CheckFiles,
    /// Operations are on objects (engine path only): what one moved is its result, whatever the stream
    /// asked for, and none goes on with a rest.
    #[serde(default)]
    pub objects: bool,
}

/// Where verification puts its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckFiles {
    /// Folder of dumped blocks (`verify_dump`); empty: the current one.
    pub folder: String,
    /// The state file (see `verify_state`); `None` = none is kept or looked for.
    pub state: Option<String>,
    /// Check as far as it says (`verify_state_load`) instead of keeping one (`verify_state_save`).
    pub load: bool,
}

/// How files are opened for durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SyncMode {
    /// Plain.
    None,
    /// `O_SYNC`.
    Sync,
    /// `O_DSYNC`.
    Dsync,
}

/// A set of jobs that start together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSpec {
    /// One entry per thread.
    pub jobs: Vec<JobSpec>,
    /// Length of an interval of the time series, nanoseconds.
    pub interval_ns: u64,
    /// Run the hiccup meter (one thread per CPU).
    pub hiccups: bool,
    /// Bytes that the jobs may write together; `None` = no limit.
    #[serde(default)]
    pub write_budget_bytes: Option<u64>,
}

impl JobSpec {
    /// The access to tell the kernel of, when the job's files are opened without direct I/O.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        match (self.cache.advise, self.stream.pattern) {
            (Advise::None, _) => None,
            (Advise::Random, _) | (Advise::Pattern, Pattern::Random) => Some(Access::Random),
            (Advise::Sequential, _) | (Advise::Pattern, Pattern::Sequential) => {
                Some(Access::Sequential)
            }
            (Advise::Noreuse, _) => Some(Access::Noreuse),
        }
    }

    /// Which of read, write and trim the job does, reading back included.
    #[must_use]
    pub fn directions(&self) -> [bool; 3] {
        let mut used = self.stream.mix.map(|share| share > 0.0);
        if self.stream.trim_then_write {
            used = [used[0], true, true];
        }
        if let Some(verify) = &self.stream.data.verify {
            used[0] |= verify.read_back || verify.backlog > 0;
            used[2] |= self.stream.trims.is_some();
        }
        used
    }

    /// Some operations follow a schedule.
    #[must_use]
    pub fn scheduled(&self) -> bool {
        if let Some(trace) = &self.trace {
            return trace.paced;
        }
        let closed = |arrival: &Arrival| matches!(arrival, Arrival::Closed);
        !self.stream.arrival.iter().all(closed)
    }
}
