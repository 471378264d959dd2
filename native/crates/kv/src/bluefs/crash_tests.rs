//! Power cuts at any point of a recorded history of files.

use std::sync::Arc;

use osdyno_core::rng::{Rng, Use};

use super::directory::Stat;
use super::fnode::Bdev;
use super::tests::{DIRS, MIB, made, read_all, slots, small};
use super::*;
use crate::device::Device;
use crate::device::memory::MemoryDevice;
use crate::device::recorder::{Cutter, Event, RecordedDevice, Recording};

/// A history of files that are written, synced and replaced; marks say which version is durable.
fn record(device: RecordedDevice, recording: &Recording, seed: u64) {
    let devices: Vec<(Bdev, Arc<dyn Device>)> = vec![(Bdev::Db, Arc::new(device))];
    let fs = made(&devices, small());
    for dir in DIRS {
        fs.mkdir(dir).unwrap();
    }
    fs.sync().unwrap();
    let mut rng = Rng::new(seed, Use::Data, 1);
    let mut wal = fs.create("db.wal/000000.log").unwrap();
    let mut wal_number = 0_u64;
    recording.mark(0);
    for version in 1..=600_u64 {
        wal.append(&version.to_le_bytes()).unwrap();
        // Now and then more than one envelope between two syncs.
        let most = if rng.below(20) == 0 { 70_000 } else { 500 };
        wal.append(&vec![version as u8; rng.below(most) as usize])
            .unwrap();
        if rng.below(30) == 0 {
            let mut table = fs.create("db/table.tmp").unwrap();
            table.append(&version.to_le_bytes()).unwrap();
            table.append(&vec![version as u8; 20_000]).unwrap();
            table.sync().unwrap();
            table.close().unwrap();
            fs.rename("db/table.tmp", "db/table").unwrap();
            fs.sync().unwrap();
            // The log before may still go on when the next begins.
            let before = wal;
            wal_number += 1;
            wal = fs.create(&format!("db.wal/{wal_number:06}.log")).unwrap();
            wal.append(&version.to_le_bytes()).unwrap();
            wal.sync().unwrap();
            before.close().unwrap();
            if wal_number > 1 {
                fs.unlink(&format!("db.wal/{:06}.log", wal_number - 2))
                    .unwrap();
            }
        }
        wal.sync().unwrap();
        recording.mark(version);
    }
}

/// Mounts an image and says what is wrong with it, given the version that was durable.
fn verdict(image: Vec<u8>, durable: u64) -> std::result::Result<(), String> {
    let device: Arc<dyn Device> = Arc::new(MemoryDevice::from_image(image));
    let devices = vec![(Bdev::Db, device)];
    let text = |error: KvError| error.to_string();
    let fs = BlueFs::mount(slots(&devices), small(), false).map_err(text)?;
    if let Ok(Stat::File { size, .. }) = fs.stat("db/table") {
        let bytes = read_all(&fs, "db/table");
        if size > 0 && (size != 20_008 || bytes[8..].iter().any(|&byte| byte != bytes[0])) {
            return Err(format!("a table of {size} bytes is half there"));
        }
    }
    let mut newest = 0;
    for name in fs.list("db.wal").map_err(text)? {
        let bytes = read_all(&fs, &format!("db.wal/{name}"));
        let mut at = 0;
        while at + 8 <= bytes.len() {
            let version = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            newest = newest.max(version);
            at += 8;
            while at < bytes.len() && bytes[at] == version as u8 {
                // A next version begins with another byte, except after 256 of the same.
                if bytes[at..].starts_with(&(version + 1).to_le_bytes()) {
                    break;
                }
                at += 1;
            }
        }
    }
    if newest < durable {
        return Err(format!(
            "version {durable} was durable, {newest} is the newest"
        ));
    }
    Ok(())
}

/// Cuts a recording at many points and returns the first thing that is wrong.
fn cut_everywhere(recording: &Recording, seed: u64, points: u64) -> Option<String> {
    let events = recording.events();
    let mut rng = Rng::new(seed, Use::Fault, 2);
    let first = events
        .iter()
        .position(|event| matches!(event, Event::Mark(0)))?;
    let span = (events.len() - first) as u64;
    let mut at: Vec<usize> = (0..points)
        .map(|_| first + rng.below(span) as usize)
        .collect();
    at.sort_unstable();
    let mut cutter = Cutter::new(&events, &[8 * MIB]);
    let mut durable = 0;
    let mut marked = 0;
    for point in at {
        cutter.advance(point);
        while marked < point {
            if let Event::Mark(version) = events[marked] {
                durable = version;
            }
            marked += 1;
        }
        let sector = if rng.below(2) == 0 { 512 } else { 4096 };
        let image = cutter.images(&mut rng, sector).remove(0);
        if let Err(wrong) = verdict(image, durable) {
            return Some(format!(
                "cut at event {point} of {}, seed {seed}: {wrong}",
                events.len()
            ));
        }
    }
    None
}

fn seeds() -> u64 {
    let campaign = std::env::var_os("OSDYNO_CAMPAIGN").is_some();
    if campaign { 40 } else { 3 }
}

#[test]
fn survives_a_power_cut_anywhere() {
    for seed in 0..seeds() {
        let recording = Recording::new();
        record(recording.device(0, 8 * MIB), &recording, seed);
        assert_eq!(cut_everywhere(&recording, seed, 150), None);
    }
}

#[test]
fn a_missing_flush_is_found() {
    let recording = Recording::new();
    let device = recording.device(0, 8 * MIB).omitting_flushes(5);
    record(device, &recording, 0);
    assert!(cut_everywhere(&recording, 0, 150).is_some());
}
