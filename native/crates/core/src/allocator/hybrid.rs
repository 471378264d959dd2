//! The `hybrid` allocator, the default: AVL trees up to `bluestore_hybrid_alloc_mem_cap` bytes of range
//! nodes, and a bitmap, made when it is first needed, for what does not fit: the shorter of a new range
//! and the shortest in the trees. A request shorter than every range in the trees goes to the bitmap
//! first, so that long ranges stay whole; any other to the trees first. A released extent claims its
//! neighbours back from the bitmap, so that no range of one half touches one of the other.

use super::range::AvlAllocator;
use super::{AllocError, Allocator, AllocatorOptions, BitmapAllocator, Extent, Geometry};

/// See the module.
pub struct HybridAllocator {
    geometry: Geometry,
    trees: AvlAllocator,
    bitmap: Option<BitmapAllocator>,
}

impl HybridAllocator {
    /// All in use at first.
    #[must_use]
    pub fn new(geometry: Geometry, options: &AllocatorOptions) -> Self {
        let limit = match options.bluestore_hybrid_alloc_mem_cap {
            0 => usize::MAX,
            bytes => (bytes as usize / AvlAllocator::NODE_BYTES).max(1),
        };
        Self {
            geometry,
            trees: AvlAllocator::new(geometry, options, limit),
            bitmap: None,
        }
    }

    /// Bytes in the bitmap half.
    #[must_use]
    pub fn spilled_bytes(&self) -> u64 {
        self.bitmap.as_ref().map_or(0, Allocator::free_bytes)
    }

    /// Puts what the trees had no room for into the bitmap.
    fn spill(&mut self) -> Result<(), AllocError> {
        while let Some(range) = self.trees.pop_spilled() {
            let geometry = self.geometry;
            let bitmap = self
                .bitmap
                .get_or_insert_with(|| BitmapAllocator::new(geometry));
            bitmap.release(Extent {
                offset: range.start,
                length: range.end - range.start,
            })?;
        }
        Ok(())
    }

    fn is_partly_free(&self, extent: Extent) -> bool {
        let in_bitmap = |bitmap: &BitmapAllocator| !bitmap.all(extent, false);
        self.trees.overlaps(extent) || self.bitmap.as_ref().is_some_and(in_bitmap)
    }

    fn add(&mut self, mut extent: Extent) -> Result<(), AllocError> {
        if let Some(bitmap) = self
            .bitmap
            .as_mut()
            .filter(|bitmap| bitmap.free_bytes() > 0)
        {
            let left = bitmap.claim_left(extent.offset);
            let right = if extent.end() < self.geometry.capacity {
                bitmap.claim_right(extent.end())
            } else {
                0
            };
            extent.offset -= left;
            extent.length += left + right;
        }
        self.trees.add(extent);
        self.spill()
    }
}

impl Allocator for HybridAllocator {
    fn allocate(
        &mut self,
        want: u64,
        unit: u64,
        max_extent: u64,
        hint: u64,
        extents: &mut Vec<Extent>,
    ) -> Result<u64, AllocError> {
        self.geometry.check_request(want, unit)?;
        let shorter = self.trees.ranges() == 0 || want < self.trees.smallest();
        let mut taken = 0;
        for bitmap_first in [true, false] {
            let rest = want - taken;
            if rest > 0
                && bitmap_first == shorter
                && let Some(bitmap) = self.bitmap.as_mut()
            {
                taken += bitmap.take(rest, unit, max_extent, hint, extents);
            }
            let rest = want - taken;
            if rest > 0 && bitmap_first {
                taken += self.trees.take(rest, unit, max_extent, extents);
                self.spill()?;
            }
        }
        if taken == 0 {
            let free = self.free_bytes();
            return Err(AllocError::NoSpace { want, unit, free });
        }
        Ok(taken)
    }

    fn release(&mut self, extent: Extent) -> Result<(), AllocError> {
        self.geometry.check_extent(extent)?;
        let Extent { offset, length } = extent;
        if self.is_partly_free(extent) {
            return Err(AllocError::AlreadyFree { offset, length });
        }
        self.add(extent)
    }

    fn init_remove_free(&mut self, extent: Extent) -> Result<(), AllocError> {
        self.geometry.check_extent(extent)?;
        // Ranges of the two halves never touch, so an extent is free in one of them or not at all.
        if let Some(bitmap) = self.bitmap.as_mut()
            && bitmap.all(extent, true)
        {
            return bitmap.init_remove_free(extent);
        }
        self.trees.init_remove_free(extent)?;
        self.spill()
    }

    fn free_bytes(&self) -> u64 {
        self.trees.free_bytes() + self.spilled_bytes()
    }

    fn capacity(&self) -> u64 {
        self.geometry.capacity
    }

    fn block(&self) -> u64 {
        self.geometry.block
    }

    fn range_count(&self) -> u64 {
        let bitmap = self.bitmap.as_ref().map_or(0, Allocator::range_count);
        self.trees.range_count() + bitmap
    }

    fn foreach_free(&self, visit: &mut dyn FnMut(Extent)) {
        let Some(bitmap) = &self.bitmap else {
            self.trees.foreach_free(visit);
            return;
        };
        let mut all = Vec::with_capacity(self.range_count() as usize);
        self.trees.foreach_free(&mut |extent| all.push(extent));
        bitmap.foreach_free(&mut |extent| all.push(extent));
        all.sort_unstable();
        all.into_iter().for_each(visit);
    }

    fn largest_free(&self) -> u64 {
        let bitmap = self.bitmap.as_ref().map_or(0, Allocator::largest_free);
        self.trees.largest().max(bitmap)
    }

    fn memory_bytes(&self) -> u64 {
        self.trees.memory_bytes() + self.bitmap.as_ref().map_or(0, Allocator::memory_bytes)
    }

    fn check_invariants(&self) -> Result<(), String> {
        self.trees.check_invariants()?;
        if let Some(bitmap) = &self.bitmap {
            bitmap.check_invariants()?;
        }
        let (mut end, mut touching) = (None, false);
        self.foreach_free(&mut |extent| {
            touching |= end.is_some_and(|end| end >= extent.offset);
            end = Some(extent.end());
        });
        if touching {
            return Err("ranges of the trees and of the bitmap touch".to_owned());
        }
        Ok(())
    }
}
