//! The allocators that keep free ranges in two orders, by offset and by length: `avl` and `btree`.
//!
//! First fit from a cursor while there is space, one cursor per alignment (the lowest set bit of the
//! size), so that requests of one kind follow each other on the device; the search goes round once and
//! gives up after `ff_max_search_count` ranges or `ff_max_search_bytes`. Best fit when the largest range
//! is below `bf_threshold`, less than `bf_free_pct` percent are free, or first fit gave up: the shortest
//! range that holds the size, which is halved until one does.

use super::avl_index::AvlIndex;
use super::btree_index::BtreeIndex;
use super::first_fit::{FirstFit, Found};
use super::{
    AllocError, Allocator, AllocatorOptions, Extent, Geometry, align_down, align_up, push_piece,
};

/// A free range; `end` is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub start: u64,
    pub end: u64,
}

impl Range {
    pub const fn length(&self) -> u64 {
        self.end - self.start
    }
}

/// Disjoint ranges by offset and by length. A place names a range until the index changes.
pub trait RangeIndex: Default + Send {
    type Place: Copy;

    /// Bytes that a range takes, for a limit of memory.
    const NODE_BYTES: usize;

    fn len(&self) -> usize;
    fn range(&self, place: Self::Place) -> Range;
    fn first(&self) -> Option<Self::Place>;
    /// The range after this one by offset.
    fn next(&self, place: Self::Place) -> Option<Self::Place>;
    /// The first range whose end is above `at`.
    fn ending_after(&self, at: u64) -> Option<Self::Place>;
    /// One of the shortest ranges.
    fn smallest(&self) -> Option<Self::Place>;
    /// Length of the longest range; 0: there is none.
    fn largest(&self) -> u64;
    /// Offers ranges of at least `from` bytes, shortest first, until one is accepted.
    fn of_length(&self, from: u64, accept: &mut dyn FnMut(Range) -> bool) -> Option<Self::Place>;
    /// Adds a range before `next`, the first one behind it.
    fn insert(&mut self, range: Range, next: Option<Self::Place>);
    fn remove(&mut self, place: Self::Place);
    /// Changes a range's ends without changing the order by offset; places stay if the start does.
    fn resize(&mut self, place: Self::Place, range: Range);
    fn memory_bytes(&self) -> u64;
    /// Whether both orders hold the same; says what is wrong.
    fn check(&self) -> Result<(), String>;
}

/// The allocator over an index. A limit of ranges makes it the upper half of `hybrid`: what does not
/// fit is handed out in `spilled`.
pub struct RangeAllocator<I: RangeIndex> {
    geometry: Geometry,
    options: AllocatorOptions,
    index: I,
    free: u64,
    /// By the lowest set bit of the size: where first fit goes on.
    cursors: [u64; 64],
    max_ranges: usize,
    spilled: Vec<Range>,
}

/// AVL trees.
pub type AvlAllocator = RangeAllocator<AvlIndex>;
/// B+ trees.
pub type BtreeAllocator = RangeAllocator<BtreeIndex>;

impl<I: RangeIndex> RangeAllocator<I> {
    /// All in use at first; at most `max_ranges` ranges are kept.
    #[must_use]
    pub fn new(geometry: Geometry, options: &AllocatorOptions, max_ranges: usize) -> Self {
        Self {
            geometry,
            options: *options,
            index: I::default(),
            free: 0,
            cursors: [0; 64],
            max_ranges,
            spilled: Vec::new(),
        }
    }

    /// Bytes that a range takes.
    pub(super) const NODE_BYTES: usize = I::NODE_BYTES;

    /// Takes one range that did not fit, if there is one.
    pub(super) fn pop_spilled(&mut self) -> Option<Range> {
        self.spilled.pop()
    }

    /// Length of the shortest range; 0: there is none.
    pub(super) fn smallest(&self) -> u64 {
        self.index.smallest().map_or(0, |place| {
            let range = self.index.range(place);
            range.end - range.start
        })
    }

    pub(super) fn ranges(&self) -> usize {
        self.index.len()
    }

    pub(super) fn largest(&self) -> u64 {
        self.index.largest()
    }

