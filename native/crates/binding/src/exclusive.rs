//! A file or device for one process at a time.

#![expect(
    clippy::needless_pass_by_value,
    reason = "values come from JavaScript by value"
)]

use std::path::Path;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use osdyno_device::exclusive::{Against, Exclusive};

/// Holds a file or device until it is closed or the process ends.
#[napi]
pub struct NativeHold {
    held: Option<Exclusive>,
}

#[napi]
impl NativeHold {
    /// Takes the file, `shared` with all who share it; throws when it cannot be opened. `held` says whether
    /// it was free.
    #[napi(constructor)]
    pub fn new(path: String, shared: bool) -> Result<Self> {
        let against = if shared { Against::Alone } else { Against::All };
        let held = Exclusive::take(Path::new(&path), against)
            .map_err(|error| Error::from_reason(format!("{path}: {error}")))?;
        Ok(Self { held })
    }

    /// Whether it is held by this object.
    #[napi]
    #[must_use]
    pub fn held(&self) -> bool {
        self.held.is_some()
    }

    /// Lets go.
    #[napi]
    pub fn close(&mut self) {
        self.held = None;
    }
}
