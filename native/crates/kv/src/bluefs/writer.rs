//! Writing files: at the end only.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use super::fnode::{cut_extents, pieces, push_extent};
use super::placement::Level;
use super::record::file_update;
use super::state::{Node, State};
use super::{BlueFs, Counters, envelope, locked, premises};
use crate::aligned::{AlignedBuffer, BLOCK_BYTES};
use crate::error::{KvError, Result};

const BLOCK: u64 = BLOCK_BYTES as u64;

pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_nanos() as u64)
}

/// A file open for writing. What was appended is durable after `sync`, and readable after `flush`.
pub struct FileWriter {
    fs: Arc<BlueFs>,
    node: Arc<Node>,
    enveloped: bool,
    /// Bytes of the file from `place` on: the last block, and what is not written yet.
    buffer: AlignedBuffer,
    /// Offset in the extents of the buffer's start, a multiple of 4096.
    place: u64,
    /// Bytes of the buffer that are on the device.
    written: usize,
    /// Content of the next envelope.
    content: Vec<u8>,
    /// What checksums of envelopes start from.
    first: u32,
    /// Checksum of the envelope before.
    chain: u32,
    /// Bytes of the extents that are durable, and known to belong to the file.
    synced: u64,
    /// Bytes of content, all that was appended.
    size: u64,
    /// Devices with writes that are not flushed.
    unflushed: [bool; 3],
}

impl FileWriter {
    pub(super) fn new(fs: Arc<BlueFs>, node: Arc<Node>) -> Self {
        let enveloped = locked(&node.live).enveloped;
        let chain = envelope::start(&fs.uuid, node.ino);
        Self {
            fs,
            node,
            enveloped,
            buffer: AlignedBuffer::new(),
            place: 0,
            written: 0,
            content: Vec::new(),
            first: chain,
            chain,
            synced: 0,
            size: 0,
            unflushed: [false; 3],
        }
    }

    pub(super) fn resume(fs: Arc<BlueFs>, node: Arc<Node>) -> Result<Self> {
        let mut writer = Self::new(fs, node);
        writer.size = locked(&writer.node.live).size;
        writer.load_tail()?;
        Ok(writer)
    }

    /// Takes the last block of a plain file into the buffer.
    fn load_tail(&mut self) -> Result<()> {
        self.place = self.size / BLOCK * BLOCK;
        self.buffer.clear();
        let mut tail = vec![0; (self.size - self.place) as usize];
        let extents = locked(&self.node.live).extents.clone();
        self.fs.read_extents(&extents, self.place, &mut tail)?;
        self.buffer.extend(&tail);
        self.written = tail.len();
        Ok(())
    }

