//! The database: opening it and writing to it by safe calls of the C++ side; `reads` has the rest.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use super::durable::{self, Applied};
use super::ffi::{self, Bytes};
use super::files::Files;
use crate::batch::{Operation, records};
use crate::error::{KvError, Result};
use crate::sharding::{Home, Sharding, stored_end, stored_key};

/// How values are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeKind {
    /// Byte by byte.
    Xor = 1,
    /// Arrays of little-endian 64-bit integers, added one by one.
    AddInt64 = 2,
}

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct DatabaseSpec {
    /// Make a new one.
    pub create: bool,
    /// Change nothing.
    pub read_only: bool,
    /// Read what can be read of a damaged one; for `read_only`.
    pub salvage: bool,
    /// RocksDB's options, separated by commas or semicolons.
    pub options: String,
    /// Merge operators by prefix.
    pub operators: Vec<(String, MergeKind)>,
    /// Block cache.
    pub cache_bytes: u64,
    /// Bits of the Bloom filter per key; 0: none (`rocksdb_bloom_bits_per_key`).
    pub bloom_bits: f64,
    /// Size of a table's blocks (`rocksdb_block_size`).
    pub block_bytes: u64,
}

/// An open database.
pub struct Database {
    pub(super) db: *mut ffi::Db,
    files: Box<Files>,
    sharding: Sharding,
    applied: Arc<Applied>,
}

// SAFETY: RocksDB's interface may be called from all threads at once; the pointer is only ever
// read.
unsafe impl Send for Database {}
// SAFETY: as above.
unsafe impl Sync for Database {}

/// Takes the text of an error.
pub(super) unsafe extern "C" fn take_text(
    context: *mut c_void,
    text: *const c_char,
    length: usize,
) {
    // SAFETY: the context is the string that the caller passed along, the text is there for the
    // call.
    unsafe {
        let bytes = ffi::slice(text, length);
        *context.cast::<String>() = String::from_utf8_lossy(bytes).into_owned();
    }
}

/// The result of a call that tells errors as an errno and a text.
pub(super) fn told(call: impl FnOnce(*mut c_void) -> c_int) -> Result<()> {
    let mut text = String::new();
    match call((&raw mut text).cast()) {
        0 => Ok(()),
        error => Err(KvError::database(error, text)),
    }
}

/// What BlueFS met says more than what RocksDB makes of it.
fn damage_or(damage: &[String], text: String) -> KvError {
    if damage.is_empty() {
        return KvError::database(libc::EIO, text);
    }
    KvError::Corrupt(damage.join("; "))
}

/// RocksDB separates options by semicolons, Ceph by commas; within braces nothing is changed.
fn separated(options: &str) -> String {
    let mut depth = 0_i32;
    options
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            if letter == ',' && depth == 0 {
                ';'
            } else {
                letter
            }
        })
        .collect()
}

