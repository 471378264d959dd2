//! Whole runs of the native job loop.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Seek, SeekFrom, Write};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use osdyno_core::measure::DirectionOutcome;
use osdyno_core::op::Op;
use osdyno_core::spec::{
    Arrival, BlockSizes, DataSpec, Distribution, Jitter, Pattern, Region, StreamSpec,
    SyntheticSpec, ThinktimeSpec, VerifyKind, VerifySpec,
};
use osdyno_device::arena::Arena;
use osdyno_device::clock::now_ns;
use osdyno_device::collect::Collector;
use osdyno_device::control::ControlSpec;
use osdyno_device::engine::null::Null;
use osdyno_device::engine::{Completion, Engine, EngineError, Wait};
use osdyno_device::exchange::JobPort;
use osdyno_device::job_loop::JobLoop;
use osdyno_device::outcome::{JobOutcome, JobState, RunOutcome};
use osdyno_device::run::Run;
use osdyno_device::spec::{
    CacheSpec, CheckFiles, EngineSpec, FileSpec, JobSpec, RunSpec, SyncMode, UringOptions,
};

const BLOCK: u32 = 4096;
const MS: u64 = 1_000_000;

fn io_uring() -> EngineSpec {
    EngineSpec::IoUring(UringOptions::default())
}

/// A job of random reads (or writes) over `blocks` blocks; ends after each block was addressed once.
fn job(engine: EngineSpec, write: bool, blocks: u64, depth: u32) -> JobSpec {
    let size = blocks * u64::from(BLOCK);
    let sizes = BlockSizes::Fixed { bytes: BLOCK };
    JobSpec {
        name: "test".to_owned(),
        engine,
        files: Vec::new(),
        write,
        direct: false,
        sync: SyncMode::None,
        cache: CacheSpec::default(),
        iodepth: depth,
        max_block: BLOCK,
        stream: StreamSpec {
            seed: 7,
            pattern: Pattern::Random,
            mix: if write {
                [0.0, 100.0, 0.0]
            } else {
                [100.0, 0.0, 0.0]
            },
            trim_then_write: false,
            sequential_step: 0,
            ops_per_draw: 1,
            regions: vec![Region { offset: 0, size }],
            block_sizes: [sizes.clone(), sizes.clone(), sizes],
            block_align: [BLOCK; 3],
            distribution: [
                Distribution::Random,
                Distribution::Random,
                Distribution::Random,
            ],
            percentage_random: [100.0; 3],
            random_map: true,
            io_bytes: size,
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
                content: osdyno_core::spec::ContentSpec::default(),
                verify: None,
            },
            order: osdyno_core::spec::OrderSpec::default(),
            zones: None,
            trims: None,
        },
        start_delay_ns: 0,
        runtime_ns: None,
        ramp_ns: 0,
        cpus: Vec::new(),
        backlog_cap: None,
        percentiles: Vec::new(),
        trace: None,
        write_iolog: None,
        control: ControlSpec::default(),
        check_files: CheckFiles::default(),
        objects: false,
        log: None,
    }
}

fn timed(mut job: JobSpec, ms: u64) -> JobSpec {
    job.stream.time_based = true;
    job.runtime_ns = Some(ms * MS);
    job
}

fn scheduled(mut job: JobSpec, arrival: &Arrival) -> JobSpec {
    job.stream.arrival = [arrival.clone(), arrival.clone(), arrival.clone()];
    job
}

fn spec(jobs: Vec<JobSpec>) -> RunSpec {
    RunSpec {
        jobs,
        interval_ns: 50 * MS,
        hiccups: false,
    }
}

fn run(jobs: Vec<JobSpec>) -> RunOutcome {
    Run::start(spec(jobs)).unwrap().result()
}

fn run_one(job: JobSpec) -> JobOutcome {
    run(vec![job]).jobs.remove(0)
}

fn synthetic(change: impl FnOnce(&mut SyntheticSpec)) -> EngineSpec {
    let mut model = SyntheticSpec {
        service_ns: 0,
        jitter: Jitter::None,
        stall_at_ns: None,
        stall_for_ns: 0,
        stall_every_ns: None,
        error_rate: 0.0,
        iops: None,
        bandwidth: None,
        channels: None,
        size: 1 << 30,
        seed: 1,
    };
    change(&mut model);
    EngineSpec::Synthetic { model }
}

