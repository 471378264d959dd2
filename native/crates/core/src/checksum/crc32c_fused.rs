//! CRC-32C on processors with VPCLMULQDQ and AVX-512: 512-bit carry-less folding and the CRC
//! instruction side by side. Each alone is bound by its own unit (62 and 33 GB/s on an EPYC of family
//! 26), so a block of 4 KiB goes in parts to both: 44 vectors are folded while the instruction runs
//! over four streams, and what is left of the streams is moved to the block's end by one
//! multiplication each.
//!
//! Folding: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ" (Intel, 2009).
//! A product of two reflected numbers is one bit short, which the exponents below make good.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_clmulepi64_si128, _mm_crc32_u8, _mm_crc32_u64, _mm_cvtsi32_si128,
    _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_extract_epi64, _mm_xor_si128,
    _mm512_clmulepi64_epi128, _mm512_extracti32x4_epi32, _mm512_loadu_si512, _mm512_set_epi64,
    _mm512_setzero_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512, _mm512_zextsi128_si512,
};
use std::sync::LazyLock;

/// Reflected, without its highest term.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// x to the power of `exponent`, modulo the polynomial, reflected.
const fn power(exponent: usize) -> i64 {
    let mut value = 0x8000_0000_u32;
    let mut left = exponent;
    while left > 0 {
        value = (value >> 1) ^ if value & 1 == 0 { 0 } else { POLYNOMIAL };
        left -= 1;
    }
    value as i64
}

/// The factors that move 128 bits by so many bytes: of the low half, of the high half.
const fn fold_by(bytes: usize) -> (i64, i64) {
    (power(8 * bytes + 31), power(8 * bytes - 33))
}

const VECTOR: usize = 64;
/// Vectors that are folded at once: the latency of a multiplication is that of four.
const LANES: usize = 4;
const ROUND: usize = LANES * VECTOR;

/// The block that goes to both units, and its parts.
const BLOCK: usize = 4096;
const STREAM: usize = 320;
const STREAMS: usize = 4;
const ROUNDS: usize = 10;
const FOLDED: usize = BLOCK - STREAMS * STREAM;
/// Words of each stream in a round.
const WORDS: usize = STREAM / 8 / ROUNDS;

const _: () = assert!(FOLDED == (ROUNDS + 1) * ROUND && WORDS * 8 * ROUNDS == STREAM);

const BY_ROUND: (i64, i64) = fold_by(ROUND);
const BY_THREE: (i64, i64) = fold_by(3 * VECTOR);
const BY_TWO: (i64, i64) = fold_by(2 * VECTOR);
const BY_ONE: (i64, i64) = fold_by(VECTOR);
const BY_48: (i64, i64) = fold_by(48);
const BY_32: (i64, i64) = fold_by(32);
const BY_16: (i64, i64) = fold_by(16);

/// What moves the sum of a stream to the end of the block.
const TO_END: [i64; STREAMS] = [
    power(8 * (3 * STREAM + FOLDED) - 33),
    power(8 * (2 * STREAM + FOLDED) - 33),
    power(8 * (STREAM + FOLDED) - 33),
    power(8 * FOLDED - 33),
];

/// Whether this processor has the instructions.
#[inline]
#[must_use]
pub fn available() -> bool {
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("vpclmulqdq")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("sse4.2")
    });
    *AVAILABLE
}

#[target_feature(enable = "avx512f,vpclmulqdq")]
#[inline]
fn factors((low, high): (i64, i64)) -> __m512i {
    _mm512_set_epi64(high, low, high, low, high, low, high, low)
}

/// `value` moved by the factors' bytes, plus `other`.
#[target_feature(enable = "avx512f,vpclmulqdq")]
#[inline]
fn fold(value: __m512i, factors: __m512i, other: __m512i) -> __m512i {
    let low = _mm512_clmulepi64_epi128::<0x00>(value, factors);
    let high = _mm512_clmulepi64_epi128::<0x11>(value, factors);
    _mm512_ternarylogic_epi64::<0x96>(low, high, other)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(bytes: &[u8], at: usize) -> __m512i {
    let part: &[u8; VECTOR] = &bytes[at..at + VECTOR].as_chunks().0[0];
    // SAFETY: 64 bytes, at any address.
    unsafe { _mm512_loadu_si512(part.as_ptr().cast()) }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].as_chunks().0[0])
}

/// Four vectors that lie one after the other become the 128 bits that are left of them.
#[target_feature(enable = "avx512f,avx512vl,vpclmulqdq")]
#[inline]
fn join(lanes: [__m512i; LANES]) -> __m128i {
    let one = fold(lanes[0], factors(BY_THREE), lanes[3]);
    let two = fold(lanes[1], factors(BY_TWO), _mm512_setzero_si512());
    let three = fold(lanes[2], factors(BY_ONE), _mm512_xor_si512(one, two));
    narrow(three)
}

#[target_feature(enable = "avx512f,avx512vl,vpclmulqdq")]
#[inline]
fn narrow(value: __m512i) -> __m128i {
    let by = _mm512_set_epi64(0, 0, BY_16.1, BY_16.0, BY_32.1, BY_32.0, BY_48.1, BY_48.0);
    let moved = fold(value, by, _mm512_setzero_si512());
    let first = _mm_xor_si128(
        _mm512_extracti32x4_epi32::<0>(moved),
        _mm512_extracti32x4_epi32::<1>(moved),
    );
    let second = _mm_xor_si128(
        _mm512_extracti32x4_epi32::<2>(moved),
        _mm512_extracti32x4_epi32::<3>(value),
    );
    _mm_xor_si128(first, second)
}

