//! The memory engine: a buffer in place of a device.

use std::sync::Arc;

use osdyno_core::op::{Op, OpKind};

use super::EngineError;
use super::synchronous::{Execute, Synchronous};
use crate::arena::Arena;

/// The memory engine.
pub type Memory = Synchronous<Buffer>;

/// The bytes of the device.
pub struct Buffer {
    bytes: Box<[u8]>,
    arena: Arc<Arena>,
}

/// An engine over `size` zero bytes. The kernel gives the memory when it is first written.
///
/// # Errors
/// There is not so much memory.
pub fn memory(size: u64, arena: Arc<Arena>, depth: u32) -> Result<Memory, EngineError> {
    let refused = || {
        EngineError::Unsupported(format!(
            "a memory device of {size} bytes does not fit into this machine; choose a smaller size"
        ))
    };
    let length = usize::try_from(size).map_err(|_| refused())?;
    let bytes = zeroed(length).ok_or_else(refused)?;
    Ok(Synchronous::new(Buffer { bytes, arena }, depth, Vec::new()))
}

/// `vec![0; length]` that answers instead of aborting; like it, from `calloc`, so untouched.
fn zeroed(length: usize) -> Option<Box<[u8]>> {
    if length == 0 {
        return Some(Box::default());
    }
    let layout = std::alloc::Layout::array::<u8>(length).ok()?;
    // SAFETY: the layout has a size above zero.
    let pointer = unsafe { std::alloc::alloc_zeroed(layout) };
    if pointer.is_null() {
        return None;
    }
    let bytes = std::ptr::slice_from_raw_parts_mut(pointer, length);
    // SAFETY: from the global allocator with this layout, all bytes initialised.
    Some(unsafe { Box::from_raw(bytes) })
}

impl Execute for Buffer {
    fn execute(&mut self, op: &Op, slot: u32) -> i32 {
        if matches!(
            op.kind,
            OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush
        ) {
            return 0;
        }
        let (Ok(start), Ok(result)) = (usize::try_from(op.offset), i32::try_from(op.length)) else {
            return -libc::EINVAL;
        };
        let length = op.length as usize;
        let range = start.checked_add(length).map(|end| start..end);
        let Some(bytes) = range.and_then(|range| self.bytes.get_mut(range)) else {
            return -libc::EINVAL;
        };
        if matches!(op.kind, OpKind::Trim | OpKind::WriteZeroes) {
            bytes.fill(0);
            return result;
        }
        if op.file != 0 || slot >= self.arena.slot_count() || op.length > self.arena.slot_bytes() {
            return -libc::EINVAL;
        }
        // SAFETY: the slot is lent to this operation.
        let buffer = unsafe { self.arena.slot(slot, length) };
        if op.kind == OpKind::Read {
            buffer.copy_from_slice(bytes);
        } else {
            bytes.copy_from_slice(buffer);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Engine, Wait};
    use super::*;

    fn run(engine: &mut Memory, kind: OpKind, offset: u64, length: u32) -> i32 {
        let op = Op {
            kind,
            flags: 0,
            file: 0,
            length,
            offset,
            intended_ns: 0,
            sequence: 0,
            generation: 0,
        };
        assert!(engine.queue(&op, 0, 9));
        assert_eq!(engine.commit().unwrap(), 1);
        let mut out = Vec::with_capacity(4);
        assert_eq!(engine.reap(Wait::No, &mut out).unwrap(), 1);
        out[0].result
    }

    #[test]
    fn keeps_data_without_alignment_and_checks_ranges() {
        let arena = Arc::new(Arena::new(1, 4096).unwrap());
        let mut engine = memory(10_000, arena.clone(), 1).unwrap();
        // SAFETY: nothing is in flight.
        let slot = || unsafe { arena.slot(0, 4096) };
        slot().fill(3);
        assert_eq!(run(&mut engine, OpKind::Write, 5_904, 4_096), 4_096);
        slot().fill(0);
        assert_eq!(run(&mut engine, OpKind::Read, 5_903, 4_096), 4_096);
        assert_eq!(slot()[0], 0);
        assert!(slot()[1..].iter().all(|&byte| byte == 3));
        assert_eq!(run(&mut engine, OpKind::Trim, 5_904, 100), 100);
        assert_eq!(run(&mut engine, OpKind::WriteZeroes, 6_004, 4), 4);
        assert_eq!(run(&mut engine, OpKind::Read, 5_904, 110), 110);
        assert!(slot()[..104].iter().all(|&b| b == 0) && slot()[104] == 3);
        assert_eq!(run(&mut engine, OpKind::Flush, 0, 0), 0);
        assert_eq!(run(&mut engine, OpKind::Read, 9_999, 2), -libc::EINVAL);
        assert_eq!(run(&mut engine, OpKind::Trim, u64::MAX, 2), -libc::EINVAL);
        assert_eq!(run(&mut engine, OpKind::Read, 0, 8_192), -libc::EINVAL);
    }

    #[test]
    fn answers_when_memory_is_short() {
        let arena = Arc::new(Arena::new(1, 4096).unwrap());
        let error = memory(u64::MAX, arena, 1).err().unwrap();
        assert!(error.to_string().contains("does not fit"));
    }
}
