//! Allocators of disk space: which extents serve a request, and what becomes of released ones.
//!
//! The five that `bluestore_allocator` names, behind one trait; the rules are those of Ceph 17.2, as
//! described in each module. Offsets and lengths are in bytes and multiples of the block.

mod avl_index;
mod avl_tree;
mod bitmap;
mod bitmap_levels;
mod bplus_tree;
mod btree_index;
mod first_fit;
mod hybrid;
mod range;
pub mod replay;
pub mod score;
pub mod shared;
mod stupid;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use bitmap::BitmapAllocator;
pub use hybrid::HybridAllocator;
pub use range::{AvlAllocator, BtreeAllocator};
pub use stupid::StupidAllocator;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A run of bytes on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Extent {
    /// The byte after the last.
    #[inline]
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// Why an allocator refuses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AllocError {
    /// Nothing (or, for [`allocate_all`], not enough) is free in pieces of the unit asked for.
    #[error("no space: {want} bytes in pieces of {unit} wanted, {free} bytes free")]
    NoSpace {
        /// Bytes wanted.
        want: u64,
        /// Smallest piece.
        unit: u64,
        /// Bytes free in all.
        free: u64,
    },
    /// The arguments of an allocation are none.
    #[error(
        "an allocation of {want} bytes in pieces of {unit}: the unit must be a power of two and a \
         multiple of the block of {block}, the length a multiple of the unit, not 0"
    )]
    BadRequest {
        /// Bytes wanted.
        want: u64,
        /// Smallest piece.
        unit: u64,
        /// The allocator's block.
        block: u64,
    },
    /// Not whole blocks inside the device.
    #[error("extent {offset}+{length} is not whole blocks inside the {capacity} bytes")]
    BadExtent {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// Of the device.
        capacity: u64,
    },
    /// Space is given back that is free already, wholly or in part.
    #[error("extent {offset}+{length} is free already, or a part of it")]
    AlreadyFree {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
    },
    /// Space is taken out that is not free, wholly or in part.
    #[error("extent {offset}+{length} is not free, or a part of it")]
    NotFree {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
    },
    /// The allocator cannot be made.
    #[error("{0}")]
    BadSpec(String),
}

/// A user of an allocator MUST NOT release what it was not given. `Send`, so that `BlueFS` may take
/// from another thread what the store takes from, see [`shared`].
pub trait Allocator: Send {
    /// Takes up to `want` bytes (a multiple of `unit`) in pieces that are multiples of `unit`, start
    /// at multiples of it and are at most `max_extent` long (0: no limit), and appends them. `hint`
    /// is where to look first (0: no wish); some allocators ignore it. Returns the bytes taken: less
    /// than `want` only if no more is free in such pieces; none at all is `NoSpace`.
    fn allocate(
        &mut self,
        want: u64,
        unit: u64,
        max_extent: u64,
        hint: u64,
        extents: &mut Vec<Extent>,
    ) -> Result<u64, AllocError>;

    /// Gives back what an allocation gave, wholly or in part; an extent that is free already is
    /// refused and changes nothing.
    fn release(&mut self, extent: Extent) -> Result<(), AllocError>;

    /// Declares space free while the allocator is filled; as `release`.
    fn init_add_free(&mut self, extent: Extent) -> Result<(), AllocError> {
        self.release(extent)
    }

    /// Takes exactly this extent, which MUST be free wholly, while the allocator is filled.
    fn init_remove_free(&mut self, extent: Extent) -> Result<(), AllocError>;

    /// Bytes that are free.
    fn free_bytes(&self) -> u64;

    /// Bytes of the device.
    fn capacity(&self) -> u64;

    /// Bytes that everything is a multiple of.
    fn block(&self) -> u64;

    /// Free extents, neighbours merged.
    fn range_count(&self) -> u64;

    /// Calls back for each free extent, neighbours merged, by offset; linear.
    fn foreach_free(&self, visit: &mut dyn FnMut(Extent));

    /// Length of the longest free extent; may be linear.
    fn largest_free(&self) -> u64 {
        let mut largest = 0;
        self.foreach_free(&mut |extent| largest = largest.max(extent.length));
        largest
    }

    /// Bytes of memory for the map of free space.
    fn memory_bytes(&self) -> u64;

    /// Whether the allocator's structures agree with each other; says what does not. Linear.
    fn check_invariants(&self) -> Result<(), String>;

    /// Simple fragmentation: `(extents - 1) / (free blocks - 1)`; 0 for one extent, 1 for single
    /// blocks.
    fn fragmentation(&self) -> f64 {
        let blocks = self.free_bytes() / self.block();
        if blocks < 2 {
            return 0.0;
        }
        self.range_count().saturating_sub(1) as f64 / (blocks - 1) as f64
    }

    /// The fragmentation score of [`score`]: 0 best, 1 worst. Linear.
    fn fragmentation_score(&self) -> f64 {
        let mut sum = score::FragmentationScore::default();
        self.foreach_free(&mut |extent| sum.add(extent.length));
        sum.score()
    }
}

/// Takes `want` bytes or nothing: what was found of less is given back.
pub fn allocate_all(
    allocator: &mut dyn Allocator,
    want: u64,
    unit: u64,
    max_extent: u64,
    hint: u64,
    extents: &mut Vec<Extent>,
) -> Result<(), AllocError> {
    let before = extents.len();
    let taken = allocator.allocate(want, unit, max_extent, hint, extents)?;
    if taken == want {
        return Ok(());
    }
    for extent in extents.drain(before..) {
        allocator.release(extent)?;
    }
    Err(AllocError::NoSpace {
        want,
        unit,
        free: allocator.free_bytes(),
    })
}

