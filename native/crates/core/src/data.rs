//! What the buffers of writes hold. Content is a function of (seed, file, offset, version), never
//! of timing or of the slot, wherever it changes from write to write.

use crate::op::{Op, OpKind};
use crate::rng::mix64;
use crate::spec::{DataSpec, StreamSpec, VerifyKind};

/// Compressible buffers are laid out in chunks of this many bytes, each with its share of zeroes
/// (fio's `buffer_compress_chunk` default).
const COMPRESS_CHUNK: usize = 512;

/// Fills write buffers as the job's `DataSpec` says.
#[derive(Debug)]
pub struct DataSource {
    seed: u64,
    slot_bytes: usize,
    slots: u32,
    zero: bool,
    /// Random bytes at the head of each chunk; the rest of it is zero.
    random_bytes: usize,
    /// Buffers change with every write.
    refill: bool,
    /// Reads scribble over slots whose content is promised (zeroes, a compressible share).
    restore: bool,
}

impl DataSource {
    /// For an arena of `slots` slots of `slot_bytes` each.
    #[must_use]
    pub fn new(spec: &StreamSpec, slot_bytes: usize, slots: u32) -> Self {
        let DataSpec {
            zero,
            refill,
            compress_percent,
            verify,
        } = &spec.data;
        let share = 1.0 - compress_percent.clamp(0.0, 100.0) / 100.0;
        let random_bytes = (COMPRESS_CHUNK as f64 * share).round() as usize;
        let verified = verify
            .as_ref()
            .is_some_and(|verify| verify.kind != VerifyKind::Pattern);
        let promised = *zero || random_bytes < COMPRESS_CHUNK;
        Self {
            seed: spec.seed,
            slot_bytes,
            slots,
            zero: *zero,
            random_bytes,
            refill: !*zero && (*refill || verified),
            restore: promised && spec.mix[0] > 0.0,
        }
    }

    /// Fills every slot once, before the first operation. `arena` holds at least all slots.
    pub fn prepare(&mut self, arena: &mut [u8]) {
        let slots = arena.chunks_exact_mut(self.slot_bytes.max(1));
        for (slot, bytes) in slots.take(self.slots as usize).enumerate() {
            self.content(mix64(self.seed ^ mix64(slot as u64 + 1)), bytes);
        }
    }

    /// Called before each write with its slot's bytes (`buf.len() == op.length`). Does nothing
    /// unless the content changes from write to write.
    #[inline]
    pub fn fill(&mut self, op: &Op, slot: u32, buf: &mut [u8]) {
        if (self.refill || self.restore) && op.kind == OpKind::Write {
            debug_assert!(slot < self.slots, "slot beyond the arena");
            self.content(self.key(op), buf);
        }
    }

    /// The version of a write: its generation under verification, else its place in the stream.
    fn key(&self, op: &Op) -> u64 {
        let version = match op.generation {
            0 => op.sequence,
            generation => u64::from(generation),
        };
        let place = op.offset ^ (u64::from(op.file) << 48);
        mix64(self.seed ^ mix64(place ^ mix64(version + 1)))
    }

    fn content(&self, key: u64, buf: &mut [u8]) {
        if self.zero {
            buf.fill(0);
        } else if self.random_bytes >= COMPRESS_CHUNK {
            fill_random(key, buf);
        } else {
            for (index, chunk) in buf.chunks_mut(COMPRESS_CHUNK).enumerate() {
                let random = self.random_bytes.min(chunk.len());
                let (random, zeroes) = chunk.split_at_mut(random);
                fill_random(mix64(key ^ index as u64), random);
                zeroes.fill(0);
            }
        }
    }
}

