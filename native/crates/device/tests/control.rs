//! What governs jobs beside their operations: batches, limits, errors, ends, flows.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;

use osdyno_core::measure::DirectionOutcome;
use osdyno_core::op::Op;
use osdyno_device::arena::Arena;
use osdyno_device::clock::now_ns;
use osdyno_device::engine::{Completion, Engine, EngineError, Wait};
use osdyno_device::exchange::JobPort;
use osdyno_device::job_loop::JobLoop;
use osdyno_device::outcome::{JobEnd, JobOutcome, RunOutcome};
use osdyno_device::run::Run;
use osdyno_device::spec::{JobSpec, RunSpec};
use serde_json::{Value, json};

const BLOCK: u64 = 4096;
const MS: u64 = 1_000_000;

/// Lays `changes` over `base`, object by object.
fn merge(base: &mut Value, changes: &Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, changes) => *base = changes.clone(),
    }
}

/// A job of random reads of 4 KiB over `blocks` blocks, each once.
fn job(engine: &Value, depth: u32, blocks: u64, changes: &Value) -> Value {
    let size = blocks * BLOCK;
    let fixed = json!({"kind": "fixed", "bytes": BLOCK});
    let closed = json!({"kind": "closed"});
    let random = json!({"kind": "random"});
    let mut job = json!({
        "name": "test",
        "engine": engine,
        "files": [],
        "write": true,
        "direct": false,
        "sync": "none",
        "iodepth": depth,
        "maxBlock": BLOCK,
        "runtimeNs": null,
        "stream": {
            "seed": 7,
            "pattern": "random",
            "mix": [100.0, 0.0, 0.0],
            "opsPerDraw": 1,
            "regions": [{"offset": 0, "size": size}],
            "blockSizes": [fixed, fixed, fixed],
            "blockAlign": [BLOCK, BLOCK, BLOCK],
            "distribution": [random, random, random],
            "percentageRandom": [100.0, 100.0, 100.0],
            "randomMap": true,
            "ioBytes": size,
            "numberIos": null,
            "loops": 1,
            "timeBased": false,
            "arrival": [closed, closed, closed],
            "thinktimeBlocks": 1,
            "data": {"zero": false, "refill": false, "compressPercent": 0.0, "verify": null},
        },
        "control": {},
    });
    merge(&mut job, changes);
    job
}

fn null() -> Value {
    json!({"kind": "null"})
}

/// A device with a service time, and more.
fn synthetic(changes: &Value) -> Value {
    let mut engine = json!({"kind": "synthetic", "model": {"size": 1 << 30, "seed": 1}});
    merge(&mut engine["model"], changes);
    engine
}

fn timed(ms: u64) -> Value {
    json!({"runtimeNs": ms * MS, "stream": {"timeBased": true}})
}

fn both(first: &Value, second: &Value) -> Value {
    let mut all = first.clone();
    merge(&mut all, second);
    all
}

fn run(jobs: &[Value]) -> RunOutcome {
    let spec = json!({"jobs": jobs, "intervalNs": 50 * MS, "hiccups": false});
    let spec: RunSpec = serde_json::from_value(spec).unwrap();
    Run::start(spec).unwrap().result()
}

fn run_one(job: Value) -> JobOutcome {
    run(&[job]).jobs.remove(0)
}

fn reads(outcome: &JobOutcome) -> &DirectionOutcome {
    outcome.measured.read.as_ref().unwrap()
}

fn queue(submit: u32, least: u32, most: u32, low: u32) -> Value {
    json!({"control": {"queue": {
        "submit": submit, "completeMin": least, "completeMax": most, "low": low,
    }}})
}

/// Shares of batches of 0, 1-4, 5-8, 9-16, 17-32, 33-64 and more.
fn batches(engine: &Value, depth: u32, queue: &Value) -> ([f64; 7], [f64; 7]) {
    let outcome = run_one(job(engine, depth, 2048, queue));
    assert_eq!(outcome.end.error, None);
    assert_eq!(reads(&outcome).ios, 2048);
    (outcome.end.submit_levels, outcome.end.complete_levels)
}

