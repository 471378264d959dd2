//! RocksDB on BlueFS for TypeScript: commits are queued with one call and complete in order, so
//! that one number tells of all of them; reads return whole pages.

#![expect(
    clippy::needless_pass_by_value,
    reason = "values come from JavaScript by value"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use napi::bindgen_prelude::*;
use napi_derive::napi;
use osdyno_core::allocator::shared;
use osdyno_kv::bluefs::config::Config;
use osdyno_kv::bluefs::fnode::BDEVS;
use osdyno_kv::bluefs::placement::{PolicyConfig, PolicyKind};
use osdyno_kv::device::file::{FileDevice, FileMode};
use osdyno_kv::device::gate::{Gate, Shut};
use osdyno_kv::device::traced::traced;
use osdyno_kv::error::KvError;
use osdyno_kv::rocks::database::{DatabaseSpec, MergeKind};
use osdyno_kv::rocks::store::{Store, StoreDevice, StoreSpec};
use osdyno_kv::space::Space;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::parking::Parking;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeviceSpec {
    path: String,
    /// The store's allocator gives space here.
    #[serde(default)]
    shared: bool,
}

/// Tuning of BlueFS; sizes in bytes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct BluefsSpec {
    alloc_bytes: u64,
    shared_alloc_bytes: u64,
    min_flush_bytes: u64,
    log_runway_bytes: u64,
    log_growth_bytes: u64,
    log_compact_min_bytes: u64,
    log_compact_ratio: f64,
    log_compact_sync: bool,
    wal_recycle_bytes: u64,
    buffered: bool,
    policy: String,
    reserved_factor: f64,
    reserved_bytes: u64,
    level_base_bytes: u64,
    level_multiplier: u64,
}

impl Default for BluefsSpec {
    fn default() -> Self {
        let config = Config::default();
        Self {
            alloc_bytes: config.alloc_unit,
            shared_alloc_bytes: config.shared_alloc_unit,
            min_flush_bytes: config.min_flush_bytes,
            log_runway_bytes: config.log_runway,
            log_growth_bytes: config.log_growth,
            log_compact_min_bytes: config.log_compact_min,
            log_compact_ratio: config.log_compact_ratio,
            log_compact_sync: config.log_compact_sync,
            wal_recycle_bytes: config.wal_recycle_bytes,
            buffered: true,
            policy: "use_some_extra".to_owned(),
            reserved_factor: config.policy.reserved_factor,
            reserved_bytes: config.policy.reserved_bytes,
            level_base_bytes: config.policy.level_base,
            level_multiplier: config.policy.level_multiplier,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    /// WAL, DB, slow.
    devices: [Option<DeviceSpec>; 3],
    /// Of the allocator of the shared device.
    allocator: Option<u32>,
    create: bool,
    read_only: bool,
    /// Read what can be read of a damaged one.
    #[serde(default)]
    salvage: bool,
    /// 32 hexadecimal digits each.
    uuid: String,
    owner: String,
    families: String,
    options: String,
    /// Prefix to `xor` or `addInt64`.
    operators: Vec<(String, String)>,
    cache_bytes: u64,
    bloom_bits: f64,
    block_bytes: u64,
    #[serde(default)]
    bluefs: BluefsSpec,
}

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, reason.to_string())
}

fn failed(error: KvError) -> Error {
    match error {
        KvError::Invalid(reason) => invalid(reason),
        KvError::Corrupt(reason) if !reason.contains("damaged") => {
            Error::from_reason(format!("BlueFS is damaged: {reason}"))
        }
        other => Error::from_reason(other.to_string()),
    }
}

fn uuid_of(text: &str) -> Result<[u8; 16]> {
    let number = u128::from_str_radix(text, 16).map_err(invalid)?;
    Ok(number.to_be_bytes())
}

impl BluefsSpec {
    fn config(&self) -> Result<Config> {
        let kind = PolicyKind::parse(&self.policy)
            .ok_or_else(|| invalid(format!("unknown volume selection policy {}", self.policy)))?;
        Ok(Config {
            alloc_unit: self.alloc_bytes,
            shared_alloc_unit: self.shared_alloc_bytes,
            min_flush_bytes: self.min_flush_bytes,
            log_runway: self.log_runway_bytes,
            log_growth: self.log_growth_bytes,
            log_compact_min: self.log_compact_min_bytes,
            log_compact_ratio: self.log_compact_ratio,
            log_compact_sync: self.log_compact_sync,
            wal_recycle_bytes: self.wal_recycle_bytes,
            policy: PolicyConfig {
                kind,
                reserved_factor: self.reserved_factor,
                reserved_bytes: self.reserved_bytes,
                level_base: self.level_base_bytes,
                level_multiplier: self.level_multiplier,
            },
            ..Config::default()
        })
    }
}

