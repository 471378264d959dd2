//! Where BlueFS gets its space from: the store's allocator on a shared device, its own on a
//! dedicated one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use osdyno_core::allocator::shared::SharedAllocator;
use osdyno_core::allocator::{Extent, allocate_all};

/// Free space of one device. Offsets and lengths in bytes.
pub trait Space: Send + Sync {
    /// Takes `bytes` (a multiple of `unit`) in pieces that are aligned to and multiples of `unit`;
    /// `None` and nothing taken when there are not so many.
    fn allocate(&self, bytes: u64, unit: u64) -> Option<Vec<(u64, u64)>>;
    /// Gives a range back. It MUST have been taken, and nobody may use it any more.
    fn release(&self, offset: u64, length: u64);
    /// Takes a range that is known to be in use (found on mounting); false when it is not free.
    fn reserve(&self, offset: u64, length: u64) -> bool;
    /// Free bytes.
    fn free_bytes(&self) -> u64;
    /// Every unit asked for MUST be a multiple of this.
    fn least_unit(&self) -> u64;
}

/// The space of a device that BlueFS has for itself: next fit over a sorted map.
pub struct OwnSpace {
    state: Mutex<Free>,
}

struct Free {
    /// Offset to length; neighbours are merged.
    ranges: BTreeMap<u64, u64>,
    bytes: u64,
    cursor: u64,
}

impl OwnSpace {
    /// All of `start..end` is free.
    #[must_use]
    pub fn new(start: u64, end: u64) -> Self {
        let length = end.saturating_sub(start);
        let mut ranges = BTreeMap::new();
        if length > 0 {
            ranges.insert(start, length);
        }
        Self {
            state: Mutex::new(Free {
                ranges,
                bytes: length,
                cursor: start,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, Free> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Space for OwnSpace {
    fn allocate(&self, bytes: u64, unit: u64) -> Option<Vec<(u64, u64)>> {
        let mut state = self.state();
        let mut taken: Vec<(u64, u64)> = Vec::new();
        let mut missing = bytes;
        while missing > 0 {
            let Some((offset, length)) = state.next_piece(missing, unit) else {
                for (offset, length) in taken {
                    state.add(offset, length);
                }
                return None;
            };
            state.remove(offset, length);
            state.cursor = offset + length;
            missing -= length;
            match taken.last_mut() {
                Some(last) if last.0 + last.1 == offset => last.1 += length,
                _ => taken.push((offset, length)),
            }
        }
        Some(taken)
    }

    fn release(&self, offset: u64, length: u64) {
        self.state().add(offset, length);
    }

    fn reserve(&self, offset: u64, length: u64) -> bool {
        let mut state = self.state();
        let free = state
            .ranges
            .range(..=offset)
            .next_back()
            .is_some_and(|(&start, &size)| start + size >= offset + length);
        if free {
            state.remove(offset, length);
        }
        free
    }

    fn free_bytes(&self) -> u64 {
        self.state().bytes
    }

    fn least_unit(&self) -> u64 {
        1
    }
}

impl Free {
    /// At most `wanted` bytes of the first range at or after the cursor that holds a unit.
    fn next_piece(&self, wanted: u64, unit: u64) -> Option<(u64, u64)> {
        let fits = |(&start, &length): (&u64, &u64)| {
            let first = start.next_multiple_of(unit);
            let end = (start + length) / unit * unit;
            (end > first).then(|| (first, (end - first).min(wanted)))
        };
        let from = self.cursor;
        self.ranges
            .range(from..)
            .chain(self.ranges.range(..from))
            .find_map(fits)
    }

    fn remove(&mut self, offset: u64, length: u64) {
        let found = self.ranges.range(..=offset).next_back();
        let Some((&start, &size)) = found else {
            return;
        };
        self.ranges.remove(&start);
        if start < offset {
            self.ranges.insert(start, offset - start);
        }
        let end = offset + length;
        if end < start + size {
            self.ranges.insert(end, start + size - end);
        }
        self.bytes -= length;
    }

    fn add(&mut self, offset: u64, length: u64) {
        self.bytes += length;
        let mut start = offset;
        let mut end = offset + length;
        if let Some((&before, &size)) = self.ranges.range(..=offset).next_back() {
            assert!(before + size <= offset, "space is released once");
            if before + size == offset {
                start = before;
            }
        }
        if let Some((&after, &size)) = self.ranges.range(offset..).next() {
            assert!(end <= after, "space is released once");
            if after == end {
                end = after + size;
                self.ranges.remove(&after);
            }
        }
        self.ranges.insert(start, end - start);
    }
}

/// The store's allocator, on a device that it shares with BlueFS.
impl Space for SharedAllocator {
    fn allocate(&self, bytes: u64, unit: u64) -> Option<Vec<(u64, u64)>> {
        let mut extents = Vec::new();
        let mut allocator = self.lock();
        allocate_all(&mut **allocator, bytes, unit, 0, 0, &mut extents).ok()?;
        Some(
            extents
                .iter()
                .map(|extent| (extent.offset, extent.length))
                .collect(),
        )
    }

    fn release(&self, offset: u64, length: u64) {
        let released = self.lock().release(Extent { offset, length });
        assert!(released.is_ok(), "space is released once");
    }

    fn reserve(&self, offset: u64, length: u64) -> bool {
        self.lock()
            .init_remove_free(Extent { offset, length })
            .is_ok()
    }

    fn free_bytes(&self) -> u64 {
        self.lock().free_bytes()
    }

    fn least_unit(&self) -> u64 {
        self.lock().block()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osdyno_core::rng::{Rng, Use};

    #[test]
    fn agrees_with_a_bit_per_block() {
        const UNIT: u64 = 4096;
        const BLOCKS: usize = 200;
        for seed in 0..40 {
            let mut rng = Rng::new(seed, Use::Offset, 0);
            let space = OwnSpace::new(0, BLOCKS as u64 * UNIT);
            let mut free = [true; BLOCKS];
            let mut held: Vec<(u64, u64)> = Vec::new();
            for _ in 0..400 {
                if rng.below(3) > 0 {
                    let wanted = (rng.below(12) + 1) * UNIT;
                    let before = free.iter().filter(|free| **free).count() as u64 * UNIT;
                    let got = space.allocate(wanted, UNIT);
                    assert_eq!(got.is_some(), wanted <= before, "seed {seed}");
                    for (offset, length) in got.into_iter().flatten() {
                        for block in offset / UNIT..(offset + length) / UNIT {
                            assert!(free[block as usize], "taken twice, seed {seed}");
                            free[block as usize] = false;
                        }
                        held.push((offset, length));
                    }
                } else if !held.is_empty() {
                    let (offset, length) = held.swap_remove(rng.below(held.len() as u64) as usize);
                    space.release(offset, length);
                    free[(offset / UNIT) as usize..((offset + length) / UNIT) as usize].fill(true);
                }
                let left = free.iter().filter(|free| **free).count() as u64 * UNIT;
                assert_eq!(space.free_bytes(), left, "seed {seed}");
            }
        }
    }

    #[test]
    fn reserves_what_is_free_only() {
        let space = OwnSpace::new(65_536, 1 << 20);
        assert!(space.reserve(131_072, 65_536));
        assert!(!space.reserve(131_072, 65_536));
        assert!(!space.reserve(0, 4096));
        assert_eq!(space.free_bytes(), (1 << 20) - 131_072);
    }
}
