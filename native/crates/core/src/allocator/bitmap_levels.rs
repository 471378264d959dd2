//! The three levels of the bitmap: a bit per block (1: free); two bits per 512 blocks, which is one
//! cache line below (00 none free, 01 some, 11 all); a bit per 256 of those, again one cache line,
//! that says whether anything is free there. At 4 KiB a block: 32 MiB, 128 KiB and 256 bytes per TiB.

/// Blocks of an entry of level 1.
pub const SET_BLOCKS: u64 = 512;
const SET_WORDS: usize = 8;
/// Entries of level 1 under a bit of level 2.
const REGION_SETS: u64 = 256;
/// Blocks under a bit of level 2.
pub const REGION_BLOCKS: u64 = SET_BLOCKS * REGION_SETS;
const REGION_WORDS: usize = 8;

const SOME: u64 = 0b01;
const ALL: u64 = 0b11;
/// The lower bit of each of the 32 entries in a word of level 1.
const LOWER: u64 = 0x5555_5555_5555_5555;

/// See the module. Positions are blocks.
pub struct Levels {
    blocks: u64,
    bits: Vec<u64>,
    sets: Vec<u64>,
    regions: Vec<u64>,
}

/// The bits `from..to` of a word, `to` from 1 to 64.
#[inline]
const fn mask(from: u64, to: u64) -> u64 {
    (u64::MAX >> (64 - to)) & (u64::MAX << from)
}

impl Levels {
    /// Nothing is free at first; the memory is zero pages until it is used.
    pub fn new(blocks: u64) -> Self {
        let regions = blocks.div_ceil(REGION_BLOCKS) as usize;
        Self {
            blocks,
            bits: vec![0; regions * REGION_SETS as usize * SET_WORDS],
            sets: vec![0; regions * REGION_WORDS],
            regions: vec![0; regions.div_ceil(64)],
        }
    }

    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    pub fn region_count(&self) -> u64 {
        self.blocks.div_ceil(REGION_BLOCKS)
    }

    pub fn memory_bytes(&self) -> u64 {
        ((self.bits.capacity() + self.sets.capacity() + self.regions.capacity()) * 8) as u64
    }

    #[inline]
    pub fn is_free(&self, block: u64) -> bool {
        self.bits[(block / 64) as usize] >> (block % 64) & 1 == 1
    }

    /// Whether all of `from..to` has the state.
    pub fn all(&self, from: u64, to: u64, free: bool) -> bool {
        let flip = if free { 0 } else { u64::MAX };
        let (first, last) = (from / 64, (to - 1) / 64);
        for word in first..=last {
            let low = if word == first { from % 64 } else { 0 };
            let high = if word == last { (to - 1) % 64 + 1 } else { 64 };
            let mask = mask(low, high);
            if (self.bits[word as usize] ^ flip) & mask != mask {
                return false;
            }
        }
        true
    }

    /// Gives `from..to` the state, in all levels.
    pub fn set(&mut self, from: u64, to: u64, free: bool) {
        let (first, last) = (from / 64, (to - 1) / 64);
        for word in first..=last {
            let low = if word == first { from % 64 } else { 0 };
            let high = if word == last { (to - 1) % 64 + 1 } else { 64 };
            let mask = mask(low, high);
            if free {
                self.bits[word as usize] |= mask;
            } else {
                self.bits[word as usize] &= !mask;
            }
        }
        for set in from / SET_BLOCKS..=(to - 1) / SET_BLOCKS {
            self.summarise(set);
        }
        for region in from / REGION_BLOCKS..=(to - 1) / REGION_BLOCKS {
            let begin = region as usize * REGION_WORDS;
            let any = self.sets[begin..begin + REGION_WORDS]
                .iter()
                .any(|word| *word != 0);
            let bit = 1 << (region % 64);
            let word = &mut self.regions[(region / 64) as usize];
            *word = if any { *word | bit } else { *word & !bit };
        }
    }

    fn state_of(&self, set: u64) -> u64 {
        let begin = set as usize * SET_WORDS;
        let words = &self.bits[begin..begin + SET_WORDS];
        let all = words.iter().fold(u64::MAX, |all, word| all & word);
        let any = words.iter().fold(0, |any, word| any | word);
        match (all, any) {
            (_, 0) => 0,
            (u64::MAX, _) => ALL,
            _ => SOME,
        }
    }

    fn summarise(&mut self, set: u64) {
        let shift = set % 32 * 2;
        let word = (set / 32) as usize;
        self.sets[word] = self.sets[word] & !(ALL << shift) | self.state_of(set) << shift;
    }

