//! The engines with operations in flight on a file: `io_uring` in its modes, and `libaio`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;

use osdyno_core::op::{CLOSED_LOOP, FLAG_FUA, Op, OpKind};
use osdyno_device::arena::Arena;
use osdyno_device::clock::now_ns;
use osdyno_device::engine::file::OpenMode;
use osdyno_device::engine::io_uring::Waiter;
use osdyno_device::engine::open::{Driver, Opening, open_engine, open_files};
use osdyno_device::engine::{Completion, Engine, EngineError, Wait};
use osdyno_device::spec::{EngineSpec, SyncMode, UringOptions};

const BLOCK: u32 = 4096;
const BLOCKS: u64 = 64;

struct TestFile(PathBuf);

impl TestFile {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("osdyno-{name}-{}", std::process::id()));
        let mut file = std::fs::File::create(&path).unwrap();
        for block in 0..BLOCKS {
            file.write_all(&[block as u8; BLOCK as usize]).unwrap();
        }
        file.sync_all().unwrap();
        Self(path)
    }

    fn engine(&self, kind: &EngineSpec, depth: u32, direct: bool) -> (Box<dyn Engine>, Arc<Arena>) {
        self.engine_for(kind, Waiter::Thread, depth, direct)
            .unwrap()
    }

    fn engine_for(
        &self,
        kind: &EngineSpec,
        waiter: Waiter,
        depth: u32,
        direct: bool,
    ) -> Result<(Box<dyn Engine>, Arc<Arena>), EngineError> {
        let mode = OpenMode {
            write: true,
            direct,
            sync: SyncMode::None,
            invalidate: true,
            create: false,
            access: None,
        };
        let files = open_files(kind, &[self.0.to_str().unwrap()], mode)?;
        let arena = Arc::new(Arena::new(depth, BLOCK).unwrap());
        let opening = Opening {
            arena: Arc::clone(&arena),
            depth,
            waiter,
            mode,
        };
        open_engine(kind, files, opening, Boxing).map(|engine| (engine, arena))
    }
}

struct Boxing;

impl Driver for Boxing {
    type Output = Box<dyn Engine>;

    fn drive<E: Engine + 'static>(self, engine: E) -> Self::Output {
        Box::new(engine)
    }
}

fn uring(change: impl FnOnce(&mut UringOptions)) -> EngineSpec {
    let mut options = UringOptions::default();
    change(&mut options);
    EngineSpec::IoUring(options)
}

fn libaio(batched: bool) -> EngineSpec {
    EngineSpec::Libaio {
        nowait: false,
        batched,
    }
}

fn kinds() -> Vec<EngineSpec> {
    vec![
        uring(|_| ()),
        uring(|options| options.sqthread_poll = true),
        uring(|options| options.fixedbufs = Some(true)),
        uring(|options| {
            options.fixedbufs = Some(false);
            options.registerfiles = Some(false);
        }),
        uring(|options| {
            options.fixedbufs = Some(false);
            options.nonvectored = Some(false);
        }),
        uring(|options| options.force_async = 2),
        libaio(false),
        libaio(true),
    ]
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn op(kind: OpKind, block: u64) -> Op {
    Op {
        kind,
        flags: 0,
        file: 0,
        length: if matches!(kind, OpKind::Flush | OpKind::DataFlush) {
            0
        } else {
            BLOCK
        },
        offset: block * u64::from(BLOCK),
        intended_ns: CLOSED_LOOP,
        sequence: 0,
        generation: 0,
    }
}

fn all(engine: &mut dyn Engine, count: usize) -> Vec<Completion> {
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        engine.reap(Wait::Forever, &mut out).unwrap();
    }
    out.sort_by_key(|completion| completion.tag);
    out
}

fn one(engine: &mut dyn Engine, op: &Op) -> Completion {
    assert!(engine.queue(op, 0, 1));
    assert_eq!(engine.commit().unwrap(), 1);
    all(engine, 1)[0]
}

#[test]
fn a_batch_reads_what_each_block_holds() {
    kinds()
        .iter()
        .for_each(check_a_batch_reads_what_each_block_holds);
}

