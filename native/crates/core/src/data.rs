//! What the buffers of writes hold. Content is a function of (seed, file, offset, version), never
//! of timing or of the slot, wherever it changes from write to write.

use crate::op::{Op, OpKind};
use crate::rng::{mix64, threshold};
use crate::spec::{BlockSizes, DataSpec, DedupeSpec, StreamSpec, VerifyKind};

/// `scramble` changes a word in each of so many bytes, as fio does.
const SECTOR: usize = 512;
/// Pieces looked back for the content that a piece repeats; the next one then counts as new.
const LOOK_BACK: u64 = 4096;

/// Fills write buffers as the job's `DataSpec` says.
#[derive(Debug)]
pub struct DataSource {
    seed: u64,
    slot_bytes: usize,
    slots: u32,
    zero: bool,
    /// Compressible buffers are laid out in chunks of this many bytes, each with its share.
    chunk: usize,
    /// Random bytes at the head of each chunk; the rest of it compresses away.
    random_bytes: usize,
    pattern: Box<[u8]>,
    pattern_offsets: Box<[u32]>,
    /// Bytes that are filled by a key of their own.
    piece: usize,
    dedupe: Option<Dedupe>,
    change: Change,
}

#[derive(Debug)]
struct Dedupe {
    law: DedupeSpec,
    share: u64,
    /// Pieces of the longest write.
    pieces: u64,
}

/// What becomes of a buffer before each write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    /// A word here and there.
    Scramble,
    /// All of it.
    Fill,
}

/// The smallest write, bytes.
fn smallest(sizes: &BlockSizes) -> usize {
    let bytes = match sizes {
        BlockSizes::Fixed { bytes } => *bytes,
        BlockSizes::Range { min, .. } => *min,
        BlockSizes::Split { entries } => {
            let used = entries.iter().filter(|entry| entry.percent > 0.0);
            used.map(|entry| entry.bytes).min().unwrap_or(1)
        }
    };
    bytes.max(1) as usize
}

impl DataSource {
    /// For an arena of `slots` slots of `slot_bytes` each.
    #[must_use]
    pub fn new(spec: &StreamSpec, slot_bytes: usize, slots: u32) -> Self {
        let DataSpec {
            zero,
            refill,
            compress_percent,
            content,
            verify,
        } = &spec.data;
        let least = smallest(&spec.block_sizes[1]);
        let chunk = match content.compress_chunk as usize {
            0 => least,
            chunk => chunk,
        };
        let patterned = !content.pattern.is_empty();
        let share = if *compress_percent <= 0.0 && patterned {
            0.0
        } else {
            1.0 - compress_percent.clamp(0.0, 100.0) / 100.0
        };
        let random_bytes = (chunk as f64 * share).round() as usize;
        let promised = *zero || random_bytes < chunk;
        let headed = |kind| !matches!(kind, VerifyKind::Pattern | VerifyKind::Null);
        let verified = verify.as_ref().is_some_and(|verify| headed(verify.kind));
        // What verification lays over all of it needs no content.
        let covered = verify
            .as_ref()
            .is_some_and(|verify| !verify.pattern.is_empty() && verify.kind != VerifyKind::Null);
        let scribbled = spec.mix[0] > 0.0 || verify.is_some();
        // Verification tells contents apart by where and when they were written.
        let dedupe = content
            .dedupe
            .filter(|law| law.percent > 0.0 && verify.is_none());
        let fills = (!*zero && (*refill || verified || dedupe.is_some()))
            || !content.pattern_offsets.is_empty()
            || (promised && scribbled);
        Self {
            seed: spec.seed,
            slot_bytes,
            slots,
            zero: *zero,
            chunk,
            random_bytes,
            pattern: content.pattern.clone().into(),
            pattern_offsets: content.pattern_offsets.clone().into(),
            piece: match (verify, &dedupe) {
                (Some(verify), _) => verify.interval.max(1) as usize,
                (None, Some(_)) => least,
                (None, None) => usize::MAX,
            },
            dedupe: dedupe.map(|law| Dedupe {
                law,
                share: threshold(law.percent / 100.0),
                pieces: slot_bytes.div_ceil(least).max(1) as u64,
            }),
            change: match (fills && !covered, content.scramble && !promised) {
                (true, _) => Change::Fill,
                (false, true) if !covered => Change::Scramble,
                _ => Change::Nothing,
            },
        }
    }

