//! Opens the engine that a specification names and hands it to whoever drives it: the job loop, which
//! is compiled for each engine, or the binding, which boxes it.

use std::sync::Arc;

use super::file::{OpenFile, OpenMode};
use super::io_uring::{Uring, Waiter};
use super::libaio::{self, Libaio};
use super::memory::memory;
use super::null::Null;
use super::pmem::{MapMode, ThisMachine, mmap, pmem};
use super::psync::{Method, by_method, psync, transfer_flags};
use super::synthetic::Synthetic;
use super::{Engine, EngineError};
use crate::arena::Arena;
use crate::spec::{EngineSpec, SyncMode};

/// Whoever drives an engine.
pub trait Driver {
    /// What comes of it.
    type Output;
    /// Called once, with the engine opened.
    fn drive<E: Engine + 'static>(self, engine: E) -> Self::Output;
}

/// What an engine is opened with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The buffers.
    pub arena: Arc<Arena>,
    /// Operations queued or in flight at most.
    pub depth: u32,
    /// Who waits for completions.
    pub waiter: Waiter,
    /// How its files are opened.
    pub mode: OpenMode,
}

/// Opens files in the order of `Op::file`, as the engine wants them.
///
/// # Errors
/// One cannot be opened.
pub fn open_files(
    engine: &EngineSpec,
    paths: &[&str],
    mode: OpenMode,
) -> Result<Vec<OpenFile>, EngineError> {
    // A mapping makes its writes durable itself.
    let mapped = OpenMode {
        direct: false,
        sync: SyncMode::None,
        ..mode
    };
    let mode = if engine.maps() { mapped } else { mode };
    paths
        .iter()
        .map(|path| OpenFile::open(path, mode))
        .collect()
}

/// Opens an engine over `files` and drives it.
///
/// # Errors
/// The engine does not open.
pub fn open_engine<D: Driver>(
    spec: &EngineSpec,
    files: Vec<OpenFile>,
    opening: Opening,
    driver: D,
) -> Result<D::Output, EngineError> {
    let Opening {
        arena,
        depth,
        waiter,
        mode,
    } = opening;
    let map_mode = MapMode {
        write: mode.write,
        sync: mode.sync,
        access: mode.access,
        direct: mode.direct,
    };
    Ok(match spec {
        EngineSpec::IoUring(options) => {
            driver.drive(Uring::new(files, arena, depth, waiter, options)?)
        }
        EngineSpec::Libaio { nowait, batched } => {
            let options = libaio::Options {
                flags: transfer_flags(false, *nowait, false),
                batched: *batched,
            };
            driver.drive(Libaio::new(files, arena, depth, waiter, options)?)
        }
        EngineSpec::Psync => driver.drive(psync(files, arena, depth)),
        EngineSpec::Sync => driver.drive(by_method(files, arena, depth, Method::Sync)?),
        EngineSpec::Pvsync => driver.drive(by_method(files, arena, depth, Method::Pvsync)?),
        EngineSpec::Pvsync2 {
            hipri,
            hipri_percentage,
            nowait,
            uncached,
        } => {
            let flags = transfer_flags(*hipri, *nowait, *uncached);
            let method = Method::Pvsync2 {
                flags,
                hipri_percent: hipri_percentage.unwrap_or(100),
            };
            driver.drive(by_method(files, arena, depth, method)?)
        }
        EngineSpec::Mmap { thp } => driver.drive(mmap(files, arena, depth, map_mode, *thp)?),
        EngineSpec::Pmem => driver.drive(pmem(files, arena, depth, map_mode, &ThisMachine)?),
        EngineSpec::Memory { size } => driver.drive(memory(*size, arena, depth)?),
        EngineSpec::Null => driver.drive(Null::new(depth)),
        EngineSpec::Synthetic { model } => driver.drive(Synthetic::new(model, depth)?),
    })
}
