//! Cost of the op stream and of verification: median and range of several passes, fixed seed, and a
//! hash of what was produced, so that nothing is optimised away and changes show.
//! `cargo bench -p osdyno-core --bench stream [-- --quick | --only=NAME]`
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use osdyno_core::data::{DataSource, fill_random};
use osdyno_core::op::{Next, Op, OpKind};
use osdyno_core::spec::StreamSpec;
use osdyno_core::stream::OpStream;
use osdyno_core::verify::Verifier;

const PASSES: usize = 9;
const TWO_GIB: u64 = 2 << 30;

/// The simplest job, with `changes` laid over it.
fn spec(changes: &serde_json::Value) -> Result<StreamSpec, serde_json::Error> {
    let random = serde_json::json!({"kind": "random"});
    let fixed = serde_json::json!({"kind": "fixed", "bytes": 4096});
    let closed = serde_json::json!({"kind": "closed"});
    let mut all = serde_json::json!({
        "seed": 1, "pattern": "random", "mix": [100.0, 0.0, 0.0], "opsPerDraw": 1,
        "regions": [{"offset": 0, "size": TWO_GIB}],
        "blockSizes": [fixed, fixed, fixed], "blockAlign": [4096, 4096, 4096],
        "distribution": [random, random, random], "percentageRandom": [100.0, 100.0, 100.0],
        "randomMap": false, "ioBytes": TWO_GIB, "numberIos": null, "loops": 1, "timeBased": true,
        "arrival": [closed, closed, closed], "thinktimeBlocks": 1,
        "data": {"zero": false, "refill": false, "compressPercent": 0.0, "verify": null},
    });
    if let (Some(all), Some(changes)) = (all.as_object_mut(), changes.as_object()) {
        all.extend(changes.clone());
    }
    serde_json::from_value(all)
}

/// Runs `work` `PASSES` times; prints median, least and most of (seconds / `per` * `unit`).
fn report(name: &str, unit: &str, mut work: impl FnMut() -> u64, figure: impl Fn(f64) -> f64) {
    let mut hash = 0;
    let mut figures: Vec<f64> = (0..PASSES)
        .map(|_| {
            let start = Instant::now();
            hash ^= work();
            figure(start.elapsed().as_secs_f64())
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    let (least, median, most) = (figures[0], figures[PASSES / 2], figures[PASSES - 1]);
    println!("{name:32} {median:8.2} {unit} [{least:.2} .. {most:.2}]  hash {hash:016x}");
}

fn mix(hash: u64, op: &Op) -> u64 {
    (hash ^ op.offset ^ op.intended_ns ^ u64::from(op.length) ^ op.kind as u64)
        .rotate_left(7)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn bench_stream(
    name: &str,
    changes: &serde_json::Value,
    operations: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let spec = spec(changes)?;
    let mut stream = OpStream::new(&spec)?;
    let mut now = 0;
    let work = || {
        let mut hash = 0;
        let mut left = operations;
        while left > 0 {
            match black_box(&mut stream).next(now) {
                Next::Op(op) => {
                    hash = mix(hash, &op);
                    stream.completed(black_box(&op), now);
                    left -= 1;
                }
                Next::NotBefore(time) => now = time,
                Next::AfterCompletions | Next::LoopEnd | Next::Done => return hash,
            }
        }
        hash
    };
    report(name, "ns/op", work, |seconds| {
        seconds * 1e9 / operations as f64
    });
    Ok(())
}

fn write_op(sequence: u64) -> Op {
    Op {
        kind: OpKind::Write,
        flags: 0,
        file: 0,
        length: 4096,
        offset: sequence * 4096 % TWO_GIB,
        intended_ns: 0,
        sequence,
        generation: sequence as u32 + 1,
    }
}

fn bench_data(writes: u64) -> Result<(), Box<dyn std::error::Error>> {
    let gigabytes = |seconds: f64| writes as f64 * 4096.0 / seconds / 1e9;
    let mut buf = vec![0; 4096];
    let work = || {
        let mut hash = 0;
        for key in 0..writes {
            fill_random(key, black_box(&mut buf));
            hash ^= u64::from(buf[9]) << (key % 56);
        }
        hash
    };
    report("fill random 4 KiB", "GB/s ", work, gigabytes);
    let verify = serde_json::json!({
        "mix": [0.0, 100.0, 0.0],
        "data": {"zero": false, "refill": false, "compressPercent": 0.0, "verify":
            {"kind": "crc32c", "fatal": true, "readBack": true, "interval": 4096}},
    });
    let spec = spec(&verify)?;
    let mut verifier = Verifier::new(&spec).ok_or("verification is off")?;
    let mut source = DataSource::new(&spec, 4096, 1);
    let mut buf = vec![0; 4096];
    let work = || {
        let mut hash = 0;
        for sequence in 0..writes {
            verifier.stamp(&write_op(sequence), black_box(&mut buf));
            hash ^= u64::from(buf[28]) << (sequence % 56);
        }
        hash
    };
    report("verify: stamp 4 KiB", "GB/s ", work, gigabytes);
    let work = || {
        let mut hash = 0;
        for sequence in 0..writes {
            let op = write_op(sequence);
            source.fill(&op, 0, black_box(&mut buf));
            verifier.stamp(&op, &mut buf);
            hash ^= u64::from(verifier.check_read(&op, &buf).is_some());
            hash ^= u64::from(buf[28]) << (sequence % 56);
        }
        hash
    };
    report("verify: fill, stamp, check", "GB/s ", work, gigabytes);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick" || argument == "--test");
    let operations = if quick { 1000 } else { 2_000_000 };
    let poisson = serde_json::json!({"kind": "poisson", "rate": 1e6});
    let zipf = serde_json::json!({"kind": "zipf", "theta": 1.2, "center": null});
    let cases = [
        ("random", serde_json::json!({})),
        ("random, map", serde_json::json!({"randomMap": true})),
        (
            "random, map, 4k-64k",
            serde_json::json!({"randomMap": true, "blockSizes": [
                {"kind": "range", "min": 4096, "max": 65536},
                {"kind": "range", "min": 4096, "max": 65536},
                {"kind": "range", "min": 4096, "max": 65536},
            ]}),
        ),
        ("sequential", serde_json::json!({"pattern": "sequential"})),
        (
            "zipf 1.2",
            serde_json::json!({"distribution": [zipf, zipf, zipf]}),
        ),
        ("mixed 70/30", serde_json::json!({"mix": [70.0, 30.0, 0.0]})),
        (
            "random, poisson",
            serde_json::json!({"arrival": [poisson, poisson, poisson]}),
        ),
    ];
    let only =
        std::env::args().find_map(|argument| Some(argument.strip_prefix("--only=")?.to_owned()));
    for (name, changes) in &cases {
        if only.as_ref().is_none_or(|only| only == name) {
            bench_stream(name, changes, operations)?;
        }
    }
    if only.is_some() {
        return Ok(());
    }
    bench_data(operations / 20)
}
