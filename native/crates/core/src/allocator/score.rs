//! The fragmentation score of `BlueStore` as its allocators tell it (`bluestore allocator score`, Ceph
//! 17): how much the free extents are worth, against one extent of all free space (0) and single bytes
//! (1). Worth grows by 10% with every doubling of an extent. It counts bytes, so stores of other units
//! have the same scale, and single units of 4 KiB come to 0.7 of it.

/// `2^scale * 1.1^scale` at whole scales, in between by straight lines.
fn worth(bytes: u64) -> f64 {
    let scale = bytes.ilog2();
    let base = (1_u64 << scale) as f64;
    let beyond = (bytes as f64 - base) / base;
    let power = 1.1_f64.powi(scale as i32);
    base * power * (1.0 - beyond) + 2.0 * base * power * 1.1 * beyond
}

/// Adds up a free map.
#[derive(Default)]
pub struct FragmentationScore {
    extents: u64,
    bytes: u64,
    sum: f64,
}

impl FragmentationScore {
    /// One free extent of so many bytes, not 0.
    pub fn add(&mut self, length: u64) {
        self.extents += 1;
        self.bytes += length;
        self.sum += worth(length);
    }

    /// 0 best, towards 1 worse; 0 too when there is no free extent or one alone.
    #[must_use]
    pub fn score(&self) -> f64 {
        if self.extents < 2 {
            return 0.0;
        }
        let ideal = worth(self.bytes);
        let terrible = self.bytes as f64 * worth(1);
        (ideal - self.sum) / (ideal - terrible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score_of(extents: &[u64]) -> f64 {
        let mut sum = FragmentationScore::default();
        for &extent in extents {
            sum.add(extent);
        }
        sum.score()
    }

    #[test]
    fn is_nought_for_one_extent_and_one_for_single_bytes() {
        assert!(score_of(&[4_096_000]).abs() < 1e-12);
        assert!((score_of(&[1; 1000]) - 1.0).abs() < 1e-12);
        assert!(score_of(&[]).abs() < 1e-12);
    }

    #[test]
    fn follows_the_formula_by_hand() {
        // worth(4) = 4 * 1.21, worth(8) = 8 * 1.331, worth(6) = the mean of both, terrible = 12.
        let worth_4: f64 = 4.0 * 1.21;
        let worth_8 = 8.0 * 1.331;
        let worth_12 = f64::midpoint(8.0 * 1.331, 16.0 * 1.4641);
        let by_hand = (worth_12 - worth_4 - worth_8) / (worth_12 - 12.0);
        assert!((score_of(&[4, 8]) - by_hand).abs() < 1e-12);
        let by_hand = (worth_12 - 2.0 * f64::midpoint(worth_4, worth_8)) / (worth_12 - 12.0);
        assert!((score_of(&[6, 6]) - by_hand).abs() < 1e-12);
    }

    #[test]
    fn is_what_cephs_allocators_would_say() {
        // By Ceph 17's formula over bytes, worked out apart from this code.
        const KIB: u64 = 1024;
        let many: Vec<_> = [64 * KIB; 10].into_iter().chain([1024 * KIB]).collect();
        for (extents, expected) in [
            (&[16 * KIB, 32 * KIB][..], 0.117_215_849_419_473_7),
            (&[4 * KIB; 1000], 0.699_764_960_097_503),
            (&many, 0.214_203_792_771_233_83),
            (
                &[600 << 20, 20 * KIB, 192 * KIB],
                0.000_310_077_663_402_122_7,
            ),
        ] {
            let score = score_of(extents);
            assert!((score - expected).abs() < 1e-9, "{score} {expected}");
        }
    }
}
