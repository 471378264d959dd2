use super::*;
use crate::spec::{Arrival, BlockSizes, DataSpec, Distribution, Pattern, Region, ThinktimeSpec};

mod orders;
mod pauses;
mod properties;

/// 4 KiB random reads, without a map, over 16 MiB.
pub(crate) fn spec_for_tests() -> StreamSpec {
    let each = |bytes| BlockSizes::Fixed { bytes };
    StreamSpec {
        seed: 42,
        pattern: Pattern::Random,
        mix: [100.0, 0.0, 0.0],
        trim_then_write: false,
        sequential_step: 0,
        ops_per_draw: 1,
        regions: vec![Region {
            offset: 0,
            size: 16 << 20,
        }],
        block_sizes: [each(4096), each(4096), each(4096)],
        block_align: [4096; 3],
        distribution: [
            Distribution::Random,
            Distribution::Random,
            Distribution::Random,
        ],
        percentage_random: [100.0; 3],
        random_map: false,
        io_bytes: 16 << 20,
        number_ios: None,
        loops: 1,
        time_based: false,
        arrival: [Arrival::Closed, Arrival::Closed, Arrival::Closed],
        thinktime_ns: 0,
        thinktime_blocks: 1,
        thinktime: ThinktimeSpec::default(),
        serialize_overlap: false,
        loop_barrier: false,
        fsync_every: 0,
        fdatasync_every: 0,
        range_flush: None,
        end_fsync: false,
        fua: false,
        data: DataSpec {
            zero: false,
            refill: false,
            compress_percent: 0.0,
            content: crate::spec::ContentSpec::default(),
            verify: None,
        },
        order: crate::spec::OrderSpec::default(),
        zones: None,
        trims: None,
    }
}

fn regions(sizes: &[(u64, u64)]) -> Vec<Region> {
    let regions = sizes.iter();
    regions
        .map(|&(offset, size)| Region { offset, size })
        .collect()
}

fn writes(mut spec: StreamSpec) -> StreamSpec {
    spec.mix = [0.0, 100.0, 0.0];
    spec
}

/// Runs a stream to its end at a depth: one operation completes each microsecond, the oldest first.
/// At most `most` operations.
fn run(spec: &StreamSpec, depth: usize, most: usize) -> Vec<Op> {
    let mut stream = OpStream::new(spec).unwrap();
    let mut flight = std::collections::VecDeque::new();
    let (mut now, mut ops) = (0, Vec::new());
    while ops.len() < most {
        let mut waits = flight.len() >= depth;
        if !waits {
            match stream.next(now) {
                Next::Op(op) => {
                    assert!(op.intended_ns == CLOSED_LOOP || op.intended_ns <= now);
                    assert_eq!(op.sequence, ops.len() as u64);
                    ops.push(op);
                    flight.push_back(op);
                }
                Next::NotBefore(time) => {
                    assert!(time > now);
                    now = time;
                    waits = !flight.is_empty();
                }
                Next::AfterCompletions => {
                    assert!(!flight.is_empty(), "waits for nothing");
                    waits = true;
                }
                Next::LoopEnd => {}
                Next::Done => break,
            }
        }
        if waits {
            now += 1000;
            let op = flight.pop_front().unwrap();
            stream.completed(&op, now);
        }
    }
    ops
}

fn offsets(ops: &[Op]) -> Vec<u64> {
    ops.iter().map(|op| op.offset).collect()
}

