//! The path of an operation allocates nothing: not in the stream, its backlog, the data or the checks.

#![allow(clippy::unwrap_used)] // Outside #[test] functions Clippy does not see a test.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use osdyno_core::data::DataSource;
use osdyno_core::op::{FLAG_READ_BACK, Next, Op, OpKind};
use osdyno_core::spec::StreamSpec;
use osdyno_core::stream::OpStream;
use osdyno_core::verify::Verifier;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // During a thread's end the counter is gone; nobody counts then.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn spec(changes: &serde_json::Value) -> StreamSpec {
    let random = serde_json::json!({"kind": "random"});
    let fixed = serde_json::json!({"kind": "fixed", "bytes": 4096});
    let closed = serde_json::json!({"kind": "closed"});
    let size = 4 << 20;
    let mut all = serde_json::json!({
        "seed": 1, "pattern": "random", "mix": [50.0, 50.0, 0.0], "opsPerDraw": 1,
        "regions": [{"offset": 0, "size": size}, {"offset": 0, "size": size}],
        "blockSizes": [fixed, fixed, fixed], "blockAlign": [4096, 4096, 4096],
        "distribution": [random, random, random], "percentageRandom": [100.0, 100.0, 100.0],
        "randomMap": true, "ioBytes": size, "numberIos": null, "loops": 1, "timeBased": true,
        "arrival": [closed, closed, closed], "thinktimeBlocks": 1, "fsyncEvery": 3,
        "data": {"zero": false, "refill": true, "compressPercent": 30.0, "verify": null},
    });
    let all_fields = all.as_object_mut().unwrap();
    all_fields.extend(changes.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

const DEPTH: usize = 32;

/// Allocations of 50,000 steps at a depth of 32, with a backlog that overflows now and then.
fn allocations(spec: &StreamSpec) -> u64 {
    let mut stream = OpStream::new(spec).unwrap();
    let mut source = DataSource::new(spec, 65536, 1);
    let mut verifier = Verifier::new(spec);
    let mut buf = vec![0; 65536];
    let mut flight: Vec<Op> = Vec::with_capacity(DEPTH);
    let (mut now, mut dropped) = (0, 0);
    let before = ALLOCATIONS.get();
    for step in 0..50_000_u64 {
        now += 900;
        let mut waits = flight.len() == DEPTH;
        if !waits {
            match stream.next(now) {
                Next::Op(op) => {
                    let buf = &mut buf[..op.length as usize];
                    if op.kind == OpKind::Write {
                        source.fill(&op, 0, buf);
                        if let Some(verifier) = &mut verifier {
                            verifier.stamp(&op, buf);
                            assert!(verifier.check_read(&op, buf).is_none());
                        }
                    }
                    if let (OpKind::Trim, Some(verifier)) = (op.kind, &mut verifier) {
                        verifier.trimmed(&op, false);
                    }
                    if op.flags & FLAG_READ_BACK != 0
                        && let Some(verifier) = &mut verifier
                    {
                        verifier.was_read_back(&op);
                    }
                    flight.push(op);
                }
                Next::NotBefore(time) => now = time,
                Next::AfterCompletions => waits = true,
                Next::LoopEnd | Next::Done => unreachable!("time based"),
            }
        }
        if waits {
            let op = flight.swap_remove(step as usize % flight.len());
            stream.completed(&op, now);
        }
        dropped += stream.drop_backlog(now, 20);
    }
    let scheduled = spec
        .arrival
        .iter()
        .any(|arrival| !matches!(arrival, osdyno_core::spec::Arrival::Closed));
    assert_eq!(dropped > 0, scheduled);
    ALLOCATIONS.get() - before
}

#[test]
fn the_path_of_an_operation_allocates_nothing() {
    let poisson = serde_json::json!({"kind": "poisson", "rate": 1e6});
    let profile = serde_json::json!({
        "kind": "profile", "points": [[0, 1e5], [1_000_000, 3e6]], "poisson": true, "repeat": true,
    });
    let range = serde_json::json!({"kind": "range", "min": 4096, "max": 65536});
    let verify = |kind: &str| {
        serde_json::json!({"zero": false, "refill": false, "compressPercent": 0.0, "verify": {
            "kind": kind, "pattern": [1, 2, 3], "patternOffsets": [1], "fatal": true,
            "readBack": true, "interval": 4096,
        }})
    };
    let mut backlog = verify("sha512");
    backlog["verify"]["backlog"] = serde_json::json!(16);
    let trims = serde_json::json!({
        "percent": 30.0, "verifyZero": false, "backlog": 5, "backlogBatch": 3,
    });
    for changes in [
        serde_json::json!({}),
        serde_json::json!({"blockSizes": [range, range, range]}),
        serde_json::json!({"arrival": [poisson, profile, poisson]}),
        serde_json::json!({"data": verify("crc32c")}),
        serde_json::json!({"data": verify("pattern"), "randomMap": false}),
        serde_json::json!({"data": verify("md5"), "zones": {
            "sizeBytes": 65536, "rangeBytes": 32768, "skipBytes": 4096,
        }}),
        serde_json::json!({"data": backlog, "trims": trims}),
        serde_json::json!({"data": backlog, "trims": trims, "randomMap": false}),
        serde_json::json!({"order": {"lfsr": true, "fileService": {"kind": "random", "opsPerFile": 3}}}),
        serde_json::json!({"order": {"identical": true, "sizesByRandomness": true}, "opsPerDraw": 3}),
        serde_json::json!({"data": {"zero": false, "refill": true, "compressPercent": 30.0,
            "content": {"pattern": [1, 2], "dedupe": {"percent": 40.0}}, "verify": null}}),
        serde_json::json!({"pattern": "sequential", "thinktimeNs": 5000, "thinktimeBlocks": 7}),
    ] {
        assert_eq!(allocations(&spec(&changes)), 0, "{changes}");
    }
}
