//! Which CPUs a thread runs on, and from which NUMA nodes its memory comes.

#![expect(
    clippy::needless_pass_by_value,
    reason = "values come from JavaScript by value"
)]

use napi_derive::napi;
use osdyno_device::control::{MemoryMode, MemoryPolicySpec};
use osdyno_device::cpu;
use osdyno_device::host::{KeptMemoryPolicy, set_memory_policy};

/// Restricts a thread of this process to CPUs, by its id (0 is the calling one): 0, or a negative errno.
#[napi]
#[must_use]
pub fn pin_thread(thread: i32, cpus: Vec<u32>) -> i32 {
    errno(cpu::pin_thread(thread, &cpus))
}

fn errno(result: std::io::Result<()>) -> i32 {
    result.map_or_else(
        |error| -error.raw_os_error().unwrap_or(libc::EINVAL),
        |()| 0,
    )
}

/// Has pages that the calling thread, and threads that it makes, touch first from these NUMA nodes only: 0, or
/// a negative errno.
#[napi]
#[must_use]
pub fn bind_memory(nodes: Vec<u32>) -> i32 {
    let mode = MemoryMode::Bind;
    errno(set_memory_policy(&MemoryPolicySpec { mode, nodes }))
}

/// The memory policy that the calling thread had when this was made.
#[napi]
pub struct MemoryPolicy {
    kept: KeptMemoryPolicy,
}

#[napi]
impl MemoryPolicy {
    /// Null where the kernel does not tell, which is one that takes none either.
    #[napi]
    #[must_use]
    pub fn of_this_thread() -> Option<MemoryPolicy> {
        let kept = KeptMemoryPolicy::of_this_thread().ok()?;
        Some(MemoryPolicy { kept })
    }

    /// 0, or a negative errno.
    #[napi]
    #[must_use]
    pub fn put_back(&self) -> i32 {
        errno(self.kept.put_back())
    }
}