#[test]
fn batches_are_of_the_asked_size() {
    for engine in [null(), synthetic(&json!({"serviceNs": 20_000}))] {
        // One by one, and reaped one by one.
        let (submit, complete) = batches(&engine, 32, &queue(1, 1, 1, 32));
        assert_eq!((submit[1], complete[1]), (1.0, 1.0), "{engine}");
        // Everything at once, and waited for whole.
        let (submit, complete) = batches(&engine, 32, &queue(32, 32, 32, 0));
        assert_eq!((submit[4], complete[4]), (1.0, 1.0), "{engine}");
        // 16 at a time of a queue of 64 that never drains further than half.
        let (submit, complete) = batches(&engine, 64, &queue(16, 16, 16, 64));
        assert_eq!((submit[3], complete[3]), (1.0, 1.0), "{engine}");
    }
}

#[test]
fn a_low_mark_lets_the_queue_drain_before_it_fills() {
    let engine = synthetic(&json!({"serviceNs": 50_000, "jitter": "exp"}));
    let levels = |low| {
        let outcome = run_one(job(&engine, 16, 3200, &queue(1, 1, 1, low)));
        assert_eq!(reads(&outcome).ios, 3200);
        outcome.end.iodepth_levels
    };
    // Refilled after every completion: nearly always sent as the 16th.
    assert!(levels(16)[4] > 0.9, "{:?}", levels(16));
    // Drained to 4 each time: sent as 5th to 16th, in equal parts.
    let drained = levels(4);
    assert!(drained[4] < 0.15, "{drained:?}");
    assert!(drained[2] > 0.2 && drained[3] > 0.5, "{drained:?}");
}

#[test]
fn an_operation_above_the_limit_ends_the_job() {
    let stall = json!({"serviceNs": 1000, "stallAtNs": 60 * MS, "stallForNs": 80 * MS});
    let limit = json!({"control": {"maxLatencyNs": [40 * MS, 0, 0]}});
    let outcome = run_one(job(
        &synthetic(&stall),
        4,
        1000,
        &both(&timed(3000), &limit),
    ));
    let error = outcome.end.error.unwrap();
    assert_eq!(error.errno, libc::ETIMEDOUT);
    assert!(
        error.message.contains("40000000 are allowed"),
        "{}",
        error.message
    );
    assert!(outcome.end.end_ns < 2000 * MS);
    // Another direction's limit is none of ours.
    let other = json!({"control": {"maxLatencyNs": [0, 40 * MS, 0]}});
    let outcome = run_one(job(&synthetic(&stall), 4, 1000, &both(&timed(200), &other)));
    assert_eq!(outcome.end.error, None);
}

fn floor(bytes: u64, iops: u64) -> Value {
    json!({"control": {"rateFloor": {
        "bytes": [bytes, 0, 0], "iops": [iops, 0, 0], "cycleNs": 100 * MS,
    }}})
}

#[test]
fn a_rate_below_its_floor_ends_the_job_after_two_seconds() {
    let slow = synthetic(&json!({"iops": 200.0}));
    let outcomes = run(&[
        job(&slow, 1, 100_000, &both(&timed(2600), &floor(0, 10_000))),
        job(&slow, 1, 100_000, &both(&timed(2600), &floor(1 << 30, 0))),
        job(&slow, 1, 100_000, &both(&timed(2600), &floor(0, 20))),
    ])
    .jobs;
    for (outcome, key) in outcomes.iter().zip(["rate_iops_min", "rate_min"]) {
        let error = outcome.end.error.as_ref().unwrap();
        assert_eq!(error.errno, libc::EIO);
        assert!(error.message.contains(key), "{}", error.message);
        assert!(error.at_ns >= 2000 * MS);
    }
    assert_eq!(outcomes[2].end.error, None);
}

fn errors(continue_on: [bool; 3], dump: bool) -> Value {
    json!({"control": {"errors": {"continueOn": continue_on, "dump": dump}}})
}

