//! What the tests of the database have in common.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "part of tests, each of which uses its part"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use osdyno_kv::batch::{BatchBuilder, Operation, records};
use osdyno_kv::bluefs::config::Config;
use osdyno_kv::bluefs::fnode::Bdev;
use osdyno_kv::bluefs::placement::PolicyConfig;
use osdyno_kv::device::Device;
use osdyno_kv::device::memory::MemoryDevice;
use osdyno_kv::rocks::database::{DatabaseSpec, MergeKind};
use osdyno_kv::rocks::store::{Store, StoreDevice, StoreSpec};
use osdyno_kv::sharding::DEFAULT_SHARDING;

/// So small that little data meets every threshold.
pub const SMALL_OPTIONS: &str = "write_buffer_size=65536,max_write_buffer_number=4,\
     min_write_buffer_number_to_merge=1,level0_file_num_compaction_trigger=2,\
     max_bytes_for_level_base=131072,max_bytes_for_level_multiplier=2,\
     target_file_size_base=32768,max_background_jobs=2,compression=kNoCompression,\
     max_total_wal_size=262144,writable_file_max_buffer_size=0,arena_block_size=8192";

/// Devices that outlive their stores.
pub struct Place {
    pub devices: [Option<Arc<dyn Device>>; 3],
}

impl Place {
    pub fn new(sizes: &[(Bdev, u64)]) -> Self {
        let mut place = Self {
            devices: [None, None, None],
        };
        for (bdev, size) in sizes {
            place.devices[bdev.index()] = Some(Arc::new(MemoryDevice::new(*size)));
        }
        place
    }
}

pub fn small_bluefs() -> Config {
    Config {
        alloc_unit: 16 << 10,
        min_flush_bytes: 16 << 10,
        log_runway: 32 << 10,
        log_growth: 128 << 10,
        log_compact_min: 192 << 10,
        log_compact_ratio: 2.0,
        wal_recycle_bytes: 512 << 10,
        policy: PolicyConfig {
            level_base: 131_072,
            level_multiplier: 2,
            ..PolicyConfig::default()
        },
        ..Config::default()
    }
}

pub fn spec(place: &Place, create: bool) -> StoreSpec {
    StoreSpec {
        devices: place.devices.clone().map(|device| {
            Some(StoreDevice {
                device: device?,
                shared: None,
            })
        }),
        config: small_bluefs(),
        uuid: [1; 16],
        owner: [2; 16],
        sharding: DEFAULT_SHARDING.to_owned(),
        database: DatabaseSpec {
            create,
            read_only: false,
            salvage: false,
            options: SMALL_OPTIONS.to_owned(),
            operators: vec![
                ("b".to_owned(), MergeKind::Xor),
                ("T".to_owned(), MergeKind::AddInt64),
            ],
            cache_bytes: 1 << 20,
            bloom_bits: 10.0,
            block_bytes: 4096,
        },
    }
}

pub fn wait_for(store: &Store, number: u64) {
    while store.committer.done() < number {
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Commits and waits.
pub fn commit(store: &Store, batch: BatchBuilder) {
    let number = store.committer.submit(batch.bytes);
    wait_for(store, number);
    assert_eq!(store.committer.take_failures(), []);
}

pub type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

pub fn contents(store: &Store, prefix: &[u8]) -> Entries {
    let mut entries = Entries::new();
    let visit = |key: &[u8], value: &[u8]| {
        let last = entries.last_key_value().map(|(key, _)| key.clone());
        assert!(last.is_none_or(|last| *last < *key), "a scan ascends");
        entries.insert(key.to_vec(), value.to_vec());
        true
    };
    store.db.scan(prefix, &[], None, visit).unwrap();
    entries
}

/// What a store should hold, by prefix.
#[derive(Default, Clone)]
pub struct Model {
    pub prefixes: BTreeMap<Vec<u8>, Entries>,
}

impl Model {
    pub fn apply(&mut self, batch: &[u8]) {
        for record in records(batch) {
            let (prefix, operation) = record.unwrap();
            let entries = self.prefixes.entry(prefix.to_vec()).or_default();
            match operation {
                Operation::Set(key, value) => {
                    entries.insert(key.to_vec(), value.to_vec());
                }
                Operation::Remove(key) => {
                    entries.remove(key);
                }
                Operation::RemoveRange(from, to) => {
                    entries.retain(|key, _| {
                        key.as_slice() < from || to.is_some_and(|to| key.as_slice() >= to)
                    });
                }
                Operation::Merge(key, operand) => {
                    let value = entries
                        .entry(key.to_vec())
                        .or_insert_with(|| vec![0; operand.len()]);
                    if prefix == b"b" {
                        for (byte, other) in value.iter_mut().zip(operand) {
                            *byte ^= other;
                        }
                    } else {
                        let own = u64::from_le_bytes(value[..8].try_into().unwrap());
                        let other = u64::from_le_bytes(operand[..8].try_into().unwrap());
                        value[..8].copy_from_slice(&own.wrapping_add(other).to_le_bytes());
                    }
                }
            }
        }
    }
}