    /// Bytes of content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        let waiting = if self.enveloped {
            self.content.extend(bytes);
            self.content.len()
        } else {
            self.buffer.extend(bytes);
            self.buffer.len() - self.written
        };
        if waiting as u64 >= self.fs.config.min_flush_bytes {
            self.flush()?;
        }
        Ok(())
    }

    /// Takes space for bytes to come, up to this size of the content.
    pub fn preallocate(&mut self, size: u64) -> Result<()> {
        let headers = if self.enveloped { BLOCK } else { 0 };
        self.ensure_space((size + headers).next_multiple_of(BLOCK))
    }

    fn ensure_space(&self, bytes: u64) -> Result<()> {
        let allocated = locked(&self.node.live).allocated();
        if allocated >= bytes {
            return Ok(());
        }
        let extents = self.fs.allocate(self.node.level, bytes - allocated)?;
        let mut live = locked(&self.node.live);
        for extent in extents {
            push_extent(&mut live.extents, extent);
        }
        self.node.dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Hands everything to the device, not yet durable.
    pub fn flush(&mut self) -> Result<()> {
        if !self.content.is_empty() {
            let (head, chain) = premises::of_this_thread(|premises| {
                let premises = if self.is_wal() { premises } else { &[] };
                envelope::head(self.first, self.chain, self.synced, premises, &self.content)
            });
            self.buffer.extend(&head);
            self.buffer.extend(&self.content);
            self.content.clear();
            self.chain = chain;
        }
        if self.buffer.len() == self.written {
            return Ok(());
        }
        let padded = self.buffer.padded().len() as u64;
        self.ensure_space(self.place + padded)?;
        let extents = locked(&self.node.live).extents.clone();
        let bytes = self.buffer.padded();
        let touched = self.fs.write_extents(&extents, self.place, bytes)?;
        let counter = if self.is_wal() {
            &self.fs.counters.wal_bytes
        } else {
            &self.fs.counters.file_bytes
        };
        Counters::add(counter, bytes.len() as u64);
        for (unflushed, touched) in self.unflushed.iter_mut().zip(touched) {
            *unflushed |= touched;
        }
        let length = self.buffer.len();
        self.place += (length / BLOCK_BYTES * BLOCK_BYTES) as u64;
        self.buffer.keep_tail();
        self.written = self.buffer.len();
        let mut live = locked(&self.node.live);
        live.size = self.size;
        live.mtime_ns = now_ns();
        if !self.is_wal() {
            self.node.dirty.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// A write-ahead log: its size is not told with every sync.
    #[must_use]
    pub fn is_wal(&self) -> bool {
        self.enveloped && self.node.level == Level::Wal
    }

    fn flush_devices(&mut self) -> Result<()> {
        self.flush()?;
        self.fs.flush_devices(self.unflushed)?;
        self.unflushed = [false; 3];
        Ok(())
    }

    /// Makes everything durable. Data first, then what tells of it; a write-ahead log within its
    /// space has nothing to tell.
    pub fn sync(&mut self) -> Result<()> {
        self.flush_devices()?;
        if self.node.dirty.load(Ordering::Acquire) {
            self.log_file(&mut locked(&self.fs.state));
        }
        self.fs
            .sync_log(self.node.generation.load(Ordering::Acquire))?;
        // Not before: what the log does not tell of yet may never have been, after a crash.
        self.synced = self.place + self.buffer.len() as u64;
        self.node.synced.fetch_max(self.size, Ordering::AcqRel);
        Ok(())
    }

    /// Queues the file's facts for the log.
    fn log_file(&self, state: &mut State) {
        let live = locked(&self.node.live).clone();
        let generation = state.generation;
        let Some(entry) = state.files.get_mut(&self.node.ino) else {
            return;
        };
        let op = file_update(Some(&entry.logged), &live);
        entry.logged = live;
        state.push(&[op]);
        self.node.dirty.store(false, Ordering::Release);
        self.node.generation.store(generation, Ordering::Release);
    }

    /// Cuts the file off.
    pub fn truncate(&mut self, size: u64) -> Result<()> {
        if self.enveloped {
            return Err(KvError::Invalid("only tables are cut".to_owned()));
        }
        self.flush_devices()?;
        if size > self.size {
            return Err(KvError::Invalid("truncation does not lengthen".to_owned()));
        }
        self.size = size;
        locked(&self.node.live).size = size;
        self.node.dirty.store(true, Ordering::Release);
        self.load_tail()?;
        self.give_back_excess();
        Ok(())
    }

    /// Gives space behind the end back, in whole units.
    fn give_back_excess(&mut self) {
        let mut state = locked(&self.fs.state);
        let mut live = locked(&self.node.live);
        let used = self.place + self.buffer.padded().len() as u64;
        let last = live.extents.last().copied();
        let Some(last) = last.filter(|_| live.allocated() > used) else {
            return;
        };
        let unit = self.fs.slots[last.bdev.index()]
            .as_ref()
            .map_or(self.fs.config.alloc_unit, |slot| self.fs.unit_of(slot));
        // Units count from the start of the device, so the cut is found there.
        let keep = match pieces(&live.extents, used.saturating_sub(1), 1).first() {
            Some(end) if used > 0 => {
                used + (end.offset + 1).next_multiple_of(unit) - (end.offset + 1)
            }
            _ => 0,
        };
        if keep < live.allocated() {
            let cut = cut_extents(&mut live.extents, keep);
            drop(live);
            // Space goes back together with the news of it, never before.
            self.log_file(&mut state);
            let releases = cut.into_iter().map(|extent| (self.node.level, extent));
            state.pending.releases.extend(releases);
        }
    }

    /// Closes the file: data is durable, and its facts are with the next `sync` of anything. Space
    /// beyond the end is given back.
    pub fn close(mut self) -> Result<()> {
        self.finish()
    }

    fn finish(&mut self) -> Result<()> {
        self.flush_devices()?;
        self.node.synced.fetch_max(self.size, Ordering::AcqRel);
        self.give_back_excess();
        if self.enveloped {
            locked(&self.node.live).sealed = true;
            self.node.dirty.store(true, Ordering::Release);
        }
        if self.node.dirty.load(Ordering::Acquire) {
            self.log_file(&mut locked(&self.fs.state));
        }
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        self.fs.closed(self.node.ino);
    }
}
