//! CRC-32C (Castagnoli): the processor's carry-less multiplication and CRC instructions where it has
//! them, chosen at run time, else tables; by the crate `crc-fast` where there is no own code.

use crc_fast::{CrcAlgorithm, Digest, checksum};

#[cfg(target_arch = "x86_64")]
use super::crc32c_fused as fused;

/// Where there is no such code.
#[cfg(not(target_arch = "x86_64"))]
mod fused {
    pub fn available() -> bool {
        false
    }

    pub fn crc32c_from(_seed: u32, _bytes: &[u8]) -> Option<u32> {
        None
    }
}

/// From all ones, not inverted at the end: the complement of the standard CRC-32C.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    fused::crc32c_from(u32::MAX, bytes)
        .unwrap_or_else(|| !(checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32))
}

/// From `seed`, which is the sum of what came before; not inverted at the end.
#[must_use]
pub fn crc32c_from(seed: u32, bytes: &[u8]) -> u32 {
    fused::crc32c_from(seed, bytes).unwrap_or_else(|| {
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(seed));
        digest.update(bytes);
        digest.get_state() as u32
    })
}

/// Which instructions are used here, e.g. `x86_64-avx512-vpclmulqdq`.
#[must_use]
pub fn crc32c_instructions() -> String {
    if fused::available() {
        return "x86_64-avx512-vpclmulqdq beside crc32".to_owned();
    }
    crc_fast::get_calculator_target(CrcAlgorithm::Crc32Iscsi)
}
