//! Random file operations beside a model in memory, with remounts, power cuts, and full devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use osdyno_core::allocator::AllocatorOptions;
use osdyno_core::allocator::shared::SharedAllocator;
use osdyno_core::rng::{Rng, Use};

use super::config::Config;
use super::directory::Stat;
use super::fnode::Bdev;
use super::writer::FileWriter;
use super::*;
use crate::device::Device;
use crate::device::memory::MemoryDevice;

pub(super) const MIB: u64 = 1 << 20;

/// Small, so that little data meets every threshold.
pub(super) fn small() -> Config {
    Config {
        alloc_unit: 64 << 10,
        min_flush_bytes: 16 << 10,
        log_runway: 64 << 10,
        log_growth: 256 << 10,
        log_compact_min: 512 << 10,
        log_compact_ratio: 2.0,
        wal_recycle_bytes: MIB,
        ..Config::default()
    }
}

pub(super) fn slots(devices: &[(Bdev, Arc<dyn Device>)]) -> Slots {
    let mut slots: Slots = [None, None, None];
    for (bdev, device) in devices {
        slots[bdev.index()] = Some(Slot::dedicated(device.clone()));
    }
    slots
}

pub(super) fn made(devices: &[(Bdev, Arc<dyn Device>)], config: Config) -> Arc<BlueFs> {
    BlueFs::mkfs(&slots(devices), config, [1; 16], [2; 16]).unwrap();
    mounted(devices, config)
}

fn mounted(devices: &[(Bdev, Arc<dyn Device>)], config: Config) -> Arc<BlueFs> {
    BlueFs::mount(slots(devices), config, false).unwrap()
}

pub(super) fn read_all(fs: &Arc<BlueFs>, path: &str) -> Vec<u8> {
    let reader = fs.open(path).unwrap();
    let mut bytes = vec![0; reader.size() as usize];
    let length = bytes.len();
    assert_eq!(reader.read_at(0, &mut bytes).unwrap(), length);
    bytes
}

/// Space in use and free is what there is, and no byte is used twice.
fn check_space(fs: &BlueFs, device_bytes: u64) {
    let used: u64 = fs.used_extents().iter().map(|extent| extent.length).sum();
    let free: u64 = fnode::BDEVS.iter().map(|&bdev| fs.free_bytes(bdev)).sum();
    assert_eq!(used + free, device_bytes, "space is conserved");
    let counted: u64 = fs.usage().iter().flatten().sum();
    assert_eq!(counted, used, "usage is what extents add up to");
}

type Model = BTreeMap<String, Vec<u8>>;

struct Scene {
    fs: Arc<BlueFs>,
    model: Model,
    open: Vec<(String, FileWriter)>,
    rng: Rng,
}

pub(super) const DIRS: [&str; 3] = ["db", "db.wal", "db.slow"];

impl Scene {
    fn path(&mut self) -> String {
        let dir = DIRS[self.rng.below(3) as usize];
        let kind = if dir == "db.wal" { "log" } else { "sst" };
        format!("{dir}/{:06}.{kind}", self.rng.below(12))
    }

    fn is_open(&self, path: &str) -> bool {
        self.open.iter().any(|(name, _)| name == path)
    }

    fn step(&mut self) {
        match self.rng.below(10) {
            0 | 1 => {
                let path = self.path();
                if !self.is_open(&path) {
                    let writer = self.fs.create(&path).unwrap();
                    self.model.insert(path.clone(), Vec::new());
                    self.open.push((path, writer));
                }
            }
            2..6 => self.append(),
            6 => {
                if !self.open.is_empty() {
                    let index = self.rng.below(self.open.len() as u64) as usize;
                    self.open.swap_remove(index).1.close().unwrap();
                }
            }
            7 => {
                let path = self.path();
                if !self.is_open(&path) && self.model.remove(&path).is_some() {
                    self.fs.unlink(&path).unwrap();
                }
            }
            8 => {
                let (from, name) = (self.path(), self.rng.below(12));
                let (dir, _) = from.split_once('/').unwrap();
                let to = format!(
                    "{dir}/{name:06}.{}",
                    if dir == "db.wal" { "log" } else { "sst" }
                );
                if self.model.contains_key(&from) && !self.is_open(&from) && !self.is_open(&to) {
                    let bytes = self.model.remove(&from).unwrap();
                    self.model.insert(to.clone(), bytes);
                    self.fs.rename(&from, &to).unwrap();
                }
            }
            _ => self.fs.sync().unwrap(),
        }
    }