#[test]
fn errors_of_a_kind_are_counted_and_outlived() {
    let engine = synthetic(&json!({"errorRate": 0.1}));
    let outlived = run_one(job(&engine, 8, 2000, &errors([true, false, false], false)));
    assert_eq!(outlived.end.error, None);
    let counted = outlived.end.errors.unwrap();
    assert_eq!(counted.first, libc::EIO);
    assert_eq!(counted.total, reads(&outlived).errors);
    assert_eq!(counted.total + reads(&outlived).ios, 2000);
    assert!((120..280).contains(&counted.total), "{counted:?}");
    // Another kind does not help, and without any nothing is reported.
    let fatal = run_one(job(&engine, 8, 2000, &errors([false, true, true], false)));
    assert_eq!(fatal.end.error.unwrap().errno, libc::EIO);
    assert_eq!(fatal.end.errors.unwrap().total, 0);
    let plain = run_one(job(&engine, 8, 2000, &json!({})));
    assert!(plain.end.error.is_some() && plain.end.errors.is_none());
}

#[test]
fn other_errnos_need_a_list_and_dumped_errors_are_named() {
    let engine = synthetic(&json!({"errorRate": 0.05}));
    let list = json!({"control": {"errors": {"ignore": [[libc::ENXIO], [], []]}}});
    let fatal = run_one(job(&engine, 1, 1000, &list));
    assert_eq!(fatal.end.error.unwrap().errno, libc::EIO);
    let told = run_one(job(&engine, 1, 1000, &errors([true; 3], true)));
    let named = |note: &&String| note.starts_with("read of 4096 bytes at");
    let count = told.end.notes.iter().filter(named).count() as u64;
    assert_eq!(count, told.end.errors.unwrap().total.min(100));
}

/// Everything fails with this errno from the `room`th operation on.
struct Full {
    room: u32,
    errno: i32,
    queued: Vec<Completion>,
}

impl Engine for Full {
    fn queue(&mut self, op: &Op, _slot: u32, tag: u32) -> bool {
        let result = if self.room == 0 {
            -self.errno
        } else {
            self.room -= 1;
            op.length as i32
        };
        let now = now_ns();
        self.queued.push(Completion {
            tag,
            result,
            submitted_ns: now,
            completed_ns: now,
        });
        true
    }

    fn commit(&mut self) -> Result<u32, EngineError> {
        Ok(self.queued.len() as u32)
    }

    fn reap(&mut self, _: Wait, out: &mut Vec<Completion>) -> Result<usize, EngineError> {
        let count = self.queued.len();
        out.append(&mut self.queued);
        Ok(count)
    }

    fn ready_fd(&self) -> Option<RawFd> {
        None
    }

    fn notes(&self) -> &[String] {
        &[]
    }
}

fn filled(errno: i32, changes: &Value) -> (u64, JobEnd) {
    let spec = job(&null(), 4, 100, changes);
    let spec: JobSpec = serde_json::from_value(spec).unwrap();
    let port = Arc::new(JobPort::new(spec.directions()));
    let queued = Vec::new();
    let room = 30;
    let engine = Full {
        room,
        errno,
        queued,
    };
    let arena = Arc::new(Arena::new(4, BLOCK as u32).unwrap());
    let mut job = JobLoop::new(&spec, engine, 4, arena, Arc::clone(&port), MS).unwrap();
    job.begin(now_ns());
    job.run();
    job.finish();
    (port.live.view().ios, *port.take_end().unwrap())
}

#[test]
fn a_full_device_is_the_end_of_a_job_that_fills_it() {
    let writes = json!({"stream": {"mix": [0.0, 100.0, 0.0], "pattern": "sequential"}});
    let fills = both(&writes, &json!({"control": {"fillDevice": true}}));
    let (_, plain) = filled(libc::ENOSPC, &writes);
    assert_eq!(plain.error.unwrap().errno, libc::ENOSPC);
    let (ios, full) = filled(libc::ENOSPC, &fills);
    assert_eq!((ios, full.error), (30, None));
    let (_, broken) = filled(libc::EIO, &fills);
    assert_eq!(broken.error.unwrap().errno, libc::EIO);
}

