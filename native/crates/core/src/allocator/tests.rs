//! Every allocator beside the naive model, compared after each step.

use proptest::prelude::*;

use super::model::Model;
use super::*;

const BLOCK: u64 = 4096;

#[derive(Clone, Debug)]
enum Step {
    Allocate {
        want: u64,
        unit: u64,
        max: u64,
        hint: u64,
    },
    All {
        want: u64,
        unit: u64,
    },
    /// Which live extent, and which part of it.
    Release {
        which: usize,
        part: u8,
    },
    /// Extents that are wholly or partly free or outside: to be refused.
    BadRelease {
        offset: u64,
        length: u64,
    },
    RemoveFree {
        offset: u64,
        length: u64,
    },
}

fn steps(blocks: u64) -> impl Strategy<Value = Vec<Step>> {
    let unit = prop_oneof![4 => Just(BLOCK), 2 => Just(4 * BLOCK), 1 => Just(16 * BLOCK)];
    let units = prop_oneof![6 => 1..4_u64, 3 => 4..40_u64, 1 => 40..blocks];
    let allocate = (unit.clone(), units.clone(), 0..3_u64, 0..3_u64, 0..blocks).prop_map(
        |(unit, units, max, hinted, hint)| Step::Allocate {
            want: units * unit,
            unit,
            max: [0, unit, 8 * BLOCK][max as usize],
            hint: if hinted == 0 { hint * BLOCK } else { 0 },
        },
    );
    let all = (unit, units).prop_map(|(unit, units)| Step::All {
        want: units * unit,
        unit,
    });
    let release = (any::<usize>(), 0..4_u8).prop_map(|(which, part)| Step::Release { which, part });
    let place = (0..blocks + 4, 0..60_u64);
    let bad = place.clone().prop_map(|(offset, length)| Step::BadRelease {
        offset: offset * BLOCK,
        length: length * BLOCK,
    });
    let remove = place.prop_map(|(offset, length)| Step::RemoveFree {
        offset: offset * BLOCK,
        length: length * BLOCK,
    });
    let step = prop_oneof![
        10 => allocate,
        3 => all,
        12 => release,
        1 => bad,
        1 => remove,
    ];
    prop::collection::vec(step, 1..120)
}

struct Pair {
    allocator: Box<dyn Allocator>,
    model: Model,
    live: Vec<Extent>,
}

impl Pair {
    fn new(name: &str, blocks: u64, options: &AllocatorOptions) -> Self {
        let capacity = blocks * BLOCK;
        let mut pair = Self {
            allocator: create(name, capacity, BLOCK, options).unwrap(),
            model: Model::new(capacity, BLOCK),
            live: Vec::new(),
        };
        // In three parts, the last first, with a gap that stays in use.
        let third = blocks / 3 * BLOCK;
        for (from, to) in [
            (2 * third, capacity),
            (0, third),
            (third + BLOCK, 2 * third),
        ] {
            let extent = Extent {
                offset: from,
                length: to - from,
            };
            pair.allocator.init_add_free(extent).unwrap();
            pair.model.set(extent, true);
        }
        pair
    }