impl Spec {
    fn device(&self, device: &DeviceSpec, gates: &mut Vec<Arc<dyn Shut>>) -> Result<StoreDevice> {
        let mode = FileMode {
            write: !self.read_only,
            direct: true,
            cached_reads: self.bluefs.buffered,
        };
        let opened = FileDevice::open(Path::new(&device.path), mode)
            .map_err(|error| Error::from_reason(format!("{}: {error}", device.path)))?;
        let space = match self.allocator {
            Some(handle) if device.shared => {
                let allocator = shared::find(handle)
                    .ok_or_else(|| invalid(format!("no allocator has the handle {handle}")))?;
                Some(Arc::new(allocator) as Arc<dyn Space>)
            }
            _ => None,
        };
        if device.shared && space.is_none() && !self.read_only {
            return Err(invalid("writing on a shared device needs its allocator"));
        }
        let gate = Arc::new(Gate::new(traced(&device.path, opened)));
        gates.push(gate.clone());
        Ok(StoreDevice {
            device: gate,
            shared: device.shared.then_some(space),
        })
    }

    fn store(&self, gates: &mut Vec<Arc<dyn Shut>>) -> Result<StoreSpec> {
        let mut devices = [None, None, None];
        for (place, device) in devices.iter_mut().zip(&self.devices) {
            *place = device
                .as_ref()
                .map(|device| self.device(device, gates))
                .transpose()?;
        }
        let operators = self.operators.iter().map(|(prefix, name)| {
            let kind = match name.as_str() {
                "xor" => MergeKind::Xor,
                "addInt64" => MergeKind::AddInt64,
                _ => return Err(invalid(format!("unknown merge operator {name}"))),
            };
            Ok((prefix.clone(), kind))
        });
        Ok(StoreSpec {
            devices,
            config: self.bluefs.config()?,
            uuid: uuid_of(&self.uuid)?,
            owner: uuid_of(&self.owner)?,
            sharding: self.families.clone(),
            database: DatabaseSpec {
                create: self.create,
                read_only: self.read_only,
                salvage: self.salvage,
                options: self.options.clone(),
                operators: operators.collect::<Result<_>>()?,
                cache_bytes: self.cache_bytes,
                bloom_bits: self.bloom_bits,
                block_bytes: self.block_bytes,
            },
        })
    }
}

/// Keys that cannot be read.
#[napi(object)]
pub struct KvHole {
    /// The last key before them; empty: none.
    pub after: Uint8Array,
    /// The first key behind them.
    pub before: Option<Uint8Array>,
    /// Why.
    pub reason: String,
}

fn put_entry(page: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    page.extend((key.len() as u32).to_le_bytes());
    page.extend((value.len() as u32).to_le_bytes());
    page.extend(key);
    page.extend(value);
}

/// An open store.
#[napi]
pub struct NativeKvStore {
    /// Dropped before the descriptor that it watches.
    parking: Option<Parking>,
    store: Option<Store>,
    gates: Vec<Arc<dyn Shut>>,
}

#[napi]
impl NativeKvStore {
    /// Opens or makes a store; `spec` is the JSON of `Spec`. Blocks until the log is replayed.
    #[napi(constructor)]
    pub fn new(spec: String) -> Result<Self> {
        let spec: Spec = serde_json::from_str(&spec)
            .map_err(|error| invalid(format!("key-value store: {error}")))?;
        let mut gates = Vec::new();
        let store = Store::open(&spec.store(&mut gates)?).map_err(failed)?;
        Ok(Self {
            parking: None,
            store: Some(store),
            gates,
        })
    }

    fn store(&self) -> Result<&Store> {
        self.store
            .as_ref()
            .ok_or_else(|| Error::from_reason("the key-value store is closed"))
    }

    /// The value of a key.
    #[napi]
    pub fn get(&self, prefix: String, key: &[u8]) -> Result<Option<Uint8Array>> {
        let value = self.store()?.db.get(prefix.as_bytes(), key);
        Ok(value.map_err(failed)?.map(Uint8Array::new))
    }

