//! Which CPUs a thread runs on.

#![expect(
    clippy::needless_pass_by_value,
    reason = "values come from JavaScript by value"
)]

use napi_derive::napi;
use osdyno_device::cpu;

/// Restricts a thread of this process to CPUs, by its id (0 is the calling one): 0, or a negative errno.
#[napi]
#[must_use]
pub fn pin_thread(thread: i32, cpus: Vec<u32>) -> i32 {
    match cpu::pin_thread(thread, &cpus) {
        Ok(()) => 0,
        Err(error) => -error.raw_os_error().unwrap_or(libc::EINVAL),
    }
}
