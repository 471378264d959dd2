use std::path::PathBuf;

use super::super::file::OpenMode;
use super::super::{Engine, Wait};
use super::*;

/// A machine that says of ordinary files what a test wants to hear.
struct Claims {
    medium: Medium,
    write_back: Option<WriteBack>,
}

impl Machine for Claims {
    fn map(&self, file: &OpenFile, write: bool) -> Result<(Mapping, Medium), EngineError> {
        Ok((Mapping::new(file, write, false)?, self.medium))
    }

    fn write_back(&self) -> Option<WriteBack> {
        self.write_back
    }
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: usize) -> Self {
        let name = format!("osdyno-pmem-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, vec![7; bytes]).unwrap();
        Self(path)
    }

    fn open(&self) -> Vec<OpenFile> {
        let mode = OpenMode {
            write: true,
            direct: false,
            sync: SyncMode::None,
            invalidate: false,
            create: false,
            access: None,
        };
        vec![OpenFile::open(self.0.to_str().unwrap(), mode).unwrap()]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const MODE: MapMode = MapMode {
    write: true,
    sync: SyncMode::None,
    access: None,
    direct: false,
};

fn op(kind: OpKind, offset: u64, length: u32, flags: u8) -> Op {
    Op {
        kind,
        flags,
        file: 0,
        length,
        offset,
        intended_ns: 0,
        sequence: 0,
        generation: 0,
    }
}

fn run(engine: &mut Pmem, op: &Op) -> i32 {
    assert!(engine.queue(op, 0, 5));
    assert_eq!(engine.commit().unwrap(), 1);
    let mut out = Vec::with_capacity(1);
    assert_eq!(engine.reap(Wait::No, &mut out).unwrap(), 1);
    out[0].result
}

fn claimed(file: &Scratch, medium: Medium, write_back: Option<WriteBack>) -> (Pmem, Arc<Arena>) {
    let arena = Arc::new(Arena::new(1, 4096).unwrap());
    let machine = Claims { medium, write_back };
    let engine = pmem(file.open(), Arc::clone(&arena), 1, MODE, &machine).unwrap();
    (engine, arena)
}

#[test]
fn says_how_writes_become_durable() {
    let file = Scratch::new("says", 8192);
    let note = |medium, by| {
        let (engine, _) = claimed(&file, medium, by);
        engine.notes()[0].clone()
    };
    let some = persist::detect();
    let cached = note(Medium::PageCache, some);
    assert!(cached.contains("msync (page cache"), "{cached}");
    let unknown = note(Medium::Dax, None);
    assert!(unknown.contains("msync (no instruction"), "{unknown}");
    if let Some(by) = some {
        let dax = note(Medium::Dax, some);
        assert!(
            dax.contains(&format!("{} and sfence (DAX)", by.name())),
            "{dax}"
        );
        let tmpfs = note(Medium::Tmpfs, some);
        assert!(tmpfs.contains("forgotten at power-off"), "{tmpfs}");
    }
}

#[test]
fn writes_reads_and_flushes_whatever_the_medium() {
    for medium in [Medium::Dax, Medium::Tmpfs, Medium::PageCache] {
        let file = Scratch::new("data", 65_536);
        let (mut engine, arena) = claimed(&file, medium, persist::detect());
        // SAFETY: nothing is in flight.
        let slot = || unsafe { arena.slot(0, 4096) };
        slot().fill(0x5a);
        assert_eq!(
            run(&mut engine, &op(OpKind::Write, 8195, 4096, FLAG_FUA)),
            4096
        );
        slot().fill(0x5b);
        assert_eq!(run(&mut engine, &op(OpKind::Write, 61_440, 4096, 0)), 4096);
        for kind in [OpKind::Flush, OpKind::DataFlush] {
            assert_eq!(run(&mut engine, &op(kind, 0, 0, 0)), 0);
        }
        let stored = std::fs::read(&file.0).unwrap();
        assert!(stored[8195..12_291].iter().all(|&byte| byte == 0x5a));
        assert!(stored[61_440..].iter().all(|&byte| byte == 0x5b));
        assert!(stored[8194] == 7 && stored[12_291] == 7);
        assert_eq!(run(&mut engine, &op(OpKind::Read, 8195, 4096, 0)), 4096);
        assert!(slot().iter().all(|&byte| byte == 0x5a));
        let beyond = op(OpKind::Read, 61_441, 4096, 0);
        assert_eq!(run(&mut engine, &beyond), -libc::EINVAL);
        let beyond = op(OpKind::Write, u64::MAX, 1, 0);
        assert_eq!(run(&mut engine, &beyond), -libc::EINVAL);
        let trimmed = run(&mut engine, &op(OpKind::Trim, 8192, 8192, 0));
        assert!(trimmed == 8192 || trimmed == -libc::EOPNOTSUPP, "{trimmed}");
        if trimmed == 8192 {
            assert_eq!(run(&mut engine, &op(OpKind::Read, 8192, 4096, 0)), 4096);
            assert!(slot().iter().all(|&byte| byte == 0));
        }
        assert_eq!(run(&mut engine, &op(OpKind::Flush, 0, 0, 0)), 0);
    }
}

#[test]
fn a_page_that_is_gone_is_an_error_of_its_operation() {
    let file = Scratch::new("gone", 65_536);
    let (mut engine, arena) = claimed(&file, Medium::PageCache, None);
    let handle = std::fs::OpenOptions::new()
        .write(true)
        .open(&file.0)
        .unwrap();
    handle.set_len(16_384).unwrap();
    for _ in 0..2 {
        for kind in [OpKind::Read, OpKind::Write] {
            assert_eq!(run(&mut engine, &op(kind, 32_768, 4096, 0)), -libc::EIO);
            assert_eq!(run(&mut engine, &op(kind, 8192, 4096, 0)), 4096);
        }
    }
    // What came back can be used again.
    handle.set_len(65_536).unwrap();
    // SAFETY: nothing is in flight.
    unsafe { arena.slot(0, 4096) }.fill(9);
    assert_eq!(run(&mut engine, &op(OpKind::Write, 32_768, 4096, 0)), 4096);
    assert_eq!(run(&mut engine, &op(OpKind::Flush, 0, 0, 0)), 0);
    assert_eq!(std::fs::read(&file.0).unwrap()[32_768], 9);
}

#[test]
fn an_empty_file_is_refused_by_name() {
    let file = Scratch::new("empty", 0);
    let arena = Arc::new(Arena::new(1, 4096).unwrap());
    let refused = pmem(file.open(), arena, 1, MODE, &ThisMachine)
        .err()
        .unwrap();
    assert!(
        refused.to_string().contains("lay it out first"),
        "{refused}"
    );
}
