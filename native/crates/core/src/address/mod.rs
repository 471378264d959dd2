//! Addresses: skewed and uniform draws, and the maps that visit each block once.

pub mod block_map;
pub mod lfsr;
pub mod permutation;
pub mod skew;

pub use block_map::BlockMap;
pub use lfsr::Lfsr;
pub use permutation::Permutation;
pub use skew::Picker;

/// Places of an aligned block in a region, as fio counts them: the last `smallest` bytes stay clear
/// when blocks are larger than their alignment.
#[must_use]
pub fn places(region_bytes: u64, smallest: u32, align: u32) -> u64 {
    let (smallest, align) = (u64::from(smallest), u64::from(align));
    let usable = if smallest > align {
        region_bytes.saturating_sub(smallest - align)
    } else {
        region_bytes
    };
    usable / align
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn counts_whole_blocks() {
        assert_eq!(places(1 << 20, 4096, 4096), 256);
        assert_eq!(places((1 << 20) + 4095, 4096, 4096), 256);
        // 512-byte alignment: the last place begins 4096 bytes before the end.
        assert_eq!(places(1 << 20, 4096, 512), (1 << 20) / 512 - 7);
        assert_eq!(places(1 << 20, 4096, 8192), 128);
        assert_eq!(places(4095, 4096, 4096), 0);
    }
}
