//! Verification of a job: what is stamped, checked, told, left behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use osdyno_core::data::DataSource;
use osdyno_core::op::{FLAG_READ_BACK, Next, Op, OpKind};
use osdyno_core::spec::SpecError;
use osdyno_core::verify::{Mismatch, Verifier};

use super::check_pool::{CheckPool, Parcel};
use crate::arena::Arena;
use crate::outcome::{VerifyMismatch, VerifyOutcome};
use crate::source::OpSource;
use crate::spec::JobSpec;
use crate::verify_state::{self, Extent, VerifyState};

/// Mismatches that are listed, and dumped, one by one.
const LISTED: usize = 100;
/// Operations imagined at a time, between two looks at the flag that stops the job.
const IMAGINED: usize = 1 << 16;

/// See the module.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent keys")]
pub(super) struct Checks {
    verifier: Verifier,
    fatal: bool,
    read_back: bool,
    max_block: u32,
    /// Trimmed ranges must read as zeroes.
    zeroes: bool,
    /// The job writes nothing: every read is checked against an earlier job's writes.
    foreign: bool,
    /// The writes are only imagined.
    pub(super) only: bool,
    /// How far an earlier run came; absent: to the end.
    extent: Option<Extent>,
    state: Option<VerifyState>,
    pool: Option<CheckPool>,
    dump: Option<Dump>,
    notes: Vec<String>,
    pub(super) outcome: VerifyOutcome,
}

/// Where bad blocks go, and what they should be.
#[derive(Debug)]
struct Dump {
    folder: PathBuf,
    source: DataSource,
    expected: Vec<u8>,
}

impl Checks {
    pub(super) fn new(spec: &JobSpec, arena: &Arc<Arena>) -> Result<Option<Self>, SpecError> {
        let stream = &spec.stream;
        let (Some(verify), Some(verifier)) = (&stream.data.verify, Verifier::new(stream)) else {
            return Ok(None);
        };
        let foreign = stream.mix[1] <= 0.0 && !stream.trim_then_write;
        let slot_bytes = arena.slot_bytes() as usize;
        let intervals = slot_bytes.div_ceil(verify.interval.max(1) as usize);
        let cpus = &verify.async_cpus;
        let pool = match verify.async_threads {
            0 => None,
            threads => Some(
                CheckPool::new(threads, cpus, verifier.checker(), arena, intervals).map_err(
                    |error| SpecError::Invalid(format!("verify_async: {threads} threads: {error}")),
                )?,
            ),
        };
        let mut checks = Self {
            verifier,
            fatal: verify.fatal,
            read_back: verify.read_back && !foreign,
            max_block: spec.max_block,
            zeroes: stream.trims.is_some_and(|trims| trims.verify_zero),
            foreign,
            only: verify.only && !foreign,
            extent: None,
            state: None,
            pool,
            dump: verify.dump.then(|| Dump {
                folder: PathBuf::from(&spec.check_files.folder),
                source: DataSource::new(stream, slot_bytes, 0),
                expected: vec![0; verify.interval as usize],
            }),
            notes: Vec::new(),
            outcome: VerifyOutcome::default(),
        };
        checks.find_state(spec, arena.slot_count() as usize)?;
        Ok(Some(checks))
    }

    fn find_state(&mut self, spec: &JobSpec, in_flight: usize) -> Result<(), SpecError> {
        let files = &spec.check_files;
        let invalid = |message: &str| SpecError::Invalid(message.to_owned());
        if self.only && !files.load && spec.stream.time_based {
            return Err(invalid(
                "verify_only with time_based: nothing says how many writes there were; \
                 add verify_state_load=1, or let number_ios end the writes",
            ));
        }
        let Some(path) = files.state.as_ref().map(Path::new) else {
            return Ok(());
        };
        if files.load && !self.only {
            return Err(invalid(
                "verify_state_load says how far an earlier run came: it needs verify_only",
            ));
        }
        if files.load {
            let extent = verify_state::load(path, &spec.stream).map_err(SpecError::Invalid)?;
            self.extent = Some(extent);
            self.notes.push(format!(
                "checks the first {} operations, as {} says; {} more may have been sent",
                extent.done,
                path.display(),
                extent.sent - extent.done
            ));
        } else if !self.only && !self.foreign {
            match VerifyState::create(path, &spec.stream, in_flight) {
                Ok(state) => self.state = Some(state),
                Err(error) => self.notes.push(format!(
                    "no state of the verification is kept: {}: {error}",
                    path.display()
                )),
            }
        }
        Ok(())
    }

    pub(super) fn reads_back(&self) -> bool {
        self.read_back
    }

    /// What is written from now on is to be read back as well.
    pub(super) fn rewind(&mut self) {
        self.verifier.rewind();
    }

    pub(super) fn read_back(&mut self) -> Option<Op> {
        self.verifier.read_back(self.max_block)
    }

    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Takes some operations of the stream as done; `true` when there are no more.
    pub(super) fn imagine(&mut self, stream: &mut OpSource) -> bool {
        for _ in 0..IMAGINED {
            // Whatever the schedule, its time has come.
            let op = match stream.next(u64::MAX - 1) {
                Next::Op(op) => op,
                Next::LoopEnd => continue,
                Next::Done | Next::NotBefore(_) | Next::AfterCompletions => return true,
            };
            stream.completed(&op, 0);
            match self.extent {
                Some(extent) if op.sequence >= extent.sent => return true,
                Some(extent) if op.sequence >= extent.done => {
                    if matches!(op.kind, OpKind::Write | OpKind::Trim) {
                        self.verifier.forget(&op);
                    }
                }
                _ => self.verifier.imagine(&op, self.zeroes),
            }
        }
        false
    }

