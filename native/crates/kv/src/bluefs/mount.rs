//! Making a file system, and finding one again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use super::config::Config;
use super::fnode::{BDEVS, Bdev, Extent};
use super::log::Log;
use super::placement::{Level, Placement, Usage};
use super::record::{
    HEADER_BYTES, LOG_INO, LogOp, announced, decode_transaction, padded_bytes, put_op,
};
use super::state::{Replayed, State};
use super::superblock::{RESERVED_BYTES, Superblock, Uuid};
use super::{BlueFs, Counters, Slots, locked, mark};
use crate::aligned::{AlignedBuffer, BLOCK_BYTES};
use crate::error::{KvError, Result};

/// Bytes of the log that are read at a time on replay.
const WINDOW_BYTES: u64 = 256 << 10;

fn new_log(superblock: &Superblock) -> Log {
    let mut log = Log {
        extents: Vec::new(),
        total: 0,
        position: 0,
        sequence: superblock.log_sequence,
        chain: superblock.log_chain,
        superblocks: superblock.sequence,
        broken: None,
        compacting: false,
    };
    log.grow(&superblock.log_extents);
    log
}

impl BlueFs {
    fn assemble(slots: Slots, config: Config, superblock: &Superblock, read_only: bool) -> Self {
        let sizes = BDEVS.map(|bdev| {
            let slot = slots[bdev.index()].as_ref();
            slot.map_or(0, |slot| slot.device.size())
        });
        Self {
            uuid: superblock.uuid,
            owner: superblock.owner,
            placement: Placement::new(&config.policy, sizes),
            slots,
            config,
            read_only,
            log: Mutex::new(new_log(superblock)),
            state: Mutex::new(State::new()),
            usage: Mutex::new(Usage::default()),
            recycled: Mutex::new(Vec::new()),
            flushed: AtomicU64::new(0),
            damage: Mutex::new(Vec::new()),
            cut: Mutex::new(None),
            refused: Mutex::new(None),
            counters: Counters::default(),
        }
    }

    /// Makes an empty file system; `owner` is the store's. The time becomes part of `uuid`, so that
    /// what an earlier file system of the same seed left behind never fits.
    pub fn mkfs(slots: &Slots, config: Config, mut uuid: Uuid, owner: Uuid) -> Result<()> {
        for (byte, time) in uuid.iter_mut().zip(super::writer::now_ns().to_le_bytes()) {
            *byte ^= time;
        }
        let mut superblock = Superblock {
            uuid,
            owner,
            sequence: 0,
            devices: 0,
            log_sequence: 1,
            log_chain: 0,
            log_extents: Vec::new(),
        };
        let fs = Self::assemble(slots.clone(), config, &superblock, false);
        let db = fs.slot(Bdev::Db).map_err(|_| {
            KvError::Invalid(
                "BlueFS needs a DB device: the store's own if there is none".to_owned(),
            )
        })?;
        // An older file system's superblock must not win.
        let blank = AlignedBuffer::zeroed(2 * BLOCK_BYTES);
        db.device
            .write_at(super::superblock::SLOT_OFFSETS[0], blank.bytes())
            .map_err(|error| KvError::device("clear the superblock of BlueFS", error))?;
        superblock.devices = fs.device_bits();
        superblock.log_extents = fs.allocate_now(Level::Log, config.log_growth)?;
        let mut log = new_log(&superblock);
        let mut ops = Vec::new();
        put_op(&mut ops, &LogOp::Init);
        fs.append(&mut log, ops)?;
        superblock.write(&*db.device)
    }

    /// Finds the file system on these devices. A read-only mount needs no space, changes nothing,
    /// and tells by `used_extents` what the store's allocator has to know; a store then mounts
    /// again for writing, with every extent that was told taken from the shared space.
    pub fn mount(slots: Slots, config: Config, read_only: bool) -> Result<Arc<Self>> {
        let db = slots[Bdev::Db.index()].as_ref().ok_or_else(|| {
            KvError::Invalid("BlueFS needs its DB device to be mounted".to_owned())
        })?;
        let device = db.device.clone();
        let superblock = Superblock::read(&*device)?;
        let fs = Self::assemble(slots, config, &superblock, read_only);
        let bits = fs.device_bits();
        for bdev in BDEVS {
            if superblock.devices & !bits & (1 << bdev.index()) != 0 {
                return Err(KvError::Invalid(format!(
                    "this BlueFS has a {0} device, which was not given; name it",
                    bdev.name()
                )));
            }
        }
        if !read_only {
            // What a dying process left in the device's cache is read below, and built upon.
            fs.flush_devices(BDEVS.map(|bdev| fs.slots[bdev.index()].is_some()))?;
        }
        let last = fs.replay()?;
        let durable = mark::read(&*device, &fs.uuid)?;
        if last < durable {
            return Err(KvError::Corrupt(format!(
                "the log of BlueFS is damaged at transaction {}: {durable} were durable",
                last + 1
            )));
        }
        fs.check_extents()?;
        if !read_only {
            fs.reserve_own()?;
        }
        fs.check_premises()?;
        if !read_only {
            // What an older copy points to may be given up from now on.
            superblock.mend(&*device)?;
            mark::write(&*device, &fs.uuid, last)?;
        }
        Ok(Arc::new(fs))
    }

