//! Power cuts under RocksDB on BlueFS: a history of commits is recorded, every write and flush of
//! every device in order; at chosen points an image is built in which any subset of the unflushed
//! writes survived, torn at 512 bytes or 4 KiB; then the store is opened. Every acknowledged commit
//! must be there whole, and none half: the contents must be those after some number of commits, at
//! least as many as were acknowledged.
//!
//! 100 points; `OSDYNO_CAMPAIGN` makes it 1,000. A failure prints what repeats it.
#![cfg(rocksdb)]
#![allow(clippy::unwrap_used, reason = "part of a test")]

mod scene;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use osdyno_core::rng::{Rng, Use};
use osdyno_kv::batch::{BatchBuilder, Operation};
use osdyno_kv::bluefs::fnode::Bdev;
use osdyno_kv::device::Device;
use osdyno_kv::device::memory::MemoryDevice;
use osdyno_kv::device::recorder::{Cutter, Event, Recording};
use osdyno_kv::rocks::store::Store;
use scene::{Model, Place, contents, spec, wait_for};

const COMMITS: u64 = 500;
const PREFIXES: [&[u8]; 7] = [b"S", b"O", b"p", b"P", b"L", b"T", b"b"];

/// Devices of one layout: the recording's indexes follow this order.
type Layout = &'static [(Bdev, u64)];
const ALONE: Layout = &[(Bdev::Db, 12 << 20)];
/// The first two are so small that logs and tables spill over.
const THREE: Layout = &[
    (Bdev::Wal, 512 << 10),
    (Bdev::Db, 1536 << 10),
    (Bdev::Slow, 16 << 20),
];

/// The batch of a commit, the same each time it is asked for.
fn batch(seed: u64, number: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed, Use::Data, number);
    let mut batch = BatchBuilder::default();
    batch.push(b"S", Operation::Set(b"number", &number.to_le_bytes()));
    for _ in 0..=rng.below(4) {
        let key = rng.below(200).to_be_bytes();
        let value = vec![rng.next_u64() as u8; rng.below(3000) as usize];
        let prefix: &[u8] = if rng.below(2) == 0 { b"O" } else { b"p" };
        if rng.below(8) == 0 {
            batch.push(prefix, Operation::Remove(&key));
        } else {
            batch.push(prefix, Operation::Set(&key, &value));
        }
    }
    batch.push(
        b"L",
        Operation::Set(&number.to_be_bytes(), &[number as u8; 400]),
    );
    if number > 5 {
        batch.push(b"L", Operation::Remove(&(number - 5).to_be_bytes()));
    }
    if rng.below(20) == 0 {
        let from = rng.below(200);
        let to = (from + 20).to_be_bytes();
        batch.push(b"O", Operation::RemoveRange(&from.to_be_bytes(), Some(&to)));
    }
    batch.push(
        b"P",
        Operation::Set(&rng.below(10).to_be_bytes(), &number.to_be_bytes()),
    );
    batch.push(b"T", Operation::Merge(b"sum", &number.to_le_bytes()));
    batch.push(
        b"b",
        Operation::Merge(&rng.below(8).to_be_bytes(), &[1 << rng.below(8); 16]),
    );
    batch.bytes
}

/// What a history met.
#[derive(Debug, Default, Clone, Copy)]
struct Coverage {
    log_compactions: u64,
    wal_recycled_bytes: u64,
    rotations: u64,
    spilled_bytes: u64,
    flushes: u64,
    compactions: u64,
}

/// Runs a history of commits, some of them together, and a reopening in the middle.
fn record(layout: Layout, seed: u64, omit: Option<u64>) -> (Vec<Event>, Coverage) {
    let recording = Recording::new();
    let mut place = Place::new(&[]);
    for (index, (bdev, size)) in layout.iter().enumerate() {
        let device = recording.device(index, *size);
        let device: Arc<dyn Device> = match omit {
            Some(every) => Arc::new(device.omitting_flushes(every)),
            None => Arc::new(device),
        };
        place.devices[bdev.index()] = Some(device);
    }
    let mut rng = Rng::new(seed, Use::Arrival, 0);
    let mut store = Store::open(&spec(&place, true)).unwrap();
    let mut coverage = Coverage::default();
    let mut submitted = 0;
    let mut base = 0;
    recording.mark(0);
    while submitted < COMMITS {
        for _ in 0..=rng.below(4) {
            submitted += 1;
            store.committer.submit(batch(seed, submitted));
        }
        wait_for(&store, submitted - base);
        assert_eq!(
            store.committer.take_failures(),
            [],
            "{:?}",
            store.db.log_lines()
        );
        recording.mark(submitted);
        if base == 0 && submitted > COMMITS / 2 {
            add_coverage(&mut coverage, &store);
            store.close().unwrap();
            store = Store::open(&spec(&place, false)).unwrap();
            base = submitted;
        }
    }
    add_coverage(&mut coverage, &store);
    (recording.events(), coverage)
}

