//! The hot paths in native code alone: `cargo bench -p osdyno-benches [-- FILTER]`.
//!
//! Allocators on a worn map (half free, a free extent for each MiB, as in the neutral worn map of
//! `osdyno bench allocator`, on 64 GiB), checksums of chunks, compressors on text-like data. Each group
//! prints a hash of what it gave, which must not depend on the machine.
#![allow(clippy::print_stdout)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use osdyno_core::allocator::replay::{History, Replay};
use osdyno_core::allocator::{Allocator, NAMES};
use osdyno_core::checksum::ChecksumKind;
use osdyno_core::compress::{Compressor, CompressorKind};

use osdyno_benches::{BLOCK, Draws, text, worn};

/// One allocation and one release of a random earlier one.
fn allocators(criterion: &mut Criterion) {
    const PLACES: usize = 10_000;
    const STEPS: usize = 1000;
    let mut group = criterion.benchmark_group("allocator");
    group.throughput(Throughput::Elements(STEPS as u64));
    for name in NAMES {
        for want in [4096_u32, 65_536] {
            let mut allocator = worn(name);
            let mut replay = Replay::new(PLACES);
            let mut spent = vec![0.0; PLACES];
            let mut draws = Draws::default();
            let first: Vec<u32> = (0..PLACES as u32).collect();
            let wants = vec![f64::from(want); PLACES];
            let run = |replay: &mut Replay,
                       allocator: &mut dyn Allocator,
                       places: &[u32],
                       spent: &mut [f64]| {
                let history = History {
                    wants: &wants[..places.len()],
                    places,
                    unit: BLOCK,
                };
                if let Err(error) = replay.run(allocator, &history, spent, &|| 0) {
                    panic!("{name}: {error}");
                }
            };
            run(&mut replay, &mut *allocator, &first, &mut spent);
            println!("allocator {name} {want}: result {:08x}", replay.hash());
            let id = BenchmarkId::new(name, format!("{} KiB", want / 1024));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let places: Vec<u32> = (0..STEPS)
                        .map(|_| (draws.draw() % PLACES as u64) as u32)
                        .collect();
                    run(&mut replay, &mut *allocator, &places, &mut spent);
                });
            });
        }
    }
    group.finish();
}

fn checksums(criterion: &mut Criterion) {
    let data = text(65_536);
    let mut group = criterion.benchmark_group("checksum");
    for kind in ChecksumKind::ALL {
        if kind == ChecksumKind::None {
            continue;
        }
        for chunk in [512, 4096, 65_536] {
            let mut values = vec![0; kind.value_bytes()];
            group.throughput(Throughput::Bytes(chunk as u64));
            group.bench_function(BenchmarkId::new(kind.to_string(), chunk), |bencher| {
                bencher.iter(|| kind.checksum(black_box(&data[..chunk]), chunk, &mut values));
            });
            println!("checksum {kind} {chunk}: result {values:02x?}");
        }
    }
    group.finish();
}

fn compressors(criterion: &mut Criterion) {
    let data = text(65_536);
    let mut group = criterion.benchmark_group("compressor");
    group.throughput(Throughput::Bytes(data.len() as u64));
    for kind in CompressorKind::ALL {
        let level = if kind == CompressorKind::Zlib {
            5
        } else {
            kind.levels().0.max(1)
        };
        let level = if kind.levels() == (0, 0) { 0 } else { level };
        let mut compressor =
            Compressor::new(kind, level).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let mut packed = vec![0; 2 * data.len()];
        let length = compressor.compress(&data, &mut packed).unwrap_or(0);
        println!("compressor {kind}: {length} of {} bytes", data.len());
        let mut again = vec![0; 2 * data.len()];
        group.bench_function(BenchmarkId::new(kind.to_string(), "compress"), |bencher| {
            bencher.iter(|| compressor.compress(black_box(&data), &mut again));
        });
        let mut out = vec![0; data.len()];
        group.bench_function(
            BenchmarkId::new(kind.to_string(), "decompress"),
            |bencher| {
                bencher.iter(|| compressor.decompress(black_box(&packed[..length]), &mut out));
            },
        );
    }
    group.finish();
}

criterion_group!(hot_paths, allocators, checksums, compressors);
criterion_main!(hot_paths);
