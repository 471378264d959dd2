//! Allocators that several users share by handle: the store in TypeScript through the binding, and
//! `BlueFS` on its own threads, so that both take from the same free space.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::Allocator;

/// One allocator of several users. Hold the lock for one call or one batch.
#[derive(Clone)]
pub struct SharedAllocator(Arc<Mutex<Box<dyn Allocator>>>);

impl SharedAllocator {
    /// Takes the allocator over.
    #[must_use]
    pub fn new(allocator: Box<dyn Allocator>) -> Self {
        Self(Arc::new(Mutex::new(allocator)))
    }

    /// The allocator, for this thread alone. A panic of another user leaves it usable as far as its
    /// own checks hold.
    pub fn lock(&self) -> MutexGuard<'_, Box<dyn Allocator>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static REGISTRY: LazyLock<Mutex<HashMap<u32, SharedAllocator>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU32 = AtomicU32::new(1);

fn registry() -> MutexGuard<'static, HashMap<u32, SharedAllocator>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives an allocator a handle, from 1, never used again in this process.
pub fn register(allocator: SharedAllocator) -> u32 {
    let handle = NEXT.fetch_add(1, Ordering::Relaxed);
    registry().insert(handle, allocator);
    handle
}

/// The allocator of a handle; `None` after `forget`.
#[must_use]
pub fn find(handle: u32) -> Option<SharedAllocator> {
    registry().get(&handle).cloned()
}

/// Takes the handle away; who has the allocator keeps it.
pub fn forget(handle: u32) {
    registry().remove(&handle);
}
