//! Directories and files in memory, and the changes that the log does not have yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::fnode::{Extent, Fnode};
use super::locked;
use super::placement::Level;
use super::record::{LogOp, file_update, put_op};
use crate::error::{KvError, Result};

/// A file that somebody may have open.
pub struct Node {
    /// Its number.
    pub ino: u64,
    /// Where it belongs.
    pub level: Level,
    /// As it is, including what is not durable.
    pub live: Mutex<Fnode>,
    /// `live` differs from what the log was told in a way that matters for durability.
    pub dirty: AtomicBool,
    /// The generation of changes that has the file's last update.
    pub generation: AtomicU64,
    /// Of an enveloped file: bytes of content that are durable for certain.
    pub synced: AtomicU64,
}

impl Node {
    /// A file as the log has it.
    #[must_use]
    pub fn new(fnode: Fnode, level: Level) -> Arc<Self> {
        Arc::new(Self {
            ino: fnode.ino,
            level,
            synced: AtomicU64::new(fnode.size),
            live: Mutex::new(fnode),
            dirty: AtomicBool::new(false),
            generation: AtomicU64::new(0),
        })
    }
}

/// A file as the file system sees it.
pub struct Entry {
    /// What handles share.
    pub node: Arc<Node>,
    /// What the log has, or will have with the pending changes.
    pub logged: Fnode,
    /// Open handles.
    pub opens: u32,
}

/// Changes on their way to the log, and the space that they free.
#[derive(Default)]
pub struct Pending {
    /// Operations that belong together, encoded.
    pub groups: Vec<Vec<u8>>,
    /// Space that is free once the operations are durable.
    pub releases: Vec<(Level, Extent)>,
}

/// The whole of it.
pub struct State {
    /// Files by name, by directory.
    pub dirs: BTreeMap<String, BTreeMap<String, u64>>,
    /// Files by number.
    pub files: HashMap<u64, Entry>,
    /// Files without a name that are still open.
    pub orphans: HashMap<u64, Entry>,
    /// Number of the next file.
    pub next_ino: u64,
    /// What the log does not have yet.
    pub pending: Pending,
    /// Number of the pending changes; goes up when they are taken.
    pub generation: u64,
    /// Paths that are locked.
    pub locks: Vec<String>,
}

impl State {
    /// Nothing exists.
    #[must_use]
    pub fn new() -> Self {
        Self {
            dirs: BTreeMap::new(),
            files: HashMap::new(),
            orphans: HashMap::new(),
            next_ino: 2,
            pending: Pending::default(),
            generation: 1,
            locks: Vec::new(),
        }
    }

    /// Queues operations that become durable together.
    pub fn push(&mut self, ops: &[LogOp]) {
        let mut group = Vec::new();
        for op in ops {
            put_op(&mut group, op);
        }
        self.pending.groups.push(group);
    }

    /// Tells of write-ahead logs that go on how much of them is durable, for a log that follows them
    /// is worth nothing without that.
    pub fn push_synced(&mut self) {
        let mut ops = Vec::new();
        for entry in self.files.values_mut() {
            let synced = entry.node.synced.load(Ordering::Acquire);
            let goes_on = entry.logged.enveloped && !entry.logged.sealed;
            if goes_on && entry.logged.size < synced {
                let mut told = entry.logged.clone();
                told.size = synced;
                ops.push(file_update(Some(&entry.logged), &told));
                entry.logged = told;
            }
        }
        self.push(&ops);
    }

    /// The pending changes and their generation.
    pub fn take(&mut self) -> (Pending, u64) {
        let generation = self.generation;
        self.generation += 1;
        (std::mem::take(&mut self.pending), generation)
    }

    /// Puts changes that were taken back in front of those that came since.
    pub fn put_back(&mut self, mut earlier: Pending) {
        let later = std::mem::take(&mut self.pending);
        earlier.groups.extend(later.groups);
        earlier.releases.extend(later.releases);
        self.pending = earlier;
    }

