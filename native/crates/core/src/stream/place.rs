//! Where operations go: per direction a lane (sizes, draws), per file the positions and the map.

use super::features::Features;
use crate::address::{BlockMap, Lfsr, Permutation, Picker};
use crate::rng::Rng;
use crate::sizes::Sizes;

/// What one direction draws from.
#[derive(Debug)]
pub(super) struct Lane {
    pub sizes: Sizes,
    pub align: u64,
    pub offsets: Rng,
    /// Draws of random against sequential, and the threshold; `None` = always random.
    pub percentage: Option<(Rng, u64)>,
    /// One per file; empty for directions that are not used.
    pub pickers: Box<[Picker]>,
}

/// One file of the job.
#[derive(Debug)]
pub(super) struct FileState {
    pub base: u64,
    pub size: u64,
    /// Where each direction goes on, relative to `base`.
    pub position: [u64; 3],
    pub map: Map,
    /// Bit d: direction d reached the file's end. Bit `MAP`: the map is exhausted.
    pub spent: u8,
}

/// Bit of `spent` that stands for the map.
pub(super) const MAP: usize = 3;

/// How the blocks visited in this pass are known.
#[derive(Debug)]
pub(super) enum Map {
    /// They are not: draws are independent.
    None,
    /// All blocks are equal: a permutation.
    Equal(Permutation),
    /// A shift register passes each block once; longer blocks reach into those after them.
    Lfsr(Lfsr),
    /// Sizes differ: a bit for each unit of so many bytes.
    Mixed { map: BlockMap, unit: u64 },
}

/// A place on a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub file: usize,
    /// Absolute, in bytes.
    pub offset: u64,
    pub length: u32,
}

/// All that yields places.
#[derive(Debug)]
pub(super) struct Layout {
    pub lanes: [Lane; 3],
    pub files: Box<[FileState]>,
    pub seed: u64,
    pub random: bool,
    /// Sequential bytes skipped after each operation; negative walks backwards.
    pub step: i64,
    /// Operations per random draw, and how many continue before the next.
    pub per_draw: u32,
    pub continuing: u32,
    /// No place after the last block was visited, instead of another pass.
    pub one_pass: bool,
    /// Next file of the round robin.
    pub next_file: usize,
    /// Passes over the maps so far.
    pub pass: u64,
    /// How often the files began anew, whatever is random about it.
    pub rounds: u64,
    /// There is one file and nothing of `features`.
    pub single: bool,
    pub features: Option<Box<Features>>,
}

impl FileState {
    pub fn new(base: u64, size: u64, map: Map) -> Self {
        Self {
            base,
            size,
            position: [0; 3],
            map,
            spent: 0,
        }
    }
}

impl Layout {
    /// The next place of one direction; `None` when `one_pass` and everything was visited.
    #[inline]
    pub fn next(&mut self, direction: usize) -> Option<Place> {
        if !self.single {
            return self.next_elsewhere(direction);
        }
        let size = self.lanes[direction].sizes.draw();
        let random = self.random && self.draws(direction);
        if let Some(place) = self.place(0, direction, random, size) {
            return Some(place);
        }
        self.next_of_many(direction, random, size)
    }

    /// As `next`, with several files or features.
    #[inline(never)]
    fn next_elsewhere(&mut self, direction: usize) -> Option<Place> {
        if let Some(mut features) = self.features.take() {
            let place = features.next(self, direction);
            self.features = Some(features);
            return place;
        }
        let size = self.lanes[direction].sizes.draw();
        let random = self.random && self.draws(direction);
        self.next_of_many(direction, random, size)
    }

    /// Whether this operation of a random job draws its offset.
    #[inline]
    pub fn draws(&mut self, direction: usize) -> bool {
        if self.per_draw > 1 {
            if self.continuing > 0 {
                self.continuing -= 1;
                return false;
            }
            self.continuing = self.per_draw - 1;
        }
        match &mut self.lanes[direction].percentage {
            None => true,
            Some((rng, threshold)) => rng.chance(*threshold),
        }
    }

    /// Round robin over the files that have something left.
    #[inline(never)]
    fn next_of_many(&mut self, direction: usize, random: bool, size: u32) -> Option<Place> {
        let bit = 1_u8 << if random { MAP } else { direction };
        let count = self.files.len();
        loop {
            for _ in 0..count {
                let file = self.next_file;
                self.next_file = if file + 1 == count { 0 } else { file + 1 };
                if self.files[file].spent & bit != 0 {
                    continue;
                }
                if let Some(place) = self.place_elsewhere(file, direction, random, size) {
                    return Some(place);
                }
                self.files[file].spent |= bit;
            }
            if self.one_pass {
                return None;
            }
            self.renew(bit);
        }
    }

    /// Begins another pass: of the maps, or of the positions of the directions in `bits`.
    pub fn renew(&mut self, bits: u8) {
        self.pass += u64::from(bits >> MAP);
        self.rounds += 1;
        for index in 0..self.files.len() {
            self.renew_file(index, bits);
        }
    }

