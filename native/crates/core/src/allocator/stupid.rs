//! The `stupid` allocator: free extents in ten sets by the logarithm of their length in blocks, each
//! ordered by offset. A request begins in the set of its own length and goes up, from the hint or from
//! where the last one ended, then from the start, and takes the first extent that holds it; if none
//! does, it goes down and takes the first that holds at least a unit.

use std::collections::BTreeMap;

use super::{AllocError, Allocator, Extent, Geometry, align_down, align_up, push_piece};

const BINS: usize = 10;

/// See the module.
pub struct StupidAllocator {
    geometry: Geometry,
    /// Offset to length.
    bins: [BTreeMap<u64, u64>; BINS],
    free: u64,
    last: u64,
}

impl StupidAllocator {
    /// All in use at first.
    #[must_use]
    pub fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            bins: Default::default(),
            free: 0,
            last: 0,
        }
    }

    fn bin_of(&self, length: u64) -> usize {
        let blocks = length / self.geometry.block;
        ((u64::BITS - blocks.leading_zeros()) as usize).min(BINS - 1)
    }

    fn insert(&mut self, extent: Extent) {
        if extent.length > 0 {
            self.bins[self.bin_of(extent.length)].insert(extent.offset, extent.length);
        }
    }

    fn remove(&mut self, extent: Extent) {
        self.bins[self.bin_of(extent.length)].remove(&extent.offset);
    }

    /// What an extent holds when it must begin at a multiple of `unit`.
    fn usable(extent: Extent, unit: u64) -> u64 {
        let start = align_up(extent.offset, unit);
        align_down(extent.end().saturating_sub(start), unit)
    }

    /// First extent of the bins, in this order, with `least` usable bytes: from `hint`, then before.
    fn search(
        &self,
        mut bins: impl Iterator<Item = usize> + Clone,
        hint: u64,
        least: u64,
        unit: u64,
    ) -> Option<Extent> {
        let enough = |(&offset, &length): (&u64, &u64)| {
            let extent = Extent { offset, length };
            (Self::usable(extent, unit) >= least).then_some(extent)
        };
        bins.clone()
            .find_map(|bin| self.bins[bin].range(hint..).find_map(enough))
            .or_else(|| bins.find_map(|bin| self.bins[bin].range(..hint).find_map(enough)))
    }

    fn take_piece(&mut self, want: u64, unit: u64, hint: u64) -> Option<Extent> {
        let origin = self.bin_of(want);
        let found = self
            .search(origin..BINS, hint, want, unit)
            .or_else(|| self.search((0..=origin).rev(), hint, unit, unit))?;
        let start = align_up(found.offset, unit);
        let length = want.min(Self::usable(found, unit));
        self.cut(
            found,
            Extent {
                offset: start,
                length,
            },
        );
        self.last = start + length;
        Some(Extent {
            offset: start,
            length,
        })
    }

    /// Takes `taken` out of the free extent `whole`, which holds it.
    fn cut(&mut self, whole: Extent, taken: Extent) {
        self.remove(whole);
        self.insert(Extent {
            offset: whole.offset,
            length: taken.offset - whole.offset,
        });
        self.insert(Extent {
            offset: taken.end(),
            length: whole.end() - taken.end(),
        });
        self.free -= taken.length;
    }

    /// The last free extent that begins at `at` or before, and the first one after it.
    fn around(&self, at: u64) -> (Option<Extent>, Option<Extent>) {
        let extent = |(&offset, &length): (&u64, &u64)| Extent { offset, length };
        let before = self
            .bins
            .iter()
            .filter_map(|bin| bin.range(..=at).next_back())
            .map(extent)
            .max();
        let after = self
            .bins
            .iter()
            .filter_map(|bin| bin.range(at + 1..).next())
            .map(extent)
            .min();
        (before, after)
    }
}

impl Allocator for StupidAllocator {
    fn allocate(
        &mut self,
        want: u64,
        unit: u64,
        max_extent: u64,
        hint: u64,
        extents: &mut Vec<Extent>,
    ) -> Result<u64, AllocError> {
        self.geometry.check_request(want, unit)?;
        let first = extents.len();
        let piece = Geometry::piece(want, unit, max_extent);
        let mut hint = if hint > 0 { hint } else { self.last };
        let mut taken = 0;
        while taken < want {
            let Some(extent) = self.take_piece(piece.min(want - taken), unit, hint) else {
                break;
            };
            taken += extent.length;
            hint = extent.end();
            push_piece(extents, first, extent, piece);
        }
        if taken == 0 {
            return Err(AllocError::NoSpace {
                want,
                unit,
                free: self.free,
            });
        }
        Ok(taken)
    }

    fn release(&mut self, extent: Extent) -> Result<(), AllocError> {
        self.geometry.check_extent(extent)?;
        let Extent { offset, length } = extent;
        let (before, after) = self.around(offset);
        if before.is_some_and(|before| before.end() > offset)
            || after.is_some_and(|after| after.offset < extent.end())
        {
            return Err(AllocError::AlreadyFree { offset, length });
        }
        let mut merged = extent;
        if let Some(before) = before.filter(|before| before.end() == offset) {
            self.remove(before);
            merged.offset = before.offset;
            merged.length += before.length;
        }
        if let Some(after) = after.filter(|after| after.offset == extent.end()) {
            self.remove(after);
            merged.length += after.length;
        }
        self.insert(merged);
        self.free += length;
        Ok(())
    }

    fn init_remove_free(&mut self, extent: Extent) -> Result<(), AllocError> {
        self.geometry.check_extent(extent)?;
        match self.around(extent.offset).0 {
            Some(whole) if whole.end() >= extent.end() => {
                self.cut(whole, extent);
                Ok(())
            }
            _ => Err(AllocError::NotFree {
                offset: extent.offset,
                length: extent.length,
            }),
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
        self.bins.iter().map(|bin| bin.len() as u64).sum()
    }

    fn foreach_free(&self, visit: &mut dyn FnMut(Extent)) {
        let mut all: Vec<Extent> = self
            .bins
            .iter()
            .flatten()
            .map(|(&offset, &length)| Extent { offset, length })
            .collect();
        all.sort_unstable();
        all.into_iter().for_each(visit);
    }

    fn memory_bytes(&self) -> u64 {
        // Nodes of the standard B-tree: 11 entries of 16 bytes and links, two thirds full by and large.
        self.range_count() * 24
    }

    fn check_invariants(&self) -> Result<(), String> {
        for (index, bin) in self.bins.iter().enumerate() {
            if bin.values().any(|&length| self.bin_of(length) != index) {
                return Err(format!("an extent is in bin {index} and belongs elsewhere"));
            }
        }
        let (mut free, mut end, mut touching) = (0, None, false);
        self.foreach_free(&mut |extent| {
            free += extent.length;
            touching |= end.is_some_and(|end| end >= extent.offset);
            end = Some(extent.end());
        });
        if touching {
            return Err("two extents touch or overlap".to_owned());
        }
        if free != self.free {
            return Err(format!("{free} bytes free, {} counted", self.free));
        }
        Ok(())
    }
}