    /// Adds a range that touches none, before `next`; its bytes are counted as free already.
    fn insert(&mut self, range: Range, next: Option<I::Place>) {
        if self.index.len() < self.max_ranges {
            self.index.insert(range, next);
            return;
        }
        let lowest = self.index.smallest();
        let least = lowest.map(|place| (place, self.index.range(place)));
        let spilled = match least.filter(|(_, least)| range.length() > least.length()) {
            Some((place, least)) => {
                self.index.remove(place);
                // The place of `next` may be gone with it.
                let next = self.index.ending_after(range.start);
                self.index.insert(range, next);
                least
            }
            None => range,
        };
        self.free -= spilled.length();
        self.spilled.push(spilled);
    }

    /// Takes `taken` out of the range at `place`, which holds it.
    fn cut(&mut self, place: I::Place, taken: Range) {
        let whole = self.index.range(place);
        self.free -= taken.end - taken.start;
        let before = whole.start < taken.start;
        let after = taken.end < whole.end;
        let (head, tail) = (
            Range {
                start: whole.start,
                end: taken.start,
            },
            Range {
                start: taken.end,
                end: whole.end,
            },
        );
        match (before, after) {
            (false, false) => self.index.remove(place),
            (true, false) => self.index.resize(place, head),
            (false, true) => self.index.resize(place, tail),
            (true, true) => {
                self.index.resize(place, head);
                let next = self.index.next(place);
                self.insert(tail, next);
            }
        }
    }

    /// First fit from the cursor of the size's alignment, round to where it began.
    fn first_fit(&mut self, size: u64, unit: u64) -> Option<(I::Place, u64)> {
        let slot = size.trailing_zeros() as usize;
        let from = self.cursors[slot];
        let begin = self.index.ending_after(from);
        let mut search = FirstFit {
            size,
            unit,
            count: 0,
            max_count: self.options.bluestore_avl_alloc_ff_max_search_count,
            max_bytes: self.options.bluestore_avl_alloc_ff_max_search_bytes,
        };
        let mut found = search.along(&self.index, begin, u64::MAX);
        if matches!(found, Found::Nothing) && from > 0 {
            let until = begin.map_or(u64::MAX, |place| self.index.range(place).start);
            found = search.along(&self.index, self.index.first(), until);
        }
        match found {
            Found::At(place, start) => {
                self.cursors[slot] = start + size;
                Some((place, start))
            }
            Found::GaveUp(at) => {
                self.cursors[slot] = at;
                None
            }
            Found::Nothing => None,
        }
    }

    /// The shortest range that holds `size` at a multiple of `unit`.
    fn best_fit(&self, size: u64, unit: u64) -> Option<(I::Place, u64)> {
        let mut tries = 0;
        let mut start = 0;
        let mut fits = |range: Range| {
            start = align_up(range.start, unit);
            start + size <= range.end
        };
        let place = self.index.of_length(size, &mut |range| {
            tries += 1;
            tries > TRIES || fits(range)
        })?;
        if tries <= TRIES {
            return Some((place, start));
        }
        // Any range this much longer holds the size, wherever it begins.
        let sure = size + unit - self.geometry.block;
        if let Some(place) = self.index.of_length(sure, &mut fits) {
            return Some((place, start));
        }
        let place = self.index.of_length(size, &mut fits)?;
        Some((place, start))
    }

    /// One piece of at most `size`.
    fn take_piece(&mut self, mut size: u64, unit: u64) -> Option<Range> {
        let largest = self.index.largest();
        let mut best = largest < self.options.bluestore_avl_alloc_bf_threshold
            || u128::from(self.free) * 100
                < u128::from(self.options.bluestore_avl_alloc_bf_free_pct)
                    * u128::from(self.geometry.capacity);
        if largest < size {
            size = align_down(largest, unit);
            best = true;
        }
        let mut found = if best || size == 0 {
            None
        } else {
            self.first_fit(size, unit)
        };
        while found.is_none() && size >= unit {
            found = self.best_fit(size, unit);
            if found.is_none() {
                size = align_down(size >> 1, unit);
            }
        }
        let (place, start) = found?;
        let taken = Range {
            start,
            end: start + size,
        };
        self.cut(place, taken);
        Some(taken)
    }

    /// Appends up to `want` bytes; 0 if there is nothing.
    pub(super) fn take(
        &mut self,
        want: u64,
        unit: u64,
        max_extent: u64,
        extents: &mut Vec<Extent>,
    ) -> u64 {
        let first = extents.len();
        let piece = Geometry::piece(want, unit, max_extent);
        let mut taken = 0;
        while taken < want {
            let Some(Range { start, end }) = self.take_piece(piece.min(want - taken), unit) else {
                break;
            };
            let length = end - start;
            taken += length;
            let extent = Extent {
                offset: start,
                length,
            };
            push_piece(
                extents,
                first,
                extent,
                if max_extent == 0 { 0 } else { piece },
            );
        }
        taken
    }

