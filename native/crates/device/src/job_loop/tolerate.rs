//! Errors that a job outlives.

use osdyno_core::op::OpKind;

use crate::control::ControlSpec;

/// Kinds of errors, as fio tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorKind {
    Read = 0,
    /// Everything that is neither.
    Write = 1,
    Verify = 2,
}

impl ErrorKind {
    pub(super) fn of(kind: OpKind, errno: i32) -> Self {
        match kind {
            _ if errno == libc::EILSEQ => Self::Verify,
            OpKind::Read => Self::Read,
            _ => Self::Write,
        }
    }
}

/// What each kind outlives without a list of its own.
const USUAL: [i32; 2] = [libc::EIO, libc::EILSEQ];
/// Errors told of one by one.
const TOLD: u64 = 100;

/// What comes of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It ends the job.
    Fatal,
    /// It is counted.
    Counted,
    /// It is counted, and to be told of.
    Told,
    /// It ends the job as its runtime would: the device is full.
    Full,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tolerance {
    continue_on: [bool; 3],
    lists: [Vec<i32>; 3],
    dump: bool,
    fill_device: bool,
    /// Errors of the kinds that are outlived, the one that was not included.
    pub(super) total: u64,
    pub(super) first: i32,
}

impl Tolerance {
    pub(super) fn new(spec: &ControlSpec) -> Self {
        let errors = &spec.errors;
        let lists = errors.ignore.clone();
        Self {
            // A list says that its kind is outlived.
            continue_on: [0, 1, 2].map(|kind| errors.continue_on[kind] || !lists[kind].is_empty()),
            lists: lists.map(|list| {
                if list.is_empty() {
                    USUAL.to_vec()
                } else {
                    list
                }
            }),
            dump: errors.dump,
            fill_device: spec.fill_device,
            total: 0,
            first: 0,
        }
    }

    /// Some kind of error is outlived: the counts belong into the results.
    pub(super) fn counts(&self) -> bool {
        self.continue_on.contains(&true)
    }

    pub(super) fn judge(&mut self, kind: ErrorKind, errno: i32) -> Fate {
        let index = kind as usize;
        let outlived = self.continue_on[index] && self.lists[index].contains(&errno);
        if !outlived && self.fill_device && matches!(errno, libc::ENOSPC | libc::EDQUOT) {
            return Fate::Full;
        }
        if self.continue_on[index] {
            self.total += 1;
            if self.total == 1 {
                self.first = errno;
            }
        }
        match outlived {
            false => Fate::Fatal,
            true if self.dump && self.total <= TOLD => Fate::Told,
            true => Fate::Counted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorSpec;

    fn tolerance(continue_on: [bool; 3], ignore: [Vec<i32>; 3]) -> Tolerance {
        Tolerance::new(&ControlSpec {
            errors: ErrorSpec {
                continue_on,
                ignore,
                dump: false,
            },
            ..ControlSpec::default()
        })
    }

    #[test]
    fn usual_errors_of_a_named_kind_are_counted() {
        let mut errors = tolerance([true, false, false], <[Vec<i32>; 3]>::default());
        let read = |errno| ErrorKind::of(OpKind::Read, errno);
        assert_eq!(errors.judge(read(libc::EIO), libc::EIO), Fate::Counted);
        assert_eq!(errors.judge(read(libc::ENXIO), libc::ENXIO), Fate::Fatal);
        assert_eq!((errors.total, errors.first), (2, libc::EIO));
        let write = ErrorKind::of(OpKind::Trim, libc::EIO);
        assert_eq!(errors.judge(write, libc::EIO), Fate::Fatal);
        assert_eq!(errors.total, 2);
    }

    #[test]
    fn a_list_replaces_the_usual_ones_and_names_its_kind() {
        let lists = [Vec::new(), vec![libc::ENOSPC], Vec::new()];
        let mut errors = tolerance([false; 3], lists);
        let kind = ErrorKind::of(OpKind::Write, libc::ENOSPC);
        assert_eq!(errors.judge(kind, libc::ENOSPC), Fate::Counted);
        assert_eq!(errors.judge(kind, libc::EIO), Fate::Fatal);
    }

    #[test]
    fn a_full_device_ends_a_job_that_fills_it() {
        let mut errors = Tolerance::new(&ControlSpec {
            fill_device: true,
            ..ControlSpec::default()
        });
        assert_eq!(errors.judge(ErrorKind::Write, libc::ENOSPC), Fate::Full);
        assert_eq!(errors.judge(ErrorKind::Write, libc::EIO), Fate::Fatal);
        assert_eq!(errors.total, 0);
    }
}
