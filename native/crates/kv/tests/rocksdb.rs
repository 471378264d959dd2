//! RocksDB on BlueFS in memory: reading, sharding, merging, options, reopening.
#![cfg(rocksdb)]

mod scene;

use osdyno_kv::batch::{BatchBuilder, Operation};
use osdyno_kv::bluefs::fnode::Bdev;
use osdyno_kv::rocks::database::WriteBatch;
use osdyno_kv::rocks::store::Store;
use scene::{Place, SMALL_OPTIONS, commit, contents, spec};

#[test]
fn reads_across_shards_in_order() {
    let place = Place::new(&[(Bdev::Db, 32 << 20)]);
    let store = Store::open(&spec(&place, true)).unwrap();
    let mut batch = BatchBuilder::default();
    for number in 0..500_u32 {
        let key = number.to_be_bytes();
        batch.push(b"O", Operation::Set(&key, &[number as u8; 50]));
        batch.push(b"S", Operation::Set(&key, &key));
    }
    commit(&store, batch);
    let keys: Vec<_> = contents(&store, b"O").into_keys().collect();
    assert_eq!(
        keys,
        (0..500_u32)
            .map(|key| key.to_be_bytes().to_vec())
            .collect::<Vec<_>>()
    );
    let wanted: Vec<_> = [3_u32, 900, 499, 0].map(u32::to_be_bytes).to_vec();
    let wanted: Vec<&[u8]> = wanted.iter().map(<[u8; 4]>::as_slice).collect();
    let found = store.db.multi_get(b"O", &wanted).unwrap();
    let first: Vec<_> = found
        .iter()
        .map(|value| value.as_ref().map(|value| value[0]))
        .collect();
    assert_eq!(first, [Some(3), None, Some(243), Some(0)]);
    // Ranges reach every shard, and not the next prefix.
    let mut batch = BatchBuilder::default();
    batch.push(
        b"O",
        Operation::RemoveRange(&10_u32.to_be_bytes(), Some(&20_u32.to_be_bytes())),
    );
    batch.push(b"O", Operation::RemoveRange(&490_u32.to_be_bytes(), None));
    commit(&store, batch);
    assert_eq!(contents(&store, b"O").len(), 480);
    assert_eq!(contents(&store, b"S").len(), 500);
    store.close().unwrap();
}

#[test]
fn merges_flushes_compacts_and_opens_again() {
    let place = Place::new(&[(Bdev::Db, 32 << 20)]);
    let mut store = Store::open(&spec(&place, true)).unwrap();
    for round in 1..=4_u8 {
        let mut batch = BatchBuilder::default();
        batch.push(
            b"T",
            Operation::Merge(b"sum", &u64::from(round).to_le_bytes()),
        );
        batch.push(b"b", Operation::Merge(b"bits", &[1 << round; 16]));
        commit(&store, batch);
        if round == 2 {
            store.db.flush().unwrap();
            assert!(store.db.counters().flushes > 0);
        }
        if round == 3 {
            store.close().unwrap();
            store = Store::open(&spec(&place, false)).unwrap();
        }
    }
    store.db.compact().unwrap();
    assert_eq!(
        store.db.get(b"T", b"sum").unwrap().unwrap(),
        10_u64.to_le_bytes()
    );
    assert_eq!(store.db.get(b"b", b"bits").unwrap().unwrap(), [30; 16]);
    let counters = store.db.counters();
    assert!(counters.level_bytes.iter().sum::<u64>() > 0);
    store.db.set_cache_bytes(3 << 20);
    assert_eq!(store.db.counters().cache_capacity, 3 << 20);
    drop(store);
    // Without a clean end, and for reading only.
    let mut reading = spec(&place, false);
    reading.database.read_only = true;
    let store = Store::open(&reading).unwrap();
    assert_eq!(
        store.db.get(b"T", b"sum").unwrap().unwrap(),
        10_u64.to_le_bytes()
    );
    let number = store.committer.submit(BatchBuilder::default().bytes);
    scene::wait_for(&store, number);
    assert_eq!(store.committer.take_failures(), [(number, libc::EROFS)]);
}

#[test]
fn refuses_options_and_batches_that_make_no_sense() {
    let place = Place::new(&[(Bdev::Db, 32 << 20)]);
    let mut wrong = spec(&place, true);
    wrong.database.options = "no_such_option=1".to_owned();
    let error = Store::open(&wrong).err().unwrap().to_string();
    assert!(error.contains("no_such_option"), "{error}");
    let store = Store::open(&spec(&place, true)).unwrap();
    let bad = store.committer.submit(vec![9; 20]);
    let mut batch = BatchBuilder::default();
    batch.push(b"S", Operation::Set(b"k", b"v"));
    let good = store.committer.submit(batch.bytes);
    scene::wait_for(&store, good);
    assert_eq!(store.committer.take_failures(), [(bad, libc::EINVAL)]);
    assert_eq!(store.db.get(b"S", b"k").unwrap().unwrap(), b"v");
}

#[test]
fn a_full_device_is_an_error_and_nothing_is_lost() {
    let place = Place::new(&[(Bdev::Db, 8 << 20)]);
    let store = Store::open(&spec(&place, true)).unwrap();
    let mut last = 0_u32;
    let mut full = false;
    for number in 1..400_u32 {
        let mut batch = BatchBuilder::default();
        batch.push(
            b"O",
            Operation::Set(&number.to_be_bytes(), &vec![7; 60_000]),
        );
        let mut native = WriteBatch::new();
        store.db.add(&mut native, &batch.bytes).unwrap();
        if let Err(error) = store.db.write(&mut native, true) {
            assert_eq!(
                error.errno(),
                libc::ENOSPC,
                "{error}, {:?}",
                store.db.log_lines()
            );
            full = true;
            break;
        }
        last = number;
    }
    assert!(full && last > 20, "{last} commits");
    assert_eq!(contents(&store, b"O").len(), last as usize);
    assert!(SMALL_OPTIONS.contains("write_buffer_size"));
}
