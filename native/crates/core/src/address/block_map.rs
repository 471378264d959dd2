//! A map of which units of a region were visited, for jobs that mix block sizes.

/// One bit a unit, with summaries above (a summary bit is set when its word below is full), so that
/// the next free unit is found in a few steps however full the map is.
#[derive(Clone, Debug)]
pub struct BlockMap {
    levels: Vec<Vec<u64>>,
    count: u64,
    free: u64,
}

const WORD: u64 = u64::BITS as u64;

impl BlockMap {
    /// A map of `count` units, all free.
    #[must_use]
    pub fn new(count: u64) -> Self {
        let mut levels = Vec::new();
        let mut width = count.max(1);
        loop {
            let words = width.div_ceil(WORD);
            levels.push(vec![0; words as usize]);
            if words == 1 {
                break;
            }
            width = words;
        }
        let mut map = Self {
            levels,
            count,
            free: count,
        };
        map.clear();
        map
    }

    /// Makes every unit free.
    pub fn clear(&mut self) {
        self.free = self.count;
        let mut width = self.count;
        for level in &mut self.levels {
            level.fill(0);
            // Bits beyond the end count as taken.
            let used = width % WORD;
            if let Some(last) = level.last_mut()
                && (used != 0 || width == 0)
            {
                *last = u64::MAX << used;
            }
            width = width.div_ceil(WORD);
        }
    }

    /// Free units.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.free
    }

    /// Whether a unit is taken; units beyond the end are.
    #[inline]
    #[must_use]
    pub fn taken(&self, unit: u64) -> bool {
        unit >= self.count || self.levels[0][(unit / WORD) as usize] >> (unit % WORD) & 1 == 1
    }

    /// The first free unit at `from` or after it.
    #[must_use]
    pub fn next_free(&self, from: u64) -> Option<u64> {
        let (mut level, mut bit) = (0, from);
        loop {
            let words = self.levels.get(level)?;
            let index = (bit / WORD) as usize;
            if let Some(word) = words.get(index) {
                let open = !word & (u64::MAX << (bit % WORD));
                if open != 0 {
                    bit = index as u64 * WORD + u64::from(open.trailing_zeros());
                    break;
                }
            }
            bit = index as u64 + 1;
            level += 1;
        }
        while level > 0 {
            level -= 1;
            let word = self.levels[level][bit as usize];
            bit = bit * WORD + u64::from((!word).trailing_zeros());
        }
        Some(bit)
    }

    /// Takes units from `start` on until `most` are taken or one was taken already; returns how
    /// many.
    pub fn take(&mut self, start: u64, most: u64) -> u64 {
        let mut taken = 0;
        while taken < most && !self.taken(start + taken) {
            self.set(start + taken);
            taken += 1;
        }
        self.free -= taken;
        taken
    }

    fn set(&mut self, unit: u64) {
        let mut bit = unit;
        for level in &mut self.levels {
            let word = &mut level[(bit / WORD) as usize];
            *word |= 1 << (bit % WORD);
            if *word != u64::MAX {
                return;
            }
            bit /= WORD;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(
            count in 0_u64..9000,
            steps in prop::collection::vec((any::<prop::sample::Index>(), 1_u64..200), 1..300),
        ) {
            let mut map = BlockMap::new(count);
            let mut naive = vec![false; count as usize];
            for (at, most) in steps {
                let from = at.index(count as usize + 70) as u64;
                let expected = (from..count).find(|unit| !naive[*unit as usize]);
                prop_assert_eq!(map.next_free(from), expected);
                let Some(start) = expected else { continue };
                let mut length = 0;
                while length < most && start + length < count && !naive[(start + length) as usize] {
                    naive[(start + length) as usize] = true;
                    length += 1;
                }
                prop_assert_eq!(map.take(start, most), length);
                let free = naive.iter().filter(|taken| !**taken).count();
                prop_assert_eq!(map.free(), free as u64);
            }
            map.clear();
            prop_assert_eq!(map.free(), count);
            prop_assert_eq!(map.next_free(0), (count > 0).then_some(0));
        }
    }

    #[test]
    fn fills_several_levels() {
        let mut map = BlockMap::new(300_000);
        assert_eq!(map.take(0, 299_999), 299_999);
        assert_eq!(map.next_free(5), Some(299_999));
        assert_eq!(map.take(299_999, 5), 1);
        assert_eq!(map.next_free(0), None);
    }
}
