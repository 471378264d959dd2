//! BlueFS as RocksDB's C++ side calls it.

use std::collections::VecDeque;
use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::durable;
use super::ffi::slice;
use super::table;
use crate::bluefs::BlueFs;
use crate::bluefs::directory::Stat;
use crate::bluefs::fnode::Bdev;
use crate::bluefs::reader::FileReader;
use crate::bluefs::writer::FileWriter;
use crate::error::{KvError, Result};

/// Lines of RocksDB's log that are kept.
const LINES: usize = 100;

/// What the C++ side's `fs` points to.
pub struct Files {
    pub fs: Arc<BlueFs>,
    lines: Mutex<VecDeque<String>>,
}

impl Files {
    pub fn new(fs: Arc<BlueFs>) -> Self {
        Self {
            fs,
            lines: Mutex::new(VecDeque::new()),
        }
    }

    /// The newest warnings and errors of RocksDB.
    pub fn lines(&self) -> Vec<String> {
        self.locked_lines().iter().cloned().collect()
    }

    fn locked_lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// # Safety
/// `fs` MUST point to a `Files` that lives for as long as the reference is used.
unsafe fn files<'a>(fs: *const c_void) -> &'a Files {
    // SAFETY: the caller's.
    unsafe { &*fs.cast() }
}

/// # Safety
/// As `slice`.
unsafe fn text<'a>(path: *const c_char, length: usize) -> Result<&'a str> {
    // SAFETY: the caller's.
    let bytes = unsafe { slice(path, length) };
    std::str::from_utf8(bytes).map_err(|_| KvError::Invalid("a path that is no text".to_owned()))
}

/// 0, or the errno of an error or a panic.
fn code(action: impl FnOnce() -> Result<()>) -> c_int {
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(Ok(())) => 0,
        Ok(Err(error)) => error.errno(),
        Err(_) => libc::EIO,
    }
}

type Writer = Mutex<FileWriter>;