fn check_a_batch_reads_what_each_block_holds(kind: &EngineSpec) {
    for direct in [false, true] {
        let file = TestFile::new("batch");
        let (mut engine, arena) = file.engine(kind, 16, direct);
        for tag in 0..16 {
            assert!(engine.queue(&op(OpKind::Read, u64::from(tag) * 3), tag, tag + 100));
        }
        assert!(!engine.queue(&op(OpKind::Read, 0), 0, 0), "full");
        let before = now_ns();
        assert_eq!(engine.commit().unwrap(), 16);
        let out = all(&mut *engine, 16);
        for (tag, completion) in (0_u32..).zip(&out) {
            assert_eq!(completion.tag, tag + 100);
            assert_eq!(completion.result, BLOCK as i32);
            assert!(completion.submitted_ns >= before);
            assert!(completion.completed_ns >= completion.submitted_ns);
            // SAFETY: the operation has completed.
            let bytes = unsafe { arena.slot(tag, BLOCK as usize) };
            assert!(bytes.iter().all(|&byte| u32::from(byte) == tag * 3));
        }
        assert!(engine.queue(&op(OpKind::Read, 0), 0, 0), "free again");
    }
}

#[test]
fn writes_flushes_trims_and_zeroes() {
    kinds()
        .iter()
        .for_each(check_writes_flushes_trims_and_zeroes);
}

fn check_writes_flushes_trims_and_zeroes(kind: &EngineSpec) {
    let file = TestFile::new("kinds");
    let (mut engine, arena) = file.engine(kind, 2, false);
    // SAFETY: nothing is in flight.
    unsafe { arena.slot(0, BLOCK as usize) }.fill(0xaa);
    assert_eq!(
        one(&mut *engine, &op(OpKind::Write, 5)).result,
        BLOCK as i32
    );
    let durable = Op {
        flags: FLAG_FUA,
        ..op(OpKind::Write, 6)
    };
    assert_eq!(one(&mut *engine, &durable).result, BLOCK as i32);
    assert_eq!(one(&mut *engine, &op(OpKind::Flush, 0)).result, 0);
    assert_eq!(one(&mut *engine, &op(OpKind::DataFlush, 0)).result, 0);
    let content = |block: usize| std::fs::read(&file.0).unwrap()[block * BLOCK as usize];
    assert_eq!((content(5), content(6), content(7)), (0xaa, 0xaa, 7));
    for (kind, block) in [(OpKind::Trim, 8), (OpKind::WriteZeroes, 9)] {
        let result = one(&mut *engine, &op(kind, block)).result;
        if result == -libc::EOPNOTSUPP {
            continue; // The temporary directory's file system cannot.
        }
        assert_eq!(result, BLOCK as i32, "{kind:?}");
        assert_eq!(content(block as usize), 0);
    }
}

#[test]
fn errors_and_short_reads_are_results() {
    kinds()
        .iter()
        .for_each(check_errors_and_short_reads_are_results);
}

fn check_errors_and_short_reads_are_results(kind: &EngineSpec) {
    let file = TestFile::new("errors");
    let (mut engine, arena) = file.engine(kind, 2, false);
    let beyond = one(&mut *engine, &op(OpKind::Read, BLOCKS + 1));
    assert_eq!(beyond.result, 0, "end of file");
    let across = Op {
        offset: BLOCKS * u64::from(BLOCK) - 1000,
        ..op(OpKind::Read, 0)
    };
    assert_eq!(one(&mut *engine, &across).result, 1000);
    let unknown = Op {
        file: 9,
        ..op(OpKind::Read, 0)
    };
    assert_eq!(one(&mut *engine, &unknown).result, -libc::EBADF);
    let too_long = Op {
        length: arena.slot_bytes() + 1,
        ..op(OpKind::Read, 0)
    };
    assert_eq!(one(&mut *engine, &too_long).result, -libc::EINVAL);
}

#[test]
fn waits_end_at_their_deadline_without_a_completion() {
    kinds()
        .iter()
        .for_each(check_waits_end_at_their_deadline_without_a_completion);
}