    /// Whether a part of the extent is in a range.
    pub(super) fn overlaps(&self, extent: Extent) -> bool {
        self.index
            .ending_after(extent.offset)
            .is_some_and(|place| self.index.range(place).start < extent.end())
    }

    /// Adds a range, merged with those it touches; false if a part of it is there.
    pub(super) fn add(&mut self, extent: Extent) -> bool {
        let (start, end) = (extent.offset, extent.end());
        // One search finds both neighbours: the first range that ends at the start or later.
        let mut right = match start.checked_sub(1) {
            Some(before) => self.index.ending_after(before),
            None => self.index.first(),
        };
        let mut left = None;
        if let Some(place) = right {
            let range = self.index.range(place);
            if range.end == start {
                left = Some((place, range));
                right = self.index.next(place);
            }
        }
        let behind = right;
        let right = right.map(|place| (place, self.index.range(place)));
        if right.is_some_and(|(_, range)| range.start < end) {
            return false;
        }
        let right = right.filter(|(_, range)| range.start == end);
        match (left, right) {
            (None, None) => {
                self.free += extent.length;
                self.insert(Range { start, end }, behind);
                return true;
            }
            (Some((place, range)), None) => {
                self.index.resize(
                    place,
                    Range {
                        start: range.start,
                        end,
                    },
                );
            }
            (None, Some((place, range))) => {
                self.index.resize(
                    place,
                    Range {
                        start,
                        end: range.end,
                    },
                );
            }
            (Some((_, before)), Some((place, after))) => {
                self.index.remove(place);
                if let Some(place) = self.index.ending_after(before.start) {
                    self.index.resize(
                        place,
                        Range {
                            start: before.start,
                            end: after.end,
                        },
                    );
                }
            }
        }
        self.free += extent.length;
        true
    }
}

/// Ranges that best fit tries for one whose start suits a unit above the block, before it takes a range
/// that is long enough for any start.
const TRIES: u32 = 100;

impl<I: RangeIndex> Allocator for RangeAllocator<I> {
    fn allocate(
        &mut self,
        want: u64,
        unit: u64,
        max_extent: u64,
        _hint: u64,
        extents: &mut Vec<Extent>,
    ) -> Result<u64, AllocError> {
        self.geometry.check_request(want, unit)?;
        match self.take(want, unit, max_extent, extents) {
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
        if self.add(extent) {
            return Ok(());
        }
        let Extent { offset, length } = extent;
        Err(AllocError::AlreadyFree { offset, length })
    }

    fn init_remove_free(&mut self, extent: Extent) -> Result<(), AllocError> {
        self.geometry.check_extent(extent)?;
        let Extent { offset, length } = extent;
        match self.index.ending_after(offset) {
            Some(place) => {
                let range = self.index.range(place);
                if range.start > offset || range.end < extent.end() {
                    return Err(AllocError::NotFree { offset, length });
                }
                self.cut(
                    place,
                    Range {
                        start: offset,
                        end: extent.end(),
                    },
                );
                Ok(())
            }
            None => Err(AllocError::NotFree { offset, length }),
        }
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
        self.index.len() as u64
    }

    fn foreach_free(&self, visit: &mut dyn FnMut(Extent)) {
        let mut place = self.index.first();
        while let Some(at) = place {
            let Range { start, end } = self.index.range(at);
            visit(Extent {
                offset: start,
                length: end - start,
            });
            place = self.index.next(at);
        }
    }

    fn largest_free(&self) -> u64 {
        self.index.largest()
    }

    fn memory_bytes(&self) -> u64 {
        self.index.memory_bytes()
    }

    fn check_invariants(&self) -> Result<(), String> {
        self.index.check()?;
        let (mut free, mut before, mut wrong) = (0, None, None);
        self.foreach_free(&mut |extent| {
            free += extent.length;
            if before.is_some_and(|end| end >= extent.offset) {
                wrong = Some(format!("range at {} touches the one before", extent.offset));
            }
            if self.geometry.check_extent(extent).is_err() {
                wrong = Some(format!("range at {} is not whole blocks", extent.offset));
            }
            before = Some(extent.end());
        });
        match wrong {
            Some(wrong) => Err(wrong),
            None if free != self.free => Err(format!("{free} bytes free, {} counted", self.free)),
            None => Ok(()),
        }
    }
}
