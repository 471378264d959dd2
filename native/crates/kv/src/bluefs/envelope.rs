//! How the content of a file lies in its extents when each flush writes one envelope: length (4
//! bytes), checksum of the envelope before (4), how far the file was durable (8), checksum (4),
//! content. Nothing about a growing write-ahead log has to be written elsewhere then, and a commit
//! costs one write and one flush.
//!
//! The log ends where the next envelope does not fit: a crash may have torn it. That it is no torn
//! end but damage shows an envelope further on that was written when this place was durable
//! already. Each can be judged by itself, since its checksum starts from the file's number.
//!
//! The content may have premises in front of it, under the same checksum: see `premises`.

use super::codec::crc;
use super::premises::ENTRY_BYTES;
use super::superblock::Uuid;

/// Bytes before the content.
pub const HEADER_BYTES: usize = 20;
const SUMMED_BYTES: usize = 16;
/// Of the length: the content comes behind premises, which the length counts.
const PREMISED: u32 = 1 << 31;
/// How many premises there are.
const COUNT_BYTES: usize = 4;

/// The value that a file's checksums start from, and its first envelope continues.
#[must_use]
pub fn start(uuid: &Uuid, ino: u64) -> u32 {
    crc(0x454e_5645, &[uuid, &ino.to_le_bytes()])
}

/// What stands in front of the content in an envelope, and its checksum, which the next one names.
/// `first`: of the file; `before`: the checksum of the envelope before; `synced`: the file's bytes in
/// its extents up to there were durable before this was written; `premises`: whole entries, or none.
#[must_use]
pub fn head(
    first: u32,
    before: u32,
    synced: u64,
    premises: &[u8],
    content: &[u8],
) -> (Vec<u8>, u32) {
    let mut head = vec![0; HEADER_BYTES];
    let mut length = content.len() as u32;
    if !premises.is_empty() {
        head.extend(((premises.len() / ENTRY_BYTES) as u32).to_le_bytes());
        head.extend(premises);
        length += (COUNT_BYTES + premises.len()) as u32;
        length |= PREMISED;
    }
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..8].copy_from_slice(&before.to_le_bytes());
    head[8..SUMMED_BYTES].copy_from_slice(&synced.to_le_bytes());
    let parts = [&head[..SUMMED_BYTES], &head[HEADER_BYTES..], content];
    let sum = crc(first, &parts);
    head[SUMMED_BYTES..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
    (head, sum)
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
    /// What the last envelope that fits stands on, encoded.
    pub premises: Vec<u8>,
    /// Where the first one is, in the extents, that stands on the same and was written since the same
    /// sync: a long record is cut into several.
    pub unsure: u64,
}

impl Found {
    /// Bytes of content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.pieces
            .last()
            .map_or(0, |last| last.content + last.length)
    }

    /// Bytes of content before `unsure`.
    #[must_use]
    pub fn sure_size(&self) -> u64 {
        let behind = self.pieces.iter().find(|piece| piece.place > self.unsure);
        behind.map_or(self.size(), |piece| piece.content)
    }
}

struct Header {
    /// Premises and content.
    length: u64,
    premised: bool,
    before: u32,
    synced: u64,
    sum: u32,
}

/// An envelope that is whole.
struct Envelope {
    header: Header,
    /// Bytes before the content.
    skip: u64,
    premises: Vec<u8>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Header {
    fn of(bytes: &[u8]) -> Self {
        let synced = u64::from(u32_at(bytes, 8)) | u64::from(u32_at(bytes, 12)) << 32;
        let length = u32_at(bytes, 0);
        Self {
            length: u64::from(length & !PREMISED),
            premised: length & PREMISED != 0,
            before: u32_at(bytes, 4),
            synced,
            sum: u32_at(bytes, SUMMED_BYTES),
        }
    }

    /// Takes apart what follows; `None`: it has not the premises that it says.
    fn with(self, body: &[u8]) -> Option<Envelope> {
        let mut premises = Vec::new();
        let mut skip = HEADER_BYTES;
        if self.premised {
            let (count, rest) = body.split_at_checked(COUNT_BYTES)?;
            let bytes = (u32_at(count, 0) as usize).checked_mul(ENTRY_BYTES)?;
            premises.extend(rest.get(..bytes)?);
            skip += COUNT_BYTES + bytes;
        }
        Some(Envelope {
            header: self,
            skip: skip as u64,
            premises,
        })
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
    fn envelope(&mut self, first: u32, place: u64) -> Result<Option<Envelope>, E> {
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
        let body = self.get(body, header.length as usize)?;
        let sum = crc(first, &[&head[..SUMMED_BYTES], body]);
        Ok(if sum == header.sum {
            header.with(body)
        } else {
            None
        })
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
    let mut synced = None;
    while found.end + HEADER_BYTES as u64 <= allocated {
        let envelope = window.envelope(first, found.end)?;
        let Some(envelope) = envelope.filter(|envelope| envelope.header.before == before) else {
            break;
        };
        let end = found.end + HEADER_BYTES as u64 + envelope.header.length;
        let place = found.end + envelope.skip;
        found.pieces.push(Piece {
            content,
            place,
            length: end - place,
        });
        before = envelope.header.sum;
        content += end - place;
        if synced != Some(envelope.header.synced) || found.premises != envelope.premises {
            found.unsure = found.end;
        }
        synced = Some(envelope.header.synced);
        found.premises = envelope.premises;
        found.end = end;
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
            let (head, sum) = head(first, before, durable, &[], content);
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
    fn premises_are_no_content() {
        let first = start(&[1; 16], 7);
        let mut bytes = Vec::new();
        let mut before = first;
        let premises = [
            [5; 3 * ENTRY_BYTES].to_vec(),
            Vec::new(),
            vec![6; ENTRY_BYTES],
        ];
        for (premises, content) in premises.iter().zip([&b"aaaa"[..], b"bb", b"cccccc"]) {
            let (head, sum) = head(first, before, bytes.len() as u64, premises, content);
            bytes.extend(head);
            bytes.extend(content);
            before = sum;
        }
        let end = bytes.len() as u64;
        bytes.resize(4096, 0);
        let found = scanned(first, &bytes);
        let content: Vec<_> = found
            .pieces
            .iter()
            .flat_map(|piece| &bytes[piece.place as usize..(piece.place + piece.length) as usize])
            .copied()
            .collect();
        assert_eq!(content, b"aaaabbcccccc");
        assert_eq!(found.size(), 12);
        assert_eq!((found.end, found.missed), (end, None));
        assert_eq!(found.premises, premises[2]);
        assert_eq!(found.sure_size(), 6);
        // They are under the checksum, as is that there are any.
        for at in found.unsure..end {
            let mut bytes = bytes.clone();
            bytes[at as usize] ^= 128;
            let found = scanned(first, &bytes);
            assert_eq!((lengths(&found), found.missed), (vec![4, 2], None));
            assert!(found.premises.is_empty());
        }
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