/// # Safety
/// `handle` MUST come from `osdyno_fs_open_write` and not be closed.
unsafe fn writer<'a>(handle: *mut c_void) -> MutexGuard<'a, FileWriter> {
    // SAFETY: the caller's.
    let writer = unsafe { &*handle.cast::<Writer>() };
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_open_read(
    fs: *const c_void,
    path: *const c_char,
    length: usize,
    reader: *mut *mut c_void,
) -> c_int {
    code(|| {
        // SAFETY: the C++ side passes its `fs`, a path and a place for the result.
        unsafe {
            let opened = files(fs).fs.open(text(path, length)?)?;
            *reader = Box::into_raw(Box::new(opened)).cast();
        }
        Ok(())
    })
}

/// Whether what describes a table is whole.
#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_check_table(reader: *const c_void) -> c_int {
    // SAFETY: the handle is open.
    code(|| table::check(unsafe { &*reader.cast::<FileReader>() }))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_read(
    reader: *mut c_void,
    offset: u64,
    into: *mut c_char,
    length: usize,
) -> i64 {
    if length == 0 {
        return 0;
    }
    let mut count = 0;
    let error = code(|| {
        // SAFETY: the handle is open, and `into` has room for `length` bytes that nobody else uses.
        let (reader, buffer) = unsafe {
            let buffer = std::slice::from_raw_parts_mut(into.cast::<u8>(), length);
            (&*reader.cast::<FileReader>(), buffer)
        };
        count = reader.read_at(offset, buffer)?;
        Ok(())
    });
    if error == 0 {
        count as i64
    } else {
        -i64::from(error)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_close_read(reader: *mut c_void) {
    code(|| {
        // SAFETY: the handle came from `Box::into_raw` and is closed once.
        drop(unsafe { Box::from_raw(reader.cast::<FileReader>()) });
        Ok(())
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_open_write(
    fs: *const c_void,
    path: *const c_char,
    length: usize,
    append: c_int,
    handle: *mut *mut c_void,
) -> c_int {
    code(|| {
        // SAFETY: the C++ side passes its `fs`, a path and a place for the result.
        unsafe {
            let (fs, path) = (&files(fs).fs, text(path, length)?);
            let opened = if append != 0 {
                fs.open_append(path)?
            } else {
                fs.create(path)?
            };
            *handle = Box::into_raw(Box::new(Writer::new(opened))).cast();
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_append(
    handle: *mut c_void,
    bytes: *const c_char,
    length: usize,
) -> c_int {
    code(|| {
        // SAFETY: the handle is open and the bytes are there for the call.
        let (mut writer, bytes) = unsafe { (writer(handle), slice(bytes, length)) };
        if writer.is_wal() {
            durable::appended(handle);
        }
        writer.append(bytes)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_sync(handle: *mut c_void) -> c_int {
    code(|| {
        // SAFETY: the handle is open.
        unsafe { writer(handle).sync()? };
        durable::synced(handle);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_truncate(handle: *mut c_void, size: u64) -> c_int {
    // SAFETY: the handle is open.
    code(|| unsafe { writer(handle).truncate(size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_preallocate(handle: *mut c_void, size: u64) -> c_int {
    // SAFETY: the handle is open.
    code(|| unsafe { writer(handle).preallocate(size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_writer_size(handle: *mut c_void) -> u64 {
    // SAFETY: the handle is open.
    unsafe { writer(handle).size() }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_close_write(handle: *mut c_void) -> c_int {
    code(|| {
        // SAFETY: the handle came from `Box::into_raw` and is closed once.
        let writer = unsafe { Box::from_raw(handle.cast::<Writer>()) };
        let writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        writer.close()
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_stat(
    fs: *const c_void,
    path: *const c_char,
    length: usize,
    size: *mut u64,
    mtime_ns: *mut u64,
    directory: *mut c_int,
) -> c_int {
    code(|| {
        // SAFETY: the C++ side passes its `fs`, a path and places for the results.
        unsafe {
            match files(fs).fs.stat(text(path, length)?)? {
                Stat::Directory => *directory = 1,
                Stat::File {
                    size: bytes,
                    mtime_ns: time,
                } => {
                    *size = bytes;
                    *mtime_ns = time;
                }
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_list(
    fs: *const c_void,
    path: *const c_char,
    length: usize,
    context: *mut c_void,
    found: unsafe extern "C" fn(*mut c_void, *const c_char, usize),
) -> c_int {
    code(|| {
        // SAFETY: the C++ side passes its `fs`, a path, and a function that takes its context.
        unsafe {
            for name in files(fs).fs.list(text(path, length)?)? {
                found(context, name.as_ptr().cast(), name.len());
            }
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_unlink(
    fs: *const c_void,
    path: *const c_char,
    length: usize,
) -> c_int {
    // SAFETY: the C++ side passes its `fs` and a path.
    code(|| unsafe { files(fs).fs.unlink(text(path, length)?) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_mkdir(
    fs: *const c_void,
    path: *const c_char,
    length: usize,
) -> c_int {
    // SAFETY: the C++ side passes its `fs` and a path.
    code(|| unsafe { files(fs).fs.mkdir(text(path, length)?) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_rmdir(
    fs: *const c_void,
    path: *const c_char,
    length: usize,
) -> c_int {
    // SAFETY: the C++ side passes its `fs` and a path.
    code(|| unsafe { files(fs).fs.rmdir(text(path, length)?) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_rename(
    fs: *const c_void,
    from: *const c_char,
    from_length: usize,
    to: *const c_char,
    to_length: usize,
) -> c_int {
    code(|| {
        // SAFETY: the C++ side passes its `fs` and two paths.
        unsafe {
            files(fs)
                .fs
                .rename(text(from, from_length)?, text(to, to_length)?)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_sync_names(fs: *const c_void) -> c_int {
    // SAFETY: the C++ side passes its `fs`.
    code(|| unsafe { files(fs).fs.sync() })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_lock(
    fs: *const c_void,
    path: *const c_char,
    length: usize,
) -> c_int {
    code(|| {
        // SAFETY: the C++ side passes its `fs` and a path.
        unsafe {
            let path = text(path, length)?;
            if files(fs).fs.lock(path) {
                return Ok(());
            }
            Err(KvError::Exists(path.to_owned()))
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_unlock(fs: *const c_void, path: *const c_char, length: usize) {
    code(|| {
        // SAFETY: the C++ side passes its `fs` and a path.
        unsafe { files(fs).fs.unlock(text(path, length)?) };
        Ok(())
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_free(fs: *const c_void) -> u64 {
    // SAFETY: the C++ side passes its `fs`.
    let files = unsafe { files(fs) };
    files.fs.free_bytes(Bdev::Db) + files.fs.free_bytes(Bdev::Slow)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn osdyno_fs_log(
    fs: *const c_void,
    level: c_int,
    line: *const c_char,
    length: usize,
) {
    code(|| {
        // SAFETY: the C++ side passes its `fs` and a line.
        let (files, line) = unsafe { (files(fs), slice(line, length)) };
        let severity = if level > 2 { "error" } else { "warning" };
        let mut lines = files.locked_lines();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(format!("{severity}: {}", String::from_utf8_lossy(line)));
        Ok(())
    });
}