    /// Reads the log; the number of its last transaction.
    fn replay(&self) -> Result<u64> {
        let mut log = locked(&self.log);
        let mut replayed = Replayed::new();
        let mut count = 0_u64;
        let mut window = Window::default();
        while let Some(ops) = self.next_transaction(&mut log, &mut window)? {
            count += 1;
            for op in ops {
                match op {
                    LogOp::FileUpdateInc(fnode, _) if fnode.ino == LOG_INO => {
                        log.grow(&fnode.extents);
                    }
                    LogOp::Skip(offset) => log.position = offset,
                    LogOp::Jump(offset, sequence, chain) => {
                        if sequence != log.sequence {
                            return Err(KvError::Corrupt(
                                "a jump in the log to nowhere".to_owned(),
                            ));
                        }
                        log.position = offset;
                        log.chain = chain;
                    }
                    other => replayed.apply(other)?,
                }
            }
        }
        if count == 0 {
            return Err(KvError::Corrupt(
                "the log of BlueFS is damaged at its beginning".to_owned(),
            ));
        }
        let mut usage = locked(&self.usage);
        let mut state = locked(&self.state);
        *state = replayed.finish()?;
        for extent in &log.extents {
            usage.add(extent.bdev, Level::Log, extent.length);
        }
        for entry in state.files.values() {
            for extent in &entry.logged.extents {
                usage.add(extent.bdev, entry.node.level, extent.length);
            }
        }
        Ok(log.sequence - 1)
    }

    /// The operations of the next transaction; `None` at the end of the log.
    fn next_transaction(&self, log: &mut Log, window: &mut Window) -> Result<Option<Vec<LogOp>>> {
        if log.position + BLOCK_BYTES as u64 > log.total {
            return Ok(None);
        }
        let head = window.read(self, log, log.position, BLOCK_BYTES as u64)?;
        let Some(length) = announced(&head[..HEADER_BYTES], &self.uuid, log.sequence) else {
            return Ok(None);
        };
        let bytes = padded_bytes(length);
        if log.total - log.position < bytes {
            return Ok(None);
        }
        let all = window.read(self, log, log.position, bytes)?;
        let Some((ops, sum)) = decode_transaction(all, log.chain) else {
            return Ok(None);
        };
        log.position += bytes;
        log.sequence += 1;
        log.chain = sum;
        Ok(Some(ops))
    }

    /// Every extent lies on a device, and no two have a byte in common.
    fn check_extents(&self) -> Result<()> {
        let mut by_device: HashMap<Bdev, Vec<Extent>> = HashMap::new();
        for extent in self.used_extents() {
            by_device.entry(extent.bdev).or_default().push(extent);
        }
        for (bdev, mut extents) in by_device {
            let size = self.slot(bdev)?.device.size();
            extents.sort_by_key(|extent| extent.offset);
            let mut end = RESERVED_BYTES;
            for extent in extents {
                if extent.offset < end || extent.end() > size {
                    return Err(KvError::Corrupt(format!(
                        "BlueFS: extent {}+{} on {} overlaps another or lies outside the device",
                        extent.offset,
                        extent.length,
                        bdev.name()
                    )));
                }
                end = extent.end();
            }
        }
        Ok(())
    }

    /// Takes what is in use from the space of dedicated devices.
    fn reserve_own(&self) -> Result<()> {
        for extent in self.used_extents() {
            let slot = self.slot(extent.bdev)?;
            let Some(space) = &slot.space else {
                return Err(KvError::Invalid(format!(
                    "mounting for writing needs the space of the {} device",
                    extent.bdev.name()
                )));
            };
            if !slot.shared && !space.reserve(extent.offset, extent.length) {
                return Err(KvError::Corrupt(
                    "BlueFS: an extent is used twice".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// All space that this file system has, its log included.
    #[must_use]
    pub fn used_extents(&self) -> Vec<Extent> {
        let mut used = locked(&self.log).extents.clone();
        let state = locked(&self.state);
        for entry in state.files.values().chain(state.orphans.values()) {
            used.extend(&locked(&entry.node.live).extents);
        }
        used.extend(state.pending.releases.iter().map(|(_, extent)| extent));
        used.extend(&*locked(&self.recycled));
        used
    }

    /// Makes all changes durable and gives back what was kept for later. Files MUST be closed.
    pub fn unmount(&self) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        self.sync()?;
        self.drop_recycled();
        self.flush_devices(BDEVS.map(|bdev| self.slots[bdev.index()].is_some()))
    }
}

/// A piece of the log in memory.
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    at: u64,
}

impl Window {
    fn read(&mut self, fs: &BlueFs, log: &Log, at: u64, length: u64) -> Result<&[u8]> {
        let inside = at >= self.at && at + length <= self.at + self.bytes.len() as u64;
        if !inside {
            let wanted = length.max(WINDOW_BYTES).min(log.total - at);
            self.bytes.resize(wanted as usize, 0);
            self.at = at;
            fs.read_extents(&log.extents, at, &mut self.bytes)?;
        }
        let start = (at - self.at) as usize;
        Ok(&self.bytes[start..start + length as usize])
    }
}