/// Fills a buffer with incompressible bytes that depend on `key` alone, at memory-like speed: a
/// counter through an invertible mix, without a chain from word to word, so that words overlap.
pub fn fill_random(key: u64, buf: &mut [u8]) {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = |counter: u64| {
        let value = (counter ^ (counter >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        value ^ (value >> 32)
    };
    let mut counter = mix64(key);
    let mut blocks = buf.chunks_exact_mut(32);
    for block in &mut blocks {
        for lane in 0..4 {
            let bytes = word(counter.wrapping_add(STEP.wrapping_mul(lane as u64))).to_le_bytes();
            block[lane * 8..lane * 8 + 8].copy_from_slice(&bytes);
        }
        counter = counter.wrapping_add(STEP.wrapping_mul(4));
    }
    for rest in blocks.into_remainder().chunks_mut(8) {
        rest.copy_from_slice(&word(counter).to_le_bytes()[..rest.len()]);
        counter = counter.wrapping_add(STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::spec_for_tests;
    use flate2::{Compression, write::ZlibEncoder};
    use std::io::Write as _;

    fn compressed(bytes: &[u8]) -> f64 {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().len() as f64 / bytes.len() as f64
    }

    fn write_at(offset: u64, sequence: u64) -> Op {
        Op {
            kind: OpKind::Write,
            flags: 0,
            file: 0,
            length: 4096,
            offset,
            intended_ns: crate::op::CLOSED_LOOP,
            sequence,
            generation: 0,
        }
    }

    #[test]
    fn random_content_does_not_compress_and_repeats() {
        let mut spec = spec_for_tests();
        spec.data.refill = true;
        let mut source = DataSource::new(&spec, 4096, 2);
        let mut one = vec![0; 4096];
        source.fill(&write_at(8192, 5), 0, &mut one);
        assert!(compressed(&one) > 0.99);
        let mut again = vec![0; 4096];
        DataSource::new(&spec, 4096, 2).fill(&write_at(8192, 5), 1, &mut again);
        assert_eq!(one, again);
        for other in [write_at(8192, 6), write_at(4096, 5)] {
            source.fill(&other, 0, &mut again);
            assert_ne!(one, again);
        }
        spec.seed += 1;
        DataSource::new(&spec, 4096, 2).fill(&write_at(8192, 5), 0, &mut again);
        assert_ne!(one, again);
    }

    #[test]
    fn compresses_by_the_share_asked_for() {
        for percent in [0.0, 25.0, 50.0, 90.0] {
            let mut spec = spec_for_tests();
            spec.data.compress_percent = percent;
            let mut arena = vec![0xff; 1 << 20];
            DataSource::new(&spec, 1 << 16, 16).prepare(&mut arena);
            let share = 1.0 - compressed(&arena);
            assert!((share - percent / 100.0).abs() < 0.04, "{percent}: {share}");
        }
    }

    #[test]
    fn zero_buffers_stay_zero_after_reads_into_them() {
        let mut spec = spec_for_tests();
        spec.data.zero = true;
        spec.mix = [50.0, 50.0, 0.0];
        let mut arena = vec![1; 8192];
        let mut source = DataSource::new(&spec, 4096, 2);
        source.prepare(&mut arena);
        assert!(arena.iter().all(|byte| *byte == 0));
        arena.fill(7);
        source.fill(&write_at(0, 0), 0, &mut arena[..4096]);
        assert!(arena[..4096].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn leaves_buffers_alone_by_default() {
        let spec = spec_for_tests();
        let mut arena = vec![0; 8192];
        let mut source = DataSource::new(&spec, 4096, 2);
        source.prepare(&mut arena);
        assert_ne!(arena[..4096], arena[4096..]);
        let before = arena.clone();
        source.fill(&write_at(0, 1), 1, &mut arena[4096..]);
        assert_eq!(before, arena);
    }

    #[test]
    fn fills_any_length() {
        for length in 0..100 {
            let mut buf = vec![0; length];
            fill_random(1, &mut buf);
            let mut longer = vec![0; 128];
            fill_random(1, &mut longer);
            assert_eq!(buf[..], longer[..length]);
        }
    }
}