    fn take(&mut self, taken: u64, unit: u64, max: u64, extents: &[Extent]) {
        assert_eq!(
            taken,
            extents.iter().map(|extent| extent.length).sum::<u64>()
        );
        for extent in extents {
            assert!(extent.length > 0);
            assert!(self.model.all(*extent, true), "{extent:?} was not free");
            assert_eq!(
                (extent.offset | extent.length) % unit,
                0,
                "{extent:?} not aligned"
            );
            assert!(
                max == 0 || extent.length <= max.max(unit),
                "{extent:?} too long"
            );
            self.model.set(*extent, false);
        }
        self.live.extend(extents);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Allocate {
                want,
                unit,
                max,
                hint,
            } => {
                let usable = self.model.usable(unit);
                let mut extents = Vec::new();
                match self.allocator.allocate(want, unit, max, hint, &mut extents) {
                    Ok(taken) => {
                        assert_eq!(taken, want.min(usable));
                        self.take(taken, unit, max, &extents);
                    }
                    Err(error) => {
                        assert!(matches!(error, AllocError::NoSpace { .. }), "{error}");
                        assert_eq!(usable, 0);
                    }
                }
            }
            Step::All { want, unit } => {
                let usable = self.model.usable(unit);
                let mut extents = Vec::new();
                let all = allocate_all(&mut *self.allocator, want, unit, 0, 0, &mut extents);
                assert_eq!(all.is_ok(), usable >= want);
                assert_eq!(extents.is_empty(), all.is_err());
                let taken = if all.is_ok() { want } else { 0 };
                self.take(taken, unit, 0, &extents);
            }
            Step::Release { which, part } => self.release(which, part),
            Step::BadRelease { offset, length } => {
                let extent = Extent { offset, length };
                let inside = length > 0 && extent.end() <= self.model.free.len() as u64 * BLOCK;
                if !inside || !self.model.all(extent, false) {
                    assert!(self.allocator.release(extent).is_err());
                }
            }
            Step::RemoveFree { offset, length } => {
                let extent = Extent { offset, length };
                let inside = length > 0 && extent.end() <= self.model.free.len() as u64 * BLOCK;
                let free = inside && self.model.all(extent, true);
                assert_eq!(self.allocator.init_remove_free(extent).is_ok(), free);
                if free {
                    self.model.set(extent, false);
                    self.live.push(extent);
                }
            }
        }
    }

    fn release(&mut self, which: usize, part: u8) {
        if self.live.is_empty() {
            return;
        }
        let extent = self.live.swap_remove(which % self.live.len());
        let half = extent.length / BLOCK / 2 * BLOCK;
        let (head, tail) = (
            Extent {
                offset: extent.offset,
                length: half,
            },
            Extent {
                offset: extent.offset + half,
                length: extent.length - half,
            },
        );
        let given = match part {
            0 if half > 0 => {
                self.live.push(tail);
                head
            }
            1 if half > 0 => {
                self.live.push(head);
                tail
            }
            _ => extent,
        };
        self.allocator.release(given).unwrap();
        self.model.set(given, true);
    }

    fn compare(&self) {
        self.allocator.check_invariants().unwrap();
        let mut extents = Vec::new();
        self.allocator
            .foreach_free(&mut |extent| extents.push(extent));
        let expected = self.model.extents();
        assert_eq!(extents, expected);
        assert_eq!(self.allocator.free_bytes(), self.model.free_bytes());
        assert_eq!(self.allocator.range_count(), expected.len() as u64);
        let largest = expected.iter().map(|extent| extent.length).max();
        assert_eq!(self.allocator.largest_free(), largest.unwrap_or(0));
    }
}

fn beside_the_model(name: &str, blocks: u64, options: &AllocatorOptions, steps: &[Step]) {
    let mut pair = Pair::new(name, blocks, options);
    pair.compare();
    for step in steps {
        pair.step(step);
        pair.compare();
    }
    for extent in std::mem::take(&mut pair.live) {
        pair.allocator.release(extent).unwrap();
        pair.model.set(extent, true);
    }
    pair.compare();
}

/// Small limits, so that every branch is near.
fn small() -> AllocatorOptions {
    AllocatorOptions {
        bluestore_avl_alloc_bf_threshold: 16 * BLOCK,
        bluestore_avl_alloc_ff_max_search_count: 5,
        bluestore_avl_alloc_ff_max_search_bytes: 200 * BLOCK,
        bluestore_hybrid_alloc_mem_cap: 48 * 6,
        ..AllocatorOptions::default()
    }
}

const BLOCKS: u64 = 900;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn stupid_beside_the_model(steps in steps(BLOCKS)) {
        beside_the_model("stupid", BLOCKS, &AllocatorOptions::default(), &steps);
    }

    #[test]
    fn bitmap_beside_the_model(steps in steps(3 * BLOCKS)) {
        beside_the_model("bitmap", 3 * BLOCKS, &AllocatorOptions::default(), &steps);
    }

    #[test]
    fn avl_beside_the_model(steps in steps(BLOCKS), few in any::<bool>()) {
        let options = if few { small() } else { AllocatorOptions::default() };
        beside_the_model("avl", BLOCKS, &options, &steps);
    }

    #[test]
    fn btree_beside_the_model(steps in steps(BLOCKS), few in any::<bool>()) {
        let options = if few { small() } else { AllocatorOptions::default() };
        beside_the_model("btree", BLOCKS, &options, &steps);
    }

    #[test]
    fn hybrid_beside_the_model(steps in steps(3 * BLOCKS), ranges in 1..12_u64) {
        let options = AllocatorOptions { bluestore_hybrid_alloc_mem_cap: 48 * ranges, ..small() };
        beside_the_model("hybrid", 3 * BLOCKS, &options, &steps);
    }
}

/// Scattered single blocks and their release: trees of many levels, and bitmap entries of each kind.
fn scattered(name: &str, blocks: u64, seed: u64) {
    let mut rng = crate::rng::Rng::new(seed, crate::rng::Use::Offset, 0);
    let capacity = blocks * BLOCK;
    let mut allocator = create(name, capacity, BLOCK, &AllocatorOptions::default()).unwrap();
    let mut order: Vec<u64> = (0..blocks).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, rng.below(at as u64 + 1) as usize);
    }
    let extent = |block: u64| Extent {
        offset: block * BLOCK,
        length: BLOCK,
    };
    for (done, block) in order.iter().enumerate() {
        allocator.release(extent(*block)).unwrap();
        if done % 4096 == 0 {
            allocator.check_invariants().unwrap();
        }
    }
    assert_eq!(
        (allocator.range_count(), allocator.free_bytes()),
        (1, capacity)
    );
    for (done, block) in order.iter().enumerate() {
        allocator.init_remove_free(extent(*block)).unwrap();
        if done % 4096 == 0 {
            allocator.check_invariants().unwrap();
        }
    }
    allocator.check_invariants().unwrap();
    assert_eq!((allocator.range_count(), allocator.free_bytes()), (0, 0));
}

