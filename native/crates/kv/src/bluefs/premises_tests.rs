//! Records of write-ahead logs that stand on data: there when that is, and not there else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use osdyno_core::checksum::crc32c::crc32c;

use super::fnode::Bdev;
use super::premises::stand_on;
use super::tests::{MIB, made, read_all, slots, small};
use super::writer::FileWriter;
use super::*;
use crate::aligned::BLOCK_BYTES;
use crate::device::Device;
use crate::device::memory::MemoryDevice;

const DEVICE_BYTES: u64 = 8 * MIB;
/// Blocks that BlueFS gives to nobody, from `DATA` on.
const DATA: u64 = 20_480;

struct Scene {
    device: Arc<MemoryDevice>,
    fs: Arc<BlueFs>,
}

fn place(number: u64) -> u64 {
    DATA + number * BLOCK_BYTES as u64
}

fn data(number: u64) -> Vec<u8> {
    vec![number as u8 + 100; BLOCK_BYTES]
}

/// That the data of these numbers is in its places.
fn premises(numbers: &[u64]) -> Vec<u8> {
    let entries = numbers.iter().map(|&number| {
        let mut entry = place(number).to_le_bytes().to_vec();
        entry.extend((BLOCK_BYTES as u32).to_le_bytes());
        entry.extend(crc32c(&data(number)).to_le_bytes());
        entry
    });
    entries.flatten().collect()
}

impl Scene {
    fn new() -> Self {
        let device = Arc::new(MemoryDevice::new(DEVICE_BYTES));
        let fs = made(&[(Bdev::Db, device.clone())], small());
        fs.mkdir("db.wal").unwrap();
        Self { device, fs }
    }

    fn log(&self, number: u64) -> FileWriter {
        self.fs.create(&format!("db.wal/{number:06}.log")).unwrap()
    }

    /// Writes data and appends a record that stands on it.
    fn append(&self, log: &mut FileWriter, bytes: &[u8], numbers: &[u64]) {
        for &number in numbers {
            self.device.write_at(place(number), &data(number)).unwrap();
        }
        stand_on(&premises(numbers), || log.append(bytes)).unwrap();
        stand_on(&premises(numbers), || log.flush()).unwrap();
    }

    fn commit(&self, log: &mut FileWriter, bytes: &[u8], numbers: &[u64]) {
        self.append(log, bytes, numbers);
        log.sync().unwrap();
    }

    /// What a crash leaves when some data is not there.
    fn without(&self, numbers: &[u64]) -> Vec<u8> {
        let mut image = self.device.image();
        for &number in numbers {
            image[place(number) as usize + 777] ^= 1;
        }
        image
    }
}

fn forget(logs: Vec<FileWriter>) {
    logs.into_iter().for_each(std::mem::forget);
}

struct Left {
    image: Vec<u8>,
    content: Vec<u8>,
    groundless: u64,
}

fn mount(image: &[u8], read_only: bool, path: &str) -> Left {
    let device = Arc::new(MemoryDevice::from_image(image.to_vec()));
    let slots = if read_only {
        [None, Some(Slot::shared(device.clone(), None)), None]
    } else {
        slots(&[(Bdev::Db, device.clone())])
    };
    let fs = BlueFs::mount(slots, small(), read_only).unwrap();
    let content = read_all(&fs, path);
    let size = fs.stat(path).unwrap();
    assert!(
        matches!(size, directory::Stat::File { size, .. } if size == content.len() as u64),
        "{size:?}"
    );
    Left {
        image: device.image(),
        content,
        groundless: fs.counters.groundless_records.load(Ordering::Relaxed),
    }
}

/// What is in a log, by both kinds of mounts.
fn left(image: &[u8], path: &str) -> (Vec<u8>, u64) {
    let read = mount(image, true, path);
    assert!(read.image == image, "a read-only mount changes nothing");
    let written = mount(image, false, path);
    assert_eq!(read.content, written.content);
    assert_eq!(read.groundless, written.groundless);
    (read.content, read.groundless)
}

const FIRST: &str = "db.wal/000001.log";

#[test]
fn a_record_is_there_with_its_data_only() {
    let scene = Scene::new();
    let mut log = scene.log(1);
    scene.commit(&mut log, b"one ", &[]);
    scene.commit(&mut log, b"two ", &[0, 1]);
    scene.commit(&mut log, b"three", &[2, 3, 4]);
    forget(vec![log]);
    assert_eq!(
        left(&scene.without(&[]), FIRST),
        (b"one two three".into(), 0)
    );
    for missing in 2..5 {
        let image = scene.without(&[missing]);
        assert_eq!(left(&image, FIRST), (b"one two ".into(), 1));
    }
    // What earlier ones stood on may have been used again since.
    let image = scene.without(&[0, 1]);
    assert_eq!(left(&image, FIRST), (b"one two three".into(), 0));
}

