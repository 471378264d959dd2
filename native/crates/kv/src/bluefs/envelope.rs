//! How the content of a file lies in its extents when each flush writes one envelope: length (4
//! bytes), checksum of the envelope before (4), how far the file was durable (8), checksum (4),
//! content. Nothing about a growing write-ahead log has to be written elsewhere then, and a commit
//! costs one write and one flush.
//!
//! The log ends where the next envelope does not fit: a crash may have torn it. That it is no torn
//! end but damage shows an envelope further on that was written when this place was durable
//! already. Each can be judged by itself, since its checksum starts from the file's number.

use super::codec::crc;
use super::superblock::Uuid;

/// Bytes before the content.
pub const HEADER_BYTES: usize = 20;
const SUMMED_BYTES: usize = 16;

/// The value that a file's checksums start from, and its first envelope continues.
#[must_use]
pub fn start(uuid: &Uuid, ino: u64) -> u32 {
    crc(0x454e_5645, &[uuid, &ino.to_le_bytes()])
}

/// The header of an envelope and its checksum, which the next one names. `first`: of the file;
/// `before`: the checksum of the envelope before; `synced`: the file's bytes in its extents up to
/// there were durable before this was written.
#[must_use]
pub fn header(first: u32, before: u32, synced: u64, content: &[u8]) -> ([u8; HEADER_BYTES], u32) {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&(content.len() as u32).to_le_bytes());
    header[4..8].copy_from_slice(&before.to_le_bytes());
    header[8..SUMMED_BYTES].copy_from_slice(&synced.to_le_bytes());
    let sum = crc(first, &[&header[..SUMMED_BYTES], content]);
    header[SUMMED_BYTES..].copy_from_slice(&sum.to_le_bytes());
    (header, sum)
}

/// Where a piece of content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Offset in the content.
    pub content: u64,
    /// Offset in the extents.
    pub place: u64,
    /// Bytes.
    pub length: u64,
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its envelopes up to the first that does not fit.
    pub pieces: Vec<Piece>,
    /// Where that would be, in the extents.
    pub end: u64,
    /// It was there, and durable: this envelope further on says so, by its place.
    pub missed: Option<u64>,
}

impl Found {
    /// Bytes of content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.pieces
            .last()
            .map_or(0, |last| last.content + last.length)
    }
}

struct Header {
    length: u64,
    before: u32,
    synced: u64,
    sum: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Header {
    fn of(bytes: &[u8]) -> Self {
        let synced = u64::from(u32_at(bytes, 8)) | u64::from(u32_at(bytes, 12)) << 32;
        Self {
            length: u64::from(u32_at(bytes, 0)),
            before: u32_at(bytes, 4),
            synced,
            sum: u32_at(bytes, SUMMED_BYTES),
        }
    }
}

/// Bytes of a file's extents, read in large pieces.
struct Window<R> {
    read: R,
    bytes: Vec<u8>,
    at: u64,
    allocated: u64,
}

impl<E, R: FnMut(u64, &mut [u8]) -> Result<(), E>> Window<R> {
    const BYTES: usize = 1 << 20;

    /// `length` bytes from there, which MUST be inside.
    fn get(&mut self, at: u64, length: usize) -> Result<&[u8], E> {
        if at < self.at || at + length as u64 > self.at + self.bytes.len() as u64 {
            let wanted = (length.max(Self::BYTES) as u64).min(self.allocated - at);
            self.bytes.resize(wanted as usize, 0);
            self.at = at;
            (self.read)(at, &mut self.bytes)?;
        }
        let skip = (at - self.at) as usize;
        Ok(&self.bytes[skip..skip + length])
    }

    /// The envelope at a place, if a whole one of this file is there.
    fn envelope(&mut self, first: u32, place: u64) -> Result<Option<Header>, E> {
        let head: [u8; HEADER_BYTES] = {
            let bytes = self.get(place, HEADER_BYTES)?;
            let mut head = [0; HEADER_BYTES];
            head.copy_from_slice(bytes);
            head
        };
        let header = Header::of(&head);
        let body = place + HEADER_BYTES as u64;
        if header.length == 0 || body + header.length > self.allocated {
            return Ok(None);
        }
        let content = self.get(body, header.length as usize)?;
        let sum = crc(first, &[&head[..SUMMED_BYTES], content]);
        Ok((sum == header.sum).then_some(header))
    }

