//! From a specification to a stream, with every contradiction refused by name.

use super::check::check_verify;
use super::features::{Features, FileChoice, FileLaw, OpenSet, SHARES, Zones};
use super::follow_up::FollowUp;
use super::place::{FileState, Lane, Layout, Map};
use super::range_flush::RangeFlush;
use super::think::ThinkTime;
use super::{Choice, OpStream};
use crate::address::{BlockMap, Lfsr, Permutation, Picker, places};
use crate::arrival::{Arrivals, Schedule};
use crate::op::DIRECTIONS;
use crate::rng::{Rng, Use, threshold};
use crate::sizes::{Sizes, gcd};
use crate::spec::{
    BlockSizes, Distribution, FileService, OrderSpec, Pattern, Region, SpecError, StreamSpec,
};

pub(super) fn invalid<T>(message: String) -> Result<T, SpecError> {
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
    if spec.thinktime_ns > 0 && spec.thinktime_blocks == 0 && spec.thinktime.io_ns == 0 {
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

/// The map of one file's blocks.
fn map_of(
    spec: &StreamSpec,
    sizes: &[Sizes; 3],
    aligns: [u32; 3],
    used: [bool; 3],
    (file, region): (usize, &Region),
) -> Map {
    let mut directions = (0..3).filter(|direction| used[*direction]);
    // A trim and the write after it are one visit.
    let lanes: Vec<usize> = if spec.trim_then_write {
        vec![2]
    } else {
        directions.by_ref().collect()
    };
    let plain = |direction: &usize| matches!(spec.distribution[*direction], Distribution::Random);
    let mapped = spec.random_map || spec.order.lfsr;
    if spec.pattern != Pattern::Random || !mapped || !lanes.iter().all(plain) {
        return Map::None;
    }
    let size = region.size;
    let first = lanes[0];
    let (block, align) = (sizes[first].smallest(), aligns[first]);
    if spec.order.lfsr {
        let count = |lane: &usize| places(size, sizes[*lane].smallest(), aligns[*lane]);
        let count = lanes.iter().map(count).min().unwrap_or(0);
        return Map::Lfsr(Lfsr::new(count, spec.seed, file as u64, 0));
    }
    let same = |direction: &usize| {
        sizes[*direction].smallest() == block
            && sizes[*direction].largest() == block
            && aligns[*direction] == align
    };
    if lanes.iter().all(same) && align >= block {
        let count = places(size, block, align);
        return Map::Equal(Permutation::new(count, spec.seed, file as u64, 0));
    }
    // Unaligned sizes take whole units of the smallest.
    let unit_of = |lane: usize| match sizes[lane].unit() {
        1 => sizes[lane].smallest(),
        unit => unit,
    };
    let unit = lanes.iter().fold(0, |unit, direction| {
        gcd(gcd(unit, unit_of(*direction)), aligns[*direction])
    });
    let unit = u64::from(unit);
    Map::Mixed {
        map: BlockMap::new(size / unit),
        unit,
    }
}

fn pickers(
    spec: &StreamSpec,
    regions: &[Region],
    sizes: &Sizes,
    align: u32,
    direction: usize,
) -> Result<Box<[Picker]>, SpecError> {
    let mut pickers = Vec::with_capacity(regions.len());
    for (file, region) in regions.iter().enumerate() {
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
    regions: &[Region],
    sizes: Sizes,
    align: u32,
    direction: usize,
    used: bool,
) -> Result<Lane, SpecError> {
    let share = spec.percentage_random[direction];
    let index = direction as u64;
    Ok(Lane {
        pickers: if used {
            pickers(spec, regions, &sizes, align, direction)?
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

/// Sizes by direction: of the operations that draw, or of those that do not.
fn sizes_of(spec: &StreamSpec, used: [bool; 3], random: bool) -> Result<[Sizes; 3], SpecError> {
    let mut sizes = Vec::with_capacity(3);
    let unused = BlockSizes::Fixed { bytes: 4096 };
    for (direction, used) in used.into_iter().enumerate() {
        // Directions that are not used may hold anything.
        let law = match used {
            true if spec.order.sizes_by_randomness => &spec.block_sizes[usize::from(random)],
            true => &spec.block_sizes[direction],
            false => &unused,
        };
        let unaligned = spec.order.unaligned_sizes;
        sizes.push(Sizes::with_alignment(law, unaligned, spec.seed, direction)?);
    }
    sizes
        .try_into()
        .or_else(|_| invalid("three directions have three sizes".into()))
}

/// What a file's operations reach at a time: its region, or a zone.
fn reach(spec: &StreamSpec) -> Vec<Region> {
    let range = spec.zones.map_or(u64::MAX, |zones| zones.range);
    let regions = spec.regions.iter();
    regions
        .map(|region| Region {
            size: region.size.min(range),
            ..*region
        })
        .collect()
}

fn file_choice(spec: &StreamSpec) -> Result<FileChoice, SpecError> {
    let count = spec.regions.len();
    let skewed = |law: Distribution| {
        let shares = count as u64 * SHARES;
        let picker = Picker::new(&law, shares, 1, spec.seed, 3, 0)?;
        Ok(FileLaw::Skewed(picker.side_by_side()))
    };
    let (law, in_a_row) = match spec.order.file_service {
        FileService::RoundRobin { ops_per_file } => (FileLaw::RoundRobin, ops_per_file),
        FileService::Sequential => (FileLaw::RoundRobin, u32::MAX),
        FileService::Random { ops_per_file } => (FileLaw::Random, ops_per_file),
        FileService::Zipf { theta, center } => (skewed(Distribution::Zipf { theta, center })?, 1),
        FileService::Pareto { h, center } => (skewed(Distribution::Pareto { h, center })?, 1),
        FileService::Normal { deviation, center } => {
            (skewed(Distribution::Normal { deviation, center })?, 1)
        }
    };
    Ok(FileChoice {
        law,
        in_a_row: in_a_row.max(1),
        file: count - 1,
        left: 0,
        rng: Rng::new(spec.seed, Use::File, 0),
        open: OpenSet::new(spec.order.open_files, count),
    })
}

/// `None` if the job asks for nothing of it.
fn features(spec: &StreamSpec, used: [bool; 3]) -> Result<Option<Box<Features>>, SpecError> {
    let order = &spec.order;
    let random = spec.pattern == Pattern::Random;
    let plain = OrderSpec::default();
    let limited = (1..spec.regions.len()).contains(&(order.open_files as usize));
    let files = spec.regions.len() > 1 && (limited || order.file_service != plain.file_service);
    let by_randomness = random && order.sizes_by_randomness;
    if !files && !by_randomness && !order.identical && spec.zones.is_none() {
        return Ok(None);
    }
    if let Some(zones) = &spec.zones
        && (zones.size == 0 || zones.range == 0)
    {
        return invalid(format!(
            "zones of {} bytes within {}: give sizes above 0",
            zones.size, zones.range
        ));
    }
    let sequential = if by_randomness {
        Some(Box::new(sizes_of(spec, used, false)?))
    } else {
        None
    };
    Ok(Some(Box::new(Features {
        identical: order.identical,
        starts: vec![[0; 3]; spec.regions.len()].into(),
        sequential,
        files: file_choice(spec)?,
        zones: spec.zones.map(|law| Zones {
            law,
            bytes: 0,
            regions: spec.regions.clone().into(),
        }),
    })))
}

fn layout(spec: &StreamSpec, used: [bool; 3]) -> Result<Layout, SpecError> {
    let random = spec.pattern == Pattern::Random;
    let sizes = sizes_of(spec, used, random)?;
    let mut aligns = spec.block_align;
    for direction in 0..3 {
        if aligns[direction] == 0 || !used[direction] {
            aligns[direction] = sizes[direction].smallest();
        }
    }
    if spec.random_map && !spec.order.unaligned_sizes {
        aligns = map_align(&sizes, aligns, used);
    }
    check_verify(spec, &sizes, aligns, used)?;
    let features = features(spec, used)?;
    if let Some(sequential) = features.as_ref().and_then(|all| all.sequential.as_ref()) {
        check_verify(spec, sequential, aligns, used)?;
    }
    let regions = reach(spec);
    let files: Vec<FileState> = regions
        .iter()
        .enumerate()
        .map(|(file, region)| {
            let map = map_of(spec, &sizes, aligns, used, (file, region));
            FileState::new(region.offset, region.size, map)
        })
        .collect();
    let [reads, writes, trims] = sizes;
    let total: u64 = spec.regions.iter().map(|region| region.size).sum();
    let skewed = features
        .as_ref()
        .is_some_and(|all| matches!(all.files.law, FileLaw::Skewed(_)));
    let mut layout = Layout {
        lanes: [
            lane(spec, &regions, reads, aligns[0], 0, used[0])?,
            lane(spec, &regions, writes, aligns[1], 1, used[1])?,
            lane(spec, &regions, trims, aligns[2], 2, used[2])?,
        ],
        single: files.len() == 1 && features.is_none(),
        files: files.into(),
        seed: spec.seed,
        random,
        step: if random { 0 } else { spec.sequential_step },
        per_draw: spec.ops_per_draw.max(1),
        continuing: 0,
        one_pass: !spec.time_based && spec.io_bytes <= total && spec.zones.is_none() && !skewed,
        next_file: 0,
        pass: 0,
        rounds: 0,
        features,
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
    let with_map = !matches!(layout.files[0].map, Map::None);
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
        range_every: spec.range_flush.map_or(0, |range| range.every),
        range_flush: RangeFlush::new(spec.range_flush, spec.regions.len()),
        writes: 0,
        pending_flush: None,
        end_fsync: spec.end_fsync && used[1],
        flushed_files: 0,
        counts_sent: spec.thinktime_ns > 0 && spec.thinktime.on_issue,
        think: ThinkTime::new(spec).map(Box::new),
        delayed_ns: 0,
        loop_barrier: spec.loop_barrier,
        generation: 0,
        verifies: spec.data.verify.is_some(),
        overlaps: (spec.data.verify.is_some() || spec.serialize_overlap)
            .then(|| Vec::with_capacity(super::OVERLAPS)),
        held: None,
        follow_up: FollowUp::new(spec, with_map).map(Box::new),
    };
    if bytes == 0 || operations == 0 {
        stream.end();
    }
    Ok(stream)
}
