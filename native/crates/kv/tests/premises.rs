//! Commits that stand on data of the same device, under RocksDB: one flush for both, and after a power
//! cut at any point, with any subset of the unflushed writes, a commit is there only with its data.
//! Every acknowledged one is there; what opening such a device writes may be cut off as well.
//!
//! 24 points; `OSDYNO_CAMPAIGN` makes it 600. A failure prints what repeats it.
#![cfg(rocksdb)]
#![allow(clippy::unwrap_used, reason = "part of a test")]

mod scene;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use osdyno_core::checksum::crc32c::crc32c;
use osdyno_core::rng::{Rng, Use};
use osdyno_kv::batch::{BatchBuilder, Operation};
use osdyno_kv::bluefs::fnode::Bdev;
use osdyno_kv::device::Device;
use osdyno_kv::device::memory::MemoryDevice;
use osdyno_kv::device::recorder::{Cutter, Event, Recording};
use osdyno_kv::error::KvError;
use osdyno_kv::rocks::store::{Store, StoreSpec};
use scene::{Place, spec, wait_for};

const DEVICE_BYTES: u64 = 12 << 20;
const COMMITS: u64 = 300;
/// Blocks that BlueFS gives to nobody.
const DATA: u64 = 20_480;
const BLOCK: usize = 4096;
const BLOCKS: u64 = 11;
/// The data of so many commits is in use at a time.
const IN_USE: u64 = 4;

/// The commits that stand on data; each has two of the blocks, which its predecessors do not use.
fn is_premised(seed: u64, number: u64) -> bool {
    Rng::new(seed, Use::Direction, number).below(3) > 0
}

fn places(number: u64) -> [u64; 2] {
    [2 * number, 2 * number + 1].map(|block| DATA + block % BLOCKS * BLOCK as u64)
}

fn data(number: u64, place: u64) -> Vec<u8> {
    let mut rng = Rng::new(number, Use::Data, place);
    (0..BLOCK).map(|_| rng.next_u64() as u8).collect()
}

fn premises(number: u64) -> Vec<u8> {
    let entries = places(number).map(|place| {
        let mut entry = place.to_le_bytes().to_vec();
        entry.extend((BLOCK as u32).to_le_bytes());
        entry.extend(crc32c(&data(number, place)).to_le_bytes());
        entry
    });
    entries.concat()
}

/// The batch of a commit; now and then one that is written in several pieces.
fn batch(seed: u64, number: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed, Use::Data, number);
    let mut batch = BatchBuilder::default();
    batch.push(b"S", Operation::Set(b"number", &number.to_le_bytes()));
    let most = if rng.below(10) == 0 { 60_000 } else { 2000 };
    let value = vec![number as u8; rng.below(most) as usize];
    let key = rng.below(30).to_be_bytes();
    batch.push(b"O", Operation::Set(&key, &value));
    batch.bytes
}

/// Writes the data of a commit, and commits when that has ended.
fn commit(store: &Store, device: &dyn Device, seed: u64, number: u64, named: bool) -> u64 {
    let mut entries = Vec::new();
    if is_premised(seed, number) {
        for place in places(number) {
            device.write_at(place, &data(number, place)).unwrap();
        }
        entries = premises(number);
    }
    let bytes = batch(seed, number);
    if named {
        store.committer.submit_premised(bytes, entries).unwrap()
    } else {
        store.committer.submit(bytes)
    }
}

fn place_of(device: &Arc<dyn Device>) -> Place {
    let mut place = Place::new(&[]);
    place.devices[Bdev::Db.index()] = Some(device.clone());
    place
}

/// `named`: the commits name what they stand on.
fn record(seed: u64, named: bool) -> Vec<Event> {
    let recording = Recording::new();
    let device: Arc<dyn Device> = Arc::new(recording.device(0, DEVICE_BYTES));
    let place = place_of(&device);
    let mut store = Store::open(&spec(&place, true)).unwrap();
    let mut base = 0;
    recording.mark(0);
    for number in 1..=COMMITS {
        let submitted = commit(&store, &*device, seed, number, named);
        wait_for(&store, submitted);
        assert_eq!(store.committer.take_failures(), []);
        assert_eq!(submitted, number - base);
        recording.mark(number);
        if number == COMMITS / 2 {
            store.close().unwrap();
            store = Store::open(&spec(&place, false)).unwrap();
            base = number;
        }
    }
    recording.events()
}

