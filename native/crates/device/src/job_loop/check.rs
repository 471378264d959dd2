//! Completions that are not simply whole and well: errors, short transfers, data to be verified.

use osdyno_core::op::{Op, OpKind};
use osdyno_core::verify::Mismatch;

use super::tolerate::{ErrorKind, Fate};
use super::{InFlight, JobLoop, Phase};
use crate::clock::now_ns;
use crate::engine::{Completion, Engine};
use crate::outcome::JobError;

/// A transfer that came back short and goes on with its rest, within the same slot.
#[derive(Debug)]
pub(super) struct Part {
    slot: u32,
    /// As it was sent first.
    op: Op,
    submitted_ns: u64,
    /// What was read so far: the rest is read to the slot's start, which keeps it aligned.
    prefix: Vec<u8>,
}

/// `errno` for people: text and name.
pub(super) fn errno_text(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
    let name = match errno {
        libc::EIO => "EIO",
        libc::ENOSPC => "ENOSPC",
        libc::EINVAL => "EINVAL",
        libc::ENODEV => "ENODEV",
        libc::ENXIO => "ENXIO",
        libc::EROFS => "EROFS",
        libc::EBADF => "EBADF",
        libc::EAGAIN => "EAGAIN",
        libc::ENOMEM => "ENOMEM",
        libc::EDQUOT => "EDQUOT",
        libc::EFBIG => "EFBIG",
        libc::ETIMEDOUT => "ETIMEDOUT",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::ECANCELED => "ECANCELED",
        libc::EILSEQ => "EILSEQ",
        libc::EREMOTEIO => "EREMOTEIO",
        libc::ENODATA => "ENODATA",
        _ => return format!("{text} (errno {errno})"),
    };
    format!("{text} ({name})")
}

pub(super) fn verb(kind: OpKind) -> &'static str {
    match kind {
        OpKind::Read => "read",
        OpKind::Write => "write",
        OpKind::Trim => "trim",
        OpKind::Flush => "fsync",
        OpKind::DataFlush => "fdatasync",
        OpKind::RangeFlush => "sync_file_range",
        OpKind::WriteZeroes => "write of zeroes",
    }
}

impl<E: Engine> JobLoop<E> {
    pub(super) fn path(&self, file: u16) -> &str {
        self.paths
            .get(usize::from(file))
            .map_or("the target", String::as_str)
    }

    /// Ends the job by an error, unless one did before. What is in flight is still awaited.
    #[cold]
    pub(super) fn fail(&mut self, errno: i32, message: String, at_ns: u64) {
        self.phase = Phase::Drain;
        self.held = None;
        if self.error.is_none() {
            self.error = Some(JobError {
                errno,
                message,
                at_ns: at_ns.saturating_sub(self.origin_ns),
            });
        }
    }

    /// An operation failed: ends the job, unless it outlives this error.
    fn fail_op(&mut self, op: &Op, errno: i32, why: &str, at_ns: u64) {
        let fate = self.tolerance.judge(ErrorKind::of(op.kind, errno), errno);
        match fate {
            Fate::Counted => return,
            Fate::Full => return self.end_stream(),
            Fate::Told | Fate::Fatal => {}
        }
        let path = self.path(op.file);
        let message = match op.kind {
            OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => {
                format!("{} of {path}: {why}", verb(op.kind))
            }
            kind => format!(
                "{} of {} bytes at {} of {path}: {why}",
                verb(kind),
                op.length,
                op.offset
            ),
        };
        if fate == Fate::Told {
            self.notes.push(message);
        } else {
            self.fail(errno, message, at_ns);
        }
    }

    /// Verification found a mismatch; `message` if that is to end the job.
    fn fail_verify(&mut self, message: Option<String>, at_ns: u64) {
        match self.tolerance.judge(ErrorKind::Verify, libc::EILSEQ) {
            Fate::Told | Fate::Counted if message.is_some() => self.end_stream(),
            Fate::Told | Fate::Counted => {}
            Fate::Full | Fate::Fatal => {
                if let Some(message) = message {
                    self.fail(libc::EILSEQ, message, at_ns);
                }
            }
        }
    }

