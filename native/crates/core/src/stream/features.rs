//! What only some jobs ask of their places: zones, the choice among files, repeated offsets, sizes by
//! randomness. Kept apart, so that other jobs do not pay for it.

use super::place::{FileState, Layout, MAP, Place};
use crate::address::Picker;
use crate::rng::Rng;
use crate::sizes::Sizes;
use crate::spec::{Region, StridedZones};

/// See the module.
#[derive(Debug)]
pub(super) struct Features {
    /// Operations that do not draw repeat the offset before them.
    pub identical: bool,
    /// Where each direction was last, by file, relative to its base.
    pub starts: Box<[[u64; 3]]>,
    /// Sizes of operations that do not draw; the lanes have those of the others.
    pub sequential: Option<Box<[Sizes; 3]>>,
    pub files: FileChoice,
    pub zones: Option<Zones>,
}

/// Which file is next.
#[derive(Debug)]
pub(super) struct FileChoice {
    pub law: FileLaw,
    /// Operations of the same file in a row.
    pub in_a_row: u32,
    pub file: usize,
    /// Of those, how many are left.
    pub left: u32,
    pub rng: Rng,
    pub open: OpenSet,
}

/// The files that are in use. Source: fio's manual on `openfiles`; files that are not pass their turn.
#[derive(Debug)]
pub(super) struct OpenSet {
    limit: usize,
    count: usize,
    open: Box<[bool]>,
}

impl OpenSet {
    /// At most `limit` of `files`; 0 = all.
    pub fn new(limit: u32, files: usize) -> Self {
        Self {
            limit: if limit == 0 { files } else { limit as usize },
            count: 0,
            open: vec![false; files].into(),
        }
    }

    fn admits(&self, file: usize) -> bool {
        self.open[file] || self.count < self.limit
    }

    fn enter(&mut self, file: usize) {
        self.count += usize::from(!self.open[file]);
        self.open[file] = true;
    }

    fn leave(&mut self, file: usize) {
        self.count -= usize::from(self.open[file]);
        self.open[file] = false;
    }
}

#[derive(Debug)]
pub(super) enum FileLaw {
    RoundRobin,
    Random,
    /// Draws among `SHARES` shares of each file.
    Skewed(Picker),
}

/// fio draws skewed files among 1024 shares of each: a law over a handful of ranks would be coarse.
pub(super) const SHARES: u64 = 1024;

/// Draws of a file that is done, before the next one is taken instead.
const TRIES: u32 = 64;

impl FileChoice {
    /// The next file; `None` when all are done.
    fn choose(&mut self, files: &[FileState], spent: u8) -> Option<usize> {
        let open = &mut self.open;
        let done =
            |open: &OpenSet, file: usize| files[file].spent & spent != 0 || !open.admits(file);
        if self.left > 0 && !done(open, self.file) {
            self.left -= 1;
            return Some(self.file);
        }
        let count = files.len();
        match &self.law {
            FileLaw::Skewed(picker) => self.file = (picker.draw(&mut self.rng) / SHARES) as usize,
            FileLaw::Random => {
                for _ in 0..TRIES {
                    self.file = self.rng.below(count as u64) as usize;
                    if !done(open, self.file) {
                        break;
                    }
                }
            }
            FileLaw::RoundRobin => self.file = (self.file + 1) % count,
        }
        for _ in 0..count {
            if !done(open, self.file) {
                open.enter(self.file);
                self.left = self.in_a_row - 1;
                return Some(self.file);
            }
            self.file = (self.file + 1) % count;
        }
        None
    }

    fn restart(&mut self, count: usize) {
        self.left = 0;
        for file in 0..count {
            self.open.leave(file);
        }
        // So that the round begins with the first.
        self.file = count - 1;
    }
}

/// Where the walk through zones stands.
#[derive(Debug)]
pub(super) struct Zones {
    pub law: StridedZones,
    /// Bytes transferred since the last step.
    pub bytes: u64,
    /// The files' whole regions.
    pub regions: Box<[Region]>,
}