#[test]
fn scattered_blocks_merge_and_part_again() {
    for name in NAMES {
        scattered(name, 30_000, 11);
    }
}

#[test]
fn refuses_what_is_no_request_and_no_device() {
    for name in NAMES {
        let mut allocator = create(name, 1 << 20, BLOCK, &AllocatorOptions::default()).unwrap();
        allocator
            .init_add_free(Extent {
                offset: 0,
                length: 1 << 20,
            })
            .unwrap();
        for (want, unit) in [(0, BLOCK), (BLOCK, 3), (BLOCK, 512), (BLOCK, 2 * BLOCK)] {
            let refused = allocator.allocate(want, unit, 0, 0, &mut Vec::new());
            assert!(
                matches!(refused, Err(AllocError::BadRequest { .. })),
                "{name}"
            );
        }
        for (offset, length) in [(1, BLOCK), (0, 1), (0, 2 << 20), (u64::MAX - 4095, 4096)] {
            let refused = allocator.release(Extent { offset, length });
            assert!(
                matches!(refused, Err(AllocError::BadExtent { .. })),
                "{name}"
            );
        }
        assert!(allocator.fragmentation_score().abs() < 1e-12);
        for (capacity, block) in [(0, BLOCK), (1 << 20, 3000), (BLOCK + 1, BLOCK)] {
            assert!(create(name, capacity, block, &AllocatorOptions::default()).is_err());
        }
    }
    let Err(error) = create("best", 1 << 20, BLOCK, &AllocatorOptions::default()) else {
        panic!("an unknown name was taken");
    };
    assert!(
        error
            .to_string()
            .contains("stupid, bitmap, avl, btree, hybrid")
    );
}

#[test]
fn the_bitmap_takes_a_little_more_than_a_bit_a_block() {
    let allocator = create("bitmap", 1 << 40, BLOCK, &AllocatorOptions::default()).unwrap();
    assert!(
        allocator.memory_bytes() < 33 << 20,
        "{}",
        allocator.memory_bytes()
    );
}

#[test]
fn users_of_a_handle_share_the_space() {
    let allocator = create("hybrid", 1 << 20, BLOCK, &AllocatorOptions::default()).unwrap();
    let handle = shared::register(shared::SharedAllocator::new(allocator));
    let store = shared::find(handle).unwrap();
    store
        .lock()
        .init_add_free(Extent {
            offset: 0,
            length: 1 << 20,
        })
        .unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let bluefs = shared::find(handle).unwrap();
            std::thread::spawn(move || {
                let mut extents = Vec::new();
                while bluefs
                    .lock()
                    .allocate(BLOCK, BLOCK, 0, 0, &mut extents)
                    .is_ok()
                {}
                extents
            })
        })
        .collect();
    let mut all: Vec<Extent> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    all.sort_unstable();
    let blocks: Vec<u64> = all
        .iter()
        .flat_map(|extent| (extent.offset..extent.end()).step_by(BLOCK as usize))
        .collect();
    assert_eq!(
        blocks,
        (0..256).map(|block| block * BLOCK).collect::<Vec<_>>()
    );
    assert_eq!(store.lock().free_bytes(), 0);
    shared::forget(handle);
    assert!(shared::find(handle).is_none());
}

#[test]
fn units_above_an_entry_of_the_bitmap_find_all_there_is() {
    let (unit, capacity) = (1024 * BLOCK, 16 * 1024 * BLOCK);
    for name in NAMES {
        let mut allocator = create(name, capacity, BLOCK, &AllocatorOptions::default()).unwrap();
        let all = Extent {
            offset: 0,
            length: capacity,
        };
        allocator.release(all).unwrap();
        let mut extents = Vec::new();
        // The next search begins in the middle of a unit.
        for _ in 0..3 {
            let taken = allocator.allocate(200 * BLOCK, BLOCK, 0, 0, &mut extents);
            assert_eq!(taken, Ok(200 * BLOCK), "{name}");
        }
        let mut units = Vec::new();
        let mut model = Model::new(capacity, BLOCK);
        allocator.foreach_free(&mut |extent| model.set(extent, true));
        let usable = model.usable(unit);
        let taken = allocator.allocate(capacity, unit, unit, 0, &mut units);
        assert_eq!(taken, Ok(usable), "{name}");
        assert!(units.iter().all(|extent| extent.offset % unit == 0));
    }
}
