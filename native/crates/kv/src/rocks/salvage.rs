//! Reading around what cannot be read. A damaged block of a table stops every iterator that comes to
//! it; one that begins behind it goes on. Where that is, is found by trying: keys are numbers, and
//! the nearest that can be gone to is searched for by halves.

use super::database::Database;
use super::reads::Cursor;
use crate::error::Result;
use crate::sharding::{stored_end, stored_key};

/// Bytes behind a key that are told apart in the search.
const FINER_BYTES: usize = 2;

/// Keys that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// The last key before them that was read; empty: none.
    pub after: Vec<u8>,
    /// The first key behind them; `None`: there is none.
    pub before: Option<Vec<u8>>,
    /// Why, in RocksDB's words.
    pub reason: String,
}

struct Shard {
    family: usize,
    cursor: Cursor,
    /// The last key that was read, as stored; before any, where reading began.
    last: Vec<u8>,
}

impl Database {
    /// As `scan`, but goes on behind what cannot be read, and returns that. `to` is the end of the
    /// prefix.
    pub fn scan_around(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<Vec<Hole>> {
        let (mut first, mut end) = (Vec::new(), Vec::new());
        stored_key(prefix, from, &mut first);
        stored_end(prefix, &mut end);
        self.settle();
        let home = self.home(prefix);
        let bare = |key: &[u8]| key[prefix.len() + 1..].to_vec();
        let mut shards: Vec<_> = (home.first..home.first + home.shards)
            .map(|family| Shard {
                family,
                cursor: Cursor::new(self, family, &first, &end),
                last: first.clone(),
            })
            .collect();
        let mut holes = Vec::new();
        loop {
            for shard in &mut shards {
                if let Some(reason) = self.step_over(shard, &end) {
                    holes.push(Hole {
                        after: bare(&shard.last),
                        before: shard.cursor.entry().map(|(key, _)| bare(key)),
                        reason,
                    });
                }
            }
            let lowest = shards
                .iter_mut()
                .filter(|shard| shard.cursor.entry().is_some())
                .min_by(|one, other| {
                    let key = |shard: &Shard| shard.cursor.entry().map(|(key, _)| key.to_vec());
                    key(one).cmp(&key(other))
                });
            let Some(shard) = lowest else {
                break;
            };
            if let Some((key, value)) = shard.cursor.entry() {
                shard.last = key.to_vec();
                if !visit(&key[prefix.len() + 1..], value) {
                    break;
                }
            }
            shard.cursor.next();
        }
        Ok(holes)
    }

    /// Moves a cursor that failed behind what it cannot read; says why it failed.
    fn step_over(&self, shard: &mut Shard, end: &[u8]) -> Option<String> {
        let error = shard.cursor.status().err()?;
        let reason = error.to_string();
        let readable = |key: &[u8]| {
            let cursor = Cursor::new(self, shard.family, key, end);
            cursor.status().is_ok()
        };
        let start = nearest(&shard.last, end, readable).unwrap_or_else(|| end.to_vec());
        shard.cursor = Cursor::new(self, shard.family, &start, end);
        Some(reason)
    }
}

/// The key plus 2^bit, bits counted from the end of its last byte; `None`: there is no such key.
fn plus(key: &[u8], bit: usize) -> Option<Vec<u8>> {
    let mut sum = key.to_vec();
    let mut at = sum.len().checked_sub(1 + bit / 8)?;
    let mut carry = 1_u16 << (bit % 8);
    loop {
        let value = u16::from(sum[at]) + carry;
        sum[at] = value as u8;
        carry = value >> 8;
        if carry == 0 {
            return Some(sum);
        }
        at = at.checked_sub(1)?;
    }
}

/// The least key behind `key`, and before `end`, that is readable, where what is not readable is
/// one piece; `None`: none was found.
fn nearest(key: &[u8], end: &[u8], readable: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut low = key.to_vec();
    low.resize(key.len() + FINER_BYTES, 0);
    let bits = low.len() * 8;
    let inside = |key: &Vec<u8>| key.as_slice() < end;
    let found = (0..bits).find_map(|bit| {
        let candidate = plus(&low, bit).filter(inside)?;
        readable(&candidate).then_some((bit, candidate))
    });
    let (bit, mut high) = found?;
    if bit > 0 {
        low = plus(&low, bit - 1)?;
    }
    // What is sought lies above `low`, at most 2^(bit - 1) from it.
    for step in (0..bit.saturating_sub(1)).rev() {
        let middle = plus(&low, step)?;
        if readable(&middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_key_behind_the_damage_is_found() {
        for (bad, after) in [
            (&b"Oabc"[..], &b"Oabd"[..]),
            (b"Oabc", b"Oabc\x00\x07"),
            (b"Oabc\xff\xff", b"Oax"),
            (b"O\x00", b"O\x01\x02\x03"),
            (b"Oa", b"Ob"),
        ] {
            let readable = |key: &[u8]| key <= bad || key >= after;
            let found = nearest(bad, b"P", readable).unwrap();
            assert!(found.as_slice() >= after);
            // As near as keys of that length are.
            let length = bad.len() + FINER_BYTES;
            assert_eq!(
                found[..after.len().min(length)],
                after[..after.len().min(length)]
            );
        }
        assert_eq!(nearest(b"Oabc", b"P", |_| false), None);
    }
}