    /// Fills every slot once, before the first operation. `arena` holds at least all slots.
    pub fn prepare(&mut self, arena: &mut [u8]) {
        let slots = arena.chunks_exact_mut(self.slot_bytes.max(1));
        for (slot, bytes) in slots.take(self.slots as usize).enumerate() {
            self.content(mix64(self.seed ^ mix64(slot as u64 + 1)), 0, bytes);
        }
    }

    /// Called before each write with its slot's bytes (`buf.len() == op.length`). Does nothing
    /// unless the content changes from write to write.
    #[inline]
    pub fn fill(&mut self, op: &Op, slot: u32, buf: &mut [u8]) {
        if self.change != Change::Nothing && op.kind == OpKind::Write {
            debug_assert!(slot < self.slots, "slot beyond the arena");
            self.renew(op, buf);
        }
    }

    fn renew(&self, op: &Op, buf: &mut [u8]) {
        let version = version(op);
        if self.change == Change::Scramble {
            return scramble(self.key(op.file, op.offset, version), buf);
        }
        let mut offset = op.offset;
        for (index, piece) in buf.chunks_mut(self.piece).enumerate() {
            let key = match &self.dedupe {
                Some(dedupe) => dedupe.key(self.seed, version * dedupe.pieces + index as u64),
                None => self.key(op.file, offset, version),
            };
            self.content(key, offset, piece);
            offset += piece.len() as u64;
        }
    }

    /// The content of one interval of a write under verification, as it was before it was stamped.
    pub fn regenerate(&self, file: u16, offset: u64, generation: u32, out: &mut [u8]) {
        self.content(self.key(file, offset, u64::from(generation)), offset, out);
    }

    fn key(&self, file: u16, offset: u64, version: u64) -> u64 {
        let place = offset ^ (u64::from(file) << 48);
        mix64(self.seed ^ mix64(place ^ mix64(version + 1)))
    }

    fn content(&self, key: u64, offset: u64, buf: &mut [u8]) {
        if self.zero {
            buf.fill(0);
        } else if self.random_bytes >= self.chunk {
            fill_random(key, buf);
        } else if self.random_bytes == 0 {
            self.lay_pattern(offset, buf);
        } else {
            let mut offset = offset;
            for (index, chunk) in buf.chunks_mut(self.chunk).enumerate() {
                let random = self.random_bytes.min(chunk.len());
                let length = chunk.len() as u64;
                let (random, rest) = chunk.split_at_mut(random);
                fill_random(mix64(key ^ index as u64), random);
                self.lay_pattern(offset, rest);
                offset += length;
            }
        }
    }

    /// The pattern, or zeroes without one.
    fn lay_pattern(&self, offset: u64, buf: &mut [u8]) {
        if self.pattern.is_empty() {
            return buf.fill(0);
        }
        for repeat in buf.chunks_mut(self.pattern.len()) {
            repeat.copy_from_slice(&self.pattern[..repeat.len()]);
            for at in &self.pattern_offsets {
                if let Some(room) = repeat.get_mut(*at as usize..) {
                    let length = room.len().min(8);
                    room[..length].copy_from_slice(&offset.to_le_bytes()[..length]);
                }
            }
        }
    }
}

/// The version of a write: its generation under verification, else its place in the stream.
fn version(op: &Op) -> u64 {
    match op.generation {
        0 => op.sequence,
        generation => u64::from(generation),
    }
}

impl Dedupe {
    /// What decides the content of the piece with this number.
    fn key(&self, seed: u64, piece: u64) -> u64 {
        let draw = |piece: u64| mix64(seed.rotate_left(17) ^ mix64(!piece));
        let repeats = |piece: u64| piece > 0 && draw(piece) < self.share;
        if !repeats(piece) {
            return mix64(seed ^ mix64(piece + 1));
        }
        if self.law.working_set > 0 {
            let which = draw(!piece) % self.law.working_set;
            return mix64(self.law.set_seed ^ mix64(!which));
        }
        let least = piece.saturating_sub(LOOK_BACK);
        let new = (least..piece).rev().find(|earlier| !repeats(*earlier));
        mix64(seed ^ mix64(new.unwrap_or(0) + 1))
    }
}

