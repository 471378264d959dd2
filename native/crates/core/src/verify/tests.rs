use super::*;
use crate::data::DataSource;
use crate::op::Next;
use crate::spec::VerifySpec;
use crate::stream::OpStream;
use proptest::prelude::*;

/// CRC-32C over intervals of 4 KiB.
pub(crate) fn spec_for_tests() -> VerifySpec {
    VerifySpec {
        kind: VerifyKind::Crc32c,
        pattern: Vec::new(),
        pattern_offsets: Vec::new(),
        fatal: true,
        read_back: true,
        interval: 4096,
    }
}

const BLOCK: usize = 4096;
const BASE: u64 = 8192;

/// Random 4 KiB writes over 32 blocks that begin at 8 KiB, intervals of 1 KiB.
fn job(kind: VerifyKind, writes: u64) -> StreamSpec {
    let mut spec = crate::stream::spec_for_tests();
    spec.mix = [0.0, 100.0, 0.0];
    spec.regions = vec![Region {
        offset: BASE,
        size: 32 * BLOCK as u64,
    }];
    spec.io_bytes = u64::MAX / 2;
    spec.number_ios = Some(writes);
    spec.data.verify = Some(VerifySpec {
        kind,
        pattern: b"osdyno..12345678".to_vec(),
        pattern_offsets: vec![8],
        interval: 1024,
        ..spec_for_tests()
    });
    spec
}

/// A disk of bytes, and the job's machinery around it.
struct Bench {
    disk: Vec<u8>,
    verifier: Verifier,
    /// Every write with the data it carried, in order.
    history: Vec<(Op, Vec<u8>)>,
}

impl Bench {
    /// Runs the job; writes for which `lost` holds do not reach the disk.
    fn run(spec: &StreamSpec, lost: impl Fn(u64) -> bool) -> Self {
        let mut stream = OpStream::new(spec).unwrap();
        let mut source = DataSource::new(spec, BLOCK, 1);
        let mut bench = Self {
            disk: vec![0xee; BASE as usize + 40 * BLOCK],
            verifier: Verifier::new(spec).unwrap(),
            history: Vec::new(),
        };
        let mut buf = vec![0; BLOCK];
        while let Next::Op(op) = stream.next(0) {
            if op.kind == OpKind::Write {
                source.fill(&op, 0, &mut buf);
                bench.verifier.stamp(&op, &mut buf);
                if !lost(op.sequence) {
                    bench.slice(op.offset, BLOCK).copy_from_slice(&buf);
                }
                bench.history.push((op, buf.clone()));
            } else {
                assert_eq!(bench.check(&op), None);
            }
            stream.completed(&op, 0);
        }
        bench
    }

    fn slice(&mut self, offset: u64, length: usize) -> &mut [u8] {
        &mut self.disk[offset as usize..offset as usize + length]
    }

    fn check(&mut self, op: &Op) -> Option<Mismatch> {
        let from = op.offset as usize;
        let buf = self.disk[from..from + op.length as usize].to_vec();
        self.verifier.check_read(op, &buf)
    }

    /// Reads everything back, as `do_verify` does.
    fn read_back(&mut self) -> Vec<Mismatch> {
        let mut found = Vec::new();
        while let Some(op) = self.verifier.read_back(3 * 1024) {
            assert!(op.length <= 3 * 1024);
            found.extend(self.check(&op));
        }
        found
    }

    /// Offsets of blocks that were written, ascending.
    fn written(&self) -> Vec<u64> {
        let mut offsets: Vec<_> = self.history.iter().map(|(op, _)| op.offset).collect();
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }
}

fn kinds() -> impl Strategy<Value = VerifyKind> {
    prop_oneof![
        Just(VerifyKind::Crc32c),
        Just(VerifyKind::Meta),
        Just(VerifyKind::Pattern)
    ]
}

