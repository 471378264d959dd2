//! Compaction of the log: what exists is written anew, and the history dropped.
//!
//! Changes go on meanwhile. First, with the log locked, the log gets new space and its last
//! transaction in the old space jumps there; what exists at that point is noted. Then, unlocked
//! that is written to space of its own, with a jump to the same point. Last, with the log locked
//! again, the superblock points to that, and the old space is free. A crash before the new
//! superblock replays the old log, whose jump leads on just as well.
//!
//! Or all at once with the log locked, if `bluefs_compact_log_sync` says so, and when the log is
//! full and cannot grow: that takes nothing but the space for what exists.

use std::sync::atomic::Ordering;

use super::fnode::Extent;
use super::log::{Log, log_growth};
use super::placement::Level;
use super::record::{LogOp, encode_transaction, padded_bytes, put_op};
use super::state::Pending;
use super::superblock::Superblock;
use super::{BDEVS, Bdev, BlueFs, Counters, locked};
use crate::error::{KvError, Result};

/// What the first step leaves for the others.
struct Cut {
    /// Everything that exists, as operations.
    snapshot: Vec<u8>,
    /// How many extents of the log are from before.
    old_extents: usize,
    /// Their bytes.
    old_bytes: u64,
    /// Space in which the log goes on.
    fresh: Vec<Extent>,
    /// Number of the transaction that jumps.
    sequence: u64,
    /// The checksum that the transaction after the jump continues.
    chain: u32,
}

/// A snapshot on the device.
struct Written {
    extents: Vec<Extent>,
    bytes: u64,
}

impl BlueFs {
    /// Compacts when the log is long and mostly history.
    pub(super) fn compact_if_due(&self) -> Result<()> {
        let due = {
            let log = locked(&self.log);
            let grown = log.position >= self.config.log_compact_min;
            grown && !log.compacting && log.broken.is_none() && {
                let estimate = padded_bytes(locked(&self.state).snapshot().len());
                log.position as f64 / estimate as f64 >= self.config.log_compact_ratio
            }
        };
        if due { self.compact() } else { Ok(()) }
    }

    /// Compacts the log now, unless somebody else does. Without space for it the log stays as it
    /// is.
    pub fn compact(&self) -> Result<()> {
        self.writable()?;
        let mut log = locked(&self.log);
        if log.compacting {
            return Ok(());
        }
        if self.config.log_compact_sync || !log.has_room(&locked(&self.state).pending.groups) {
            let result = self.compact_whole(&mut log, Pending::default());
            return match result {
                Ok(releases) => {
                    drop(log);
                    self.release(releases);
                    Ok(())
                }
                Err(error) => unless_full(error, &log),
            };
        }
        log.compacting = true;
        let cut = match self.cut(&mut log) {
            Ok(cut) => cut,
            Err(error) => {
                log.compacting = false;
                return unless_full(error, &log);
            }
        };
        drop(log);
        let written = self.write_snapshot(&cut);
        let mut log = locked(&self.log);
        let result = written.and_then(|written| self.switch(&mut log, &cut, written));
        log.compacting = false;
        match result {
            Ok(old) => {
                drop(log);
                self.release(old.into_iter().map(|extent| (Level::Log, extent)).collect());
                Ok(())
            }
            Err(error) => unless_full(error, &log),
        }
    }

    /// Writes a new log of what exists, changes included that were `taken` from the state or wait
    /// there, and switches to it. Returns what is free then. Without space nothing is changed, and
    /// the changes wait on.
    pub(super) fn compact_whole(
        &self,
        log: &mut Log,
        taken: Pending,
    ) -> Result<Vec<(Level, Extent)>> {
        self.drop_recycled();
        let (more, snapshot, generation) = {
            let mut state = locked(&self.state);
            let (more, generation) = state.take();
            (more, state.snapshot(), generation)
        };
        let mut pending = taken;
        pending.groups.extend(more.groups);
        pending.releases.extend(more.releases);
        let extents = match self.allocate_log(padded_bytes(snapshot.len())) {
            Ok(extents) if !log.compacting => extents,
            other => {
                locked(&self.state).put_back(pending);
                if let Ok(extents) = other {
                    for extent in extents {
                        self.release_extent(Level::Log, extent);
                    }
                }
                return Err(KvError::NoSpace {
                    wanted: padded_bytes(snapshot.len()),
                    bdev: Bdev::Db.name(),
                    free: self.free_bytes(Bdev::Db),
                });
            }
        };
        let (block, sum) = encode_transaction(&self.uuid, log.sequence, 0, &snapshot);
        let bytes = block.padded().len() as u64;
        let written = self
            .write_extents(&extents, 0, block.padded())
            .and_then(|touched| self.flush_devices(touched))
            .and_then(|()| self.point_to(log, log.sequence, extents.clone()));
        if let Err(error) = written {
            log.broken = Some(error.to_string());
            return Err(error);
        }
        let old = std::mem::take(&mut log.extents);
        log.total = 0;
        log.grow(&extents);
        log.position = bytes;
        log.chain = sum;
        if let Err(error) = self.went_on(log) {
            log.broken = Some(error.to_string());
            return Err(error);
        }
        self.flushed.store(generation, Ordering::Release);
        Counters::add(&self.counters.log_bytes, bytes);
        Counters::add(&self.counters.log_compactions, 1);
        let old = old.into_iter().map(|extent| (Level::Log, extent));
        Ok(pending.releases.into_iter().chain(old).collect())
    }