impl Database {
    /// Opens the database in `files`.
    pub fn open(files: Files, sharding: Sharding, spec: &DatabaseSpec) -> Result<Self> {
        let files = Box::new(files);
        let mut options = separated(&spec.options);
        if spec.salvage {
            // A table that cannot be opened keeps nobody from the others.
            options.push_str(";paranoid_checks=false");
        }
        let family_options: Vec<_> = sharding
            .families
            .iter()
            .map(|family| separated(&family.options))
            .collect();
        let families: Vec<_> = sharding
            .families
            .iter()
            .zip(&family_options)
            .map(|(family, options)| ffi::Family {
                name: Bytes::of(family.name.as_bytes()),
                options: Bytes::of(options.as_bytes()),
                prefix: Bytes::of(&family.prefix),
            })
            .collect();
        let operators: Vec<_> = spec
            .operators
            .iter()
            .map(|(prefix, kind)| ffi::Operator {
                prefix: Bytes::of(prefix.as_bytes()),
                kind: *kind as c_int,
            })
            .collect();
        let paths: Vec<_> = files
            .fs
            .database_paths()
            .into_iter()
            .map(|(path, target_bytes)| ffi::Path {
                path: Bytes::of(path.as_bytes()),
                target_bytes,
            })
            .collect();
        let open = ffi::Open {
            fs: (&raw const *files).cast(),
            create: c_int::from(spec.create),
            read_only: c_int::from(spec.read_only),
            options: Bytes::of(options.as_bytes()),
            families: families.as_ptr(),
            family_count: families.len(),
            operators: operators.as_ptr(),
            operator_count: operators.len(),
            paths: paths.as_ptr(),
            path_count: paths.len(),
            cache_bytes: spec.cache_bytes,
            bloom_bits: spec.bloom_bits,
            block_bytes: spec.block_bytes,
        };
        let mut text = String::new();
        // SAFETY: everything that `open` points to lives until the call returns, and `files` in its
        // box until the database is closed.
        let db = unsafe { ffi::osdyno_db_open(&raw const open, (&raw mut text).cast(), take_text) };
        if db.is_null() {
            return Err(
                match text.strip_prefix("Invalid argument: bluestore_rocksdb_") {
                    Some(reason) => KvError::Invalid(format!("bluestore_rocksdb_{reason}")),
                    None => damage_or(&files.fs.damage(), text),
                },
            );
        }
        Ok(Self {
            db,
            files,
            sharding,
            applied: Arc::default(),
        })
    }

    /// Before reading: what was told of as durable is there.
    pub(super) fn settle(&self) {
        self.applied.wait();
    }