/// Changes a word in each sector, in the same cache line of each, so that no two writes are equal.
fn scramble(key: u64, buf: &mut [u8]) {
    let at = (key & 7) as usize * 64;
    for (index, sector) in buf.chunks_exact_mut(SECTOR).enumerate() {
        let word = key.wrapping_add(index as u64);
        sector[at..at + 8].copy_from_slice(&word.to_le_bytes());
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
    fn the_chunk_decides_how_fine_the_shares_lie() {
        for (chunk, first_zero) in [(0, 2048), (1024, 512), (512, 256)] {
            let mut spec = spec_for_tests();
            spec.data.compress_percent = 50.0;
            spec.data.content.compress_chunk = chunk;
            let mut arena = vec![0xff; 4096];
            DataSource::new(&spec, 4096, 1).prepare(&mut arena);
            let zeroes = arena.windows(64).position(|bytes| bytes == [0; 64]);
            assert_eq!(zeroes, Some(first_zero), "{chunk}");
        }
    }

    #[test]
    fn patterns_are_repeated_with_their_offset() {
        let mut spec = spec_for_tests();
        spec.data.content.pattern = b"abc........xyz".to_vec();
        let mut arena = vec![0; 8192];
        let mut source = DataSource::new(&spec, 4096, 2);
        source.prepare(&mut arena);
        assert_eq!(&arena[..17], b"abc........xyzabc");
        let before = arena.clone();
        source.fill(&write_at(4096, 3), 0, &mut arena[..4096]);
        assert_eq!(arena, before);
        spec.data.content.pattern_offsets = vec![3];
        let mut source = DataSource::new(&spec, 4096, 2);
        source.fill(&write_at(4096, 3), 0, &mut arena[..4096]);
        for repeat in arena[..4096].chunks_exact(14) {
            assert_eq!(repeat[3..11], 4096_u64.to_le_bytes());
            assert_eq!((&repeat[..3], &repeat[11..]), (&b"abc"[..], &b"xyz"[..]));
        }
        // In the share that compresses away.
        spec.data.content.pattern_offsets.clear();
        spec.data.compress_percent = 50.0;
        DataSource::new(&spec, 4096, 2).prepare(&mut arena);
        assert_eq!(&arena[256..259], b"abc");
        assert_ne!(&arena[..3], b"abc");
    }

    #[test]
    fn scrambling_changes_a_word_in_each_sector() {
        let mut spec = spec_for_tests();
        spec.data.content.scramble = true;
        let mut source = DataSource::new(&spec, 4096, 1);
        let mut arena = vec![0; 4096];
        source.prepare(&mut arena);
        let plain = arena.clone();
        let mut seen = std::collections::BTreeSet::new();
        for sequence in 0..50 {
            arena.copy_from_slice(&plain);
            source.fill(&write_at(0, sequence), 0, &mut arena);
            for (sector, before) in arena.chunks(512).zip(plain.chunks(512)) {
                let changed = sector.iter().zip(before).filter(|(now, then)| now != then);
                assert!((1..=8).contains(&changed.count()));
                assert!(seen.insert(sector.to_vec()));
            }
        }
    }

    #[test]
    fn repeats_the_share_of_pieces_that_was_asked_for() {
        for (percent, working_set) in [(0.0, 0), (30.0, 0), (70.0, 0), (100.0, 0), (50.0, 20)] {
            let mut spec = spec_for_tests();
            spec.data.content.dedupe = Some(DedupeSpec {
                percent,
                working_set,
                set_seed: 5,
            });
            spec.data.refill = true;
            let mut source = DataSource::new(&spec, 8192, 1);
            let mut contents = std::collections::HashMap::<Vec<u8>, u32>::new();
            let mut buf = vec![0; 8192];
            for sequence in 0..1000 {
                let mut op = write_at(sequence * 8192, sequence);
                op.length = 8192;
                source.fill(&op, 0, &mut buf);
                for piece in buf.chunks(4096) {
                    *contents.entry(piece[..64].to_vec()).or_default() += 1;
                }
            }
            let new = contents.len() as f64 - working_set as f64;
            let share = 100.0 * (1.0 - new / 2000.0);
            assert!((share - percent).abs() < 4.0, "{percent}: {share}");
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
