//! From an operation to the entry of a submission queue.

use std::sync::Arc;

use io_uring::types::{Fd, Fixed, FsyncFlags};
use io_uring::{opcode, squeue};
use osdyno_core::op::{FLAG_FUA, Op, OpKind, PRIORITY_SHIFT, RANGE_PAGE};

use super::setup::Registered;
use crate::arena::Arena;
use crate::engine::file::OpenFile;
use crate::engine::psync::transfer_flags;
use crate::spec::UringOptions;

/// What entries name: files by place or descriptor, buffers of the arena.
pub(super) struct Entries {
    pub files: Vec<OpenFile>,
    pub arena: Arc<Arena>,
    /// Slots per registered buffer; 0 = buffers are not registered.
    buffer_slots: u32,
    /// Files are named by their place in the kernel's table, not by descriptor.
    by_place: bool,
    /// By index, the vector of one that the kernel reads; empty when plain buffers are given.
    vectors: Vec<libc::iovec>,
    /// The ring polls: it takes reads and writes only.
    polls: bool,
    /// Priorities that operations name; empty = they name none.
    pub priorities: Box<[u16]>,
    /// `RWF_*` of every read and write.
    flags: i32,
    /// Every so many reads and writes go straight to a worker of the kernel; 0 = none.
    force_async: u32,
    /// Since the last of these.
    since_forced: u32,
}

/// Builds an entry on `$file`, a place or a descriptor: the opcodes are generic over that, by a trait
/// that their crate keeps to itself.
macro_rules! on {
    ($self:ident, $op:ident, |$file:ident| $entry:expr) => {
        if $self.by_place {
            let $file = Fixed(u32::from($op.file));
            $entry.build()
        } else {
            let $file = Fd($self.files.get(usize::from($op.file))?.fd());
            $entry.build()
        }
    };
}

impl Entries {
    /// For at most `depth` operations in flight.
    pub fn new(
        files: Vec<OpenFile>,
        arena: Arc<Arena>,
        depth: u32,
        registered: &Registered,
        options: &UringOptions,
    ) -> Self {
        let nothing = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        let vectored = options.nonvectored == Some(false) && registered.buffer_slots == 0;
        Self {
            files,
            arena,
            buffer_slots: registered.buffer_slots,
            by_place: registered.files,
            vectors: vec![nothing; if vectored { depth as usize } else { 0 }],
            polls: options.hipri,
            priorities: Box::default(),
            flags: transfer_flags(false, options.nowait, options.uncached),
            force_async: options.force_async,
            since_forced: 0,
        }
    }

    /// Files are registered.
    pub fn by_place(&self) -> bool {
        self.by_place
    }

    /// The entry for an operation; `None` when a plain call does it (or refuses it).
    #[inline]
    pub fn build(&mut self, index: u32, op: &Op, slot: u32) -> Option<squeue::Entry> {
        match op.kind {
            OpKind::Read | OpKind::Write => {
                if slot >= self.arena.slot_count() || op.length > self.arena.slot_bytes() {
                    return None;
                }
                let entry = self.transfer(index, op, slot)?;
                if self.force_async == 0 {
                    return Some(entry);
                }
                self.since_forced += 1;
                if self.since_forced < self.force_async {
                    return Some(entry);
                }
                self.since_forced = 0;
                Some(entry.flags(squeue::Flags::ASYNC))
            }
            OpKind::Flush | OpKind::DataFlush if self.polls => None,
            OpKind::Flush => Some(on!(self, op, |file| opcode::Fsync::new(file))),
            OpKind::DataFlush => {
                let flags = FsyncFlags::DATASYNC;
                Some(on!(self, op, |file| opcode::Fsync::new(file).flags(flags)))
            }
            OpKind::RangeFlush => self.flush_range(op),
            OpKind::Trim => self.fallocate(op, libc::FALLOC_FL_PUNCH_HOLE),
            OpKind::WriteZeroes => self.fallocate(op, libc::FALLOC_FL_ZERO_RANGE),
        }
    }

    #[inline]
    fn transfer(&mut self, index: u32, op: &Op, slot: u32) -> Option<squeue::Entry> {
        let (offset, length) = (op.offset, op.length);
        let write = op.kind == OpKind::Write;
        let mut flags = self.flags;
        if write && op.flags & FLAG_FUA != 0 {
            flags |= libc::RWF_DSYNC;
        }
        let priority = if self.priorities.is_empty() {
            0
        } else {
            let index = usize::from(op.flags >> PRIORITY_SHIFT);
            self.priorities.get(index).copied().unwrap_or(0)
        };
        let start = self.arena.slot_ptr(slot);
        if let Some(buffer) = slot.checked_div(self.buffer_slots) {
            let buffer = buffer as u16;
            return Some(if write {
                on!(self, op, |file| opcode::WriteFixed::new(
                    file, start, length, buffer
                )
                .offset(offset)
                .ioprio(priority)
                .rw_flags(flags))
            } else {
                on!(self, op, |file| opcode::ReadFixed::new(
                    file, start, length, buffer
                )
                .offset(offset)
                .ioprio(priority)
                .rw_flags(flags))
            });
        }
        if let Some(vector) = self.vectors.get_mut(index as usize) {
            vector.iov_base = start.cast();
            vector.iov_len = length as usize;
            let vector = &raw const *vector;
            return Some(if write {
                on!(self, op, |file| opcode::Writev::new(file, vector, 1)
                    .offset(offset)
                    .ioprio(priority)
                    .rw_flags(flags))
            } else {
                on!(self, op, |file| opcode::Readv::new(file, vector, 1)
                    .offset(offset)
                    .ioprio(priority)
                    .rw_flags(flags))
            });
        }
        Some(if write {
            on!(self, op, |file| opcode::Write::new(file, start, length)
                .offset(offset)
                .ioprio(priority)
                .rw_flags(flags))
        } else {
            on!(self, op, |file| opcode::Read::new(file, start, length)
                .offset(offset)
                .ioprio(priority)
                .rw_flags(flags))
        })
    }

    /// Where its length fits the entry, and there is something to flush.
    #[cold]
    fn flush_range(&self, op: &Op) -> Option<squeue::Entry> {
        let length = u32::try_from(u64::from(op.generation) * RANGE_PAGE).ok()?;
        (length > 0 && !self.polls).then_some(())?;
        let flags = u32::from(op.flags >> PRIORITY_SHIFT);
        Some(on!(self, op, |file| opcode::SyncFileRange::new(
            file, length
        )
        .offset(op.offset)
        .flags(flags)))
    }

    /// Of regular files, and not where the result must be durable at once, which it does not offer.
    #[cold]
    fn fallocate(&self, op: &Op, mode: i32) -> Option<squeue::Entry> {
        let regular = !self.files.get(usize::from(op.file))?.is_block_device();
        let mode = mode | libc::FALLOC_FL_KEEP_SIZE;
        let length = u64::from(op.length);
        let possible = regular && op.flags & FLAG_FUA == 0 && !self.polls;
        possible.then_some(())?;
        Some(on!(self, op, |file| opcode::Fallocate::new(file, length)
            .offset(op.offset)
            .mode(mode)))
    }
}
