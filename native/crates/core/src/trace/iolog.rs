//! fio's iolog, versions 2 and 3.
//!
//! Version 2: `FILE ACTION [OFFSET LENGTH]`, with `add`, `open`, `close`, `read`, `write`, `trim`,
//! `sync`, `datasync`, and `FILE wait MICROSECONDS 0` (also without a file): what follows is sent that
//! long after the wait before it. fio 3.33 takes that number for milliseconds; its manual says
//! microseconds, which counts here. Version 3 has no waits: each line begins with microseconds since
//! the job's start. `write_iolog` appends, so a header may come again; the time then goes on from there.

use std::io::BufRead;

use super::lines::{Lines, number, shown, words, wrong};
use super::{Entry, Names, Passed, TraceError};
use crate::op::OpKind;

/// Reads an iolog.
#[derive(Debug)]
pub struct IologReader<R> {
    lines: Lines<R>,
    version: u8,
    /// Version 2: the sum of the waits. Version 3: what times count from.
    base_ns: u64,
    last_ns: u64,
    pub(super) passed: Passed,
}

/// The version that a first line tells; `None`: it is none of an iolog.
#[must_use]
pub fn version_of(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(b"fio version ")?;
    let digits = rest.split(|byte| *byte == b' ').next()?;
    number(digits)
}

fn kind_of(action: &[u8]) -> Option<OpKind> {
    Some(match action {
        b"read" => OpKind::Read,
        b"write" => OpKind::Write,
        b"trim" => OpKind::Trim,
        b"sync" => OpKind::Flush,
        b"datasync" => OpKind::DataFlush,
        _ => return None,
    })
}

impl<R: BufRead> IologReader<R> {
    /// For a source at its first line.
    ///
    /// # Errors
    /// It is no iolog, or one of another version.
    pub fn new(source: R) -> Result<Self, TraceError> {
        let mut lines = Lines::new(source);
        let first = lines.next()?.map(|(_, line)| version_of(line));
        let version = match first.flatten() {
            Some(version @ 2..=3) => version as u8,
            Some(version) => {
                let what = format!("iolog version {version}: there are 2 and 3");
                return Err(wrong(1, what));
            }
            None => {
                return Err(wrong(
                    1,
                    "an iolog begins with `fio version 3 iolog`".into(),
                ));
            }
        };
        Ok(Self {
            lines,
            version,
            base_ns: 0,
            last_ns: 0,
            passed: Passed::default(),
        })
    }

    /// 2 or 3, of the part that is being read.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// The next operation.
    ///
    /// # Errors
    /// A line that is none of an iolog; reading failed.
    pub fn next(&mut self, names: &mut Names) -> Result<Option<Entry>, TraceError> {
        while let Some((at, line)) = self.lines.next()? {
            if line.starts_with(b"fio version ") {
                match version_of(line) {
                    Some(version @ 2..=3) => self.version = version as u8,
                    _ => return Err(wrong(at, format!("`{}`: no version of ours", shown(line)))),
                }
                self.base_ns = self.last_ns;
                continue;
            }
            let (words, count) = words::<5>(line);
            let (time_ns, words, count) = if self.version == 3 {
                let time = number(words[0]).and_then(|micros| micros.checked_mul(1000));
                let Some(time) = time else {
                    let what = format!("`{}`: a line begins with its time in us", shown(line));
                    return Err(wrong(at, what));
                };
                let time = self.base_ns.saturating_add(time);
                (time, &words[1..], count - 1)
            } else {
                (self.base_ns, &words[..4], count)
            };
            self.last_ns = self.last_ns.max(time_ns);
            let action = words[1];
            if let Some(kind) = kind_of(action) {
                let flush = matches!(kind, OpKind::Flush | OpKind::DataFlush);
                let place = match (count, number(words[2]), number(words[3])) {
                    (4, Some(offset), Some(length)) => Some((offset, length)),
                    (2..=4, ..) if flush => Some((0, 0)),
                    _ => None,
                };
                let Some((offset, length)) = place else {
                    return Err(wrong(
                        at,
                        format!("`{}`: give offset and length", shown(line)),
                    ));
                };
                if offset.checked_add(length).is_none_or(|end| end >= 1 << 63) {
                    let what = format!("`{}`: ends beyond 2^63 bytes", shown(line));
                    return Err(wrong(at, what));
                }
                let Some(name) = names.number(words[0]) else {
                    return Err(wrong(at, "too many files: at most 65535".into()));
                };
                if length == 0 && !flush {
                    self.passed.empty += 1;
                    continue;
                }
                return Ok(Some(Entry {
                    time_ns,
                    kind,
                    name,
                    offset: if flush { 0 } else { offset },
                    length: if flush { 0 } else { length },
                }));
            }
            match wait_of(self.version, words, count) {
                Some(micros) => {
                    self.base_ns = self.base_ns.saturating_add(micros.saturating_mul(1000));
                    self.last_ns = self.base_ns;
                }
                None if matches!(action, b"add" | b"open" | b"close") && count == 2 => {
                    self.passed.others += 1;
                }
                None => {
                    let what = format!("`{}`: no such action in an iolog", shown(line));
                    return Err(wrong(at, what));
                }
            }
        }
        Ok(None)
    }
}

/// Microseconds of a wait: `FILE wait N 0`, `FILE wait N`, `wait N`.
fn wait_of(version: u8, words: &[&[u8]], count: usize) -> Option<u64> {
    if version != 2 {
        return None;
    }
    match count {
        2 if words[0] == b"wait" => number(words[1]),
        3 | 4 if words[1] == b"wait" => number(words[2]),
        _ => None,
    }
}
