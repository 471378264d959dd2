//! The checksums and hashes by fio's names, over data in two parts.
//!
//! Golden values: the catalogue of parametrised CRC algorithms (check values), RFC 1321, FIPS 180-4,
//! FIPS 202, the xxHash specification.

use crc::{CRC_7_MMC, CRC_16_ARC, Crc, Table};
use crc_fast::{CrcAlgorithm, checksum};

use crate::spec::VerifyKind;

/// The longest digest, bytes.
pub(super) const LONGEST: usize = 64;

static CRC7: Crc<u8, Table<16>> = Crc::<u8, Table<16>>::new(&CRC_7_MMC);
static CRC16: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_ARC);

/// Bytes of a kind's digest; 0 for kinds without one, and for CRC-32C, which the header's own
/// checksum covers.
pub(super) const fn digest_bytes(kind: VerifyKind) -> usize {
    match kind {
        VerifyKind::Crc7 => 1,
        VerifyKind::Crc16 => 2,
        VerifyKind::Crc32 | VerifyKind::Xxhash => 4,
        VerifyKind::Crc64 => 8,
        VerifyKind::Md5 => 16,
        VerifyKind::Sha1 => 20,
        VerifyKind::Sha3With224 => 28,
        VerifyKind::Sha256 | VerifyKind::Sha3With256 => 32,
        VerifyKind::Sha3With384 => 48,
        VerifyKind::Sha512 | VerifyKind::Sha3With512 => LONGEST,
        VerifyKind::Crc32c
        | VerifyKind::Pattern
        | VerifyKind::PatternHdr
        | VerifyKind::Meta
        | VerifyKind::Null => 0,
    }
}

/// CRC-32C of two parts.
pub(super) fn crc32c(parts: [&[u8]; 2]) -> u32 {
    crc_of(CrcAlgorithm::Crc32Iscsi, parts) as u32
}

fn crc_of(algorithm: CrcAlgorithm, [first, second]: [&[u8]; 2]) -> u64 {
    if first.is_empty() {
        return checksum(algorithm, second);
    }
    let mut digest = crc_fast::Digest::new(algorithm);
    digest.update(first);
    digest.update(second);
    digest.finalize()
}

fn hash_of<D: sha2::Digest>(parts: [&[u8]; 2], out: &mut [u8]) {
    let mut hash = D::new();
    for part in parts {
        hash.update(part);
    }
    out.copy_from_slice(&hash.finalize());
}

/// Writes the digest of two parts; `out.len() == digest_bytes(kind)`. No allocation.
pub(super) fn digest(kind: VerifyKind, parts: [&[u8]; 2], out: &mut [u8]) {
    match kind {
        VerifyKind::Crc7 => {
            let mut digest = CRC7.digest();
            for part in parts {
                digest.update(part);
            }
            out.copy_from_slice(&[digest.finalize()]);
        }
        VerifyKind::Crc16 => {
            let mut digest = CRC16.digest();
            for part in parts {
                digest.update(part);
            }
            out.copy_from_slice(&digest.finalize().to_le_bytes());
        }
        VerifyKind::Crc32 => {
            let crc = crc_of(CrcAlgorithm::Crc32IsoHdlc, parts) as u32;
            out.copy_from_slice(&crc.to_le_bytes());
        }
        VerifyKind::Crc64 => {
            out.copy_from_slice(&crc_of(CrcAlgorithm::Crc64Xz, parts).to_le_bytes());
        }
        VerifyKind::Xxhash => {
            let mut hash = xxhash_rust::xxh32::Xxh32::new(0);
            for part in parts {
                hash.update(part);
            }
            out.copy_from_slice(&hash.digest().to_le_bytes());
        }
        VerifyKind::Md5 => hash_of::<md5::Md5>(parts, out),
        VerifyKind::Sha1 => hash_of::<sha1::Sha1>(parts, out),
        VerifyKind::Sha256 => hash_of::<sha2::Sha256>(parts, out),
        VerifyKind::Sha512 => hash_of::<sha2::Sha512>(parts, out),
        VerifyKind::Sha3With224 => hash_of::<sha3::Sha3_224>(parts, out),
        VerifyKind::Sha3With256 => hash_of::<sha3::Sha3_256>(parts, out),
        VerifyKind::Sha3With384 => hash_of::<sha3::Sha3_384>(parts, out),
        VerifyKind::Sha3With512 => hash_of::<sha3::Sha3_512>(parts, out),
        VerifyKind::Crc32c
        | VerifyKind::Pattern
        | VerifyKind::PatternHdr
        | VerifyKind::Meta
        | VerifyKind::Null => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(kind: VerifyKind, parts: [&[u8]; 2]) -> String {
        let mut out = vec![0; digest_bytes(kind)];
        digest(kind, parts, &mut out);
        super::super::checker::hex(&out)
    }

    /// (kind, message, digest), from the sources named above. Numbers are little-endian here.
    const GOLDEN: [(VerifyKind, &str, &str); 16] = [
        (VerifyKind::Crc7, "123456789", "75"),
        (VerifyKind::Crc16, "123456789", "3dbb"),
        (VerifyKind::Crc32, "123456789", "2639f4cb"),
        (VerifyKind::Crc64, "123456789", "fa3919dfbbc95d99"),
        (VerifyKind::Xxhash, "", "055dcc02"),
        (VerifyKind::Xxhash, "abc", "ff53d132"),
        (VerifyKind::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
        (
            VerifyKind::Md5,
            "message digest",
            "f96b697d7cb7938d525a2f31aaf161d0",
        ),
        (
            VerifyKind::Sha1,
            "abc",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
        ),
        (
            VerifyKind::Sha256,
            "abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            VerifyKind::Sha512,
            "abc",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (
            VerifyKind::Sha3With224,
            "abc",
            "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
        ),
        (
            VerifyKind::Sha3With256,
            "abc",
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
        ),
        (
            VerifyKind::Sha3With384,
            "abc",
            "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2\
             98d88cea927ac7f539f1edf228376d25",
        ),
        (
            VerifyKind::Sha3With512,
            "abc",
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e\
             10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
        ),
        (
            VerifyKind::Sha1,
            "",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        ),
    ];

    #[test]
    fn follow_the_published_vectors_however_the_data_is_parted() {
        for (kind, message, expected) in GOLDEN {
            for at in 0..=message.len() {
                let (first, second) = message.as_bytes().split_at(at);
                assert_eq!(hex(kind, [first, second]), expected, "{kind:?} at {at}");
            }
        }
        assert_eq!(crc32c([b"", b"123456789"]), 0xe306_9283);
        assert_eq!(crc32c([b"1234", b"56789"]), 0xe306_9283);
    }
}