/// A file of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, blocks: u64) -> Self {
        let path = std::env::temp_dir().join(format!("osdyno-run-{name}-{}", std::process::id()));
        std::fs::write(&path, vec![0_u8; (blocks * u64::from(BLOCK)) as usize]).unwrap();
        Self(path)
    }

    fn on(&self, mut job: JobSpec) -> JobSpec {
        job.files = vec![FileSpec {
            path: self.0.to_str().unwrap().to_owned(),
            read_only: false,
        }];
        job
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Totals that hold for every direction of a closed loop.
fn assert_whole(direction: &DirectionOutcome, ios: u64) {
    assert_eq!(direction.ios, ios);
    assert_eq!(direction.bytes, ios * u64::from(BLOCK));
    assert_eq!((direction.errors, direction.short_ios), (0, 0));
    for count in [
        direction.service.totals.count,
        direction.wait.totals.count,
        direction.response.totals.count,
        direction.slat.totals.count,
        direction.lat.totals.count,
    ] {
        assert_eq!(count, ios);
    }
    assert_eq!(
        direction.wait.totals.max_ns, 0,
        "a closed loop waits for nothing"
    );
    assert_eq!(
        direction.response.totals.sum_ns,
        direction.lat.totals.sum_ns
    );
    assert_eq!(
        direction.service.totals.sum_ns + direction.slat.totals.sum_ns,
        direction.lat.totals.sum_ns
    );
}

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

trait ErrorMessage {
    fn error_message(&self) -> Option<&str>;
}

impl ErrorMessage for JobOutcome {
    fn error_message(&self) -> Option<&str> {
        self.end.error.as_ref().map(|error| error.message.as_str())
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
fn a_schedule_is_kept_whatever_the_device_does() {
    // Ten thousand a second for 0.4 s on a device that completes at once: exactly what was asked.
    let rate = Arrival::Constant {
        rate: 10_000.0,
        by_bytes: false,
    };
    let outcome = run_one(scheduled(
        timed(job(EngineSpec::Null, false, 1000, 64), 400),
        &rate,
    ));
    let read = outcome.measured.read.unwrap();
    // Never more; fewer only by what fell due while another process held the core as the runtime ended.
    assert!((3600..=4002).contains(&read.ios), "{}", read.ios);
    assert_eq!(read.wait.totals.count, read.ios);
    assert_eq!(
        read.wait.totals.sum_ns + read.lat.totals.sum_ns,
        read.response.totals.sum_ns
    );
    let poisson = Arrival::Poisson {
        rate: 200_000.0,
        by_bytes: false,
    };
    let outcome = run_one(scheduled(
        timed(job(EngineSpec::Null, false, 1000, 8), 500),
        &poisson,
    ));
    let read = outcome.measured.read.unwrap();
    // 100,000 expected, deviation 316.
    assert!(read.ios.abs_diff(100_000) < 2000, "{}", read.ios);
    assert!(outcome.end.generator.busy_share <= 1.0);
}

#[test]
fn a_stall_shows_in_response_times_and_not_in_service_times() {
    // A stall of 100 ms in 800 ms at 1000 a second, one operation at a time: 100 operations wait, the
    // k-th of them 100 - k ms.
    let device = synthetic(|model| {
        model.service_ns = 13_000;
        model.stall_at_ns = Some(300 * MS);
        model.stall_for_ns = 100 * MS;
    });
    let rate = Arrival::Constant {
        rate: 1000.0,
        by_bytes: false,
    };
    let outcome = run_one(scheduled(timed(job(device, false, 1000, 1), 800), &rate));
    let read = outcome.measured.read.unwrap();
    assert!(read.ios.abs_diff(800) <= 2, "{}", read.ios);
    let mean_ns = read.response.totals.sum_ns / read.ios;
    assert!(mean_ns > 5 * MS, "mean {mean_ns}");
    assert!(read.response.totals.max_ns >= 95 * MS);
    assert!(read.wait.totals.max_ns >= 90 * MS);
    // One operation alone saw the stall; all that waited were quick once sent.
    let service_mean = (read.service.totals.sum_ns - read.service.totals.max_ns) / read.ios;
    assert!(service_mean < 5 * MS, "{service_mean}");
    assert!(outcome.end.generator.backlog_max >= 50);
}

#[test]
fn a_backlog_at_its_cap_drops_and_says_so() {
    let device = synthetic(|model| model.iops = Some(100.0));
    let rate = Arrival::Constant {
        rate: 50_000.0,
        by_bytes: false,
    };
    let mut job = scheduled(timed(job(device, false, 1000, 1), 300), &rate);
    job.backlog_cap = Some(1000);
    let outcome = run_one(job);
    let generator = outcome.end.generator;
    assert!(generator.dropped_arrivals > 5000, "{generator:?}");
    assert_eq!(generator.backlog_max, 1000);
}

#[test]
fn a_capped_backlog_bounds_the_wait_and_pauses_count_for_the_rate() {
    let device = synthetic(|model| {
        model.service_ns = 1_000_000;
        model.channels = Some(4);
    });
    let rate = Arrival::Constant {
        rate: 10_000.0,
        by_bytes: false,
    };
    let mut job = scheduled(timed(job(device, false, 1000, 4), 400), &rate);
    job.backlog_cap = Some(100);
    let outcome = run_one(job);
    let read = outcome.measured.read.as_ref().unwrap();
    // A queue of 100 in front of 4 slots: at most 25 services of the slowest service seen.
    let bound = 27 * read.service.totals.max_ns.max(1_000_000);
    assert!(
        read.wait.totals.max_ns <= bound,
        "{} {bound}",
        read.wait.totals.max_ns
    );
    assert_eq!(outcome.end.generator.backlog_max, 100);
    assert!(read.runtime_ns >= outcome.end.measured_ns);
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

fn verifying(mut job: JobSpec, fatal: bool) -> JobSpec {
    job.stream.data.verify = Some(VerifySpec {
        kind: VerifyKind::Crc32c,
        pattern: Vec::new(),
        pattern_offsets: Vec::new(),
        fatal,
        read_back: true,
        interval: BLOCK,
        header_offset: 0,
        backlog: 0,
        backlog_batch: 0,
        async_threads: 0,
        async_cpus: Vec::new(),
        dump: false,
        only: false,
        check_sequence: true,
    });
    job
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

/// Memory that transfers at most 1000 bytes at a time, as devices may.
struct Reluctant {
    bytes: Vec<u8>,
    arena: Arc<Arena>,
    queued: Vec<(Op, u32, u32)>,
    done: Vec<Completion>,
}

impl Engine for Reluctant {
    fn queue(&mut self, op: &Op, slot: u32, tag: u32) -> bool {
        self.queued.push((*op, slot, tag));
        true
    }

    fn commit(&mut self) -> Result<u32, EngineError> {
        let count = self.queued.len() as u32;
        for (op, slot, tag) in self.queued.drain(..) {
            let length = op.length.min(1000) as usize;
            // SAFETY: the slot is lent to this operation.
            let slot = unsafe { self.arena.slot(slot, length) };
            let range = op.offset as usize..op.offset as usize + length;
            match op.kind {
                osdyno_core::op::OpKind::Read => slot.copy_from_slice(&self.bytes[range]),
                _ => self.bytes[range].copy_from_slice(slot),
            }
            self.done.push(Completion {
                tag,
                result: length as i32,
                submitted_ns: now_ns(),
                completed_ns: now_ns(),
            });
        }
        Ok(count)
    }

    fn reap(&mut self, _wait: Wait, out: &mut Vec<Completion>) -> Result<usize, EngineError> {
        let count = self.done.len().min(out.capacity() - out.len());
        out.extend(self.done.drain(..count));
        Ok(count)
    }

    fn ready_fd(&self) -> Option<RawFd> {
        None
    }

    fn notes(&self) -> &[String] {
        &[]
    }
}

fn step_by_hand<E: Engine>(
    job: &JobSpec,
    depth: u32,
    engine: impl FnOnce(Arc<Arena>) -> E,
) -> JobOutcome {
    let arena = Arc::new(Arena::new(depth, BLOCK).unwrap());
    let port = Arc::new(JobPort::new(job.directions()));
    let mut collector = Collector::new(std::slice::from_ref(job), &[Arc::clone(&port)]);
    let engine = engine(Arc::clone(&arena));
    let mut job_loop = JobLoop::new(job, engine, depth, arena, port, 50 * MS).unwrap();
    let origin_ns = now_ns();
    collector.begin(origin_ns);
    job_loop.begin(origin_ns);
    while !job_loop.turn().unwrap().done {}
    job_loop.finish();
    assert!(collector.collect());
    collector.outcome().jobs.remove(0)
}

#[test]
fn short_transfers_go_on_where_they_ended() {
    let blocks = 50;
    let job = verifying(job(EngineSpec::Null, true, blocks, 4), true);
    let outcome = step_by_hand(&job, 4, |arena| Reluctant {
        bytes: vec![0; blocks as usize * BLOCK as usize],
        arena,
        queued: Vec::new(),
        done: Vec::new(),
    });
    // Every byte is in its place: the headers and checksums of all blocks are right.
    assert_eq!(outcome.error_message(), None);
    assert_eq!(outcome.end.verify.unwrap().mismatch_count, 0);
    for direction in [outcome.measured.read, outcome.measured.write] {
        let direction = direction.unwrap();
        assert_eq!((direction.ios, direction.short_ios), (blocks, blocks));
        assert_eq!(direction.bytes, blocks * u64::from(BLOCK));
    }
}

#[test]
fn a_turn_never_waits_for_a_schedule() {
    let rate = Arrival::Constant {
        rate: 100.0,
        by_bytes: false,
    };
    let job = scheduled(timed(job(EngineSpec::Null, false, 1000, 4), 100), &rate);
    let outcome = step_by_hand(&job, 4, |_| Null::new(4));
    assert!(outcome.measured.read.unwrap().ios.abs_diff(10) <= 1);
}
