//! From a specification to a stream, with every contradiction refused by name.

use super::place::{FileState, Lane, Layout, Map};
use super::{Choice, OpStream, Think};
use crate::address::{BlockMap, Permutation, Picker, places};
use crate::arrival::{Arrivals, Schedule};
use crate::op::DIRECTIONS;
use crate::rng::{Rng, Use, threshold};
use crate::sizes::{Sizes, gcd};
use crate::spec::{Distribution, Pattern, SpecError, StreamSpec, VerifyKind};

fn invalid<T>(message: String) -> Result<T, SpecError> {
    Err(SpecError::Invalid(message))
}

/// Which directions the job uses.
fn active(spec: &StreamSpec) -> Result<[bool; 3], SpecError> {
    if let Some(share) = spec
        .mix
        .iter()
        .find(|share| !(0.0..=100.0).contains(*share))
    {
        return invalid(format!("mix of {share} percent: shares are 0 to 100"));
    }
    if spec.trim_then_write {
        return Ok([false, true, true]);
    }
    let used = spec.mix.map(|share| share > 0.0);
    if used == [false; 3] {
        return invalid("mix of 0, 0, 0 percent: give at least one direction a share".into());
    }
    Ok(used)
}

fn check_scalars(spec: &StreamSpec) -> Result<(), SpecError> {
    if spec.regions.is_empty() {
        return invalid("no file: give at least one region".into());
    }
    if spec.regions.len() > usize::from(u16::MAX) {
        return invalid(format!("{} files: at most 65535", spec.regions.len()));
    }
    if spec
        .regions
        .iter()
        .any(|region| region.offset.checked_add(region.size).is_none())
    {
        return invalid("a region ends beyond 2^64 bytes: make it smaller".into());
    }
    let all = spec.percentage_random;
    if let Some(share) = all.iter().find(|share| !(0.0..=100.0).contains(*share)) {
        return invalid(format!("percentage_random {share}: give 0 to 100"));
    }
    if spec.thinktime_ns > 0 && spec.thinktime_blocks == 0 {
        return invalid("think time after every 0 blocks: give at least 1".into());
    }
    Ok(())
}

/// With a map, blocks finer aligned than they are large would overlap: they go to multiples of
/// their size instead, which `blockalign` allows.
fn map_align(sizes: &[Sizes; 3], aligns: [u32; 3], used: [bool; 3]) -> [u32; 3] {
    let unit = (0..3)
        .filter(|direction| used[*direction])
        .fold(0, |unit, direction| gcd(unit, sizes[direction].unit()));
    aligns.map(|align| if unit % align == 0 { unit } else { align })
}

fn check_verify(
    spec: &StreamSpec,
    sizes: &[Sizes; 3],
    aligns: [u32; 3],
    used: [bool; 3],
) -> Result<(), SpecError> {
    let Some(verify) = &spec.data.verify else {
        return Ok(());
    };
    let interval = verify.interval;
    let smallest = crate::verify::smallest_interval(verify.kind);
    if interval < smallest {
        return invalid(format!(
            "verify interval of {interval} bytes: give at least {smallest}"
        ));
    }
    if let Some(at) = verify
        .pattern_offsets
        .iter()
        .find(|at| **at as usize >= verify.pattern.len())
    {
        return invalid(format!(
            "verify pattern: an offset at byte {at} of {}",
            verify.pattern.len()
        ));
    }
    if verify.kind == VerifyKind::Pattern && verify.pattern.is_empty() {
        return invalid("verify by pattern without a pattern: give verify_pattern".into());
    }
    for direction in (0..3).filter(|direction| used[*direction]) {
        let name = DIRECTIONS[direction];
        let unit = sizes[direction].unit();
        if !unit.is_multiple_of(interval) {
            return invalid(format!(
                "verify interval of {interval} bytes does not divide every {name} size: \
                 give a divisor of {unit}"
            ));
        }
        if spec.pattern == Pattern::Random && !aligns[direction].is_multiple_of(interval) {
            return invalid(format!(
                "verify with {name}s aligned to {} bytes: \
                 give a multiple of the interval, {interval}",
                aligns[direction]
            ));
        }
    }
    if spec.sequential_step % i64::from(interval) != 0 {
        return invalid(format!(
            "verify with a sequential step of {} bytes: \
             give a multiple of the interval, {interval}",
            spec.sequential_step
        ));
    }
    Ok(())
}