    /// At most `limit` entries, one behind the other: length of the key (u32, little-endian), of
    /// the value, key, value.
    #[napi]
    pub fn scan(
        &self,
        prefix: String,
        from: &[u8],
        to: Option<&[u8]>,
        limit: u32,
    ) -> Result<Uint8Array> {
        let mut page = Vec::new();
        let mut left = limit;
        let visit = |key: &[u8], value: &[u8]| {
            put_entry(&mut page, key, value);
            left -= 1;
            left > 0
        };
        if limit > 0 {
            let scanned = self.store()?.db.scan(prefix.as_bytes(), from, to, visit);
            scanned.map_err(failed)?;
        }
        Ok(Uint8Array::new(page))
    }

    /// As `scan` to the end of the prefix, around what cannot be read: the page, and for each hole
    /// the key before it, the key behind it (absent: none), and why.
    #[napi]
    pub fn scan_around(
        &self,
        prefix: String,
        from: &[u8],
        limit: u32,
    ) -> Result<(Uint8Array, Vec<KvHole>)> {
        let mut page = Vec::new();
        let mut left = limit.max(1);
        let visit = |key: &[u8], value: &[u8]| {
            put_entry(&mut page, key, value);
            left -= 1;
            left > 0
        };
        let scanned = self.store()?.db.scan_around(prefix.as_bytes(), from, visit);
        let holes = scanned.map_err(failed)?.into_iter().map(|hole| KvHole {
            after: Uint8Array::new(hole.after),
            before: hole.before.map(Uint8Array::new),
            reason: hole.reason,
        });
        let holes = holes.collect();
        Ok((Uint8Array::new(page), holes))
    }

    /// Damage that BlueFS met, one line each.
    #[napi]
    pub fn damage(&self) -> Result<Vec<String>> {
        Ok(self.store()?.fs().damage())
    }

    /// Queues encoded batches as one commit; returns how many commits there were by now.
    #[napi]
    pub fn commit(&self, batches: Vec<Uint8Array>) -> Result<f64> {
        let mut bytes = Vec::with_capacity(batches.iter().map(|batch| batch.len()).sum());
        for batch in &batches {
            bytes.extend_from_slice(batch);
        }
        Ok(self.store()?.committer.submit(bytes) as f64)
    }

    /// How many commits are through, and no more wake-ups until the next `park`. When some failed:
    /// minus that number, minus one; then `failures` says which.
    #[napi]
    pub fn poll(&self) -> Result<f64> {
        let committer = &self.store()?.committer;
        committer.unpark();
        let done = committer.done() as f64;
        Ok(if committer.has_failures() {
            -done - 1.0
        } else {
            done
        })
    }

    /// Numbers and errnos of commits that failed since the last call, in turn.
    #[napi]
    pub fn failures(&self) -> Result<Vec<f64>> {
        let failures = self.store()?.committer.take_failures();
        let pairs = failures.into_iter();
        Ok(pairs
            .flat_map(|(number, errno)| [number as f64, f64::from(errno)])
            .collect())
    }

    /// Whoever commits has been told of the failures: commits are tried again.
    #[napi]
    pub fn recover(&self) -> Result<()> {
        self.store()?.committer.recover();
        Ok(())
    }

    /// Sets what `park` calls, once. The caller MUST hold it.
    #[napi]
    pub fn set_wake(&mut self, env: Env, callback: Function<(), ()>) -> Result<()> {
        let fd = self.store()?.committer.ready_fd();
        self.parking = Some(Parking::new(&env, &callback, Some(fd))?);
        Ok(())
    }

    /// Calls what `set_wake` set, once, on a later turn, when more than `seen` commits are through.
    #[napi]
    pub fn park(&mut self, seen: f64) -> Result<()> {
        let waits = self.store()?.committer.park(seen as u64);
        if let Some(parking) = &mut self.parking {
            parking.arm(!waits);
        }
        Ok(())
    }

    /// All space that BlueFS has: device (0 WAL, 1 DB, 2 slow), offset, length in turn.
    #[napi]
    pub fn used_extents(&self) -> Result<Vec<f64>> {
        let extents = self.store()?.fs().used_extents().into_iter();
        Ok(extents
            .flat_map(|extent| {
                [
                    extent.bdev.index() as f64,
                    extent.offset as f64,
                    extent.length as f64,
                ]
            })
            .collect())
    }

