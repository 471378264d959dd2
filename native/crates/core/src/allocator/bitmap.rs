//! The `bitmap` allocator: fixed memory, a bit per block with two levels of summaries above.
//!
//! A request goes on from the hint or from where the last one ended, round the device. A piece of 512
//! blocks or more first looks for wholly free entries of level 1, in the next 16 regions (256 entries,
//! 512 MiB at 4 KiB) in which anything is free. Otherwise the first free run that holds the piece is
//! taken; when the next 64 entries that are not full have none, the longest run seen there.

use super::bitmap_levels::{Levels, REGION_BLOCKS, SET_BLOCKS};
use super::{AllocError, Allocator, Extent, Geometry, align_down, align_up, push_piece};

/// See the module.
pub struct BitmapAllocator {
    geometry: Geometry,
    shift: u32,
    levels: Levels,
    free: u64,
    ranges: u64,
    /// Block where the last allocation ended.
    position: u64,
}

impl BitmapAllocator {
    /// All in use at first.
    #[must_use]
    pub fn new(geometry: Geometry) -> Self {
        let shift = geometry.block.trailing_zeros();
        Self {
            geometry,
            shift,
            levels: Levels::new(geometry.capacity >> shift),
            free: 0,
            ranges: 0,
            position: 0,
        }
    }

    /// Flips a run that is wholly of the other state, and counts.
    fn flip(&mut self, from: u64, to: u64, free: bool) {
        let left = from > 0 && self.levels.is_free(from - 1);
        let right = to < self.levels.blocks() && self.levels.is_free(to);
        let touching = u64::from(left) + u64::from(right);
        self.levels.set(from, to, free);
        let bytes = (to - from) << self.shift;
        if free {
            self.ranges = self.ranges + 1 - touching;
            self.free += bytes;
        } else {
            self.ranges = self.ranges + touching - 1;
            self.free -= bytes;
        }
    }

    /// A run in `from..to` (blocks): the first that holds the piece; the longest seen, when the entries
    /// looked at are as many as allowed; length 0: none in all of it.
    fn find_run(&self, from: u64, to: u64, request: Request, look: &mut Look) -> (u64, u64) {
        let Request { piece, unit, .. } = request;
        let mut at = from;
        // On an empty device the run is the device: only what can hold the piece is looked at.
        while let Some((start, end)) = self.levels.next_run(at, to, piece + unit) {
            let aligned = align_up(start, unit);
            let length = align_down(end.saturating_sub(aligned), unit);
            if length >= piece {
                return (aligned, piece);
            }
            if length > look.best.1 {
                look.best = (aligned, length);
            }
            let set = end / SET_BLOCKS;
            if set != look.set {
                look.set = set;
                look.seen += 1;
                if look.seen > LOOK_SETS && look.best.1 > 0 {
                    return look.best;
                }
            }
            at = end;
        }
        (0, 0)
    }

    /// A run of wholly free entries for a large piece, a little more if the run goes on beside them.
    fn find_sets(&self, from: u64, to: u64, piece: u64, unit: u64) -> Option<(u64, u64)> {
        let mut best: Option<(u64, u64)> = None;
        let mut set = from / SET_BLOCKS;
        let until = to / SET_BLOCKS;
        while let Some((first, end)) = self.levels.free_sets(set, until) {
            // Beside the first entry of a region the run may go far back, which is not asked for.
            let before = if first * SET_BLOCKS == from {
                from
            } else {
                self.levels.run_before(first * SET_BLOCKS).max(from)
            };
            let start = align_up(before, unit);
            let limit = (start + piece).min(to);
            let stop = self.levels.next_used(limit.min(end * SET_BLOCKS), limit);
            let length = align_down(stop.saturating_sub(start), unit);
            if length >= piece {
                return Some((start, piece));
            }
            if best.is_none_or(|(_, longest)| length > longest) && length > 0 {
                best = Some((start, length));
            }
            set = end;
        }
        best
    }

    /// As much of a large piece as wholly free entries near the position give; length 0: nothing.
    fn find_large(&self, request: Request) -> (u64, u64) {
        let count = self.levels.region_count();
        let begin = (self.position / REGION_BLOCKS).min(count - 1);
        let mut looked = 0;
        for (from, until) in [(begin, count), (0, begin)] {
            let mut region = from;
            while let Some(found) = self.levels.next_region(region, until) {
                let from = found * REGION_BLOCKS;
                let to = (from + REGION_BLOCKS).min(self.levels.blocks());
                if let Some(run) = self.find_sets(from, to, request.piece, request.unit) {
                    return run;
                }
                looked += 1;
                if looked == LOOK_REGIONS {
                    return (0, 0);
                }
                region = found + 1;
            }
        }
        (0, 0)
    }

    /// A run for the piece, round the device; length 0: none for this unit.
    fn find_small(&self, request: Request) -> (u64, u64) {
        // From the entry of the position on: what became free in that entry since is seen. No piece of
        // the unit lies across the place where the round begins.
        let round = request.unit.max(SET_BLOCKS);
        let middle = align_down(self.position, round).min(self.levels.blocks());
        let mut look = Look::default();
        for (from, to) in [(middle, self.levels.blocks()), (0, middle)] {
            let found = self.find_run(from, to, request, &mut look);
            if found.1 > 0 {
                return found;
            }
        }
        look.best
    }

