//! Lines of a text, one at a time, in bounded memory.

use std::io::{BufRead, Read};

use super::TraceError;

/// A line longer than this is no trace.
pub const LONGEST_LINE: usize = 16 * 1024;

/// Lines without their ends.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn new(source: R) -> Self {
        Self {
            source,
            line: Vec::with_capacity(256),
            number: 0,
        }
    }

    /// The next line that is not blank, and its number from 1.
    pub fn next(&mut self) -> Result<Option<(u64, &[u8])>, TraceError> {
        loop {
            self.line.clear();
            let most = LONGEST_LINE as u64 + 1;
            let read = self
                .source
                .by_ref()
                .take(most)
                .read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read as u64 == most && self.line.last() != Some(&b'\n') {
                return Err(self.wrong(format!("longer than {LONGEST_LINE} bytes: not a trace")));
            }
            if self.line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                break;
            }
        }
        Ok(Some((self.number, self.line.trim_ascii_end())))
    }

    pub fn wrong(&self, what: String) -> TraceError {
        wrong(self.number, what)
    }
}

pub(super) fn wrong(line: u64, what: String) -> TraceError {
    TraceError::Format {
        place: format!("line {line}"),
        what,
    }
}

/// Splits a line into words; missing ones are empty.
pub(super) fn words<const N: usize>(line: &[u8]) -> ([&[u8]; N], usize) {
    let mut found = [&line[..0]; N];
    let mut count = 0;
    for word in line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
    {
        if count == N {
            return (found, N + 1);
        }
        found[count] = word;
        count += 1;
    }
    (found, count)
}

/// A decimal number.
pub(super) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    for &byte in word {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// A word for a message: cut, and without what a terminal would act on.
pub(super) fn shown(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(&word[..word.len().min(80)]);
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
