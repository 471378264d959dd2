//! Verification of whole jobs on files: corruption is found and located, by the job's own thread and by
//! others; bad blocks are dumped; what an earlier run wrote is checked, as far as it came.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use osdyno_core::verify::MismatchKind;
use osdyno_device::outcome::JobOutcome;
use osdyno_device::run::Run;
use osdyno_device::spec::RunSpec;
use serde_json::{Value, json};

const BLOCK: u64 = 4096;

/// A folder of this test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("osdyno-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn merge(into: &mut Value, changes: &Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value.clone(),
    }
}

/// Random writes over a file of `blocks`, each once, verified by SHA-256; with `changes` laid over it.
fn job(path: &Path, blocks: u64, changes: &Value) -> RunSpec {
    fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .and_then(|file| file.set_len(blocks * BLOCK))
        .unwrap();
    let random = json!({"kind": "random"});
    let fixed = json!({"kind": "fixed", "bytes": BLOCK});
    let closed = json!({"kind": "closed"});
    let mut job = json!({
        "name": "verify", "engine": {"kind": "io_uring"}, "files": [{"path": path}], "write": true,
        "direct": false, "sync": "none", "iodepth": 16, "maxBlock": BLOCK, "runtimeNs": null,
        "stream": {
            "seed": 7, "pattern": "random", "mix": [0.0, 100.0, 0.0], "opsPerDraw": 1,
            "regions": [{"offset": 0, "size": blocks * BLOCK}],
            "blockSizes": [fixed, fixed, fixed], "blockAlign": [0, 0, 0],
            "distribution": [random, random, random], "percentageRandom": [100.0, 100.0, 100.0],
            "randomMap": true, "ioBytes": blocks * BLOCK, "numberIos": null, "loops": 1,
            "timeBased": false, "arrival": [closed, closed, closed], "thinktimeBlocks": 1,
            "data": {"zero": false, "refill": true, "compressPercent": 0.0, "verify": {
                "kind": "sha256", "fatal": false, "readBack": true, "interval": BLOCK,
            }},
        },
    });
    merge(&mut job, changes);
    let run = json!({"jobs": [job], "intervalNs": 1_000_000_000, "hiccups": false});
    serde_json::from_value(run).unwrap()
}

fn run(spec: RunSpec) -> JobOutcome {
    Run::start(spec).unwrap().result().jobs.remove(0)
}

fn verify(changes: &Value) -> Value {
    json!({"stream": {"data": {"verify": changes}}})
}

fn corrupt(path: &Path, at: u64) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

const ENGINES: [&str; 2] = ["io_uring", "psync"];

#[test]
fn other_threads_check_as_the_job_itself_does() {
    let folder = Folder::new("verify-async");
    let path = folder.file("data");
    for engine in ENGINES {
        let outcomes = [0, 1, 3].map(|threads| {
            let mut changes = verify(&json!({"asyncThreads": threads, "backlog": 50}));
            merge(&mut changes, &json!({"engine": {"kind": engine}}));
            assert_eq!(
                run(job(&path, 500, &changes))
                    .end
                    .verify
                    .unwrap()
                    .mismatch_count,
                0
            );
            for block in [3, 250, 499] {
                corrupt(&path, block * BLOCK + 1000 + block);
            }
            merge(&mut changes, &verify(&json!({"only": true})));
            let outcome = run(job(&path, 500, &changes));
            assert!(outcome.measured.write.is_none_or(|write| write.ios == 0));
            let mut verify = outcome.end.verify.unwrap();
            verify
                .mismatches
                .sort_by_key(|mismatch| mismatch.offset_bytes);
            verify
        });
        let offsets = outcomes[0]
            .mismatches
            .iter()
            .map(|found| found.offset_bytes / BLOCK);
        assert_eq!(offsets.collect::<Vec<_>>(), [3, 250, 499]);
        assert_eq!(outcomes[0].mismatches[0].what, MismatchKind::Digest);
        assert_eq!(outcomes[0].checked_blocks, 500);
        assert_eq!(outcomes[0], outcomes[1]);
        assert_eq!(outcomes[0], outcomes[2]);
    }
}

#[test]
fn a_fatal_mismatch_ends_the_job_whoever_finds_it() {
    let folder = Folder::new("verify-fatal");
    let path = folder.file("data");
    run(job(&path, 400, &json!({})));
    (0..400).for_each(|block| corrupt(&path, block * BLOCK + 9));
    for threads in [0, 2] {
        let changes = verify(&json!({"asyncThreads": threads, "only": true, "fatal": true}));
        let outcome = run(job(&path, 400, &changes));
        assert_eq!(outcome.end.error.unwrap().errno, libc::EILSEQ);
        assert!((1..=17).contains(&outcome.end.verify.unwrap().mismatch_count));
    }
}

