//! Whole replays: traces that fio 3.33 wrote (`write_iolog`), replayed and recorded again, operation by
//! operation.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use osdyno_device::outcome::JobOutcome;
use osdyno_device::run::Run;
use osdyno_device::spec::{JobSpec, RunSpec};
use serde_json::{Value, json};

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("osdyno-replay-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn golden(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../test/golden/iolog");
    root.join(name).to_str().unwrap().to_owned()
}

/// Times (us), what is done where, and the names in the order in which they are added.
fn read_log(path: &str) -> (Vec<(u64, String)>, Vec<String>) {
    let text = std::fs::read_to_string(path).unwrap();
    let (mut rows, mut names) = (Vec::new(), Vec::new());
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[2] {
            "add" => names.push(words[1].to_owned()),
            "open" | "close" => {}
            // The offset of a flush means nothing: fio leaves there what its unit of I/O had before.
            "sync" | "datasync" => {
                rows.push((
                    words[0].parse().unwrap(),
                    format!("{} {}", words[1], words[2]),
                ));
            }
            _ => rows.push((words[0].parse().unwrap(), words[1..].join(" "))),
        }
    }
    (rows, names)
}

fn job(engine: &Value, files: &[String], trace: &str, record: Option<&str>) -> JobSpec {
    let (_, names) = read_log(trace);
    let sizes = json!({"kind": "fixed", "bytes": 4096});
    let closed = json!({"kind": "closed"});
    let plain = json!({"kind": "random"});
    let opened = files.iter().map(|path| json!({ "path": path }));
    let spec = json!({
        "name": "t", "engine": engine, "files": opened.collect::<Vec<_>>(), "write": true,
        "direct": false, "sync": "none", "iodepth": 4, "maxBlock": 65536, "runtimeNs": null,
        "stream": {
            "seed": 1, "pattern": "random", "mix": [40, 40, 20], "opsPerDraw": 1,
            "regions": names.iter().map(|_| json!({"offset": 0, "size": 1 << 20})).collect::<Vec<_>>(),
            "blockSizes": [sizes, sizes, sizes], "blockAlign": [0, 0, 0],
            "distribution": [plain, plain, plain], "percentageRandom": [100, 100, 100],
            "randomMap": false, "ioBytes": 0, "numberIos": null, "loops": 1, "timeBased": false,
            "arrival": [closed, closed, closed], "thinktimeBlocks": 1,
            "data": {"zero": false, "refill": false, "compressPercent": 0, "verify": null}
        },
        "trace": {
            "inputs": [{"path": trace}],
            "files": names.iter().enumerate()
                .map(|(file, name)| json!({"name": name, "file": file})).collect::<Vec<_>>(),
            "paced": true,
        },
        "writeIolog": record.map(|path| json!({"path": path, "names": names})),
    });
    serde_json::from_value(spec).unwrap()
}

fn run(job: JobSpec) -> JobOutcome {
    let spec = RunSpec {
        jobs: vec![job],
        interval_ns: 50_000_000,
        hiccups: false,
        write_budget_bytes: None,
    };
    Run::start(spec).unwrap().result().jobs.remove(0)
}

fn counts(outcome: &JobOutcome) -> [u64; 3] {
    let all = [
        &outcome.measured.read,
        &outcome.measured.write,
        &outcome.measured.trim,
    ];
    all.map(|direction| direction.as_ref().map_or(0, |direction| direction.ios))
}

#[test]
fn what_fio_recorded_is_sent_again() {
    let folder = Folder::new("golden");
    for (name, engine) in [
        ("mixed.iolog", json!({"kind": "null"})),
        ("mixed.iolog", json!({"kind": "memory", "size": 1 << 20})),
        ("files.iolog", json!({"kind": "null"})),
        ("trims.iolog", json!({"kind": "null"})),
    ] {
        let record = folder.path("record");
        let _ = std::fs::remove_file(&record);
        let outcome = run(job(&engine, &[], &golden(name), Some(&record)));
        assert_eq!(outcome.end.error, None, "{name}");
        let (expected, names) = read_log(&golden(name));
        let (sent, again) = read_log(&record);
        assert_eq!(again, names);
        let what = |rows: &[(u64, String)]| -> Vec<String> {
            rows.iter().map(|(_, what)| what.clone()).collect()
        };
        assert_eq!(what(&sent), what(&expected), "{name}");
        for ((sent_us, _), (trace_us, _)) in sent.iter().zip(&expected) {
            assert!(sent_us >= trace_us, "{name}: {sent_us} before {trace_us}");
        }
        let of = |word: &str| {
            let rows = expected.iter();
            rows.filter(|(_, what)| what.contains(&format!(" {word} ")))
                .count() as u64
        };
        assert_eq!(counts(&outcome), [of("read"), of("write"), of("trim")]);
        let direction = outcome.measured.write.as_ref();
        if let Some(write) = direction.filter(|write| write.ios > 0) {
            assert_eq!(write.wait.totals.count, write.ios);
        }
    }
}

#[test]
fn files_hold_what_the_trace_wrote() {
    let folder = Folder::new("files");
    let (rows, names) = read_log(&golden("files.iolog"));
    let files: Vec<String> = names.iter().map(|name| folder.path(name)).collect();
    for path in &files {
        std::fs::write(path, vec![0; 128 << 10]).unwrap();
    }
    let engine = json!({"kind": "psync"});
    let outcome = run(job(&engine, &files, &golden("files.iolog"), None));
    assert_eq!(outcome.end.error, None);
    for (name, path) in names.iter().zip(&files) {
        let bytes = std::fs::read(path).unwrap();
        for (index, block) in bytes.chunks(4096).enumerate() {
            let write = format!("{name} write {} 4096", index * 4096);
            let written = rows.iter().any(|(_, what)| *what == write);
            assert_eq!(block.iter().any(|byte| *byte != 0), written, "{write}");
        }
    }
}

#[test]
fn files_that_are_only_read_are_opened_so() {
    let folder = Folder::new("read-only");
    let path = folder.path("f");
    std::fs::write(&path, vec![7; 8192]).unwrap();
    let trace = folder.path("trace");
    std::fs::write(&trace, "fio version 3 iolog\n0 f add\n1 f write 0 4096\n").unwrap();
    let mut spec = job(
        &json!({"kind": "psync"}),
        std::slice::from_ref(&path),
        &trace,
        None,
    );
    spec.files[0].read_only = true;
    let outcome = run(spec);
    let error = outcome.end.error.unwrap();
    assert_eq!(error.errno, libc::EBADF, "{}", error.message);
    assert_eq!(std::fs::read(&path).unwrap(), vec![7; 8192]);
}

#[test]
fn a_trace_that_is_cut_ends_the_job_with_what_was_measured() {
    let folder = Folder::new("cut");
    let trace = folder.path("trace");
    let mut text = String::from("fio version 3 iolog\n0 f add\n");
    for index in 0..2_000_000 {
        let _ = writeln!(text, "{} f read {} 4096", index / 100, index % 256 * 4096);
    }
    text += "20001 f wri";
    std::fs::write(&trace, text).unwrap();
    let mut spec = job(&json!({"kind": "null"}), &[], &folder.path("trace"), None);
    if let Some(trace) = &mut spec.trace {
        trace.paced = false;
    }
    let outcome = run(spec);
    let error = outcome.end.error.as_ref().unwrap();
    assert!(error.message.contains("line 2000003"), "{}", error.message);
    assert_eq!(counts(&outcome), [2_000_000, 0, 0]);
}
