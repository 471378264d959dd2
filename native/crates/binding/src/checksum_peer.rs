//! ISA-L's `crc32_iscsi`, opened when it is installed (Debian's libisal2): what benches compare with.

use std::ffi::{CStr, c_int, c_uchar, c_uint};
use std::sync::OnceLock;

use osdyno_core::checksum::ChecksumError;

/// From the start value, not inverted at the end.
type Crc32Iscsi = unsafe extern "C" fn(*const c_uchar, c_int, c_uint) -> c_uint;

/// Its file.
pub const LIBRARY: &CStr = c"libisal.so.2";

/// The library's function.
pub struct Peer {
    crc32: Crc32Iscsi,
}

impl Peer {
    /// `None`: it is not installed. Looked for once.
    pub fn get() -> Option<&'static Self> {
        static PEER: OnceLock<Option<Peer>> = OnceLock::new();
        PEER.get_or_init(Self::open).as_ref()
    }

    fn open() -> Option<Self> {
        // SAFETY: names end in 0; the library stays open for good.
        let symbol = unsafe {
            let library = libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW);
            if library.is_null() {
                return None;
            }
            libc::dlsym(library, c"crc32_iscsi".as_ptr())
        };
        if symbol.is_null() {
            return None;
        }
        // SAFETY: the function's type is the one of `crc.h` in ISA-L 2.
        let crc32 = unsafe { std::mem::transmute::<*mut libc::c_void, Crc32Iscsi>(symbol) };
        Some(Self { crc32 })
    }

    /// As `ChecksumKind::Crc32c.checksum`.
    pub fn checksum(
        &self,
        bytes: &[u8],
        chunk: usize,
        values: &mut [u8],
    ) -> Result<Option<usize>, ChecksumError> {
        let length = bytes.len();
        if chunk == 0 || !length.is_multiple_of(chunk) {
            return Err(ChecksumError::Chunks { length, chunk });
        }
        let size = i32::try_from(chunk).map_err(|_| ChecksumError::Chunks { length, chunk })?;
        let (values, _) = values.as_chunks_mut::<4>();
        for (part, value) in bytes.chunks_exact(chunk).zip(values) {
            // SAFETY: reads `size` bytes, which `part` has.
            let sum = unsafe { (self.crc32)(part.as_ptr(), size, u32::MAX) };
            *value = sum.to_le_bytes();
        }
        Ok(None)
    }
}