#[test]
fn a_later_record_without_premises_ends_the_doubt() {
    let scene = Scene::new();
    let mut log = scene.log(1);
    scene.commit(&mut log, b"one ", &[0]);
    scene.commit(&mut log, b"two", &[]);
    forget(vec![log]);
    assert_eq!(left(&scene.without(&[0]), FIRST), (b"one two".into(), 0));
}

#[test]
fn a_record_that_a_mount_for_writing_cut_off_never_comes_back() {
    let scene = Scene::new();
    let mut log = scene.log(1);
    // The header of the last lies across blocks.
    scene.commit(&mut log, &vec![7; BLOCK_BYTES - 30], &[]);
    scene.commit(&mut log, b"two", &[0]);
    forget(vec![log]);
    let image = scene.without(&[0]);
    let mut after = mount(&image, false, FIRST).image;
    after[place(0) as usize + 777] ^= 1;
    let kept = vec![7; BLOCK_BYTES - 30];
    assert_eq!(left(&after, FIRST), (kept, 0));
}

#[test]
fn a_record_that_a_mount_for_writing_found_is_not_asked_again() {
    let scene = Scene::new();
    let mut log = scene.log(1);
    scene.commit(&mut log, b"one ", &[]);
    scene.commit(&mut log, b"two", &[0]);
    forget(vec![log]);
    let device: Arc<dyn Device> = Arc::new(MemoryDevice::from_image(scene.without(&[])));
    let fs = BlueFs::mount(slots(&[(Bdev::Db, device.clone())]), small(), false).unwrap();
    fs.sync().unwrap();
    device.write_at(place(0), &[0; BLOCK_BYTES]).unwrap();
    let fs = BlueFs::mount(slots(&[(Bdev::Db, device)]), small(), false).unwrap();
    assert_eq!(read_all(&fs, FIRST), b"one two");
}

#[test]
fn what_is_before_a_record_that_was_cut_off_is_not_asked_again() {
    let scene = Scene::new();
    let mut log = scene.log(1);
    scene.commit(&mut log, b"one ", &[0]);
    scene.commit(&mut log, b"two", &[1]);
    forget(vec![log]);
    let device: Arc<dyn Device> = Arc::new(MemoryDevice::from_image(scene.without(&[1])));
    let fs = BlueFs::mount(slots(&[(Bdev::Db, device.clone())]), small(), false).unwrap();
    fs.sync().unwrap();
    device.write_at(place(0), &[0; BLOCK_BYTES]).unwrap();
    let fs = BlueFs::mount(slots(&[(Bdev::Db, device)]), small(), false).unwrap();
    assert_eq!(read_all(&fs, FIRST), b"one ");
}

#[test]
fn a_log_that_was_closed_is_not_asked() {
    let scene = Scene::new();
    let mut log = scene.log(1);
    scene.commit(&mut log, b"one", &[0]);
    log.close().unwrap();
    scene.fs.unmount().unwrap();
    assert_eq!(left(&scene.without(&[0]), FIRST), (b"one".into(), 0));
}

#[test]
fn of_several_logs_only_the_newest_with_a_record_is_asked() {
    let scene = Scene::new();
    let mut first = scene.log(9);
    scene.commit(&mut first, b"nine", &[]);
    scene.append(&mut first, b"lost", &[0]);
    // By number, not by name.
    let mut second = scene.log(1_000_000);
    second.preallocate(100_000).unwrap();
    scene.fs.sync().unwrap();
    let nine = "db.wal/000009.log";
    let image = scene.without(&[0]);
    assert_eq!(left(&image, nine), (b"nine".into(), 1));
    scene.commit(&mut second, b"more", &[]);
    let image = scene.without(&[0]);
    assert_eq!(left(&image, nine), (b"ninelost".into(), 0));
    scene.commit(&mut second, b"gone", &[1]);
    let image = scene.without(&[0, 1]);
    assert_eq!(left(&image, nine), (b"ninelost".into(), 1));
    assert_eq!(left(&image, "db.wal/1000000.log"), (b"more".into(), 1));
    forget(vec![first, second]);
}

/// A log that follows is begun when the last record of the one before is durable, and says so.
#[test]
fn an_empty_log_that_follows_ends_the_doubt() {
    let scene = Scene::new();
    let mut first = scene.log(1);
    scene.commit(&mut first, b"one", &[0]);
    let second = scene.log(2);
    scene.fs.sync().unwrap();
    forget(vec![first, second]);
    assert_eq!(left(&scene.without(&[0]), FIRST), (b"one".into(), 0));
}

