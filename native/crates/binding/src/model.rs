//! Binding of the synthetic device model and of the recorder, for devices and jobs that run in
//! TypeScript. Batches are rows of one `Float64Array`: all values are integers below 2^53.

// Node-API hands strings over by value.
#![allow(clippy::needless_pass_by_value)]

use napi::bindgen_prelude::{Error, Float64ArraySlice, Result, Status};
use napi_derive::napi;
use osdyno_core::measure::{IntervalRow, IntervalSet, RowPlace, Sample, Totals};
use osdyno_core::op::OpKind;
use osdyno_core::synthetic::SyntheticModel;
use serde::Deserialize;

/// Columns of a batch of admissions: in: arrival ns, kind, bytes; out: completion ns, 1 or 0 (failed).
const ADMIT_COLUMNS: usize = 3;
/// Columns of a batch of samples: kind, intended, sent, submitted, completed, asked, result.
const SAMPLE_COLUMNS: usize = 7;

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    end_ns: u64,
    length_ns: u64,
    job: usize,
    warmup: bool,
    inflight: u32,
}

/// Records what a job in TypeScript measures, with the histograms of the native job loop.
#[napi]
pub struct NativeRecorder {
    interval: IntervalSet,
    totals: Totals,
}

#[napi]
impl NativeRecorder {
    /// With room for the directions that the job uses.
    #[napi(constructor)]
    #[must_use]
    pub fn new(read: bool, write: bool, trim: bool) -> Self {
        Self {
            interval: IntervalSet::new([read, write, trim]),
            totals: Totals::new(),
        }
    }

    /// Counts the first `count` rows: kind, intended, sent, submitted, completed (ns), bytes asked for,
    /// result.
    #[napi]
    pub fn record(&mut self, rows: Float64ArraySlice, count: u32) -> Result<()> {
        let needed = check_rows(rows.len(), count, SAMPLE_COLUMNS)?;
        for row in rows[..needed].chunks_exact(SAMPLE_COLUMNS) {
            self.interval.record(&Sample {
                kind: kind_of(row[0]),
                intended_ns: row[1] as u64,
                sent_ns: row[2] as u64,
                submitted_ns: row[3] as u64,
                completed_ns: row[4] as u64,
                asked: row[5] as u32,
                result: row[6] as i32,
            });
        }
        Ok(())
    }

    /// Ends an interval: JSON of its `IntervalRow`s. Unless it is warm-up, the totals gain it. `place`
    /// is JSON: endNs, lengthNs, job, warmup, inflight.
    #[napi]
    pub fn end_interval(&mut self, place: String) -> Result<String> {
        let place: Place = serde_json::from_str(&place).map_err(invalid)?;
        let rows: Vec<IntervalRow> = self.interval.rows(&RowPlace {
            end_ns: place.end_ns,
            length_ns: place.length_ns,
            job: place.job,
            warmup: place.warmup,
            inflight: place.inflight,
        });
        if !place.warmup {
            self.totals.merge(&self.interval);
        }
        self.interval.clear();
        serde_json::to_string(&rows).map_err(invalid)
    }

    /// JSON of what was measured in the ended intervals: `read`, `write`, `trim`, `sync` of a
    /// `JobOutcome`.
    #[napi]
    pub fn outcome(&self) -> Result<String> {
        serde_json::to_string(&self.totals.outcome()).map_err(invalid)
    }
}
