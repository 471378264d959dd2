//! Jobs and files for the tests of whole runs.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use osdyno_core::measure::DirectionOutcome;
use osdyno_core::spec::{
    Arrival, BlockSizes, DataSpec, Distribution, Jitter, Pattern, Region, StreamSpec,
    SyntheticSpec, ThinktimeSpec, VerifyKind, VerifySpec,
};
use osdyno_device::control::ControlSpec;
use osdyno_device::outcome::{JobOutcome, RunOutcome};
use osdyno_device::run::Run;
use osdyno_device::spec::{
    CacheSpec, CheckFiles, EngineSpec, FileSpec, JobSpec, RunSpec, SyncMode, UringOptions,
};

pub const BLOCK: u32 = 4096;
pub const MS: u64 = 1_000_000;

pub fn io_uring() -> EngineSpec {
    EngineSpec::IoUring(UringOptions::default())
}

/// A job of random reads (or writes) over `blocks` blocks; ends after each block was addressed once.
pub fn job(engine: EngineSpec, write: bool, blocks: u64, depth: u32) -> JobSpec {
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

pub fn timed(mut job: JobSpec, ms: u64) -> JobSpec {
    job.stream.time_based = true;
    job.runtime_ns = Some(ms * MS);
    job
}

pub fn scheduled(mut job: JobSpec, arrival: &Arrival) -> JobSpec {
    job.stream.arrival = [arrival.clone(), arrival.clone(), arrival.clone()];
    job
}

pub fn spec(jobs: Vec<JobSpec>) -> RunSpec {
    RunSpec {
        jobs,
        interval_ns: 50 * MS,
        hiccups: false,
        write_budget_bytes: None,
    }
}

pub fn run(jobs: Vec<JobSpec>) -> RunOutcome {
    Run::start(spec(jobs)).unwrap().result()
}

pub fn run_one(job: JobSpec) -> JobOutcome {
    run(vec![job]).jobs.remove(0)
}

pub fn synthetic(change: impl FnOnce(&mut SyntheticSpec)) -> EngineSpec {
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
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str, blocks: u64) -> Self {
        let path = std::env::temp_dir().join(format!("osdyno-run-{name}-{}", std::process::id()));
        std::fs::write(&path, vec![0_u8; (blocks * u64::from(BLOCK)) as usize]).unwrap();
        Self(path)
    }

    pub fn on(&self, mut job: JobSpec) -> JobSpec {
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
pub fn assert_whole(direction: &DirectionOutcome, ios: u64) {
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

pub fn verifying(mut job: JobSpec, fatal: bool) -> JobSpec {
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

pub trait ErrorMessage {
    fn error_message(&self) -> Option<&str>;
}

impl ErrorMessage for JobOutcome {
    fn error_message(&self) -> Option<&str> {
        self.end.error.as_ref().map(|error| error.message.as_str())
    }
}