#[test]
fn each_block_once_with_the_map() {
    let mut spec = spec_for_tests();
    spec.random_map = true;
    // A tail that is not a whole block is left alone.
    spec.regions = regions(&[(8192, (1 << 20) + 1000), (4096, 300 * 4096)]);
    spec.io_bytes = (1 << 20) + 1000 + 300 * 4096;
    let ops = run(&spec, 4, usize::MAX);
    assert_eq!(ops.len(), 256 + 300);
    let mut seen: Vec<_> = ops.iter().map(|op| (op.file, op.offset)).collect();
    seen.sort_unstable();
    let first = (0..256).map(|block| (0, 8192 + block * 4096));
    let second = (0..300).map(|block| (1, 4096 + block * 4096));
    assert_eq!(seen, first.chain(second).collect::<Vec<_>>());
    // io_size of two sizes: each block twice, once per pass.
    spec.regions = regions(&[(0, 1 << 20)]);
    spec.io_bytes = 2 << 20;
    let ops = run(&spec, 1, usize::MAX);
    assert_eq!(ops.len(), 512);
    for pass in ops.chunks(256) {
        let mut seen = offsets(pass);
        seen.sort_unstable();
        assert_eq!(seen, (0..256).map(|block| block * 4096).collect::<Vec<_>>());
    }
    assert_ne!(ops[0].offset, ops[256].offset);
}

#[test]
fn no_byte_twice_with_the_map_and_mixed_sizes() {
    let split = |entries: &[(u32, f64)]| BlockSizes::Split {
        entries: entries
            .iter()
            .map(|&(bytes, percent)| crate::spec::SplitEntry { bytes, percent })
            .collect(),
    };
    for sizes in [
        split(&[(4096, 50.0), (65536, 50.0)]),
        split(&[(4096, 50.0), (6144, 50.0)]),
        BlockSizes::Range {
            min: 8192,
            max: 131_072,
        },
    ] {
        let mut spec = writes(spec_for_tests());
        spec.random_map = true;
        spec.block_sizes[1] = sizes.clone();
        let ops = run(&spec, 1, usize::MAX);
        let mut ranges: Vec<_> = ops
            .iter()
            .map(|op| (op.offset, op.offset + u64::from(op.length)))
            .collect();
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "{sizes:?}: {pair:?} overlap");
        }
        let bytes: u64 = ops.iter().map(|op| u64::from(op.length)).sum();
        // 6 KiB blocks that begin at multiples of 4 KiB leave holes of 2 KiB.
        let share = if matches!(&sizes, BlockSizes::Split { entries } if entries[1].bytes == 6144) {
            0.8
        } else {
            1.0
        };
        assert!(
            bytes as f64 >= share * f64::from(16 << 20),
            "{sizes:?}: {bytes}"
        );
    }
}

#[test]
fn directions_share_the_map() {
    let mut spec = spec_for_tests();
    spec.random_map = true;
    spec.mix = [70.0, 30.0, 0.0];
    let ops = run(&spec, 8, usize::MAX);
    let mut seen = offsets(&ops);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4096);
    let reads = ops.iter().filter(|op| op.kind == OpKind::Read).count();
    assert!((reads as f64 / 4096.0 - 0.7).abs() < 0.03, "{reads}");
}

#[test]
fn sequential_goes_on_by_direction_and_file() {
    let mut spec = spec_for_tests();
    spec.pattern = Pattern::Sequential;
    spec.mix = [50.0, 50.0, 0.0];
    spec.regions = regions(&[(4096, 1 << 20), (0, 1 << 20)]);
    spec.io_bytes = 1 << 20;
    let ops = run(&spec, 4, usize::MAX);
    assert_eq!(ops.len(), 256);
    for (index, op) in ops.iter().enumerate() {
        assert_eq!(usize::from(op.file), index % 2, "round robin by operation");
        let same = |other: &&Op| other.kind == op.kind && other.file == op.file;
        let before = ops[..index].iter().filter(same).count() as u64;
        let base = if op.file == 0 { 4096 } else { 0 };
        assert_eq!(op.offset, base + before * 4096);
    }
}

