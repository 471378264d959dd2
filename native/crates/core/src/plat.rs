//! The bucket function of fio's latency histograms.
//!
//! 29 groups of 64 buckets: values below 128 ns have a bucket each, every further power of two has 64.
//! All values from 2^34 ns on share the last bucket. Source: `fio --output-format=json+` measured.

use crate::hdr::{self, Hdr, Moments};

const BITS: u32 = 6;
/// Number of buckets.
pub const BUCKETS: usize = 29 << BITS;

/// Bucket of a value, ns.
#[inline]
#[must_use]
pub fn index(value: u64) -> usize {
    let shift = (63 - BITS) - (value | ((1 << (BITS + 1)) - 1)).leading_zeros();
    let index = ((shift as usize) << BITS) + (value >> shift) as usize;
    index.min(BUCKETS - 1)
}

/// The value that stands for a bucket, ns: its middle.
#[must_use]
pub fn mid(index: usize) -> u64 {
    if index < 2 << BITS {
        return index as u64;
    }
    let shift = (index >> BITS) - 1;
    let low = ((index - (shift << BITS)) as u64) << shift;
    low + (1 << shift >> 1)
}

/// Counts in fio's buckets, and exact totals.
#[derive(Clone, PartialEq, Eq)]
pub struct PlatHist {
    counts: Box<[u64; BUCKETS]>,
    moments: Moments,
}

impl Default for PlatHist {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for PlatHist {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PlatHist")
            .field("moments", &self.moments)
            .finish_non_exhaustive()
    }
}

impl PlatHist {
    /// An empty histogram.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
            moments: Moments::EMPTY,
        }
    }

    /// The same values in fio's buckets. Exact, because every bucket of the finer histogram lies within
    /// one of fio's.
    #[must_use]
    pub fn from_hdr(hdr: &Hdr) -> Self {
        let mut made = Self::new();
        made.merge_hdr(hdr);
        made
    }

    /// Counts a value, ns.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        self.counts[index(ns)] += 1;
        self.moments.add(ns);
    }

    /// Counts what `other` counted; totals stay exact.
    pub fn merge_from(&mut self, other: &Self) {
        if other.moments.count > 0 {
            let range = index(other.moments.min)..=index(other.moments.max);
            for (mine, theirs) in self.counts[range.clone()]
                .iter_mut()
                .zip(&other.counts[range])
            {
                *mine += theirs;
            }
            self.moments.merge(&other.moments);
        }
    }

    /// Counts what `other` counted, exactly.
    pub fn merge_hdr(&mut self, other: &Hdr) {
        if let Some((first, last)) = other.touched() {
            for (bucket, count) in other.counts().iter().enumerate().skip(first) {
                debug_assert!(bucket <= last);
                self.counts[index(hdr::lowest_of(bucket))] += count;
            }
            self.moments.merge(other.moments());
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        if self.moments.count > 0 {
            self.counts[index(self.moments.min)..=index(self.moments.max)].fill(0);
            self.moments = Moments::EMPTY;
        }
    }

    /// Exact totals.
    #[must_use]
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.moments.count == 0
    }

    /// Buckets above zero with their counts, ascending.
    #[must_use]
    pub fn sparse(&self) -> Vec<(u32, u64)> {
        let counted = self
            .counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0);
        counted
            .map(|(bucket, count)| (bucket as u32, *count))
            .collect()
    }
}
