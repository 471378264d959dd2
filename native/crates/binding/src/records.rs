//! The records that both sides share. The layout is documented in `engine/hot/ioengine/records.ts`.

#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_ptr_alignment,
    reason = "32 bits travel as i32; the callers promise the alignment"
)]

use std::sync::Arc;

use napi::bindgen_prelude::*;
use osdyno_core::op::{FLAG_FUA, Op, OpKind};
use osdyno_device::arena::Arena;
use osdyno_device::engine::Completion;

/// kind | flags << 8 | file << 16, length, slot, tag as i32; offset as f64.
pub const SUBMISSION_BYTES: usize = 24;
/// tag, result as i32; submitted, completed as f64; each field an array of its own.
pub const COMPLETION_BYTES: usize = 24;

/// A submission record. `op` is `None` when its kind or a number makes no sense.
pub struct Submission {
    /// The operation.
    pub op: Option<Op>,
    /// Its buffer.
    pub slot: u32,
    /// Returned with the completion.
    pub tag: u32,
}

fn kind_of(number: u8) -> Option<OpKind> {
    Some(match number {
        0 => OpKind::Read,
        1 => OpKind::Write,
        2 => OpKind::Trim,
        3 => OpKind::Flush,
        4 => OpKind::DataFlush,
        5 => OpKind::WriteZeroes,
        _ => return None,
    })
}

/// The record at `index`.
///
/// # Safety
/// `base` is aligned to 8 bytes and holds more than `index` records.
pub unsafe fn read_submission(base: *mut u8, index: u32) -> Submission {
    // SAFETY: by the caller.
    let (words, offset) = unsafe {
        let record = base.add(index as usize * SUBMISSION_BYTES);
        (
            record.cast::<[i32; 4]>().read(),
            record.add(16).cast::<f64>().read(),
        )
    };
    let [head, length, slot, tag] = words;
    let whole = (0.0..=9_007_199_254_740_991.0).contains(&offset) && offset.fract() == 0.0;
    let op = kind_of(head as u8)
        .filter(|_| whole && length >= 0)
        .map(|kind| Op {
            kind,
            flags: (head >> 8) as u8,
            file: 0,
            length: length as u32,
            offset: offset as u64,
            intended_ns: 0,
            sequence: 0,
            generation: 0,
        });
    Submission {
        op,
        slot: slot as u32,
        tag: tag as u32,
    }
}

/// Writes an operation as the record at `index`.
///
/// # Safety
/// As for `read_submission`.
pub unsafe fn write_submission(base: *mut u8, index: u32, op: &Op, slot: u32, tag: u32) {
    // The other flags are the job's own business.
    let flags = i32::from(op.flags & FLAG_FUA);
    let head = i32::from(op.kind as u8) | flags << 8 | i32::from(op.file) << 16;
    // SAFETY: by the caller.
    unsafe {
        let record = base.add(index as usize * SUBMISSION_BYTES);
        let words = [head, op.length as i32, slot as i32, tag as i32];
        record.cast::<[i32; 4]>().write(words);
        record.add(16).cast::<f64>().write(op.offset as f64);
    }
}

/// Writes a completion at `index` of the parallel arrays of `capacity` entries each.
///
/// # Safety
/// `base` is aligned to 8 bytes and holds `capacity` records; `index` is below it.
pub unsafe fn write_completion(base: *mut u8, capacity: usize, index: usize, done: &Completion) {
    // SAFETY: by the caller; multiples of 8 bytes keep the arrays aligned.
    unsafe {
        let words = base.cast::<i32>();
        words.add(index).write(done.tag as i32);
        words.add(capacity + index).write(done.result);
        let times = base.add(capacity * 8).cast::<f64>();
        times.add(index).write(done.submitted_ns as f64);
        times.add(capacity + index).write(done.completed_ns as f64);
    }
}

/// The first `length` bytes of an arena as an `ArrayBuffer` that keeps it mapped. V8 wants one
/// buffer at most over the same memory.
///
/// # Panics
///
/// When the arena is shorter than `length`.
pub fn shared_buffer<'env>(
    env: &'env Env,
    arena: &Arc<Arena>,
    length: usize,
) -> Result<ArrayBuffer<'env>> {
    assert!(
        length <= arena.length(),
        "an arena is shorter than its view"
    );
    // SAFETY: the memory lives as long as the `Arc` that the finalizer drops.
    unsafe {
        ArrayBuffer::from_external(env, arena.base(), length, arena.clone(), |_, arena| {
            drop(arena);
        })
    }
}
