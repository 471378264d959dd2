//! The fragmentation score of `BlueStore`: how much the free extents are worth, against one extent of
//! all free space (0) and single blocks (1). Worth grows by 10% with every doubling of an extent.

/// `2^scale * 1.1^scale` at whole scales, in between by straight lines.
fn worth(blocks: u64) -> f64 {
    let scale = blocks.ilog2();
    let base = (1_u64 << scale) as f64;
    let beyond = (blocks as f64 - base) / base;
    let power = 1.1_f64.powi(scale as i32);
    base * power * (1.0 - beyond) + 2.0 * base * power * 1.1 * beyond
}

/// Adds up a free map.
pub struct FragmentationScore {
    block: u64,
    blocks: u64,
    sum: f64,
}

impl FragmentationScore {
    /// For extents that are multiples of `block` bytes.
    #[must_use]
    pub fn new(block: u64) -> Self {
        Self {
            block,
            blocks: 0,
            sum: 0.0,
        }
    }

    /// One free extent of so many bytes, at least a block.
    pub fn add(&mut self, length: u64) {
        let blocks = length / self.block;
        self.blocks += blocks;
        self.sum += worth(blocks);
    }

    /// 0 best, 1 worst; 0 too when at most one block is free.
    #[must_use]
    pub fn score(&self) -> f64 {
        if self.blocks < 2 {
            return 0.0;
        }
        let ideal = worth(self.blocks);
        let terrible = self.blocks as f64 * worth(1);
        (ideal - self.sum) / (ideal - terrible)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score_of(extents: &[u64]) -> f64 {
        let mut sum = FragmentationScore::new(4096);
        for extent in extents {
            sum.add(extent * 4096);
        }
        sum.score()
    }

    #[test]
    fn is_nought_for_one_extent_and_one_for_single_blocks() {
        assert!(score_of(&[1000]).abs() < 1e-12);
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
}