    /// Appends up to `want` bytes; 0 if there is nothing.
    pub(super) fn take(
        &mut self,
        want: u64,
        unit: u64,
        max_extent: u64,
        hint: u64,
        extents: &mut Vec<Extent>,
    ) -> u64 {
        let first = extents.len();
        if hint > 0 && hint < self.geometry.capacity {
            self.position = hint >> self.shift;
        }
        let want = want >> self.shift;
        let longest = Geometry::piece(want << self.shift, unit, max_extent) >> self.shift;
        let mut request = Request {
            piece: longest,
            unit: unit >> self.shift,
        };
        let mut large = longest >= SET_BLOCKS;
        let mut taken = 0;
        while taken < want {
            request.piece = longest.min(want - taken);
            let mut found = (0, 0);
            if large && request.piece >= SET_BLOCKS {
                found = self.find_large(request);
                large = found.1 > 0;
            }
            if found.1 == 0 {
                found = self.find_small(request);
            }
            let (start, length) = found;
            if length == 0 {
                break;
            }
            self.flip(start, start + length, false);
            self.position = start + length;
            taken += length;
            let extent = Extent {
                offset: start << self.shift,
                length: length << self.shift,
            };
            push_piece(extents, first, extent, longest << self.shift);
        }
        taken << self.shift
    }

    /// Takes the free run that ends where `at` begins; returns its bytes.
    pub(super) fn claim_left(&mut self, at: u64) -> u64 {
        let end = at >> self.shift;
        let start = self.levels.run_before(end);
        if start < end {
            self.flip(start, end, false);
        }
        (end - start) << self.shift
    }

    /// Takes the free run that begins at `at`; returns its bytes.
    pub(super) fn claim_right(&mut self, at: u64) -> u64 {
        let start = at >> self.shift;
        let end = self.levels.next_used(start, self.levels.blocks());
        if start < end {
            self.flip(start, end, false);
        }
        (end - start) << self.shift
    }

    /// Whether all of the extent has the state.
    pub(super) fn all(&self, extent: Extent, free: bool) -> bool {
        self.levels.all(
            extent.offset >> self.shift,
            extent.end() >> self.shift,
            free,
        )
    }
}

/// Entries of level 1, not full, that a search looks at before it takes less than the piece.
const LOOK_SETS: u64 = 64;
/// Regions with anything free in which a large piece looks for wholly free entries.
const LOOK_REGIONS: u64 = 16;

/// In blocks.
#[derive(Clone, Copy)]
struct Request {
    unit: u64,
    piece: u64,
}

/// How far a search has come.
#[derive(Default)]
struct Look {
    /// The longest run, start and length.
    best: (u64, u64),
    set: u64,
    seen: u64,
}

impl Allocator for BitmapAllocator {
    fn allocate(
        &mut self,
        want: u64,
        unit: u64,
        max_extent: u64,
        hint: u64,
        extents: &mut Vec<Extent>,
    ) -> Result<u64, AllocError> {
        self.geometry.check_request(want, unit)?;
        match self.take(want, unit, max_extent, hint, extents) {
            0 => Err(AllocError::NoSpace {
                want,
                unit,
                free: self.free,
            }),
            taken => Ok(taken),
        }
    }

    fn release(&mut self, extent: Extent) -> Result<(), AllocError> {
        self.geometry.check_extent(extent)?;
        let Extent { offset, length } = extent;
        if !self.all(extent, false) {
            return Err(AllocError::AlreadyFree { offset, length });
        }
        self.flip(offset >> self.shift, extent.end() >> self.shift, true);
        Ok(())
    }

    fn init_remove_free(&mut self, extent: Extent) -> Result<(), AllocError> {
        self.geometry.check_extent(extent)?;
        let Extent { offset, length } = extent;
        if !self.all(extent, true) {
            return Err(AllocError::NotFree { offset, length });
        }
        self.flip(offset >> self.shift, extent.end() >> self.shift, false);
        Ok(())
    }

    fn free_bytes(&self) -> u64 {
        self.free
    }

    fn capacity(&self) -> u64 {
        self.geometry.capacity
    }

    fn block(&self) -> u64 {
        self.geometry.block
    }

    fn range_count(&self) -> u64 {
        self.ranges
    }

    fn foreach_free(&self, visit: &mut dyn FnMut(Extent)) {
        let mut at = 0;
        let blocks = self.levels.blocks();
        while let Some((start, end)) = self.levels.next_run(at, blocks, blocks) {
            visit(Extent {
                offset: start << self.shift,
                length: (end - start) << self.shift,
            });
            at = end;
        }
    }

    fn memory_bytes(&self) -> u64 {
        self.levels.memory_bytes()
    }

    fn check_invariants(&self) -> Result<(), String> {
        self.levels.check()?;
        let (mut free, mut ranges) = (0, 0);
        self.foreach_free(&mut |extent| {
            free += extent.length;
            ranges += 1;
        });
        if (free, ranges) != (self.free, self.ranges) {
            return Err(format!(
                "{free} bytes free in {ranges} ranges, {} in {} counted",
                self.free, self.ranges
            ));
        }
        Ok(())
    }
}
