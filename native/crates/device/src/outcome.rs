//! What a run answers, as JSON; mirrors `workloads/run-outcome.ts`. Times are nanoseconds since the
//! run's start.

use osdyno_core::measure::{IntervalRow, LatencyRecord, MeasuredOutcome, PlatRecord};
use osdyno_core::verify::{Mismatch, MismatchKind};
use serde::Serialize;

use crate::cpu::Usage;

/// What a job is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[repr(u32)]
pub enum JobState {
    /// Waits for its start.
    #[default]
    Delayed = 0,
    /// Runs, not counted yet.
    Warmup = 1,
    /// Runs.
    Running = 2,
    /// Reads back what it wrote.
    Verifying = 3,
    /// Ended well, or was stopped.
    Done = 4,
    /// Ended by an error.
    Failed = 5,
}

impl JobState {
    /// The state of a number; `Failed` for unknown ones.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        [
            Self::Delayed,
            Self::Warmup,
            Self::Running,
            Self::Verifying,
            Self::Done,
        ]
        .into_iter()
        .find(|state| *state as u32 == number)
        .unwrap_or(Self::Failed)
    }
}

/// CPU use of a job's thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CpuOutcome {
    /// User mode.
    pub user_ns: u64,
    /// Kernel.
    pub system_ns: u64,
    /// The thread gave the CPU away.
    pub voluntary_switches: u64,
    /// The CPU was taken away.
    pub involuntary_switches: u64,
    /// With I/O.
    pub major_faults: u64,
    /// Without.
    pub minor_faults: u64,
}

impl From<Usage> for CpuOutcome {
    fn from(usage: Usage) -> Self {
        Self {
            user_ns: usage.user_ns,
            system_ns: usage.system_ns,
            voluntary_switches: usage.voluntary_switches,
            involuntary_switches: usage.involuntary_switches,
            major_faults: usage.major_faults,
            minor_faults: usage.minor_faults,
        }
    }
}

/// How well the generator kept up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GeneratorOutcome {
    /// Operations sent late although due and with a free slot.
    pub late_count: u64,
    /// The latest.
    pub late_max_ns: u64,
    /// What counts as late.
    pub late_threshold_ns: u64,
    /// Arrivals dropped at the backlog's cap.
    pub dropped_arrivals: u64,
    /// Most arrivals that waited at once.
    pub backlog_max: u64,
    /// Arrivals that were due when the stream was ended, and never sent.
    pub backlog_end: u64,
    /// Share of the time that the thread worked, without spinning.
    pub busy_share: f64,
}

/// A mismatch that verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyMismatch {
    /// Path.
    pub file: String,
    /// First byte.
    pub offset_bytes: u64,
    /// Length.
    pub length_bytes: u32,
    /// Which check failed.
    pub what: MismatchKind,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl VerifyMismatch {
    /// A mismatch in the file of this path.
    #[must_use]
    pub fn new(mismatch: Mismatch, file: String) -> Self {
        Self {
            file,
            offset_bytes: mismatch.offset,
            length_bytes: mismatch.length,
            what: mismatch.what,
            expected: mismatch.expected,
            found: mismatch.found,
        }
    }
}

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyOutcome {
    /// Bytes checked.
    pub checked_bytes: u64,
    /// Reads checked.
    pub checked_blocks: u64,
    /// Mismatches, also those beyond the list.
    pub mismatch_count: u64,
    /// The first 100.
    pub mismatches: Vec<VerifyMismatch>,
}

/// Why a job ended early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobError {
    /// Positive errno.
    pub errno: i32,
    /// One line.
    pub message: String,
    /// When.
    pub at_ns: u64,
}

/// What came of a search for a depth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyTargetOutcome {
    /// The depth that it stands at.
    pub depth: u32,
    /// The latency that was to be kept.
    pub target_ns: u64,
    /// How long a depth was tried.
    pub window_ns: u64,
    /// Percent of the operations that had to keep it.
    pub percentile: f64,
}

/// What operations of one direction and priority got.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PriorityOutcome {
    /// `read` or `write`.
    pub direction: &'static str,
    /// 0 none, 1 real time, 2 best effort, 3 idle.
    pub class: u8,
    /// 0 (first) to 7.
    pub level: u8,
    /// fio's clat.
    pub service: PlatRecord,
    /// fio's lat.
    pub lat: PlatRecord,
}

/// Errors that the job outlived, and the one that it did not if its kind was among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorsOutcome {
    /// How many.
    pub total: u64,
    /// Errno of the first, 0 = none.
    pub first: i32,
}

/// What a job's loop knows at its end, beside the intervals.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobEnd {
    /// Start, after the start delay.
    pub start_ns: u64,
    /// End.
    pub end_ns: u64,
    /// Length of the measured part.
    pub measured_ns: u64,
    /// CPU of the thread over the measured part.
    pub cpu: CpuOutcome,
    /// Shares of operations by depth at sending.
    pub iodepth_levels: [f64; 7],
    /// Shares of submissions by size.
    pub submit_levels: [f64; 7],
    /// Shares of reapings by size.
    pub complete_levels: [f64; 7],
    /// The generator.
    pub generator: GeneratorOutcome,
    /// Verification, if the job verifies.
    pub verify: Option<VerifyOutcome>,
    /// Why it ended early.
    pub error: Option<JobError>,
    /// It was stopped.
    pub stopped: bool,
    /// The search for a depth, if the job had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_target: Option<LatencyTargetOutcome>,
    /// Errors, if the job outlives some kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<ErrorsOutcome>,
    /// Times by priority, if operations have priorities of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prios: Option<Vec<PriorityOutcome>>,
    /// Facts, one line each.
    pub notes: Vec<String>,
    /// Operations that came back short and were continued, by direction; in the outcome they stand
    /// with their direction.
    #[serde(skip)]
    pub continued: [u64; 3],
    /// A search for a depth found none in time: what it tried is all that there is to report.
    #[serde(skip)]
    pub unsettled: bool,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobOutcome {
    /// Name.
    pub name: String,
    /// The loop's part.
    #[serde(flatten)]
    pub end: JobEnd,
    /// The histograms.
    #[serde(flatten)]
    pub measured: MeasuredOutcome,
}

/// The hiccup meter on one CPU.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HiccupOutcome {
    /// The CPU.
    pub cpu: u32,
    /// Lateness of its wake-ups.
    pub lateness: LatencyRecord,
}

/// CPU time of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessCpu {
    /// User mode.
    pub user_ns: u64,
    /// Kernel.
    pub system_ns: u64,
}

/// `NativeRun.result()`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunOutcome {
    /// Wall clock at the start.
    pub started_epoch_ms: u64,
    /// Length of the run.
    pub runtime_ns: u64,
    /// Jobs in the order of the specification.
    pub jobs: Vec<JobOutcome>,
    /// CPUs.
    pub hiccups: Vec<HiccupOutcome>,
    /// The whole process over the run.
    pub process_cpu: ProcessCpu,
    /// A write was not sent because the jobs may write no more; they were ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub write_budget_spent: bool,
}

/// One job as `poll` tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobPoll {
    /// State.
    pub state: JobState,
    /// Operations so far.
    pub ios: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// In flight.
    pub inflight: u32,
    /// 0 to 1.
    pub progress: Option<f64>,
}

/// `NativeRun.poll()`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunPoll {
    /// Every job has ended and `result` may be asked for.
    pub finished: bool,
    /// Since the run's start.
    pub now_ns: u64,
    /// Intervals that ended since the last call.
    pub intervals: Vec<IntervalRow>,
    /// Jobs in the order of the specification.
    pub jobs: Vec<JobPoll>,
}
