//! The `bitmap` allocator: fixed memory, a bit per block with two levels of summaries above.
//!
//! A request goes to the first region (256 entries of level 1, 512 MiB at 4 KiB) with anything free,
//! from the hint or from where the last one ended, round to there. In a region, a piece of 512 blocks
//! or more first looks for a run of wholly free entries; else the first free run that holds the piece
//! is taken, from the last position in the region on and then from its start; else the region's
//! longest run, and so on until the region has nothing left for the unit.

use super::bitmap_levels::{Levels, REGION_BLOCKS, REGION_SETS, SET_BLOCKS};
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

    /// A run for the piece in `from..to` (blocks): one that holds it, else the longest there.
    fn find_run(&self, from: u64, to: u64, piece: u64, unit: u64) -> (u64, u64) {
        let mut best = (0, 0);
        let mut at = from;
        while let Some((start, end)) = self.levels.next_run(at, to) {
            let aligned = align_up(start, unit);
            let length = align_down(end.saturating_sub(aligned), unit);
            if length >= piece {
                return (aligned, piece);
            }
            if length > best.1 {
                best = (aligned, length);
            }
            at = end;
        }
        best
    }

    /// A run of wholly free entries for a large piece, a little more if the run goes on beside them.
    fn find_sets(&self, from: u64, to: u64, piece: u64, unit: u64) -> Option<(u64, u64)> {
        let mut best: Option<(u64, u64)> = None;
        let mut set = from / SET_BLOCKS;
        let until = to / SET_BLOCKS;
        while let Some((first, end)) = self.levels.free_sets(set, until) {
            let before = self.levels.run_before(first * SET_BLOCKS).max(from);
            let start = align_up(before, unit);
            let stop = self.levels.next_used(end * SET_BLOCKS, to);
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

    /// A run in the region; length 0: nothing for this unit.
    fn find_in_region(&self, region: u64, piece: u64, unit: u64) -> (u64, u64) {
        let from = region * REGION_BLOCKS;
        let to = (from + REGION_BLOCKS).min(self.levels.blocks());
        if piece >= SET_BLOCKS
            && let Some(found) = self.find_sets(from, to, piece, unit)
        {
            return found;
        }
        // From the entry of the last position on: what it freed since in that entry is seen.
        let middle = if self.position / REGION_BLOCKS == region {
            align_down(self.position, SET_BLOCKS)
        } else {
            from
        };
        let after = self.find_run(middle, to, piece, unit);
        if after.1 >= piece || middle == from {
            return after;
        }
        let before = self.find_run(from, to, piece, unit);
        if before.1 > after.1 { before } else { after }
    }

    /// As much as the region gives toward `want`; blocks.
    fn take_in_region(
        &mut self,
        region: u64,
        request: Request,
        first: usize,
        extents: &mut Vec<Extent>,
    ) -> u64 {
        let mut taken = 0;
        while taken < request.want {
            let piece = request.piece.min(request.want - taken);
            let (start, length) = self.find_in_region(region, piece, request.unit);
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
            push_piece(extents, first, extent, request.piece << self.shift);
        }
        taken
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
        let count = self.levels.region_count();
        let begin = (self.position / REGION_BLOCKS).min(count - 1);
        let mut request = Request {
            want: want >> self.shift,
            unit: unit >> self.shift,
            piece: Geometry::piece(want, unit, max_extent) >> self.shift,
        };
        let mut taken = 0;
        for (from, until) in [(begin, count), (0, begin)] {
            let mut region = from;
            while request.want > 0
                && let Some(found) = self.levels.next_region(region, until)
            {
                let got = self.take_in_region(found, request, first, extents);
                taken += got;
                request.want -= got;
                region = found + 1;
            }
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

/// In blocks.
#[derive(Clone, Copy)]
struct Request {
    want: u64,
    unit: u64,
    piece: u64,
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
        while let Some((start, end)) = self.levels.next_run(at, blocks) {
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

const _: () = assert!(REGION_BLOCKS == SET_BLOCKS * REGION_SETS);
