//! What can go wrong below the key-value store.

use std::io;

/// One error of BlueFS or of the database on it.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// A device did not do what it was asked.
    #[error("{what}: {source}")]
    Device {
        /// What was tried.
        what: String,
        /// The device's answer.
        source: io::Error,
    },
    /// What is on the device cannot be right.
    #[error("{0}")]
    Corrupt(String),
    /// No device has room.
    #[error("BlueFS is full: {wanted} bytes wanted on {bdev}, {free} free there")]
    NoSpace {
        /// Bytes that were asked for.
        wanted: u64,
        /// The device that was asked last.
        bdev: &'static str,
        /// Its free bytes.
        free: u64,
    },
    /// No such file or directory.
    #[error("{0}: not found")]
    NotFound(String),
    /// There is one already.
    #[error("{0}: exists")]
    Exists(String),
    /// The directory has files in it.
    #[error("{0}: directory not empty")]
    NotEmpty(String),
    /// Mounted for reading only.
    #[error("mounted for reading only")]
    ReadOnly,
    /// An earlier write failed: nothing can be promised any more.
    #[error("BlueFS stopped after a failed write: {0}")]
    Broken(String),
    /// An argument that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// RocksDB said so.
    #[error("rocksdb: {text}")]
    Database {
        /// The nearest errno.
        errno: i32,
        /// In its words.
        text: String,
    },
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, KvError>;

impl KvError {
    /// A device's failure.
    pub fn device(what: impl Into<String>, source: io::Error) -> Self {
        Self::Device {
            what: what.into(),
            source,
        }
    }

    /// RocksDB's failure.
    #[must_use]
    pub fn database(errno: i32, text: String) -> Self {
        Self::Database { errno, text }
    }

    /// The nearest errno, positive.
    #[must_use]
    pub fn errno(&self) -> i32 {
        match self {
            Self::Device { source, .. } => source.raw_os_error().unwrap_or(libc::EIO),
            Self::Corrupt(_) => libc::EBADMSG,
            Self::NoSpace { .. } => libc::ENOSPC,
            Self::NotFound(_) => libc::ENOENT,
            Self::Exists(_) => libc::EEXIST,
            Self::NotEmpty(_) => libc::ENOTEMPTY,
            Self::ReadOnly => libc::EROFS,
            Self::Broken(_) => libc::EIO,
            Self::Database { errno, .. } => *errno,
            Self::Invalid(_) => libc::EINVAL,
        }
    }
}
