//! What blkparse prints by default, one event a line:
//! `8,0    3        1     0.000000000   697  Q   W 223490 + 8 [kjournald]`: device, CPU, number, time in
//! seconds, process, action, kind, first sector, sectors, command. Its manual page is the source.

use std::io::BufRead;

use super::blktrace::{SECTOR_BYTES, flush_before};
use super::lines::{Lines, number, shown, words, wrong};
use super::names::device_name;
use super::{Entry, Names, Passed, TraceError, TraceEvent};
use crate::op::OpKind;

/// Reads blkparse's text.
#[derive(Debug)]
pub struct BlkparseReader<R> {
    lines: Lines<R>,
    wanted: &'static [u8],
    pub(super) start_ns: Option<u64>,
    held: Option<Entry>,
    pub(super) passed: Passed,
}

/// The words that begin every event: device, time, action, kind.
struct Head<'a> {
    major: u64,
    minor: u64,
    time_ns: u64,
    action: &'a [u8],
    kind: &'a [u8],
}

fn head<'a>(words: &[&'a [u8]; 10], count: usize) -> Option<Head<'a>> {
    if count < 7 {
        return None;
    }
    let comma = words[0].iter().position(|byte| *byte == b',')?;
    number(words[1])?;
    number(words[2])?;
    number(words[4])?;
    Some(Head {
        major: number(&words[0][..comma])?,
        minor: number(&words[0][comma + 1..])?,
        time_ns: seconds(words[3])?,
        action: words[5],
        kind: words[6],
    })
}

/// `12.000000345` in nanoseconds.
fn seconds(word: &[u8]) -> Option<u64> {
    let dot = word.iter().position(|byte| *byte == b'.')?;
    let (whole, rest) = (&word[..dot], &word[dot + 1..]);
    if rest.is_empty() || rest.len() > 9 {
        return None;
    }
    let scale = 10_u64.pow(9 - rest.len() as u32);
    number(whole)?
        .checked_mul(1_000_000_000)?
        .checked_add(number(rest)? * scale)
}

/// Whether a line is one that blkparse prints for an event.
#[must_use]
pub fn is_event(line: &[u8]) -> bool {
    let (words, count) = words::<10>(line);
    head(&words, count).is_some()
}

impl<R: BufRead> BlkparseReader<R> {
    /// For a source at its first line.
    pub fn new(source: R, event: TraceEvent) -> Self {
        Self {
            lines: Lines::new(source),
            wanted: match event {
                TraceEvent::Queue => b"Q",
                TraceEvent::Issue => b"D",
            },
            start_ns: None,
            held: None,
            passed: Passed::default(),
        }
    }

    /// The next operation. Lines that are no events (the summary at the end) are passed over.
    ///
    /// # Errors
    /// An event whose place cannot be read; reading failed.
    pub fn next(&mut self, names: &mut Names) -> Result<Option<Entry>, TraceError> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        while let Some((at, line)) = self.lines.next()? {
            let (words, count) = words::<10>(line);
            let Some(head) = head(&words, count) else {
                self.passed.others += 1;
                continue;
            };
            // Commands that were passed through have no sectors: `Q R 36 (12 00 ..) [sr]`.
            let through = words[8].first() == Some(&b'(');
            if head.action != self.wanted || through {
                self.passed.others += 1;
                continue;
            }
            let flushes = head.kind.first() == Some(&b'F');
            let place = if words[8] == b"+" {
                match (number(words[7]), number(words[9])) {
                    (Some(sector), Some(count)) => Some((sector, count)),
                    _ => None,
                }
            } else {
                flushes.then_some((0, 0))
            };
            let place = place.and_then(|(sector, count)| {
                let end = sector.checked_add(count)?;
                (end < 1 << 53).then(|| (sector * SECTOR_BYTES, count * SECTOR_BYTES))
            });
            let Some((offset, length)) = place else {
                return Err(wrong(at, format!("`{}`: no `SECTOR + COUNT`", shown(line))));
            };
            let direction = head.kind.get(usize::from(flushes));
            let kind = match direction {
                Some(b'R') => OpKind::Read,
                Some(b'W') => OpKind::Write,
                Some(b'D') => OpKind::Trim,
                _ if flushes && length == 0 => OpKind::Flush,
                _ => {
                    self.passed.others += 1;
                    continue;
                }
            };
            if length == 0 && !flushes {
                self.passed.empty += 1;
                continue;
            }
            let device = device_name(head.major, head.minor);
            let Some(name) = names.number(device.as_bytes()) else {
                return Err(wrong(at, "too many devices".into()));
            };
            let start = *self.start_ns.get_or_insert(head.time_ns);
            let transfer = Entry {
                time_ns: head.time_ns.saturating_sub(start),
                kind,
                name,
                offset,
                length,
            };
            if !flushes {
                return Ok(Some(transfer));
            }
            self.held = (length > 0).then_some(transfer);
            return Ok(Some(flush_before(transfer)));
        }
        Ok(None)
    }
}