    /// The first region from `region` on, below `until`, in which anything is free.
    pub fn next_region(&self, region: u64, until: u64) -> Option<u64> {
        let mut at = region;
        while at < until {
            let word = self.regions[(at / 64) as usize] >> (at % 64);
            if word != 0 {
                let found = at + u64::from(word.trailing_zeros());
                return (found < until).then_some(found);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }

    /// The first set from `set` on, below `until`, in which anything is free.
    fn next_set(&self, set: u64, until: u64) -> Option<u64> {
        let mut at = set;
        while at < until {
            let word = (self.sets[(at / 32) as usize] & LOWER) >> (at % 32 * 2);
            if word != 0 {
                let found = at + u64::from(word.trailing_zeros()) / 2;
                return (found < until).then_some(found);
            }
            at = (at / 32 + 1) * 32;
        }
        None
    }

    /// The first run of wholly free sets from `set` on, below `until`: first and the one after.
    pub fn free_sets(&self, set: u64, until: u64) -> Option<(u64, u64)> {
        let whole = |at: u64| self.sets[(at / 32) as usize] >> (at % 32 * 2) & ALL == ALL;
        let mut at = set;
        while at < until {
            let word = self.sets[(at / 32) as usize];
            let free = (word & word >> 1 & LOWER) >> (at % 32 * 2);
            if free == 0 {
                at = (at / 32 + 1) * 32;
                continue;
            }
            let first = at + u64::from(free.trailing_zeros()) / 2;
            if first >= until {
                return None;
            }
            let mut end = first + 1;
            while end < until && whole(end) {
                end += 1;
            }
            return Some((first, end));
        }
        None
    }

    /// The first free block from `block` on, below `until`.
    fn next_free(&self, block: u64, until: u64) -> Option<u64> {
        let mut at = block;
        while at < until {
            if at.is_multiple_of(SET_BLOCKS) {
                at = self.next_set(at / SET_BLOCKS, until.div_ceil(SET_BLOCKS))? * SET_BLOCKS;
            }
            // Only the rest of this set; level 1 tells where to go on.
            let end = (at / SET_BLOCKS + 1) * SET_BLOCKS;
            while at < end {
                let word = self.bits[(at / 64) as usize] >> (at % 64);
                if word != 0 {
                    let found = at + u64::from(word.trailing_zeros());
                    return (found < until).then_some(found);
                }
                at = (at / 64 + 1) * 64;
            }
        }
        None
    }

    /// The first block from `block` on, below `until`, that is in use; else `until`.
    pub fn next_used(&self, block: u64, until: u64) -> u64 {
        let mut at = block;
        while at < until {
            let word = !self.bits[(at / 64) as usize] >> (at % 64);
            if word != 0 {
                return (at + u64::from(word.trailing_zeros())).min(until);
            }
            at = (at / 64 + 1) * 64;
        }
        until
    }

    /// The first free run from `block` on, as far as it goes below `until`; no more than about `most`
    /// blocks of it are looked at.
    #[inline]
    pub fn next_run(&self, block: u64, until: u64, most: u64) -> Option<(u64, u64)> {
        let start = self.next_free(block, until)?;
        let limit = until.min(start.saturating_add(most));
        Some((start, self.next_used(start, limit)))
    }

    /// The start of the free run that ends before `block`; `block` itself if there is none.
    pub fn run_before(&self, block: u64) -> u64 {
        let mut at = block;
        while at > 0 {
            let shift = 63 - (at - 1) % 64;
            let used = !self.bits[((at - 1) / 64) as usize] << shift;
            if used != 0 {
                let length = u64::from(used.leading_zeros());
                return at - length.min(at);
            }
            at = (at - 1) / 64 * 64;
        }
        0
    }

    /// Whether the levels agree.
    pub fn check(&self) -> Result<(), String> {
        if !self.blocks.is_multiple_of(64) {
            let word = self.bits[(self.blocks / 64) as usize];
            if word >> (self.blocks % 64) != 0 {
                return Err("a block beyond the device is free".to_owned());
            }
        }
        for set in 0..self.sets.len() as u64 * 32 {
            let state = self.sets[(set / 32) as usize] >> (set % 32 * 2) & ALL;
            if state != self.state_of(set) {
                return Err(format!("level 1 is wrong at entry {set}"));
            }
        }
        for region in 0..self.region_count() {
            let begin = region as usize * REGION_WORDS;
            let any = self.sets[begin..begin + REGION_WORDS]
                .iter()
                .any(|word| *word != 0);
            let bit = self.regions[(region / 64) as usize] >> (region % 64) & 1 == 1;
            if bit != any {
                return Err(format!("level 2 is wrong at entry {region}"));
            }
        }
        Ok(())
    }
}