/// The number of the last commit that is there; the data of the last ones MUST be.
fn last_commit(seed: u64, spec: &StoreSpec, device: &dyn Device) -> Result<(u64, Store), String> {
    let store = Store::open(spec).map_err(|error| error.to_string())?;
    let number = store.db.get(b"S", b"number");
    let number = number.map_err(|error| error.to_string())?;
    let number = number.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    for commit in (number + 1).saturating_sub(IN_USE).max(1)..=number {
        if !is_premised(seed, commit) {
            continue;
        }
        for place in places(commit) {
            let mut bytes = vec![0; BLOCK];
            device.read_at(place, &mut bytes).unwrap();
            if bytes != data(commit, place) {
                return Err(format!(
                    "commit {commit} of {number} is there, its data is not"
                ));
            }
        }
    }
    Ok((number, store))
}

fn groundless(store: &Store) -> u64 {
    let counters = &store.fs().counters;
    counters.groundless_records.load(Ordering::Relaxed)
}

/// Opens an image for reading, then for writing, cuts what that writes, and opens once more: always
/// the same commit is the last. Returns whether one was cut off.
fn verdict(image: &[u8], seed: u64, acknowledged: u64, rng: &mut Rng) -> Result<bool, String> {
    let size = image.len() as u64;
    let reading: Arc<dyn Device> = Arc::new(MemoryDevice::from_image(image.to_vec()));
    let mut read_only = spec(&place_of(&reading), false);
    read_only.database.read_only = true;
    let (number, store) = last_commit(seed, &read_only, &*reading)?;
    let cut_off = groundless(&store) > 0;
    drop(store);
    if number < acknowledged {
        return Err(format!(
            "commit {acknowledged} was acknowledged, {number} is the last"
        ));
    }
    let recording = Recording::new();
    let device: Arc<dyn Device> = Arc::new(recording.device(0, size));
    device.write_at(0, image).unwrap();
    device.flush().unwrap();
    let first = recording.events().len();
    let writing = spec(&place_of(&device), false);
    let (again, store) = last_commit(seed, &writing, &*device)?;
    drop(store);
    let events = recording.events();
    let point = first + rng.below((events.len() - first) as u64 + 1) as usize;
    let mut cutter = Cutter::new(&events, &[size]);
    cutter.advance(point);
    let mut image = cutter.images(rng, 512).remove(0);
    // What a commit that is not there stood on may come to hold by chance.
    for place in places(number + 1) {
        let at = place as usize;
        image[at..at + BLOCK].copy_from_slice(&data(number + 1, place));
    }
    let third: Arc<dyn Device> = Arc::new(MemoryDevice::from_image(image));
    let (last, store) = last_commit(seed, &spec(&place_of(&third), false), &*third)?;
    // Before it wrote that there is no such record, the chance may still bring it back.
    let known = if cut_off && point < first + 3 {
        number..=number + 1
    } else {
        number..=number
    };
    if again != number || !known.contains(&last) {
        return Err(format!(
            "{number} was the last, then {again}, then {last} (cut at {point} of {first}..{})",
            events.len()
        ));
    }
    let submitted = commit(&store, &*third, seed, last + 1, true);
    wait_for(&store, submitted);
    match store.committer.take_failures().pop() {
        Some((_, errno)) => Err(format!("the next commit fails with errno {errno}")),
        None => Ok(cut_off),
    }
}

/// Where a history is cut.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    /// Before this event.
    At(usize),
    /// Before this event, the end of a commit, when all of it is there but a sector of its data.
    WithoutData(usize),
}

impl Point {
    fn event(self) -> usize {
        match self {
            Self::At(event) | Self::WithoutData(event) => event,
        }
    }
}

/// A third of them anywhere, a third before the flush of a commit, where its data and its record may be
/// torn, and a third where the data certainly is.
fn points_of(events: &[Event], rng: &mut Rng, points: u64) -> Vec<Point> {
    let is_end = |event: &Event| matches!(event, Event::Mark(_));
    let first = events.iter().position(is_end).unwrap();
    let ends: Vec<usize> = (first + 1..events.len())
        .filter(|&index| is_end(&events[index]))
        .collect();
    // One that begins a log is told of elsewhere once its flush has ended.
    let flushed_once: Vec<usize> = ends
        .windows(2)
        .filter(|ends| {
            let since = events[ends[0]..ends[1]].iter();
            let flushes = since.filter(|event| matches!(event, Event::Flush { .. }));
            flushes.count() == 1
        })
        .map(|ends| ends[1])
        .collect();
    let mut at: Vec<Point> = (0..points)
        .map(|point| {
            let ends = if point % 3 == 2 { &flushed_once } else { &ends };
            let end = ends[rng.below(ends.len() as u64) as usize];
            match point % 3 {
                0 => Point::At(first + 1 + rng.below((events.len() - first) as u64) as usize),
                1 => Point::At(end - 1),
                _ => Point::WithoutData(end),
            }
        })
        .collect();
    at.sort_unstable_by_key(|point| point.event());
    at
}

