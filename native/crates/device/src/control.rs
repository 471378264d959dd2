//! What governs a job beside its operations: how it gathers and reaps, when it ends or begins, which
//! errors it outlives, where it runs. JSON (camelCase); everything absent is off.

use serde::{Deserialize, Serialize};

/// See the module.
#[expect(clippy::struct_excessive_bools, reason = "independent keys")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ControlSpec {
    /// fio's batches; `None` = hand over and reap whatever is there.
    pub queue: Option<QueueSpec>,
    /// Operations are sent by a pool of `iodepth` threads, one operation each.
    pub offload: bool,
    /// Least rates.
    pub rate_floor: Option<RateFloorSpec>,
    /// Search of the largest depth that keeps a latency.
    pub latency_target: Option<LatencyTargetSpec>,
    /// An operation that takes longer ends the job, by direction; 0 = no limit.
    pub max_latency_ns: [u64; 3],
    /// Errors that do not end the job.
    pub errors: ErrorSpec,
    /// A full device or file system is the job's end, not an error.
    pub fill_device: bool,
    /// What the job's end means for others.
    pub exit: ExitSpec,
    /// Begins when these jobs of the run have ended.
    pub wait_for: Vec<usize>,
    /// Jobs of one flow keep their operations in the ratio of their weights.
    pub flow: Option<FlowSpec>,
    /// The files are removed and made again between loops.
    pub unlink_each_loop: bool,
    /// Files open at a time; 0 = all.
    pub open_files: u32,
    /// Who may have operations in flight on a file.
    pub lock_file: LockMode,
    /// Files that are not there are made when they are opened.
    pub create_on_open: bool,
    /// Files are made durable when they are closed.
    pub fsync_on_close: bool,
    /// Priorities of single operations.
    pub command_priority: Option<CommandPrioritySpec>,
    /// The thread and its memory.
    pub host: HostSpec,
}

/// How operations gather and are reaped. Source: fio's manual on `iodepth_batch_*`, `iodepth_low`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueSpec {
    /// Operations that gather before they are handed over.
    pub submit: u32,
    /// Completions that a full queue waits for at a time.
    pub complete_min: u32,
    /// Completions taken at a time, at most.
    pub complete_max: u32,
    /// A queue that was full drains to this before more is sent.
    pub low: u32,
}

/// A job whose rate over a cycle is below these ends with EIO; 0 = no floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateFloorSpec {
    /// Bytes a second, by direction.
    pub bytes: [u64; 3],
    /// Operations a second, by direction.
    pub iops: [u64; 3],
    /// Length of the cycle.
    pub cycle_ns: u64,
}

/// `latency_target`: the largest depth at which enough operations stay below a latency.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyTargetSpec {
    /// The latency, from sending to completion.
    pub target_ns: u64,
    /// How long a depth is tried.
    pub window_ns: u64,
    /// Percent of the operations that must keep it.
    pub percentile: f64,
    /// Goes on adjusting to the end of the job instead of ending with the answer.
    pub keep_running: bool,
}

/// Kinds of errors that are counted instead of ending the job. Without a list of its own a kind means
/// EIO and, for verification, EILSEQ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ErrorSpec {
    /// Reads, writes (everything else), verification.
    pub continue_on: [bool; 3],
    /// Errnos by the same kinds.
    pub ignore: [Vec<i32>; 3],
    /// Each one is told of in the job's notes.
    pub dump: bool,
}

/// Which jobs end with this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExitSpec {
    /// They do whenever this one ends.
    pub on_end: bool,
    /// They do when it ends by an error.
    pub on_error: bool,
    /// Which ones.
    pub what: ExitWhat,
    /// The job's group.
    pub group: u32,
}

/// Whom a job's end ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExitWhat {
    /// Those of its group.
    #[default]
    Group,
    /// Those that have begun.
    Running,
    /// All of the run.
    All,
}

/// `lockfile`, among the jobs of a run that have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LockMode {
    /// Anybody.
    #[default]
    None,
    /// One operation at a time.
    Exclusive,
    /// Reads together, anything else alone.
    Readwrite,
}

/// A job's part in a flow. Source: fio's manual on `flow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowSpec {
    /// Which flow.
    pub id: u32,
    /// The job's share of its operations.
    pub weight: u32,
    /// A job that is ahead waits this long; 0 = looks again at once.
    pub sleep_ns: u64,
}

/// Share of operations of one direction that carry a priority of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriorityShare {
    /// Percent.
    pub percent: f64,
    /// 1 real time, 2 best effort, 3 idle.
    pub class: u8,
    /// 0 (first) to 7.
    pub level: u8,
    /// Only operations of this size; 0 = of any.
    #[serde(default)]
    pub bytes: u32,
}

/// Priorities of single operations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CommandPrioritySpec {
    /// Reads.
    pub read: Vec<PriorityShare>,
    /// Writes.
    pub write: Vec<PriorityShare>,
    /// Seed of the draws.
    pub seed: u64,
}

/// Where the job's thread and its buffers live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostSpec {
    /// Added to the thread's nice value.
    pub nice: i32,
    /// Class and level of its I/O.
    pub io_priority: Option<(u8, u8)>,
    /// Where memory comes from.
    pub memory_policy: Option<MemoryPolicySpec>,
    /// Buffers of huge pages of this size, bytes.
    pub huge_page_bytes: Option<u64>,
    /// Bytes that the job pins beside.
    pub locked_bytes: u64,
}

/// A NUMA memory policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryPolicySpec {
    /// Kind.
    pub mode: MemoryMode,
    /// Nodes; for `Prefer` the first counts.
    pub nodes: Vec<u32>,
}

/// `set_mempolicy(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MemoryMode {
    /// The machine's own.
    Default,
    /// From this node while it has some.
    Prefer,
    /// From these nodes only.
    Bind,
    /// From these nodes in turn.
    Interleave,
    /// From the node of the CPU.
    Local,
}
