//! One operation, as the op stream yields it and every engine executes it.

/// What an operation does. The numbers cross the binding; they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OpKind {
    /// Fill the buffer from the device.
    Read = 0,
    /// Write the buffer to the device.
    Write = 1,
    /// Discard the range; reads of it may return anything until it is written again.
    Trim = 2,
    /// Make every completed write durable, with metadata (`fsync`).
    Flush = 3,
    /// Make every completed write durable, without metadata that reads do not need (`fdatasync`).
    DataFlush = 4,
    /// Make the range read as zeroes without sending data.
    WriteZeroes = 5,
    /// Start to write cached pages of a file back, or wait for that (`sync_file_range`), which makes
    /// nothing durable. `offset` is the first byte, `generation` the number of pages of
    /// `RANGE_PAGE` bytes, the flags from `PRIORITY_SHIFT` up are those of the call.
    RangeFlush = 6,
}

/// The write must be durable when it completes (force unit access).
pub const FLAG_FUA: u8 = 1;
/// The read is one of verification, which the job did not ask for by itself. Engines do not look at
/// it.
pub const FLAG_READ_BACK: u8 = 2;

/// From here up the flags hold which of the job's priorities a read or write has; 0 = none of its own.
pub const PRIORITY_SHIFT: u8 = 4;

/// What `OpKind::RangeFlush` counts in, bytes.
pub const RANGE_PAGE: u64 = 4096;

/// Directions that statistics are kept for; the index of `OpKind` for the first three.
pub const DIRECTIONS: [&str; 3] = ["read", "write", "trim"];

/// One operation. Offsets are absolute within the file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Op {
    /// What to do.
    pub kind: OpKind,
    /// `FLAG_FUA`, `FLAG_READ_BACK`, a priority from `PRIORITY_SHIFT` up, or 0.
    pub flags: u8,
    /// Index into the job's list of files.
    pub file: u16,
    /// Length in bytes; 0 for flushes.
    pub length: u32,
    /// Byte offset in the file.
    pub offset: u64,
    /// When the schedule wants it sent, in nanoseconds since the job's start. For a closed loop it
    /// is `CLOSED_LOOP`: the runner replaces it by the time it sends.
    pub intended_ns: u64,
    /// Position in the stream, from 0. Flushes count too.
    pub sequence: u64,
    /// Writes under verification: the number of the write in its job, from 1. Of a `RangeFlush` its
    /// pages. Else 0.
    pub generation: u32,
}

/// `Op::intended_ns` of an operation that has no schedule.
pub const CLOSED_LOOP: u64 = u64::MAX;

/// Answer of the op stream when asked for the next operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Send this now (its intended time is not later than the time that was asked with).
    Op(Op),
    /// Nothing is due before this time (nanoseconds since the job's start).
    NotBefore(u64),
    /// The stream waits for completions: a flush barrier, or think time after a completed block.
    AfterCompletions,
    /// Everything of a loop has completed and another loop begins; only where it was asked for. Ask
    /// again at once.
    LoopEnd,
    /// The stream has ended.
    Done,
}