    /// Step 1: the log goes on in new space. Returns what existed before.
    fn cut(&self, log: &mut Log) -> Result<Cut> {
        let fresh = self.allocate_log(0)?;
        let (pending, snapshot, generation) = {
            let mut state = locked(&self.state);
            let (pending, generation) = state.take();
            (pending, state.snapshot(), generation)
        };
        self.append_groups(log, pending.groups)?;
        let old_bytes = log.total;
        let old_extents = log.extents.len();
        let mut ops = Vec::new();
        put_op(&mut ops, &log_growth(&fresh));
        put_op(&mut ops, &LogOp::Skip(old_bytes));
        let sequence = log.sequence;
        self.append_last(log, &ops)?;
        log.grow(&fresh);
        log.position = old_bytes;
        self.flushed.store(generation, Ordering::Release);
        self.release(pending.releases);
        Ok(Cut {
            snapshot,
            old_extents,
            old_bytes,
            fresh,
            sequence,
            chain: log.chain,
        })
    }

    /// A transaction that does not grow the log.
    fn append_last(&self, log: &mut Log, ops: &[u8]) -> Result<()> {
        let (block, sum) = encode_transaction(&self.uuid, log.sequence, log.chain, ops);
        let bytes = block.padded().len() as u64;
        let written = if log.total - log.position < bytes {
            Err(KvError::Broken("the log is full".to_owned()))
        } else {
            self.write_extents(&log.extents, log.position, block.padded())
                .and_then(|touched| self.flush_devices(touched))
                .and_then(|()| self.went_on(log))
        };
        if let Err(error) = written {
            log.broken = Some(error.to_string());
            return Err(error);
        }
        log.chain = sum;
        Counters::add(&self.counters.log_bytes, bytes);
        Counters::add(&self.counters.log_transactions, 1);
        Ok(())
    }

    /// Step 2: writes what exists, with the jump, and flushes.
    fn write_snapshot(&self, cut: &Cut) -> Result<Written> {
        // The jump's operation has 21 bytes, so its value does not change the length.
        let length = padded_bytes(cut.snapshot.len() + 21);
        let extents = self.allocate_whole(length)?;
        let bytes: u64 = extents.iter().map(|extent| extent.length).sum();
        let mut ops = cut.snapshot.clone();
        put_op(&mut ops, &LogOp::Jump(bytes, cut.sequence + 1, cut.chain));
        let (block, _) = encode_transaction(&self.uuid, cut.sequence, 0, &ops);
        let written = self
            .write_extents(&extents, 0, block.padded())
            .and_then(|touched| self.flush_devices(touched));
        if let Err(error) = written {
            let extents = extents.into_iter().map(|extent| (Level::Log, extent));
            self.release(extents.collect());
            return Err(error);
        }
        Counters::add(&self.counters.log_bytes, block.padded().len() as u64);
        Ok(Written { extents, bytes })
    }

    /// Step 3: the superblock points to the snapshot. Returns the space of the old log.
    fn switch(&self, log: &mut Log, cut: &Cut, written: Written) -> Result<Vec<Extent>> {
        if let Some(reason) = &log.broken {
            return Err(KvError::Broken(reason.clone()));
        }
        let mut start = written.extents.clone();
        start.extend(&cut.fresh);
        self.point_to(log, cut.sequence, start)?;
        let old: Vec<_> = log.extents.drain(..cut.old_extents).collect();
        log.extents.splice(0..0, written.extents);
        log.total = log.total - cut.old_bytes + written.bytes;
        log.position = log.position - cut.old_bytes + written.bytes;
        Counters::add(&self.counters.log_compactions, 1);
        Ok(old)
    }

    /// Makes the superblock point to a log whose first transaction has this number.
    fn point_to(&self, log: &mut Log, sequence: u64, extents: Vec<Extent>) -> Result<()> {
        let superblock = Superblock {
            uuid: self.uuid,
            owner: self.owner,
            sequence: log.superblocks + 1,
            devices: self.device_bits(),
            log_sequence: sequence,
            log_chain: 0,
            log_extents: extents,
        };
        if let Err(error) = superblock.write(&*self.slot(Bdev::Db)?.device) {
            // Which superblock is there now is not known.
            log.broken = Some(error.to_string());
            return Err(error);
        }
        log.superblocks += 1;
        Counters::add(&self.counters.flushes, 2);
        Ok(())
    }

    /// Which devices there are, a bit each.
    pub(super) fn device_bits(&self) -> u8 {
        BDEVS
            .iter()
            .filter(|bdev| self.slots[bdev.index()].is_some())
            .map(|bdev| 1 << bdev.index())
            .sum()
    }
}

/// A log that cannot be compacted for want of space goes on growing.
fn unless_full(error: KvError, log: &Log) -> Result<()> {
    match error {
        KvError::NoSpace { .. } if log.broken.is_none() => Ok(()),
        other => Err(other),
    }
}