#[test]
fn a_record_in_several_envelopes_goes_whole() {
    let scene = Scene::new();
    let mut log = scene.log(1);
    scene.commit(&mut log, b"one", &[0]);
    let start = log.size();
    // Three are written on the way, since they are long; the sync writes the rest.
    stand_on(&premises(&[1]), || {
        for part in 0..4_u8 {
            let length = if part < 3 { 20_000 } else { 5 };
            log.append(&vec![part; length]).unwrap();
        }
        log.sync().unwrap();
    });
    scene.device.write_at(place(1), &data(1)).unwrap();
    let size = log.size();
    forget(vec![log]);
    let (content, groundless) = left(&scene.without(&[0]), FIRST);
    assert_eq!((content.len() as u64, groundless), (size, 0));
    let image = scene.without(&[1]);
    let (content, groundless) = left(&image, FIRST);
    assert_eq!((content.len() as u64, groundless), (start, 1));
    let after = mount(&image, false, FIRST).image;
    assert_eq!(left(&after, FIRST), (b"one".into(), 0));
}

#[test]
fn damage_before_the_last_record_is_told_as_such() {
    let scene = Scene::new();
    let mut log = scene.log(1);
    for record in [&[1_u8; 700], &[2; 700], &[3; 700]] {
        scene.commit(&mut log, record, &[0]);
    }
    forget(vec![log]);
    let mut image = scene.without(&[0]);
    let at = image.windows(700).position(|bytes| bytes == [2; 700]);
    image[at.unwrap()] ^= 1;
    for read_only in [true, false] {
        let device = Arc::new(MemoryDevice::from_image(image.clone()));
        let fs = BlueFs::mount(slots(&[(Bdev::Db, device.clone())]), small(), read_only).unwrap();
        let error = fs.open(FIRST).err().unwrap().to_string();
        assert!(error.contains("write-ahead log"), "{error}");
    }
}

#[test]
fn premises_outside_the_device_do_not_hold() {
    for offset in [DEVICE_BYTES - 1, u64::MAX - 1] {
        let scene = Scene::new();
        let mut log = scene.log(1);
        scene.commit(&mut log, b"one ", &[]);
        let mut entry = premises(&[0]);
        entry[..8].copy_from_slice(&offset.to_le_bytes());
        stand_on(&entry, || {
            log.append(b"two").unwrap();
            log.sync().unwrap();
        });
        forget(vec![log]);
        assert_eq!(left(&scene.without(&[]), FIRST), (b"one ".into(), 1));
    }
}

#[test]
fn only_write_ahead_logs_stand_on_premises_and_only_meanwhile() {
    let scene = Scene::new();
    scene.fs.mkdir("db").unwrap();
    let mut other = scene.fs.create("db/000001.log").unwrap();
    let mut log = scene.log(1);
    stand_on(&premises(&[0]), || {
        other.append(b"other").unwrap();
        other.sync().unwrap();
    });
    log.append(b"one").unwrap();
    log.sync().unwrap();
    forget(vec![other, log]);
    let image = scene.without(&[0]);
    assert_eq!(left(&image, "db/000001.log"), (b"other".into(), 0));
    assert_eq!(left(&image, FIRST), (b"one".into(), 0));
}

/// A device whose data cannot be read.
struct Unreadable(MemoryDevice);

impl Device for Unreadable {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        if (DATA..RESERVED_BYTES).contains(&offset) {
            return Err(std::io::Error::from_raw_os_error(libc::EIO));
        }
        self.0.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn flush(&self) -> std::io::Result<()> {
        self.0.flush()
    }

    fn size(&self) -> u64 {
        self.0.size()
    }
}

#[test]
fn data_that_cannot_be_read_is_not_there() {
    let scene = Scene::new();
    let mut log = scene.log(1);
    scene.commit(&mut log, b"one ", &[]);
    scene.commit(&mut log, b"two", &[0]);
    forget(vec![log]);
    let mount = |salvage, read_only| {
        let device: Arc<dyn Device> =
            Arc::new(Unreadable(MemoryDevice::from_image(scene.without(&[]))));
        let config = config::Config { salvage, ..small() };
        BlueFs::mount(slots(&[(Bdev::Db, device)]), config, read_only)
    };
    for (salvage, read_only) in [(false, true), (false, false), (true, true)] {
        let fs = mount(salvage, read_only).unwrap();
        assert_eq!(read_all(&fs, FIRST), b"one ");
    }
}
