//! fio's synchronous engines: one system call for an operation, one operation at a time. They differ
//! in the call only.

use std::sync::Arc;

use osdyno_core::op::{FLAG_FUA, Op, OpKind};
use osdyno_core::rng::{Rng, Use};

use super::EngineError;
use super::file::{OpenFile, last_errno, retry};
use super::synchronous::{Execute, Synchronous};
use crate::arena::Arena;

/// A synchronous engine over files.
pub type Psync = Synchronous<Files>;

/// The call that moves data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `pread` and `pwrite`.
    Psync,
    /// `lseek` where the position is another one, then `read` or `write`.
    Sync,
    /// `preadv` and `pwritev` with a vector of one.
    Pvsync,
    /// `preadv2` and `pwritev2` with a vector of one.
    Pvsync2 {
        /// `RWF_*`.
        flags: i32,
        /// Percent of the operations that have `RWF_HIPRI` of them.
        hipri_percent: u8,
    },
}

/// `RWF_DONTCACHE`, `linux/fs.h`.
const RWF_DONTCACHE: i32 = 0x80;

/// The flags of fio's `hipri`, `nowait` and `uncached`.
#[must_use]
pub fn transfer_flags(hipri: bool, nowait: bool, uncached: bool) -> i32 {
    let given = |on, flag| if on { flag } else { 0 };
    given(hipri, libc::RWF_HIPRI) | given(nowait, libc::RWF_NOWAIT) | given(uncached, RWF_DONTCACHE)
}

/// The position of a descriptor that nobody knows.
const NOWHERE: u64 = u64::MAX;

/// Files that are read and written.
pub struct Files {
    open: Vec<OpenFile>,
    arena: Arc<Arena>,
    method: Method,
    /// Where the next `read` or `write` of each descriptor begins.
    positions: Vec<u64>,
    /// Which operations are polled for.
    draws: Rng,
}

/// The psync engine over `files`, in the order of `Op::file`.
#[must_use]
pub fn psync(files: Vec<OpenFile>, arena: Arc<Arena>, depth: u32) -> Psync {
    let device = Files::new(files, arena, Method::Psync);
    Synchronous::new(device, depth, Vec::new())
}

/// One of the synchronous engines over `files`, in the order of `Op::file`.
///
/// # Errors
/// Polling is asked of a device that has none.
pub fn by_method(
    files: Vec<OpenFile>,
    arena: Arc<Arena>,
    depth: u32,
    method: Method,
) -> Result<Psync, EngineError> {
    if matches!(method, Method::Pvsync2 { flags, .. } if flags & libc::RWF_HIPRI != 0) {
        files.iter().try_for_each(demand_polling)?;
    }
    let device = Files::new(files, arena, method);
    Ok(Synchronous::new(device, depth, Vec::new()))
}

/// Refuses `hipri=1` where it could only be ignored.
///
/// # Errors
/// The file is not opened for direct I/O, or its device has no queue that can be polled.
pub(super) fn demand_polling(file: &OpenFile) -> Result<(), EngineError> {
    let why = if !file.is_direct() {
        "polling needs direct=1"
    } else if file.can_poll() == Some(false) {
        "its device has no queue that can be polled (nvme: boot with nvme.poll_queues=N); remove hipri"
    } else {
        return Ok(());
    };
    let path = file.path();
    Err(EngineError::Unsupported(format!("hipri=1: {path}: {why}")))
}

impl Files {
    fn new(files: Vec<OpenFile>, arena: Arc<Arena>, method: Method) -> Self {
        Self {
            positions: vec![NOWHERE; files.len()],
            draws: Rng::new(0, Use::Polling, 0),
            open: files,
            arena,
            method,
        }
    }

    /// Moves data; `None` = the slot or the offset cannot be.
    fn transfer(&mut self, op: &Op, slot: u32) -> Option<i32> {
        let place = usize::from(op.file);
        let fd = self.open.get(place)?.fd();
        let offset = libc::off_t::try_from(op.offset).ok()?;
        if slot >= self.arena.slot_count() || op.length > self.arena.slot_bytes() {
            return None;
        }
        let length = op.length as usize;
        let buffer = self.arena.slot_ptr(slot).cast::<libc::c_void>();
        let vector = libc::iovec {
            iov_base: buffer,
            iov_len: length,
        };
        let vector = &raw const vector;
        let write = op.kind == OpKind::Write;
        let mut flags = 0;
        if write && op.flags & FLAG_FUA != 0 {
            flags |= libc::RWF_DSYNC;
        }
        if let Method::Pvsync2 {
            flags: own,
            hipri_percent,
        } = self.method
        {
            flags |= own;
            if hipri_percent < 100 && self.draws.below(100) >= u64::from(hipri_percent) {
                flags &= !libc::RWF_HIPRI;
            }
        }
        let by_flags = flags != 0 || matches!(self.method, Method::Pvsync2 { .. });
        if self.method == Method::Sync && !by_flags {
            return Some(self.sequential(place, fd, write, buffer, length, op.offset));
        }
        let vectored = self.method == Method::Pvsync;
        // SAFETY: the slot is lent to this operation and holds `length` bytes (checked above); the
        // vector of one entry outlives the calls.
        Some(retry(|| unsafe {
            match (by_flags, vectored, write) {
                (true, _, true) => libc::pwritev2(fd, vector, 1, offset, flags),
                (true, _, false) => libc::preadv2(fd, vector, 1, offset, flags),
                (false, true, true) => libc::pwritev(fd, vector, 1, offset),
                (false, true, false) => libc::preadv(fd, vector, 1, offset),
                (false, false, true) => libc::pwrite(fd, buffer, length, offset),
                (false, false, false) => libc::pread(fd, buffer, length, offset),
            }
        }))
    }