/// A file of `blocks` blocks of zeroes, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, blocks: u64) -> Self {
        let path =
            std::env::temp_dir().join(format!("osdyno-control-{name}-{}", std::process::id()));
        std::fs::write(&path, vec![0_u8; (blocks * BLOCK) as usize]).unwrap();
        Self(path)
    }

    fn writes(&self) -> Value {
        json!({
            "files": [{"path": self.0}],
            "stream": {"mix": [0.0, 100.0, 0.0]},
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn verified() -> Value {
    json!({"stream": {"loopBarrier": true, "data": {"verify": {
        "kind": "crc32c", "fatal": true, "readBack": true, "interval": BLOCK,
    }}}})
}

#[test]
fn each_loop_is_verified_and_a_runtime_ends_that() {
    let file = Scratch::new("loops", 64);
    for engine in [json!({"kind": "psync"}), json!({"kind": "io_uring"})] {
        let loops = both(
            &both(&file.writes(), &verified()),
            &json!({"stream": {"loops": 3}}),
        );
        let outcome = run_one(job(&engine, 8, 64, &loops));
        assert_eq!(outcome.end.error, None);
        let writes = outcome.measured.write.as_ref().unwrap().ios;
        let checked = outcome.end.verify.as_ref().unwrap().checked_bytes;
        assert_eq!((writes, checked), (3 * 64, 3 * 64 * BLOCK), "{engine}");
    }
    // As in fio, the end of the runtime leaves nothing to be read back.
    let timed = both(&both(&file.writes(), &verified()), &timed(50));
    let outcome = run_one(job(&json!({"kind": "psync"}), 1, 64, &timed));
    assert!(outcome.measured.write.unwrap().ios > 64);
    assert_eq!(outcome.end.verify.unwrap().checked_bytes, 0);
    assert!(
        outcome
            .end
            .notes
            .iter()
            .any(|note| note.contains("not verified"))
    );
}

#[test]
fn files_are_made_anew_between_loops() {
    use std::os::unix::fs::MetadataExt;
    let file = Scratch::new("unlink", 64);
    for engine in [
        json!({"kind": "psync"}),
        json!({"kind": "io_uring"}),
        json!({"kind": "libaio"}),
    ] {
        let before = std::fs::metadata(&file.0).unwrap();
        let loops = json!({
            "stream": {"loops": 2, "loopBarrier": true},
            "control": {"unlinkEachLoop": true},
        });
        // Kept open, so that its number is not used again.
        let kept = std::fs::File::open(&file.0).unwrap();
        let outcome = run_one(job(
            &engine,
            4,
            64,
            &both(&both(&file.writes(), &verified()), &loops),
        ));
        assert_eq!(outcome.end.error, None, "{engine}");
        let after = std::fs::metadata(&file.0).unwrap();
        assert_ne!(before.ino(), after.ino(), "{engine}");
        assert_eq!(before.len(), after.len());
        assert_eq!(kept.metadata().unwrap().nlink(), 0);
        // What the second loop wrote is in the new file.
        assert!(after.blocks() * 512 >= after.len(), "{engine}");
    }
}

#[test]
fn part_of_the_think_time_burns_cpu() {
    let think = |spin_ms: u64| {
        let think = json!({"stream": {
            "thinktimeNs": 20 * MS, "thinktime": {"spinNs": spin_ms * MS}, "ioBytes": 10 * BLOCK,
        }});
        let outcome = run_one(job(&null(), 1, 100, &think));
        assert_eq!(reads(&outcome).ios, 10);
        outcome.end.cpu.user_ns
    };
    let (asleep, awake) = (think(0), think(20));
    assert!(awake > 5 * asleep + 5 * MS, "{asleep} {awake}");
}

fn exit(what: &Value) -> Value {
    json!({"control": {"exit": what}})
}

#[test]
fn the_end_of_one_job_ends_those_it_is_asked_to() {
    let engine = synthetic(&json!({"serviceNs": 1000}));
    let ends = |exits: &Value, group: u32| {
        let grouped = json!({"control": {"exit": {"group": group}}});
        let other = |group: u32| json!({"control": {"exit": {"group": group}}});
        let short = both(&both(&timed(100), &grouped), &exit(exits));
        let jobs = [
            job(&engine, 1, 100, &short),
            job(&engine, 1, 100, &both(&timed(600), &other(0))),
            job(&engine, 1, 100, &both(&timed(600), &other(1))),
        ];
        let outcome = run(&jobs);
        let states = outcome.jobs.iter().map(|job| {
            assert!(job.end.error.is_none() && !job.end.stopped);
            job.end.end_ns < 500 * MS
        });
        states.collect::<Vec<bool>>()
    };
    assert_eq!(ends(&json!({}), 0), [true, false, false]);
    assert_eq!(ends(&json!({"onEnd": true}), 0), [true, true, false]);
    let what = |what: &str| json!({"onEnd": true, "what": what});
    assert_eq!(ends(&what("all"), 0), [true, true, true]);
    assert_eq!(ends(&what("running"), 1), [true, true, true]);
    assert_eq!(ends(&json!({"onError": true}), 0), [true, false, false]);
}

#[test]
fn an_error_ends_the_others_when_asked_to() {
    let broken = synthetic(&json!({"errorRate": 0.5}));
    let engine = synthetic(&json!({"serviceNs": 1000}));
    let jobs = [
        job(&broken, 1, 100, &exit(&json!({"onError": true}))),
        job(&engine, 1, 100, &timed(2000)),
    ];
    let outcome = run(&jobs);
    assert!(outcome.jobs[0].end.error.is_some());
    assert!(outcome.jobs[1].end.error.is_none());
    assert!(outcome.jobs[1].end.end_ns < 1000 * MS);
}

#[test]
fn a_job_begins_when_those_it_waits_for_have_ended() {
    let engine = synthetic(&json!({"serviceNs": 1000}));
    let waits = json!({"startDelayNs": 20 * MS, "control": {"waitFor": [0, 1]}});
    let jobs = [
        job(&engine, 1, 100, &timed(150)),
        job(&engine, 1, 100, &timed(50)),
        job(&engine, 1, 100, &both(&timed(100), &waits)),
    ];
    let outcome = run(&jobs);
    let (first, third) = (&outcome.jobs[0].end, &outcome.jobs[2].end);
    assert!(third.start_ns >= first.end_ns + 20 * MS);
    assert!(third.end_ns >= third.start_ns + 100 * MS);
    assert!(reads(&outcome.jobs[2]).ios > 0);
    // Nobody waits for a later job.
    let spec = json!({
        "jobs": [job(&engine, 1, 100, &json!({"control": {"waitFor": [0]}}))],
        "intervalNs": MS, "hiccups": false,
    });
    let spec: RunSpec = serde_json::from_value(spec).unwrap();
    assert!(Run::start(spec).unwrap_err().to_string().contains("waits"));
}

#[test]
fn jobs_of_a_flow_keep_the_ratio_of_their_weights() {
    let flow = |weight: u32, sleep_ns: u64| {
        let part = json!({"id": 3, "weight": weight, "sleepNs": sleep_ns});
        both(&timed(400), &json!({"control": {"flow": part}}))
    };
    for sleep_ns in [0, MS] {
        // The heavier one is the slower one.
        let slow = synthetic(&json!({"serviceNs": 100_000}));
        let quick = synthetic(&json!({"serviceNs": 5_000}));
        let jobs = [
            job(&slow, 1, 1000, &flow(3, sleep_ns)),
            job(&quick, 1, 1000, &flow(1, sleep_ns)),
        ];
        let outcome = run(&jobs);
        let [slow, quick] = [0, 1].map(|index: usize| reads(&outcome.jobs[index]).ios as f64);
        let ratio = slow / quick;
        assert!((2.8..3.2).contains(&ratio), "{slow} to {quick}");
    }
}

fn target(target_ns: u64, percentile: f64, keep: bool) -> Value {
    json!({"control": {"latencyTarget": {
        "targetNs": target_ns, "windowNs": 60 * MS, "percentile": percentile, "keepRunning": keep,
    }}})
}

#[test]
fn the_search_finds_the_depth_that_keeps_a_latency() {
    // One at a time of 4 ms each: n in flight take 4 n ms. (2 is what a machine finds that is busy
    // with other things.)
    let engine = synthetic(&json!({"serviceNs": 4 * MS, "channels": 1}));
    let search = both(&timed(20_000), &target(14 * MS, 80.0, false));
    let outcome = run_one(job(&engine, 32, 100_000, &search));
    assert_eq!(outcome.end.error, None);
    let found = outcome.end.latency_target.unwrap();
    assert!((2..=3).contains(&found.depth), "{found:?}");
    // It ended by itself, and only the last window is measured.
    assert!(!outcome.end.stopped);
    assert!(outcome.end.measured_ns * 2 < outcome.end.end_ns - outcome.end.start_ns);
    assert!(reads(&outcome).ios > 5);
}

#[test]
fn a_search_that_is_not_done_in_time_reports_what_it_tried() {
    let engine = synthetic(&json!({"serviceNs": 2 * MS, "channels": 2}));
    let search = both(&timed(100), &target(6_500_000, 90.0, false));
    let outcome = run_one(job(&engine, 32, 100_000, &search));
    assert!(reads(&outcome).ios > 20);
    assert!(outcome.end.measured_ns >= 100 * MS);
    let told = |note: &String| note.contains("had not settled");
    assert!(outcome.end.notes.iter().any(told));
    // One that goes on is measured whole.
    let search = both(&timed(300), &target(6_500_000, 90.0, true));
    let outcome = run_one(job(&engine, 32, 100_000, &search));
    assert!(outcome.end.measured_ns >= 300 * MS);
    assert!(!outcome.end.notes.iter().any(told));
}

#[test]
fn a_target_that_every_operation_must_keep_fails_at_depth_one() {
    let engine = synthetic(&json!({"serviceNs": 3 * MS}));
    let search = both(&timed(2000), &target(MS, 100.0, false));
    let outcome = run_one(job(&engine, 8, 1000, &search));
    assert_eq!(outcome.end.error.unwrap().errno, libc::ETIMEDOUT);
}

#[test]
fn a_pool_of_threads_sends_what_one_thread_could_only_send_one_by_one() {
    let file = Scratch::new("offload", 256);
    let offload = json!({"control": {"offload": true}});
    for engine in [json!({"kind": "psync"}), json!({"kind": "io_uring"})] {
        let loops = both(&both(&file.writes(), &verified()), &offload);
        let outcome = run_one(job(&engine, 8, 256, &loops));
        assert_eq!(outcome.end.error, None, "{engine}");
        assert_eq!(outcome.measured.write.as_ref().unwrap().ios, 256);
        assert_eq!(
            outcome.end.verify.as_ref().unwrap().checked_bytes,
            256 * BLOCK
        );
        // Eight at a time: many were sent while three others or more were in flight.
        let levels = outcome.end.iodepth_levels;
        assert!(levels[2] + levels[3] > 0.3, "{levels:?}");
        assert!(
            outcome
                .end
                .notes
                .iter()
                .any(|note| note.contains("8 threads"))
        );
    }
}

#[test]
fn operations_with_priorities_are_counted_apart() {
    let file = Scratch::new("priorities", 256);
    let share = json!([{"percent": 40.0, "class": 2, "level": 0}]);
    let priorities = json!({
        "files": [{"path": file.0}],
        "control": {"commandPriority": {"read": share, "write": share, "seed": 3}},
    });
    for kind in ["io_uring", "libaio"] {
        let outcome = run_one(job(&json!({"kind": kind}), 8, 256, &priorities));
        assert_eq!(outcome.end.error, None, "{kind}");
        let prios = outcome.end.prios.unwrap();
        let counts: Vec<_> = prios
            .iter()
            .map(|prio| (prio.direction, prio.class, prio.lat.totals.count))
            .collect();
        let &[("read", 0, plain), ("read", 2, first)] = counts.as_slice() else {
            panic!("{counts:?}");
        };
        assert_eq!(plain + first, 256);
        assert!((70..140).contains(&first), "{first}");
        assert_eq!(prios[1].service.totals.count, first);
    }
    // An engine without them says so.
    let spec = json!({
        "jobs": [job(&json!({"kind": "psync"}), 1, 256, &priorities)],
        "intervalNs": MS, "hiccups": false,
    });
    let spec: RunSpec = serde_json::from_value(spec).unwrap();
    assert!(
        Run::start(spec)
            .unwrap_err()
            .to_string()
            .contains("cmdprio")
    );
}
