//! Numbers below a count in the order of a shift register: each once, without a map.

use crate::rng::{Rng, Use};

/// Exponents of a primitive polynomial over GF(2) of each degree from 2 to 48, without the 0 that all
/// have. Source: R. Ward and T. Molteno, "Table of Linear Feedback Shift Registers" (2007); the test
/// below proves each to be primitive.
const TAPS: [&[u32]; 47] = [
    &[2, 1],
    &[3, 2],
    &[4, 3],
    &[5, 3],
    &[6, 5],
    &[7, 6],
    &[8, 6, 5, 4],
    &[9, 5],
    &[10, 7],
    &[11, 9],
    &[12, 6, 4, 1],
    &[13, 4, 3, 1],
    &[14, 5, 3, 1],
    &[15, 14],
    &[16, 15, 13, 4],
    &[17, 14],
    &[18, 11],
    &[19, 6, 2, 1],
    &[20, 17],
    &[21, 19],
    &[22, 21],
    &[23, 18],
    &[24, 23, 22, 17],
    &[25, 22],
    &[26, 6, 2, 1],
    &[27, 5, 2, 1],
    &[28, 25],
    &[29, 27],
    &[30, 6, 4, 1],
    &[31, 28],
    &[32, 22, 2, 1],
    &[33, 20],
    &[34, 27, 2, 1],
    &[35, 33],
    &[36, 25],
    &[37, 5, 4, 3, 2, 1],
    &[38, 6, 5, 1],
    &[39, 35],
    &[40, 38, 21, 19],
    &[41, 38],
    &[42, 41, 20, 19],
    &[43, 42, 38, 37],
    &[44, 43, 18, 17],
    &[45, 44, 42, 41],
    &[46, 45, 26, 25],
    &[47, 42],
    &[48, 47, 21, 20],
];

/// A Galois shift register whose states, all but 0, are the numbers `1..=count`, those beyond it left
/// out. Neighbours are half apart or related by one mask: cheap, and no good random order, which is
/// what fio's `lfsr` is too.
#[derive(Clone, Debug)]
pub struct Lfsr {
    mask: u64,
    state: u64,
    count: u64,
    left: u64,
}

impl Lfsr {
    /// The order of `count` blocks, at most `2^48 - 1`, of one file; where it begins follows from the
    /// seed and the pass.
    #[must_use]
    pub fn new(count: u64, seed: u64, file: u64, pass: u64) -> Self {
        let bits = (u64::BITS - count.leading_zeros()).clamp(2, 48);
        let taps = TAPS[bits as usize - 2];
        let index = file.wrapping_mul(1 << 40).wrapping_add(pass);
        let states = (1 << bits) - 1;
        Self {
            mask: taps.iter().fold(0, |mask, tap| mask | 1 << (tap - 1)),
            state: 1 + Rng::new(seed, Use::Map, index).below(states),
            count,
            left: count,
        }
    }

    /// Blocks in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The next block; `None` when each was passed.
    pub fn draw(&mut self) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        loop {
            let out = self.state & 1;
            self.state = (self.state >> 1) ^ (self.mask & out.wrapping_neg());
            if self.state <= self.count {
                return Some(self.state - 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Product in GF(2)[x] modulo a polynomial of degree `bits`.
    fn times(mut a: u64, mut b: u64, polynomial: u64, bits: u32) -> u64 {
        let mut product = 0;
        while b != 0 {
            if b & 1 == 1 {
                product ^= a;
            }
            b >>= 1;
            a <<= 1;
            if a >> bits & 1 == 1 {
                a ^= polynomial;
            }
        }
        product
    }

    fn power(mut exponent: u64, polynomial: u64, bits: u32) -> u64 {
        let (mut result, mut base) = (1, 2);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = times(result, base, polynomial, bits);
            }
            base = times(base, base, polynomial, bits);
            exponent >>= 1;
        }
        result
    }

    #[test]
    fn every_polynomial_is_primitive() {
        for (index, taps) in TAPS.iter().enumerate() {
            let bits = index as u32 + 2;
            assert_eq!(taps[0], bits);
            let polynomial = taps.iter().fold(1_u64, |all, tap| all | 1 << tap);
            let order = (1_u64 << bits) - 1;
            // x generates every non-zero element: its order is 2^n - 1 and no proper divisor of it.
            assert_eq!(power(order, polynomial, bits), 1, "{bits}");
            let (mut rest, mut factor) = (order, 2);
            let mut factors = Vec::new();
            while factor * factor <= rest {
                if rest % factor == 0 {
                    factors.push(factor);
                    while rest % factor == 0 {
                        rest /= factor;
                    }
                }
                factor += 1;
            }
            factors.push(rest);
            for factor in factors
                .into_iter()
                .filter(|factor| *factor > 1 && *factor < order)
            {
                assert_ne!(power(order / factor, polynomial, bits), 1, "{bits}");
            }
        }
    }

    proptest! {
        #[test]
        fn visits_each_once(count in 0_u64..5000, seed: u64, pass in 0_u64..3) {
            let mut order = Lfsr::new(count, seed, 0, pass);
            let mut seen = vec![false; count as usize];
            while let Some(block) = order.draw() {
                prop_assert!(!std::mem::replace(&mut seen[block as usize], true));
            }
            prop_assert!(seen.iter().all(|visited| *visited));
        }
    }
}
