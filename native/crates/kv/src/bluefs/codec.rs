//! Little-endian fields, and the checksum of everything that BlueFS writes about itself.

use crc_fast::{CrcAlgorithm, Digest};

/// Crc-32c over a start value and some parts.
#[must_use]
pub fn crc(start: u32, parts: &[&[u8]]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&start.to_le_bytes());
    for part in parts {
        digest.update(part);
    }
    digest.finalize() as u32
}

/// Adds fields at the end.
pub trait Put {
    /// One byte.
    fn put_u8(&mut self, value: u8);
    /// Four bytes.
    fn put_u32(&mut self, value: u32);
    /// Eight bytes.
    fn put_u64(&mut self, value: u64);
    /// Two bytes of length and the text.
    fn put_text(&mut self, text: &str);
}

impl Put for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    fn put_u32(&mut self, value: u32) {
        self.extend(value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend(value.to_le_bytes());
    }

    fn put_text(&mut self, text: &str) {
        self.extend((text.len() as u16).to_le_bytes());
        self.extend(text.as_bytes());
    }
}

/// Takes fields from the front; `None` when there are not enough bytes.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Nothing left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes not taken yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    /// Two bytes of length and the text.
    pub fn text(&mut self) -> Option<&'a str> {
        let length = u16::from_le_bytes(self.bytes(2)?.try_into().ok()?);
        std::str::from_utf8(self.bytes(usize::from(length))?).ok()
    }
}