    /// Looks at a completion that failed, was short or is to be verified. Puts the operation as it was
    /// sent first, and when, into `flight` and `completion`; answers its result, or `None` when it goes
    /// on.
    #[cold]
    pub(super) fn examine(
        &mut self,
        completion: &mut Completion,
        flight: &mut InFlight,
    ) -> Option<i32> {
        let op = flight.op;
        let (tag, result) = (completion.tag, completion.result);
        let moves_data = matches!(op.kind, OpKind::Read | OpKind::Write);
        if moves_data && result > 0 && (result as u32) < op.length {
            self.go_on(completion, &op);
            return None;
        }
        let part = self.parts.iter().position(|part| part.slot == tag);
        let part = part.map(|index| self.parts.swap_remove(index));
        if let Some(part) = &part {
            flight.op = part.op;
            completion.submitted_ns = part.submitted_ns;
        }
        let at_ns = completion.completed_ns;
        if result < 0 || (moves_data && result == 0 && op.length > 0) {
            let (errno, why) = if result < 0 {
                (-result, errno_text(-result))
            } else {
                (libc::EIO, "end of file (EIO)".to_owned())
            };
            self.fail_op(&op, errno, &why, at_ns);
            if let Some(checks) = &mut self.checks
                && !matches!(
                    op.kind,
                    OpKind::Read | OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush
                )
            {
                checks.forget(&flight.op);
            }
            return Some(-errno);
        }
        if op.kind == OpKind::Read {
            // SAFETY: the operation has completed, its slot is not free yet: the slot is ours alone.
            let bytes = unsafe { self.arena.slot(tag, flight.op.length as usize) };
            if let Some(part) = &part {
                let prefix = &part.prefix;
                bytes.copy_within(..op.length as usize, prefix.len());
                bytes[..prefix.len()].copy_from_slice(prefix);
            }
            self.verify(&flight.op, tag, at_ns);
        }
        if let Some(checks) = &mut self.checks {
            checks.completed(&flight.op, self.of_stream);
        }
        Some(if moves_data {
            flight.op.length as i32
        } else {
            result
        })
    }

    /// Checks a read, or lends its slot to those who do.
    fn verify(&mut self, op: &Op, slot: u32, at_ns: u64) {
        let Some(checks) = &mut self.checks else {
            return;
        };
        if checks.hand_over(op, slot, at_ns) {
            self.lent = true;
            return;
        }
        // SAFETY: as in `examine`.
        let bytes = unsafe { self.arena.slot(slot, op.length as usize) };
        let mismatch = checks.check(op, bytes);
        self.judge(op, mismatch, slot, at_ns);
    }

    /// A read has been checked.
    fn judge(&mut self, op: &Op, mismatch: Option<Mismatch>, slot: u32, at_ns: u64) {
        let Some(checks) = &mut self.checks else {
            return;
        };
        let path = self
            .paths
            .get(usize::from(op.file))
            .map_or("the target", String::as_str);
        // SAFETY: as in `examine`; whoever checked it has given it back.
        let bytes = unsafe { self.arena.slot(slot, op.length as usize) };
        let wrong = mismatch.is_some();
        let message = checks.judged(op, mismatch, bytes, path);
        if wrong {
            self.fail_verify(message, at_ns);
        }
    }

    /// Operations that the engine has.
    #[inline]
    pub(super) fn in_engine(&self) -> u32 {
        self.inflight() - self.being_checked()
    }

    /// Reads that are being checked by other threads.
    #[inline]
    pub(super) fn being_checked(&self) -> u32 {
        match &self.checks {
            Some(checks) => checks.being_checked(),
            None => 0,
        }
    }

    /// Takes the reads that others have checked; waits for one up to this long.
    #[cold]
    pub(super) fn take_checked(&mut self, most_ns: u64) -> u32 {
        let mut taken = 0;
        let was_full = self.free.is_empty();
        while let Some(parcel) = self.checks.as_mut().and_then(|checks| {
            let most_ns = if taken == 0 { most_ns } else { 0 };
            checks.take_checked(most_ns)
        }) {
            let (op, slot, completed_ns) = (parcel.op, parcel.slot, parcel.completed_ns);
            self.judge(&op, parcel.mismatch.clone(), slot, completed_ns);
            if let Some(checks) = &mut self.checks {
                checks.give_back(parcel);
            }
            if self.of_stream {
                let since = completed_ns.saturating_sub(self.start_ns);
                self.stream.completed(&op, since);
            }
            self.file_used(op.file, op.kind);
            self.free.push(slot);
            taken += 1;
        }
        if taken > 0 && was_full {
            self.freed_ns = now_ns();
        }
        taken
    }

    /// Sends the rest of a short transfer.
    fn go_on(&mut self, completion: &Completion, op: &Op) {
        let tag = completion.tag;
        let done = completion.result as u32;
        // SAFETY: as in `examine`.
        let bytes = unsafe { self.arena.slot(tag, op.length as usize) };
        let index = self.parts.iter().position(|part| part.slot == tag);
        let index = index.unwrap_or_else(|| {
            self.continued[op.kind as usize] += 1;
            self.parts.push(Part {
                slot: tag,
                op: *op,
                submitted_ns: completion.submitted_ns,
                prefix: Vec::new(),
            });
            self.parts.len() - 1
        });
        if op.kind == OpKind::Read {
            self.parts[index]
                .prefix
                .extend_from_slice(&bytes[..done as usize]);
        } else {
            bytes.copy_within(done as usize.., 0);
        }
        let rest = Op {
            offset: op.offset + u64::from(done),
            length: op.length - done,
            ..*op
        };
        self.slots[tag as usize].op = rest;
        // The operation that just completed made room for this one.
        if self.engine.queue(&rest, tag, tag) {
            self.queued += 1;
        } else {
            self.parts.swap_remove(index);
            self.file_used(rest.file, rest.kind);
            self.free.push(tag);
            self.fail_op(
                &rest,
                libc::EAGAIN,
                "no room to go on",
                completion.completed_ns,
            );
        }
    }
}