    fn append(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let index = self.rng.below(self.open.len() as u64) as usize;
        let most = if self.rng.below(8) == 0 { 60_000 } else { 900 };
        let length = self.rng.below(most) + 1;
        let bytes: Vec<u8> = (0..length).map(|_| self.rng.next_u64() as u8).collect();
        let (path, writer) = &mut self.open[index];
        if self.rng.below(20) == 0 {
            writer.preallocate(writer.size() + 200_000).unwrap();
        }
        writer.append(&bytes).unwrap();
        self.model.get_mut(path).unwrap().extend(bytes);
        if self.rng.below(2) == 0 {
            writer.sync().unwrap();
        } else {
            writer.flush().unwrap();
        }
    }

    fn check(&self) {
        for dir in DIRS {
            let names = self.fs.list(dir).unwrap();
            let prefix = format!("{dir}/");
            let wanted: Vec<_> = self
                .model
                .keys()
                .filter_map(|path| path.strip_prefix(&prefix))
                .collect();
            assert_eq!(names, wanted);
        }
        for (path, bytes) in &self.model {
            assert!(read_all(&self.fs, path) == *bytes, "{path} has other bytes");
        }
    }
}

#[test]
fn random_operations_agree_with_a_model_across_remounts() {
    for seed in 0..12 {
        let config = Config {
            log_compact_sync: seed % 2 == 0,
            ..small()
        };
        let devices: Vec<(Bdev, Arc<dyn Device>)> = vec![
            (Bdev::Wal, Arc::new(MemoryDevice::new(2 * MIB))),
            (Bdev::Db, Arc::new(MemoryDevice::new(8 * MIB))),
            (Bdev::Slow, Arc::new(MemoryDevice::new(32 * MIB))),
        ];
        let usable = 42 * MIB - 3 * superblock::RESERVED_BYTES;
        let fs = made(&devices, config);
        for dir in DIRS {
            fs.mkdir(dir).unwrap();
        }
        let mut scene = Scene {
            fs,
            model: Model::new(),
            open: Vec::new(),
            rng: Rng::new(seed, Use::Data, 0),
        };
        for round in 0..6 {
            for _ in 0..150 {
                scene.step();
            }
            check_space(&scene.fs, usable);
            scene.check();
            if round % 2 == 1 {
                scene.fs.compact().unwrap();
            }
            for (_, writer) in std::mem::take(&mut scene.open) {
                writer.close().unwrap();
            }
            scene.fs.unmount().unwrap();
            scene.fs = mounted(&devices, config);
            check_space(&scene.fs, usable);
            scene.check();
        }
    }
}

#[test]
fn the_log_is_compacted_and_grows_again() {
    let devices: Vec<(Bdev, Arc<dyn Device>)> =
        vec![(Bdev::Db, Arc::new(MemoryDevice::new(16 * MIB)))];
    let fs = made(&devices, small());
    fs.mkdir("db").unwrap();
    for round in 0..2000_u32 {
        let mut writer = fs.create("db/CURRENT").unwrap();
        writer.append(&round.to_le_bytes()).unwrap();
        writer.sync().unwrap();
        writer.close().unwrap();
    }
    fs.sync().unwrap();
    let compactions = fs.counters.log_compactions.load(Ordering::Relaxed);
    assert!(compactions > 5, "{compactions} compactions");
    let fs = mounted(&devices, small());
    assert_eq!(read_all(&fs, "db/CURRENT"), 1999_u32.to_le_bytes());
}

#[test]
fn write_ahead_logs_cost_one_flush_a_sync_and_hand_space_on() {
    let devices: Vec<(Bdev, Arc<dyn Device>)> =
        vec![(Bdev::Db, Arc::new(MemoryDevice::new(16 * MIB)))];
    let fs = made(&devices, small());
    fs.mkdir("db.wal").unwrap();
    let mut offsets = Vec::new();
    for number in 0..4 {
        let path = format!("db.wal/{number:06}.log");
        let mut writer = fs.create(&path).unwrap();
        writer.preallocate(256 << 10).unwrap();
        writer.append(b"first").unwrap();
        writer.sync().unwrap();
        let before = fs.counters.flushes.load(Ordering::Relaxed);
        for _ in 0..50 {
            writer.append(&[number; 300]).unwrap();
            writer.sync().unwrap();
        }
        assert_eq!(fs.counters.flushes.load(Ordering::Relaxed), before + 50);
        assert_eq!(read_all(&fs, &path).len(), 15_005);
        let Stat::File { size, .. } = fs.stat(&path).unwrap() else {
            panic!("a file");
        };
        assert_eq!(size, 15_005);
        writer.close().unwrap();
        offsets.push(fs.used_extents());
        fs.unlink(&path).unwrap();
        fs.sync().unwrap();
    }
    assert!(fs.counters.wal_recycled_bytes.load(Ordering::Relaxed) >= 3 * (64 << 10));
}

