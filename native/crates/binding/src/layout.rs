//! Space for files, set aside before a run.

use std::os::fd::BorrowedFd;

use napi::Error;
use napi_derive::napi;
use osdyno_device::allocate::{Allocation, allocate};

/// Sets aside the first `bytes` of an open file by `native`, `posix` or `keep`: 0, or a negative
/// errno.
///
/// # Errors
///
/// Another name, a descriptor below zero, or a number that is no count of bytes.
#[napi]
#[allow(
    clippy::needless_pass_by_value,
    reason = "strings cross the binding by value"
)]
pub fn allocate_file(descriptor: i32, bytes: f64, how: String) -> napi::Result<i32> {
    let how = match how.as_str() {
        "native" => Allocation::Native,
        "posix" => Allocation::Posix,
        "keep" => Allocation::Keep,
        _ => return Err(Error::from_reason(format!("no such allocation: {how}"))),
    };
    // Whole numbers that JavaScript holds exactly.
    if descriptor < 0 || !(0.0..9_007_199_254_740_992.0).contains(&bytes) {
        return Err(Error::from_reason(
            "a descriptor and a count of bytes are needed",
        ));
    }
    // SAFETY: the caller holds the file open until this returns; it is not closed here.
    let file = unsafe { BorrowedFd::borrow_raw(descriptor) };
    Ok(allocate(file, bytes as u64, how))
}
