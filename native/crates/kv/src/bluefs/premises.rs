//! Premises: what has to be on the DB device for a record of a write-ahead log to count. Whoever
//! writes data and then a record that tells of it needs two flushes in a row, unless the record
//! names the data by place and checksum: then one flush makes both durable, and after a crash a
//! record whose data is not there counts as torn.
//!
//! Only the last record of the newest log is checked: the next one is written when the flush of that
//! one has ended, and what the earlier ones stood on may have been given back and used again since.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use osdyno_core::checksum::crc32c::crc32c_from;

use super::codec::Fields;
use super::envelope::{self, Found};
use super::fnode::{Bdev, Fnode};
use super::placement::Level;
use super::state::Node;
use super::{BlueFs, Counters, locked};
use crate::aligned::{AlignedBuffer, BLOCK_BYTES};
use crate::error::Result;

/// Bytes of one: offset on the DB device (u64), length (u32), CRC-32C from all ones, not inverted at
/// the end (u32), little-endian.
pub const ENTRY_BYTES: usize = 16;

/// What cannot be read, or is not as it should be, is read so often: a read may be wrong, once.
const READ_TRIES: usize = 4;

/// Bytes of the device that are read at a time.
const READ_BYTES: usize = 1 << 20;

thread_local! {
    static STANDS_ON: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What this thread appends to write-ahead logs within `write` stands on these premises, encoded.
pub fn stand_on<R>(premises: &[u8], write: impl FnOnce() -> R) -> R {
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            STANDS_ON.with_borrow_mut(Vec::clear);
        }
    }
    STANDS_ON.with_borrow_mut(|place| {
        place.clear();
        place.extend(premises);
    });
    let _end = End;
    write()
}

/// What this thread writes now stands on these.
pub(super) fn of_this_thread<R>(use_them: impl FnOnce(&[u8]) -> R) -> R {
    STANDS_ON.with_borrow(|premises| use_them(premises))
}

/// A write-ahead log ends here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    ino: u64,
    /// Offset in the extents.
    place: u64,
}

/// The newest write-ahead log, if it was not closed, and what it holds.
struct Newest {
    node: Arc<Node>,
    logged: Fnode,
    found: Found,
}

impl BlueFs {
    /// Records may stand on premises: write-ahead logs and data are on one device, so that one flush
    /// serves both.
    #[must_use]
    pub fn takes_premises(&self) -> bool {
        let alone = |bdev: Bdev| self.slots[bdev.index()].is_none();
        alone(Bdev::Wal) && alone(Bdev::Slow)
    }

    /// Where the envelopes of a file end at the latest, in its extents.
    pub(super) fn end_of(&self, fnode: &Fnode) -> u64 {
        let cut = locked(&self.cut).filter(|cut| cut.ino == fnode.ino);
        cut.map_or(fnode.allocated(), |cut| cut.place)
    }

    /// Ends the newest write-ahead log before its last record when the premises of that do not hold:
    /// for this mount, or on the device too, durably, before anything else is written there. A later
    /// mount would not check them once there is a newer log, and they may come to hold by chance.
    pub(super) fn check_premises(&self) -> Result<()> {
        let Some(newest) = self.newest_log()? else {
            return Ok(());
        };
        let Newest {
            node,
            logged,
            found,
        } = newest;
        // What the log of BlueFS tells of was durable, and so was what it stood on. With an envelope
        // missing the last one that was found is not the last one; opening the log tells of that.
        let told = found.size() <= node.synced.load(Ordering::Acquire);
        if told || found.missed.is_some() || found.premises.is_empty() {
            return Ok(());
        }
        if self.hold(&found.premises)? {
            self.tell_durable(&node, found.size());
            return Ok(());
        }
        Counters::add(&self.counters.groundless_records, 1);
        if self.read_only {
            *locked(&self.cut) = Some(Cut {
                ino: logged.ino,
                place: found.unsure,
            });
            return Ok(());
        }
        self.wipe_header(&logged, found.unsure)?;
        self.tell_durable(&node, found.sure_size());
        Ok(())
    }