/// The same as fio 3.33 does (`write_iolog`, `size=10k`, `io_size=20k`, `loops`).
#[test]
fn sequential_takes_whole_blocks_and_ends_with_the_file() {
    let mut spec = spec_for_tests();
    spec.pattern = Pattern::Sequential;
    spec.regions = regions(&[(0, 10_000)]);
    spec.io_bytes = 10_000;
    assert_eq!(offsets(&run(&spec, 1, 100)), [0, 4096]);
    // io_size beyond the size goes round; the last operation is whole, as in fio.
    spec.io_bytes = 20_000;
    assert_eq!(offsets(&run(&spec, 1, 100)), [0, 4096, 0, 4096, 0]);
    spec.io_bytes = 10_000;
    spec.time_based = true;
    assert_eq!(offsets(&run(&spec, 1, 5)), [0, 4096, 0, 4096, 0]);
    spec.time_based = false;
    spec.loops = 3;
    assert_eq!(offsets(&run(&spec, 1, 100)), [0, 4096, 0, 4096, 0, 4096]);
}

#[test]
fn holes_and_backward_walks() {
    let mut spec = spec_for_tests();
    spec.pattern = Pattern::Sequential;
    spec.regions = regions(&[(65536, 8 * 4096)]);
    spec.io_bytes = 8 * 4096;
    let blocks = |spec: &StreamSpec| -> Vec<u64> {
        let ops = run(spec, 1, 100);
        ops.iter().map(|op| (op.offset - 65536) / 4096).collect()
    };
    spec.sequential_step = 4096;
    assert_eq!(blocks(&spec), [0, 2, 4, 6, 0, 2, 4, 6]);
    spec.sequential_step = -8192;
    assert_eq!(blocks(&spec), [7, 6, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn operations_per_draw_and_percentage_random() {
    let sequential = |spec: &StreamSpec| {
        let ops = run(spec, 1, 4000);
        let follows = ops
            .windows(2)
            .filter(|pair| pair[1].offset == pair[0].offset + 4096);
        follows.count() as f64 / ops.len() as f64
    };
    let mut spec = spec_for_tests();
    assert!(sequential(&spec) < 0.01);
    spec.ops_per_draw = 8;
    assert!((sequential(&spec) - 0.875).abs() < 0.01);
    spec.ops_per_draw = 1;
    spec.percentage_random = [30.0; 3];
    assert!((sequential(&spec) - 0.7).abs() < 0.03);
}

#[test]
fn trims_each_block_then_writes_it() {
    for random_map in [false, true] {
        let mut spec = spec_for_tests();
        spec.trim_then_write = true;
        spec.random_map = random_map;
        spec.mix = [0.0, 50.0, 50.0];
        let ops = run(&spec, 1, usize::MAX);
        // Only written bytes count, so that the whole region is done.
        assert_eq!(ops.len(), 2 * 4096);
        for pair in ops.chunks(2) {
            assert_eq!((pair[0].kind, pair[1].kind), (OpKind::Trim, OpKind::Write));
            assert_eq!(pair[0].offset, pair[1].offset);
        }
        if random_map {
            let mut seen = offsets(&ops);
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), 4096);
        }
    }
}

#[test]
fn flushes_after_every_n_writes_and_at_the_end() {
    let mut spec = spec_for_tests();
    spec.mix = [50.0, 50.0, 0.0];
    spec.number_ios = Some(1000);
    spec.fsync_every = 4;
    spec.fdatasync_every = 3;
    spec.end_fsync = true;
    spec.regions = regions(&[(0, 1 << 20), (0, 1 << 20)]);
    spec.io_bytes = 1 << 30;
    let ops = run(&spec, 8, usize::MAX);
    let mut written = 0;
    let (body, end) = ops.split_at(ops.len() - 2);
    for pair in body.windows(2) {
        written += u32::from(pair[0].kind == OpKind::Write);
        let due = pair[0].kind == OpKind::Write;
        let expected = match written {
            written if due && written % 4 == 0 => Some(OpKind::Flush),
            written if due && written % 3 == 0 => Some(OpKind::DataFlush),
            _ => None,
        };
        match expected {
            Some(kind) => assert_eq!((pair[1].kind, pair[1].file), (kind, pair[0].file)),
            None => assert!(pair[1].length > 0),
        }
    }
    assert_eq!(body.iter().filter(|op| op.length > 0).count(), 1000);
    let end: Vec<_> = end.iter().map(|op| (op.kind, op.file)).collect();
    assert_eq!(end, [(OpKind::Flush, 0), (OpKind::Flush, 1)]);
}

#[test]
fn the_last_flush_waits_for_what_is_in_flight_also_after_a_stop() {
    for stops in [false, true] {
        let mut spec = writes(spec_for_tests());
        spec.number_ios = Some(2);
        spec.time_based = stops;
        spec.end_fsync = true;
        let mut stream = OpStream::new(&spec).unwrap();
        let Next::Op(one) = stream.next(0) else {
            panic!()
        };
        let Next::Op(two) = stream.next(0) else {
            panic!()
        };
        if stops {
            stream.stop();
        }
        assert_eq!(stream.next(0), Next::AfterCompletions);
        stream.completed(&two, 5);
        assert_eq!(stream.next(5), Next::AfterCompletions);
        stream.completed(&one, 6);
        let Next::Op(flush) = stream.next(6) else {
            panic!()
        };
        assert_eq!(flush.kind, OpKind::Flush);
        assert_eq!(stream.next(6), Next::Done);
        assert_eq!(stream.progress(), Some(1.0));
    }
}

#[test]
fn thinks_after_completed_blocks() {
    let mut spec = spec_for_tests();
    spec.thinktime_ns = 500;
    spec.thinktime_blocks = 2;
    let mut stream = OpStream::new(&spec).unwrap();
    let mut take = |now| match stream.next(now) {
        Next::Op(op) => {
            stream.completed(&op, now);
            true
        }
        Next::NotBefore(time) => {
            assert_eq!(time, 1510);
            false
        }
        other => panic!("{other:?}"),
    };
    assert!(take(1000));
    assert!(take(1010));
    assert!(!take(1010));
    assert!(!take(1509));
    assert!(take(1510));
}

#[test]
fn schedules_merge_by_time_and_closed_directions_fill_the_rest() {
    let constant = |rate| Arrival::Constant {
        rate,
        by_bytes: false,
    };
    let mut spec = spec_for_tests();
    spec.mix = [50.0, 50.0, 0.0];
    spec.time_based = true;
    spec.arrival = [constant(1e6), constant(4e5), Arrival::Closed];
    let ops = run(&spec, 64, 1400);
    assert!(ops.is_sorted_by_key(|op| op.intended_ns));
    let reads = ops.iter().filter(|op| op.kind == OpKind::Read).count();
    assert!(reads.abs_diff(1000) <= 1, "{reads}");
    // Reads are due every 1 us, writes fill up.
    spec.arrival[1] = Arrival::Closed;
    let mut stream = OpStream::new(&spec).unwrap();
    let mut kinds = Vec::new();
    for now in [0, 0, 500, 999, 1000, 1000] {
        let Next::Op(op) = stream.next(now) else {
            panic!()
        };
        kinds.push(op.kind as u8);
    }
    assert_eq!(kinds, [0, 1, 1, 1, 0, 1]);
}

#[test]
fn the_backlog_counts_and_drops() {
    let mut spec = spec_for_tests();
    spec.time_based = true;
    spec.arrival[0] = Arrival::Constant {
        rate: 1e6,
        by_bytes: false,
    };
    let mut stream = OpStream::new(&spec).unwrap();
    assert_eq!(stream.backlog(99_500), 100);
    let Next::Op(first) = stream.next(99_500) else {
        panic!()
    };
    assert_eq!((first.intended_ns, stream.backlog(99_500)), (0, 99));
    assert_eq!(stream.drop_backlog(99_500, 10), 89);
    // What stays is what came first: 1 .. 10 us, then the schedule goes on at 100 us.
    let mut intended = Vec::new();
    for _ in 0..12 {
        let Next::Op(op) = stream.next(101_000) else {
            panic!()
        };
        intended.push(op.intended_ns / 1000);
    }
    assert_eq!(intended, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 100, 101]);
    assert_eq!(stream.next(101_000), Next::NotBefore(102_000));
}

