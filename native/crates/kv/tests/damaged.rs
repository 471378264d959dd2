//! What can be read of a database with a table that cannot be opened.
#![cfg(rocksdb)]
#![allow(clippy::unwrap_used, reason = "part of a test")]

mod scene;

use std::sync::Arc;

use osdyno_kv::batch::{BatchBuilder, Operation};
use osdyno_kv::bluefs::fnode::Bdev;
use osdyno_kv::device::Device;
use osdyno_kv::device::memory::MemoryDevice;
use osdyno_kv::rocks::database::DatabaseSpec;
use osdyno_kv::rocks::salvage::Hole;
use osdyno_kv::rocks::store::{Store, StoreSpec};
use scene::{Place, SMALL_OPTIONS, commit, contents, spec};

/// Bytes before a table's end in which its properties, their place and that of its index lie.
const DESCRIPTION_BYTES: usize = 1200;
/// Of these, one of so many is damaged; prime, so that every field of the entries is met.
const STEP_BYTES: usize = 5;

/// What every table ends with.
const MAGIC: [u8; 8] = 0x88e2_41b7_85f4_cff7_u64.to_le_bytes();

fn spec_of(place: &Place, create: bool, salvage: bool) -> StoreSpec {
    let plain = spec(place, create);
    StoreSpec {
        database: DatabaseSpec {
            read_only: salvage,
            salvage,
            options: format!("{SMALL_OPTIONS},disable_auto_compactions=true"),
            ..plain.database
        },
        ..plain
    }
}

/// An image with three tables on level 0, the second of which removes a range.
fn image() -> Vec<u8> {
    let device = Arc::new(MemoryDevice::new(32 << 20));
    let mut place = Place::new(&[]);
    place.devices[Bdev::Db.index()] = Some(device.clone());
    let store = Store::open(&spec_of(&place, true, false)).unwrap();
    for round in 0..3_u32 {
        let mut batch = BatchBuilder::default();
        for number in 0..100_u32 {
            let key = (100 * round + number).to_be_bytes();
            batch.push(b"S", Operation::Set(&key, &[7; 50]));
        }
        if round == 1 {
            let (from, to) = (10_u32.to_be_bytes(), 20_u32.to_be_bytes());
            batch.push(b"S", Operation::RemoveRange(&from, Some(&to)));
        }
        commit(&store, batch);
        store.db.flush().unwrap();
    }
    assert_eq!(contents(&store, b"S").len(), 290);
    store.close().unwrap();
    device.image()
}

/// Where the tables of an image end.
fn magics(image: &[u8]) -> Vec<usize> {
    let found: Vec<_> = (0..image.len() - MAGIC.len())
        .filter(|at| image[*at..].starts_with(&MAGIC))
        .collect();
    assert!(found.len() >= 3, "{} tables", found.len());
    found
}

/// How many keys are read around what the flipped bits at `at` damaged, and the holes.
fn read_around(image: &[u8], at: usize, mask: u8) -> (usize, Vec<Hole>) {
    let device = Arc::new(MemoryDevice::from_image(image.to_vec()));
    device.write_at(at as u64, &[image[at] ^ mask]).unwrap();
    let mut place = Place::new(&[]);
    place.devices[Bdev::Db.index()] = Some(device);
    let store = Store::open(&spec_of(&place, false, true)).unwrap();
    let mut keys = 0;
    let count = |_: &[u8], _: &[u8]| {
        keys += 1;
        true
    };
    let holes = store.db.scan_around(b"S", &[], count).unwrap();
    store.close().unwrap();
    (keys, holes)
}

#[test]
fn a_table_that_cannot_be_opened_is_told_and_ends_nothing() {
    let image = image();
    let mut told = 0;
    for at in magics(&image) {
        let (keys, holes) = read_around(&image, at, 1);
        if let [hole] = holes.as_slice() {
            assert!(hole.reason.contains(".sst cannot be opened"), "{hole:?}");
            assert_eq!((keys, &hole.before), (0, &None));
            told += 1;
        } else {
            // Another prefix's, or one that is no longer in use.
            assert_eq!((holes.len(), keys), (0, 290));
        }
    }
    assert_eq!(told, 3);
}

#[test]
fn a_byte_anywhere_in_what_describes_a_table_ends_nothing() {
    let image = image();
    let in_use = magics(&image)
        .into_iter()
        .filter(|end| !read_around(&image, *end, 1).1.is_empty());
    let mut told = 0;
    for end in in_use {
        for at in (end - DESCRIPTION_BYTES..end).step_by(STEP_BYTES) {
            let (keys, holes) = read_around(&image, at, 0x81);
            assert_eq!(keys == 290, holes.is_empty(), "byte {at}: {keys} keys");
            told += usize::from(!holes.is_empty());
        }
    }
    assert!(told > DESCRIPTION_BYTES / STEP_BYTES, "{told} told");
}