    /// `read` or `write` at the descriptor's position, which is moved first if it must be.
    fn sequential(
        &mut self,
        place: usize,
        fd: libc::c_int,
        write: bool,
        buffer: *mut libc::c_void,
        length: usize,
        offset: u64,
    ) -> i32 {
        // SAFETY: the descriptor is open; the call takes no pointers.
        let seek = || unsafe { libc::lseek(fd, offset as libc::off_t, libc::SEEK_SET) };
        if self.positions[place] != offset && seek() < 0 {
            return last_errno();
        }
        // SAFETY: the caller's buffer is lent to this operation and holds `length` bytes.
        let result = retry(|| unsafe {
            if write {
                libc::write(fd, buffer, length)
            } else {
                libc::read(fd, buffer, length)
            }
        });
        self.positions[place] = u64::try_from(result).map_or(NOWHERE, |moved| offset + moved);
        result
    }
}

impl Execute for Files {
    fn files(&self) -> &[OpenFile] {
        &self.open
    }

    fn replace_files(&mut self, files: Vec<OpenFile>) -> bool {
        self.positions.fill(NOWHERE);
        self.open = files;
        true
    }

    fn execute(&mut self, op: &Op, slot: u32) -> i32 {
        if matches!(op.kind, OpKind::Read | OpKind::Write) {
            return self.transfer(op, slot).unwrap_or(-libc::EINVAL);
        }
        match self.open.get(usize::from(op.file)) {
            Some(file) => plain(file, op),
            None => -libc::EINVAL,
        }
    }
}

/// An operation that moves no data, by a plain system call.
pub(super) fn plain(file: &OpenFile, op: &Op) -> i32 {
    match op.kind {
        OpKind::Trim => file.trim(op.offset, op.length),
        OpKind::Flush | OpKind::DataFlush => file.flush(op.kind),
        OpKind::RangeFlush => file.flush_range(op),
        OpKind::WriteZeroes => {
            let durably = op.flags & FLAG_FUA != 0;
            file.write_zeroes_durably(op.offset, op.length, durably)
        }
        OpKind::Read | OpKind::Write => -libc::EINVAL,
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
            invalidate: false,
            create: false,
            access: None,
        };
        let open = OpenFile::open(&path, mode).unwrap();
        assert_eq!(open.size(), bytes as u64);
        (path, vec![open])
    }

    #[test]
    fn every_method_writes_durably_reads_back_and_flushes() {
        for method in [
            Method::Psync,
            Method::Sync,
            Method::Pvsync,
            Method::Pvsync2 {
                flags: 0,
                hipri_percent: 100,
            },
        ] {
            writes_durably_reads_back_and_flushes(method);
        }
    }

    fn writes_durably_reads_back_and_flushes(method: Method) {
        let (path, files) = scratch("data", 65536);
        let arena = Arc::new(Arena::new(2, 4096).unwrap());
        let mut engine = by_method(files, arena.clone(), 2, method).unwrap();
        // SAFETY: nothing is in flight.
        unsafe { arena.slot(0, 4096) }.fill(0x5a);
        let mut write = op(OpKind::Write, 8192, 4096);
        write.flags = FLAG_FUA;
        assert_eq!(run(&mut engine, &write, 0).result, 4096);
        assert_eq!(run(&mut engine, &op(OpKind::Flush, 0, 0), 0).result, 0);
        assert_eq!(run(&mut engine, &op(OpKind::DataFlush, 0, 0), 0).result, 0);
        for _ in 0..2 {
            // SAFETY: nothing is in flight.
            unsafe { arena.slot(1, 4096) }.fill(0);
            let read = run(&mut engine, &op(OpKind::Read, 8192, 4096), 1);
            assert_eq!(read.result, 4096);
            // SAFETY: nothing is in flight.
            assert!(unsafe { arena.slot(1, 4096) }.iter().all(|&b| b == 0x5a));
        }
        assert_eq!(
            run(&mut engine, &op(OpKind::Read, 12288, 4096), 1).result,
            4096
        );
        // SAFETY: nothing is in flight.
        assert!(unsafe { arena.slot(1, 4096) }.iter().all(|&b| b == 7));
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
    fn refuses_to_poll_what_cannot_be_polled() {
        let (path, files) = scratch("hipri", 8192);
        let arena = Arc::new(Arena::new(1, 4096).unwrap());
        let refused = by_method(
            files,
            arena,
            1,
            Method::Pvsync2 {
                flags: libc::RWF_HIPRI,
                hipri_percent: 50,
            },
        );
        let message = refused.err().unwrap().to_string();
        assert!(
            message.contains("hipri=1") && message.contains("direct=1"),
            "{message}"
        );
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
            invalidate: false,
            create: false,
            access: None,
        };
        let missing = OpenFile::open("/nonexistent/osdyno", mode).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/osdyno"));
        let folder = OpenFile::open("/", mode).unwrap_err();
        assert!(folder.to_string().contains("neither a regular file"));
    }
}
