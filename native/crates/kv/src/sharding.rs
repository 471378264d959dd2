//! Which column family a key lives in, as `bluestore_rocksdb_cfs` says: definitions such as
//! `m(3) p(3,0-12) O(3,0-13)=block_size=8K L P`. A prefix that is named there has its own column
//! families, as many as the number in parentheses; the key's shard is a hash of its bytes in the
//! given range (all bytes without one). Every other prefix shares the default family. Everywhere
//! RocksDB's key is prefix, a zero byte, key: so a prefix has an end that no key reaches.

use std::ops::Range;

use crc_fast::{CrcAlgorithm, checksum};

use crate::error::{KvError, Result};

/// Column families of new stores: Ceph's default.
pub const DEFAULT_SHARDING: &str = "m(3) p(3,0-12) O(3,0-13)=block_cache={type=binned_lru} \
     L=min_write_buffer_number_to_merge=32 P=min_write_buffer_number_to_merge=32";

/// A prefix with families of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    prefix: Vec<u8>,
    shards: u32,
    hashed: Range<usize>,
    first: usize,
}

/// A family to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// RocksDB's name for it.
    pub name: String,
    /// RocksDB options that are added to the common ones.
    pub options: String,
    /// The prefix of all its keys; empty for the default family.
    pub prefix: Vec<u8>,
}

/// Where keys live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharding {
    rules: Vec<Rule>,
    /// All families; the first is the default one.
    pub families: Vec<Family>,
}

/// Where the keys of one prefix live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home<'a> {
    /// Index of the first family.
    pub first: usize,
    /// How many there are.
    pub shards: usize,
    hashed: &'a Range<usize>,
}

/// Options without a pair of braces around all of them, and without `block_cache`, which Ceph reads by
/// itself: here all families share one cache.
fn family_options(text: &str) -> Option<String> {
    let parts = top_level(text)?;
    let inside = match parts.as_slice() {
        [whole] => whole
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}')),
        _ => None,
    };
    let parts = inside.map_or(Some(parts), top_level)?;
    let kept = parts
        .into_iter()
        .filter(|part| part.split('=').next().map(str::trim) != Some("block_cache"));
    Some(kept.collect::<Vec<_>>().join(";"))
}

/// What stands between semicolons that are in no braces; `None`: braces do not match.
fn top_level(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.checked_sub(1)?,
            b';' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (depth == 0).then_some(parts)
}

const ALL: Range<usize> = 0..usize::MAX;

impl Sharding {
    /// Reads a definition.
    pub fn parse(text: &str) -> Result<Self> {
        let mut sharding = Self {
            rules: Vec::new(),
            families: vec![Family {
                name: "default".to_owned(),
                options: String::new(),
                prefix: Vec::new(),
            }],
        };
        for word in text.split_whitespace() {
            sharding.add(word).ok_or_else(|| {
                KvError::Invalid(format!(
                    "column family {word:?}: write PREFIX, PREFIX(SHARDS) or PREFIX(SHARDS,LOW-HIGH), \
                     then =OPTION=VALUE;... if wanted"
                ))
            })?;
        }
        Ok(sharding)
    }

    fn add(&mut self, word: &str) -> Option<()> {
        let (definition, options) = word.split_once('=').unwrap_or((word, ""));
        let options = family_options(options)?;
        let (prefix, inside) = match definition.split_once('(') {
            Some((prefix, rest)) => (prefix, rest.strip_suffix(')')?),
            None => (definition, "1"),
        };
        let (count, hashed) = inside.split_once(',').unwrap_or((inside, "0-"));
        let (low, high) = hashed.split_once('-')?;
        let high = if high.is_empty() {
            usize::MAX
        } else {
            high.parse().ok()?
        };
        let rule = Rule {
            prefix: prefix.as_bytes().to_vec(),
            shards: count.parse().ok()?,
            hashed: low.parse().ok()?..high,
            first: self.families.len(),
        };
        let known = self.rules.iter().any(|other| other.prefix == rule.prefix);
        let sensible = (1..=64).contains(&rule.shards) && rule.hashed.start < rule.hashed.end;
        if known || !sensible || prefix.is_empty() || prefix.len() > 200 {
            return None;
        }
        for shard in 0..rule.shards {
            self.families.push(Family {
                name: if rule.shards == 1 {
                    prefix.to_owned()
                } else {
                    format!("{prefix}-{shard}")
                },
                options: options.clone(),
                prefix: rule.prefix.clone(),
            });
        }
        self.rules.push(rule);
        Some(())
    }