#[test]
fn progress_goes_from_0_to_1() {
    let mut spec = spec_for_tests();
    spec.loops = 2;
    let mut stream = OpStream::new(&spec).unwrap();
    let mut before = -1.0;
    for _ in 0..2 * 4096 {
        let progress = stream.progress().unwrap();
        assert!(progress > before && progress < 1.0);
        before = progress;
        let Next::Op(op) = stream.next(0) else {
            panic!()
        };
        stream.completed(&op, 0);
    }
    assert_eq!(stream.progress(), Some(1.0));
    spec.time_based = true;
    assert_eq!(OpStream::new(&spec).unwrap().progress(), None);
}

#[test]
fn overlaps_are_held_back_under_verification() {
    let mut spec = writes(spec_for_tests());
    spec.mix = [30.0, 70.0, 0.0];
    spec.regions = regions(&[(0, 20 * 4096)]);
    spec.time_based = true;
    spec.data.verify = Some(crate::verify::spec_for_tests());
    let mut stream = OpStream::new(&spec).unwrap();
    let mut flight: Vec<Op> = Vec::new();
    let mut rng = crate::rng::Rng::new(1, crate::rng::Use::Data, 0);
    let (mut most, mut waits) = (0, 0);
    for _ in 0..20_000 {
        match stream.next(0) {
            Next::Op(op) => {
                for other in &flight {
                    let reads = op.kind == OpKind::Read && other.kind == OpKind::Read;
                    assert!(reads || op.offset != other.offset);
                }
                flight.push(op);
                most = most.max(flight.len());
            }
            Next::AfterCompletions => {
                waits += 1;
                let done = flight.swap_remove(rng.below(flight.len() as u64) as usize);
                stream.completed(&done, 0);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(most > 4 && waits > 1000, "{most} {waits}");
}

#[test]
fn a_change_of_one_aspect_leaves_the_others() {
    let mut spec = spec_for_tests();
    spec.mix = [70.0, 30.0, 0.0];
    spec.time_based = true;
    let plain = run(&spec, 1, 2000);
    let kinds = |ops: &[Op]| ops.iter().map(|op| op.kind).collect::<Vec<_>>();
    let mut sized = spec.clone();
    sized.block_sizes[0] = BlockSizes::Range {
        min: 4096,
        max: 65536,
    };
    let sized = run(&sized, 1, 2000);
    assert_eq!(kinds(&plain), kinds(&sized));
    let of_writes = |ops: &[Op]| -> Vec<u64> {
        let writes = ops.iter().filter(|op| op.kind == OpKind::Write);
        writes.map(|op| op.offset).collect()
    };
    assert_eq!(of_writes(&plain), of_writes(&sized));
    spec.seed += 1;
    let other = run(&spec, 1, 2000);
    assert_ne!(kinds(&plain), kinds(&other));
    assert_ne!(of_writes(&plain), of_writes(&other));
}

#[test]
fn refuses_contradictions_by_name() {
    let refused = |change: fn(&mut StreamSpec), part: &str| {
        let mut spec = spec_for_tests();
        change(&mut spec);
        let error = OpStream::new(&spec).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(|spec| spec.regions.clear(), "no file");
    refused(|spec| spec.regions[0].size = 4095, "holds no read of 4096");
    refused(|spec| spec.mix = [0.0; 3], "mix");
    refused(|spec| spec.mix[0] = f64::NAN, "mix");
    refused(
        |spec| spec.percentage_random[0] = 101.0,
        "percentage_random",
    );
    refused(
        |spec| (spec.thinktime_ns, spec.thinktime_blocks) = (1, 0),
        "hink time",
    );
    refused(
        |spec| spec.block_sizes[0] = BlockSizes::Fixed { bytes: 0 },
        "block size 0",
    );
    refused(|spec| spec.regions[0].offset = u64::MAX, "2^64");
    refused(
        |spec| {
            spec.data.verify = Some(crate::verify::spec_for_tests());
            spec.block_align[0] = 512;
        },
        "aligned to 512",
    );
}
