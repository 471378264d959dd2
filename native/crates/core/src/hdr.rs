//! High dynamic range histogram: 3 significant digits, 1 ns to 1 h, exact totals.
//!
//! The geometry is that of `HdrHistogram` with lowest 1, highest 3.6e12 and 3 digits: 2048 values of
//! width 1, then 1024 buckets for each further power of two. Everything on the path of a sample is
//! here and small: an index, an increment, and the totals.

/// Highest value that the geometry declares, ns: one hour. The array that holds it reaches to 2^42 - 1.
pub const HIGHEST_NS: u64 = 3_600_000_000_000;
/// Significant decimal digits.
pub const DIGITS: i32 = 3;

/// log2 of half the sub-buckets (2048 is the first power of two that holds 2 * 10^3).
const HALF_BITS: u32 = 10;
const SUB_MASK: u64 = (1 << (HALF_BITS + 1)) - 1;
/// Buckets in the array: 32 powers of two reach beyond an hour.
pub const BUCKETS: usize = 33 << HALF_BITS;
/// First value of the last bucket, ns (73 min): that bucket counts everything from here on, and nothing
/// shorter shares a bucket with what is clamped.
pub const BEYOND_NS: u64 = SUB_MASK << 31;

/// Exact totals of the values of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moments {
    /// Values.
    pub count: u64,
    /// Smallest value, `u64::MAX` when there is none.
    pub min: u64,
    /// Largest value, 0 when there is none.
    pub max: u64,
    /// Sum, ns.
    pub sum: u64,
    /// Sum of squares, ns^2. Integer, so that no order of adding or merging changes it and no
    /// cancellation spoils the deviation; one widening multiply costs less than a nanosecond.
    pub sum_squares: u128,
}

impl Moments {
    /// No values.
    pub const EMPTY: Self = Self {
        count: 0,
        min: u64::MAX,
        max: 0,
        sum: 0,
        sum_squares: 0,
    };

    /// Counts `value`.
    #[inline]
    pub fn add(&mut self, value: u64) {
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
        self.sum_squares += u128::from(value) * u128::from(value);
    }

    /// Counts what `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.sum_squares += other.sum_squares;
    }

    /// Smallest value; 0 when there is none.
    #[must_use]
    pub fn min_or_zero(&self) -> u64 {
        if self.count == 0 { 0 } else { self.min }
    }

    /// Mean, ns; 0 when there is no value.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        self.sum as f64 / self.count as f64
    }

    /// Standard deviation of the sample (n - 1), ns; 0 below two values.
    #[must_use]
    pub fn stddev(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        // sum^2 / n as an integer, so that equal values give exactly 0.
        let sum = u128::from(self.sum);
        let square_over_count = sum * sum / u128::from(self.count);
        let deviations = self.sum_squares.saturating_sub(square_over_count);
        (deviations as f64 / (self.count - 1) as f64).sqrt()
    }
}

/// Bucket of a value, ns.
#[inline]
#[must_use]
pub fn index(value: u64) -> usize {
    let value = value.min(BEYOND_NS);
    let shift = (63 - HALF_BITS) - (value | SUB_MASK).leading_zeros();
    ((shift as usize) << HALF_BITS) + (value >> shift) as usize
}

/// Smallest value of a bucket, ns.
#[must_use]
pub fn lowest_of(index: usize) -> u64 {
    let shift = (index >> HALF_BITS).saturating_sub(1);
    ((index - (shift << HALF_BITS)) as u64) << shift
}

/// Largest value of a bucket, ns: what percentiles report before they are held within min and max.
#[must_use]
pub fn highest_of(index: usize) -> u64 {
    let shift = (index >> HALF_BITS).saturating_sub(1);
    lowest_of(index) + (1 << shift) - 1
}

/// The histogram.
#[derive(Clone, PartialEq, Eq)]
pub struct Hdr {
    counts: Box<[u64; BUCKETS]>,
    moments: Moments,
}

impl Default for Hdr {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Hdr {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Hdr")
            .field("moments", &self.moments)
            .finish_non_exhaustive()
    }
}

impl Hdr {
    /// An empty histogram; 264 KiB of address space, of which only touched pages become memory.
    #[must_use]
    pub fn new() -> Self {
        let zeroes = vec![0_u64; BUCKETS].into_boxed_slice();
        let Ok(counts) = zeroes.try_into() else {
            unreachable!("the slice was made with this length");
        };
        Self {
            counts,
            moments: Moments::EMPTY,
        }
    }

    /// Counts a value, ns.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        // `index` is below BUCKETS for every value; the minimum tells the compiler so.
        self.counts[index(ns).min(BUCKETS - 1)] += 1;
        self.moments.add(ns);
    }

    /// Counts the value 0 `count` times.
    pub fn record_zeroes(&mut self, count: u64) {
        if count > 0 {
            self.counts[0] += count;
            self.moments.count += count;
            self.moments.min = 0;
        }
    }

    /// Counts what `other` counted; totals stay exact.
    pub fn merge_from(&mut self, other: &Self) {
        if let Some((first, last)) = other.touched() {
            let range = first..=last;
            for (mine, theirs) in self.counts[range.clone()]
                .iter_mut()
                .zip(&other.counts[range])
            {
                *mine += theirs;
            }
            self.moments.merge(&other.moments);
        }
    }

    /// Forgets everything, at the cost of the buckets between the smallest and largest value only.
    pub fn clear(&mut self) {
        if let Some((first, last)) = self.touched() {
            self.counts[first..=last].fill(0);
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

    /// First and last bucket that may be above zero.
    #[must_use]
    pub fn touched(&self) -> Option<(usize, usize)> {
        (self.moments.count > 0).then(|| (index(self.moments.min), index(self.moments.max)))
    }

    /// Counts of buckets 0 ... of the largest value; empty when nothing was counted.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        self.touched()
            .map_or(&[], |(_, last)| &self.counts[..=last])
    }

    /// Value at a percentile (0 to 100), ns: the largest value of the first bucket that reaches it, held
    /// within min and max. 0 when nothing was counted.
    #[must_use]
    pub fn value_at_percentile(&self, percentile: f64) -> u64 {
        let Some((first, last)) = self.touched() else {
            return 0;
        };
        let rank = rank_of(percentile, self.moments.count);
        let mut seen = 0;
        for (offset, count) in self.counts[first..=last].iter().enumerate() {
            seen += count;
            if seen >= rank {
                let bucket = first + offset;
                if bucket == BUCKETS - 1 {
                    // Without an upper end: only the maximum bounds it.
                    return self.moments.max;
                }
                return highest_of(bucket).clamp(self.moments.min, self.moments.max);
            }
        }
        self.moments.max
    }
}

/// The rank, from 1, that a percentile asks for among `count` values. The percentile is taken one step
/// lower, so that e.g. 99.9 of 1000 asks for the 999th in spite of binary fractions (as `HdrHistogram` does).
#[must_use]
pub fn rank_of(percentile: f64, count: u64) -> u64 {
    let asked = percentile.clamp(0.0, 100.0).next_down();
    let rank = (asked / 100.0 * count as f64).ceil();
    (rank.max(1.0) as u64).min(count.max(1))
}
