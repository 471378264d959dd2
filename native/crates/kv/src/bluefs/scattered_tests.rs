//! A log on a device whose free space is in very many small pieces.

use std::sync::Arc;

use super::superblock::RESERVED_BYTES;
use super::tests::{MIB, small};
use super::*;
use crate::device::memory::MemoryDevice;

const BLOCK: u64 = 4096;

/// Space of which every second block is free, but for `whole` bytes.
fn scattered(bytes: u64, whole: u64) -> Arc<dyn Space> {
    let space = OwnSpace::new(RESERVED_BYTES, bytes);
    let all = space.free_bytes();
    assert!(space.reserve(RESERVED_BYTES, all));
    let mut at = RESERVED_BYTES;
    while at + BLOCK <= bytes - whole {
        space.release(at, BLOCK);
        at += 2 * BLOCK;
    }
    space.release(bytes - whole, whole);
    Arc::new(space)
}

fn life(whole: u64) -> (Arc<MemoryDevice>, u32, Option<KvError>) {
    let device = Arc::new(MemoryDevice::new(64 * MIB));
    let space = scattered(64 * MIB, whole);
    let config = Config {
        log_growth: 4 * MIB,
        log_compact_min: 128 << 10,
        ..small()
    };
    let slots: Slots = [
        None,
        Some(Slot::shared(device.clone(), Some(space.clone()))),
        None,
    ];
    BlueFs::mkfs(&slots, config, [1; 16], [2; 16]).unwrap();
    let fs = BlueFs::mount(slots, config, false).unwrap();
    fs.mkdir("db").unwrap();
    // Files of many pieces: what exists takes room in the log.
    let mut error = None;
    let mut round = 0;
    while round < 400 && error.is_none() {
        let write = || {
            let mut file = fs.create(&format!("db/{}.sst", round % 20))?;
            file.append(&vec![round as u8; 300_000])?;
            file.sync()?;
            file.close()?;
            fs.sync()
        };
        match write() {
            Ok(()) => round += 1,
            Err(failed) => error = Some(failed),
        }
    }
    (device, round, error)
}

fn check(device: Arc<MemoryDevice>, rounds: u32) {
    let slots: Slots = [None, Some(Slot::shared(device, None)), None];
    let fs = BlueFs::mount(slots, small(), true).unwrap();
    for name in fs.list("db").unwrap() {
        let reader = fs.open(&format!("db/{name}")).unwrap();
        let mut bytes = vec![0; reader.size() as usize];
        reader.read_at(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|&byte| byte == bytes[0]), "{name}");
    }
    assert!(rounds == 0 || !fs.list("db").unwrap().is_empty());
}

#[test]
fn the_log_is_compacted_where_only_small_pieces_are_free() {
    let (device, rounds, error) = life(5 * MIB);
    assert_eq!(rounds, 400, "{error:?}");
    check(device, rounds);
}

#[test]
fn without_a_place_for_the_log_it_is_full_and_not_broken() {
    let (device, rounds, error) = life(4 * MIB + (64 << 10));
    if let Some(error) = error {
        assert_eq!(error.errno(), libc::ENOSPC, "{error} after {rounds} rounds");
    }
    check(device, rounds);
}
