//! What a job is told to do, as JSON from the TypeScript side (camelCase). Times are nanoseconds,
//! sizes bytes. Triples are `[read, write, trim]`.

use serde::{Deserialize, Serialize};

mod content;
mod order;

pub use content::{ContentSpec, DataSpec, DedupeSpec, VerifyKind, VerifySpec};
pub use order::{FileService, OrderSpec, StridedZones, TrimSpec};

/// Why a specification cannot be run. The message says what, with its value, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Values that contradict each other or are out of range.
    #[error("{0}")]
    Invalid(String),
}

/// Kind of address pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pattern {
    /// Each direction continues where its last operation of the file ended.
    Sequential,
    /// Offsets are drawn from the distribution.
    Random,
}

/// Skew of random offsets, per direction. Source: fio's `random_distribution`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Distribution {
    /// Every block equally likely.
    Random,
    /// Zipf with exponent `theta`. Ranks are hashed over the region, as in fio; `center` in 0..=1
    /// says where the hottest block lies, absent: anywhere, by the seed.
    Zipf {
        /// Exponent, > 0 and not 1.
        theta: f64,
        /// Place of the hottest block as a fraction of the region.
        center: Option<f64>,
    },
    /// Pareto with `h` in (0, 1).
    Pareto {
        /// Skew.
        h: f64,
        /// As for Zipf.
        center: Option<f64>,
    },
    /// Normal with a deviation in percent of the region.
    Normal {
        /// Deviation, percent.
        deviation: f64,
        /// As for Zipf.
        center: Option<f64>,
    },
    /// Shares of accesses to shares of the region (percent, in order).
    Zoned {
        /// The zones.
        zones: Vec<Zone>,
    },
    /// Shares of accesses (percent) to zones of absolute size (bytes, in order).
    ZonedAbs {
        /// The zones.
        zones: Vec<Zone>,
    },
}

/// One zone of a zoned distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Zone {
    /// Share of accesses, percent.
    pub access: f64,
    /// Share of the region in percent (`Zoned`) or bytes (`ZonedAbs`).
    pub size: f64,
}

/// Sizes of one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum BlockSizes {
    /// Always the same.
    Fixed {
        /// Bytes.
        bytes: u32,
    },
    /// Uniform over `min, min + min, ... max` (multiples of `min`, as fio without `bs_unaligned`).
    Range {
        /// Smallest, bytes.
        min: u32,
        /// Largest, bytes.
        max: u32,
    },
    /// By weight.
    Split {
        /// The sizes.
        entries: Vec<SplitEntry>,
    },
}

/// One size of a `bssplit`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SplitEntry {
    /// Bytes.
    pub bytes: u32,
    /// Percent.
    pub percent: f64,
}

/// A region of one file that the stream addresses: `[offset, offset + size)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Region {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

/// When operations of one direction are meant to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Arrival {
    /// As soon as a slot is free.
    Closed,
    /// A fixed number a second.
    Constant {
        /// Operations (or, with `byBytes`, bytes) per second.
        rate: f64,
        /// The rate is in bytes: a gap lasts as long as the operation's bytes take at the rate.
        #[serde(default, rename = "byBytes")]
        by_bytes: bool,
    },
    /// Exponential gaps with this mean rate.
    Poisson {
        /// As in `Constant`.
        rate: f64,
        /// As in `Constant`.
        #[serde(default, rename = "byBytes")]
        by_bytes: bool,
    },
    /// `rate` a second for `onNs`, then nothing for `offNs`, repeated.
    Burst {
        /// Operations per second while on.
        rate: f64,
        /// Length of a burst.
        #[serde(rename = "onNs")]
        on_ns: u64,
        /// Pause between bursts.
        #[serde(rename = "offNs")]
        off_ns: u64,
        /// Exponential gaps within the burst.
        #[serde(default)]
        poisson: bool,
    },
    /// A rate that changes over time: linear between points, the last holds; repeats if `repeat`.
    Profile {
        /// (time since start in ns, operations per second), ascending in time.
        points: Vec<(u64, f64)>,
        /// Exponential gaps.
        #[serde(default)]
        poisson: bool,
        /// Start over after the last point.
        #[serde(default)]
        repeat: bool,
    },
}

/// Kinds of think time beside its length and the operations between. Source: fio's manual on
/// `thinktime_*` and `rate_ignore_thinktime`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ThinktimeSpec {
    /// This much of a pause burns CPU.
    pub spin_ns: u64,
    /// A pause comes after this much time as well; 0 = it does not.
    pub io_ns: u64,
    /// Operations count when they are sent instead of when they complete.
    pub on_issue: bool,
    /// What a schedule has due meanwhile is put off instead of being caught up with.
    pub delays_schedule: bool,
}

