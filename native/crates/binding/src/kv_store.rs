//! RocksDB on BlueFS for TypeScript: commits are queued with one call and complete in order, so
//! that one number tells of all of them; reads return whole pages.

#![expect(
    clippy::needless_pass_by_value,
    reason = "values come from JavaScript by value"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use napi::bindgen_prelude::*;
use napi_derive::napi;
use osdyno_kv::bluefs::fnode::BDEVS;
use osdyno_kv::device::gate::Shut;
use osdyno_kv::error::KvError;
use osdyno_kv::rocks::store::Store;
use serde_json::{Map, Value, json};

use crate::kv_spec::{Spec, invalid};
use crate::parking::Parking;

fn failed(error: KvError) -> Error {
    match error {
        KvError::Invalid(reason) => invalid(reason),
        KvError::Corrupt(reason) if !reason.contains("damaged") => {
            Error::from_reason(format!("BlueFS is damaged: {reason}"))
        }
        other => Error::from_reason(other.to_string()),
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

    /// Queues encoded batches, one behind the other, as one commit; returns how many commits there
    /// were by now. `premises`: what the commit stands on, entries of 16 bytes: offset on the main
    /// device (u64), length (u32), CRC-32C from all ones and not inverted at the end (u32),
    /// little-endian; then the contract of `Committer::submit_premised` holds.
    #[napi]
    pub fn commit(&self, batches: &[u8], premises: Option<&[u8]>) -> Result<f64> {
        let committer = &self.store()?.committer;
        let number = match premises {
            None => committer.submit(batches.to_vec()),
            Some(premises) => committer
                .submit_premised(batches.to_vec(), premises.to_vec())
                .map_err(failed)?,
        };
        Ok(number as f64)
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

    /// The bytes of a file beside the database; none: there is no such file.
    #[napi]
    pub fn read_file(&self, path: String) -> Result<Option<Uint8Array>> {
        let bytes = self.store()?.fs().read_whole(&path);
        Ok(bytes.map_err(failed)?.map(Uint8Array::new))
    }

    /// Writes one, in place of the one that is there; durable on return.
    #[napi]
    pub fn write_file(&self, path: String, bytes: &[u8]) -> Result<()> {
        self.store()?.write_file(&path, bytes).map_err(failed)
    }

    /// Removes one, if it is there; durable on return.
    #[napi]
    pub fn remove_file(&self, path: String) -> Result<()> {
        self.store()?.fs().remove_whole(&path).map_err(failed)
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

    /// Queues, as a commit, that space of what was removed is given back; `free_bytes` may be
    /// written before any is. Returns how many commits there were by now.
    #[napi]
    pub fn tidy(&self, free_bytes: f64) -> Result<f64> {
        Ok(self.store()?.committer.tidy(free_bytes as u64) as f64)
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
    put("bluefs_groundless_records", read(&fs.groundless_records));
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
