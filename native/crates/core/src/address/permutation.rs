//! A pseudo-random order of `0..count` in constant memory: each number exactly once.

use crate::rng::{Rng, Use};

/// Rounds of mixing. Two leave neighbours correlated (the test of pairs fails); three pass, and one
/// more is margin.
const ROUNDS: usize = 4;

/// Visits every block of a region once, in an order given by the seed.
///
/// Each round is a bijection on the next power of two (odd multiplier, addend, shift-xor); results
/// outside `0..count` are mapped again until they fall inside ("cycle walking", Black and Rogaway,
/// "Ciphers with arbitrary finite domains", 2002), which keeps the whole a bijection on `0..count`.
#[derive(Clone, Debug)]
pub struct Permutation {
    multipliers: [u64; ROUNDS],
    addends: [u64; ROUNDS],
    mask: u64,
    shift: u32,
    count: u64,
    position: u64,
}

impl Permutation {
    /// The order of `count` blocks number `pass` of one file.
    #[must_use]
    pub fn new(count: u64, seed: u64, file: u64, pass: u64) -> Self {
        let mut rng = Rng::new(
            seed,
            Use::Map,
            file.wrapping_mul(1 << 40).wrapping_add(pass),
        );
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        Self {
            multipliers: std::array::from_fn(|_| rng.next_u64() | 1),
            addends: std::array::from_fn(|_| rng.next_u64()),
            mask: u64::MAX.checked_shr(u64::BITS - bits).unwrap_or(0),
            shift: bits.div_ceil(2).max(1),
            count,
            position: 0,
        }
    }

    /// Blocks in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Blocks that were not visited yet.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.count - self.position
    }

    /// The next block; `None` when every block was visited.
    #[inline]
    pub fn draw(&mut self) -> Option<u64> {
        if self.position == self.count {
            return None;
        }
        let mut value = self.position;
        self.position += 1;
        loop {
            for round in 0..ROUNDS {
                value = value
                    .wrapping_mul(self.multipliers[round])
                    .wrapping_add(self.addends[round])
                    & self.mask;
                value ^= value >> self.shift;
            }
            if value < self.count {
                return Some(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn visits_each_once(count in 0_u64..5000, seed: u64, pass in 0_u64..3) {
            let mut order = Permutation::new(count, seed, 0, pass);
            let mut seen = vec![false; count as usize];
            while let Some(block) = order.draw() {
                prop_assert!(!std::mem::replace(&mut seen[block as usize], true));
            }
            prop_assert!(seen.iter().all(|visited| *visited));
            prop_assert_eq!(order.left(), 0);
        }
    }

    /// Chi-square of `counts` against equal expectation, in standard deviations from its mean.
    fn chi_square_sigmas(counts: &[u32]) -> f64 {
        let total: u32 = counts.iter().sum();
        let expected = f64::from(total) / counts.len() as f64;
        let square = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
        let freedom = (counts.len() - 1) as f64;
        (counts.iter().map(square).sum::<f64>() - freedom) / (2.0 * freedom).sqrt()
    }

    #[test]
    fn looks_random_part_way_and_in_pairs() {
        for (count, seed) in [(262_144, 1), (262_145, 2), (1_000_003, 3), (3_000_000, 4)] {
            let mut order = Permutation::new(count, seed, 0, 0);
            let bin = |block: u64| (block * 16 / count) as usize;
            let (mut single, mut pairs) = (vec![0_u32; 16], vec![0_u32; 256]);
            let mut before = bin(order.draw().unwrap());
            for _ in 0..40_000 {
                let now = bin(order.draw().unwrap());
                single[now] += 1;
                pairs[before * 16 + now] += 1;
                before = now;
            }
            // Drawing without repeats evens the counts out a little, so that only the upper side is
            // bounded.
            assert!(chi_square_sigmas(&single) < 4.0, "{count} {single:?}");
            assert!(chi_square_sigmas(&pairs) < 4.0, "{count} {pairs:?}");
        }
    }

    #[test]
    fn passes_and_files_differ() {
        let first = |file, pass| {
            let mut order = Permutation::new(1000, 9, file, pass);
            (0..10).map(|_| order.draw().unwrap()).collect::<Vec<_>>()
        };
        assert_ne!(first(0, 0), first(0, 1));
        assert_ne!(first(0, 0), first(1, 0));
        assert_eq!(first(0, 1), first(0, 1));
    }
}
