//! The psync engine: `pread` and `pwrite`, one operation at a time.

use std::sync::Arc;

use osdyno_core::op::{FLAG_FUA, Op, OpKind};

use super::file::{OpenFile, retry};
use super::synchronous::{Execute, Synchronous};
use crate::arena::Arena;

/// The psync engine.
pub type Psync = Synchronous<Files>;

/// Files that are read and written by position.
pub struct Files {
    files: Vec<OpenFile>,
    arena: Arc<Arena>,
}

/// An engine over `files`, in the order of `Op::file`.
#[must_use]
pub fn psync(files: Vec<OpenFile>, arena: Arc<Arena>, depth: u32) -> Psync {
    Synchronous::new(Files { files, arena }, depth)
}

impl Execute for Files {
    fn execute(&mut self, op: &Op, slot: u32) -> i32 {
        let Some(file) = self.files.get(usize::from(op.file)) else {
            return -libc::EINVAL;
        };
        match op.kind {
            OpKind::Read | OpKind::Write => transfer(file, &self.arena, op, slot),
            OpKind::Trim => file.trim(op.offset, op.length),
            OpKind::Flush | OpKind::DataFlush => file.flush(op.kind),
            OpKind::WriteZeroes => zeroes(file, op),
        }
    }
}

fn transfer(file: &OpenFile, arena: &Arena, op: &Op, slot: u32) -> i32 {
    let Ok(offset) = libc::off_t::try_from(op.offset) else {
        return -libc::EINVAL;
    };
    if slot >= arena.slot_count() || op.length > arena.slot_bytes() {
        return -libc::EINVAL;
    }
    let (fd, length) = (file.fd(), op.length as usize);
    let buffer = arena.slot_ptr(slot).cast::<libc::c_void>();
    if op.kind == OpKind::Read {
        // SAFETY: the slot is lent to this operation and holds `length` bytes (checked above).
        return retry(|| unsafe { libc::pread(fd, buffer, length, offset) });
    }
    if op.flags & FLAG_FUA == 0 {
        // SAFETY: as above.
        return retry(|| unsafe { libc::pwrite(fd, buffer, length, offset) });
    }
    let vector = libc::iovec {
        iov_base: buffer,
        iov_len: length,
    };
    // SAFETY: as above; the vector of one entry outlives the call.
    retry(|| unsafe { libc::pwritev2(fd, &raw const vector, 1, offset, libc::RWF_DSYNC) })
}

/// Zeroes without data; durable at once when asked, which these calls do not offer themselves.
fn zeroes(file: &OpenFile, op: &Op) -> i32 {
    let result = file.write_zeroes(op.offset, op.length);
    if result < 0 || op.flags & FLAG_FUA == 0 {
        return result;
    }
    match file.flush(OpKind::DataFlush) {
        0 => result,
        errno => errno,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::super::file::OpenMode;
    use super::super::{Completion, Engine, Wait};
    use super::*;
    use crate::spec::SyncMode;

    fn op(kind: OpKind, offset: u64, length: u32) -> Op {
        Op {
            kind,
            flags: 0,
            file: 0,
            length,
            offset,
            intended_ns: 0,
            sequence: 0,
            generation: 0,
        }
    }

    fn run(engine: &mut Psync, op: &Op, slot: u32) -> Completion {
        assert!(engine.queue(op, slot, slot + 100));
        assert_eq!(engine.commit().unwrap(), 1);
        let mut out = Vec::with_capacity(1);
        assert_eq!(engine.reap(Wait::No, &mut out).unwrap(), 1);
        assert_eq!(out[0].tag, slot + 100);
        assert!(out[0].submitted_ns <= out[0].completed_ns);
        out[0]
    }

    fn scratch(name: &str, bytes: usize) -> (String, Vec<OpenFile>) {
        let directory = std::env::temp_dir();
        let path = directory.join(format!("osdyno-psync-{name}-{}", std::process::id()));
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&path)
            .unwrap();
        file.write_all(&vec![7; bytes]).unwrap();
        let path = path.to_str().unwrap().to_owned();
        let mode = OpenMode {
            write: true,
            direct: false,
            sync: SyncMode::None,
            access: None,
        };
        let open = OpenFile::open(&path, mode).unwrap();
        assert_eq!(open.size(), bytes as u64);
        (path, vec![open])
    }

    #[test]
    fn writes_durably_reads_back_and_flushes() {
        let (path, files) = scratch("data", 65536);
        let arena = Arc::new(Arena::new(2, 4096).unwrap());
        let mut engine = psync(files, arena.clone(), 2);
        // SAFETY: nothing is in flight.
        unsafe { arena.slot(0, 4096) }.fill(0x5a);
        let mut write = op(OpKind::Write, 8192, 4096);
        write.flags = FLAG_FUA;
        assert_eq!(run(&mut engine, &write, 0).result, 4096);
        assert_eq!(run(&mut engine, &op(OpKind::Flush, 0, 0), 0).result, 0);
        assert_eq!(run(&mut engine, &op(OpKind::DataFlush, 0, 0), 0).result, 0);
        let read = run(&mut engine, &op(OpKind::Read, 8192, 4096), 1);
        assert_eq!(read.result, 4096);
        // SAFETY: nothing is in flight.
        assert!(unsafe { arena.slot(1, 4096) }.iter().all(|&b| b == 0x5a));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn trims_to_zeroes_and_refuses_what_it_cannot_do() {
        let (path, files) = scratch("trim", 65536);
        let arena = Arc::new(Arena::new(1, 4096).unwrap());
        let mut engine = psync(files, arena.clone(), 1);
        let trimmed = run(&mut engine, &op(OpKind::Trim, 4096, 8192), 0).result;
        assert!(
            trimmed == 8192 || trimmed == -libc::EOPNOTSUPP,
            "result {trimmed}"
        );
        if trimmed == 8192 {
            assert_eq!(
                run(&mut engine, &op(OpKind::Read, 8192, 4096), 0).result,
                4096
            );
            // SAFETY: nothing is in flight.
            assert!(unsafe { arena.slot(0, 4096) }.iter().all(|&b| b == 0));
        }
        assert_eq!(
            run(&mut engine, &op(OpKind::Read, 65536, 4096), 0).result,
            0
        );
        let long = run(&mut engine, &op(OpKind::Read, 0, 8192), 0);
        assert_eq!(long.result, -libc::EINVAL);
        let mut other = op(OpKind::Read, 0, 4096);
        other.file = 1;
        assert_eq!(run(&mut engine, &other, 0).result, -libc::EINVAL);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn is_full_at_its_depth() {
        let (path, files) = scratch("full", 8192);
        let arena = Arc::new(Arena::new(2, 4096).unwrap());
        let mut engine = psync(files, arena, 2);
        let read = op(OpKind::Read, 0, 4096);
        assert!(engine.queue(&read, 0, 0) && engine.queue(&read, 1, 1));
        assert!(!engine.queue(&read, 0, 2));
        assert_eq!(engine.commit().unwrap(), 2);
        assert!(!engine.queue(&read, 0, 2));
        let mut out = Vec::with_capacity(1);
        assert_eq!(engine.reap(Wait::Forever, &mut out).unwrap(), 1);
        assert!(engine.queue(&read, 0, 2));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn names_the_path_and_the_reason_when_it_cannot_open() {
        let mode = OpenMode {
            write: false,
            direct: false,
            sync: SyncMode::None,
            access: None,
        };
        let missing = OpenFile::open("/nonexistent/osdyno", mode).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/osdyno"));
        let folder = OpenFile::open("/", mode).unwrap_err();
        assert!(folder.to_string().contains("neither a regular file"));
    }
}
