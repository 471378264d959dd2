//! Whole files, for what the store keeps beside the database.

use std::sync::Arc;

use super::BlueFs;
use super::directory::Stat;
use crate::error::{KvError, Result};

fn missing_is<T>(result: Result<T>, otherwise: T) -> Result<T> {
    match result {
        Err(KvError::NotFound(_)) => Ok(otherwise),
        other => other,
    }
}

impl BlueFs {
    /// The bytes of a file; `None`: there is none.
    pub fn read_whole(self: &Arc<Self>, path: &str) -> Result<Option<Vec<u8>>> {
        let opened = missing_is(self.open(path).map(Some), None)?;
        let Some(file) = opened else {
            return Ok(None);
        };
        let mut bytes = vec![0; file.size() as usize];
        file.read_at(0, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// A file of these bytes, durable on return, in place of the one that is there, whose space is
    /// free before. A crash or an error leaves either, neither, or a part of the new one; its
    /// directory is made.
    pub fn write_whole(self: &Arc<Self>, path: &str, bytes: &[u8]) -> Result<()> {
        self.remove_whole(path)?;
        if let Some((dir, _)) = path.rsplit_once('/')
            && self.stat(dir).is_err()
        {
            self.mkdir(dir)?;
        }
        self.fill(path, bytes).inspect_err(|_| {
            // What is there of it takes space; that it cannot be removed either changes nothing.
            drop(self.remove_whole(path));
        })
    }

    fn fill(self: &Arc<Self>, path: &str, bytes: &[u8]) -> Result<()> {
        let mut file = self.create(path)?;
        file.preallocate(bytes.len() as u64)?;
        file.append(bytes)?;
        file.sync()?;
        file.close()?;
        self.sync()
    }

    /// Removes a file, durably; one that is not there is no error.
    pub fn remove_whole(&self, path: &str) -> Result<()> {
        if missing_is(self.stat(path), Stat::Directory)? == Stat::Directory {
            return Ok(());
        }
        self.unlink(path)?;
        self.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bluefs::fnode::Bdev;
    use crate::bluefs::tests::{MIB, made, slots, small};
    use crate::device::Device;
    use crate::device::memory::MemoryDevice;
    use crate::device::recorder::{Cutter, Recording};
    use osdyno_core::rng::{Rng, Use};

    const PATH: &str = "kept/whole";

    fn content(round: u8) -> Vec<u8> {
        vec![round; 90_000 + usize::from(round) * 777]
    }

    #[test]
    fn a_file_is_replaced_and_a_full_device_leaves_none() {
        let device: Arc<dyn Device> = Arc::new(MemoryDevice::new(4 * MIB));
        let devices = vec![(Bdev::Db, device)];
        let fs = made(&devices, small());
        assert_eq!(fs.read_whole(PATH).unwrap(), None);
        fs.remove_whole(PATH).unwrap();
        for round in 1..30 {
            fs.write_whole(PATH, &content(round)).unwrap();
        }
        fs.unmount().unwrap();
        let fs = BlueFs::mount(slots(&devices), small(), false).unwrap();
        assert_eq!(fs.read_whole(PATH).unwrap(), Some(content(29)));
        let free = fs.free_bytes(Bdev::Db);
        let error = fs.write_whole(PATH, &vec![9; 4 << 20]).unwrap_err();
        assert_eq!(error.errno(), libc::ENOSPC);
        assert_eq!(fs.read_whole(PATH).unwrap(), None);
        assert!(fs.free_bytes(Bdev::Db) > free, "nothing of it takes space");
        fs.write_whole(PATH, b"").unwrap();
        assert_eq!(fs.read_whole(PATH).unwrap(), Some(Vec::new()));
    }

    #[test]
    fn a_power_cut_leaves_one_none_or_a_beginning() {
        let recording = Recording::new();
        let device: Arc<dyn Device> = Arc::new(recording.device(0, 4 * MIB));
        let fs = made(&[(Bdev::Db, device)], small());
        let first = recording.events().len();
        for round in 1..6 {
            fs.write_whole(PATH, &content(round)).unwrap();
        }
        let events = recording.events();
        let mut cutter = Cutter::new(&events, &[4 * MIB]);
        let mut rng = Rng::new(7, Use::Fault, 3);
        let mut seen = [0, 0];
        for point in first..events.len() {
            cutter.advance(point);
            let image = cutter.images(&mut rng, 512).remove(0);
            let device: Arc<dyn Device> = Arc::new(MemoryDevice::from_image(image));
            let fs = BlueFs::mount(slots(&[(Bdev::Db, device)]), small(), false).unwrap();
            let Some(bytes) = fs.read_whole(PATH).unwrap() else {
                seen[0] += 1;
                continue;
            };
            let round = bytes.first().copied().unwrap_or(1);
            assert!(content(round).starts_with(&bytes), "cut at event {point}");
            seen[1] += 1;
        }
        assert!(seen[0] > 0 && seen[1] > 4, "{seen:?}");
    }
}