    /// Everything that exists, as the log would have it after the pending changes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_op(&mut out, &LogOp::Init);
        put_op(&mut out, &LogOp::NextIno(self.next_ino));
        for entry in self.files.values() {
            put_op(&mut out, &LogOp::FileUpdate(entry.logged.clone()));
        }
        for (dir, names) in &self.dirs {
            put_op(&mut out, &LogOp::DirCreate(dir.clone()));
            for (name, ino) in names {
                put_op(&mut out, &LogOp::DirLink(dir.clone(), name.clone(), *ino));
            }
        }
        out
    }

    /// The file's number by directory and name.
    pub fn lookup(&self, dir: &str, name: &str) -> Result<u64> {
        let names = self.names(dir)?;
        let found = names.get(name).copied();
        found.ok_or_else(|| KvError::NotFound(format!("{dir}/{name}")))
    }

    /// The names in a directory.
    pub fn names(&self, dir: &str) -> Result<&BTreeMap<String, u64>> {
        self.dirs
            .get(dir)
            .ok_or_else(|| KvError::NotFound(dir.to_owned()))
    }

    /// The names in a directory, to change.
    pub fn names_mut(&mut self, dir: &str) -> Result<&mut BTreeMap<String, u64>> {
        self.dirs
            .get_mut(dir)
            .ok_or_else(|| KvError::NotFound(dir.to_owned()))
    }
}

/// Files while the log is replayed.
pub struct Replayed {
    /// As in `State`.
    pub dirs: BTreeMap<String, BTreeMap<String, u64>>,
    /// Files by number.
    pub files: HashMap<u64, Fnode>,
    /// Number of the next file.
    pub next_ino: u64,
}

impl Replayed {
    /// Nothing exists.
    #[must_use]
    pub fn new() -> Self {
        Self {
            dirs: BTreeMap::new(),
            files: HashMap::new(),
            next_ino: 2,
        }
    }

    /// Applies an operation of the log; those about the log itself are the caller's.
    pub fn apply(&mut self, op: LogOp) -> Result<()> {
        let wrong = |what: String| KvError::Corrupt(format!("the log of BlueFS: {what}"));
        match op {
            LogOp::Init => *self = Self::new(),
            LogOp::DirCreate(dir) => {
                self.dirs.entry(dir).or_default();
            }
            LogOp::DirRemove(dir) => {
                if self.dirs.remove(&dir).is_none_or(|names| !names.is_empty()) {
                    return Err(wrong(format!("directory {dir} is missing or not empty")));
                }
            }
            LogOp::DirLink(dir, name, ino) => {
                let names = self.dirs.get_mut(&dir);
                let names = names.ok_or_else(|| wrong(format!("no directory {dir}")))?;
                names.insert(name, ino);
            }
            LogOp::DirUnlink(dir, name) => {
                let removed = self
                    .dirs
                    .get_mut(&dir)
                    .and_then(|names| names.remove(&name));
                removed.ok_or_else(|| wrong(format!("no file {dir}/{name}")))?;
            }
            LogOp::FileUpdate(fnode) => {
                self.next_ino = self.next_ino.max(fnode.ino + 1);
                self.files.insert(fnode.ino, fnode);
            }
            LogOp::FileUpdateInc(mut fnode, kept) => {
                let old = self.files.get_mut(&fnode.ino);
                let old = old.ok_or_else(|| wrong(format!("no file {}", fnode.ino)))?;
                if kept as usize > old.extents.len() {
                    return Err(wrong(format!("file {} lacks extents", fnode.ino)));
                }
                let mut extents = std::mem::take(&mut old.extents);
                extents.truncate(kept as usize);
                extents.append(&mut fnode.extents);
                *old = Fnode { extents, ..fnode };
            }
            LogOp::FileRemove(ino) => {
                let removed = self.files.remove(&ino);
                removed.ok_or_else(|| wrong(format!("no file {ino} to remove")))?;
            }
            LogOp::NextIno(ino) => self.next_ino = self.next_ino.max(ino),
            LogOp::Jump(..) | LogOp::Skip(_) => {}
        }
        Ok(())
    }

    /// Checks names against files and makes the state of a mounted file system.
    pub fn finish(self) -> Result<State> {
        let mut state = State::new();
        state.next_ino = self.next_ino;
        let mut files = self.files;
        for (dir, names) in &self.dirs {
            for (name, ino) in names {
                let fnode = files.remove(ino).ok_or_else(|| {
                    KvError::Corrupt(format!("{dir}/{name} names file {ino}, which is missing"))
                })?;
                let node = Node::new(fnode.clone(), Level::of_dir(dir));
                if fnode.enveloped && !fnode.sealed {
                    // It has that much at least.
                    locked(&node.live).size = 0;
                }
                let entry = Entry {
                    node,
                    logged: fnode,
                    opens: 0,
                };
                state.files.insert(*ino, entry);
            }
        }
        if let Some(ino) = files.keys().next() {
            return Err(KvError::Corrupt(format!(
                "file {ino} of BlueFS has no name"
            )));
        }
        state.dirs = self.dirs;
        Ok(state)
    }
}
