//! A recorded history of requests run on an allocator, each allocation and release timed.

use super::{AllocError, Allocator, Extent};

/// A history over a table of live allocations: step `i` allocates `wants[i]` bytes, and releases what
/// stood in place `places[i]` of the table, where the new allocation is then kept.
pub struct History<'a> {
    /// Bytes of each request, multiples of `unit`.
    pub wants: &'a [f64],
    /// Places in the table, as many as requests.
    pub places: &'a [u32],
    /// Of every request, bytes.
    pub unit: u64,
}

/// The table of live allocations, and a hash of all that was allocated.
pub struct Replay {
    live: Vec<Vec<Extent>>,
    hash: u32,
    fresh: Vec<Extent>,
}

/// FNV-1a over 32-bit words, with a shift, so that high bits count.
fn mix(hash: u32, word: u64) -> u32 {
    let hash = (hash ^ word as u32).wrapping_mul(0x0100_0193);
    let hash = (hash ^ (word >> 32) as u32).wrapping_mul(0x0100_0193);
    hash ^ hash >> 15
}

impl Replay {
    /// With room for so many allocations at a time.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self {
            live: vec![Vec::new(); places],
            hash: 0x811c_9dc5,
            fresh: Vec::new(),
        }
    }

    /// Hash of the extents allocated so far, in blocks and in order.
    #[must_use]
    pub fn hash(&self) -> u32 {
        self.hash
    }

    /// Runs the history; `spent` gets the nanoseconds of each step by `now`. An allocation that gets
    /// less than it wants is an error, after what it got was given back.
    pub fn run(
        &mut self,
        allocator: &mut dyn Allocator,
        history: &History,
        spent: &mut [f64],
        now: &dyn Fn() -> u64,
    ) -> Result<(), AllocError> {
        let shift = allocator.block().trailing_zeros();
        for (step, &place) in history.places.iter().enumerate() {
            let want = history.wants[step] as u64;
            let old = &mut self.live[place as usize];
            self.fresh.clear();
            let begun = now();
            super::allocate_all(allocator, want, history.unit, 0, 0, &mut self.fresh)?;
            for extent in old.iter() {
                allocator.release(*extent)?;
            }
            spent[step] = now().saturating_sub(begun) as f64;
            for extent in &self.fresh {
                self.hash = mix(self.hash, extent.offset >> shift);
                self.hash = mix(self.hash, extent.length >> shift);
            }
            std::mem::swap(old, &mut self.fresh);
        }
        Ok(())
    }

    /// Gives back what is live.
    pub fn release_all(&mut self, allocator: &mut dyn Allocator) -> Result<(), AllocError> {
        for extents in &mut self.live {
            for extent in extents.drain(..) {
                allocator.release(extent)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AllocatorOptions, create};
    use super::*;

    #[test]
    fn keeps_the_table_and_gives_all_back() {
        let mut allocator = create("avl", 1 << 20, 4096, &AllocatorOptions::default()).unwrap();
        let all = Extent {
            offset: 0,
            length: 1 << 20,
        };
        allocator.release(all).unwrap();
        let clock = std::cell::Cell::new(0);
        let now = || {
            clock.set(clock.get() + 7);
            clock.get()
        };
        let mut replay = Replay::new(2);
        let mut spent = [0.0; 4];
        let history = History {
            wants: &[4096.0, 8192.0, 4096.0, 16384.0],
            places: &[0, 1, 0, 1],
            unit: 4096,
        };
        replay
            .run(&mut *allocator, &history, &mut spent, &now)
            .unwrap();
        assert!(spent.iter().all(|ns| (*ns - 7.0).abs() < 1e-9));
        assert_eq!(allocator.free_bytes(), (1 << 20) - 4096 - 16384);
        assert_ne!(replay.hash(), Replay::new(2).hash());
        replay.release_all(&mut *allocator).unwrap();
        assert_eq!(
            (allocator.free_bytes(), allocator.range_count()),
            (1 << 20, 1)
        );
    }
}