    /// The same for one file, as part of the current pass.
    pub fn renew_file(&mut self, index: usize, bits: u8) {
        for direction in 0..3 {
            if bits >> direction & 1 == 1 {
                let start = self.start(index, direction);
                self.files[index].position[direction] = start;
            }
        }
        let file = &mut self.files[index];
        file.spent &= !bits;
        if bits >> MAP & 1 == 1 {
            match &mut file.map {
                Map::None => {}
                Map::Equal(order) => {
                    let count = order.count();
                    *order = Permutation::new(count, self.seed, index as u64, self.pass);
                }
                Map::Lfsr(order) => {
                    *order = Lfsr::new(order.count(), self.seed, index as u64, self.pass);
                }
                Map::Mixed { map, .. } => map.clear(),
            }
        }
    }

    /// Everything as at the start of a loop.
    pub fn restart(&mut self) {
        self.next_file = 0;
        self.continuing = 0;
        if let Some(mut features) = self.features.take() {
            features.restart(self);
            self.features = Some(features);
        }
        self.renew(0b1111);
    }

    /// Where a sequential direction starts on a file. Backward walks start at the last block: fio
    /// 3.33 (`rw=read:-8k`, seen with `write_iolog`) starts at the first, never reads the last, and
    /// with an `offset` leaves the region.
    pub fn start(&self, file: usize, direction: usize) -> u64 {
        if self.step >= 0 {
            return 0;
        }
        let smallest = u64::from(self.lanes[direction].sizes.smallest());
        (self.files[file].size / smallest).saturating_sub(1) * smallest
    }

    /// As `place`, from where it is no matter of nanoseconds.
    #[inline(never)]
    pub fn place_elsewhere(
        &mut self,
        file: usize,
        direction: usize,
        random: bool,
        size: u32,
    ) -> Option<Place> {
        self.place(file, direction, random, size)
    }

    // A call costs a nanosecond of ten.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn place(&mut self, file: usize, direction: usize, random: bool, size: u32) -> Option<Place> {
        let (at, length) = if random {
            self.draw(file, direction, size)?
        } else {
            self.follow(file, direction, size)?
        };
        let state = &mut self.files[file];
        // Below zero it wraps to a huge number, which is beyond any file's end.
        state.position[direction] = at
            .wrapping_add(u64::from(length))
            .wrapping_add_signed(self.step);
        Some(Place {
            file,
            offset: state.base + at,
            length,
        })
    }

    #[inline]
    fn draw(&mut self, file: usize, direction: usize, size: u32) -> Option<(u64, u32)> {
        let lane = &mut self.lanes[direction];
        let state = &mut self.files[file];
        match &mut state.map {
            Map::None => {
                let at = lane.pickers[file].draw(&mut lane.offsets) * lane.align;
                Some((at, lane.sizes.fit(size, state.size - at)))
            }
            Map::Equal(order) => Some((order.draw()? * lane.align, size)),
            Map::Mixed { map, unit } => {
                let wish = lane.pickers[file].draw(&mut lane.offsets) * lane.align;
                let start = free_from(map, wish / *unit, lane.align / *unit)
                    .or_else(|| free_from(map, 0, lane.align / *unit))?;
                // Unaligned sizes take whole units.
                let units = map.take(start, u64::from(size).div_ceil(*unit));
                Some((start * *unit, size.min((units * *unit) as u32)))
            }
            Map::Lfsr(_) => self.draw_shifted(file, direction, size),
        }
    }

    /// As `draw`, from a shift register.
    #[inline(never)]
    fn draw_shifted(&mut self, file: usize, direction: usize, size: u32) -> Option<(u64, u32)> {
        let lane = &self.lanes[direction];
        let state = &mut self.files[file];
        let Map::Lfsr(order) = &mut state.map else {
            return None;
        };
        let at = order.draw()? * lane.align;
        Some((at, lane.sizes.fit(size, state.size - at)))
    }

    /// Where the last operation of the direction ended, plus the step.
    fn follow(&mut self, file: usize, direction: usize, size: u32) -> Option<(u64, u32)> {
        let sizes = &self.lanes[direction].sizes;
        let smallest = u64::from(sizes.smallest());
        let state = &self.files[file];
        let mut at = state.position[direction];
        if at.checked_add(smallest).is_none_or(|end| end > state.size) {
            // Holes and backward walks go round until the bytes are done, as in fio.
            if self.step == 0 && !self.random {
                return None;
            }
            at = self.start(file, direction);
        }
        Some((at, sizes.fit(size, state.size - at)))
    }
}

/// The first free unit from `from` on that is a multiple of `step`.
fn free_from(map: &BlockMap, from: u64, step: u64) -> Option<u64> {
    let mut at = from;
    loop {
        let free = map.next_free(at)?;
        let aligned = free.next_multiple_of(step);
        if !map.taken(aligned) {
            return Some(aligned);
        }
        at = aligned;
    }
}
