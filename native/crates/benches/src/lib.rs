//! What the benches of the hot paths work on: the same on every machine.

use osdyno_core::allocator::{Allocator, AllocatorOptions, Extent, create};

/// A cheap generator of the bench's own, so that its draws never change with the library.
pub struct Draws(u64);

impl Default for Draws {
    fn default() -> Self {
        Self(SEED)
    }
}

impl Draws {
    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 1 to twice the mean, the sum of two dice: a triangle.
    fn around(&mut self, mean: u64) -> u64 {
        1 + self.draw() % mean + self.draw() % mean
    }
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Of the allocators.
pub const BLOCK: u64 = 4096;
const CAPACITY: u64 = 64 << 30;

/// The allocator of that name on 64 GiB: used and free extents by turns, half a MiB each on average.
///
/// # Panics
///
/// When there is no such allocator.
#[must_use]
pub fn worn(name: &str) -> Box<dyn Allocator> {
    let mut allocator = create(name, CAPACITY, BLOCK, &AllocatorOptions::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut draws = Draws::default();
    let mut block = 0;
    loop {
        let used = draws.around(128);
        let free = draws.around(128);
        let offset = (block + used) * BLOCK;
        let length = free * BLOCK;
        if offset + length > CAPACITY {
            return allocator;
        }
        let extent = Extent { offset, length };
        if let Err(error) = allocator.init_add_free(extent) {
            panic!("{name}: {error}");
        }
        block += used + free;
    }
}

/// Words of a small vocabulary with numbers between them: compresses to between a quarter and half.
#[must_use]
pub fn text(bytes: usize) -> Vec<u8> {
    let words = [
        "object", "store", "extent", "write", "commit", "of", "the", "and",
    ];
    let mut draws = Draws::default();
    let mut made = Vec::with_capacity(bytes + 16);
    while made.len() < bytes {
        made.extend_from_slice(words[(draws.draw() % 8) as usize].as_bytes());
        made.extend_from_slice(format!(" {} ", draws.draw() % 1000).as_bytes());
    }
    made.truncate(bytes);
    made
}