impl Zones {
    /// Moves on if the zone had its bytes; begins the zone's range again where it was used up.
    fn enter(&mut self, layout: &mut Layout, file: usize, smallest: u64) {
        if self.bytes >= self.law.size {
            self.step(layout, file, smallest);
        } else if self.bytes > 0 && self.bytes.is_multiple_of(self.law.range) {
            layout.pass += 1;
            layout.renew_file(file, 0b1111);
        }
    }

    fn step(&mut self, layout: &mut Layout, file: usize, smallest: u64) {
        self.bytes = 0;
        let region = self.regions[file];
        let end = region.offset + region.size;
        let state = &mut layout.files[file];
        let stride = self.law.range.saturating_add(self.law.skip);
        let base = state.base.saturating_add(stride);
        let room = end.saturating_sub(base);
        // fio ends a random job early whose last zone is cut short; it is left out here.
        let fits = room >= smallest && (!layout.random || room >= self.law.range);
        state.base = if fits { base } else { region.offset };
        state.size = self.law.range.min(end - state.base);
        layout.pass += 1;
        layout.renew_file(file, 0b1111);
    }

    fn restart(&mut self, layout: &mut Layout) {
        self.bytes = 0;
        for (state, region) in layout.files.iter_mut().zip(&self.regions) {
            state.base = region.offset;
            state.size = self.law.range.min(region.size);
        }
    }
}

impl Features {
    /// The next place of a direction; `None` when `one_pass` and everything was visited.
    pub fn next(&mut self, layout: &mut Layout, direction: usize) -> Option<Place> {
        let repeats = self.identical && layout.random && layout.continuing > 0;
        let random = layout.random && layout.draws(direction);
        let swaps = !random && self.sequential.is_some();
        if swaps {
            self.swap_sizes(layout, direction);
        }
        let size = layout.lanes[direction].sizes.draw();
        let place = self.place(layout, direction, random, repeats, size);
        if swaps {
            self.swap_sizes(layout, direction);
        }
        place
    }

    fn swap_sizes(&mut self, layout: &mut Layout, direction: usize) {
        if let Some(sizes) = &mut self.sequential {
            std::mem::swap(&mut sizes[direction], &mut layout.lanes[direction].sizes);
        }
    }

    fn place(
        &mut self,
        layout: &mut Layout,
        direction: usize,
        random: bool,
        repeats: bool,
        size: u32,
    ) -> Option<Place> {
        let bit = 1_u8 << if random { MAP } else { direction };
        let smallest = u64::from(layout.lanes[direction].sizes.smallest());
        loop {
            let Some(file) = self.files.choose(&layout.files, bit) else {
                if layout.one_pass {
                    return None;
                }
                layout.renew(bit);
                continue;
            };
            if let Some(zones) = &mut self.zones {
                zones.enter(layout, file, smallest);
            }
            let found = if repeats {
                Some(self.again(layout, file, direction, size))
            } else {
                layout.place_elsewhere(file, direction, random, size)
            };
            if let Some(place) = found {
                self.starts[file][direction] = place.offset - layout.files[file].base;
                if let Some(zones) = &mut self.zones {
                    zones.bytes += u64::from(place.length);
                }
                return Some(place);
            }
            if let Some(zones) = &mut self.zones {
                if layout.files[file].size < zones.law.range {
                    // The last zone is cut short.
                    zones.step(layout, file, smallest);
                } else {
                    layout.pass += 1;
                    layout.renew_file(file, 0b1111);
                }
            } else if matches!(self.files.law, FileLaw::Skewed(_)) {
                layout.pass += 1;
                layout.renew_file(file, bit);
                layout.rounds += 1;
                self.files.open.leave(file);
            } else {
                layout.files[file].spent |= bit;
                self.files.open.leave(file);
            }
        }
    }

    /// The place of the operation before, with a size of its own.
    fn again(&self, layout: &Layout, file: usize, direction: usize, size: u32) -> Place {
        let state = &layout.files[file];
        let at = self.starts[file][direction];
        let sizes = &layout.lanes[direction].sizes;
        Place {
            file,
            offset: state.base + at,
            length: sizes.fit(size, state.size - at),
        }
    }

    pub fn restart(&mut self, layout: &mut Layout) {
        self.files.restart(layout.files.len());
        self.starts.fill([0; 3]);
        if let Some(zones) = &mut self.zones {
            zones.restart(layout);
        }
    }
}
