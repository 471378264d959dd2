//! Block sizes by direction.

use std::sync::Arc;

use crate::rng::{Rng, Use, threshold};
use crate::spec::{BlockSizes, SpecError};

/// Draws the block sizes of one direction.
#[derive(Clone, Debug)]
pub struct Sizes {
    law: Law,
    rng: Rng,
    smallest: u32,
    largest: u32,
    mean: f64,
}

#[derive(Clone, Debug)]
enum Law {
    Fixed,
    /// Multiples of the smallest, up to `count` times it.
    Range {
        count: u64,
    },
    /// Any number of bytes from the smallest on, `count` different ones.
    Unaligned {
        count: u64,
    },
    /// (cumulated threshold, size), in the order of the specification.
    Split(Arc<[(u64, u32)]>),
}

impl Sizes {
    /// Sizes of the direction with this index, drawn from the job's seed.
    pub fn new(sizes: &BlockSizes, seed: u64, direction: usize) -> Result<Self, SpecError> {
        let rng = Rng::new(seed, Use::Size, direction as u64);
        let (law, smallest, largest, mean) = match sizes {
            BlockSizes::Fixed { bytes } => (Law::Fixed, *bytes, *bytes, f64::from(*bytes)),
            BlockSizes::Range { min, max } => {
                if min > max {
                    return Err(SpecError::Invalid(format!(
                        "block size range {min}-{max}: give the smaller size first"
                    )));
                }
                let count = u64::from((max / min.max(&1)).max(1));
                let largest = *min * count as u32;
                let mean = f64::from(*min) * (count + 1) as f64 / 2.0;
                (Law::Range { count }, *min, largest, mean)
            }
            BlockSizes::Split { entries } => split(entries)?,
        };
        if smallest == 0 {
            return Err(SpecError::Invalid(
                "block size 0: give a size of at least 1 byte".into(),
            ));
        }
        Ok(Self {
            law,
            rng,
            smallest,
            largest,
            mean,
        })
    }

    /// As `new`; with `unaligned` a range holds every number of bytes.
    pub fn with_alignment(
        sizes: &BlockSizes,
        unaligned: bool,
        seed: u64,
        direction: usize,
    ) -> Result<Self, SpecError> {
        let mut this = Self::new(sizes, seed, direction)?;
        if let (true, BlockSizes::Range { min, max }) = (unaligned, sizes) {
            this.largest = *max;
            this.mean = f64::midpoint(f64::from(*min), f64::from(*max));
            this.law = Law::Unaligned {
                count: u64::from(max - min) + 1,
            };
        }
        Ok(this)
    }

    /// The next size in bytes.
    #[inline]
    pub fn draw(&mut self) -> u32 {
        match &self.law {
            Law::Fixed => self.smallest,
            _ => self.draw_other(),
        }
    }

    fn draw_other(&mut self) -> u32 {
        match &self.law {
            Law::Fixed => self.smallest,
            Law::Range { count } => self.smallest * (1 + self.rng.below(*count) as u32),
            Law::Unaligned { count } => self.smallest + self.rng.below(*count) as u32,
            Law::Split(entries) => {
                let draw = self.rng.next_u64();
                let hit = entries.iter().find(|entry| draw <= entry.0);
                hit.map_or(self.largest, |entry| entry.1)
            }
        }
    }

    /// `size`, or the largest size of this law that fits into `room` bytes when it does not.
    /// `room` is at least the smallest size.
    #[inline]
    #[must_use]
    pub fn fit(&self, size: u32, room: u64) -> u32 {
        if u64::from(size) <= room {
            return size;
        }
        self.shorter(room)
    }

    #[cold]
    fn shorter(&self, room: u64) -> u32 {
        match &self.law {
            Law::Fixed => self.smallest,
            Law::Range { .. } => (room / u64::from(self.smallest)) as u32 * self.smallest,
            // Longer than the room, which therefore fits 32 bits.
            Law::Unaligned { .. } => room as u32,
            Law::Split(entries) => entries
                .iter()
                .map(|entry| entry.1)
                .filter(|bytes| u64::from(*bytes) <= room)
                .max()
                .unwrap_or(self.smallest),
        }
    }

    /// Smallest size in bytes.
    #[must_use]
    pub fn smallest(&self) -> u32 {
        self.smallest
    }

    /// Largest size in bytes.
    #[must_use]
    pub fn largest(&self) -> u32 {
        self.largest
    }

    /// Mean size in bytes.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Greatest common divisor of all sizes, in bytes.
    #[must_use]
    pub fn unit(&self) -> u32 {
        match &self.law {
            Law::Fixed | Law::Range { .. } => self.smallest,
            Law::Unaligned { .. } => 1,
            Law::Split(entries) => entries.iter().fold(0, |unit, entry| gcd(unit, entry.1)),
        }
    }
}