proptest! {
    #[test]
    fn good_data_passes(kind in kinds(), writes in 1_u64..200, reads: bool) {
        let mut spec = job(kind, writes);
        if reads {
            spec.mix = [50.0, 50.0, 0.0];
        }
        let mut bench = Bench::run(&spec, |_| false);
        prop_assert_eq!(bench.read_back(), vec![]);
    }

    /// One flipped bit anywhere in what was written is found, and its interval named. `meta` does
    /// not look at the payload.
    #[test]
    fn any_flipped_bit_is_found(
        kind in kinds(),
        writes in 1_u64..100,
        block: prop::sample::Index,
        byte in 0..BLOCK,
        bit in 0..8,
    ) {
        let mut bench = Bench::run(&job(kind, writes), |_| false);
        let byte = if kind == VerifyKind::Meta { (byte & !1023) | (byte % 32) } else { byte };
        let offset = *block.get(&bench.written());
        bench.slice(offset, BLOCK)[byte] ^= 1_u8 << bit;
        let found = bench.read_back();
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].offset, offset + (byte as u64 & !1023));
        prop_assert_eq!(found[0].length, 1024);
        let what = match kind {
            VerifyKind::Pattern => MismatchKind::Pattern,
            _ if byte % 1024 < 4 => MismatchKind::Magic,
            _ => MismatchKind::Crc,
        };
        prop_assert_eq!(found[0].what, what);
    }

    #[test]
    fn swapped_blocks_are_found(
        kind in kinds(),
        one: prop::sample::Index,
        two: prop::sample::Index,
    ) {
        let mut bench = Bench::run(&job(kind, 100), |_| false);
        let written = bench.written();
        let (one, two) = (*one.get(&written), *two.get(&written));
        prop_assume!(one != two);
        let saved = bench.slice(one, BLOCK).to_vec();
        let other = bench.slice(two, BLOCK).to_vec();
        bench.slice(one, BLOCK).copy_from_slice(&other);
        bench.slice(two, BLOCK).copy_from_slice(&saved);
        let found = bench.read_back();
        // The first wrong interval of each read is named; every read of the two blocks has one.
        prop_assert!(found.len() >= 2);
        for mismatch in found {
            let block = (mismatch.offset - BASE) / BLOCK as u64 * BLOCK as u64 + BASE;
            prop_assert!(block == one || block == two);
            let what = if kind == VerifyKind::Pattern {
                MismatchKind::Pattern
            } else {
                MismatchKind::Offset
            };
            prop_assert_eq!(mismatch.what, what);
        }
    }

    /// A lost write leaves an older version, or what was there before the job.
    #[test]
    fn lost_writes_are_found(meta: bool, writes in 1_u64..100, lost: prop::sample::Index) {
        let kind = if meta { VerifyKind::Meta } else { VerifyKind::Crc32c };
        let lost = lost.index(writes as usize) as u64;
        let mut bench = Bench::run(&job(kind, writes), |sequence| sequence == lost);
        let offset = bench.history[lost as usize].0.offset;
        let same = |(op, _): &&(Op, Vec<u8>)| op.offset == offset;
        let again = bench.history[lost as usize + 1..].iter().any(|entry| same(&entry));
        let before = bench.history[..lost as usize].iter().any(|entry| same(&entry));
        let found = bench.read_back();
        if again {
            prop_assert_eq!(found, vec![]);
        } else {
            let what = if before { MismatchKind::Generation } else { MismatchKind::Magic };
            prop_assert!(!found.is_empty());
            for mismatch in found {
                prop_assert_eq!(mismatch.what, what);
                prop_assert!((offset..offset + BLOCK as u64).contains(&mismatch.offset));
            }
        }
    }

    /// Sectors of two versions mixed within an interval.
    #[test]
    fn torn_writes_are_found(later: prop::sample::Index, sectors in 1_usize..8) {
        let mut bench = Bench::run(&job(VerifyKind::Crc32c, 200), |_| false);
        let older = |at: usize| {
            let offset = bench.history[at].0.offset;
            let before = bench.history[..at].iter().rev().find(|entry| entry.0.offset == offset)?;
            let last = bench.history[at + 1..].iter().all(|entry| entry.0.offset != offset);
            last.then(|| (offset, before.1.clone()))
        };
        let torn: Vec<_> = (0..200).filter_map(older).collect();
        prop_assume!(!torn.is_empty());
        let (offset, old) = later.get(&torn).clone();
        let from = sectors * 512;
        bench.slice(offset, BLOCK)[from..].copy_from_slice(&old[from..]);
        let found = bench.read_back();
        prop_assert!(!found.is_empty());
        let first = offset + (from as u64 & !1023);
        prop_assert!(found.iter().all(|mismatch| mismatch.offset >= first));
    }
}

