//! How far a verified job's writes came, in a file that outlives the process however it ends
//! (`verify_state_save`), so that a later run can check exactly that far (`verify_state_load`).
//!
//! The file is 64 bytes of little-endian 64-bit words, shared with the page cache: what was stored in it
//! is there after a `kill -9`, though not after the machine lost power.
//!
//! | word | content |
//! |---|---|
//! | 0 | magic, the bytes `osdynovs` |
//! | 1 | version of the format, 1 |
//! | 2 | seed of the job |
//! | 3 | fingerprint of its op stream |
//! | 4 | operations of the stream that have all completed: those before this sequence |
//! | 5 | operations that may have been sent: those before this sequence |
//!
//! What lies between the two may or may not have reached the target, and is not checked. The format is
//! ours: fio's state files are not read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use osdyno_core::rng::mix64;
use osdyno_core::spec::StreamSpec;
use osdyno_core::verify::Progress;

const MAGIC: u64 = u64::from_le_bytes(*b"osdynovs");
const VERSION: u64 = 1;
const WORDS: usize = 8;
const BYTES: usize = WORDS * 8;
const DONE: usize = 4;
const SENT: usize = 5;

/// How far an earlier run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Operations before this sequence have completed.
    pub done: u64,
    /// None from this sequence on was sent.
    pub sent: u64,
}

/// The file of a running job.
#[derive(Debug)]
pub struct VerifyState {
    words: NonNull<AtomicU64>,
    path: PathBuf,
    /// Tells whether the file at the path still is this one.
    inode: u64,
    progress: Progress,
}

// SAFETY: the mapping belongs to this value alone, and is only touched through atomics.
unsafe impl Send for VerifyState {}

/// Differs for jobs whose writes differ. What may change between writing and checking is left out.
fn fingerprint(spec: &StreamSpec) -> u64 {
    let mut same = spec.clone();
    (same.time_based, same.loops) = (false, 1);
    if let Some(verify) = &mut same.data.verify {
        verify.fatal = false;
        verify.read_back = false;
        verify.dump = false;
        verify.only = false;
        verify.async_threads = 0;
        verify.async_cpus.clear();
        verify.check_sequence = true;
    }
    let text = format!("{same:?}");
    text.bytes()
        .fold(0, |hash, byte| mix64(hash ^ u64::from(byte)))
}

impl VerifyState {
    /// Makes the file, in place of an older one.
    ///
    /// # Errors
    /// The folder is not there, not writable, full.
    pub fn create(path: &Path, spec: &StreamSpec, in_flight: usize) -> io::Result<Self> {
        // Another run may still have an older file mapped: it keeps that one.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&fresh)?;
        let words = [MAGIC, VERSION, spec.seed, fingerprint(spec), 0, 0, 0, 0];
        let made = file
            .write_all(&words.map(u64::to_le_bytes).concat())
            .and_then(|()| Self::over(&file, path, in_flight))
            .and_then(|state| fs::rename(&fresh, path).map(|()| state));
        if made.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        made
    }

