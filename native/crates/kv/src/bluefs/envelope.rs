//! How the content of a write-ahead log lies in its extents. Each flush writes one envelope: length
//! (4 bytes), checksum (4), content. The checksum continues that of the envelope before and starts
//! from the file's number, so the end of the log is where the next envelope does not fit: nothing
//! about a growing log has to be written elsewhere, and a commit costs one write and one flush.

use super::codec::crc;
use super::superblock::Uuid;

/// Bytes before the content.
pub const HEADER_BYTES: usize = 8;

/// The value that a file's first envelope continues.
#[must_use]
pub fn start(uuid: &Uuid, ino: u64) -> u32 {
    crc(0x454e_5645, &[uuid, &ino.to_le_bytes()])
}

/// The header of an envelope; its checksum is what the next one continues.
#[must_use]
pub fn header(chain: u32, content: &[u8]) -> ([u8; HEADER_BYTES], u32) {
    let length = (content.len() as u32).to_le_bytes();
    let sum = crc(chain, &[&length, content]);
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&length);
    header[4..].copy_from_slice(&sum.to_le_bytes());
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

/// Finds the envelopes of a file. `read` fills a buffer from an offset in the extents, of which
/// there are `allocated` bytes.
pub fn scan<E>(
    first: u32,
    allocated: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
) -> Result<Vec<Piece>, E> {
    const WINDOW: usize = 1 << 20;
    let mut window = Vec::new();
    let mut window_at = 0;
    let mut fetch = |at: u64, out: &mut Vec<u8>, length: usize| {
        out.clear();
        let inside = at >= window_at && at + length as u64 <= window_at + window.len() as u64;
        if !inside {
            let wanted = (length.max(WINDOW) as u64).min(allocated - at);
            window.resize(wanted as usize, 0);
            window_at = at;
            read(at, &mut window)?;
        }
        let skip = (at - window_at) as usize;
        out.extend(&window[skip..skip + length]);
        Ok(())
    };
    let mut pieces = Vec::new();
    let mut chain = first;
    let (mut place, mut content) = (0_u64, 0_u64);
    let mut bytes = Vec::new();
    while place + HEADER_BYTES as u64 <= allocated {
        fetch(place, &mut bytes, HEADER_BYTES)?;
        let length = u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let sum = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        let body = place + HEADER_BYTES as u64;
        if length == 0 || body + length > allocated {
            break;
        }
        fetch(body, &mut bytes, length as usize)?;
        if header(chain, &bytes).1 != sum {
            break;
        }
        pieces.push(Piece {
            content,
            place: body,
            length,
        });
        chain = sum;
        content += length;
        place = body + length;
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(first: u32, contents: &[&[u8]], at: usize, into: &mut [u8]) {
        let (mut chain, mut at) = (first, at);
        for content in contents {
            let (head, next) = header(chain, content);
            into[at..at + 8].copy_from_slice(&head);
            into[at + 8..at + 8 + content.len()].copy_from_slice(content);
            at += 8 + content.len();
            chain = next;
        }
    }

    fn found(first: u32, bytes: &[u8]) -> Vec<u64> {
        let read = |at: u64, out: &mut [u8]| {
            out.copy_from_slice(&bytes[at as usize..at as usize + out.len()]);
            Ok::<(), ()>(())
        };
        let pieces = scan(first, bytes.len() as u64, read).unwrap();
        pieces.iter().map(|piece| piece.length).collect()
    }

    #[test]
    fn ends_where_the_chain_ends() {
        let first = start(&[1; 16], 7);
        let mut bytes = vec![0; 4096];
        lay(first, &[b"aaaa", b"bb", b"cccccc"], 0, &mut bytes);
        assert_eq!(found(first, &bytes), [4, 2, 6]);
        // Another file's number, or a lost envelope in the middle.
        assert_eq!(found(start(&[1; 16], 8), &bytes), [0; 0]);
        bytes[14] ^= 1;
        assert_eq!(found(first, &bytes), [4]);
    }

    #[test]
    fn an_earlier_log_in_the_same_place_does_not_show() {
        let (old, new) = (start(&[1; 16], 7), start(&[1; 16], 9));
        let mut bytes = vec![0; 4096];
        lay(old, &[b"aaaa", b"aaaa", b"aaaa"], 0, &mut bytes);
        lay(new, &[b"bbbb"], 0, &mut bytes);
        assert_eq!(found(new, &bytes), [4]);
    }
}