    pub(super) fn stamp(&mut self, op: &Op, bytes: &mut [u8]) {
        self.verifier.stamp(op, bytes);
    }

    /// An operation of the stream is about to be sent.
    pub(super) fn sends(&mut self, op: &Op) {
        if let Some(state) = &mut self.state {
            state.send(op.sequence);
        }
    }

    /// An operation has completed well; `streamed`: of the stream.
    pub(super) fn completed(&mut self, op: &Op, streamed: bool) {
        if op.kind == OpKind::Trim {
            self.verifier.trimmed(op, self.zeroes);
        }
        if let Some(state) = &mut self.state
            && streamed
        {
            state.complete(op.sequence);
        }
    }

    /// The stream is over and all of it completed; `whole`: by itself and without an error.
    pub(super) fn writes_over(&mut self, whole: bool) {
        let Some(state) = self.state.take() else {
            return;
        };
        if whole {
            return state.remove();
        }
        let (path, extent) = (state.path().display(), state.extent());
        self.notes.push(format!(
            "{path} says how far the writes came, {} operations: verify_only=1 verify_state_load=1 \
             checks that far",
            extent.done
        ));
    }

    pub(super) fn forget(&mut self, op: &Op) {
        self.verifier.forget(op);
    }

    pub(super) fn check(&self, op: &Op, bytes: &[u8]) -> Option<Mismatch> {
        self.verifier.check_read(op, bytes)
    }

    /// Gives a read to other threads to check, if there are any.
    pub(super) fn hand_over(&mut self, op: &Op, slot: u32, completed_ns: u64) -> bool {
        let Some(pool) = &mut self.pool else {
            return false;
        };
        pool.hand_over(&self.verifier, op, slot, completed_ns);
        true
    }

    #[inline]
    pub(super) fn being_checked(&self) -> u32 {
        self.pool.as_ref().map_or(0, |pool| pool.pending)
    }

    pub(super) fn take_checked(&mut self, most_ns: u64) -> Option<Box<Parcel>> {
        let pool = self.pool.as_mut().filter(|pool| pool.pending > 0)?;
        match most_ns {
            0 => pool.take(),
            most_ns => pool.wait(most_ns),
        }
    }

    pub(super) fn give_back(&mut self, parcel: Box<Parcel>) {
        if let Some(pool) = &mut self.pool {
            pool.give_back(parcel);
        }
    }

    /// Books the verdict on a read; the message of a mismatch that ends the job.
    pub(super) fn judged(
        &mut self,
        op: &Op,
        mismatch: Option<Mismatch>,
        bytes: &[u8],
        path: &str,
    ) -> Option<String> {
        let read_back = op.flags & FLAG_READ_BACK != 0;
        if read_back {
            self.verifier.was_read_back(op);
        }
        if read_back || self.foreign || mismatch.is_some() {
            self.outcome.checked_bytes += u64::from(op.length);
            self.outcome.checked_blocks += 1;
        }
        let mismatch = mismatch?;
        if self.outcome.mismatches.len() < LISTED {
            self.dump_blocks(op, &mismatch, bytes, path);
        }
        let mismatch = VerifyMismatch::new(mismatch, path.to_owned());
        let message = format!(
            "verification of {} bytes at {} of {path}: {} is {}, expected {}",
            mismatch.length_bytes,
            mismatch.offset_bytes,
            mismatch.what.words(),
            mismatch.found,
            mismatch.expected
        );
        self.outcome.mismatch_count += 1;
        if self.outcome.mismatches.len() < LISTED {
            self.outcome.mismatches.push(mismatch);
        }
        self.fatal.then_some(message)
    }

    /// Writes the interval as it was read and as it should be, named as fio names them.
    #[cold]
    fn dump_blocks(&mut self, op: &Op, mismatch: &Mismatch, bytes: &[u8], path: &str) {
        let Some(dump) = &mut self.dump else {
            return;
        };
        let from = (mismatch.offset - op.offset) as usize;
        let Some(found) = bytes.get(from..from + mismatch.length as usize) else {
            return;
        };
        let base = Path::new(path).file_name().unwrap_or("target".as_ref());
        let name = |what: &str| {
            let name = format!("{}.{}.{what}", base.to_string_lossy(), mismatch.offset);
            dump.folder.join(name)
        };
        let (received, expected) = (name("received"), name("expected"));
        let known = self
            .verifier
            .expected_bytes(mismatch, found, &dump.source, &mut dump.expected);
        let mut files = vec![(received, found)];
        if known {
            files.push((expected, &dump.expected));
        }
        for (file, bytes) in files {
            let written = std::fs::write(&file, bytes);
            self.notes.push(match written {
                Ok(()) => format!("dumped {}", file.display()),
                Err(error) => format!("cannot dump {}: {error}", file.display()),
            });
        }
    }
}
