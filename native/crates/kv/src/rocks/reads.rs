//! Reading the database: keys one by one, and ranges in order over the shards of a prefix.

use std::ffi::{c_char, c_void};

use super::database::{Database, take_text, told};
use super::ffi::{self, Bytes};
use crate::error::{KvError, Result};
use crate::sharding::{stored_end, stored_key};

impl Database {
    /// The value of a key.
    pub fn get(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.settle();
        let mut stored = Vec::with_capacity(prefix.len() + 1 + key.len());
        stored_key(prefix, key, &mut stored);
        let family = self.home(prefix).family(key);
        let mut found = Found::default();
        // SAFETY: the database is open, the key lives until the call returns, and so does `found`.
        let error = unsafe {
            ffi::osdyno_db_get(
                self.db,
                family,
                Bytes::of(&stored),
                (&raw mut found).cast(),
                Found::take_value,
                Found::take_text,
            )
        };
        match error {
            0 => Ok(found.values.pop().map(|(_, value)| value)),
            libc::ENOENT => Ok(None),
            error => Err(KvError::database(error, found.text)),
        }
    }

    /// The values of several keys of one prefix, in their order.
    pub fn multi_get(&self, prefix: &[u8], keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>> {
        self.settle();
        let home = self.home(prefix);
        let mut results = vec![None; keys.len()];
        for family in home.first..home.first + home.shards {
            let here: Vec<usize> = (0..keys.len())
                .filter(|&index| home.family(keys[index]) == family)
                .collect();
            let stored: Vec<Vec<u8>> = here
                .iter()
                .map(|&index| {
                    let mut stored = Vec::new();
                    stored_key(prefix, keys[index], &mut stored);
                    stored
                })
                .collect();
            let bytes: Vec<_> = stored.iter().map(|key| Bytes::of(key)).collect();
            let mut found = Found::default();
            // SAFETY: the database is open, keys and `found` live until the call returns.
            let error = unsafe {
                ffi::osdyno_db_multi_get(
                    self.db,
                    family,
                    bytes.as_ptr(),
                    bytes.len(),
                    (&raw mut found).cast(),
                    Found::take_value,
                    Found::take_text,
                )
            };
            if error != 0 {
                return Err(KvError::database(error, found.text));
            }
            for (index, value) in found.values {
                results[here[index]] = Some(value);
            }
        }
        Ok(results)
    }

    /// Calls `visit` with key and value from `from` up to but without `to`, ascending, until it
    /// returns false.
    pub fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
        to: Option<&[u8]>,
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<()> {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        stored_key(prefix, from, &mut first);
        match to {
            Some(to) => stored_key(prefix, to, &mut last),
            None => stored_end(prefix, &mut last),
        }
        if first >= last {
            return Ok(());
        }
        self.settle();
        let home = self.home(prefix);
        let shards: Vec<_> = (home.first..home.first + home.shards)
            .map(|family| Cursor::new(self, family, &first, &last))
            .collect();
        // A handful of shards: looking at each is quicker than a heap.
        loop {
            let lowest = shards
                .iter()
                .filter_map(|cursor| Some((cursor, cursor.entry()?)))
                .min_by(|(_, one), (_, other)| one.0.cmp(other.0));
            let Some((cursor, (key, value))) = lowest else {
                break;
            };
            if !visit(&key[prefix.len() + 1..], value) {
                break;
            }
            cursor.next();
        }
        shards.iter().try_for_each(Cursor::status)
    }
}

/// What a read brought.
#[derive(Default)]
struct Found {
    values: Vec<(usize, Vec<u8>)>,
    text: String,
}

impl Found {
    unsafe extern "C" fn take_value(
        context: *mut c_void,
        index: usize,
        bytes: *const c_char,
        length: usize,
    ) {
        // SAFETY: the context is what the caller passed along, the bytes are there for the call.
        unsafe {
            let value = ffi::slice(bytes, length).to_vec();
            (*context.cast::<Self>()).values.push((index, value));
        }
    }

    unsafe extern "C" fn take_text(context: *mut c_void, text: *const c_char, length: usize) {
        // SAFETY: as in `take_value`.
        unsafe {
            let bytes = ffi::slice(text, length);
            (*context.cast::<Self>()).text = String::from_utf8_lossy(bytes).into_owned();
        }
    }
}

/// A place in one family.
pub(super) struct Cursor {
    iterator: *mut ffi::Iterator,
}

impl Cursor {
    pub(super) fn new(db: &Database, family: usize, from: &[u8], to: &[u8]) -> Self {
        // SAFETY: the database is open; the C++ side copies the end.
        let iterator =
            unsafe { ffi::osdyno_db_iterator(db.db, family, Bytes::of(from), Bytes::of(to)) };
        Self { iterator }
    }

    /// Valid until `next`.
    pub(super) fn entry(&self) -> Option<(&[u8], &[u8])> {
        let (mut key, mut value) = (Bytes::NONE, Bytes::NONE);
        // SAFETY: the iterator is alive; what it shows stays until it moves.
        unsafe {
            let there = ffi::osdyno_db_iterator_entry(self.iterator, &raw mut key, &raw mut value);
            (there != 0).then(|| (key.slice(), value.slice()))
        }
    }

    pub(super) fn next(&self) {
        // SAFETY: the iterator is alive, and nobody holds an entry.
        unsafe { ffi::osdyno_db_iterator_next(self.iterator) };
    }

    pub(super) fn status(&self) -> Result<()> {
        told(|context| {
            // SAFETY: the iterator is alive.
            unsafe { ffi::osdyno_db_iterator_status(self.iterator, context, take_text) }
        })
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { ffi::osdyno_db_iterator_free(self.iterator) };
    }
}
