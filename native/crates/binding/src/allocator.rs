//! Binding of the allocators. Requests and extents travel through one array of doubles that both sides
//! share: want, unit, longest extent and hint in the first four, then pairs of offset and length. All are
//! integers below 2^53. The layout is documented in `engine/hot/allocator/native-allocator.ts`.

// Node-API hands strings over by value.
#![allow(clippy::needless_pass_by_value)]

use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use osdyno_core::allocator::replay::{History, Replay};
use osdyno_core::allocator::shared::{self, SharedAllocator};
use osdyno_core::allocator::{AllocError, AllocatorOptions, Extent, create};
use osdyno_device::arena::Arena;
use serde::Deserialize;

use crate::records::shared_buffer;

const HEAD: usize = 4;
/// Pairs that one call takes or gives; more are fetched with `more`.
const PAIRS: usize = 2046;
const ENOSPC: i32 = -28;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    name: String,
    capacity_bytes: u64,
    block_bytes: u64,
    #[serde(default)]
    parameters: AllocatorOptions,
}

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, reason.to_string())
}

/// An allocator, shared by its handle with what runs on other threads.
#[napi]
pub struct NativeAllocator {
    shared: SharedAllocator,
    handle: u32,
    records: Arc<Arena>,
    /// Of the last allocation.
    extents: Vec<Extent>,
}

impl NativeAllocator {
    fn words(&self) -> &[f64] {
        // SAFETY: the arena holds this many doubles, aligned, as long as `self`; JavaScript, on the one
        // thread that uses them, waits in this call; no method keeps the slice beyond its own.
        unsafe { std::slice::from_raw_parts(self.records.base().cast(), HEAD + 2 * PAIRS) }
    }

    fn words_mut(&mut self) -> &mut [f64] {
        // SAFETY: as above, and `self` is borrowed for it alone.
        unsafe { std::slice::from_raw_parts_mut(self.records.base().cast(), HEAD + 2 * PAIRS) }
    }

    fn each_pair(
        &self,
        count: u32,
        mut act: impl FnMut(Extent) -> std::result::Result<(), AllocError>,
    ) -> Result<()> {
        if count as usize > PAIRS {
            return Err(invalid(format!("{count} extents in a batch of {PAIRS}")));
        }
        let pairs = &self.words()[HEAD..HEAD + 2 * count as usize];
        for pair in pairs.chunks_exact(2) {
            let extent = Extent {
                offset: pair[0] as u64,
                length: pair[1] as u64,
            };
            act(extent).map_err(invalid)?;
        }
        Ok(())
    }
}

#[napi]
impl NativeAllocator {
    /// `spec`: JSON of the name, the sizes in bytes, and `parameters` by Ceph's option names. All space
    /// is in use at first.
    #[napi(constructor)]
    pub fn new(spec: String) -> Result<Self> {
        let spec: Spec = serde_json::from_str(&spec).map_err(invalid)?;
        let allocator = create(
            &spec.name,
            spec.capacity_bytes,
            spec.block_bytes,
            &spec.parameters,
        )
        .map_err(invalid)?;
        let shared = SharedAllocator::new(allocator);
        let bytes = (HEAD + 2 * PAIRS) * size_of::<f64>();
        Ok(Self {
            handle: shared::register(shared.clone()),
            shared,
            records: Arc::new(Arena::new(1, bytes as u32).map_err(invalid)?),
            extents: Vec::new(),
        })
    }

    /// By which the native side finds this allocator.
    #[napi]
    #[must_use]
    pub fn handle(&self) -> u32 {
        self.handle
    }

