//! Compressors for the store: whole buffers, contexts kept for the thread.

use std::cell::RefCell;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use osdyno_core::compress::{Compressor, CompressorKind};

thread_local! {
    /// Open compressors by number.
    static OPEN: RefCell<Vec<Compressor>> = const { RefCell::new(Vec::new()) };
}

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, reason.to_string())
}

fn with_compressor<T>(number: u32, act: impl FnOnce(&mut Compressor) -> T) -> Result<T> {
    OPEN.with_borrow_mut(|open| match open.get_mut(number as usize) {
        Some(compressor) => Ok(act(compressor)),
        None => Err(invalid(format!("there is no compressor {number}"))),
    })
}

/// Lowest and highest level of a compressor.
#[napi]
#[must_use]
pub fn compressor_levels(kind: u32) -> Vec<i32> {
    let levels = CompressorKind::from_number(kind as usize).map_or((0, 0), CompressorKind::levels);
    vec![levels.0, levels.1]
}

/// Opens a compressor for the thread; its number.
#[napi]
pub fn compressor_open(kind: u32, level: i32) -> Result<u32> {
    let kind = CompressorKind::from_number(kind as usize)
        .ok_or_else(|| invalid(format!("there is no compressor of kind {kind}")))?;
    let compressor = Compressor::new(kind, level).map_err(invalid)?;
    OPEN.with_borrow_mut(|open| {
        open.push(compressor);
        Ok(open.len() as u32 - 1)
    })
}

/// Bytes written to `out`, -1 when they do not fit.
#[napi]
pub fn compressor_compress(
    number: u32,
    bytes: Uint8ArraySlice,
    mut out: Uint8ArraySlice,
) -> Result<i32> {
    // SAFETY: JavaScript waits in this call, on the only thread that the array is shared with.
    let out = unsafe { out.as_mut() };
    let done = with_compressor(number, |compressor| compressor.compress(&bytes, out))?;
    Ok(done.map_or(-1, |length| length as i32))
}

/// Whether `out` was filled; `false`: the input is damaged.
#[napi]
pub fn compressor_decompress(
    number: u32,
    bytes: Uint8ArraySlice,
    mut out: Uint8ArraySlice,
) -> Result<bool> {
    // SAFETY: as above.
    let out = unsafe { out.as_mut() };
    with_compressor(number, |compressor| compressor.decompress(&bytes, out))
}
