//! Binding of the synthetic device model, for devices that run in TypeScript. Batches are rows of one
//! `Float64Array`: all values are integers below 2^53.

// Node-API hands strings over by value.
#![allow(clippy::needless_pass_by_value)]

use napi::bindgen_prelude::{Error, Float64ArraySlice, Result, Status};
use napi_derive::napi;
use osdyno_core::op::OpKind;
use osdyno_core::synthetic::SyntheticModel;

/// Columns of a batch of admissions: in: arrival ns, kind, bytes; out: completion ns, 1 or 0 (failed).
const ADMIT_COLUMNS: usize = 3;

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, reason.to_string())
}

fn kind_of(number: f64) -> OpKind {
    match number as u8 {
        0 => OpKind::Read,
        1 => OpKind::Write,
        2 => OpKind::Trim,
        4 => OpKind::DataFlush,
        5 => OpKind::WriteZeroes,
        _ => OpKind::Flush,
    }
}

fn check_rows(length: usize, count: u32, columns: usize) -> Result<usize> {
    let needed = count as usize * columns;
    if needed > length {
        return Err(invalid(format!(
            "{count} rows of {columns} columns do not fit an array of {length}"
        )));
    }
    Ok(needed)
}

/// The synthetic device model (`engine/device/synthetic.ts`).
#[napi]
pub struct NativeModel {
    model: SyntheticModel,
}

#[napi]
impl NativeModel {
    /// From the JSON of a `SyntheticSpec`.
    #[napi(constructor)]
    pub fn new(spec: String) -> Result<Self> {
        let spec = serde_json::from_str(&spec).map_err(invalid)?;
        let model = SyntheticModel::new(&spec).map_err(invalid)?;
        Ok(Self { model })
    }

    /// Admits the first `count` rows in order and writes each one's fate over its first two columns.
    #[napi]
    pub fn admit(&mut self, mut rows: Float64ArraySlice, count: u32) -> Result<()> {
        let needed = check_rows(rows.len(), count, ADMIT_COLUMNS)?;
        // SAFETY: JavaScript waits in this call, on the only thread that the array is shared with.
        let rows = unsafe { rows.as_mut() };
        for row in rows[..needed].chunks_exact_mut(ADMIT_COLUMNS) {
            let fate = self
                .model
                .admit(row[0] as u64, kind_of(row[1]), row[2] as u32);
            row[0] = fate.completes_ns as f64;
            row[1] = f64::from(u8::from(fate.ok));
        }
        Ok(())
    }
}