fn check_waits_end_at_their_deadline_without_a_completion(kind: &EngineSpec) {
    let file = TestFile::new("wait");
    let (mut engine, _arena) = file.engine(kind, 4, true);
    let mut out = Vec::with_capacity(4);
    // Near waits have their own timer, far ones share an operation.
    for length_ns in [300_000, 12_000_000, 500_000] {
        let deadline = now_ns() + length_ns;
        assert_eq!(engine.reap(Wait::Until(deadline), &mut out).unwrap(), 0);
        assert!(now_ns() >= deadline);
    }
    assert_eq!(engine.reap(Wait::No, &mut out).unwrap(), 0);
    assert_eq!(
        engine.reap(Wait::Forever, &mut out).unwrap(),
        0,
        "nothing in flight"
    );
    // A far wait ends at once when a completion comes.
    let far = now_ns() + 60_000_000_000;
    assert!(engine.queue(&op(OpKind::Read, 1), 0, 3));
    engine.commit().unwrap();
    assert_eq!(engine.reap(Wait::Until(far), &mut out).unwrap(), 1);
    assert!(now_ns() < far);
}

#[test]
fn the_descriptor_tells_of_completions() {
    kinds()
        .iter()
        .for_each(check_the_descriptor_tells_of_completions);
}

fn check_the_descriptor_tells_of_completions(kind: &EngineSpec) {
    let file = TestFile::new("ready");
    assert_eq!(file.engine(kind, 1, true).0.ready_fd(), None);
    let (mut engine, _arena) = file.engine_for(kind, Waiter::EventLoop, 4, true).unwrap();
    let fd = engine.ready_fd().unwrap();
    assert!(!readable(fd, 0));
    let mut out = Vec::with_capacity(4);
    for round in 0..50 {
        assert!(engine.queue(&op(OpKind::Read, round), 0, round as u32));
        engine.commit().unwrap();
        let mut count = 0;
        while count == 0 {
            assert!(readable(fd, 10_000), "never became readable");
            count = engine.reap(Wait::No, &mut out).unwrap();
        }
        assert_eq!(out.pop().unwrap().tag, round as u32);
        engine.arm_ready().unwrap();
        assert!(!readable(fd, 0), "still readable after reaping");
    }
}

fn readable(fd: RawFd, timeout_ms: i32) -> bool {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, valid during the call.
    unsafe { libc::poll(&raw mut poll, 1, timeout_ms) == 1 }
}

#[test]
fn what_is_demanded_and_cannot_be_is_refused_by_name() {
    let file = TestFile::new("demands");
    let refusal = |kind: &EngineSpec, direct: bool| {
        let opened = file.engine_for(kind, Waiter::Thread, 4, direct);
        opened.err().map(|error| error.to_string())
    };
    let polled = uring(|options| options.hipri = true);
    let buffered = refusal(&polled, false).unwrap();
    assert!(
        buffered.contains("hipri=1") && buffered.contains("direct=1"),
        "{buffered}"
    );
    // On a device with queues that can be polled it works, elsewhere it is one line.
    if let Some(message) = refusal(&polled, true) {
        assert!(
            message.contains("hipri=1") && message.contains("remove hipri"),
            "{message}"
        );
    }
    let nowhere = uring(|options| {
        options.sqthread_poll = true;
        options.sqthread_poll_cpu = Some(100_000);
    });
    let message = refusal(&nowhere, true).unwrap();
    assert!(message.contains("sqthread_poll_cpu=100000"), "{message}");
    let pinned = uring(|options| {
        options.sqthread_poll = true;
        options.sqthread_poll_cpu = Some(0);
    });
    assert_eq!(refusal(&pinned, true), None);
}

#[test]
fn libaio_lets_go_of_what_is_in_flight() {
    let file = TestFile::new("dropped");
    for _ in 0..20 {
        let (mut engine, _arena) = file.engine(&libaio(true), 8, true);
        for tag in 0..8 {
            assert!(engine.queue(&op(OpKind::Read, u64::from(tag)), tag, tag));
        }
        assert_eq!(engine.commit().unwrap(), 8);
    }
}
