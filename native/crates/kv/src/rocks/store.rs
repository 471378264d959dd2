//! A key-value store: devices, BlueFS on them, the database on that, and the thread that commits.

use std::sync::Arc;

use super::committer::Committer;
use super::database::{Database, DatabaseSpec};
use super::files::Files;
use crate::bluefs::config::Config;
use crate::bluefs::fnode::{BDEVS, Bdev};
use crate::bluefs::superblock::Uuid;
use crate::bluefs::{BlueFs, Slot, Slots};
use crate::device::Device;
use crate::error::{KvError, Result};
use crate::sharding::Sharding;
use crate::space::Space;

/// Where the definition of the column families is kept.
const SHARDING_DIR: &str = "sharding";
const SHARDING_FILE: &str = "sharding/def";

/// A device of a store.
#[derive(Clone)]
pub struct StoreDevice {
    /// The device.
    pub device: Arc<dyn Device>,
    /// Who gives space on it besides us; `None`: it is ours alone.
    pub shared: Option<Option<Arc<dyn Space>>>,
}

/// What to open.
#[derive(Clone)]
pub struct StoreSpec {
    /// WAL, DB, slow.
    pub devices: [Option<StoreDevice>; 3],
    /// Tuning of BlueFS.
    pub config: Config,
    /// Of the file system, when it is made.
    pub uuid: Uuid,
    /// The store that it is part of.
    pub owner: Uuid,
    /// Column families, when the database is made.
    pub sharding: String,
    /// The database.
    pub database: DatabaseSpec,
}

impl StoreSpec {
    fn slots(&self) -> Slots {
        BDEVS.map(|bdev| {
            let device = self.devices[bdev.index()].as_ref()?;
            Some(match &device.shared {
                None => Slot::dedicated(device.device.clone()),
                Some(space) => Slot::shared(device.device.clone(), space.clone()),
            })
        })
    }
}

/// An open store.
pub struct Store {
    /// The thread that commits.
    pub committer: Committer,
    /// The database.
    pub db: Arc<Database>,
    fs: Arc<BlueFs>,
    read_only: bool,
}

impl Store {
    /// Opens a store, or makes one.
    pub fn open(spec: &StoreSpec) -> Result<Self> {
        let DatabaseSpec {
            create, read_only, ..
        } = spec.database;
        if create {
            BlueFs::mkfs(&spec.slots(), spec.config, spec.uuid, spec.owner)?;
        }
        let config = Config {
            salvage: spec.database.salvage,
            ..spec.config
        };
        let fs = BlueFs::mount(spec.slots(), config, read_only)?;
        if create {
            furnish(&fs, &spec.sharding)?;
        }
        let sharding = Sharding::parse(&read_text(&fs, SHARDING_FILE)?)?;
        let files = Files::new(fs.clone());
        let db = Arc::new(Database::open(files, sharding, &spec.database)?);
        Ok(Self {
            committer: Committer::start(db.clone(), read_only)?,
            db,
            fs,
            read_only,
        })
    }

    /// The file system below.
    #[must_use]
    pub fn fs(&self) -> &Arc<BlueFs> {
        &self.fs
    }

    /// Bytes of a device that BlueFS has taken.
    #[must_use]
    pub fn used_bytes(&self, bdev: Bdev) -> u64 {
        self.fs.usage()[bdev.index()].iter().sum()
    }

    /// Keeps a file beside the database, durable on return. The memtables become tables first: as
    /// closing would do it, and the logs that go then may be the space that it takes.
    pub fn write_file(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.db.flush()?;
        self.fs.write_whole(path, bytes)
    }

    /// Waits for commits, and closes everything in order. The memtables become tables first, so
    /// that the next opening has no log to replay.
    pub fn close(mut self) -> Result<()> {
        self.committer.stop();
        let flushed = if self.read_only {
            Ok(())
        } else {
            self.db.flush()
        };
        drop(self.db);
        drop(self.committer);
        flushed.and(self.fs.unmount())
    }
}

/// Directories and the definition of the column families.
fn furnish(fs: &Arc<BlueFs>, sharding: &str) -> Result<()> {
    Sharding::parse(sharding)?;
    for dir in ["db", "db.wal", "db.slow", SHARDING_DIR] {
        fs.mkdir(dir)?;
    }
    let mut file = fs.create(SHARDING_FILE)?;
    file.append(sharding.as_bytes())?;
    file.sync()?;
    file.close()
}

fn read_text(fs: &Arc<BlueFs>, path: &str) -> Result<String> {
    let file = fs.open(path)?;
    let mut bytes = vec![0; file.size() as usize];
    file.read_at(0, &mut bytes)?;
    String::from_utf8(bytes).map_err(|_| KvError::Corrupt(format!("{path} is no text")))
}
