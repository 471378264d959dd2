//! What a job does with its files: how many are open, who has them, how they are made and flushed.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use osdyno_device::outcome::RunOutcome;
use osdyno_device::run::Run;
use osdyno_device::spec::RunSpec;
use serde_json::{Value, json};

const BLOCK: u64 = 4096;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("osdyno-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Paths of files of so many blocks; 0 = they are not there.
    fn files(&self, count: usize, blocks: u64) -> Vec<PathBuf> {
        let path = |number| self.0.join(format!("f{number}"));
        let paths: Vec<PathBuf> = (0..count).map(path).collect();
        for path in paths.iter().filter(|_| blocks > 0) {
            std::fs::write(path, vec![1_u8; (blocks * BLOCK) as usize]).unwrap();
        }
        paths
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A job over whole files that addresses each block once, in turn over the files.
fn job(engine: &Value, writes: bool, depth: u32, files: &[PathBuf], blocks: u64) -> Value {
    let fixed = json!({"kind": "fixed", "bytes": BLOCK});
    let closed = json!({"kind": "closed"});
    let random = json!({"kind": "random"});
    let size = blocks * BLOCK;
    json!({
        "name": "test",
        "engine": engine,
        "files": files.iter().map(|path| json!({"path": path})).collect::<Vec<_>>(),
        "write": writes,
        "direct": false,
        "sync": "none",
        "iodepth": depth,
        "maxBlock": BLOCK,
        "runtimeNs": null,
        "stream": {
            "seed": 7,
            "pattern": "sequential",
            "mix": if writes { [0.0, 100.0, 0.0] } else { [100.0, 0.0, 0.0] },
            "opsPerDraw": 1,
            "regions": vec![json!({"offset": 0, "size": size}); files.len()],
            "blockSizes": [fixed, fixed, fixed],
            "blockAlign": [BLOCK, BLOCK, BLOCK],
            "distribution": [random, random, random],
            "percentageRandom": [100.0, 100.0, 100.0],
            "randomMap": true,
            "ioBytes": size * files.len() as u64,
            "numberIos": null,
            "loops": 1,
            "timeBased": false,
            "arrival": [closed, closed, closed],
            "thinktimeBlocks": 1,
            "data": {"zero": false, "refill": false, "compressPercent": 0.0, "verify": null},
            "order": {},
        },
        "control": {},
    })
}

fn start(jobs: &[Value]) -> Run {
    let spec = json!({"jobs": jobs, "intervalNs": 50_000_000, "hiccups": false});
    let spec: RunSpec = serde_json::from_value(spec).unwrap();
    Run::start(spec).unwrap()
}

/// Open descriptors below a folder, in this process.
fn open_below(folder: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    links
        .filter_map(|link| std::fs::read_link(link.ok()?.path()).ok())
        .filter(|path| path.starts_with(folder))
        .count()
}

fn operations(outcome: &RunOutcome) -> Vec<u64> {
    assert!(
        outcome.jobs.iter().all(|job| job.end.error.is_none()),
        "{outcome:?}"
    );
    let sum = |job: &osdyno_device::outcome::JobOutcome| {
        let measured = &job.measured;
        [&measured.read, &measured.write]
            .into_iter()
            .flatten()
            .map(|one| one.ios)
            .sum()
    };
    outcome.jobs.iter().map(sum).collect()
}

#[test]
fn at_most_so_many_files_are_open() {
    let engines = [
        json!({"kind": "psync"}),
        json!({"kind": "libaio"}),
        json!({"kind": "io_uring"}),
    ];
    for (number, engine) in engines.iter().enumerate() {
        for service in ["roundrobin", "sequential", "random"] {
            let folder = Folder::new(&format!("openfiles-{number}-{service}"));
            let (count, blocks) = (9, 300);
            let files = folder.files(count, blocks);
            let mut job = job(engine, true, 4, &files, blocks);
            job["control"]["openFiles"] = json!(2);
            job["control"]["fsyncOnClose"] = json!(true);
            job["stream"]["order"]["openFiles"] = json!(2);
            job["stream"]["order"]["fileService"] = json!({"kind": service, "opsPerFile": 1});
            let run = start(&[job]);
            let mut most = 0;
            while !run.poll().finished {
                most = most.max(open_below(&folder.0));
            }
            assert!(most <= 2, "{engine} {service}: {most}");
            assert_eq!(operations(&run.result()), [count as u64 * blocks]);
            assert_eq!(open_below(&folder.0), 0);
        }
    }
}

#[test]
fn files_are_made_when_they_are_opened() {
    let folder = Folder::new("create-on-open");
    let files = folder.files(2, 0);
    let mut job = job(&json!({"kind": "psync"}), true, 1, &files, 10);
    job["control"]["createOnOpen"] = json!(true);
    assert_eq!(operations(&start(&[job]).result()), [20]);
    for file in files {
        assert_eq!(std::fs::metadata(file).unwrap().len(), 10 * BLOCK);
    }
}

#[test]
fn jobs_take_turns_on_a_locked_file() {
    for (mode, engine) in [("exclusive", "psync"), ("readwrite", "io_uring")] {
        let folder = Folder::new(&format!("lock-{mode}"));
        let files = folder.files(1, 100);
        let of = |writes| {
            let mut job = job(&json!({"kind": engine}), writes, 4, &files, 100);
            job["control"]["lockFile"] = json!(mode);
            job["stream"]["loops"] = json!(20);
            job
        };
        let run = start(&[of(true), of(false), of(false)]);
        assert_eq!(operations(&run.result()), [2000; 3], "{mode} {engine}");
    }
}

#[test]
fn ranges_are_flushed_after_so_many_writes() {
    for engine in ["psync", "libaio", "io_uring"] {
        let folder = Folder::new(&format!("range-{engine}"));
        let files = folder.files(2, 64);
        let mut job = job(&json!({"kind": engine}), true, 8, &files, 64);
        job["stream"]["rangeFlush"] = json!({"every": 8, "flags": 7});
        let outcome = start(&[job]).result();
        assert_eq!(operations(&outcome), [128]);
        // The last one is due after the last write, when the stream has ended.
        let flushes = outcome.jobs[0]
            .measured
            .sync
            .buckets
            .iter()
            .map(|(_, count)| count)
            .sum::<u64>();
        assert!((15..=16).contains(&flushes), "{engine}: {flushes}");
    }
}