/// The parameters of the allocators, by Ceph's option names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AllocatorOptions {
    /// Best fit instead of first fit when the largest free extent is below this many bytes.
    pub bluestore_avl_alloc_bf_threshold: u64,
    /// Best fit instead of first fit when less than this share is free, percent.
    pub bluestore_avl_alloc_bf_free_pct: u64,
    /// First fit gives up after this many extents; 0: never.
    pub bluestore_avl_alloc_ff_max_search_count: u64,
    /// First fit gives up this many bytes from where it began; 0: never.
    pub bluestore_avl_alloc_ff_max_search_bytes: u64,
    /// Bytes of range nodes that `hybrid` keeps before it spills to a bitmap; 0: no limit.
    pub bluestore_hybrid_alloc_mem_cap: u64,
}

impl Default for AllocatorOptions {
    fn default() -> Self {
        Self {
            bluestore_avl_alloc_bf_threshold: 128 << 10,
            bluestore_avl_alloc_bf_free_pct: 4,
            bluestore_avl_alloc_ff_max_search_count: 100,
            bluestore_avl_alloc_ff_max_search_bytes: 16 << 20,
            bluestore_hybrid_alloc_mem_cap: 64 << 20,
        }
    }
}

/// What the allocators share: the device's size and block, and the checks of arguments.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Bytes of the device, a multiple of the block.
    pub capacity: u64,
    /// Bytes, a power of two.
    pub block: u64,
}

impl Geometry {
    /// Refuses what is no device.
    pub fn new(capacity: u64, block: u64) -> Result<Self, AllocError> {
        if !block.is_power_of_two() || capacity == 0 || !capacity.is_multiple_of(block) {
            return Err(AllocError::BadSpec(format!(
                "{capacity} bytes in blocks of {block}: the block must be a power of two, the \
                 capacity whole blocks"
            )));
        }
        if capacity / block > u64::from(u32::MAX) * 16 || capacity >= 1 << 53 {
            return Err(AllocError::BadSpec(format!(
                "{capacity} bytes in blocks of {block} are too many; take larger blocks"
            )));
        }
        Ok(Self { capacity, block })
    }

    pub(crate) fn check_request(&self, want: u64, unit: u64) -> Result<(), AllocError> {
        let good =
            unit.is_power_of_two() && unit >= self.block && want > 0 && want & (unit - 1) == 0;
        if good {
            return Ok(());
        }
        Err(AllocError::BadRequest {
            want,
            unit,
            block: self.block,
        })
    }

    pub(crate) fn check_extent(&self, extent: Extent) -> Result<(), AllocError> {
        let Extent { offset, length } = extent;
        let whole = (offset | length) & (self.block - 1) == 0 && length > 0;
        let inside = offset
            .checked_add(length)
            .is_some_and(|end| end <= self.capacity);
        if whole && inside {
            return Ok(());
        }
        Err(AllocError::BadExtent {
            offset,
            length,
            capacity: self.capacity,
        })
    }

    /// The longest piece of a request: a multiple of the unit, at least one.
    pub(crate) fn piece(want: u64, unit: u64, max_extent: u64) -> u64 {
        if max_extent == 0 {
            want
        } else {
            align_down(max_extent, unit).max(unit).min(want)
        }
    }
}

/// Up to a multiple of `unit`, a power of two.
#[inline]
pub(crate) const fn align_up(value: u64, unit: u64) -> u64 {
    (value + unit - 1) & !(unit - 1)
}

/// Down to a multiple of `unit`, a power of two.
#[inline]
pub(crate) const fn align_down(value: u64, unit: u64) -> u64 {
    value & !(unit - 1)
}

/// Appends a piece, onto the last one of this allocation (from index `first`) if it continues it and
/// stays within `max_extent` (0: no limit).
pub(crate) fn push_piece(extents: &mut Vec<Extent>, first: usize, piece: Extent, max_extent: u64) {
    if extents.len() > first
        && let Some(last) = extents.last_mut()
        && last.end() == piece.offset
        && (max_extent == 0 || last.length + piece.length <= max_extent)
    {
        last.length += piece.length;
        return;
    }
    extents.push(piece);
}

/// The names that [`create`] knows.
pub const NAMES: [&str; 5] = ["stupid", "bitmap", "avl", "btree", "hybrid"];

/// An allocator by the name that `bluestore_allocator` gives it, all of its space in use.
pub fn create(
    name: &str,
    capacity: u64,
    block: u64,
    options: &AllocatorOptions,
) -> Result<Box<dyn Allocator>, AllocError> {
    let geometry = Geometry::new(capacity, block)?;
    Ok(match name {
        "stupid" => Box::new(StupidAllocator::new(geometry)),
        "bitmap" => Box::new(BitmapAllocator::new(geometry)),
        "avl" => Box::new(AvlAllocator::new(geometry, options, usize::MAX)),
        "btree" => Box::new(BtreeAllocator::new(geometry, options, usize::MAX)),
        "hybrid" => Box::new(HybridAllocator::new(geometry, options)),
        _ => {
            return Err(AllocError::BadSpec(format!(
                "unknown allocator {name}; there are: {}",
                NAMES.join(", ")
            )));
        }
    })
}
