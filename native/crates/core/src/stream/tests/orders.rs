//! The orders that only some jobs ask for, held against what fio 3.33 wrote with `write_iolog`.

use super::*;
use crate::spec::{FileService, OrderSpec, StridedZones};

fn blocks(ops: &[Op]) -> Vec<u64> {
    ops.iter().map(|op| op.offset / 4096).collect()
}

/// Sequential reads of 4 KiB over 1 MiB.
fn sequential() -> StreamSpec {
    let mut spec = spec_for_tests();
    spec.pattern = Pattern::Sequential;
    spec.regions = regions(&[(0, 1 << 20)]);
    spec.io_bytes = 1 << 20;
    spec
}

fn zones(size: u64, range: u64, skip: u64) -> StridedZones {
    StridedZones { size, range, skip }
}

#[test]
fn zones_are_walked_as_in_fio() {
    let mut spec = sequential();
    spec.zones = Some(zones(8 << 10, 16 << 10, 100 << 10));
    spec.io_bytes = 128 << 10;
    // fio: bs=4k size=128k zonesize=8k zonerange=16k zoneskip=100k on a file of 1 MiB.
    let expected = [
        0, 4096, 118_784, 122_880, 237_568, 241_664, 356_352, 360_448, 475_136, 479_232, 593_920,
        598_016, 712_704, 716_800, 831_488, 835_584, 950_272, 954_368, 0, 4096, 118_784, 122_880,
        237_568, 241_664, 356_352, 360_448, 475_136, 479_232, 593_920, 598_016, 712_704, 716_800,
    ];
    assert_eq!(offsets(&run(&spec, 1, usize::MAX)), expected);
    // Twice the range in each zone: it is read again.
    spec.zones = Some(zones(32 << 10, 16 << 10, 100 << 10));
    assert_eq!(
        blocks(&run(&spec, 1, 12)),
        [0, 1, 2, 3, 0, 1, 2, 3, 29, 30, 31, 32]
    );
}

#[test]
fn random_zones_hold_each_block_once_for_each_time_the_range_is_used() {
    let mut spec = sequential();
    spec.pattern = Pattern::Random;
    spec.random_map = true;
    spec.io_bytes = 128 << 10;
    spec.zones = Some(zones(32 << 10, 16 << 10, 100 << 10));
    let ops = run(&spec, 1, usize::MAX);
    assert_eq!(ops.len(), 32);
    // fio 3.33, the same job: 0..4 twice, 29..33 twice, 58..62 twice, 87..91 twice.
    for (index, part) in ops.chunks(4).enumerate() {
        let mut part = blocks(part);
        part.sort_unstable();
        let first = [0, 29, 58, 87][index / 2];
        assert_eq!(part, (first..first + 4).collect::<Vec<_>>());
    }
    spec.random_map = false;
    for (index, op) in run(&spec, 1, usize::MAX).iter().enumerate() {
        let first = [0, 29, 58, 87][index / 8];
        assert!((first..first + 4).contains(&(op.offset / 4096)));
    }
}

#[test]
fn the_walk_stays_in_the_region_however_zones_fit_it() {
    for (size, range, skip) in [
        (4096, 4096, 0),
        (100 << 10, 300 << 10, 5 << 10),
        (1 << 30, 1 << 30, 0),
    ] {
        for (pattern, map) in [
            (Pattern::Sequential, false),
            (Pattern::Random, true),
            (Pattern::Random, false),
        ] {
            let mut spec = sequential();
            spec.pattern = pattern;
            spec.random_map = map;
            spec.mix = [50.0, 50.0, 0.0];
            spec.regions = regions(&[(8192, 1_000_000), (4096, 500_000)]);
            spec.io_bytes = 20 << 20;
            spec.zones = Some(zones(size, range, skip));
            spec.loops = 2;
            for op in run(&spec, 4, usize::MAX) {
                let region = spec.regions[usize::from(op.file)];
                assert!(op.offset >= region.offset);
                assert!(op.offset + u64::from(op.length) <= region.offset + region.size);
            }
        }
    }
}