#[test]
fn spills_over_and_says_so_and_gives_space_back_when_full() {
    let devices: Vec<(Bdev, Arc<dyn Device>)> = vec![
        (Bdev::Db, Arc::new(MemoryDevice::new(2 * MIB))),
        (Bdev::Slow, Arc::new(MemoryDevice::new(4 * MIB))),
    ];
    let fs = made(&devices, small());
    fs.mkdir("db").unwrap();
    let mut written = 0;
    let mut index = 0;
    let error = loop {
        let mut writer = fs.create(&format!("db/{index}.sst")).unwrap();
        index += 1;
        let result = (0..8).try_for_each(|_| writer.append(&vec![7; 32 << 10]));
        if let Err(error) = result.and_then(|()| writer.sync()) {
            break error;
        }
        written += 256 << 10;
    };
    assert_eq!(error.errno(), libc::ENOSPC);
    assert!(written > 4 * MIB, "{written} bytes");
    assert!(fs.spilled_now() > 2 * MIB);
    fs.unlink("db/0.sst").unwrap();
    fs.unlink("db/1.sst").unwrap();
    let mut writer = fs.create("db/again.sst").unwrap();
    writer.append(&vec![8; 256 << 10]).unwrap();
    writer.sync().unwrap();
}

#[test]
fn a_full_device_stops_names_only_until_there_is_space() {
    let device = Arc::new(MemoryDevice::new(8 * MIB));
    let space: Arc<dyn Space> = Arc::new(OwnSpace::new(superblock::RESERVED_BYTES, 8 * MIB));
    let slots: Slots = [
        None,
        Some(Slot::shared(device.clone(), Some(space.clone()))),
        None,
    ];
    BlueFs::mkfs(&slots, small(), [1; 16], [2; 16]).unwrap();
    let fs = BlueFs::mount(slots, small(), false).unwrap();
    fs.mkdir("db").unwrap();
    fs.create("db/0").unwrap().close().unwrap();
    fs.sync().unwrap();
    // Everything but a little goes to somebody else: the log cannot grow, but is rewritten.
    let most = space.free_bytes() - (128 << 10);
    let taken = space.allocate(most / 4096 * 4096, 4096).unwrap();
    for round in 0..300 {
        fs.rename(&format!("db/{round}"), &format!("db/{}", round + 1))
            .unwrap();
        fs.sync().unwrap();
    }
    // Now there is nothing at all.
    let rest = space.allocate(space.free_bytes(), 4096).unwrap();
    let mut round = 300;
    let error = loop {
        fs.rename(&format!("db/{round}"), &format!("db/{}", round + 1))
            .unwrap();
        round += 1;
        if let Err(error) = fs.sync() {
            break error;
        }
        assert!(round < 2000, "the log never fills");
    };
    assert_eq!(error.errno(), libc::ENOSPC);
    for (offset, length) in taken.into_iter().chain(rest) {
        space.release(offset, length);
    }
    fs.sync().unwrap();
    let used: u64 = fs.used_extents().iter().map(|extent| extent.length).sum();
    assert_eq!(
        used + space.free_bytes(),
        8 * MIB - superblock::RESERVED_BYTES
    );
    let slot = Slot::shared(device, None);
    let fs = BlueFs::mount([None, Some(slot), None], small(), true).unwrap();
    assert_eq!(fs.list("db").unwrap(), [round.to_string()]);
}

