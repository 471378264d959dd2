//! Orders and places that only some jobs ask for. All of it is off by default.

use serde::{Deserialize, Serialize};

/// How operations follow each other, beyond `StreamSpec`'s own fields. Source: fio's manual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_excessive_bools)] // They are fio's own switches, one field each.
pub struct OrderSpec {
    /// `rw_sequencer=identical`: the operations after a draw (`opsPerDraw`) repeat its offset
    /// instead of going on from it.
    pub identical: bool,
    /// `bs_is_seq_rand`: the sizes of reads are those of sequential operations of any direction,
    /// the sizes of writes those of random ones.
    pub sizes_by_randomness: bool,
    /// `bs_unaligned`: a range of sizes holds every number of bytes, not multiples of its least.
    pub unaligned_sizes: bool,
    /// `random_generator=lfsr`: offsets come from a shift register that passes each block once
    /// before it starts over, with `norandommap` as well. Only with `Distribution::Random`.
    pub lfsr: bool,
    /// `file_service_type`.
    pub file_service: FileService,
    /// `openfiles`: files in use at a time; another one's turn comes when one of them is done. 0 =
    /// all.
    pub open_files: u32,
}

/// Which file an operation goes to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum FileService {
    /// One after the other.
    RoundRobin {
        /// Operations before the next file's turn.
        #[serde(rename = "opsPerFile")]
        ops_per_file: u32,
    },
    /// One file to its end, then the next.
    Sequential,
    /// Any file that is not done, equally likely.
    Random {
        /// As in `RoundRobin`.
        #[serde(rename = "opsPerFile")]
        ops_per_file: u32,
    },
    /// Skewed over the files; files never are done. As `Distribution::Zipf`.
    Zipf {
        /// Exponent.
        theta: f64,
        /// Place of the hottest file.
        center: Option<f64>,
    },
    /// As `Distribution::Pareto`.
    Pareto {
        /// Skew.
        h: f64,
        /// As for Zipf.
        center: Option<f64>,
    },
    /// As `Distribution::Normal`.
    Normal {
        /// Deviation, percent of the files.
        deviation: f64,
        /// As for Zipf.
        center: Option<f64>,
    },
}

impl Default for FileService {
    fn default() -> Self {
        Self::RoundRobin { ops_per_file: 1 }
    }
}

/// `zonemode=strided`: operations stay within `range` bytes until `size` bytes are transferred, then
/// move on by `range + skip`; past the region's end they begin again at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StridedZones {
    /// Bytes to transfer in a zone.
    #[serde(rename = "sizeBytes")]
    pub size: u64,
    /// Bytes a zone spans.
    #[serde(rename = "rangeBytes")]
    pub range: u64,
    /// Bytes left out between zones.
    #[serde(rename = "skipBytes")]
    pub skip: u64,
}

/// `trim_percentage` and friends: some of what was written is trimmed. Only under verification.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrimSpec {
    /// Share of writes that are trimmed, percent.
    pub percent: f64,
    /// Trimmed ranges must read as zeroes; else they are not checked.
    pub verify_zero: bool,
    /// Trim after every so many writes; 0 as 1.
    pub backlog: u64,
    /// So many at a time; 0 as `backlog`.
    pub backlog_batch: u64,
}