/// The sum of the 128 bits, moved to their end, plus a product that ends there, too.
#[target_feature(enable = "sse4.2")]
#[inline]
fn reduce(rest: __m128i, product: u64) -> u32 {
    let low = _mm_cvtsi128_si64(rest) as u64;
    let high = _mm_extract_epi64::<1>(rest) as u64;
    _mm_crc32_u64(0, high ^ product ^ _mm_crc32_u64(0, low)) as u32
}

#[target_feature(enable = "pclmulqdq")]
#[inline]
fn multiply(sum: u64, factor: i64) -> u64 {
    let product =
        _mm_clmulepi64_si128::<0x00>(_mm_cvtsi64_si128(sum as i64), _mm_cvtsi64_si128(factor));
    _mm_cvtsi128_si64(product) as u64
}

/// One block by both units.
#[target_feature(enable = "avx512f,avx512vl,vpclmulqdq,pclmulqdq,sse4.2")]
#[inline]
fn block(seed: u32, bytes: &[u8; BLOCK]) -> u32 {
    let by = factors(BY_ROUND);
    let mut sums = [u64::from(seed), 0, 0, 0];
    let folded = STREAMS * STREAM;
    let mut lanes: [__m512i; LANES] =
        std::array::from_fn(|lane| load(bytes, folded + lane * VECTOR));
    for round in 0..ROUNDS {
        let at = folded + (round + 1) * ROUND;
        for (lane, value) in lanes.iter_mut().enumerate() {
            *value = fold(*value, by, load(bytes, at + lane * VECTOR));
        }
        for each in 0..WORDS {
            let at = (round * WORDS + each) * 8;
            for (stream, sum) in sums.iter_mut().enumerate() {
                *sum = _mm_crc32_u64(*sum, word(bytes, stream * STREAM + at));
            }
        }
    }
    let mut product = 0;
    for (sum, factor) in sums.iter().zip(TO_END) {
        product ^= multiply(*sum, factor);
    }
    reduce(join(lanes), product)
}

/// At least `ROUND` bytes by folding, the last less than 64 one by one.
#[target_feature(enable = "avx512f,avx512vl,vpclmulqdq,pclmulqdq,sse4.2")]
#[inline]
fn folded(seed: u32, bytes: &[u8]) -> u32 {
    let begin = _mm512_zextsi128_si512(_mm_cvtsi32_si128(seed as i32));
    let mut lanes: [__m512i; LANES] = std::array::from_fn(|lane| load(bytes, lane * VECTOR));
    lanes[0] = _mm512_xor_si512(lanes[0], begin);
    let by = factors(BY_ROUND);
    let mut at = ROUND;
    while at + ROUND <= bytes.len() {
        for (lane, value) in lanes.iter_mut().enumerate() {
            *value = fold(*value, by, load(bytes, at + lane * VECTOR));
        }
        at += ROUND;
    }
    one_by_one(reduce(join(lanes), 0), &bytes[at..])
}

#[target_feature(enable = "sse4.2")]
#[inline]
fn one_by_one(seed: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = u64::from(seed);
    for word in words {
        sum = _mm_crc32_u64(sum, u64::from_le_bytes(*word));
    }
    let mut sum = sum as u32;
    for byte in rest {
        sum = _mm_crc32_u8(sum, *byte);
    }
    sum
}

#[target_feature(enable = "avx512f,avx512vl,vpclmulqdq,pclmulqdq,sse4.2")]
fn whole(seed: u32, bytes: &[u8]) -> u32 {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let mut sum = seed;
    for each in blocks {
        sum = block(sum, each);
    }
    if rest.len() >= ROUND {
        folded(sum, rest)
    } else {
        one_by_one(sum, rest)
    }
}

/// From `seed`, which is the sum of what came before; not inverted at the end. `None`: this processor
/// lacks the instructions.
#[inline]
#[must_use]
pub fn crc32c_from(seed: u32, bytes: &[u8]) -> Option<u32> {
    // SAFETY: the processor has the instructions.
    available().then(|| unsafe { whole(seed, bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit_by_bit(seed: u32, bytes: &[u8]) -> u32 {
        bytes.iter().fold(seed, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
                (sum >> 1) ^ if sum & 1 == 0 { 0 } else { POLYNOMIAL }
            })
        })
    }

    /// Every way through the code: short, folded, blocks, and what follows each, at odd addresses.
    #[test]
    fn agrees_with_the_definition() {
        if !available() {
            return;
        }
        let data: Vec<u8> = (0..40_000_u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let long = [2047, 4095, 4096, 4097, 4352, 8191, 12_288, 20_003, 39_000];
        for length in (0..1100).chain(long) {
            for (start, seed) in [(0, u32::MAX), (1, 0), (7, 0x1234_5678)] {
                let bytes = &data[start..start + length];
                assert_eq!(
                    crc32c_from(seed, bytes),
                    Some(bit_by_bit(seed, bytes)),
                    "{length} bytes from {start}"
                );
            }
        }
    }
}