fn files_of(service: FileService, pattern: Pattern) -> Vec<Op> {
    let mut spec = sequential();
    spec.pattern = pattern;
    spec.random_map = true;
    spec.regions = regions(&[(0, 64 << 10); 4]);
    spec.io_bytes = 256 << 10;
    spec.order.file_service = service;
    run(&spec, 1, usize::MAX)
}

#[test]
fn files_are_served_as_in_fio() {
    let files = |ops: &[Op]| ops.iter().map(|op| op.file).collect::<Vec<_>>();
    for pattern in [Pattern::Sequential, Pattern::Random] {
        // fio 3.33 with nrfiles=4 size=256k bs=4k: two of each in turn; each to its end.
        let ops = files_of(FileService::RoundRobin { ops_per_file: 2 }, pattern);
        let expected: Vec<u16> = (0..64).map(|index| index / 2 % 4).collect();
        assert_eq!(files(&ops), expected);
        let ops = files_of(FileService::Sequential, pattern);
        let expected: Vec<u16> = (0..64).map(|index| index / 16).collect();
        assert_eq!(files(&ops), expected);
        // Runs of three, but for the ends of files; every block once.
        let ops = files_of(FileService::Random { ops_per_file: 3 }, pattern);
        let mut seen: Vec<_> = ops.iter().map(|op| (op.file, op.offset)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 64);
        let order = files(&ops);
        let runs = order
            .chunk_by(|a, b| a == b)
            .filter(|run| run.len() % 3 == 0);
        assert!(runs.count() > 8, "{order:?}");
    }
}

#[test]
fn skewed_files_are_never_done() {
    // What the busiest two files get, percent, with nrfiles=8 io_size=8m; fio 3.33 gave 94, 93, 84 (they
    // share the middle evenly).
    let cases = [
        (
            FileService::Zipf {
                theta: 1.2,
                center: None,
            },
            94.0,
            90.0,
        ),
        (
            FileService::Pareto {
                h: 0.1,
                center: None,
            },
            93.0,
            90.0,
        ),
        (
            FileService::Normal {
                deviation: 10.0,
                center: None,
            },
            84.0,
            43.0,
        ),
    ];
    for (service, two, one) in cases {
        let mut spec = sequential();
        spec.regions = regions(&[(0, 64 << 10); 8]);
        spec.io_bytes = 8 << 20;
        spec.order.file_service = service;
        let ops = run(&spec, 1, usize::MAX);
        // Files that are used up begin again.
        assert_eq!(ops.len(), 2048);
        let mut shares = [0.0; 8];
        for op in &ops {
            shares[usize::from(op.file)] += 100.0 / 2048.0;
        }
        shares.sort_unstable_by(f64::total_cmp);
        assert!((shares[7] - one).abs() < 4.0, "{service:?} {shares:?}");
        assert!(
            (shares[7] + shares[6] - two).abs() < 3.0,
            "{service:?} {shares:?}"
        );
    }
}

#[test]
fn identical_repeats_each_draw() {
    let mut spec = spec_for_tests();
    spec.ops_per_draw = 4;
    spec.order.identical = true;
    spec.number_ios = Some(400);
    let ops = run(&spec, 1, usize::MAX);
    let draws: Vec<_> = ops.chunks(4).map(|four| four[0].offset).collect();
    for four in ops.chunks(4) {
        assert!(four.iter().all(|op| op.offset == four[0].offset));
    }
    spec.order.identical = false;
    let others = run(&spec, 1, usize::MAX);
    // The draws are the same; the others go on from them.
    assert_eq!(
        draws,
        others
            .chunks(4)
            .map(|four| four[0].offset)
            .collect::<Vec<_>>()
    );
    assert!(
        others
            .chunks(4)
            .any(|four| four[1].offset == four[0].offset + 4096)
    );
}