#[test]
fn bad_blocks_are_dumped_beside_what_they_should_be() {
    let folder = Folder::new("verify-dump");
    let path = folder.file("data");
    run(job(&path, 100, &json!({})));
    let at = 42 * BLOCK;
    let good = fs::read(&path).unwrap()[at as usize..(at + BLOCK) as usize].to_vec();
    corrupt(&path, at + 77);
    for threads in [0, 2] {
        let mut changes = verify(&json!({"dump": true, "only": true, "asyncThreads": threads}));
        merge(&mut changes, &json!({"checkFiles": {"folder": folder.0}}));
        let outcome = run(job(&path, 100, &changes));
        assert_eq!(outcome.end.verify.unwrap().mismatch_count, 1);
        let [received, expected] =
            ["received", "expected"].map(|what| folder.file(&format!("data.{at}.{what}")));
        assert_eq!(fs::read(&expected).unwrap(), good);
        let found = fs::read(&received).unwrap();
        let differs = (0..good.len()).filter(|at| good[*at] != found[*at]);
        assert_eq!(differs.collect::<Vec<_>>(), [77]);
        let told = outcome
            .end
            .notes
            .iter()
            .filter(|note| note.starts_with("dumped"));
        assert_eq!(told.count(), 2);
        fs::remove_file(received).unwrap();
        fs::remove_file(expected).unwrap();
    }
}

#[test]
fn trims_leave_zeroes_and_are_checked() {
    let folder = Folder::new("verify-trim");
    let path = folder.file("data");
    let changes = json!({"stream": {"trims": {
        "percent": 40.0, "verifyZero": true, "backlog": 20, "backlogBatch": 0,
    }}});
    let outcome = run(job(&path, 400, &changes));
    let trims = outcome.measured.trim.unwrap().ios;
    assert!((100..220).contains(&trims), "{trims}");
    let verify = outcome.end.verify.unwrap();
    assert_eq!((verify.mismatch_count, verify.checked_blocks), (0, 400));
    let zero = fs::read(&path).unwrap();
    let zero = zero
        .chunks(BLOCK as usize)
        .filter(|block| block.iter().all(|byte| *byte == 0));
    assert_eq!(zero.count() as u64, trims);
}

/// Slow enough to be stopped in the middle.
fn stopped_midway(path: &Path, state: &Path) -> JobOutcome {
    let rate = json!({"kind": "constant", "rate": 20_000.0});
    let changes = json!({
        "stream": {"arrival": [rate, rate, rate]}, "checkFiles": {"state": state},
    });
    let run = Run::start(job(path, 20_000, &changes)).unwrap();
    while run.poll().jobs[0].ios < 300 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    run.stop();
    run.result().jobs.remove(0)
}

#[test]
fn a_run_that_was_stopped_is_checked_as_far_as_it_came() {
    let folder = Folder::new("verify-state");
    let (path, state) = (folder.file("data"), folder.file("state"));
    let outcome = stopped_midway(&path, &state);
    let written = outcome.measured.write.unwrap().ios;
    assert!((300..20_000).contains(&written));
    assert!(
        outcome
            .end
            .notes
            .iter()
            .any(|note| note.contains("verify_state_load"))
    );
    let rate = json!({"kind": "constant", "rate": 20_000.0});
    let resume = json!({
        "stream": {"arrival": [rate, rate, rate], "data": {"verify": {"only": true}}},
        "checkFiles": {"state": state, "load": true},
    });
    let verify = run(job(&path, 20_000, &resume)).end.verify.unwrap();
    assert_eq!((verify.checked_blocks, verify.mismatch_count), (written, 0));
    // A block of those is found when it is bad.
    let first = fs::read(&path).unwrap();
    let is_written = |block: &&[u8]| block.iter().any(|byte| *byte != 0);
    let at = first
        .chunks(BLOCK as usize)
        .position(|block| is_written(&block))
        .unwrap();
    corrupt(&path, at as u64 * BLOCK + 100);
    let verify = run(job(&path, 20_000, &resume)).end.verify.unwrap();
    assert_eq!(verify.mismatches[0].offset_bytes, at as u64 * BLOCK);
    // Another job's state is refused, and so is none at all.
    for (seed, state) in [(8, &state), (7, &folder.file("none"))] {
        let mut other = resume.clone();
        let changes = json!({"stream": {"seed": seed}, "checkFiles": {"state": state}});
        merge(&mut other, &changes);
        let error = Run::start(job(&path, 20_000, &other))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("verify_state_load"), "{error}");
    }
    // A run that came to its end leaves nothing.
    let changes = json!({"checkFiles": {"state": state}});
    assert_eq!(
        run(job(&path, 100, &changes))
            .end
            .verify
            .unwrap()
            .mismatch_count,
        0
    );
    assert!(!state.exists());
}