    /// An envelope behind `end` that was written when `end` was durable already.
    fn later(&mut self, first: u32, end: u64) -> Result<Option<u64>, E> {
        let mut place = end + 1;
        while place + HEADER_BYTES as u64 <= self.allocated {
            let left = (self.allocated - place).min(Self::BYTES as u64) as usize;
            let bytes = self.get(place, left)?;
            let candidate = (0..=left - HEADER_BYTES).find(|&skip| {
                let header = Header::of(&bytes[skip..skip + HEADER_BYTES]);
                let at = place + skip as u64;
                header.length > 0 && header.synced > end && header.synced <= at
            });
            let Some(skip) = candidate else {
                place += (left - HEADER_BYTES + 1) as u64;
                continue;
            };
            place += skip as u64;
            if self.envelope(first, place)?.is_some() {
                return Ok(Some(place));
            }
            place += 1;
        }
        Ok(None)
    }
}

/// Finds the envelopes of a file. `read` fills a buffer from an offset in the extents, of which
/// there are `allocated` bytes.
pub fn scan<E>(
    first: u32,
    allocated: u64,
    read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
) -> Result<Found, E> {
    let mut window = Window {
        read,
        bytes: Vec::new(),
        at: 0,
        allocated,
    };
    let mut found = Found::default();
    let mut before = first;
    let mut content = 0;
    while found.end + HEADER_BYTES as u64 <= allocated {
        let header = window.envelope(first, found.end)?;
        let Some(header) = header.filter(|header| header.before == before) else {
            break;
        };
        let place = found.end + HEADER_BYTES as u64;
        found.pieces.push(Piece {
            content,
            place,
            length: header.length,
        });
        before = header.sum;
        content += header.length;
        found.end = place + header.length;
    }
    found.missed = window.later(first, found.end)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lays envelopes of which each was written when those before were durable, or none.
    fn lay(first: u32, contents: &[&[u8]], synced: bool, into: &mut [u8]) {
        let (mut before, mut at) = (first, 0);
        for content in contents {
            let durable = if synced { at as u64 } else { 0 };
            let (head, sum) = header(first, before, durable, content);
            into[at..at + HEADER_BYTES].copy_from_slice(&head);
            at += HEADER_BYTES;
            into[at..at + content.len()].copy_from_slice(content);
            at += content.len();
            before = sum;
        }
    }

    fn scanned(first: u32, bytes: &[u8]) -> Found {
        let read = |at: u64, out: &mut [u8]| {
            out.copy_from_slice(&bytes[at as usize..at as usize + out.len()]);
            Ok::<(), ()>(())
        };
        scan(first, bytes.len() as u64, read).unwrap()
    }

    fn lengths(found: &Found) -> Vec<u64> {
        found.pieces.iter().map(|piece| piece.length).collect()
    }

    #[test]
    fn ends_where_the_chain_ends() {
        let first = start(&[1; 16], 7);
        let mut bytes = vec![0; 4096];
        lay(first, &[b"aaaa", b"bb", b"cccccc"], true, &mut bytes);
        assert_eq!(lengths(&scanned(first, &bytes)), [4, 2, 6]);
        assert_eq!(scanned(first, &bytes).missed, None);
        // Another file's number.
        let other = scanned(start(&[1; 16], 8), &bytes);
        assert_eq!((lengths(&other), other.missed), (vec![], None));
    }

    #[test]
    fn any_bit_of_what_was_durable_is_missed_when_it_turns_over() {
        let first = start(&[1; 16], 7);
        let mut whole = vec![0; 70_000];
        lay(first, &[b"aaaa", b"bb", b"cccccc"], true, &mut whole);
        let last = 4 + 2 + 2 * HEADER_BYTES;
        for at in 0..last + HEADER_BYTES + 6 {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            let found = scanned(first, &bytes);
            if at < last {
                assert!(
                    found.end <= at as u64 && found.missed.is_some(),
                    "byte {at}"
                );
            } else {
                // The last one may be torn: nothing tells.
                assert_eq!((lengths(&found), found.missed), (vec![4, 2], None));
            }
        }
    }

    #[test]
    fn what_was_not_durable_may_be_torn() {
        let first = start(&[1; 16], 7);
        let mut bytes = vec![0; 4096];
        lay(first, &[b"aaaa", b"bb", b"cccccc"], false, &mut bytes);
        bytes[HEADER_BYTES + 5] ^= 1;
        let found = scanned(first, &bytes);
        assert_eq!((lengths(&found), found.missed), (vec![4], None));
    }

    #[test]
    fn an_earlier_log_in_the_same_place_does_not_show() {
        let (old, new) = (start(&[1; 16], 7), start(&[1; 16], 9));
        let mut bytes = vec![0; 4096];
        lay(old, &[b"aaaa", b"aaaa", b"aaaa"], true, &mut bytes);
        lay(new, &[b"bbbb"], true, &mut bytes);
        let found = scanned(new, &bytes);
        assert_eq!((lengths(&found), found.missed), (vec![4], None));
    }
}
