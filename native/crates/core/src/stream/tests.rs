use super::*;
use crate::spec::{Arrival, BlockSizes, DataSpec, Distribution, Pattern, Region};

/// 4 KiB random reads, without a map, over 16 MiB.
pub(crate) fn spec_for_tests() -> StreamSpec {
    let each = |bytes| BlockSizes::Fixed { bytes };
    StreamSpec {
        seed: 42,
        pattern: Pattern::Random,
        mix: [100.0, 0.0, 0.0],
        trim_then_write: false,
        sequential_step: 0,
        ops_per_draw: 1,
        regions: vec![Region {
            offset: 0,
            size: 16 << 20,
        }],
        block_sizes: [each(4096), each(4096), each(4096)],
        block_align: [4096; 3],
        distribution: [
            Distribution::Random,
            Distribution::Random,
            Distribution::Random,
        ],
        percentage_random: [100.0; 3],
        random_map: false,
        io_bytes: 16 << 20,
        number_ios: None,
        loops: 1,
        time_based: false,
        arrival: [Arrival::Closed, Arrival::Closed, Arrival::Closed],
        thinktime_ns: 0,
        thinktime_blocks: 1,
        fsync_every: 0,
        fdatasync_every: 0,
        end_fsync: false,
        fua: false,
        data: DataSpec {
            zero: false,
            refill: false,
            compress_percent: 0.0,
            verify: None,
        },
    }
}
