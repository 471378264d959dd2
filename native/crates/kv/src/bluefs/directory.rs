//! Names: directories and what is in them. Changes are durable after `sync`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::fnode::Fnode;
use super::placement::Level;
use super::reader::FileReader;
use super::record::LogOp;
use super::state::{Entry, Node, State};
use super::writer::FileWriter;
use super::{BlueFs, envelope, locked};
use crate::error::{KvError, Result};

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stat {
    /// A directory.
    Directory,
    /// A file of this size, changed at this time (nanoseconds since 1970).
    File {
        /// Bytes.
        size: u64,
        /// Time.
        mtime_ns: u64,
    },
}

/// Directory and name of a path; slashes around and repeated do not count.
fn split(path: &str) -> (String, String) {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.split_last() {
        Some((name, dirs)) => (dirs.join("/"), (*name).to_owned()),
        None => (String::new(), String::new()),
    }
}

fn whole(path: &str) -> String {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

impl BlueFs {
    /// Makes a directory.
    pub fn mkdir(&self, path: &str) -> Result<()> {
        self.writable()?;
        let dir = whole(path);
        let mut state = locked(&self.state);
        if dir.is_empty() || dir.len() > 1024 {
            return Err(KvError::Invalid(format!("{path:?} cannot be a directory")));
        }
        if state.dirs.contains_key(&dir) {
            return Err(KvError::Exists(dir));
        }
        state
            .dirs
            .insert(dir.clone(), std::collections::BTreeMap::new());
        state.push(&[LogOp::DirCreate(dir)]);
        Ok(())
    }

    /// Removes an empty directory.
    pub fn rmdir(&self, path: &str) -> Result<()> {
        self.writable()?;
        let dir = whole(path);
        let mut state = locked(&self.state);
        if !state.names(&dir)?.is_empty() {
            return Err(KvError::NotEmpty(dir));
        }
        state.dirs.remove(&dir);
        state.push(&[LogOp::DirRemove(dir)]);
        Ok(())
    }

    /// The names in a directory, sorted.
    pub fn list(&self, path: &str) -> Result<Vec<String>> {
        let state = locked(&self.state);
        Ok(state.names(&whole(path))?.keys().cloned().collect())
    }

    /// What there is.
    pub fn stat(&self, path: &str) -> Result<Stat> {
        let dir = whole(path);
        let node = {
            let state = locked(&self.state);
            if dir.is_empty() || state.dirs.contains_key(&dir) {
                return Ok(Stat::Directory);
            }
            let (dir, name) = split(path);
            entry(&state, &dir, &name)?.node.clone()
        };
        let mtime_ns = locked(&node.live).mtime_ns;
        let size = self.size_of(&node)?;
        Ok(Stat::File { size, mtime_ns })
    }

    /// Removes a file. Its space is free once that is durable and nobody has it open.
    pub fn unlink(&self, path: &str) -> Result<()> {
        self.writable()?;
        let (dir, name) = split(path);
        let mut state = locked(&self.state);
        let ino = state.lookup(&dir, &name)?;
        state.names_mut(&dir)?.remove(&name);
        state.push(&[LogOp::DirUnlink(dir, name), LogOp::FileRemove(ino)]);
        drop_file(&mut state, ino);
        Ok(())
    }

    /// Gives a file another name, in place of the file that has it.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.writable()?;
        let (from_dir, from_name) = split(from);
        let (to_dir, to_name) = split(to);
        let mut state = locked(&self.state);
        let ino = state.lookup(&from_dir, &from_name)?;
        let replaced = state.names(&to_dir)?.get(&to_name).copied();
        if replaced == Some(ino) {
            return Ok(());
        }
        state.names_mut(&from_dir)?.remove(&from_name);
        state.names_mut(&to_dir)?.insert(to_name.clone(), ino);
        let mut ops = vec![
            LogOp::DirUnlink(from_dir, from_name),
            LogOp::DirLink(to_dir, to_name, ino),
        ];
        ops.extend(replaced.map(LogOp::FileRemove));
        state.push(&ops);
        if let Some(ino) = replaced {
            drop_file(&mut state, ino);
        }
        Ok(())
    }

    /// A new file, in place of the one that has the name.
    pub fn create(self: &Arc<Self>, path: &str) -> Result<FileWriter> {
        self.writable()?;
        let (dir, name) = split(path);
        if name.is_empty() || name.len() > 255 {
            return Err(KvError::Invalid(format!("{path:?} cannot be a file")));
        }
        let level = Level::of_dir(&dir);
        let mut state = locked(&self.state);
        let replaced = state.names(&dir)?.get(&name).copied();
        let ino = state.next_ino;
        state.next_ino += 1;
        let fnode = Fnode {
            ino,
            mtime_ns: super::writer::now_ns(),
            enveloped: !is_table(&name),
            ..Fnode::default()
        };
        let node = Node::new(fnode.clone(), level);
        state.names_mut(&dir)?.insert(name.clone(), ino);
        let mut ops = vec![
            LogOp::FileUpdate(fnode.clone()),
            LogOp::DirLink(dir, name, ino),
        ];
        ops.extend(replaced.map(LogOp::FileRemove));
        state.push(&ops);
        if level == Level::Wal {
            state.push_synced();
        }
        node.generation.store(state.generation, Ordering::Release);
        let entry = Entry {
            node: node.clone(),
            logged: fnode,
            opens: 1,
        };
        state.files.insert(ino, entry);
        if let Some(ino) = replaced {
            drop_file(&mut state, ino);
        }
        drop(state);
        Ok(FileWriter::new(self.clone(), node))
    }

    /// Opens a file for reading.
    pub fn open(self: &Arc<Self>, path: &str) -> Result<FileReader> {
        let (dir, name) = split(path);
        let node = {
            let mut state = locked(&self.state);
            let ino = state.lookup(&dir, &name)?;
            let entry = state.files.get_mut(&ino);
            let entry = entry.ok_or_else(|| KvError::NotFound(path.to_owned()))?;
            entry.opens += 1;
            entry.node.clone()
        };
        FileReader::new(self.clone(), node)
    }

    /// Opens a table to go on at its end. Other files cannot be gone on with.
    pub fn open_append(self: &Arc<Self>, path: &str) -> Result<FileWriter> {
        self.writable()?;
        let (dir, name) = split(path);
        let node = {
            let mut state = locked(&self.state);
            let ino = state.lookup(&dir, &name)?;
            let entry = state.files.get_mut(&ino);
            let entry = entry.ok_or_else(|| KvError::NotFound(path.to_owned()))?;
            if entry.logged.enveloped {
                return Err(KvError::Invalid(format!(
                    "{path} is no table and cannot be gone on with"
                )));
            }
            entry.opens += 1;
            entry.node.clone()
        };
        FileWriter::resume(self.clone(), node)
    }

    /// A handle was closed.
    pub(super) fn closed(&self, ino: u64) {
        let mut state = locked(&self.state);
        if let Some(entry) = state.files.get_mut(&ino) {
            entry.opens -= 1;
            return;
        }
        let last = state.orphans.get_mut(&ino).is_some_and(|entry| {
            entry.opens -= 1;
            entry.opens == 0
        });
        if last && let Some(entry) = state.orphans.remove(&ino) {
            release_file(&mut state, &entry);
        }
    }

    /// Takes a lock by name; false when it is taken. For this process only.
    pub fn lock(&self, path: &str) -> bool {
        let mut state = locked(&self.state);
        let free = !state.locks.iter().any(|held| held == path);
        if free {
            state.locks.push(path.to_owned());
        }
        free
    }

    /// Gives it back.
    pub fn unlock(&self, path: &str) {
        locked(&self.state).locks.retain(|held| held != path);
    }

    /// Size of a file's content; a write-ahead log that was not closed is searched for its end.
    pub(super) fn size_of(&self, node: &Node) -> Result<u64> {
        let live = locked(&node.live).clone();
        if !live.enveloped || live.sealed || live.size > 0 {
            return Ok(live.size);
        }
        Ok(self.envelopes(node, &live)?.size())
    }

    /// The envelopes of a file; fails when some were there that cannot be read.
    pub(super) fn envelopes(&self, node: &Node, fnode: &Fnode) -> Result<envelope::Found> {
        let first = envelope::start(&self.uuid, fnode.ino);
        let known = node.synced.load(Ordering::Acquire);
        let end = self.end_of(fnode);
        let found = envelope::scan(first, end, |at, buffer| {
            self.read_extents(&fnode.extents, at, buffer)
        })?;
        let size = found.size();
        if found.missed.is_none() && size >= known {
            return Ok(found);
        }
        let kind = match node.level {
            Level::Wal => "write-ahead log ",
            _ => "file ",
        };
        let line = format!(
            "{kind}{} is damaged after {size} bytes of content",
            self.name_of(node.ino)
        );
        self.note_damage(line.clone());
        if self.config.salvage && self.read_only && node.level == Level::Wal {
            return Ok(found);
        }
        Err(KvError::Corrupt(line))
    }

    /// A path of a file, for messages.
    fn name_of(&self, ino: u64) -> String {
        let state = locked(&self.state);
        let paths = state.dirs.iter().flat_map(|(dir, names)| {
            let named = names.iter().filter(|(_, number)| **number == ino);
            named.map(move |(name, _)| format!("{dir}/{name}"))
        });
        let path = paths.last();
        path.unwrap_or_else(|| format!("number {ino}"))
    }
}

/// Tables have checksums of their own; RocksDB also cuts them and reads them in places.
fn is_table(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, kind)| kind == "sst")
}

fn entry<'a>(state: &'a State, dir: &str, name: &str) -> Result<&'a Entry> {
    let ino = state.lookup(dir, name)?;
    let entry = state.files.get(&ino);
    entry.ok_or_else(|| KvError::NotFound(format!("{dir}/{name}")))
}

/// The file has no name any more.
fn drop_file(state: &mut State, ino: u64) {
    if let Some(entry) = state.files.remove(&ino) {
        if entry.opens > 0 {
            state.orphans.insert(ino, entry);
        } else {
            release_file(state, &entry);
        }
    }
}

/// Its space is free once the pending changes are durable.
fn release_file(state: &mut State, entry: &Entry) {
    let level = entry.node.level;
    let extents = std::mem::take(&mut locked(&entry.node.live).extents);
    state
        .pending
        .releases
        .extend(extents.into_iter().map(|extent| (level, extent)));
}