    /// Where the keys of a prefix are.
    pub(super) fn home(&self, prefix: &[u8]) -> Home<'_> {
        self.sharding.home(prefix)
    }

    /// Warnings and errors that RocksDB logged, oldest first.
    #[must_use]
    pub fn log_lines(&self) -> Vec<String> {
        self.files.lines()
    }

    /// Adds the operations of an encoded batch.
    pub fn add(&self, batch: &mut WriteBatch, bytes: &[u8]) -> Result<()> {
        for record in records(bytes) {
            let (prefix, operation) = record?;
            self.add_operation(batch, prefix, operation)?;
        }
        Ok(())
    }

    fn add_operation(
        &self,
        batch: &mut WriteBatch,
        prefix: &[u8],
        operation: Operation<'_>,
    ) -> Result<()> {
        let home = self.sharding.home(prefix);
        let (key, end) = (&mut batch.key, &mut batch.end);
        // SAFETY: database and batch are alive, and the bytes live until each call returns.
        let error = unsafe {
            match operation {
                Operation::Set(name, value) => {
                    stored_key(prefix, name, key);
                    let family = home.family(name);
                    let value = Bytes::of(value);
                    ffi::osdyno_db_put(self.db, batch.batch, family, Bytes::of(key), value)
                }
                Operation::Remove(name) => {
                    stored_key(prefix, name, key);
                    ffi::osdyno_db_delete(self.db, batch.batch, home.family(name), Bytes::of(key))
                }
                Operation::Merge(name, value) => {
                    stored_key(prefix, name, key);
                    let family = home.family(name);
                    let value = Bytes::of(value);
                    ffi::osdyno_db_merge(self.db, batch.batch, family, Bytes::of(key), value)
                }
                Operation::RemoveRange(from, to) => {
                    stored_key(prefix, from, key);
                    match to {
                        Some(to) => stored_key(prefix, to, end),
                        None => stored_end(prefix, end),
                    }
                    if key >= end {
                        return Ok(());
                    }
                    (home.first..home.first + home.shards)
                        .map(|family| {
                            let (from, to) = (Bytes::of(key), Bytes::of(end));
                            ffi::osdyno_db_delete_range(self.db, batch.batch, family, from, to)
                        })
                        .find(|error| *error != 0)
                        .unwrap_or(0)
                }
            }
        };
        match error {
            0 => Ok(()),
            error => Err(KvError::database(error, "a batch takes no more".to_owned())),
        }
    }

    /// Writes a batch; with `sync` it and everything written before are durable on return.
    pub fn write(&self, batch: &mut WriteBatch, sync: bool) -> Result<()> {
        let written = told(|context| {
            let sync = c_int::from(sync);
            // SAFETY: database and batch are alive.
            unsafe { ffi::osdyno_db_write(self.db, batch.batch, sync, context, take_text) }
        });
        let fs = self.fs();
        if written.is_ok() {
            fs.went_well();
            return written;
        }
        // What follows on a file that got no space RocksDB calls an I/O error.
        match fs.refused() {
            Some(reason) => Err(KvError::database(libc::ENOSPC, reason)),
            None => written,
        }
    }

    /// As `write` with `sync`, and calls `told` as soon as the batch is durable, if that shows before
    /// the return. What follows then, an error too, says nothing of the batch: it stays durable.
    pub fn write_durably(
        &self,
        batch: &mut WriteBatch,
        told: impl FnOnce() + 'static,
    ) -> Result<()> {
        let applied = self.applied.clone();
        let tell = move || {
            applied.begin();
            told();
        };
        let written = durable::watch(Box::new(tell), || self.write(batch, true));
        self.applied.end();
        written
    }

    /// Turns all memtables into tables.
    pub fn flush(&self) -> Result<()> {
        // SAFETY: the database is open.
        told(|context| unsafe { ffi::osdyno_db_flush(self.db, context, take_text) })
    }

    /// Compacts everything.
    pub fn compact(&self) -> Result<()> {
        // SAFETY: the database is open.
        told(|context| unsafe { ffi::osdyno_db_compact(self.db, context, take_text) })
    }

    /// Gives back space of what was removed: memtables become tables, so that their logs go, and
    /// column families that fit into `free_bytes` beside themselves are written anew.
    pub fn tidy(&self, free_bytes: u64) -> Result<()> {
        // SAFETY: the database is open.
        told(|context| unsafe { ffi::osdyno_db_tidy(self.db, free_bytes, context, take_text) })
    }

    /// Sets how large the block cache may be.
    pub fn set_cache_bytes(&self, bytes: u64) {
        // SAFETY: the database is open.
        unsafe { ffi::osdyno_db_set_cache(self.db, bytes) };
    }

    /// What RocksDB counts.
    #[must_use]
    pub fn counters(&self) -> ffi::Counters {
        let mut counters = ffi::Counters::default();
        // SAFETY: the database is open and the place is ours.
        unsafe { ffi::osdyno_db_counters(self.db, &raw mut counters) };
        counters
    }

    /// The file system below.
    #[must_use]
    pub fn fs(&self) -> &Arc<crate::bluefs::BlueFs> {
        &self.files.fs
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // SAFETY: opened once, closed once; its files are still there.
        unsafe { ffi::osdyno_db_close(self.db) };
    }
}

/// Operations for one write.
pub struct WriteBatch {
    batch: *mut ffi::Batch,
    key: Vec<u8>,
    end: Vec<u8>,
}

// SAFETY: plain memory that one thread at a time uses.
unsafe impl Send for WriteBatch {}

impl WriteBatch {
    /// Nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            // SAFETY: a plain call.
            batch: unsafe { ffi::osdyno_db_batch() },
            key: Vec::new(),
            end: Vec::new(),
        }
    }

    /// Empties it.
    pub fn clear(&mut self) {
        // SAFETY: the batch is alive.
        unsafe { ffi::osdyno_db_batch_clear(self.batch) };
    }

    /// Bytes in it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // SAFETY: the batch is alive.
        unsafe { ffi::osdyno_db_batch_bytes(self.batch) }
    }
}

impl Default for WriteBatch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WriteBatch {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { ffi::osdyno_db_batch_free(self.batch) };
    }
}

#[cfg(test)]
mod tests {
    use super::separated;

    #[test]
    fn options_of_both_kinds() {
        let text = "a=1, b={c=2,d=3},\n e=4;f=5";
        assert_eq!(separated(text), "a=1;b={c=2,d=3};e=4;f=5");
    }
}
