use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use osdyno_core::op::{CLOSED_LOOP, Next, Op, OpKind};
use osdyno_core::trace::{Format, ShapeSpec};
use proptest::prelude::*;

use super::iolog::{IologSpec, IologWriter};
use super::scan::{TraceFacts, scan};
use super::*;
use crate::spec::JobSpec;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("osdyno-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn input(path: &str) -> TraceInput {
    TraceInput {
        path: path.to_owned(),
        time_percent: 100.0,
        iterations: 1,
    }
}

fn trace(path: &str, names: &[&str]) -> TraceSpec {
    let files = names.iter().enumerate().map(|(index, name)| TraceFile {
        name: (*name).to_owned(),
        file: index as u16,
    });
    TraceSpec {
        inputs: vec![input(path)],
        event: TraceEvent::Queue,
        shape: ShapeSpec::default(),
        files: files.collect(),
        paced: true,
        passes: 1,
        most_operations: None,
        most_bytes: None,
        operations: 0,
    }
}

/// As JSON from the TypeScript side, so that this test holds the defaults too.
fn job(backlog_cap: Option<u64>) -> JobSpec {
    let sizes = serde_json::json!({"kind": "fixed", "bytes": 4096});
    let closed = serde_json::json!({"kind": "closed"});
    let plain = serde_json::json!({"kind": "random"});
    serde_json::from_value(serde_json::json!({
        "name": "t", "engine": {"kind": "null"}, "files": [], "write": true, "direct": false,
        "sync": "none", "iodepth": 4, "maxBlock": 8192, "runtimeNs": null,
        "backlogCap": backlog_cap,
        "stream": {
            "seed": 1, "pattern": "random", "mix": [50, 50, 0], "opsPerDraw": 1,
            "regions": [{"offset": 0, "size": 1 << 20}, {"offset": 0, "size": 1 << 20}],
            "blockSizes": [sizes, sizes, sizes], "blockAlign": [0, 0, 0],
            "distribution": [plain, plain, plain], "percentageRandom": [100, 100, 100],
            "randomMap": false, "ioBytes": 0, "numberIos": null, "loops": 1, "timeBased": false,
            "arrival": [closed, closed, closed], "thinktimeBlocks": 1,
            "data": {"zero": false, "refill": false, "compressPercent": 0, "verify": null}
        }
    }))
    .unwrap()
}

/// Every operation of a source, completed as it comes.
fn drain(source: &mut TraceSource, now_ns: u64) -> Vec<Op> {
    let mut all = Vec::new();
    loop {
        match source.next(now_ns) {
            Next::Op(op) => {
                all.push(op);
                source.completed();
            }
            Next::LoopEnd | Next::Done => return all,
            Next::NotBefore(at_ns) if at_ns > now_ns + 1_000_000_000 => return all,
            Next::NotBefore(_) => std::thread::yield_now(),
            Next::AfterCompletions => panic!("nothing is in flight"),
        }
    }
}

fn facts(spec: &TraceSpec) -> TraceFacts {
    scan(spec, &AtomicBool::new(false)).unwrap()
}

#[test]
fn scans_what_a_trace_touches() {
    let folder = Folder::new("scan");
    let path = folder.write(
        "a",
        "fio version 3 iolog\n0 f add\n0 g add\n0 unused add\n5 f read 4096 8192\n7 g write 512 512\n\
         9 g trim 1048576 4096\n9 f sync 0 0\n8 f read 0 4096\n20 f read 12288 1024\n",
    );
    let mut spec = trace(&path, &[]);
    let found = facts(&spec);
    assert_eq!(found.formats, [Format::Iolog3]);
    assert_eq!(found.operations, [3, 1, 1, 1]);
    assert_eq!(found.bytes, [13_312, 512, 4096]);
    assert_eq!(found.largest, [8192, 512, 4096]);
    assert_eq!((found.first_ns, found.last_ns), (5000, 20_000));
    assert_eq!(
        (found.unit_bytes, found.went_back, found.skipped),
        (512, 1, 0)
    );
    assert_eq!(found.passed.others, 3);
    let files = found.files.iter();
    let files: Vec<_> = files
        .map(|file| (file.name.as_str(), file.operations, file.end_bytes))
        .collect();
    assert_eq!(
        files,
        [("f", [3, 0, 0, 1], 13_312), ("g", [0, 1, 1, 0], 1_052_672)]
    );
    spec.shape.skip.write = true;
    spec.shape.skip.trim = true;
    spec.shape.scale_divisor = 4;
    spec.shape.align_bytes = 512;
    spec.shape.time_scale_percent = 50.0;
    let found = facts(&spec);
    assert_eq!((found.operations, found.skipped), ([3, 0, 0, 1], 2));
    assert_eq!((found.files.len(), found.last_ns), (1, 40_000));
    assert_eq!(found.files[0].end_bytes, 1024 + 8192);
}

