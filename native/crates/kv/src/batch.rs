//! The bytes of a batch as both sides of the boundary know them: records one behind the other, each
//! a header of 12 bytes, then prefix, key and value.
//!
//! | bytes | |
//! |---|---|
//! | 0 | operation: 1 set, 2 remove, 3 remove range, 4 remove all from a key on, 5 merge |
//! | 1 | length of the prefix |
//! | 2..4 | 0 |
//! | 4..8 | length of the key (of the first key of a range), little-endian |
//! | 8..12 | length of the value (remove range: of the key that ends it) |
//!
//! `engine/hot/kv/batch.ts` writes the same.

use crate::error::{KvError, Result};

/// Bytes before the prefix of each record.
pub const HEADER_BYTES: usize = 12;

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Key gets value.
    Set(&'a [u8], &'a [u8]),
    /// Key is no more.
    Remove(&'a [u8]),
    /// No key from the first to before the second is any more; without a second to the prefix's
    /// end.
    RemoveRange(&'a [u8], Option<&'a [u8]>),
    /// The prefix's merge operator adds this to the key's value.
    Merge(&'a [u8], &'a [u8]),
}

/// The operations of a batch with their prefixes; ends after the first error.
pub struct Records<'a> {
    rest: &'a [u8],
}

/// Reads a batch.
#[must_use]
pub fn records(bytes: &[u8]) -> Records<'_> {
    Records { rest: bytes }
}

fn bad() -> KvError {
    KvError::Invalid("a batch that ends within a record or has an unknown operation".to_owned())
}

impl<'a> Records<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or_else(bad)?;
        self.rest = rest;
        Ok(head)
    }

    fn record(&mut self) -> Result<(&'a [u8], Operation<'a>)> {
        let header = self.take(HEADER_BYTES)?;
        let number = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (key_bytes, value_bytes) = (number(4), number(8));
        let prefix = self.take(usize::from(header[1]))?;
        let key = self.take(key_bytes as usize)?;
        let value = self.take(value_bytes as usize)?;
        let operation = match header[0] {
            1 => Operation::Set(key, value),
            2 => Operation::Remove(key),
            3 => Operation::RemoveRange(key, Some(value)),
            4 => Operation::RemoveRange(key, None),
            5 => Operation::Merge(key, value),
            _ => return Err(bad()),
        };
        Ok((prefix, operation))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], Operation<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

/// Writes a batch; for tests and for native callers.
#[derive(Debug, Default, Clone)]
pub struct BatchBuilder {
    /// The records.
    pub bytes: Vec<u8>,
}

impl BatchBuilder {
    /// Adds one operation. The prefix MUST be shorter than 256 bytes.
    pub fn push(&mut self, prefix: &[u8], operation: Operation<'_>) {
        let (code, key, value) = match operation {
            Operation::Set(key, value) => (1, key, value),
            Operation::Remove(key) => (2, key, &[][..]),
            Operation::RemoveRange(key, Some(end)) => (3, key, end),
            Operation::RemoveRange(key, None) => (4, key, &[][..]),
            Operation::Merge(key, value) => (5, key, value),
        };
        self.bytes.extend([code, prefix.len() as u8, 0, 0]);
        self.bytes.extend((key.len() as u32).to_le_bytes());
        self.bytes.extend((value.len() as u32).to_le_bytes());
        self.bytes.extend(prefix);
        self.bytes.extend(key);
        self.bytes.extend(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written() {
        let operations = [
            Operation::Set(b"k", b"v"),
            Operation::Remove(b""),
            Operation::RemoveRange(b"a", Some(b"")),
            Operation::RemoveRange(b"a", None),
            Operation::Merge(b"m", b"12345678"),
        ];
        let mut batch = BatchBuilder::default();
        for operation in operations {
            batch.push(b"O", operation);
        }
        let read: Vec<_> = records(&batch.bytes)
            .map(|record| record.unwrap().1)
            .collect();
        assert_eq!(read, operations);
        for end in 1..batch.bytes.len() {
            let whole = records(&batch.bytes[..end])
                .take_while(Result::is_ok)
                .count();
            assert!(whole < operations.len());
        }
    }
}
