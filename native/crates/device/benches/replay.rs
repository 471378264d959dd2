//! Replay at speed: how fast traces of each format are looked at, and how late a million operations
//! are that are replayed ten times as fast as recorded, on the null engine. The trace has version 2's
//! waits, exponential, 10,000 operations a second; fixed seed.
//! `cargo bench -p osdyno-device --bench replay [-- --quick]`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use osdyno_core::hlog;
use osdyno_core::rng::mix64;
use osdyno_core::trace::blktrace::{
    ACTION_QUEUE, CATEGORY_READ, CATEGORY_WRITE, EVENT_BYTES, Event, Order,
};
use osdyno_device::replay::TraceSpec;
use osdyno_device::replay::scan::scan;
use osdyno_device::run::Run;
use osdyno_device::spec::RunSpec;
use serde_json::{Value, json};

/// Mean distance of operations in the trace, us.
const GAP_US: f64 = 100.0;

/// Time of operation `index` after the one before it, us, its place and whether it writes.
fn draw(index: u64) -> (u64, u64, bool) {
    let uniform = (mix64(index * 2 + 1) >> 11) as f64 / (1_u64 << 53) as f64;
    let gap = -(1.0 - uniform).ln() * GAP_US;
    let place = mix64(index * 2 + 2);
    (gap as u64, (place >> 40) * 4096, place.is_multiple_of(4))
}

fn line_of(format: &str, index: u64, at_us: u64, gap_us: u64) -> String {
    let (_, offset, writes) = draw(index);
    let word = if writes { "write" } else { "read" };
    let mut text = String::new();
    let _ = match format {
        "iolog2" => write!(
            text,
            "/dev/x wait {gap_us} 0\n/dev/x {word} {offset} 4096\n"
        ),
        "iolog3" => writeln!(text, "{at_us} /dev/x {word} {offset} 4096"),
        _ => writeln!(
            text,
            "  8,0    1 {index:8} {:5}.{:09} {:5}  Q   {} {} + 8 [bench]",
            at_us / 1_000_000,
            at_us % 1_000_000 * 1000,
            77,
            if writes { "W" } else { "R" },
            offset / 512
        ),
    };
    text
}

fn event_of(index: u64, at_us: u64) -> [u8; EVENT_BYTES] {
    let (_, offset, writes) = draw(index);
    let category = if writes {
        CATEGORY_WRITE
    } else {
        CATEGORY_READ
    };
    let event = Event {
        sequence: index as u32,
        time_ns: at_us * 1000,
        sector: offset / 512,
        bytes: 4096,
        action: ACTION_QUEUE | category,
        device: 8 << 20,
        ..Event::default()
    };
    event.encode(Order::Little)
}

fn write_trace(folder: &Path, format: &str, operations: u64) -> std::io::Result<PathBuf> {
    let path = folder.join(format);
    let mut out = BufWriter::new(std::fs::File::create(&path)?);
    if let Some(version) = format.strip_prefix("iolog") {
        writeln!(out, "fio version {version} iolog")?;
    }
    let mut at_us = 0;
    for index in 0..operations {
        let (gap_us, ..) = draw(index);
        at_us += gap_us;
        if format == "blktrace" {
            out.write_all(&event_of(index, at_us))?;
        } else {
            out.write_all(line_of(format, index, at_us, gap_us).as_bytes())?;
        }
    }
    out.flush()?;
    Ok(path)
}

fn job(trace: &Path, percent: f64) -> Value {
    let fixed = json!({"kind": "fixed", "bytes": 4096});
    let closed = json!({"kind": "closed"});
    let plain = json!({"kind": "random"});
    json!({
        "name": "replay", "engine": {"kind": "null"}, "files": [], "write": true, "direct": false,
        "sync": "none", "iodepth": 32, "maxBlock": 4096, "runtimeNs": null,
        "stream": {
            "seed": 1, "pattern": "random", "mix": [75, 25, 0], "opsPerDraw": 1,
            "regions": [{"offset": 0, "size": 1_u64 << 40}],
            "blockSizes": [fixed, fixed, fixed], "blockAlign": [0, 0, 0],
            "distribution": [plain, plain, plain], "percentageRandom": [100, 100, 100],
            "randomMap": false, "ioBytes": 0, "numberIos": null, "loops": 1, "timeBased": false,
            "arrival": [closed, closed, closed], "thinktimeBlocks": 1,
            "data": {"zero": false, "refill": false, "compressPercent": 0, "verify": null}
        },
        "trace": {
            "inputs": [{"path": trace}], "files": [{"name": "/dev/x", "file": 0}],
            "paced": percent > 0.0, "shape": {"timeScalePercent": percent.max(1.0)}
        }
    })
}

fn replay(trace: &Path, percent: f64) -> Result<(), Box<dyn Error>> {
    let spec =
        json!({"jobs": [job(trace, percent)], "intervalNs": 1_000_000_000, "hiccups": false});
    let spec: RunSpec = serde_json::from_value(spec)?;
    let outcome = Run::start(spec)?.result().jobs.remove(0);
    if let Some(error) = outcome.end.error {
        return Err(error.message.into());
    }
    let (read, write) = (outcome.measured.read, outcome.measured.write);
    let ios = [&read, &write].map(|side| side.as_ref().map_or(0, |side| side.ios));
    let count: u64 = ios.iter().sum();
    let rate = count as f64 / outcome.end.measured_ns as f64 * 1e3;
    if percent <= 0.0 {
        println!("as fast as it can: {count} operations, {rate:.2} million a second");
        return Ok(());
    }
    let read = read.ok_or("nothing was read")?;
    let wait = hlog::decode(&read.wait.hdr)?;
    let at = |percentile: f64| wait.value_at_percentile(percentile) as f64 / 1e3;
    println!(
        "at {percent}%: {count} operations, {rate:.3} million a second; lateness of reads \
         p50 {:.2} us, p99 {:.2} us, p99.9 {:.2} us, most {:.2} us",
        at(50.0),
        at(99.0),
        at(99.9),
        read.wait.totals.max_ns as f64 / 1e3
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let operations = if quick { 20_000 } else { 1_000_000 };
    let folder = std::env::temp_dir().join(format!("osdyno-bench-replay-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let work = || -> Result<(), Box<dyn Error>> {
        for format in ["iolog2", "iolog3", "blktrace", "blkparse"] {
            let path = write_trace(&folder, format, operations)?;
            let spec: TraceSpec = serde_json::from_value(json!({"inputs": [{"path": path}]}))?;
            let start = Instant::now();
            let facts = scan(&spec, &AtomicBool::new(false))?;
            let seconds = start.elapsed().as_secs_f64();
            let bytes = std::fs::metadata(&path)?.len();
            println!(
                "{format:9} {:8.2} million operations a second, {:7.1} MB/s, last at {} ns",
                operations as f64 / seconds / 1e6,
                bytes as f64 / seconds / 1e6,
                facts.last_ns
            );
        }
        let waits = folder.join("iolog2");
        for percent in [1000.0, 3000.0, 0.0] {
            replay(&waits, percent)?;
        }
        Ok(())
    };
    let done = work();
    std::fs::remove_dir_all(&folder)?;
    done
}