#[test]
fn an_open_file_outlives_its_name() {
    let devices: Vec<(Bdev, Arc<dyn Device>)> =
        vec![(Bdev::Db, Arc::new(MemoryDevice::new(8 * MIB)))];
    let fs = made(&devices, small());
    fs.mkdir("db").unwrap();
    let mut writer = fs.create("db/a").unwrap();
    writer.append(&vec![1; 100_000]).unwrap();
    writer.close().unwrap();
    let reader = fs.open("db/a").unwrap();
    fs.unlink("db/a").unwrap();
    fs.sync().unwrap();
    let mut writer = fs.create("db/b").unwrap();
    writer.append(&vec![2; 1_000_000]).unwrap();
    writer.close().unwrap();
    let mut bytes = vec![0; 100_000];
    assert_eq!(reader.read_at(0, &mut bytes).unwrap(), 100_000);
    assert!(bytes.iter().all(|byte| *byte == 1));
    drop(reader);
    fs.sync().unwrap();
    check_space(&fs, 8 * MIB - superblock::RESERVED_BYTES);
}

#[test]
fn a_read_only_mount_changes_nothing() {
    let device = Arc::new(MemoryDevice::new(8 * MIB));
    let devices: Vec<(Bdev, Arc<dyn Device>)> = vec![(Bdev::Db, device.clone())];
    let fs = made(&devices, small());
    fs.mkdir("db").unwrap();
    fs.sync().unwrap();
    let before = device.image();
    let slot = Slot::shared(device.clone(), None);
    let fs = BlueFs::mount([None, Some(slot), None], small(), true).unwrap();
    assert_eq!(fs.create("db/a").err().unwrap().errno(), libc::EROFS);
    assert!(!fs.used_extents().is_empty());
    fs.unmount().unwrap();
    assert!(device.image() == before);
}

#[test]
fn refuses_what_is_not_whole() {
    let devices: Vec<(Bdev, Arc<dyn Device>)> = vec![
        (Bdev::Db, Arc::new(MemoryDevice::new(8 * MIB))),
        (Bdev::Slow, Arc::new(MemoryDevice::new(8 * MIB))),
    ];
    drop(made(&devices, small()));
    let error = BlueFs::mount(slots(&devices[..1]), small(), false)
        .err()
        .unwrap();
    assert!(error.to_string().contains("slow device"), "{error}");
    let blank: Arc<dyn Device> = Arc::new(MemoryDevice::new(8 * MIB));
    let error = BlueFs::mount(slots(&[(Bdev::Db, blank)]), small(), false)
        .err()
        .unwrap();
    assert_eq!(error.errno(), libc::ENOENT);
    // The log's first block is gone.
    let fs = mounted(&devices, small());
    let log = fs.used_extents()[0];
    drop(fs);
    devices[0].1.write_at(log.offset, &[0; 4096]).unwrap();
    let error = BlueFs::mount(slots(&devices), small(), false)
        .err()
        .unwrap();
    assert_eq!(error.errno(), libc::EBADMSG);
}

#[test]
fn on_a_shared_device_space_comes_in_whole_units_of_the_store() {
    const UNIT: u64 = 256 << 10;
    let capacity = 32 * MIB;
    for name in osdyno_core::allocator::NAMES {
        let mut allocator =
            osdyno_core::allocator::create(name, capacity, UNIT, &AllocatorOptions::default())
                .unwrap();
        let all = osdyno_core::allocator::Extent {
            offset: UNIT,
            length: capacity - UNIT,
        };
        allocator.init_add_free(all).unwrap();
        let shared = SharedAllocator::new(allocator);
        let device: Arc<dyn Device> = Arc::new(MemoryDevice::new(capacity));
        let there = || -> Slots {
            let slot = Slot::shared(device.clone(), Some(Arc::new(shared.clone())));
            [None, Some(slot), None]
        };
        BlueFs::mkfs(&there(), small(), [1; 16], [2; 16]).unwrap();
        let fs = BlueFs::mount(there(), small(), false).unwrap();
        fs.mkdir("db").unwrap();
        for file in 0..8 {
            let mut writer = fs.create(&format!("db/{file}")).unwrap();
            writer.append(&vec![7; 100_000 * (file + 1)]).unwrap();
            writer.close().unwrap();
        }
        fs.unlink("db/3").unwrap();
        fs.sync().unwrap();
        for extent in fs.used_extents() {
            assert_eq!(
                (extent.offset % UNIT, extent.length % UNIT),
                (0, 0),
                "{name}"
            );
        }
        let used: u64 = fs.used_extents().iter().map(|extent| extent.length).sum();
        assert_eq!(used + shared.lock().free_bytes(), capacity - UNIT, "{name}");
        assert_eq!(read_all(&fs, "db/7"), vec![7; 800_000]);
    }
}