#[test]
fn names_the_trace_that_cannot_be_read() {
    let folder = Folder::new("bad");
    let path = folder.write("a", "fio version 3 iolog\n1 f leap 0 0\n");
    let ended = AtomicBool::new(false);
    let message = |path: &str| scan(&trace(path, &[]), &ended).unwrap_err().to_string();
    assert_eq!(
        message(&path),
        format!("trace {path}: line 2: `1 f leap 0 0`: no such action in an iolog")
    );
    assert!(message("/nonexistent/x").contains("No such file"));
    assert!(message("/dev/null").contains("give a regular file"));
    let error = TraceSource::open(&job(None), &trace(&path, &["f"])).unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn merges_by_time_with_scalars_and_iterations() {
    let folder = Folder::new("merge");
    let a = folder.write(
        "a",
        "fio version 3 iolog\n0 f read 0 512\n10 f read 512 512\n",
    );
    let b = folder.write(
        "b",
        "fio version 2 iolog\ng wait 8 0\ng write 0 512\nf write 512 512\n",
    );
    let inputs = [
        TraceInput {
            iterations: 3,
            ..input(&a)
        },
        TraceInput {
            time_percent: 150.0,
            ..input(&b)
        },
    ];
    let mut merge = merge::Merge::open(&inputs, TraceEvent::Queue).unwrap();
    let mut found = Vec::new();
    while let Some((entry, place)) = merge.earliest().unwrap() {
        let name = merge.names.text(entry.name);
        found.push((entry.time_ns / 1000, place, name, entry.offset));
    }
    let expected = [
        (0, 0, "f", 0),
        (10, 0, "f", 512),
        (10, 0, "f", 0),
        (12, 1, "g", 0),
        (12, 1, "f", 512),
        (20, 0, "f", 512),
        (20, 0, "f", 0),
        (30, 0, "f", 512),
    ];
    let expected = expected.map(|(at, place, name, offset)| (at, place, name.to_owned(), offset));
    assert_eq!(found, expected);
    assert_eq!(merge.names.count(), 2);
}

#[test]
fn merged_block_traces_keep_their_clock() {
    let folder = Folder::new("clock");
    let a = folder.write(
        "a",
        "8,0 0 1 7.000000000 1 Q R 0 + 8 [x]\n8,0 0 2 7.000010000 1 Q R 8 + 8 [x]\n",
    );
    let b = folder.write(
        "b",
        "8,0 1 1 7.000004000 1 Q W 0 + 8 [x]\n8,0 1 2 7.000012000 1 Q W 8 + 8 [x]\n",
    );
    let twice = TraceInput {
        iterations: 2,
        time_percent: 50.0,
        ..input(&b)
    };
    let times = |inputs: &[TraceInput]| -> Vec<u64> {
        let entries = entries_of(inputs).into_iter();
        entries.map(|entry| entry.0 / 1000).collect()
    };
    assert_eq!(times(&[input(&a), input(&b)]), [0, 4, 10, 12]);
    assert_eq!(times(&[input(&b), input(&a)]), [0, 4, 10, 12]);
    assert_eq!(times(&[input(&a), twice]), [0, 2, 6, 8, 10, 12]);
    assert_eq!(times(&[input(&b)]), [0, 8]);
}

#[test]
fn yields_operations_at_their_times() {
    let folder = Folder::new("times");
    let path = folder.write(
        "a",
        "fio version 3 iolog\n0 f read 0 4096\n10 g write 0 20480\n10 f sync 0 0\n30 f trim 0 40960\n",
    );
    let mut spec = job(None);
    spec.stream.end_fsync = true;
    let mut trace = trace(&path, &["f", "g"]);
    trace.operations = 4;
    trace.passes = 2;
    let mut source = TraceSource::open(&spec, &trace).unwrap();
    assert_eq!(source.backlog(9_999), 1);
    assert_eq!(source.backlog(10_000), 5);
    let Next::Op(first) = source.next(0) else {
        panic!("the first is due");
    };
    assert_eq!(
        (first.kind, first.intended_ns, first.file),
        (OpKind::Read, 0, 0)
    );
    assert_eq!(source.next(0), Next::NotBefore(10_000));
    source.completed();
    assert_eq!(source.progress(), Some(0.125));
    let rest = drain(&mut source, 1_000_000);
    let rest: Vec<_> = rest
        .iter()
        .map(|op| {
            (
                op.kind,
                op.file,
                op.offset,
                op.length,
                op.intended_ns / 1000,
            )
        })
        .collect();
    let mut expected = vec![
        (OpKind::Write, 1, 0, 8192, 10),
        (OpKind::Write, 1, 8192, 8192, 10),
        (OpKind::Write, 1, 16_384, 4096, 10),
        (OpKind::Flush, 0, 0, 0, 10),
        (OpKind::Trim, 0, 0, 40_960, 30),
    ];
    let mut second = expected.clone();
    second.insert(0, (OpKind::Read, 0, 0, 4096, 0));
    expected.extend(second.into_iter().map(|mut op| {
        op.4 += 30;
        op
    }));
    let end = CLOSED_LOOP / 1000;
    expected.push((OpKind::Flush, 1, 0, 0, end));
    expected.push((OpKind::Flush, 0, 0, 0, end));
    assert_eq!(rest, expected);
    assert_eq!(source.progress(), Some(1.0));
}

#[test]
fn ends_by_its_limits_and_on_demand() {
    let folder = Folder::new("limits");
    let mut text = String::from("fio version 3 iolog\n");
    for index in 0..20_000 {
        let _ = writeln!(text, "{index} f read {} 4096", index % 64 * 4096);
    }
    let path = folder.write("a", &text);
    let mut spec = trace(&path, &["f"]);
    spec.paced = false;
    spec.most_operations = Some(5000);
    let mut source = TraceSource::open(&job(None), &spec).unwrap();
    let all = drain(&mut source, 0);
    assert_eq!(all.len(), 5000);
    assert!(all.iter().all(|op| op.intended_ns == CLOSED_LOOP));
    spec.most_operations = None;
    spec.most_bytes = Some(4096 * 30_000);
    spec.passes = 0;
    let mut source = TraceSource::open(&job(None), &spec).unwrap();
    assert_eq!(drain(&mut source, 0).len(), 30_000);
    spec.most_bytes = None;
    let mut source = TraceSource::open(&job(None), &spec).unwrap();
    for _ in 0..100_000 {
        while !matches!(source.next(0), Next::Op(_)) {
            std::thread::yield_now();
        }
    }
    source.stop();
    assert_eq!(source.next(0), Next::Done);
    assert_eq!(source.backlog(u64::MAX), 0);
}

#[test]
fn refuses_a_trace_that_has_changed() {
    let folder = Folder::new("changed");
    let mut text = String::from("fio version 3 iolog\n");
    for index in 0..200_000 {
        let _ = writeln!(text, "{index} f read 0 4096");
    }
    text += "200000 /etc/passwd write 0 4096\n";
    let path = folder.write("a", &text);
    let mut spec = trace(&path, &["f"]);
    spec.paced = false;
    let mut source = TraceSource::open(&job(None), &spec).unwrap();
    assert_eq!(drain(&mut source, 0).len(), 200_000);
    let problem = source.problem().unwrap();
    assert!(problem.contains("/etc/passwd"), "{problem}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Beside a plain list: what is dropped is the newest of what is due.
    #[test]
    fn drops_the_newest_beyond_the_cap(
        gaps in prop::collection::vec(0_u64..3, 1..30_000),
        steps in prop::collection::vec((0_u64..40_000, 0_u64..20_000, 0_usize..9000), 1..8),
    ) {
        let folder = Folder::new("drop");
        let mut text = String::from("fio version 3 iolog\n");
        let mut model = std::collections::VecDeque::new();
        let mut at = 0;
        for (index, gap) in gaps.iter().enumerate() {
            at += gap;
            let _ = writeln!(text, "{at} f read {} 512", index * 512);
            model.push_back((at * 1000, index as u64 * 512));
        }
        let path = folder.write("a", &text);
        let mut source = TraceSource::open(&job(Some(0)), &trace(&path, &["f"])).unwrap();
        let mut now = 0;
        for (later, cap, taken) in steps {
            now += later * 1000;
            let due = model.iter().take_while(|op| op.0 <= now).count() as u64;
            prop_assert_eq!(source.backlog(now), due);
            let dropped = due.saturating_sub(cap);
            prop_assert_eq!(source.drop_backlog(now, cap), dropped);
            if dropped > 0 {
                model.drain(cap as usize..due as usize);
            }
            for _ in 0..taken {
                let expected = model.front().copied();
                match (source.next(now), expected) {
                    (Next::Op(op), Some((at, offset))) => {
                        prop_assert_eq!((op.intended_ns, op.offset), (at, offset));
                        model.pop_front();
                    }
                    (Next::NotBefore(at), Some((expected, _))) => {
                        prop_assert_eq!(at, expected);
                        break;
                    }
                    (Next::Done, None) => break,
                    (answer, expected) => prop_assert!(false, "{answer:?}, not {expected:?}"),
                }
            }
        }
    }

    /// What is recorded and read again are the same operations at the same times.
    #[test]
    fn what_is_recorded_is_replayed(
        ops in prop::collection::vec((0_u8..5, 0_u64..1 << 45, 1_u32..1 << 20, 0_u16..3, 0_u64..5000), 0..9000),
    ) {
        let folder = Folder::new("record");
        let path = folder.0.join("log").to_str().unwrap().to_owned();
        let names = ["x", "y/z", "/dev/w"];
        let spec = IologSpec { path: path.clone(), names: names.map(str::to_owned).to_vec() };
        let mut at_ns = 0;
        let ops: Vec<Op> = ops.iter().enumerate().map(|(index, &(kind, offset, length, file, gap))| {
            let kind = [OpKind::Read, OpKind::Write, OpKind::Trim, OpKind::Flush, OpKind::DataFlush]
                [usize::from(kind)];
            let flush = kind as u8 >= 3;
            at_ns += gap * 1000;
            Op {
                kind, flags: 0, file, intended_ns: at_ns, sequence: index as u64, generation: 0,
                offset: if flush { 0 } else { offset },
                length: if flush { 0 } else { length },
            }
        }).collect();
        let mut writer = IologWriter::open(&spec).unwrap();
        for op in &ops {
            writer.record(op, op.intended_ns + 999);
        }
        writer.close(at_ns).unwrap();
        let mut wide = job(None);
        wide.max_block = 1 << 20;
        let mut source = TraceSource::open(&wide, &trace(&path, &names)).unwrap();
        prop_assert_eq!(drain(&mut source, u64::MAX), ops);
        prop_assert!(Path::new(&path).exists());
    }
}

#[test]
fn recording_appends_and_says_why_it_cannot() {
    let folder = Folder::new("append");
    let path = folder.0.join("log").to_str().unwrap().to_owned();
    let spec = IologSpec {
        path: path.clone(),
        names: vec!["f".to_owned()],
    };
    for _ in 0..2 {
        IologWriter::open(&spec).unwrap().close(5000).unwrap();
    }
    let once = "fio version 3 iolog\n0 f add\n0 f open\n5 f close\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), once.repeat(2));
    let nowhere = IologSpec {
        path: "/nonexistent/log".to_owned(),
        ..spec.clone()
    };
    assert!(IologWriter::open(&nowhere).is_err());
    let full = IologSpec {
        path: "/dev/full".to_owned(),
        ..spec
    };
    let error = IologWriter::open(&full).unwrap().close(1).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
}

/// Every entry of a trace with its name spelled out.
fn entries_of(inputs: &[TraceInput]) -> Vec<(u64, OpKind, String, u64, u64)> {
    let mut merge = merge::Merge::open(inputs, TraceEvent::Queue).unwrap();
    let mut found = Vec::new();
    while let Some((entry, _)) = merge.earliest().unwrap() {
        let name = merge.names.text(entry.name);
        found.push((entry.time_ns, entry.kind, name, entry.offset, entry.length));
    }
    found
}

#[test]
fn a_merged_file_holds_what_its_traces_hold() {
    let folder = Folder::new("merged");
    let block = folder.write(
        "a",
        "8,0 0 1 0.000000000 1 Q R 8 + 8 [x]\n8,0 0 2 0.000001000 1 Q D 0 + 2048 [x]\n\
         8,16 0 3 0.000002000 1 Q FWS 16 + 8 [x]\n8,16 0 4 0.000003000 1 Q W 16 + 8 [x]\n",
    );
    let log = folder.write(
        "b",
        "fio version 3 iolog\n1 /dev/x write 0 512\n2 /dev/x sync 0 0\n",
    );
    let twice = TraceInput {
        iterations: 2,
        ..input(&block)
    };
    for (inputs, format) in [
        (vec![twice.clone(), input(&block)], Format::Blktrace),
        (vec![twice, input(&log)], Format::Iolog3),
    ] {
        let mut spec = trace(&block, &[]);
        spec.inputs.clone_from(&inputs);
        let path = folder.0.join("merged").to_str().unwrap().to_owned();
        let count = merged::write_merged(&spec, &path, &AtomicBool::new(false)).unwrap();
        let expected = entries_of(&inputs);
        assert_eq!(count, expected.len() as u64);
        assert_eq!(entries_of(&[input(&path)]), expected);
        spec.inputs = vec![input(&path)];
        assert_eq!(facts(&spec).formats, [format]);
    }
}
