//! Bits that turn over in what BlueFS wrote: nothing that was durable is ever missing without an
//! error that says where.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fnode::Bdev;
use super::tests::{MIB, made, read_all, slots, small};
use super::*;
use crate::aligned::BLOCK_BYTES;
use crate::device::Device;
use crate::device::memory::MemoryDevice;

type Content = BTreeMap<String, Vec<u8>>;

fn contents(fs: &Arc<BlueFs>) -> Result<Content> {
    let mut content = Content::new();
    for dir in ["db", "db.wal"] {
        for name in fs.list(dir)? {
            let path = format!("{dir}/{name}");
            fs.open(&path)?;
            content.insert(path.clone(), read_all(fs, &path));
        }
    }
    Ok(content)
}

/// What is on the device after some life; `clean`: ended so.
fn lived(clean: bool, compacted: bool) -> (Vec<u8>, Content, Vec<Extent>) {
    let device = Arc::new(MemoryDevice::new(8 * MIB));
    let devices: Vec<(Bdev, Arc<dyn Device>)> = vec![(Bdev::Db, device.clone())];
    let fs = made(&devices, small());
    fs.mkdir("db").unwrap();
    fs.mkdir("db.wal").unwrap();
    let mut manifest = fs.create("db/MANIFEST-1").unwrap();
    let mut open = Vec::new();
    for round in 0..6_u8 {
        let mut wal = fs.create(&format!("db.wal/{round}.log")).unwrap();
        for commit in 0..3_u8 {
            wal.append(&[round * 16 + commit; 700]).unwrap();
            wal.sync().unwrap();
        }
        manifest.append(&[round; 90]).unwrap();
        manifest.sync().unwrap();
        open.push(wal);
        if compacted && round == 2 {
            fs.compact().unwrap();
        }
    }
    let content = contents(&fs).unwrap();
    if clean {
        manifest.close().unwrap();
        for wal in open {
            wal.close().unwrap();
        }
        fs.unmount().unwrap();
    } else {
        open.into_iter().for_each(std::mem::forget);
        std::mem::forget(manifest);
    }
    let log = locked(&fs.log);
    let used = fnode::pieces(&log.extents, 0, log.position);
    drop(log);
    (device.image(), content, used)
}

fn after(image: &[u8], at: u64) -> Result<Content> {
    let mut image = image.to_vec();
    image[at as usize] ^= 2;
    let device: Arc<dyn Device> = Arc::new(MemoryDevice::from_image(image));
    let slot = Slot::shared(device.clone(), None);
    let read = BlueFs::mount([None, Some(slot), None], small(), true);
    let read = read.and_then(|fs| contents(&fs));
    let write = BlueFs::mount(slots(&[(Bdev::Db, device)]), small(), false);
    let write = write.and_then(|fs| contents(&fs));
    match (read, write) {
        (Ok(read), Ok(write)) => {
            assert!(read == write);
            Ok(write)
        }
        (Err(error), Err(_)) => Err(error),
        _ => panic!("byte {at}: reading and writing do not agree"),
    }
}

#[test]
fn a_damaged_transaction_of_the_log_is_an_error_wherever_it_is() {
    for (clean, compacted) in [(true, false), (false, false), (true, true), (false, true)] {
        let (image, content, log) = lived(clean, compacted);
        let mut damaged = 0;
        for extent in log {
            for block in (extent.offset..extent.end()).step_by(BLOCK_BYTES) {
                let is_head = image[block as usize..].starts_with(b"TLBG");
                for at in [0, 4, 8, 20, 33, 36] {
                    match after(&image, block + at) {
                        // Behind the end of a transaction, or of the snapshot.
                        Ok(found) => assert!(!is_head && found == content, "{block}+{at}"),
                        Err(error) => {
                            assert_eq!(error.errno(), libc::EBADMSG);
                            assert!(error.to_string().contains("log of BlueFS"), "{error}");
                            damaged += 1;
                        }
                    }
                }
            }
        }
        assert!(damaged > 40, "{damaged} damaged places");
    }
}

#[test]
fn one_damaged_superblock_or_mark_has_no_effect() {
    for clean in [true, false] {
        let (image, content, _) = lived(clean, true);
        let places = superblock::SLOT_OFFSETS.iter().chain(&mark::MARK_OFFSETS);
        for place in places {
            for at in [0, 8, 12, 30, 50, 60, 4000] {
                assert!(
                    after(&image, place + at).unwrap() == content,
                    "{place}+{at}"
                );
            }
        }
    }
}

/// Every byte of the files' extents, the last envelope of a log that nothing followed apart.
#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    for clean in [true, false] {
        let (image, content, _) = lived(clean, false);
        let slot = Slot::shared(Arc::new(MemoryDevice::from_image(image.clone())), None);
        let fs = BlueFs::mount([None, Some(slot), None], small(), true).unwrap();
        for (path, bytes) in &content {
            let reader = fs.open(path).unwrap();
            let (dir, name) = path.split_once('/').unwrap();
            let state = locked(&fs.state);
            let extents = state.files[&state.dirs[dir][name]].logged.extents.clone();
            drop(state);
            let headers = bytes.len() as u64 / 90 * 20;
            let used = fnode::pieces(&extents, 0, bytes.len() as u64 + headers.min(120));
            let last = path == "db.wal/5.log" && !clean;
            for at in used
                .iter()
                .flat_map(|used| (used.offset..used.end()).step_by(37))
            {
                match after(&image, at) {
                    Err(error) => assert!(error.to_string().contains(path), "{path}: {error}"),
                    Ok(mut found) if last => {
                        // The last envelope is gone whole, or nothing is.
                        let left = found.remove(path).unwrap();
                        assert!(left == bytes[..left.len()] && left.len() >= bytes.len() - 700);
                    }
                    Ok(found) => assert!(found == content, "{path} at {at}"),
                }
            }
            drop(reader);
        }
    }
}

#[test]
fn a_salvaging_mount_reads_a_write_ahead_log_up_to_the_damage() {
    let (mut image, content, _) = lived(false, false);
    let text = [3 * 16 + 1_u8; 700];
    let at = image.windows(700).position(|bytes| bytes == text).unwrap();
    image[at + 9] ^= 1;
    let mount = |salvage| {
        let slot = Slot::shared(Arc::new(MemoryDevice::from_image(image.clone())), None);
        let config = config::Config { salvage, ..small() };
        BlueFs::mount([None, Some(slot), None], config, true).unwrap()
    };
    let error = mount(false).open("db.wal/3.log").err().unwrap();
    assert!(
        error
            .to_string()
            .contains("write-ahead log db.wal/3.log is damaged")
    );
    let fs = mount(true);
    assert_eq!(
        read_all(&fs, "db.wal/3.log"),
        content["db.wal/3.log"][..700]
    );
    assert_eq!(read_all(&fs, "db.wal/4.log"), content["db.wal/4.log"]);
    assert_eq!(fs.damage().len(), 1);
}
