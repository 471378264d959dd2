//! Seeded random numbers (xoshiro256++), independent streams from one seed.
//!
//! Source: D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators" (2021), and
//! splitmix64 for seeding, as its authors advise.

/// What a sub-stream is drawn for. Each use has its own stream, so that a change of one aspect of a
/// job (its sizes, say) leaves the draws of the others as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Use {
    /// Which direction comes next in a mixed job.
    Direction = 1,
    /// Block sizes.
    Size = 2,
    /// Offsets.
    Offset = 3,
    /// Gaps between intended times.
    Arrival = 4,
    /// Random or sequential, under `percentage_random`.
    Randomness = 5,
    /// Content of buffers.
    Data = 6,
    /// The permutations of the random map.
    Map = 7,
    /// Service times of the synthetic device.
    Jitter = 8,
    /// Which operations fail on the synthetic device.
    Fault = 9,
    /// Which file comes next.
    File = 10,
    /// Which writes are trimmed again.
    Trim = 11,
    /// Which operations have a priority of their own.
    Priority = 12,
    /// Which operations are polled for.
    Polling = 13,
}

/// A generator of one sub-stream. 1 ns a draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

/// One step of splitmix64: a bijection that mixes well.
#[inline]
#[must_use]
pub const fn mix64(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Rng {
    /// The sub-stream of `seed` for one use; `index` tells apart directions or files.
    #[must_use]
    pub fn new(seed: u64, purpose: Use, index: u64) -> Self {
        let mut at = mix64(seed.wrapping_add(GOLDEN))
            ^ mix64((purpose as u64) << 32 | index).wrapping_mul(GOLDEN);
        let state = std::array::from_fn(|_| {
            at = at.wrapping_add(GOLDEN);
            mix64(at)
        });
        Self { state }
    }

    /// 64 uniform bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// Uniform in `0..bound`; 0 for a bound of 0. The bias is below `bound / 2^64`.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform in `[0, 1)` with 53 bits.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Exponential with mean 1.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        // 1 - unit() is in (0, 1], so that the logarithm is finite.
        -(1.0 - self.unit()).ln()
    }

    /// True with a probability given as a threshold from `threshold`.
    #[inline]
    pub fn chance(&mut self, threshold: u64) -> bool {
        self.next_u64() < threshold
    }
}

/// The threshold for `Rng::chance` from a probability in `0..=1`.
#[must_use]
pub fn threshold(probability: f64) -> u64 {
    // A cast from f64 saturates, so that 1.0 gives u64::MAX.
    (probability * 18_446_744_073_709_551_616.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_generator() {
        // First outputs of xoshiro256++ with state 1, 2, 3, 4 (Blackman and Vigna's C code; the
        // same vector is in the tests of rand_xoshiro).
        let mut rng = Rng {
            state: [1, 2, 3, 4],
        };
        let expected = [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
            9_228_616_714_210_784_205,
            9_973_669_472_204_895_162,
        ];
        for value in expected {
            assert_eq!(rng.next_u64(), value);
        }
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let first = |seed, purpose, index| Rng::new(seed, purpose, index).next_u64();
        assert_eq!(first(7, Use::Size, 1), first(7, Use::Size, 1));
        assert_ne!(first(7, Use::Size, 1), first(7, Use::Size, 2));
        assert_ne!(first(7, Use::Size, 1), first(7, Use::Offset, 1));
        assert_ne!(first(7, Use::Size, 1), first(8, Use::Size, 1));
    }

    #[test]
    fn exponential_has_mean_and_variance_one() {
        let mut rng = Rng::new(3, Use::Arrival, 0);
        let count = 1_000_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..count {
            let draw = rng.exponential();
            sum += draw;
            squares += draw * draw;
        }
        let mean = sum / f64::from(count);
        assert!((mean - 1.0).abs() < 0.005, "{mean}");
        assert!((squares / f64::from(count) - mean * mean - 1.0).abs() < 0.02);
    }
}
