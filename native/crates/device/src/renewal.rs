//! `unlink_each_loop`: files are removed and made again between the loops of a job.

use std::fs::{self, OpenOptions};
use std::path::Path;

use crate::engine::EngineError;
use crate::engine::file::{OpenFile, OpenMode};
use crate::engine::open::open_files;
use crate::spec::EngineSpec;

/// What it takes to open a job's files again.
#[derive(Clone, Debug)]
pub struct Renewal {
    engine: EngineSpec,
    paths: Vec<String>,
    mode: OpenMode,
}

impl Renewal {
    /// For the files that a job has opened for this engine in this mode.
    #[must_use]
    pub fn new(engine: EngineSpec, paths: Vec<String>, mode: OpenMode) -> Self {
        Self {
            engine,
            paths,
            mode,
        }
    }

    /// Removes the files, makes them again with their length but without their content, and opens
    /// them. Devices stay.
    ///
    /// # Errors
    /// A file cannot be removed, made or opened.
    pub fn renew(&self) -> Result<Vec<OpenFile>, EngineError> {
        for path in &self.paths {
            renew_file(Path::new(path)).map_err(|source| {
                let call = format!("make {path} anew (unlink_each_loop)");
                EngineError::System { call, source }
            })?;
        }
        let paths: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        open_files(&self.engine, &paths, self.mode)
    }
}

fn renew_file(path: &Path) -> std::io::Result<()> {
    let facts = fs::metadata(path)?;
    if !facts.is_file() {
        return Ok(());
    }
    fs::remove_file(path)?;
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.set_permissions(facts.permissions())?;
    file.set_len(facts.len())
}