#[test]
fn sizes_by_randomness() {
    let mut spec = spec_for_tests();
    spec.mix = [50.0, 50.0, 0.0];
    spec.block_sizes[1] = BlockSizes::Fixed { bytes: 16384 };
    spec.block_align = [0; 3];
    spec.percentage_random = [50.0; 3];
    spec.time_based = true;
    spec.order.sizes_by_randomness = true;
    let ops = run(&spec, 1, 4000);
    for kind in [OpKind::Read, OpKind::Write] {
        let mut end = None;
        let mut sequential = 0;
        for op in ops.iter().filter(|op| op.kind == kind) {
            if op.length == 4096 {
                // The small ones are those that go on, or that begin again at the start.
                assert!(end.is_none_or(|end| op.offset == end || op.offset == 0));
                sequential += 1;
            } else {
                assert_eq!(op.length, 16384);
            }
            end = Some(op.offset + u64::from(op.length));
        }
        assert!((900..1100).contains(&sequential), "{sequential}");
    }
    spec.pattern = Pattern::Sequential;
    assert!(run(&spec, 1, 100).iter().all(|op| op.length == 4096));
}

#[test]
fn unaligned_sizes_follow_each_other_without_gaps() {
    let mut spec = sequential();
    spec.block_sizes[0] = BlockSizes::Range {
        min: 4096,
        max: 9000,
    };
    spec.order.unaligned_sizes = true;
    let ops = run(&spec, 1, usize::MAX);
    assert!(ops.iter().any(|op| op.length % 4096 != 0));
    for pair in ops.windows(2) {
        assert_eq!(pair[0].offset + u64::from(pair[0].length), pair[1].offset);
    }
    spec.pattern = Pattern::Random;
    spec.random_map = true;
    let mut spans: Vec<_> = run(&spec, 1, usize::MAX)
        .iter()
        .map(|op| (op.offset, op.offset + u64::from(op.length)))
        .collect();
    spans.sort_unstable();
    assert!(spans.len() > 100);
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0));
}

#[test]
fn the_shift_register_visits_each_block_once_without_a_map() {
    let mut spec = sequential();
    spec.pattern = Pattern::Random;
    spec.order.lfsr = true;
    let mut orders = Vec::new();
    for seed in [1, 2] {
        spec.seed = seed;
        let order = blocks(&run(&spec, 1, usize::MAX));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..256).collect::<Vec<_>>());
        orders.push(order);
    }
    assert_ne!(orders[0], orders[1]);
    // Two passes differ in where they begin.
    spec.io_bytes = 2 << 20;
    let twice = blocks(&run(&spec, 1, usize::MAX));
    assert_eq!(twice.len(), 512);
    assert_ne!(twice[..256], twice[256..]);
}

#[test]
fn the_default_asks_for_nothing() {
    let spec = sequential();
    let mut text = serde_json::to_value(&spec).unwrap();
    for field in ["order", "zones", "trims"] {
        text.as_object_mut().unwrap().remove(field);
    }
    let read: StreamSpec = serde_json::from_value(text).unwrap();
    assert_eq!(read.order, OrderSpec::default());
    assert_eq!(read, spec);
}

#[test]
fn files_beyond_those_that_may_be_open_wait_their_turn() {
    let mut spec = sequential();
    spec.regions = regions(&[(0, 16 << 10); 4]);
    spec.io_bytes = 64 << 10;
    spec.order.open_files = 2;
    let files: Vec<u16> = run(&spec, 1, usize::MAX).iter().map(|op| op.file).collect();
    // fio 3.33 with nrfiles=4 openfiles=2 size=64k bs=4k.
    assert_eq!(files, [0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3]);
    spec.order.file_service = FileService::Random { ops_per_file: 1 };
    let files: Vec<u16> = run(&spec, 1, usize::MAX).iter().map(|op| op.file).collect();
    for at in 0..files.len() {
        // In use: begun and not done.
        let used = |file: &u16| files[..=at].contains(file) && files[at..].contains(file);
        assert!((0..4).filter(used).count() <= 2, "{files:?}");
    }
}

#[test]
fn rounds_count_how_often_the_files_begin_anew() {
    for random in [false, true] {
        let mut spec = sequential();
        spec.regions = regions(&[(0, 16 << 10); 2]);
        spec.time_based = true;
        if random {
            spec.pattern = Pattern::Random;
            spec.random_map = true;
        }
        let mut stream = OpStream::new(&spec).unwrap();
        for operation in 0..80 {
            assert!(matches!(stream.next(0), Next::Op(_)));
            // Eight blocks in all.
            assert_eq!(stream.rounds(), operation / 8, "{random} {operation}");
        }
    }
}