    /// All of this is durable, since this mount has flushed, or since something was written behind it.
    /// From the next transaction of the log on that says so, and it is not asked again: what its premises
    /// name may be used for something else.
    fn tell_durable(&self, node: &Node, size: u64) {
        if !self.read_only {
            node.synced.fetch_max(size, Ordering::AcqRel);
            locked(&self.state).push_synced();
        }
    }

    /// The newest write-ahead log that has an envelope. Older ones are whole: it was begun when the
    /// last record of each was durable.
    fn newest_log(&self) -> Result<Option<Newest>> {
        for (node, logged) in self.logs() {
            if logged.sealed && logged.size > 0 {
                return Ok(None);
            }
            if logged.sealed || !logged.enveloped {
                continue;
            }
            let first = envelope::start(&self.uuid, logged.ino);
            let found = envelope::scan(first, logged.allocated(), |at, buffer| {
                self.read_extents(&logged.extents, at, buffer)
            })?;
            if found.end > 0 || found.missed.is_some() {
                return Ok(Some(Newest {
                    node,
                    logged,
                    found,
                }));
            }
        }
        Ok(None)
    }

    /// The write-ahead logs, the newest first.
    fn logs(&self) -> Vec<(Arc<Node>, Fnode)> {
        let state = locked(&self.state);
        let dirs = state
            .dirs
            .iter()
            .filter(|(dir, _)| Level::of_dir(dir) == Level::Wal);
        let mut logs: Vec<_> = dirs
            .flat_map(|(_, names)| names)
            .filter_map(|(name, ino)| {
                let number: u64 = name.strip_suffix(".log")?.parse().ok()?;
                let entry = state.files.get(ino)?;
                Some((number, entry.node.clone(), entry.logged.clone()))
            })
            .collect();
        logs.sort_by_key(|(number, ..)| std::cmp::Reverse(*number));
        logs.into_iter()
            .map(|(_, node, logged)| (node, logged))
            .collect()
    }

    /// Whether all of these hold. Not what cannot be read: a write that a crash tore may not be.
    fn hold(&self, premises: &[u8]) -> Result<bool> {
        let mut fields = Fields::new(premises);
        let mut buffer = Vec::new();
        while let (Some(offset), Some(length), Some(sum)) =
            (fields.u64(), fields.u32(), fields.u32())
        {
            let mut holds = false;
            for _ in 0..READ_TRIES {
                holds = holds || self.sum_of(offset, u64::from(length), &mut buffer)? == Some(sum);
            }
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The checksum of a range of the DB device; `None`: the device ends before, or does not give it.
    fn sum_of(&self, offset: u64, length: u64, buffer: &mut Vec<u8>) -> Result<Option<u32>> {
        let device = &self.slot(Bdev::Db)?.device;
        let end = offset.checked_add(length);
        let Some(end) = end.filter(|&end| end <= device.size()) else {
            return Ok(None);
        };
        let mut sum = u32::MAX;
        for at in (offset..end).step_by(READ_BYTES) {
            buffer.resize((end - at).min(READ_BYTES as u64) as usize, 0);
            if device.read_at(at, buffer).is_err() {
                return Ok(None);
            }
            sum = crc32c_from(sum, buffer);
        }
        Ok(Some(sum))
    }

    /// Makes the header of an envelope zeroes, durably.
    fn wipe_header(&self, fnode: &Fnode, place: u64) -> Result<()> {
        let block = BLOCK_BYTES as u64;
        let start = place / block * block;
        let end = (place + envelope::HEADER_BYTES as u64).next_multiple_of(block);
        let mut bytes = AlignedBuffer::zeroed((end - start) as usize);
        self.read_extents(&fnode.extents, start, bytes.bytes_mut())?;
        let skip = (place - start) as usize;
        bytes.bytes_mut()[skip..skip + envelope::HEADER_BYTES].fill(0);
        let touched = self.write_extents(&fnode.extents, start, bytes.bytes())?;
        self.flush_devices(touched)
    }
}