fn add_coverage(coverage: &mut Coverage, store: &Store) {
    let fs = &store.fs().counters;
    let db = store.db.counters();
    coverage.log_compactions += fs.log_compactions.load(Ordering::Relaxed);
    coverage.wal_recycled_bytes += fs.wal_recycled_bytes.load(Ordering::Relaxed);
    coverage.spilled_bytes += fs.spilled_bytes.load(Ordering::Relaxed);
    coverage.flushes += db.flushes;
    coverage.compactions += db.compactions;
    // Numbers of files only go up: the newest log's tells of the rotations.
    let newest = store.fs().list("db.wal").unwrap().pop();
    let number = newest.and_then(|name| name.trim_end_matches(".log").parse::<u64>().ok());
    coverage.rotations = coverage.rotations.max(number.unwrap_or(0));
}

/// Opens images and says what is wrong with what they hold.
fn verdict(
    layout: Layout,
    images: Vec<Vec<u8>>,
    seed: u64,
    acknowledged: u64,
) -> Result<(), String> {
    let mut place = Place::new(&[]);
    for ((bdev, _), image) in layout.iter().zip(images) {
        place.devices[bdev.index()] = Some(Arc::new(MemoryDevice::from_image(image)));
    }
    let store = Store::open(&spec(&place, false)).map_err(|error| error.to_string())?;
    let number = store
        .db
        .get(b"S", b"number")
        .map_err(|error| error.to_string())?;
    let number = number.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    if number < acknowledged {
        return Err(format!(
            "commit {acknowledged} was acknowledged, {number} is the last there"
        ));
    }
    let mut model = Model::default();
    for commit in 1..=number {
        model.apply(&batch(seed, commit));
    }
    for prefix in PREFIXES {
        let expected = model.prefixes.remove(prefix).unwrap_or_default();
        if contents(&store, prefix) != expected {
            let prefix = String::from_utf8_lossy(prefix);
            return Err(format!("prefix {prefix} is not as after commit {number}"));
        }
    }
    // It can go on.
    let next = store.committer.submit(batch(seed, number + 1));
    wait_for(&store, next);
    match store.committer.take_failures().pop() {
        Some((_, errno)) => Err(format!("the next commit fails with errno {errno}")),
        None => Ok(()),
    }
}

/// The first of `points` cuts after which something is wrong.
fn cut(layout: Layout, events: &[Event], seed: u64, points: u64) -> Option<String> {
    let sizes: Vec<u64> = layout.iter().map(|(_, size)| *size).collect();
    let first = events
        .iter()
        .position(|event| matches!(event, Event::Mark(0)))?;
    let span = (events.len() - first) as u64;
    let mut rng = Rng::new(seed, Use::Fault, points);
    // Half of the cuts come right after an acknowledgement, where a missing flush shows.
    let acknowledgements: Vec<usize> = (first..events.len())
        .filter(|&index| matches!(events[index], Event::Mark(_)))
        .collect();
    let mut at: Vec<usize> = (0..points)
        .map(|point| {
            if point % 2 == 0 {
                first + 1 + rng.below(span) as usize
            } else {
                acknowledgements[rng.below(acknowledgements.len() as u64) as usize] + 1
            }
        })
        .collect();
    at.sort_unstable();
    let mut cutter = Cutter::new(events, &sizes);
    let (mut acknowledged, mut marked) = (0, 0);
    for point in at {
        cutter.advance(point);
        for event in &events[marked..point] {
            if let Event::Mark(number) = event {
                acknowledged = *number;
            }
        }
        marked = point;
        let sector = if rng.below(2) == 0 { 512 } else { 4096 };
        let images = cutter.images(&mut rng, sector);
        if let Err(wrong) = verdict(layout, images, seed, acknowledged) {
            let total = events.len();
            let open = cutter.unflushed();
            return Some(format!(
                "seed {seed}, cut at event {point} of {total} with {open} unflushed writes, torn at \
                 {sector}: {wrong}"
            ));
        }
    }
    None
}

fn points() -> u64 {
    if std::env::var_os("OSDYNO_CAMPAIGN").is_some() {
        1000
    } else {
        100
    }
}

#[test]
fn acknowledged_commits_survive_power_cuts_whole() {
    let mut total = BTreeMap::new();
    let histories = (points() / 50).max(2);
    for history in 0..histories {
        let layout = if history % 2 == 0 { ALONE } else { THREE };
        let (events, coverage) = record(layout, history, None);
        assert_eq!(cut(layout, &events, history, points() / histories), None);
        for (name, count) in [
            ("log compactions", coverage.log_compactions),
            (
                "bytes of recycled write-ahead logs",
                coverage.wal_recycled_bytes,
            ),
            ("rotations of the write-ahead log", coverage.rotations),
            ("bytes spilled over", coverage.spilled_bytes),
            ("memtables flushed", coverage.flushes),
            ("compactions", coverage.compactions),
        ] {
            *total.entry(name).or_insert(0) += count;
        }
    }
    for (name, count) in total {
        eprintln!("covered: {count} {name}");
        assert!(count > 0, "the histories met no {name}");
    }
}

#[test]
fn a_missing_flush_is_found() {
    let (events, _) = record(ALONE, 7, Some(6));
    let found = cut(ALONE, &events, 7, 300);
    assert!(
        found.is_some(),
        "300 cuts did not show that every sixth flush is missing"
    );
}
