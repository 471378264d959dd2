//! What the buffers of writes hold.

use crate::op::Op;
use crate::spec::StreamSpec;

/// Fills write buffers as the job's `DataSpec` says.
#[derive(Debug)]
pub struct DataSource {
    seed: u64,
    slot_bytes: usize,
}

impl DataSource {
    /// For an arena of `slots` slots of `slot_bytes` each.
    #[must_use]
    pub fn new(spec: &StreamSpec, slot_bytes: usize, slots: u32) -> Self {
        let _ = slots;
        Self {
            seed: spec.seed,
            slot_bytes,
        }
    }

    /// Fills every slot once, before the first operation.
    pub fn prepare(&mut self, arena: &mut [u8]) {
        for (slot, bytes) in arena.chunks_mut(self.slot_bytes).enumerate() {
            let mut rng = crate::rng::Rng::new(self.seed, crate::rng::Use::Data, slot as u64);
            for word in bytes.chunks_exact_mut(8) {
                word.copy_from_slice(&rng.next_u64().to_le_bytes());
            }
        }
    }

    /// Called before each write with its slot's bytes (`buf.len() == op.length`). Does nothing
    /// unless the content changes from write to write.
    #[inline]
    pub fn fill(&mut self, op: &Op, slot: u32, buf: &mut [u8]) {
        let _ = (op, slot, buf);
    }
}
