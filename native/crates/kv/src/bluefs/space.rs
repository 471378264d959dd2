//! Taking space and giving it back.

use super::fnode::{Bdev, Extent};
use super::placement::{Level, candidates};
use super::{BlueFs, Counters, Slot, locked};
use crate::error::{KvError, Result};

impl BlueFs {
    /// Space for a file: at least `bytes`. When there is none, space that waits for the log or for
    /// the next write-ahead log is given back first. MUST NOT be called with the log or state
    /// locked.
    pub(super) fn allocate(&self, level: Level, bytes: u64) -> Result<Vec<Extent>> {
        let found = match self.allocate_now(level, bytes) {
            Err(KvError::NoSpace { .. }) => {
                self.sync()?;
                self.drop_recycled();
                self.allocate_now(level, bytes)
            }
            other => other,
        };
        if let Err(error @ KvError::NoSpace { .. }) = &found {
            *locked(&self.refused) = Some(error.to_string());
        }
        found
    }

    /// Why a file got no space since the last write that went well.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        locked(&self.refused).clone()
    }

    /// A write went well.
    pub fn went_well(&self) {
        *locked(&self.refused) = None;
    }

    /// As `allocate`, from what is free at this moment.
    pub(super) fn allocate_now(&self, level: Level, bytes: u64) -> Result<Vec<Extent>> {
        let mut found = if level == Level::Wal {
            self.take_recycled(bytes)
        } else {
            Vec::new()
        };
        let have: u64 = found.iter().map(|extent| extent.length).sum();
        if have < bytes {
            match self.allocate_fresh(level, bytes - have) {
                Ok(fresh) => found.extend(fresh),
                Err(error) => {
                    locked(&self.recycled).extend(found);
                    return Err(error);
                }
            }
        }
        Ok(found)
    }

    fn allocate_fresh(&self, level: Level, bytes: u64) -> Result<Vec<Extent>> {
        let first = self.placement.prefer(level, &locked(&self.usage));
        let mut last = first;
        for &bdev in candidates(first) {
            let Some(slot) = &self.slots[bdev.index()] else {
                continue;
            };
            last = bdev;
            let Some(ranges) = self.allocate_on(slot, bytes) else {
                continue;
            };
            let mut usage = locked(&self.usage);
            let extents: Vec<_> = ranges
                .into_iter()
                .map(|(offset, length)| Extent {
                    bdev,
                    offset,
                    length,
                })
                .collect();
            for extent in &extents {
                usage.add(bdev, level, extent.length);
                if bdev > level.nominal() && self.slots[level.nominal().index()].is_some() {
                    Counters::add(&self.counters.spilled_bytes, extent.length);
                }
            }
            return Ok(extents);
        }
        Err(KvError::NoSpace {
            wanted: bytes,
            bdev: last.name(),
            free: self.free_bytes(last),
        })
    }

    /// Unit of space on a device: as configured, and on one that is shared whole units of the store's.
    pub(super) fn unit_of(&self, slot: &Slot) -> u64 {
        if slot.shared {
            Self::whole(slot, self.config.shared_alloc_unit)
        } else {
            self.config.alloc_unit
        }
    }

    fn whole(slot: &Slot, unit: u64) -> u64 {
        let least = slot.space.as_ref().map_or(1, |space| space.least_unit());
        unit.next_multiple_of(least)
    }

    fn allocate_on(&self, slot: &Slot, bytes: u64) -> Option<Vec<(u64, u64)>> {
        let space = slot.space.as_ref()?;
        let unit = self.unit_of(slot);
        if !slot.shared {
            return space.allocate(bytes.next_multiple_of(unit), unit);
        }
        let small = Self::whole(slot, self.config.shared_fallback_unit);
        space
            .allocate(bytes.next_multiple_of(unit), unit)
            .or_else(|| space.allocate(bytes.next_multiple_of(small), small))
    }

    /// Gives space back that nothing on the device refers to any more.
    pub(super) fn release(&self, releases: Vec<(Level, Extent)>) {
        for (level, extent) in releases {
            if level == Level::Wal && self.recycle(extent) {
                continue;
            }
            self.release_extent(level, extent);
        }
    }

    pub(super) fn release_extent(&self, level: Level, extent: Extent) {
        locked(&self.usage).sub(extent.bdev, level, extent.length);
        let slot = self.slots[extent.bdev.index()].as_ref();
        if let Some(space) = slot.and_then(|slot| slot.space.as_ref()) {
            space.release(extent.offset, extent.length);
        }
    }

    /// Keeps an extent of a write-ahead log for the next ones, if there are not enough already, and
    /// it is where such logs belong.
    fn recycle(&self, extent: Extent) -> bool {
        let home = if self.slots[Bdev::Wal.index()].is_some() {
            Bdev::Wal
        } else {
            Bdev::Db
        };
        let mut recycled = locked(&self.recycled);
        let kept: u64 = recycled.iter().map(|extent| extent.length).sum();
        let keep = extent.bdev == home && kept + extent.length <= self.config.wal_recycle_bytes;
        if keep {
            recycled.push(extent);
        }
        keep
    }

    fn take_recycled(&self, bytes: u64) -> Vec<Extent> {
        let mut recycled = locked(&self.recycled);
        let mut found = Vec::new();
        let mut have = 0;
        while have < bytes {
            let Some(extent) = recycled.pop() else {
                break;
            };
            have += extent.length;
            found.push(extent);
        }
        Counters::add(&self.counters.wal_recycled_bytes, have);
        found
    }

    /// Gives all kept extents back.
    pub(super) fn drop_recycled(&self) {
        let extents = std::mem::take(&mut *locked(&self.recycled));
        for extent in extents {
            self.release_extent(Level::Wal, extent);
        }
    }
}