/// Greatest common divisor.
#[must_use]
pub fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn split(entries: &[crate::spec::SplitEntry]) -> Result<(Law, u32, u32, f64), SpecError> {
    let bad = |entry: &&crate::spec::SplitEntry| !entry.percent.is_finite() || entry.percent < 0.0;
    if let Some(entry) = entries.iter().find(bad) {
        return Err(SpecError::Invalid(format!(
            "block size split: {} percent of {} bytes; percentages are 0 to 100",
            entry.percent, entry.bytes
        )));
    }
    // An entry that is never drawn must not decide what the smallest block is.
    let used: Vec<_> = entries.iter().filter(|entry| entry.percent > 0.0).collect();
    let total: f64 = used.iter().map(|entry| entry.percent).sum();
    let smallest = used.iter().map(|entry| entry.bytes).min();
    let largest = used.iter().map(|entry| entry.bytes).max();
    let (Some(smallest), Some(largest)) = (smallest, largest) else {
        return Err(SpecError::Invalid(
            "block size split: no size has a percentage above 0".into(),
        ));
    };
    let mut cumulated = 0.0;
    let thresholds = used.iter().map(|entry| {
        cumulated += entry.percent;
        (threshold(cumulated / total), entry.bytes)
    });
    let thresholds: Arc<[_]> = thresholds.collect();
    let weighted = used
        .iter()
        .map(|entry| f64::from(entry.bytes) * entry.percent);
    let mean = weighted.sum::<f64>() / total;
    Ok((Law::Split(thresholds), smallest, largest, mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::SplitEntry;

    fn split_of(entries: &[(u32, f64)]) -> BlockSizes {
        let entries = entries.iter();
        BlockSizes::Split {
            entries: entries
                .map(|&(bytes, percent)| SplitEntry { bytes, percent })
                .collect(),
        }
    }

    #[test]
    fn split_follows_its_weights() {
        let spec = split_of(&[(4096, 60.0), (8192, 10.0), (16384, 0.0), (65536, 30.0)]);
        let mut sizes = Sizes::new(&spec, 1, 0).unwrap();
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..100_000 {
            *counts.entry(sizes.draw()).or_insert(0_u32) += 1;
        }
        let share = |bytes| f64::from(counts[&bytes]) / 1000.0;
        assert_eq!(counts.len(), 3);
        assert!((share(4096) - 60.0).abs() < 1.0);
        assert!((share(8192) - 10.0).abs() < 1.0);
        assert!((share(65536) - 30.0).abs() < 1.0);
        assert_eq!((sizes.smallest(), sizes.largest()), (4096, 65536));
    }

    #[test]
    fn range_yields_every_multiple_equally() {
        let spec = BlockSizes::Range {
            min: 1024,
            max: 8192,
        };
        let mut sizes = Sizes::new(&spec, 1, 0).unwrap();
        let mut counts = [0_u32; 9];
        for _ in 0..80_000 {
            let size = sizes.draw();
            assert_eq!(size % 1024, 0);
            counts[(size / 1024) as usize] += 1;
        }
        assert_eq!(counts[0], 0);
        assert!(counts[1..].iter().all(|count| count.abs_diff(10_000) < 500));
    }

    #[test]
    fn unaligned_ranges_hold_every_size() {
        let spec = BlockSizes::Range { min: 10, max: 25 };
        let mut sizes = Sizes::with_alignment(&spec, true, 1, 0).unwrap();
        let mut counts = [0_u32; 26];
        for _ in 0..16_000 {
            counts[sizes.draw() as usize] += 1;
        }
        assert_eq!(counts[..10], [0; 10]);
        assert!(counts[10..].iter().all(|count| count.abs_diff(1000) < 200));
        assert_eq!(
            (sizes.fit(25, 13), sizes.unit(), sizes.largest()),
            (13, 1, 25)
        );
        let aligned = Sizes::with_alignment(&spec, false, 1, 0).unwrap();
        assert_eq!(aligned.largest(), 20);
    }

    #[test]
    fn shortens_to_what_fits() {
        let range = BlockSizes::Range {
            min: 1024,
            max: 8192,
        };
        let sizes = Sizes::new(&range, 1, 0).unwrap();
        assert_eq!(sizes.fit(8192, 3500), 3072);
        let sizes = Sizes::new(&split_of(&[(4096, 50.0), (6144, 50.0)]), 1, 0).unwrap();
        assert_eq!(sizes.fit(6144, 5000), 4096);
        assert_eq!(sizes.unit(), 2048);
    }

    #[test]
    fn refuses_sizes_that_cannot_be() {
        for spec in [
            BlockSizes::Fixed { bytes: 0 },
            BlockSizes::Range { min: 0, max: 8 },
            BlockSizes::Range { min: 9, max: 8 },
            split_of(&[]),
            split_of(&[(4096, 0.0)]),
            split_of(&[(4096, -1.0)]),
            split_of(&[(0, 1.0)]),
        ] {
            assert!(Sizes::new(&spec, 1, 0).is_err(), "{spec:?}");
        }
    }
}