    /// Where keys of this prefix live.
    #[must_use]
    pub fn home(&self, prefix: &[u8]) -> Home<'_> {
        match self.rules.iter().find(|rule| rule.prefix == prefix) {
            Some(rule) => Home {
                first: rule.first,
                shards: rule.shards as usize,
                hashed: &rule.hashed,
            },
            None => Home {
                first: 0,
                shards: 1,
                hashed: &ALL,
            },
        }
    }
}

impl Home<'_> {
    /// The family of this key.
    #[must_use]
    pub fn family(&self, key: &[u8]) -> usize {
        if self.shards == 1 {
            return self.first;
        }
        let start = self.hashed.start.min(key.len());
        let end = self.hashed.end.min(key.len());
        let hash = checksum(CrcAlgorithm::Crc32Iscsi, &key[start..end]) as usize;
        self.first + hash % self.shards
    }
}

/// RocksDB's key: prefix, zero byte, key.
pub fn stored_key(prefix: &[u8], key: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.extend(prefix);
    into.push(0);
    into.extend(key);
}

/// Behind all stored keys of a prefix.
pub fn stored_end(prefix: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.extend(prefix);
    into.push(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_as_defined() {
        let sharding = Sharding::parse(DEFAULT_SHARDING).unwrap();
        let names: Vec<_> = sharding
            .families
            .iter()
            .map(|family| &*family.name)
            .collect();
        let expected = [
            "default", "m-0", "m-1", "m-2", "p-0", "p-1", "p-2", "O-0", "O-1", "O-2", "L", "P",
        ];
        assert_eq!(names, expected);
        assert_eq!(
            sharding.families[10].options,
            "min_write_buffer_number_to_merge=32"
        );
        let home = sharding.home(b"O");
        let used: std::collections::BTreeSet<_> = (0_u32..100)
            .map(|key| home.family(&key.to_be_bytes()))
            .collect();
        assert_eq!(used.into_iter().collect::<Vec<_>>(), [7, 8, 9]);
        // Bytes beyond the range do not matter.
        let long = |last| home.family(&[b"0123456789012".as_slice(), &[last]].concat());
        assert_eq!(long(b'a'), long(b'b'));
        assert_eq!(sharding.home(b"S").first, 0);
    }

    #[test]
    fn options_of_families_keep_their_braces_and_lose_the_cache() {
        for (text, options) in [
            ("O=block_cache={type=binned_lru}", ""),
            ("O=block_cache={type=a;b={c=d}};ttl=5", "ttl=5"),
            ("O={block_cache=1;ttl=5}", "ttl=5"),
            (
                "O=ttl=5;block_based_table_factory={block_size=8K}",
                "ttl=5;block_based_table_factory={block_size=8K}",
            ),
            (
                "O=block_based_table_factory={block_size=8K}",
                "block_based_table_factory={block_size=8K}",
            ),
        ] {
            assert_eq!(
                Sharding::parse(text).unwrap().families[1].options,
                options,
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_nonsense() {
        for text in [
            "O=block_cache={type=x",
            "O=a}b{",
            "m(",
            "m(0)",
            "m(3,5-2)",
            "m(x)",
            "(3)",
            "m m",
            "m(3,5)",
        ] {
            assert!(Sharding::parse(text).is_err(), "{text}");
        }
    }
}
