//! The naive model that every allocator is compared with: a state for each block.

use super::Extent;

pub struct Model {
    pub block: u64,
    pub free: Vec<bool>,
}

impl Model {
    pub fn new(capacity: u64, block: u64) -> Self {
        Self {
            block,
            free: vec![false; (capacity / block) as usize],
        }
    }

    fn blocks(&self, extent: Extent) -> std::ops::Range<usize> {
        (extent.offset / self.block) as usize..(extent.end() / self.block) as usize
    }

    pub fn all(&self, extent: Extent, free: bool) -> bool {
        self.free[self.blocks(extent)]
            .iter()
            .all(|each| *each == free)
    }

    pub fn set(&mut self, extent: Extent, free: bool) {
        let blocks = self.blocks(extent);
        self.free[blocks].fill(free);
    }

    pub fn free_bytes(&self) -> u64 {
        self.free.iter().filter(|free| **free).count() as u64 * self.block
    }

    pub fn extents(&self) -> Vec<Extent> {
        let mut found: Vec<Extent> = Vec::new();
        for (index, free) in self.free.iter().enumerate() {
            let offset = index as u64 * self.block;
            match found.last_mut() {
                Some(last) if *free && last.end() == offset => last.length += self.block,
                _ if *free => found.push(Extent {
                    offset,
                    length: self.block,
                }),
                _ => {}
            }
        }
        found
    }

    /// Bytes that requests of this unit could get in all.
    pub fn usable(&self, unit: u64) -> u64 {
        self.extents()
            .iter()
            .map(|extent| {
                let start = extent.offset.next_multiple_of(unit);
                extent.end().saturating_sub(start) / unit * unit
            })
            .sum()
    }
}