/// The map of one file's blocks.
fn map_of(
    spec: &StreamSpec,
    sizes: &[Sizes; 3],
    aligns: [u32; 3],
    used: [bool; 3],
    file: usize,
) -> Map {
    let mut directions = (0..3).filter(|direction| used[*direction]);
    // A trim and the write after it are one visit.
    let lanes: Vec<usize> = if spec.trim_then_write {
        vec![2]
    } else {
        directions.by_ref().collect()
    };
    let plain = |direction: &usize| matches!(spec.distribution[*direction], Distribution::Random);
    if spec.pattern != Pattern::Random || !spec.random_map || !lanes.iter().all(plain) {
        return Map::None;
    }
    let size = spec.regions[file].size;
    let first = lanes[0];
    let (block, align) = (sizes[first].smallest(), aligns[first]);
    let same = |direction: &usize| {
        sizes[*direction].smallest() == block
            && sizes[*direction].largest() == block
            && aligns[*direction] == align
    };
    if lanes.iter().all(same) && align >= block {
        let count = places(size, block, align);
        return Map::Equal(Permutation::new(count, spec.seed, file as u64, 0));
    }
    let unit = lanes.iter().fold(0, |unit, direction| {
        gcd(gcd(unit, sizes[*direction].unit()), aligns[*direction])
    });
    let unit = u64::from(unit);
    Map::Mixed {
        map: BlockMap::new(size / unit),
        unit,
    }
}

fn pickers(
    spec: &StreamSpec,
    sizes: &Sizes,
    align: u32,
    direction: usize,
) -> Result<Box<[Picker]>, SpecError> {
    let mut pickers = Vec::with_capacity(spec.regions.len());
    for (file, region) in spec.regions.iter().enumerate() {
        let smallest = sizes.smallest();
        let count = places(region.size, smallest, align);
        let whole = u64::from(smallest) <= region.size;
        if !whole || (count == 0 && spec.pattern == Pattern::Random) {
            return invalid(format!(
                "a region of {} bytes holds no {} of {smallest} bytes: \
                 give more size or smaller blocks",
                region.size, DIRECTIONS[direction]
            ));
        }
        let law = &spec.distribution[direction];
        // Sequential jobs never draw; count 1 keeps the picker valid.
        let picker = Picker::new(law, count.max(1), align, spec.seed, direction, file)?;
        pickers.push(picker);
    }
    Ok(pickers.into())
}

fn lane(
    spec: &StreamSpec,
    sizes: Sizes,
    align: u32,
    direction: usize,
    used: bool,
) -> Result<Lane, SpecError> {
    let share = spec.percentage_random[direction];
    let index = direction as u64;
    Ok(Lane {
        pickers: if used {
            pickers(spec, &sizes, align, direction)?
        } else {
            Box::default()
        },
        sizes,
        align: u64::from(align),
        offsets: Rng::new(spec.seed, Use::Offset, index),
        percentage: (share < 100.0).then(|| {
            let rng = Rng::new(spec.seed, Use::Randomness, index);
            (rng, threshold(share / 100.0))
        }),
    })
}

fn layout(spec: &StreamSpec, used: [bool; 3]) -> Result<Layout, SpecError> {
    let mut sizes = Vec::with_capacity(3);
    let unused = crate::spec::BlockSizes::Fixed { bytes: 4096 };
    for (direction, used) in used.into_iter().enumerate() {
        // Directions that are not used may hold anything.
        let law = if used {
            &spec.block_sizes[direction]
        } else {
            &unused
        };
        sizes.push(Sizes::new(law, spec.seed, direction)?);
    }
    let Ok(sizes): Result<[Sizes; 3], _> = sizes.try_into() else {
        return invalid("three directions have three sizes".into());
    };
    let mut aligns = spec.block_align;
    for direction in 0..3 {
        if aligns[direction] == 0 || !used[direction] {
            aligns[direction] = sizes[direction].smallest();
        }
    }
    if spec.random_map {
        aligns = map_align(&sizes, aligns, used);
    }
    check_verify(spec, &sizes, aligns, used)?;
    let files: Vec<FileState> = spec
        .regions
        .iter()
        .enumerate()
        .map(|(file, region)| {
            let map = map_of(spec, &sizes, aligns, used, file);
            FileState::new(region.offset, region.size, map)
        })
        .collect();
    let [reads, writes, trims] = sizes;
    let total: u64 = spec.regions.iter().map(|region| region.size).sum();
    let mut layout = Layout {
        lanes: [
            lane(spec, reads, aligns[0], 0, used[0])?,
            lane(spec, writes, aligns[1], 1, used[1])?,
            lane(spec, trims, aligns[2], 2, used[2])?,
        ],
        files: files.into(),
        seed: spec.seed,
        random: spec.pattern == Pattern::Random,
        step: if spec.pattern == Pattern::Sequential {
            spec.sequential_step
        } else {
            0
        },
        per_draw: spec.ops_per_draw.max(1),
        continuing: 0,
        one_pass: !spec.time_based && spec.io_bytes <= total,
        next_file: 0,
        pass: 0,
    };
    for file in 0..layout.files.len() {
        for direction in 0..3 {
            layout.files[file].position[direction] = layout.start(file, direction);
        }
    }
    Ok(layout)
}

