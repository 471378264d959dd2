//! Whole runs of the native job loop: how they begin, end and fail, and what they verify.

#![allow(clippy::unwrap_used, reason = "tests")]

mod jobs;

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use osdyno_core::spec::Arrival;
use osdyno_device::outcome::JobState;
use osdyno_device::run::Run;
use osdyno_device::spec::EngineSpec;

use jobs::{
    BLOCK, ErrorMessage, MS, Scratch, assert_whole, io_uring, job, run_one, scheduled, spec,
    synthetic, timed, verifying,
};

#[test]
fn every_engine_does_each_block_once() {
    let blocks = 3000;
    let file = Scratch::new("engines", blocks);
    let size = blocks * u64::from(BLOCK);
    for engine in [
        EngineSpec::Null,
        EngineSpec::Memory { size },
        EngineSpec::Psync,
        EngineSpec::Sync,
        EngineSpec::Pvsync,
        EngineSpec::Pvsync2 {
            hipri: false,
            hipri_percentage: None,
            nowait: false,
            uncached: false,
        },
        EngineSpec::Mmap { thp: false },
        EngineSpec::Pmem,
        EngineSpec::Libaio {
            nowait: false,
            batched: false,
        },
        io_uring(),
        synthetic(|model| model.service_ns = 1000),
    ] {
        for write in [false, true] {
            for depth in [1, 32] {
                let outcome = run_one(file.on(job(engine.clone(), write, blocks, depth)));
                assert_eq!(outcome.error_message(), None, "{engine:?}");
                let (used, unused) = if write {
                    (outcome.measured.write, outcome.measured.read)
                } else {
                    (outcome.measured.read, outcome.measured.write)
                };
                assert_whole(&used.unwrap(), blocks);
                assert!(unused.is_none());
                assert!(!outcome.end.stopped);
                let levels = outcome.end.iodepth_levels;
                assert!((levels.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                assert!(depth == 32 || (levels[0] - 1.0).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn the_runtime_ends_a_job_and_rows_cover_it() {
    let mut first = timed(job(EngineSpec::Null, false, 1000, 4), 230);
    first.ramp_ns = 80 * MS;
    let mut second = timed(
        job(synthetic(|m| m.service_ns = 20_000), true, 1000, 2),
        120,
    );
    second.start_delay_ns = 60 * MS;
    let run = Run::start(spec(vec![first, second])).unwrap();
    // Nobody polls until the end: rows wait.
    let outcome = run.result();
    let poll = run.poll();
    assert!(poll.finished);
    for (index, job) in outcome.jobs.iter().enumerate() {
        let rows: Vec<_> = poll
            .intervals
            .iter()
            .filter(|row| row.job == index)
            .collect();
        let direction = [&job.measured.read, &job.measured.write][index]
            .as_ref()
            .unwrap();
        let mut at = job.end.start_ns;
        for row in &rows {
            assert_eq!(row.end_ns - row.length_ns, at, "rows follow one another");
            assert_eq!(row.warmup, index == 0 && row.end_ns <= 80 * MS);
            at = row.end_ns;
        }
        assert_eq!(at, job.end.end_ns);
        let measured = |field: fn(&osdyno_core::measure::IntervalRow) -> u64| -> u64 {
            rows.iter()
                .filter(|row| !row.warmup)
                .map(|row| field(row))
                .sum()
        };
        assert_eq!(measured(|row| row.ios), direction.ios);
        assert_eq!(measured(|row| row.length_ns), job.end.measured_ns);
        assert!(direction.ios > 0);
    }
    let [first, second] = &outcome.jobs[..] else {
        panic!("two jobs");
    };
    assert!(
        poll.intervals
            .iter()
            .any(|row| row.end_ns == 80 * MS && row.warmup)
    );
    assert_eq!(second.end.start_ns, 60 * MS);
    assert!(first.end.end_ns >= 230 * MS && second.end.end_ns >= 180 * MS);
    assert!(outcome.process_cpu.user_ns + outcome.process_cpu.system_ns > 0);
}

#[test]
fn stop_ends_a_run_that_has_no_end() {
    let mut endless = job(EngineSpec::Null, false, 1000, 4);
    endless.stream.time_based = true;
    let mut delayed = endless.clone();
    delayed.start_delay_ns = 3_600_000_000_000;
    let mut idle = scheduled(
        endless.clone(),
        &Arrival::Constant {
            rate: 0.001,
            by_bytes: false,
        },
    );
    idle.engine = synthetic(|model| model.service_ns = 1000);
    let run = Run::start(spec(vec![endless, delayed, idle])).unwrap();
    while run.poll().jobs[0].ios == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(run.poll().jobs[1].state, JobState::Delayed);
    run.stop();
    run.stop();
    let outcome = run.result();
    assert!(
        outcome
            .jobs
            .iter()
            .all(|job| job.end.stopped && job.end.error.is_none())
    );
    assert!(outcome.jobs[0].measured.read.as_ref().unwrap().ios > 0);
    assert_eq!(outcome.jobs[1].end.measured_ns, 0);
    assert!(
        run.poll()
            .jobs
            .iter()
            .all(|job| job.state == JobState::Done)
    );
}

#[test]
fn a_device_that_never_answers_is_given_up() {
    let device = synthetic(|model| {
        model.stall_at_ns = Some(0);
        model.stall_for_ns = 3_600_000_000_000;
    });
    let run = Run::start(spec(vec![timed(job(device, false, 1000, 3), 3_600_000)])).unwrap();
    std::thread::sleep(Duration::from_millis(120));
    let rows = run.poll().intervals;
    assert!(rows.len() >= 2, "rows come though nothing completes");
    assert!(rows.iter().all(|row| row.ios == 0 && row.inflight <= 3));
    run.stop();
    let outcome = run.result();
    let end = &outcome.jobs[0].end;
    assert!(end.stopped);
    assert!(
        end.notes
            .iter()
            .any(|note| note.starts_with("3 operations")),
        "{:?}",
        end.notes
    );
}

#[test]
fn the_first_error_ends_the_job_and_what_was_measured_stays() {
    let device = synthetic(|model| model.error_rate = 0.01);
    let outcome = run_one(timed(job(device, true, 100_000, 8), 60_000));
    let error = outcome.end.error.as_ref().unwrap();
    assert_eq!(error.errno, libc::EIO);
    assert!(
        error.message.starts_with("write of 4096 bytes at "),
        "{}",
        error.message
    );
    assert!(
        error.message.ends_with(": Input/output error (EIO)"),
        "{}",
        error.message
    );
    let write = outcome.measured.write.unwrap();
    assert!(write.errors >= 1 && write.ios > 0);
    assert_eq!(write.service.totals.count, write.ios);
}

#[test]
fn reading_beyond_the_end_of_a_file_is_an_error_with_its_place() {
    let file = Scratch::new("short", 10);
    for engine in [EngineSpec::Psync, io_uring()] {
        let outcome = run_one(file.on(job(engine, false, 20, 1)));
        let message = outcome.error_message().unwrap();
        assert!(message.ends_with("end of file (EIO)"), "{message}");
        assert!(message.contains(file.0.to_str().unwrap()), "{message}");
    }
}

#[test]
fn a_run_that_cannot_start_says_why_and_starts_nothing() {
    let file = Scratch::new("start", 4);
    let good = file.on(job(io_uring(), true, 4, 1));
    let mut missing = good.clone();
    missing.files[0].path = "/nonexistent/file".to_owned();
    let error = Run::start(spec(vec![good, missing]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nonexistent/file"), "{error}");
    assert!(Run::start(spec(Vec::new())).is_err());
    let mut absurd = job(EngineSpec::Null, false, 4, 0);
    assert!(Run::start(spec(vec![absurd.clone()])).is_err());
    absurd.iodepth = 1;
    absurd.cpus = vec![9999];
    assert!(Run::start(spec(vec![absurd])).is_err());
    assert!(
        std::fs::read(&file.0)
            .unwrap()
            .iter()
            .all(|&byte| byte == 0)
    );
}

#[test]
fn what_was_written_is_read_back_and_counted_as_reads() {
    let file = Scratch::new("verify", 500);
    for engine in [EngineSpec::Psync, io_uring()] {
        let mut job = file.on(verifying(job(engine, true, 500, 16), true));
        job.stream.end_fsync = true;
        job.stream.fdatasync_every = 100;
        let outcome = run_one(job);
        assert_eq!(outcome.error_message(), None);
        assert_whole(outcome.measured.read.as_ref().unwrap(), 500);
        assert_whole(outcome.measured.write.as_ref().unwrap(), 500);
        assert_eq!(outcome.measured.sync.totals.count, 6);
        let verify = outcome.end.verify.unwrap();
        assert_eq!(verify.checked_blocks, 500);
        assert_eq!(verify.checked_bytes, 500 * u64::from(BLOCK));
        assert_eq!(verify.mismatch_count, 0);
    }
}

/// Flips a byte in some blocks.
fn corrupt(path: &Path, blocks: &[u64]) {
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    for block in blocks {
        file.seek(SeekFrom::Start(block * u64::from(BLOCK) + 1000))
            .unwrap();
        file.write_all(&[0x5a, 0xa5, 0x5a]).unwrap();
    }
}

#[test]
fn verification_finds_every_corruption_and_says_where() {
    let file = Scratch::new("corrupt", 200);
    let written = run_one(file.on(verifying(job(EngineSpec::Psync, true, 200, 1), true)));
    assert_eq!(written.error_message(), None);
    let wrong = [3, 77, 199];
    corrupt(&file.0, &wrong);
    // A job that only reads checks what an earlier one wrote.
    let outcome = run_one(file.on(verifying(job(io_uring(), false, 200, 8), false)));
    assert_eq!(outcome.error_message(), None, "not fatal");
    let verify = outcome.end.verify.unwrap();
    assert_eq!((verify.checked_blocks, verify.mismatch_count), (200, 3));
    let mut places: Vec<u64> = verify
        .mismatches
        .iter()
        .map(|mismatch| mismatch.offset_bytes / u64::from(BLOCK))
        .collect();
    places.sort_unstable();
    assert_eq!(places, wrong);
    assert_eq!(verify.mismatches[0].file, file.0.to_str().unwrap());
    let outcome = run_one(file.on(verifying(job(EngineSpec::Psync, false, 200, 1), true)));
    assert_eq!(outcome.end.error.as_ref().unwrap().errno, libc::EILSEQ);
    assert_eq!(outcome.end.verify.unwrap().mismatch_count, 1, "fatal");
}
