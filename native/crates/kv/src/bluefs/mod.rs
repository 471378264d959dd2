//! BlueFS: a file system for one database, in extents of up to three devices. Flat directories,
//! files that are appended to, metadata in memory and in a log.
//!
//! Locks are taken in this order: log, state, a file's facts, usage. A file's writer is its
//! caller's.

mod codec;
mod compact;
pub mod config;
pub mod directory;
mod envelope;
pub mod fnode;
mod log;
mod mark;
mod mount;
pub mod placement;
pub mod premises;
pub mod reader;
mod record;
mod space;
mod state;
pub mod superblock;
mod whole;
pub mod writer;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod premises_tests;
#[cfg(test)]
mod scattered_tests;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::device::Device;
use crate::error::{KvError, Result};
use crate::space::{OwnSpace, Space};

use config::Config;
use fnode::{BDEVS, Bdev, Extent};
use log::Log;
use placement::{Level, Placement, Usage};
use state::State;
use superblock::{RESERVED_BYTES, Uuid};

/// Locks; what a thread that panicked left behind is as good as what any thread leaves.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device for BlueFS and who gives space on it.
#[derive(Clone)]
pub struct Slot {
    /// The device.
    pub device: Arc<dyn Device>,
    /// Its space. `None` on a read-only mount.
    pub space: Option<Arc<dyn Space>>,
    /// Shared with the store, whose allocator `space` is.
    pub shared: bool,
}

impl Slot {
    /// A device that BlueFS has for itself.
    #[must_use]
    pub fn dedicated(device: Arc<dyn Device>) -> Self {
        let space = OwnSpace::new(RESERVED_BYTES, device.size());
        Self {
            device,
            space: Some(Arc::new(space)),
            shared: false,
        }
    }

    /// A device that it shares.
    #[must_use]
    pub fn shared(device: Arc<dyn Device>, space: Option<Arc<dyn Space>>) -> Self {
        Self {
            device,
            space,
            shared: true,
        }
    }
}

/// The devices: WAL, DB, slow. There is always a DB device: superblock and log are on it.
pub type Slots = [Option<Slot>; 3];

/// What was done since the mount.
#[derive(Debug, Default)]
pub struct Counters {
    /// Bytes written to the log, padding included.
    pub log_bytes: AtomicU64,
    /// Transactions of the log.
    pub log_transactions: AtomicU64,
    /// Rewrites of the log.
    pub log_compactions: AtomicU64,
    /// Bytes written to write-ahead logs, padding and rewritten tails included.
    pub wal_bytes: AtomicU64,
    /// Bytes written to other files.
    pub file_bytes: AtomicU64,
    /// Bytes read.
    pub read_bytes: AtomicU64,
    /// Flushes of devices.
    pub flushes: AtomicU64,
    /// Bytes of extents that one write-ahead log handed on to the next.
    pub wal_recycled_bytes: AtomicU64,
    /// Bytes of extents on a slower device than meant.
    pub spilled_bytes: AtomicU64,
    /// Last records of write-ahead logs that are not there because their premises do not hold.
    pub groundless_records: AtomicU64,
}

impl Counters {
    fn add(counter: &AtomicU64, value: u64) {
        counter.fetch_add(value, Ordering::Relaxed);
    }
}

/// A mounted file system.
pub struct BlueFs {
    uuid: Uuid,
    owner: Uuid,
    slots: Slots,
    config: Config,
    read_only: bool,
    placement: Placement,
    log: Mutex<Log>,
    state: Mutex<State>,
    usage: Mutex<Usage>,
    /// Extents of write-ahead logs that ended, for those to come.
    recycled: Mutex<Vec<Extent>>,
    /// The generation of changes that is durable.
    flushed: AtomicU64,
    /// Damage that was met, one line each.
    damage: Mutex<Vec<String>>,
    /// Of a read-only mount: a write-ahead log that ends before its space does.
    cut: Mutex<Option<premises::Cut>>,
    /// Why a file got no space since the last write that went well.
    refused: Mutex<Option<String>>,
    /// What was done.
    pub counters: Counters,
}

