//! Compressors: round trips, room that does not suffice, damaged input.

use osdyno_core::compress::{Compressor, CompressorError, CompressorKind};
use proptest::prelude::*;

fn each() -> Vec<(CompressorKind, Compressor)> {
    CompressorKind::ALL
        .into_iter()
        .map(|kind| (kind, open(kind)))
        .collect()
}

fn open(kind: CompressorKind) -> Compressor {
    let level = match kind {
        CompressorKind::Zstd => 1,
        CompressorKind::Zlib => 5,
        _ => 0,
    };
    Compressor::new(kind, level).expect("a level in range")
}

/// Runs and repeats among noise, so that there is something to find.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (any::<u8>(), 0_usize..3000).prop_map(|(byte, count)| vec![byte; count]),
        (prop::collection::vec(any::<u8>(), 1..40), 0_usize..60)
            .prop_map(|(part, count)| part.repeat(count)),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

#[test]
fn levels_out_of_range_are_refused() {
    for (kind, level) in [
        (CompressorKind::Zlib, 10),
        (CompressorKind::Zlib, -1),
        (CompressorKind::Zstd, 23),
        (CompressorKind::Lz4, 1),
    ] {
        let made = Compressor::new(kind, level);
        assert!(matches!(made, Err(CompressorError::Level { .. })), "{kind}");
    }
}

#[test]
fn a_higher_level_compresses_better() {
    let text: Vec<u8> = (0..60_000_u32)
        .flat_map(|at| (at.wrapping_mul(at) % 1009).to_string().into_bytes())
        .collect();
    for (kind, low, high) in [(CompressorKind::Zstd, 1, 19), (CompressorKind::Zlib, 1, 9)] {
        let mut out = vec![0; text.len()];
        let mut length = |level| {
            let mut compressor = Compressor::new(kind, level).unwrap();
            compressor.compress(&text, &mut out).unwrap()
        };
        assert!(length(high) < length(low), "{kind}");
    }
}

proptest! {
    #[test]
    fn what_is_compressed_comes_back(bytes in data()) {
        for (kind, mut compressor) in each() {
            let mut out = vec![0; bytes.len() * 2 + 100];
            let length = compressor.compress(&bytes, &mut out).unwrap();
            let mut back = vec![0xa5; bytes.len()];
            prop_assert!(compressor.decompress(&out[..length], &mut back), "{}", kind);
            prop_assert_eq!(&back, &bytes);
            // Another context gives the same, and what was compressed fits its own length exactly.
            let mut tight = vec![0; length];
            prop_assert_eq!(open(kind).compress(&bytes, &mut tight), Some(length), "{}", kind);
            prop_assert_eq!(&tight[..], &out[..length]);
            if length > 0 {
                let mut less = vec![0; length - 1];
                prop_assert_eq!(compressor.compress(&bytes, &mut less), None, "{}", kind);
            }
            // Of another length than was asked for is damaged.
            let mut longer = vec![0; bytes.len() + 1];
            prop_assert!(!compressor.decompress(&out[..length], &mut longer), "{}", kind);
        }
    }

    #[test]
    fn damaged_input_is_an_answer(
        bytes in data(), flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
        cut: prop::sample::Index, tail in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        for (kind, mut compressor) in each() {
            let mut out = vec![0; bytes.len() * 2 + 100];
            let length = compressor.compress(&bytes, &mut out).unwrap();
            let mut back = vec![0; bytes.len()];
            let mut damaged = out[..length].to_vec();
            for (at, mask) in &flips {
                if !damaged.is_empty() {
                    let at = at.index(damaged.len());
                    damaged[at] ^= mask;
                }
            }
            // May happen to be valid; it ends, and within the room given.
            compressor.decompress(&damaged, &mut back);
            damaged.truncate(cut.index(damaged.len() + 1));
            compressor.decompress(&damaged, &mut back);
            damaged.extend_from_slice(&tail);
            compressor.decompress(&damaged, &mut back);
            compressor.decompress(&tail, &mut back);
            // The context is as good as new.
            prop_assert!(compressor.decompress(&out[..length], &mut back), "{}", kind);
            prop_assert_eq!(&back, &bytes);
        }
    }
}