/// All that decides which operations a job yields. The same specification yields the same
/// operations on every engine and path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools)] // They are fio's own switches, one field each.
pub struct StreamSpec {
    /// Seed of every draw.
    pub seed: u64,
    /// Address pattern.
    pub pattern: Pattern,
    /// Percent of operations per direction (sum 100). Several above zero: a mixed stream.
    pub mix: [f64; 3],
    /// For `trimwrite`/`randtrimwrite`: each block is trimmed, then written.
    #[serde(default)]
    pub trim_then_write: bool,
    /// Sequential: bytes skipped after each operation (`rw=read:8k`; negative steps walk
    /// backwards).
    #[serde(default)]
    pub sequential_step: i64,
    /// Random: operations per drawn offset, the rest continue sequentially (`rw=randread:8`); 1 =
    /// all drawn.
    pub ops_per_draw: u32,
    /// Files in the order of `Op::file`.
    pub regions: Vec<Region>,
    /// Sizes by direction.
    pub block_sizes: [BlockSizes; 3],
    /// Offsets are multiples of this, by direction (`blockalign`).
    pub block_align: [u32; 3],
    /// Skew by direction.
    pub distribution: [Distribution; 3],
    /// Percent of operations that are random rather than sequential, by direction (100 = all).
    pub percentage_random: [f64; 3],
    /// Each block once per pass (no `norandommap`). Only with `Distribution::Random`.
    pub random_map: bool,
    /// Bytes to transfer in one loop, summed over directions and files (`io_size`, else the
    /// regions' sizes).
    pub io_bytes: u64,
    /// Operations at most in one loop, `None` = no limit (`number_ios`).
    pub number_ios: Option<u64>,
    /// How often the whole is done (`loops`).
    pub loops: u32,
    /// Start over instead of ending (`time_based`): only the runtime ends the job.
    pub time_based: bool,
    /// Schedules by direction.
    pub arrival: [Arrival; 3],
    /// After each `thinktimeBlocks` completed operations, send nothing for this long.
    #[serde(default)]
    pub thinktime_ns: u64,
    /// See `thinktimeNs`; 0 = operations do not count, `thinktime.ioNs` does.
    pub thinktime_blocks: u32,
    /// More of think time.
    #[serde(default)]
    pub thinktime: ThinktimeSpec,
    /// An operation waits while one in flight covers some of its bytes and one of both writes
    /// (`serialize_overlap`). Under verification it does anyway.
    #[serde(default)]
    pub serialize_overlap: bool,
    /// Between two loops everything completes, and the stream says `Next::LoopEnd`.
    #[serde(default)]
    pub loop_barrier: bool,
    /// A `Flush` after every this many writes; 0 = never (`fsync`). It goes into the queue behind
    /// them without waiting for them, as fio's `io_uring` and `posixaio` engines do.
    #[serde(default)]
    pub fsync_every: u32,
    /// A `DataFlush` after every this many writes; 0 = never (`fdatasync`).
    #[serde(default)]
    pub fdatasync_every: u32,
    /// A `RangeFlush` of what was written since the last one after every this many writes
    /// (`sync_file_range`).
    #[serde(default)]
    pub range_flush: Option<RangeFlushSpec>,
    /// A `Flush` of every file at the end, once everything before completed (`end_fsync`).
    #[serde(default)]
    pub end_fsync: bool,
    /// Writes carry `FLAG_FUA` (`sync`/`dsync` over targets other than files).
    #[serde(default)]
    pub fua: bool,
    /// Content of writes.
    pub data: DataSpec,
    /// Orders that only some jobs ask for.
    #[serde(default)]
    pub order: OrderSpec,
    /// Zones that the job walks through, if any.
    #[serde(default)]
    pub zones: Option<StridedZones>,
    /// Writes that are trimmed again, if any.
    #[serde(default)]
    pub trims: Option<TrimSpec>,
}

/// `sync_file_range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RangeFlushSpec {
    /// Writes between two; 0 = never.
    pub every: u32,
    /// Flags of `sync_file_range(2)`: 1 wait before, 2 write, 4 wait after.
    pub flags: u8,
}

/// The synthetic device: what it serves and how long that takes. Times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyntheticSpec {
    /// Mean service time.
    #[serde(default)]
    pub service_ns: u64,
    /// Law of the service time around its mean.
    #[serde(default)]
    pub jitter: Jitter,
    /// First stall, since the device's start; `None` = no stalls.
    #[serde(default)]
    pub stall_at_ns: Option<u64>,
    /// Length of a stall.
    #[serde(default)]
    pub stall_for_ns: u64,
    /// Distance between starts of stalls; `None` = only one.
    #[serde(default)]
    pub stall_every_ns: Option<u64>,
    /// Probability that an operation fails with EIO.
    #[serde(default)]
    pub error_rate: f64,
    /// Operations a second at most; `None` = no limit.
    #[serde(default)]
    pub iops: Option<f64>,
    /// Bytes a second at most; `None` = no limit.
    #[serde(default)]
    pub bandwidth: Option<f64>,
    /// Operations in service at once; `None` = no limit.
    #[serde(default)]
    pub channels: Option<u32>,
    /// Capacity in bytes.
    pub size: u64,
    /// Seed of jitter and errors.
    pub seed: u64,
}

/// Law of a synthetic device's service time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Jitter {
    /// Always the mean.
    #[default]
    None,
    /// Exponential.
    Exp,
    /// Uniform over 0.5 to 1.5 of the mean.
    Uniform,
    /// Log-normal with sigma 0.5, scaled to the mean.
    Lognormal,
}
