//! What a job does with its files beside I/O: at most so many are open (`openfiles`), operations take
//! turns on them (`lockfile`), they are made durable when they are closed (`fsync_on_close`).

use std::io;

use osdyno_core::op::{Op, OpKind};

use super::JobLoop;
use super::check::errno_text;
use crate::clock::now_ns;
use crate::control::ControlSpec;
use crate::engine::Engine;
use crate::engine::file::{OpenFile, drop_cache_of};
use crate::file_lock::FileLocks;

/// A file's lock that another job has is asked for again after this long.
const LOCK_LOOK_NS: u64 = 10_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Files open at a time; all of them if there are no more.
    limit: usize,
    open: usize,
    files: Box<[FileUse]>,
    /// Operations that were admitted so far.
    turn: u64,
    locks: Option<FileLocks>,
    /// Files are made durable when they are closed.
    sync: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct FileUse {
    open: bool,
    inflight: u32,
    last_turn: u64,
}

/// Whether an operation may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Now,
    /// When one of the job's own has completed.
    AfterOwn,
    /// When another job has given the lock back.
    AfterOthers,
}

impl Keeper {
    /// `None` if the job asks for nothing of it.
    pub fn new(control: &ControlSpec, files: usize, writes: bool) -> Option<Self> {
        let limit = match control.open_files as usize {
            0 => files,
            limit => limit.min(files),
        };
        let sync = control.fsync_on_close && writes;
        (limit < files || sync).then(|| Self::with(limit, files, sync))
    }

    fn with(limit: usize, files: usize, sync: bool) -> Self {
        Self {
            limit,
            open: 0,
            files: vec![FileUse::default(); files].into(),
            turn: 0,
            locks: None,
            sync,
        }
    }

    fn limits(&self) -> bool {
        self.limit < self.files.len()
    }

    /// All files are closed until they are used, if not all may be open.
    fn begin(&mut self, files: &[OpenFile]) {
        if self.limits() {
            files.iter().for_each(OpenFile::close);
        }
        self.open = 0;
        self.files.fill(FileUse::default());
    }

    fn admit(&mut self, op: &Op, files: &[OpenFile]) -> io::Result<Verdict> {
        let place = usize::from(op.file);
        if self.limits() && !files.is_empty() && !self.files[place].open {
            if self.open == self.limit && !self.close_one(files)? {
                return Ok(Verdict::AfterOwn);
            }
            files[place].reopen().map_err(io::Error::other)?;
            self.files[place].open = true;
            self.open += 1;
        }
        if let Some(locks) = &self.locks
            && !locks.take(place, op.kind)
        {
            return Ok(match self.files[place].inflight {
                0 => Verdict::AfterOthers,
                _ => Verdict::AfterOwn,
            });
        }
        self.turn += 1;
        let used = &mut self.files[place];
        used.inflight += 1;
        used.last_turn = self.turn;
        Ok(Verdict::Now)
    }

    /// Closes the file that was not used for longest; `false` if all have operations in flight.
    fn close_one(&mut self, files: &[OpenFile]) -> io::Result<bool> {
        let idle = self.files.iter().enumerate();
        let idle = idle.filter(|(_, used)| used.open && used.inflight == 0);
        let Some((place, _)) = idle.min_by_key(|(_, used)| used.last_turn) else {
            return Ok(false);
        };
        if self.sync {
            flush(&files[place])?;
        }
        files[place].close();
        self.files[place].open = false;
        self.open -= 1;
        Ok(true)
    }

    fn completed(&mut self, file: u16, kind: OpKind) {
        let place = usize::from(file);
        self.files[place].inflight -= 1;
        if let Some(locks) = &self.locks {
            locks.give(place, kind);
        }
    }

    /// No operation waits for a lock any more.
    fn withdraw(&self) {
        if let Some(locks) = &self.locks {
            locks.leave();
        }
    }

    /// Makes what is open durable; engines that keep their files to themselves are helped by path.
    fn sync_all(&self, files: &[OpenFile], paths: &[String]) -> io::Result<()> {
        if !self.sync {
            return Ok(());
        }
        if files.is_empty() {
            return paths
                .iter()
                .try_for_each(|path| std::fs::File::open(path)?.sync_all());
        }
        files
            .iter()
            .filter(|file| file.fd() >= 0)
            .try_for_each(flush)
    }
}

fn flush(file: &OpenFile) -> io::Result<()> {
    match file.flush(OpKind::Flush) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(-errno)),
    }
}

/// The files that may be closed between operations.
fn movable<E: Engine>(engine: &E) -> &[OpenFile] {
    if engine.keeps_files() {
        &[]
    } else {
        engine.files()
    }
}

impl<E: Engine> JobLoop<E> {
    /// The job's locks, before it begins.
    pub fn share_files(&mut self, locks: Option<FileLocks>) {
        if let Some(locks) = locks {
            let count = self.paths.len();
            let keeper = self
                .keeper
                .get_or_insert_with(|| Box::new(Keeper::with(count, count, false)));
            keeper.locks = Some(locks);
        }
        self.close_unused();
    }

    pub(super) fn close_unused(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.begin(movable(&self.engine));
        }
    }

    /// Whether an operation may be sent now; else it is to be held, and the loop pauses.
    #[cold]
    pub(super) fn may_send(&mut self, op: &Op, now: u64) -> bool {
        let Some(keeper) = &mut self.keeper else {
            return true;
        };
        self.pause_ns = u64::MAX;
        match keeper.admit(op, movable(&self.engine)) {
            Ok(Verdict::Now) => true,
            Ok(Verdict::AfterOwn) => false,
            Ok(Verdict::AfterOthers) => {
                self.pause_ns = now + LOCK_LOOK_NS;
                false
            }
            Err(error) => {
                self.fail_files("openfiles", &error);
                false
            }
        }
    }

    /// The files begin anew: what is cached of them is dropped, as fio does with `invalidate=1`, or what
    /// the job reads again would be the memory's figures.
    #[cold]
    pub(super) fn begin_round(&mut self) {
        self.rounds = self.stream.rounds();
        let files = self.engine.files();
        if files.is_empty() {
            self.paths.iter().for_each(|path| drop_cache_of(path));
        }
        for file in files {
            if file.fd() >= 0 {
                file.drop_cache();
            } else {
                drop_cache_of(file.path());
            }
        }
    }

    /// An operation that `may_send` let pass is over.
    #[cold]
    pub(super) fn file_used(&mut self, file: u16, kind: OpKind) {
        if let Some(keeper) = &mut self.keeper {
            keeper.completed(file, kind);
        }
    }

    pub(super) fn withdraw(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.withdraw();
        }
        self.pause_ns = u64::MAX;
    }

    /// A loop or the job is over, nothing is in flight: its files are closed.
    #[cold]
    pub fn close_files(&mut self) {
        let Some(keeper) = &self.keeper else {
            return;
        };
        if let Err(error) = keeper.sync_all(self.engine.files(), &self.paths) {
            self.fail_files("fsync_on_close", &error);
        }
        self.close_unused();
    }

    fn fail_files(&mut self, key: &str, error: &io::Error) {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        let why = match error.raw_os_error() {
            Some(errno) => errno_text(errno),
            None => error.to_string(),
        };
        self.fail(errno, format!("{key}: {why}"), now_ns());
    }
}