    /// Counters as JSON.
    #[napi]
    pub fn counters(&self) -> Result<String> {
        Ok(Value::Object(counters(self.store()?)).to_string())
    }

    /// Warnings and errors that RocksDB logged, oldest first.
    #[napi]
    pub fn log_lines(&self) -> Result<Vec<String>> {
        Ok(self.store()?.db.log_lines())
    }

    /// Sets how large the block cache may be.
    #[napi]
    pub fn set_cache_bytes(&self, bytes: f64) -> Result<()> {
        self.store()?.db.set_cache_bytes(bytes as u64);
        Ok(())
    }

    /// Compacts everything; blocks.
    #[napi]
    pub fn compact(&self) -> Result<()> {
        self.store()?.db.compact().map_err(failed)
    }

    /// Lets go as the end of the process would: when this returns nothing is written any more, and
    /// no commit that is under way is told of.
    #[napi]
    pub fn abandon(&mut self) {
        self.parking = None;
        for gate in &self.gates {
            gate.shut();
        }
        if let Some(mut store) = self.store.take() {
            store.committer.stop();
        }
    }

    /// Waits for commits and closes; blocks. What was through before and not polled is in the
    /// answer: the number of commits and, in turn, numbers and errnos of those that failed.
    #[napi]
    pub fn close(&mut self) -> Result<Vec<f64>> {
        self.parking = None;
        let Some(mut store) = self.store.take() else {
            return Ok(Vec::new());
        };
        store.committer.stop();
        let mut answer = vec![store.committer.done() as f64];
        for (number, errno) in store.committer.take_failures() {
            answer.extend([number as f64, f64::from(errno)]);
        }
        store.close().map_err(failed)?;
        Ok(answer)
    }
}

fn counters(store: &Store) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |name: &str, value: u64| {
        out.insert(name.to_owned(), json!(value));
    };
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let commits = store.committer.counters();
    put("commits", read(&commits.commits));
    put("commit_groups", read(&commits.writes));
    put("batch_bytes", read(&commits.bytes));
    put("sync_ns", read(&commits.write_ns));
    let fs = &store.fs().counters;
    put("bluefs_log_bytes", read(&fs.log_bytes));
    put("bluefs_log_transactions", read(&fs.log_transactions));
    put("bluefs_log_compactions", read(&fs.log_compactions));
    put("bluefs_bytes_written_wal", read(&fs.wal_bytes));
    put("bluefs_bytes_written_sst", read(&fs.file_bytes));
    put("bluefs_read_bytes", read(&fs.read_bytes));
    put("flushes", read(&fs.flushes));
    let written = [&fs.log_bytes, &fs.wal_bytes, &fs.file_bytes];
    put("written_bytes", written.map(read).iter().sum());
    put("bluefs_wal_recycled_bytes", read(&fs.wal_recycled_bytes));
    put("bluefs_spilled_bytes", read(&fs.spilled_bytes));
    put("bluefs_spilled_held_bytes_now", store.fs().spilled_now());
    for bdev in BDEVS {
        put(
            &format!("bluefs_{}_used_bytes_now", bdev.name()),
            store.used_bytes(bdev),
        );
    }
    let db = store.db.counters();
    put("rocksdb_memtable_flushes", db.flushes);
    put("rocksdb_memtable_flush_bytes", db.flush_bytes);
    put("rocksdb_compactions", db.compactions);
    put("rocksdb_compaction_read_bytes", db.compaction_read_bytes);
    put("rocksdb_compaction_write_bytes", db.compaction_write_bytes);
    put("rocksdb_background_errors", db.background_errors);
    put("rocksdb_cache_bytes_now", db.cache_bytes);
    put("rocksdb_cache_capacity_now", db.cache_capacity);
    put("rocksdb_memtable_bytes_now", db.memtable_bytes);
    put("rocksdb_table_bytes_now", db.table_bytes);
    put("rocksdb_table_reader_bytes_now", db.table_reader_bytes);
    put(
        "rocksdb_pending_compaction_bytes_now",
        db.pending_compaction_bytes,
    );
    for (level, bytes) in db.level_bytes.iter().enumerate() {
        put(&format!("rocksdb_level{level}_bytes_now"), *bytes);
    }
    out
}
