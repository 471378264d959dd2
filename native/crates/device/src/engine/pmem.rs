//! The `pmem` and `mmap` engines: reads and writes are copies from and to a mapping of the file.
//!
//! What makes a write durable depends on what the mapping is. Where stores reach persistent memory (DAX)
//! or the file is nothing but memory (tmpfs), `pmem` starts to write back the cache lines of every write
//! and a flush is a fence that waits for them. Elsewhere, and always with `mmap`, it is `msync`.

use std::sync::Arc;

use osdyno_core::op::{FLAG_FUA, Op, OpKind};

use super::EngineError;
use super::file::OpenFile;
use super::mapping::Mapping;
use super::persist::{self, WriteBack};
use super::psync::plain;
use super::synchronous::{Execute, Synchronous};
use crate::arena::Arena;
use crate::spec::{Access, SyncMode};

/// The pmem or mmap engine.
pub type Pmem = Synchronous<Maps>;

/// What a mapping is a view of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Persistent memory itself.
    Dax,
    /// A file that is nothing but memory.
    Tmpfs,
    /// The kernel's cache of a file or device.
    PageCache,
}

/// What the engine asks of the machine; tests answer in its place.
pub trait Machine {
    /// Maps a file, and says what the mapping is a view of.
    ///
    /// # Errors
    /// The file cannot be mapped.
    fn map(&self, file: &OpenFile, write: bool) -> Result<(Mapping, Medium), EngineError>;
    /// How cache lines are written back here.
    fn write_back(&self) -> Option<WriteBack>;
}

/// This machine.
#[derive(Clone, Copy, Debug)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn map(&self, file: &OpenFile, write: bool) -> Result<(Mapping, Medium), EngineError> {
        // Only DAX takes this kind of mapping.
        if let Ok(mapping) = Mapping::new(file, write, true) {
            return Ok((mapping, Medium::Dax));
        }
        let medium = if file.is_on_tmpfs() {
            Medium::Tmpfs
        } else {
            Medium::PageCache
        };
        Ok((Mapping::new(file, write, false)?, medium))
    }

    fn write_back(&self) -> Option<WriteBack> {
        persist::detect()
    }
}

/// How writes to one mapping become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    CacheLines(WriteBack),
    Msync,
}

/// One file.
struct Map {
    mapping: Mapping,
    durability: Durability,
    /// Ranges were trimmed or zeroed since the last flush, which the file system has to make durable.
    punched: bool,
    /// After the mapping: it uses the descriptor.
    file: OpenFile,
}

/// Files that are mapped.
pub struct Maps {
    files: Vec<Map>,
    arena: Arc<Arena>,
    /// Every write is durable when it completes.
    synced: bool,
}

/// What both engines are opened with.
#[derive(Clone, Copy, Debug)]
pub struct MapMode {
    /// For writing too.
    pub write: bool,
    /// Other than `None`: every write is durable when it completes.
    pub sync: SyncMode,
    /// How the files are going to be read.
    pub access: Option<Access>,
    /// The job asks for direct I/O, which a mapping of cached pages cannot give.
    pub direct: bool,
}

/// The pmem engine over `files`, in the order of `Op::file`.
///
/// # Errors
/// A file cannot be mapped.
pub fn pmem(
    files: Vec<OpenFile>,
    arena: Arc<Arena>,
    depth: u32,
    mode: MapMode,
    machine: &dyn Machine,
) -> Result<Pmem, EngineError> {
    open(files, arena, depth, mode, "pmem", |file| {
        let (mapping, medium) = machine.map(file, mode.write)?;
        let (durability, why) = match (medium, machine.write_back()) {
            (Medium::PageCache, _) => (Durability::Msync, "msync (page cache, not DAX)".to_owned()),
            (_, None) => (
                Durability::Msync,
                "msync (no instruction to write back cache lines is known for this CPU)".to_owned(),
            ),
            (Medium::Dax, Some(by)) => (
                Durability::CacheLines(by),
                format!("{} and sfence (DAX)", by.name()),
            ),
            (Medium::Tmpfs, Some(by)) => (
                Durability::CacheLines(by),
                format!(
                    "{} and sfence (tmpfs: as on persistent memory, but forgotten at power-off)",
                    by.name()
                ),
            ),
        };
        let path = file.path();
        let note = format!("pmem: {path}: writes become durable by {why}");
        Ok((mapping, durability, medium, Some(note)))
    })
}