    /// The array that both sides share; to be asked for once.
    #[napi]
    pub fn records<'env>(&self, env: &'env Env) -> Result<ArrayBuffer<'env>> {
        let length = (HEAD + 2 * PAIRS) * size_of::<f64>();
        shared_buffer(env, &self.records, length)
    }

    /// Allocates what the head of the array says and writes the extents; their number, which may be
    /// more than the array holds, or -ENOSPC.
    #[napi]
    pub fn allocate(&mut self) -> Result<i32> {
        let [want, unit, longest, hint] = std::array::from_fn(|at| self.words()[at] as u64);
        self.extents.clear();
        let mut allocator = self.shared.lock();
        match allocator.allocate(want, unit, longest, hint, &mut self.extents) {
            Ok(_) => {}
            Err(AllocError::NoSpace { .. }) => return Ok(ENOSPC),
            Err(error) => return Err(invalid(error)),
        }
        drop(allocator);
        self.more(0);
        Ok(self.extents.len() as i32)
    }

    /// Writes the last allocation's extents from index `first` on; how many it wrote.
    #[napi]
    pub fn more(&mut self, first: u32) -> u32 {
        let extents = std::mem::take(&mut self.extents);
        let rest = extents.get(first as usize..).unwrap_or_default();
        let count = rest.len().min(PAIRS);
        let pairs = self.words_mut()[HEAD..].chunks_exact_mut(2);
        for (extent, pair) in rest.iter().zip(pairs) {
            pair[0] = extent.offset as f64;
            pair[1] = extent.length as f64;
        }
        self.extents = extents;
        count as u32
    }

    /// Gives the first `count` extents of the array back; stops at the first that is refused.
    #[napi]
    pub fn release(&self, count: u32) -> Result<()> {
        let mut allocator = self.shared.lock();
        self.each_pair(count, |extent| allocator.release(extent))
    }

    /// Takes exactly the first `count` extents of the array, which must be free.
    #[napi]
    pub fn remove_free(&self, count: u32) -> Result<()> {
        let mut allocator = self.shared.lock();
        self.each_pair(count, |extent| allocator.init_remove_free(extent))
    }

    /// Bytes.
    #[napi]
    #[must_use]
    pub fn free_bytes(&self) -> f64 {
        self.shared.lock().free_bytes() as f64
    }

    /// Free extents, longest one in bytes, simple fragmentation, score, bytes of memory.
    #[napi]
    #[must_use]
    pub fn statistics(&self) -> Float64Array {
        let allocator = self.shared.lock();
        Float64Array::new(vec![
            allocator.range_count() as f64,
            allocator.largest_free() as f64,
            allocator.fragmentation(),
            allocator.fragmentation_score(),
            allocator.memory_bytes() as f64,
        ])
    }

    /// All free extents by offset: pairs of offset and length.
    #[napi]
    #[must_use]
    pub fn free_map(&self) -> Float64Array {
        let allocator = self.shared.lock();
        let mut pairs = Vec::with_capacity(allocator.range_count() as usize * 2);
        allocator.foreach_free(&mut |extent| {
            pairs.extend([extent.offset as f64, extent.length as f64]);
        });
        Float64Array::new(pairs)
    }

    /// Throws what is wrong with the allocator's structures.
    #[napi]
    pub fn check_invariants(&self) -> Result<()> {
        self.shared.lock().check_invariants().map_err(invalid)
    }

    /// Takes the handle away; who has the allocator through it keeps it.
    #[napi]
    pub fn close(&self) {
        shared::forget(self.handle);
    }
}

/// A bench of an allocator from the native side; see `osdyno_core::allocator::replay`.
#[napi]
pub struct AllocatorReplay {
    shared: SharedAllocator,
    replay: Replay,
    places: usize,
}

#[napi]
impl AllocatorReplay {
    /// On an allocator, with a table of so many live allocations.
    #[napi(constructor)]
    #[must_use]
    pub fn new(allocator: &NativeAllocator, places: u32) -> Self {
        Self {
            shared: allocator.shared.clone(),
            replay: Replay::new(places as usize),
            places: places as usize,
        }
    }

    /// Runs a history; the nanoseconds of each step go to `spent`.
    #[napi]
    pub fn run(
        &mut self,
        wants: Float64ArraySlice,
        places: Uint32ArraySlice,
        unit: f64,
        mut spent: Float64ArraySlice,
    ) -> Result<()> {
        let out_of_table = places.iter().any(|place| *place as usize >= self.places);
        if wants.len() != places.len() || spent.len() != places.len() || out_of_table {
            return Err(invalid("the history does not fit the table or its arrays"));
        }
        let history = History {
            wants: &wants,
            places: &places,
            unit: unit as u64,
        };
        // SAFETY: JavaScript waits in this call, on the only thread that the array is shared with.
        let spent = unsafe { spent.as_mut() };
        let mut allocator = self.shared.lock();
        self.replay
            .run(
                &mut **allocator,
                &history,
                spent,
                &osdyno_device::clock::now_ns,
            )
            .map_err(invalid)
    }

    /// Hash of the extents allocated.
    #[napi]
    #[must_use]
    pub fn hash(&self) -> u32 {
        self.replay.hash()
    }

    /// Gives back what is live.
    #[napi]
    pub fn release_all(&mut self) -> Result<()> {
        let mut allocator = self.shared.lock();
        self.replay.release_all(&mut **allocator).map_err(invalid)
    }
}
