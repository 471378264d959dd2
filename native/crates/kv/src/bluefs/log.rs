//! The log of changes: appended to and flushed, one transaction at a time.

use std::sync::atomic::Ordering;

use super::fnode::{Extent, Fnode};
use super::placement::Level;
use super::record::{LOG_INO, LogOp, encode_transaction, padded_bytes, put_op};
use super::{Bdev, BlueFs, Counters, locked, mark};
use crate::error::{KvError, Result};

/// Operations of one transaction at most, so that it always fits the runway.
const TRANSACTION_BYTES: usize = 256 << 10;
/// What an operation that grows the log takes at most, by guess: a few dozen extents.
const GROWTH_BYTES: usize = 4096;

/// The log does not grow by less.
const LEAST_GROWTH_BYTES: u64 = 64 << 10;

/// Extents of one piece of the log at most: two such pieces fit the superblock, and the operation that
/// tells of one fits what is left free for it.
pub const LOG_EXTENTS: usize = 110;

/// Where the log is and goes on.
pub struct Log {
    /// Its space, in order.
    pub extents: Vec<Extent>,
    /// Bytes of that.
    pub total: u64,
    /// Where the next transaction goes.
    pub position: u64,
    /// Its number.
    pub sequence: u64,
    /// The checksum that it continues.
    pub chain: u32,
    /// Writes of the superblock so far.
    pub superblocks: u64,
    /// Why nothing can be written any more.
    pub broken: Option<String>,
    /// A compaction is on its way.
    pub compacting: bool,
}

impl Log {
    /// Adds space at the end.
    pub fn grow(&mut self, extents: &[Extent]) {
        self.total += extents.iter().map(|extent| extent.length).sum::<u64>();
        self.extents.extend(extents);
    }

    /// Whether groups of operations fit as it is; a broken one says so when it is written to.
    pub fn has_room(&self, groups: &[Vec<u8>]) -> bool {
        let ops: usize = groups.iter().map(Vec::len).sum();
        // Any two transactions that follow each other have more than the limit together.
        let transactions = 2 * ops / TRANSACTION_BYTES + 1;
        let most = ops as u64 + transactions as u64 * padded_bytes(GROWTH_BYTES);
        self.broken.is_some() || self.total - self.position >= most
    }
}

/// The operation that adds space to the log; replay appends, whatever there was.
pub fn log_growth(extents: &[Extent]) -> LogOp {
    let fnode = Fnode {
        ino: LOG_INO,
        extents: extents.to_vec(),
        ..Fnode::default()
    };
    LogOp::FileUpdateInc(fnode, 0)
}

impl BlueFs {
    /// Makes every change so far of names and files durable. Data of files is not written.
    pub fn sync(&self) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        let generation = locked(&self.state).generation;
        self.sync_log(generation)
    }

    /// Makes the changes of this generation durable.
    pub(super) fn sync_log(&self, generation: u64) -> Result<()> {
        if self.flushed.load(Ordering::Acquire) >= generation {
            return Ok(());
        }
        let releases = {
            let mut log = locked(&self.log);
            // Somebody else may have taken them along while we waited.
            if self.flushed.load(Ordering::Acquire) >= generation {
                return Ok(());
            }
            let (pending, taken) = locked(&self.state).take();
            if log.has_room(&pending.groups) {
                self.append_groups(&mut log, pending.groups)?;
                self.flushed.store(taken, Ordering::Release);
                pending.releases
            } else {
                // The runway was used up while there was no space. A rewritten log is short.
                self.compact_whole(&mut log, pending)?
            }
        };
        self.release(releases);
        self.compact_if_due()
    }

    /// Writes groups of operations, as few transactions as they fit in.
    pub(super) fn append_groups(&self, log: &mut Log, groups: Vec<Vec<u8>>) -> Result<()> {
        let mut ops = Vec::new();
        for group in groups {
            if !ops.is_empty() && ops.len() + group.len() > TRANSACTION_BYTES {
                self.append(log, std::mem::take(&mut ops))?;
            }
            ops.extend(group);
        }
        if ops.is_empty() {
            return match &log.broken {
                Some(reason) => Err(KvError::Broken(reason.clone())),
                None => Ok(()),
            };
        }
        self.append(log, ops)
    }

    /// Space for the log: `least` bytes and as much of the usual growth as there is in few enough
    /// pieces.
    pub(super) fn allocate_log(&self, least: u64) -> Result<Vec<Extent>> {
        let mut growth = self.config.log_growth;
        loop {
            match self.allocate_whole(least + growth) {
                Err(KvError::NoSpace { .. }) if growth > LEAST_GROWTH_BYTES => growth /= 2,
                other => return other,
            }
        }
    }

    /// Space for the log in few enough pieces; free space that is too scattered for it counts as none.
    pub(super) fn allocate_whole(&self, bytes: u64) -> Result<Vec<Extent>> {
        let extents = self.allocate_now(Level::Log, bytes)?;
        if extents.len() <= LOG_EXTENTS {
            return Ok(extents);
        }
        for extent in extents {
            self.release_extent(Level::Log, extent);
        }
        Err(KvError::NoSpace {
            wanted: bytes,
            bdev: Bdev::Db.name(),
            free: self.free_bytes(Bdev::Db),
        })
    }

    /// Writes one transaction and flushes. After a failure nothing can be written any more, since
    /// nobody knows what is on the device.
    pub(super) fn append(&self, log: &mut Log, ops: Vec<u8>) -> Result<()> {
        if let Some(reason) = &log.broken {
            return Err(KvError::Broken(reason.clone()));
        }
        let result = self.append_unchecked(log, ops);
        if let Err(error) = &result {
            log.broken = Some(error.to_string());
        }
        result
    }

    fn append_unchecked(&self, log: &mut Log, mut ops: Vec<u8>) -> Result<()> {
        let most = padded_bytes(ops.len() + GROWTH_BYTES);
        let mut fresh = Vec::new();
        // The last space is not taken for growth: rewriting the log needs some, and makes more of
        // it.
        let growth = self.config.log_growth;
        let free = self.free_bytes(Bdev::Db) + self.free_bytes(Bdev::Slow);
        if log.total - log.position < most + self.config.log_runway && free >= 2 * growth {
            // Without space the runway is used up.
            if let Ok(extents) = self.allocate_log(0) {
                put_op(&mut ops, &log_growth(&extents));
                fresh = extents;
            }
        }
        let bytes = padded_bytes(ops.len());
        if log.total - log.position < bytes {
            return Err(KvError::NoSpace {
                wanted: bytes,
                bdev: Bdev::Db.name(),
                free: self.free_bytes(Bdev::Db),
            });
        }
        let (block, sum) = encode_transaction(&self.uuid, log.sequence, log.chain, &ops);
        let touched = self.write_extents(&log.extents, log.position, block.padded())?;
        self.flush_devices(touched)?;
        log.grow(&fresh);
        log.position += bytes;
        log.chain = sum;
        self.went_on(log)?;
        Counters::add(&self.counters.log_bytes, bytes);
        Counters::add(&self.counters.log_transactions, 1);
        Ok(())
    }

    /// The transaction that was due is durable.
    pub(super) fn went_on(&self, log: &mut Log) -> Result<()> {
        let number = log.sequence;
        log.sequence += 1;
        mark::write(&*self.slot(Bdev::Db)?.device, &self.uuid, number)
    }
}