/// The mmap engine over `files`, in the order of `Op::file`.
///
/// # Errors
/// A file cannot be mapped.
pub fn mmap(
    files: Vec<OpenFile>,
    arena: Arc<Arena>,
    depth: u32,
    mode: MapMode,
    huge_pages: bool,
) -> Result<Pmem, EngineError> {
    open(files, arena, depth, mode, "mmap", |file| {
        let mapping = Mapping::new(file, mode.write, false)?;
        let refused = huge_pages.then(|| mapping.ask_for_huge_pages()).flatten();
        let note = refused.map(|why| format!("mmap: thp=1: {}: {why}", file.path()));
        Ok((mapping, Durability::Msync, Medium::PageCache, note))
    })
}

type Mapped = (Mapping, Durability, Medium, Option<String>);

fn open(
    files: Vec<OpenFile>,
    arena: Arc<Arena>,
    depth: u32,
    mode: MapMode,
    name: &str,
    map: impl Fn(&OpenFile) -> Result<Mapped, EngineError>,
) -> Result<Pmem, EngineError> {
    let mut maps = Vec::with_capacity(files.len());
    let mut notes = Vec::new();
    for file in files {
        if mode.write && file.has_holes() {
            // A store into a hole of a full disk has no way to say so.
            let result = file.allocate();
            if result == -libc::ENOSPC || result == -libc::EDQUOT {
                return Err(EngineError::System {
                    call: format!("allocate the holes of {}", file.path()),
                    source: std::io::Error::from_raw_os_error(-result),
                });
            }
        }
        let (mapping, durability, medium, note) = map(&file)?;
        mapping.advise(mode.access);
        notes.extend(note);
        if mode.direct && medium == Medium::PageCache {
            notes.push(format!(
                "{name}: {}: direct=1 cannot act on a mapping: it goes through the page cache",
                file.path()
            ));
        }
        maps.push(Map {
            mapping,
            durability,
            punched: false,
            file,
        });
    }
    let synced = mode.sync != SyncMode::None;
    let device = Maps {
        files: maps,
        arena,
        synced,
    };
    Ok(Synchronous::new(device, depth, notes))
}

impl Map {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> i32 {
        let Some(from) = self.mapping.at(offset, buffer.len()) else {
            return -libc::EINVAL;
        };
        // SAFETY: the range lies within the mapping, and the buffer is not part of it.
        unsafe { std::ptr::copy_nonoverlapping(from, buffer.as_mut_ptr(), buffer.len()) };
        self.mapping.check(offset, buffer.len())
    }

    fn write(&mut self, offset: u64, bytes: &[u8], durably: bool) -> i32 {
        let Some(to) = self.mapping.at(offset, bytes.len()) else {
            return -libc::EINVAL;
        };
        // SAFETY: as in `read`; write access was asked for, else the job does not write.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        if let Durability::CacheLines(by) = self.durability {
            // SAFETY: the range is mapped, and the instruction was found on this CPU.
            unsafe { persist::write_back(by, to, bytes.len()) };
        }
        let missing = self.mapping.check(offset, bytes.len());
        if missing != 0 {
            return missing;
        }
        match (self.durability, durably) {
            (_, false) => 0,
            (Durability::CacheLines(_), true) => {
                persist::fence();
                0
            }
            (Durability::Msync, true) => self.mapping.sync(offset, bytes.len()),
        }
    }

    fn flush(&mut self, kind: OpKind) -> i32 {
        let punched = std::mem::take(&mut self.punched);
        match self.durability {
            Durability::Msync => self.mapping.sync(0, self.mapping.length()),
            Durability::CacheLines(_) => {
                persist::fence();
                if punched { self.file.flush(kind) } else { 0 }
            }
        }
    }
}

impl Execute for Maps {
    fn execute(&mut self, op: &Op, slot: u32) -> i32 {
        let Some(map) = self.files.get_mut(usize::from(op.file)) else {
            return -libc::EINVAL;
        };
        match op.kind {
            OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => return map.flush(op.kind),
            OpKind::Trim | OpKind::WriteZeroes => {
                map.punched = true;
                return plain(&map.file, op);
            }
            OpKind::Read | OpKind::Write => {}
        }
        let (Ok(length), true) = (
            i32::try_from(op.length),
            slot < self.arena.slot_count() && op.length <= self.arena.slot_bytes(),
        ) else {
            return -libc::EINVAL;
        };
        // SAFETY: the slot is lent to this operation.
        let buffer = unsafe { self.arena.slot(slot, op.length as usize) };
        let result = if op.kind == OpKind::Read {
            map.read(op.offset, buffer)
        } else {
            map.write(op.offset, buffer, self.synced || op.flags & FLAG_FUA != 0)
        };
        if result == 0 { length } else { result }
    }
}

#[cfg(test)]
mod tests;