#[test]
fn blocks_of_another_run_are_told_apart() {
    let mut bench = Bench::run(&job(VerifyKind::Crc32c, 100), |_| false);
    let mut other = job(VerifyKind::Crc32c, 100);
    other.seed += 1;
    bench.disk = Bench::run(&other, |_| false).disk;
    let found = bench.read_back();
    let seeds = found
        .iter()
        .filter(|found| found.what == MismatchKind::Seed);
    assert!(seeds.count() > 10);
}

#[test]
fn a_job_that_only_reads_checks_what_an_earlier_one_wrote() {
    for kind in [VerifyKind::Crc32c, VerifyKind::Meta, VerifyKind::Pattern] {
        let mut spec = job(kind, 32);
        spec.random_map = true;
        spec.io_bytes = 32 * BLOCK as u64;
        let written = Bench::run(&spec, |_| false);
        spec.mix = [100.0, 0.0, 0.0];
        spec.seed += 1;
        let mut stream = OpStream::new(&spec).unwrap();
        let mut verifier = Verifier::new(&spec).unwrap();
        let (mut disk, mut found) = (written.disk, Vec::new());
        disk[BASE as usize + 5 * BLOCK + 3] ^= 1;
        while let Next::Op(op) = stream.next(0) {
            let from = op.offset as usize;
            found.extend(verifier.check_read(&op, &disk[from..from + BLOCK]));
            stream.completed(&op, 0);
        }
        assert_eq!(found.len(), 1, "{kind:?}");
        assert_eq!(found[0].offset, BASE + 5 * BLOCK as u64);
    }
}

#[test]
fn forgotten_ranges_are_not_checked_until_written_again() {
    let mut bench = Bench::run(&job(VerifyKind::Crc32c, 50), |_| false);
    let (op, data) = bench.history.last().unwrap().clone();
    bench.slice(op.offset, BLOCK).fill(0);
    bench.verifier.forget(&op);
    assert_eq!(bench.read_back(), vec![]);
    assert_eq!(bench.check(&op), None);
    bench.verifier.stamp(&op, &mut data.clone());
    assert_eq!(bench.check(&op).unwrap().what, MismatchKind::Magic);
}

#[test]
fn the_pattern_carries_the_offset() {
    let mut bench = Bench::run(&job(VerifyKind::Pattern, 40), |_| false);
    let offset = bench.written()[0];
    let granule = bench.slice(offset + 1024, 1024);
    for repeat in granule.chunks(16) {
        assert_eq!(repeat[..8], *b"osdyno..");
        assert_eq!(repeat[8..], (offset + 1024).to_le_bytes());
    }
    granule[700] = b'?';
    let found = bench.read_back();
    assert_eq!(found.len(), 1);
    assert!(found[0].expected.contains("byte 700"), "{found:?}");
}

#[test]
fn generations_differ_from_write_to_write() {
    let bench = Bench::run(&job(VerifyKind::Crc32c, 50), |_| false);
    for (index, (op, _)) in bench.history.iter().enumerate() {
        assert_eq!(op.generation, index as u32 + 1);
    }
}
