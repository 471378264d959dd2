use super::*;
use crate::data::DataSource;
use crate::op::Next;
use crate::spec::{TrimSpec, VerifyKind, VerifySpec};
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
        header_offset: 0,
        backlog: 0,
        backlog_batch: 0,
        async_threads: 0,
        async_cpus: Vec::new(),
        dump: false,
        only: false,
        check_sequence: true,
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
    let patterned = matches!(kind, VerifyKind::Pattern | VerifyKind::PatternHdr);
    spec.data.verify = Some(VerifySpec {
        kind,
        pattern: if patterned {
            b"osdyno..12345678".to_vec()
        } else {
            Vec::new()
        },
        pattern_offsets: if patterned { vec![8] } else { Vec::new() },
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
    /// Reads of verification among the writes.
    reads: Vec<Op>,
    trims: Vec<Op>,
}

impl Bench {
    /// Runs the job; writes for which `lost` holds do not reach the disk.
    fn run(spec: &StreamSpec, lost: impl Fn(u64) -> bool) -> Self {
        Self::with_disk(spec, 40, lost)
    }

    fn with_disk(spec: &StreamSpec, blocks: usize, lost: impl Fn(u64) -> bool) -> Self {
        let mut stream = OpStream::new(spec).unwrap();
        let mut source = DataSource::new(spec, BLOCK, 1);
        let mut bench = Self {
            disk: vec![0xee; BASE as usize + blocks * BLOCK],
            verifier: Verifier::new(spec).unwrap(),
            history: Vec::new(),
            reads: Vec::new(),
            trims: Vec::new(),
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
            } else if op.kind == OpKind::Trim {
                let zero = spec.trims.is_some_and(|trims| trims.verify_zero);
                bench
                    .slice(op.offset, BLOCK)
                    .fill(if zero { 0 } else { 0x77 });
                bench.verifier.trimmed(&op, zero);
                bench.trims.push(op);
            } else {
                assert_eq!(bench.check(&op), None);
                if op.flags & FLAG_READ_BACK != 0 {
                    bench.verifier.was_read_back(&op);
                    bench.reads.push(op);
                }
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

const KINDS: [VerifyKind; 17] = [
    VerifyKind::Crc7,
    VerifyKind::Crc16,
    VerifyKind::Crc32,
    VerifyKind::Crc32c,
    VerifyKind::Crc64,
    VerifyKind::Md5,
    VerifyKind::Xxhash,
    VerifyKind::Sha1,
    VerifyKind::Sha256,
    VerifyKind::Sha512,
    VerifyKind::Sha3With224,
    VerifyKind::Sha3With256,
    VerifyKind::Sha3With384,
    VerifyKind::Sha3With512,
    VerifyKind::Pattern,
    VerifyKind::PatternHdr,
    VerifyKind::Meta,
];

/// Each kind, with the pattern where it needs one or may have one.
fn kinds() -> impl Strategy<Value = VerifyKind> {
    prop::sample::select(&KINDS[..])
}

proptest! {
    #[test]
    fn good_data_passes(kind in kinds(), writes in 1_u64..200, reads: bool, covered: bool) {
        let mut spec = job(kind, writes);
        if let Some(verify) = &mut spec.data.verify
            && covered
        {
            verify.pattern = b"with the offset ........".to_vec();
            verify.pattern_offsets = vec![16];
        }
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
        header_offset in 0_u32..800,
    ) {
        let mut spec = job(kind, writes);
        let header = header_bytes(kind) as usize;
        let header_offset = if header == 0 { 0 } else { header_offset };
        if let Some(verify) = &mut spec.data.verify {
            verify.header_offset = header_offset;
        }
        let mut bench = Bench::run(&spec, |_| false);
        let from = header_offset as usize;
        let byte = if kind == VerifyKind::Meta { (byte & !1023) | (from + byte % 32) } else { byte };
        let offset = *block.get(&bench.written());
        bench.slice(offset, BLOCK)[byte] ^= 1_u8 << bit;
        let found = bench.read_back();
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(found[0].offset, offset + (byte as u64 & !1023));
        prop_assert_eq!(found[0].length, 1024);
        let what = match kind {
            VerifyKind::Pattern => MismatchKind::Pattern,
            kind => match (byte % 1024).wrapping_sub(from) {
                0..4 => MismatchKind::Magic,
                at if at < header || kind == VerifyKind::Crc32c => MismatchKind::Crc,
                _ if kind == VerifyKind::PatternHdr => MismatchKind::Pattern,
                _ => MismatchKind::Digest,
            },
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
        let verifier = Verifier::new(&spec).unwrap();
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
fn the_expected_bytes_are_those_that_were_written() {
    for kind in KINDS {
        for only_reads in [false, true] {
            let spec = job(kind, 60);
            let mut bench = Bench::run(&spec, |_| false);
            let offset = bench.written()[2] + 1024;
            let good = bench.slice(offset, 1024).to_vec();
            bench.slice(offset, 1024)[900] ^= 4;
            let mut spec = spec;
            if only_reads {
                spec.mix = [100.0, 0.0, 0.0];
                bench.verifier = Verifier::new(&spec).unwrap();
            }
            let read = Op {
                offset,
                length: 1024,
                kind: OpKind::Read,
                ..bench.history[0].0
            };
            let Some(mismatch) = bench.check(&read) else {
                assert_eq!(kind, VerifyKind::Meta);
                continue;
            };
            let source = DataSource::new(&job(kind, 60), BLOCK, 1);
            let found = bench.slice(offset, 1024).to_vec();
            let mut out = vec![0; 1024];
            let told = bench
                .verifier
                .expected_bytes(&mismatch, &found, &source, &mut out);
            // Nothing in a bare pattern says which write it was, and it need not.
            assert!(
                told || (only_reads && kind == VerifyKind::Pattern),
                "{kind:?}"
            );
            if told {
                assert_eq!(out, good, "{kind:?}");
            }
        }
    }
}

/// (operations, reads back among them) of a job with a backlog.
fn with_backlog(map: bool, batch: u64) -> (Bench, Vec<Op>) {
    let mut spec = job(VerifyKind::Crc32c, 64);
    spec.random_map = map;
    spec.io_bytes = 1 << 30;
    if let Some(verify) = &mut spec.data.verify {
        verify.backlog = 8;
        verify.backlog_batch = batch;
    }
    let mut bench = Bench::run(&spec, |_| false);
    assert_eq!(bench.history.len(), 64);
    let mut left = Vec::new();
    while let Some(op) = bench.verifier.read_back(BLOCK as u32) {
        left.push(op);
    }
    (bench, left)
}

#[test]
fn the_backlog_is_read_back_while_the_job_writes_and_only_once() {
    let (bench, left) = with_backlog(true, 0);
    // Blocks are written once in each of two passes: 8 batches of 8.
    assert_eq!((bench.reads.len(), left.len()), (64, 0));
    for (read, (write, _)) in bench.reads.iter().zip(&bench.history) {
        assert_eq!((read.offset, read.length), (write.offset, write.length));
    }
    let at = |index: usize| bench.reads[index].sequence;
    assert_eq!((at(0), at(7), at(8)), (8, 15, 24));
    // Four at a time: after 8 writes, then after each 4.
    let (bench, left) = with_backlog(true, 4);
    let at = |index: usize| bench.reads[index].sequence;
    assert_eq!((at(0), at(3), at(4)), (8, 11, 16));
    assert_eq!((bench.reads.len(), left.len()), (60, 4));
    // Without a map the lowest come first, and what was overwritten counts once.
    let (bench, _) = with_backlog(false, 4);
    for batch in bench.reads.chunks(4) {
        assert!(batch.is_sorted_by_key(|read| read.offset));
    }
}

#[test]
fn some_writes_are_trimmed_and_checked_for_zeroes() {
    for verify_zero in [true, false] {
        let mut spec = job(VerifyKind::Sha1, 400);
        spec.random_map = true;
        spec.io_bytes = 400 * BLOCK as u64;
        spec.regions[0].size = spec.io_bytes;
        spec.trims = Some(TrimSpec {
            percent: 25.0,
            verify_zero,
            backlog: 10,
            backlog_batch: 0,
        });
        let mut bench = Bench::with_disk(&spec, 500, |_| false);
        assert!(
            bench.trims.len().abs_diff(100) < 25,
            "{}",
            bench.trims.len()
        );
        assert!(bench.trims[0].sequence >= 10);
        assert_eq!(bench.read_back(), vec![]);
        let trim = bench.trims[3];
        bench.slice(trim.offset + 1024, 1024)[17] = 1;
        let found: Vec<_> = bench.check(&trim).into_iter().collect();
        if verify_zero {
            assert_eq!(found[0].what, MismatchKind::Zero);
            assert_eq!(found[0].offset, trim.offset + 1024);
        } else {
            assert_eq!(found, []);
        }
    }
}

#[test]
fn what_was_only_imagined_is_checked_like_what_was_written() {
    let spec = job(VerifyKind::Md5, 50);
    let written = Bench::run(&spec, |_| false);
    let mut bench = Bench::run(&spec, |_| true);
    bench.verifier = Verifier::new(&spec).unwrap();
    let mut stream = OpStream::new(&spec).unwrap();
    while let Next::Op(op) = stream.next(0) {
        bench.verifier.imagine(&op, true);
        stream.completed(&op, 0);
    }
    bench.disk = written.disk;
    let offset = written.history[49].0.offset;
    bench.slice(offset, BLOCK)[2000] ^= 1;
    let found = bench.read_back();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].what, found[0].offset),
        (MismatchKind::Digest, offset + 1024)
    );
}

#[test]
fn another_write_is_found_only_if_sequences_count() {
    for counts in [true, false] {
        let mut spec = job(VerifyKind::Crc32c, 100);
        if let Some(verify) = &mut spec.data.verify {
            verify.check_sequence = counts;
        }
        // The last write of a block that was written before is lost.
        let all = Bench::run(&spec, |_| false);
        let again = |at: &usize| {
            let offset = all.history[*at].0.offset;
            let same = |(op, _): &(Op, Vec<u8>)| op.offset == offset;
            all.history[..*at].iter().any(same) && !all.history[at + 1..].iter().any(same)
        };
        let lost = (0..100).find(again).unwrap() as u64;
        let found = Bench::run(&spec, |sequence| sequence == lost).read_back();
        assert_eq!(found.is_empty(), !counts);
    }
}

#[test]
fn null_checks_nothing() {
    let mut bench = Bench::run(&job(VerifyKind::Null, 50), |_| false);
    bench.disk.fill(1);
    assert_eq!(bench.read_back(), vec![]);
}

#[test]
fn generations_differ_from_write_to_write() {
    let bench = Bench::run(&job(VerifyKind::Crc32c, 50), |_| false);
    for (index, (op, _)) in bench.history.iter().enumerate() {
        assert_eq!(op.generation, index as u32 + 1);
    }
}
