//! Checksums against sums that a Ceph OSD computed (`test/golden/checksum`), published check values,
//! and a bit by bit model.

use osdyno_core::checksum::crc32c::{crc32c, crc32c_from};
use osdyno_core::checksum::{ChecksumError, ChecksumKind};
use proptest::prelude::*;
use serde::Deserialize;
use xxhash_rust::xxh32::xxh32;
use xxhash_rust::xxh64::xxh64;

#[derive(Deserialize)]
struct Golden {
    r#type: String,
    init: String,
    len: usize,
    pattern: u8,
    sum: String,
}

fn golden() -> Vec<Golden> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../test/golden/checksum/checksums.jsonl"
    );
    let text = std::fs::read_to_string(path).expect("the golden sums are there");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}

/// As the golden data's README says.
fn pattern(number: u8, len: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_u32.wrapping_add(len as u32);
    (0..len)
        .map(|at| match number {
            0 => 0,
            1 => at as u8,
            _ => {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            }
        })
        .collect()
}

fn number(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("hexadecimal digits")
}

/// A bit at a time, by the definition: reflected polynomial 0x82f63b78.
fn model(seed: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(seed, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

#[test]
fn sums_are_those_of_a_ceph_osd() {
    let all = golden();
    assert_eq!(all.len(), 414);
    for Golden {
        r#type,
        init,
        len,
        pattern: kind,
        sum,
    } in all
    {
        let bytes = pattern(kind, len);
        let seed = number(&init);
        let found = match r#type.as_str() {
            "crc32c" => u64::from(crc32c_from(seed as u32, &bytes)),
            "xxhash32" => u64::from(xxh32(&bytes, seed as u32)),
            _ => xxh64(&bytes, seed),
        };
        assert_eq!(found, number(&sum), "{type} of {len} bytes from {init}");
        // All ones is what the kinds start from.
        let whole = match r#type.as_str() {
            "crc32c" => ChecksumKind::Crc32c,
            "xxhash32" => ChecksumKind::Xxhash32,
            _ => ChecksumKind::Xxhash64,
        };
        let ones = if whole == ChecksumKind::Xxhash64 {
            u64::MAX
        } else {
            u64::from(u32::MAX)
        };
        if seed == ones {
            let mut values = vec![0; whole.value_bytes()];
            whole.checksum(&bytes, len, &mut values).unwrap();
            assert_eq!(values, number(&sum).to_le_bytes()[..values.len()]);
        }
    }
}

/// RFC 3720, appendix B.4, and the catalogue's check value; standard, hence inverted.
#[test]
fn published_check_values_of_crc32c() {
    let up: Vec<u8> = (0..32).collect();
    let down: Vec<u8> = (0..32).rev().collect();
    for (bytes, sum) in [
        (&[0_u8; 32][..], 0x8a91_36aa_u32),
        (&[0xff; 32], 0x62a8_ab43),
        (&up, 0x46dd_794e),
        (&down, 0x113f_db5c),
        (b"123456789", 0xe306_9283),
    ] {
        assert_eq!(!crc32c(bytes), sum);
    }
}

#[test]
fn shortened_sums_are_the_low_bytes() {
    let bytes = pattern(2, 3 * 512);
    let mut whole = [0; 12];
    let mut two = [0; 6];
    let mut one = [0; 3];
    let take = |kind: ChecksumKind, out: &mut [u8]| kind.checksum(&bytes, 512, out).unwrap();
    take(ChecksumKind::Crc32c, &mut whole);
    take(ChecksumKind::Crc32c16, &mut two);
    take(ChecksumKind::Crc32c8, &mut one);
    for at in 0..3 {
        assert_eq!(two[at * 2..][..2], whole[at * 4..][..2]);
        assert_eq!(one[at], whole[at * 4]);
    }
}

#[test]
fn lengths_that_do_not_fit_are_errors() {
    let kind = ChecksumKind::Crc32c;
    for (length, chunk) in [(4097, 4096), (4096, 0), (100, 512)] {
        let error = kind.checksum(&vec![0; length], chunk, &mut [0; 4]);
        assert_eq!(error, Err(ChecksumError::Chunks { length, chunk }));
    }
    let error = kind.verify(&[0; 8192], 4096, &[0; 4]);
    assert_eq!(
        error,
        Err(ChecksumError::Values {
            found: 4,
            wanted: 8
        })
    );
    let nothing = ChecksumKind::None.verify(&[1; 8192], 4096, &[]);
    assert_eq!(nothing, Ok(None));
}

proptest! {
    #[test]
    fn crc32c_is_the_model_at_every_length_and_place(
        bytes in prop::collection::vec(any::<u8>(), 0..6000), skip in 0_usize..70, seed: u32,
    ) {
        let bytes = &bytes[skip.min(bytes.len())..];
        prop_assert_eq!(crc32c(bytes), model(u32::MAX, bytes));
        prop_assert_eq!(crc32c_from(seed, bytes), model(seed, bytes));
    }

    #[test]
    fn a_damaged_bit_is_found_in_its_chunk(
        kind in prop::sample::select(&ChecksumKind::ALL[1..]), order in 9_u32..13,
        chunks in 1_usize..9, at: prop::sample::Index, bit in 0_u8..8, fill: u8,
    ) {
        let chunk = 1 << order;
        let mut bytes = pattern(2, chunks * chunk);
        for byte in &mut bytes {
            *byte ^= fill;
        }
        let mut values = vec![0; chunks * kind.value_bytes()];
        kind.checksum(&bytes, chunk, &mut values).unwrap();
        prop_assert_eq!(kind.verify(&bytes, chunk, &values), Ok(None));
        let place = at.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let found = kind.verify(&bytes, chunk, &values).unwrap();
        // A shortened sum may miss a flipped bit; it never accuses another chunk.
        let short = kind.value_bytes() < 4;
        prop_assert!(found == Some(place / chunk) || (short && found.is_none()));
    }
}
