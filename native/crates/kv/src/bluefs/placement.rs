//! Which device a file should go to: `bluestore_volume_selection_policy`.

use super::fnode::Bdev;

/// What a file is, by its directory: the log of BlueFS, `db.wal`, `db`, `db.slow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Level {
    /// BlueFS's own log.
    Log = 0,
    /// Write-ahead logs.
    Wal = 1,
    /// Tables of the upper levels, and all small files.
    Db = 2,
    /// Tables of the levels that RocksDB does not expect to fit the fast device.
    Slow = 3,
}

impl Level {
    /// By the name of the directory.
    #[must_use]
    pub fn of_dir(dir: &str) -> Self {
        match dir.rsplit_once('.') {
            Some((_, "wal")) => Self::Wal,
            Some((_, "slow")) => Self::Slow,
            _ => Self::Db,
        }
    }

    /// The device it is meant for.
    #[must_use]
    pub fn nominal(self) -> Bdev {
        match self {
            Self::Wal => Bdev::Wal,
            Self::Log | Self::Db => Bdev::Db,
            Self::Slow => Bdev::Slow,
        }
    }
}

/// Names as Ceph's option has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PolicyKind {
    /// Follow RocksDB's own choice of path.
    RocksdbOriginal,
    /// Also put slow data on the DB device while it has room beyond what the upper levels need.
    #[default]
    UseSomeExtra,
    /// Everything to the DB device until that is full.
    FitToFast,
}

impl PolicyKind {
    /// By name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "rocksdb_original" => Self::RocksdbOriginal,
            "use_some_extra" => Self::UseSomeExtra,
            "fit_to_fast" => Self::FitToFast,
            _ => return None,
        })
    }
}

/// What the policy goes by.
#[derive(Debug, Clone, Copy)]
pub struct PolicyConfig {
    /// Which one.
    pub kind: PolicyKind,
    /// `bluestore_volume_selection_reserved_factor`.
    pub reserved_factor: f64,
    /// `bluestore_volume_selection_reserved`, bytes; 0: from the factor.
    pub reserved_bytes: u64,
    /// RocksDB's `max_bytes_for_level_base`.
    pub level_base: u64,
    /// RocksDB's `max_bytes_for_level_multiplier`.
    pub level_multiplier: u64,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            kind: PolicyKind::default(),
            reserved_factor: 2.0,
            reserved_bytes: 0,
            level_base: 1 << 30,
            level_multiplier: 8,
        }
    }
}

/// Bytes per device and level.
pub type Table = [[u64; 4]; 3];

/// Bytes in use, and the most there ever were since the mount.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Now.
    pub now: Table,
    /// At most.
    pub most: Table,
}

impl Usage {
    /// Bytes were taken.
    pub fn add(&mut self, bdev: Bdev, level: Level, bytes: u64) {
        let now = &mut self.now[bdev.index()][level as usize];
        *now += bytes;
        let most = &mut self.most[bdev.index()][level as usize];
        *most = (*most).max(*now);
    }

    /// Bytes were given back.
    pub fn sub(&mut self, bdev: Bdev, level: Level, bytes: u64) {
        let now = &mut self.now[bdev.index()][level as usize];
        *now = now.saturating_sub(bytes);
    }
}

/// The policy over devices of known sizes.
#[derive(Debug, Clone, Copy)]
pub struct Placement {
    kind: PolicyKind,
    totals: [u64; 3],
    /// Bytes of the DB device that slow data may have.
    extra: u64,
}

impl Placement {
    /// `totals`: bytes of the devices, 0 for one that is not there.
    #[must_use]
    pub fn new(config: &PolicyConfig, totals: [u64; 3]) -> Self {
        let db = totals[Bdev::Db.index()];
        let reserved = if config.reserved_bytes > 0 {
            config.reserved_bytes
        } else {
            (fitting_levels(db, config) as f64 * config.reserved_factor) as u64
        };
        Self {
            kind: config.kind,
            totals,
            extra: db.saturating_sub(reserved),
        }
    }

