//! The C interface of `cpp/binding.h`.

use std::ffi::{c_char, c_int, c_void};

/// Bytes somewhere.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Bytes {
    pub data: *const c_char,
    pub length: usize,
}

impl Bytes {
    /// MUST NOT outlive the slice.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            data: bytes.as_ptr().cast(),
            length: bytes.len(),
        }
    }

    pub const NONE: Self = Self {
        data: std::ptr::null(),
        length: 0,
    };

    /// # Safety
    /// The bytes MUST be there for as long as the slice is used.
    pub unsafe fn slice<'a>(self) -> &'a [u8] {
        // SAFETY: the caller's.
        unsafe { slice(self.data, self.length) }
    }
}

/// # Safety
/// The bytes MUST be there for as long as the slice is used.
pub unsafe fn slice<'a>(data: *const c_char, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts(data.cast(), length) }
}

#[repr(C)]
pub struct Family {
    pub name: Bytes,
    pub options: Bytes,
    pub prefix: Bytes,
}

#[repr(C)]
pub struct Operator {
    pub prefix: Bytes,
    pub kind: c_int,
}

#[repr(C)]
pub struct Path {
    pub path: Bytes,
    pub target_bytes: u64,
}

#[repr(C)]
pub struct Open {
    pub fs: *const c_void,
    pub create: c_int,
    pub read_only: c_int,
    pub options: Bytes,
    pub families: *const Family,
    pub family_count: usize,
    pub operators: *const Operator,
    pub operator_count: usize,
    pub paths: *const Path,
    pub path_count: usize,
    pub cache_bytes: u64,
    pub bloom_bits: f64,
    pub block_bytes: u64,
}

/// What RocksDB counts.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Counters {
    /// Memtables that became tables.
    pub flushes: u64,
    /// Bytes of those tables.
    pub flush_bytes: u64,
    /// Compactions.
    pub compactions: u64,
    /// Bytes that they read.
    pub compaction_read_bytes: u64,
    /// Bytes that they wrote.
    pub compaction_write_bytes: u64,
    /// Block cache in use.
    pub cache_bytes: u64,
    /// Block cache at most.
    pub cache_capacity: u64,
    /// Memtables in memory.
    pub memtable_bytes: u64,
    /// Tables on the devices.
    pub table_bytes: u64,
    /// Memory of open tables outside the cache.
    pub table_reader_bytes: u64,
    /// Estimated bytes that compactions have to rewrite.
    pub pending_compaction_bytes: u64,
    /// Errors of flushes and compactions.
    pub background_errors: u64,
    /// Bytes of the tables by level.
    pub level_bytes: [u64; 8],
}

#[repr(C)]
pub struct Db {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Batch {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Iterator {
    _opaque: [u8; 0],
}

pub type Text = unsafe extern "C" fn(*mut c_void, *const c_char, usize);
pub type Value = unsafe extern "C" fn(*mut c_void, usize, *const c_char, usize);

unsafe extern "C" {
    pub fn osdyno_db_open(open: *const Open, context: *mut c_void, failed: Text) -> *mut Db;
    pub fn osdyno_db_close(db: *mut Db);
    pub fn osdyno_db_batch() -> *mut Batch;
    pub fn osdyno_db_batch_free(batch: *mut Batch);
    pub fn osdyno_db_batch_clear(batch: *mut Batch);
    pub fn osdyno_db_batch_bytes(batch: *const Batch) -> usize;
    pub fn osdyno_db_put(
        db: *mut Db,
        batch: *mut Batch,
        family: usize,
        key: Bytes,
        value: Bytes,
    ) -> c_int;
    pub fn osdyno_db_delete(db: *mut Db, batch: *mut Batch, family: usize, key: Bytes) -> c_int;
    pub fn osdyno_db_delete_range(
        db: *mut Db,
        batch: *mut Batch,
        family: usize,
        from: Bytes,
        to: Bytes,
    ) -> c_int;
    pub fn osdyno_db_merge(
        db: *mut Db,
        batch: *mut Batch,
        family: usize,
        key: Bytes,
        value: Bytes,
    ) -> c_int;
    pub fn osdyno_db_write(
        db: *mut Db,
        batch: *mut Batch,
        sync: c_int,
        context: *mut c_void,
        failed: Text,
    ) -> c_int;
    pub fn osdyno_db_get(
        db: *mut Db,
        family: usize,
        key: Bytes,
        context: *mut c_void,
        found: Value,
        failed: Text,
    ) -> c_int;
    pub fn osdyno_db_multi_get(
        db: *mut Db,
        family: usize,
        keys: *const Bytes,
        count: usize,
        context: *mut c_void,
        found: Value,
        failed: Text,
    ) -> c_int;
    pub fn osdyno_db_iterator(db: *mut Db, family: usize, from: Bytes, to: Bytes) -> *mut Iterator;
    pub fn osdyno_db_iterator_entry(
        iterator: *mut Iterator,
        key: *mut Bytes,
        value: *mut Bytes,
    ) -> c_int;
    pub fn osdyno_db_iterator_next(iterator: *mut Iterator);
    pub fn osdyno_db_iterator_status(
        iterator: *mut Iterator,
        context: *mut c_void,
        failed: Text,
    ) -> c_int;
    pub fn osdyno_db_iterator_free(iterator: *mut Iterator);
    pub fn osdyno_db_tidy(
        db: *mut Db,
        free_bytes: u64,
        context: *mut c_void,
        failed: Text,
    ) -> c_int;
    pub fn osdyno_db_flush(db: *mut Db, context: *mut c_void, failed: Text) -> c_int;
    pub fn osdyno_db_compact(db: *mut Db, context: *mut c_void, failed: Text) -> c_int;
    pub fn osdyno_db_set_cache(db: *mut Db, bytes: u64);
    pub fn osdyno_db_counters(db: *mut Db, counters: *mut Counters);
}