impl BlueFs {
    fn slot(&self, bdev: Bdev) -> Result<&Slot> {
        self.slots[bdev.index()].as_ref().ok_or_else(|| {
            KvError::Corrupt(format!(
                "an extent on a {} device that is missing",
                bdev.name()
            ))
        })
    }

    fn writable(&self) -> Result<()> {
        if self.read_only {
            return Err(KvError::ReadOnly);
        }
        Ok(())
    }

    /// Damage that was met so far, one line each.
    #[must_use]
    pub fn damage(&self) -> Vec<String> {
        locked(&self.damage).clone()
    }

    fn note_damage(&self, line: String) {
        let mut damage = locked(&self.damage);
        if !damage.contains(&line) {
            damage.push(line);
        }
    }

    /// The store that this belongs to.
    #[must_use]
    pub fn owner(&self) -> Uuid {
        self.owner
    }

    /// Reads bytes of a file with these extents.
    fn read_extents(&self, extents: &[Extent], offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut done = 0;
        for piece in fnode::pieces(extents, offset, buffer.len() as u64) {
            let part = &mut buffer[done..done + piece.length as usize];
            self.slot(piece.bdev)?
                .device
                .read_at(piece.offset, part)
                .map_err(|error| {
                    KvError::device(
                        format!("read {} at {}", piece.bdev.name(), piece.offset),
                        error,
                    )
                })?;
            done += part.len();
        }
        if done < buffer.len() {
            return Err(KvError::Corrupt(format!(
                "a file ends {} bytes before its size",
                buffer.len() - done
            )));
        }
        Counters::add(&self.counters.read_bytes, done as u64);
        Ok(())
    }

    /// Writes whole blocks of a file with these extents; returns which devices that touched.
    fn write_extents(&self, extents: &[Extent], offset: u64, bytes: &[u8]) -> Result<[bool; 3]> {
        let mut done = 0;
        let mut touched = [false; 3];
        for piece in fnode::pieces(extents, offset, bytes.len() as u64) {
            let part = &bytes[done..done + piece.length as usize];
            self.slot(piece.bdev)?
                .device
                .write_at(piece.offset, part)
                .map_err(|error| {
                    KvError::device(
                        format!("write {} at {}", piece.bdev.name(), piece.offset),
                        error,
                    )
                })?;
            touched[piece.bdev.index()] = true;
            done += part.len();
        }
        assert!(
            done == bytes.len(),
            "space was allocated before it is written"
        );
        Ok(touched)
    }

    /// Makes everything written to these devices durable.
    fn flush_devices(&self, which: [bool; 3]) -> Result<()> {
        for bdev in BDEVS {
            if which[bdev.index()] {
                self.slot(bdev)?
                    .device
                    .flush()
                    .map_err(|error| KvError::device(format!("flush {}", bdev.name()), error))?;
                Counters::add(&self.counters.flushes, 1);
            }
        }
        Ok(())
    }

    /// Bytes in use now, by device and level.
    #[must_use]
    pub fn usage(&self) -> placement::Table {
        locked(&self.usage).now
    }

    /// Bytes that are meant for a faster device than they are on.
    #[must_use]
    pub fn spilled_now(&self) -> u64 {
        let table = self.usage();
        let on_slow = &table[Bdev::Slow.index()];
        let db_there = self.slots[Bdev::Slow.index()].is_some();
        let mut sum = if db_there {
            on_slow[..Level::Slow as usize].iter().sum()
        } else {
            0
        };
        if self.slots[Bdev::Wal.index()].is_some() {
            sum += table[Bdev::Db.index()][Level::Wal as usize];
        }
        sum
    }

    /// RocksDB's paths with their target sizes.
    #[must_use]
    pub fn database_paths(&self) -> Vec<(&'static str, u64)> {
        self.placement.paths()
    }

    /// Free bytes of a device; 0 without one.
    #[must_use]
    pub fn free_bytes(&self, bdev: Bdev) -> u64 {
        let slot = self.slots[bdev.index()].as_ref();
        slot.and_then(|slot| slot.space.as_ref())
            .map_or(0, |space| space.free_bytes())
    }
}