    /// The device to try first.
    #[must_use]
    pub fn prefer(&self, level: Level, usage: &Usage) -> Bdev {
        match (level, self.kind) {
            (Level::Slow, PolicyKind::FitToFast) => Bdev::Db,
            (Level::Slow, PolicyKind::UseSomeExtra) => self.prefer_for_slow(usage),
            _ => level.nominal(),
        }
    }

    /// The DB device while slow data there stays below both what is never reserved and what the
    /// other levels were never seen to need.
    fn prefer_for_slow(&self, usage: &Usage) -> Bdev {
        let (db, slow) = (Bdev::Db.index(), Bdev::Slow.index());
        let own: u64 = usage.most[db][..Level::Slow as usize].iter().sum();
        let needed = own + usage.most[slow][Level::Db as usize];
        let free = self.extra.min(self.totals[db].saturating_sub(needed));
        if usage.now[db][Level::Slow as usize] < free {
            Bdev::Db
        } else {
            Bdev::Slow
        }
    }

    /// RocksDB's paths with their target sizes.
    #[must_use]
    pub fn paths(&self) -> Vec<(&'static str, u64)> {
        let [_, db, slow] = self.totals;
        if slow == 0 || self.kind == PolicyKind::FitToFast {
            return vec![("db", u64::MAX)];
        }
        let share = |bytes: u64| bytes / 100 * 95;
        vec![("db", share(db)), ("db.slow", share(slow))]
    }
}

/// Devices in the order in which they are tried, from the preferred one down, and the DB device
/// last for what else found no place.
#[must_use]
pub fn candidates(first: Bdev) -> &'static [Bdev] {
    match first {
        Bdev::Wal => &[Bdev::Wal, Bdev::Db, Bdev::Slow],
        Bdev::Db => &[Bdev::Db, Bdev::Slow],
        Bdev::Slow => &[Bdev::Slow, Bdev::Db],
    }
}

/// Bytes of the RocksDB levels, from the top, that fit the device together.
fn fitting_levels(total: u64, config: &PolicyConfig) -> u64 {
    // Level 0 is kept as large as level 1.
    let mut level = config.level_base;
    let mut sum = level;
    while level > 0 && sum + level <= total {
        sum += level;
        level = level.saturating_mul(config.level_multiplier.max(2));
    }
    sum.min(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn slow_data_gets_what_the_levels_do_not_need() {
        // Levels 0 and 1 fit 8 GiB (2 GiB), twice that is reserved.
        let placement = Placement::new(&PolicyConfig::default(), [0, 8 * GIB, 100 * GIB]);
        let mut usage = Usage::default();
        assert_eq!(placement.prefer(Level::Slow, &usage), Bdev::Db);
        usage.add(Bdev::Db, Level::Slow, 4 * GIB);
        assert_eq!(placement.prefer(Level::Slow, &usage), Bdev::Slow);
        usage.sub(Bdev::Db, Level::Slow, GIB);
        assert_eq!(placement.prefer(Level::Slow, &usage), Bdev::Db);
        // What the upper levels once needed counts, even if they shrank since.
        usage.add(Bdev::Db, Level::Db, 6 * GIB);
        usage.sub(Bdev::Db, Level::Db, 6 * GIB);
        assert_eq!(placement.prefer(Level::Slow, &usage), Bdev::Slow);
        assert_eq!(placement.prefer(Level::Wal, &usage), Bdev::Wal);
    }

    #[test]
    fn other_policies() {
        let totals = [0, 8 * GIB, 100 * GIB];
        let with = |kind| {
            let config = PolicyConfig {
                kind,
                ..PolicyConfig::default()
            };
            Placement::new(&config, totals)
        };
        let usage = Usage::default();
        let original = with(PolicyKind::RocksdbOriginal);
        assert_eq!(original.prefer(Level::Slow, &usage), Bdev::Slow);
        assert_eq!(original.paths().len(), 2);
        let fast = with(PolicyKind::FitToFast);
        assert_eq!(fast.prefer(Level::Slow, &usage), Bdev::Db);
        assert_eq!(fast.paths(), [("db", u64::MAX)]);
    }
}