/// Schedules by direction; bytes are exact if every operation of the direction is equally long.
fn arrivals(
    spec: &StreamSpec,
    layout: &Layout,
    used: [bool; 3],
) -> Result<[Option<Arrivals>; 3], SpecError> {
    let mut all = [None, None, None];
    for direction in (0..3).filter(|direction| used[*direction]) {
        let schedule = Schedule::new(&spec.arrival[direction], spec.seed, direction)?;
        let bytes = layout.lanes[direction].sizes.mean() as u32;
        all[direction] = schedule.map(|schedule| Arrivals::new(schedule, bytes));
    }
    if spec.trim_then_write {
        // One schedule paces trims and writes alike.
        if let Some(trims) = all[2].take() {
            all[1].get_or_insert(trims);
        }
    }
    Ok(all)
}

fn choice(spec: &StreamSpec, used: [bool; 3], arrivals: &[Option<Arrivals>; 3]) -> Choice {
    if spec.trim_then_write {
        return Choice::TrimThenWrite {
            half: None,
            scheduled: arrivals[1].is_some(),
        };
    }
    let closed: Vec<usize> = (0..3)
        .filter(|direction| used[*direction] && arrivals[*direction].is_none())
        .collect();
    let total: f64 = closed.iter().map(|direction| spec.mix[*direction]).sum();
    let share = |direction: usize| {
        if closed.contains(&direction) {
            spec.mix[direction] / total
        } else {
            0.0
        }
    };
    let last = closed.last().copied().unwrap_or(0);
    let below = [threshold(share(0)), threshold(share(0) + share(1))];
    if arrivals.iter().any(Option::is_some) {
        return Choice::Scheduled {
            closed: !closed.is_empty(),
            below,
            last,
        };
    }
    if closed.len() == 1 {
        return Choice::One(last);
    }
    Choice::Mixed { below, last }
}

pub(super) fn build(spec: &StreamSpec) -> Result<OpStream, SpecError> {
    check_scalars(spec)?;
    let used = active(spec)?;
    let layout = layout(spec, used)?;
    let arrivals = arrivals(spec, &layout, used)?;
    let unlimited = spec.time_based;
    let bytes = if unlimited { u64::MAX } else { spec.io_bytes };
    let operations = if unlimited {
        u64::MAX
    } else {
        spec.number_ios.unwrap_or(u64::MAX)
    };
    let mut stream = OpStream {
        choice: choice(spec, used, &arrivals),
        directions: Rng::new(spec.seed, Use::Direction, 0),
        arrivals,
        counts_bytes: [!spec.trim_then_write, true, !spec.trim_then_write],
        layout,
        attention: 0,
        sequence: 0,
        in_flight: 0,
        bytes_left: bytes,
        operations_left: operations,
        bytes_in_loop: bytes,
        operations_in_loop: operations,
        loops_left: spec.loops.max(1),
        loops: spec.loops.max(1),
        write_flags: if spec.fua { crate::op::FLAG_FUA } else { 0 },
        fsync_every: spec.fsync_every,
        fdatasync_every: spec.fdatasync_every,
        writes: 0,
        pending_flush: None,
        end_fsync: spec.end_fsync && used[1],
        flushed_files: 0,
        think_ns: spec.thinktime_ns,
        think_blocks: spec.thinktime_blocks,
        thought_blocks: 0,
        think: Think::No,
        last_completed_ns: 0,
        generation: 0,
        overlaps: spec
            .data
            .verify
            .is_some()
            .then(|| Vec::with_capacity(super::OVERLAPS)),
        held: None,
    };
    if bytes == 0 || operations == 0 {
        stream.end();
    }
    Ok(stream)
}