    fn over(file: &File, path: &Path, in_flight: usize) -> io::Result<Self> {
        // SAFETY: a new shared mapping of a file that is long enough; the result is checked.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let words = NonNull::new(address.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self {
            words,
            path: path.to_owned(),
            inode: file.metadata()?.ino(),
            progress: Progress::new(in_flight),
        })
    }

    fn store(&self, word: usize, value: u64) {
        // SAFETY: the mapping holds `WORDS` aligned words for as long as this value lives.
        let word = unsafe { self.words.add(word).as_ref() };
        word.store(value.to_le(), Ordering::Release);
    }

    /// An operation of the stream is about to be sent.
    pub fn send(&mut self, sequence: u64) {
        self.progress.send(sequence);
        self.store(SENT, self.progress.sent());
    }

    /// An operation of the stream has completed well.
    pub fn complete(&mut self, sequence: u64) {
        self.progress.complete(sequence);
        self.store(DONE, self.progress.done());
    }

    /// How far the job came.
    #[must_use]
    pub fn extent(&self) -> Extent {
        Extent {
            done: self.progress.done(),
            sent: self.progress.sent(),
        }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All writes were done: the file has nothing to tell any more.
    pub fn remove(self) {
        let ours = |facts: fs::Metadata| facts.ino() == self.inode;
        if fs::metadata(&self.path).is_ok_and(ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for VerifyState {
    fn drop(&mut self) {
        // SAFETY: `over` mapped it; nothing refers to it any more.
        unsafe { libc::munmap(self.words.as_ptr().cast(), BYTES) };
    }
}

/// How far the run came that left a file.
///
/// # Errors
/// One line: there is no such file, or it is of another job.
pub fn load(path: &Path, spec: &StreamSpec) -> Result<Extent, String> {
    let name = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|error| format!("verify_state_load: {name}: {error}"))?;
    let word = |at: usize| bytes.chunks_exact(8).nth(at)?.try_into().ok();
    let word = |at: usize| word(at).map_or(0, u64::from_le_bytes);
    if bytes.len() != BYTES || word(0) != MAGIC || word(1) != VERSION {
        return Err(format!(
            "verify_state_load: {name} is no state file of this program's version {VERSION}"
        ));
    }
    if word(2) != spec.seed || word(3) != fingerprint(spec) {
        return Err(format!(
            "verify_state_load: {name} was left by another job: keep seed, sizes, files and order"
        ));
    }
    Ok(Extent {
        done: word(DONE),
        sent: word(SENT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(seed: u64) -> StreamSpec {
        let random = serde_json::json!({"kind": "random"});
        let fixed = serde_json::json!({"kind": "fixed", "bytes": 4096});
        let closed = serde_json::json!({"kind": "closed"});
        let text = serde_json::json!({
            "seed": seed, "pattern": "random", "mix": [0.0, 100.0, 0.0], "opsPerDraw": 1,
            "regions": [{"offset": 0, "size": 65536}], "blockSizes": [fixed, fixed, fixed],
            "blockAlign": [0, 0, 0], "distribution": [random, random, random],
            "percentageRandom": [100.0, 100.0, 100.0], "randomMap": true, "ioBytes": 65536,
            "numberIos": null, "loops": 1, "timeBased": false, "arrival": [closed, closed, closed],
            "thinktimeBlocks": 1, "data": {"zero": false, "refill": true, "compressPercent": 0.0,
            "verify": {"kind": "md5", "fatal": true, "readBack": true, "interval": 4096}},
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn tells_how_far_a_run_came_and_whose_it_was() {
        let path = std::env::temp_dir().join(format!("osdyno-state-{}", std::process::id()));
        let mut state = VerifyState::create(&path, &spec(1), 4).unwrap();
        for sequence in 0..10 {
            state.send(sequence);
        }
        for sequence in [0, 1, 3, 4] {
            state.complete(sequence);
        }
        let extent = Extent { done: 2, sent: 10 };
        assert_eq!(state.extent(), extent);
        let mut checks = spec(1);
        if let Some(verify) = &mut checks.data.verify {
            verify.only = true;
        }
        assert_eq!(load(&path, &checks), Ok(extent));
        let mut other = spec(1);
        other.regions[0].size = 4096;
        for other in [spec(2), other] {
            assert!(load(&path, &other).unwrap_err().contains("another job"));
        }
        // A second run makes a file of its own, which the first one leaves alone.
        let second = VerifyState::create(&path, &spec(2), 4).unwrap();
        state.send(10);
        state.remove();
        assert_eq!(load(&path, &spec(2)), Ok(Extent { done: 0, sent: 0 }));
        second.remove();
        assert!(
            load(&path, &spec(2))
                .unwrap_err()
                .contains("verify_state_load")
        );
        fs::write(&path, [7; 64]).unwrap();
        assert!(load(&path, &spec(2)).unwrap_err().contains("no state file"));
        fs::remove_file(&path).unwrap();
    }
}