/// The first of the cuts after which something is wrong, or how many cut a commit off.
fn cut(events: &[Event], points: &[Point], seed: u64, rng: &mut Rng) -> Result<u64, String> {
    let mut cutter = Cutter::new(events, &[DEVICE_BYTES]);
    let (mut acknowledged, mut marked, mut cut_off) = (0, 0, 0);
    for &point in points {
        let event = point.event();
        cutter.advance(event);
        for event in &events[marked..event] {
            if let Event::Mark(number) = event {
                acknowledged = *number;
            }
        }
        marked = event;
        let sector = if rng.below(2) == 0 { 512 } else { 4096 };
        let mut image = cutter.images(rng, sector).remove(0);
        let torn = matches!(point, Point::WithoutData(_)) && is_premised(seed, acknowledged + 1);
        if torn {
            let place = places(acknowledged + 1)[rng.below(2) as usize];
            let at = place as usize + 512 * rng.below(8) as usize;
            image[at..at + 512].fill(0);
        }
        let total = events.len();
        let here = || format!("seed {seed}, cut at event {event} of {total}, torn at {sector}");
        match verdict(&image, seed, acknowledged, rng) {
            Ok(false) if torn => return Err(format!("{}: nothing was cut off", here())),
            Ok(gone) => cut_off += u64::from(gone),
            Err(wrong) => return Err(format!("{}: {wrong}", here())),
        }
    }
    Ok(cut_off)
}

#[test]
fn a_commit_survives_a_power_cut_with_its_data_only() {
    let campaign = std::env::var_os("OSDYNO_CAMPAIGN").is_some();
    let (seeds, points) = if campaign { (6, 100) } else { (2, 12) };
    let mut cut_off = 0;
    for seed in 0..seeds {
        let events = record(seed, true);
        let mut rng = Rng::new(seed, Use::Fault, points);
        let points = points_of(&events, &mut rng, points);
        cut_off += cut(&events, &points, seed, &mut rng).unwrap();
    }
    eprintln!("covered: {cut_off} records cut off");
    assert!(cut_off > 0, "no record was without its data");
}

#[test]
fn data_that_nobody_names_is_missed() {
    let events = record(5, false);
    let mut rng = Rng::new(5, Use::Fault, 0);
    let mut points = points_of(&events, &mut rng, 300);
    points.retain(|point| matches!(point, Point::At(_)));
    let found = cut(&events, &points, 5, &mut rng).unwrap_err();
    assert!(found.contains("its data is not"), "{found}");
}

#[test]
fn data_and_record_become_durable_with_one_flush() {
    let recording = Recording::new();
    let device: Arc<dyn Device> = Arc::new(recording.device(0, DEVICE_BYTES));
    let store = Store::open(&spec(&place_of(&device), true)).unwrap();
    // The first makes the log's file durable too.
    wait_for(&store, store.committer.submit(batch(0, 1)));
    for number in 2..6 {
        let before = recording.events().len();
        for place in places(number) {
            device.write_at(place, &data(number, place)).unwrap();
        }
        // An empty one as well.
        let bytes = if number == 5 {
            Vec::new()
        } else {
            batch(0, number)
        };
        let submitted = store.committer.submit_premised(bytes, premises(number));
        wait_for(&store, submitted.unwrap());
        assert_eq!(store.committer.take_failures(), []);
        let events = recording.events();
        let flushes = events[before..]
            .iter()
            .filter(|event| matches!(event, Event::Flush { .. }));
        assert_eq!(flushes.count(), 1);
        assert!(matches!(events.last(), Some(Event::Flush { .. })));
    }
}

#[test]
fn premises_that_make_no_sense_are_refused() {
    let alone = Place::new(&[(Bdev::Db, DEVICE_BYTES)]);
    let store = Store::open(&spec(&alone, true)).unwrap();
    let error = store.committer.submit_premised(batch(0, 1), vec![0; 15]);
    assert!(matches!(error, Err(KvError::Invalid(_))));
    let number = store.committer.submit_premised(batch(0, 1), Vec::new());
    assert_eq!(number.unwrap(), 1);
    for other in [Bdev::Wal, Bdev::Slow] {
        let place = Place::new(&[(Bdev::Db, DEVICE_BYTES), (other, DEVICE_BYTES)]);
        let store = Store::open(&spec(&place, true)).unwrap();
        let error = store.committer.submit_premised(batch(0, 1), premises(1));
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("on the device of the data")
        );
    }
}
