//! Checksums for the store. The call is made for every blob, so that what it costs matters: a request
//! is a row of doubles in memory that both sides share, and the data lies in memory registered before,
//! so that nothing crosses but the call itself. Layout: `engine/hot/checksum/native.ts`.

use std::cell::RefCell;
use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use osdyno_core::checksum::{ChecksumError, ChecksumKind};
use osdyno_device::arena::Arena;

use crate::checksum_peer::{LIBRARY, Peer};
use crate::records::shared_buffer;

/// Doubles of a request: kind, memory, offset, length, chunk, 1 to verify, bytes of values.
const REQUEST_DOUBLES: usize = 8;
/// Bytes of values that fit the shared memory after the request.
const VALUES_BYTES: usize = 16_384;
const SHARED_BYTES: usize = REQUEST_DOUBLES * 8 + VALUES_BYTES;
/// The number of the peer implementation that benches compare with.
const PEER: usize = 100;

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, reason.to_string())
}

/// Where sums are asked for: a request and its values, and the memory that they are taken over.
struct Desk {
    shared: Arc<Arena>,
    /// Held so that it stays in place. A handle is a place in here.
    memories: Vec<Option<Uint8Array>>,
}

thread_local! {
    /// The desk of this thread's JavaScript. Neither a class of the binding nor an argument says which,
    /// because that would cost 190 or 50 ns of a call that takes 50.
    static DESK: RefCell<Option<Desk>> = const { RefCell::new(None) };
}

/// Opens the thread's desk, once: the memory of the request and, after it, of the values.
#[napi]
pub fn checksum_desk(env: &Env) -> Result<ArrayBuffer<'_>> {
    DESK.with_borrow_mut(|desk| {
        if desk.is_some() {
            return Err(invalid("the thread has a desk for checksums already"));
        }
        let shared = Arc::new(Arena::new(1, SHARED_BYTES as u32).map_err(invalid)?);
        *desk = Some(Desk {
            shared: shared.clone(),
            memories: Vec::new(),
        });
        shared_buffer(env, &shared, SHARED_BYTES)
    })
}

/// Registers memory, which MUST NOT be detached until it is forgotten; its handle.
#[napi]
pub fn checksum_register(bytes: Uint8Array) -> Result<u32> {
    DESK.with_borrow_mut(|desk| {
        let desk = desk.as_mut().ok_or_else(|| invalid("there is no desk"))?;
        let memories = &mut desk.memories;
        let free = memories.iter().position(Option::is_none);
        let handle = free.unwrap_or(memories.len());
        if handle == memories.len() {
            memories.push(Some(bytes));
        } else {
            memories[handle] = Some(bytes);
        }
        Ok(handle as u32)
    })
}

/// Forgets memory; its handle may be given out again.
#[napi]
pub fn checksum_forget(handle: u32) {
    DESK.with_borrow_mut(|desk| {
        let memories = desk.as_mut().map(|desk| &mut desk.memories);
        if let Some(memory) = memories.and_then(|all| all.get_mut(handle as usize)) {
            *memory = None;
        }
    });
}

/// Does the request on the desk. To verify: the first bad chunk or -1; else -1. -2: the request makes
/// no sense.
#[napi]
#[must_use]
pub fn checksum_run() -> i32 {
    DESK.with_borrow(|desk| desk.as_ref().and_then(Desk::answer).unwrap_or(-2))
}

impl Desk {
    fn answer(&self) -> Option<i32> {
        // SAFETY: the memory is page-aligned and `SHARED_BYTES` long; JavaScript waits in this call.
        let (request, values) = unsafe {
            #[expect(clippy::cast_ptr_alignment, reason = "aligned to a page")]
            let request = self.shared.base().cast::<[f64; REQUEST_DOUBLES]>().read();
            let values = self.shared.base().add(REQUEST_DOUBLES * 8);
            let values = std::slice::from_raw_parts_mut(values, VALUES_BYTES);
            (request, values)
        };
        let [kind, memory, offset, length, chunk, verify, value_bytes, _] =
            request.map(|number| number as usize);
        let memory: &[u8] = self.memories.get(memory)?.as_ref()?;
        let bytes = memory.get(offset..offset.checked_add(length)?)?;
        let values = values.get_mut(..value_bytes)?;
        let found = apply(kind, bytes, chunk, verify == 1, values).ok()?;
        Some(found.map_or(-1, |at| at as i32))
    }
}

/// Sums of one stretch of memory, without registering it.
#[napi]
pub fn checksum_once(
    kind: u32,
    bytes: Uint8ArraySlice,
    chunk: u32,
    mut values: Uint8ArraySlice,
) -> Result<()> {
    // SAFETY: JavaScript waits in this call, on the only thread that the array is shared with.
    let out = unsafe { values.as_mut() };
    apply(kind as usize, &bytes, chunk as usize, false, out).map_err(invalid)?;
    Ok(())
}

/// The first bad chunk of one stretch of memory or -1, without registering it.
#[napi]
pub fn checksum_verify_once(
    kind: u32,
    bytes: Uint8ArraySlice,
    chunk: u32,
    mut values: Uint8ArraySlice,
) -> Result<i32> {
    // SAFETY: as above; verifying writes nothing.
    let out = unsafe { values.as_mut() };
    let found = apply(kind as usize, &bytes, chunk as usize, true, out).map_err(invalid)?;
    Ok(found.map_or(-1, |at| at as i32))
}

fn apply(
    kind: usize,
    bytes: &[u8],
    chunk: usize,
    verify: bool,
    values: &mut [u8],
) -> std::result::Result<Option<usize>, ChecksumError> {
    if kind == PEER {
        return Peer::get().map_or(Ok(None), |peer| peer.checksum(bytes, chunk, values));
    }
    let kind = ChecksumKind::from_number(kind).unwrap_or(ChecksumKind::None);
    if verify {
        kind.verify(bytes, chunk, values)
    } else {
        kind.checksum(bytes, chunk, values).map(|()| None)
    }
}

/// Nanoseconds that `rounds` times the sums of `bytes` take natively, without any crossing: what the
/// kernel itself costs. For benches.
#[napi]
pub fn checksum_kernel_ns(
    kind: u32,
    bytes: Uint8ArraySlice,
    chunk: u32,
    rounds: u32,
) -> Result<f64> {
    let chunk = chunk as usize;
    let number = kind as usize;
    let width = ChecksumKind::from_number(number).map_or(4, ChecksumKind::value_bytes);
    let mut values = vec![0; bytes.len() / chunk.max(1) * width];
    let start = osdyno_device::clock::now_ns();
    for _ in 0..rounds {
        let bytes = std::hint::black_box::<&[u8]>(&bytes);
        apply(number, bytes, chunk, false, &mut values).map_err(invalid)?;
        std::hint::black_box(&mut values);
    }
    Ok((osdyno_device::clock::now_ns() - start) as f64)
}

/// What crc32c is computed with here; and the version of the peer, `null` when it is not installed.
#[napi]
#[must_use]
pub fn checksum_facts() -> (String, Option<String>) {
    (
        osdyno_core::checksum::crc32c::crc32c_instructions(),
        Peer::get().map(|_| LIBRARY.to_string_lossy().into_owned()),
    )
}
