//! Histograms against golden data, exact sorted values and the `hdrhistogram` crate.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use osdyno_core::hdr::{self, Hdr};
use osdyno_core::hlog::{self, DecodeError, Decoded, Geometry};
use osdyno_core::plat::{self, PlatHist};
use proptest::prelude::*;

fn golden(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../test/golden")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Start, tag and payload of each data line of a log.
fn log_lines(text: &str) -> Vec<(f64, Option<String>, String)> {
    let data = text.lines().filter(|line| !line.starts_with(['#', '"']));
    data.map(|line| {
        let mut fields: Vec<&str> = line.split(',').collect();
        let tag = fields[0].strip_prefix("Tag=").map(str::to_owned);
        if tag.is_some() {
            fields.remove(0);
        }
        (fields[0].parse().unwrap(), tag, fields[3].to_owned())
    })
    .collect()
}

/// The number of histograms, and all of them added up in our geometry.
fn merged<'a>(payloads: impl Iterator<Item = &'a str>) -> (usize, Decoded) {
    let all: Vec<Decoded> = payloads.map(|text| hlog::decode(text).unwrap()).collect();
    let mut sum = Decoded {
        geometry: Geometry::OURS,
        counts: Vec::new(),
    };
    for other in &all {
        sum.merge_from(other);
    }
    (all.len(), sum)
}

fn recorded(values: &[u64]) -> Hdr {
    let mut hdr = Hdr::new();
    for value in values {
        hdr.record(*value);
    }
    hdr
}

/// Latencies of every magnitude, beyond the last bucket too.
fn latency() -> impl Strategy<Value = u64> {
    (0_u32..44, any::<u64>()).prop_map(|(bits, draw)| draw & ((1 << bits) - 1))
}

fn latencies() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(latency(), 1..400)
}

#[test]
fn plat_golden_vectors() {
    let vectors: serde_json::Value =
        serde_json::from_str(&golden("harness/plat_vectors.json")).unwrap();
    let vectors = vectors.as_array().unwrap();
    assert!(vectors.len() > 20);
    for vector in vectors {
        let number = |key: &str| vector[key].as_u64().unwrap();
        let index = plat::index(number("value"));
        assert_eq!(index as u64, number("idx"), "{vector}");
        assert_eq!(plat::mid(index), number("mid"), "{vector}");
    }
}

#[test]
fn hdr_borders_refine_plat_borders() {
    for bucket in 0..hdr::BUCKETS {
        let (low, high) = (hdr::lowest_of(bucket), hdr::highest_of(bucket));
        assert_eq!(plat::index(low), plat::index(high), "bucket {bucket}");
        if bucket > 0 {
            assert_eq!(
                hdr::highest_of(bucket - 1) + 1,
                low,
                "no gap before {bucket}"
            );
        }
        assert_eq!(Geometry::OURS.lowest_of(bucket), low);
        assert_eq!(Geometry::OURS.highest_of(bucket), high);
        assert_eq!(Geometry::OURS.index(low), hdr::index(low));
        assert_eq!((hdr::index(low), hdr::index(high)), (bucket, bucket));
    }
    assert_eq!(hdr::lowest_of(hdr::BUCKETS - 1), hdr::BEYOND_NS);
    const { assert!(hdr::BEYOND_NS > hdr::HIGHEST_NS) };
    assert_eq!(hdr::index(u64::MAX), hdr::BUCKETS - 1);
    assert_eq!(Geometry::OURS.index(u64::MAX), hdr::BUCKETS - 1);
}

#[test]
fn golden_log_of_jhiccup() {
    let lines = log_lines(&golden("hdr/jHiccup-2.0.7S.logV2.hlog"));
    let first = lines[0].0;
    let window = |from: f64, to: f64| {
        let inside = lines
            .iter()
            .filter(move |(start, ..)| (*start - first >= from) && (*start - first < to));
        let (count, sum) = merged(inside.map(|(.., text)| text.as_str()));
        (count, sum.total(), sum.value_at_percentile(99.9), sum.max())
    };
    assert_eq!(
        window(0.0, f64::INFINITY),
        (62, 48761, 1_745_879_039, 1_796_210_687)
    );
    assert_eq!(window(5.0, 20.0), (15, 11664, 1_536_163_839, 1_544_552_447));
    assert_eq!(
        window(40.0, 60.0),
        (20, 15830, 1_779_433_471, 1_796_210_687)
    );
}

#[test]
fn golden_log_with_tags() {
    let lines = log_lines(&golden("hdr/tagged-Log.logV2.hlog"));
    let tagged = |tag: Option<&str>| {
        let those = lines.iter().filter(|line| line.1.as_deref() == tag);
        merged(those.map(|line| line.2.as_str())).1
    };
    let all = merged(lines.iter().map(|line| line.2.as_str())).1;
    assert_eq!(all.total(), 32290);
    assert_eq!(tagged(None).total() * 2, all.total());
    assert_eq!(tagged(None), tagged(Some("A")));
}

#[test]
fn golden_logs_encode_to_the_same_bytes() {
    for name in ["hdr/jHiccup-2.0.7S.logV2.hlog", "hdr/tagged-Log.logV2.hlog"] {
        for (_, _, text) in log_lines(&golden(name)) {
            let bytes = hlog::from_base64(&text).unwrap();
            assert_eq!(hlog::base64(&bytes), text);
            let inside = hlog::inflate(&bytes).unwrap();
            let decoded = hlog::decode(&text).unwrap();
            // The zlib stream depends on the compressor; what is in it must not.
            assert_eq!(hlog::plain(&decoded.geometry, &decoded.counts), inside);
            assert_eq!(hlog::decode(&hlog::encode(&decoded)), Ok(decoded));
        }
    }
}

#[test]
fn damaged_histograms_are_refused() {
    let text = hlog::to_text(&recorded(&[1, 5_000, 700_000]));
    let bytes = hlog::from_base64(&text).unwrap();
    for end in 0..bytes.len() {
        assert!(
            hlog::decode(&hlog::base64(&bytes[..end])).is_err(),
            "cut at {end}"
        );
    }
    assert_eq!(hlog::decode("AB*D"), Err(DecodeError::Base64(2)));
    assert_eq!(
        hlog::decode("HISTAAAAAA=="),
        Err(DecodeError::Cookie(0x1c84_9300))
    );
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x55;
        // Must answer, whatever it is: no panic, no endless memory.
        let _ = hlog::decode(&hlog::base64(&damaged));
    }
}

#[test]
fn beyond_the_last_bucket_totals_and_maximum_are_exact() {
    let hdr = recorded(&[u64::from(u32::MAX), 2 * hdr::HIGHEST_NS]);
    assert_eq!(hdr.moments().max, 2 * hdr::HIGHEST_NS);
    assert_eq!(hdr.moments().sum, u64::from(u32::MAX) + 2 * hdr::HIGHEST_NS);
    assert_eq!(hdr.counts().len(), hdr::BUCKETS);
    assert_eq!(hdr.value_at_percentile(100.0), 2 * hdr::HIGHEST_NS);
    assert_eq!(hlog::decode(&hlog::to_text(&hdr)).unwrap().total(), 2);
}

#[test]
fn an_hour_is_not_told_as_what_lies_beyond_the_last_bucket() {
    let near = 3_599_262_940_099;
    let hdr = recorded(&[1, near, hdr::HIGHEST_NS + 1, 2 * hdr::HIGHEST_NS]);
    let told = hdr.value_at_percentile(50.0);
    assert!(told >= near && told - near <= near / 1000, "{told}");
    assert!(hdr.value_at_percentile(75.0) < hdr::HIGHEST_NS + (hdr::HIGHEST_NS / 1000));
    assert_eq!(hdr.value_at_percentile(99.0), 2 * hdr::HIGHEST_NS);
}

#[test]
fn equal_values_have_no_deviation() {
    let value = 1_234_567_890_123;
    let hdr = recorded(&[value; 1000]);
    assert!(hdr.moments().stddev().abs() < f64::EPSILON);
    let near = recorded(&[value, value + 2]);
    assert!((near.moments().stddev() - 2_f64.sqrt()).abs() < 0.3);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn percentiles_are_within_a_thousandth(mut values in latencies(), percentile in 0.0..=100.0_f64) {
        let hdr = recorded(&values);
        values.sort_unstable();
        let rank = hdr::rank_of(percentile, values.len() as u64) as usize;
        let exact = values[rank - 1];
        let told = hdr.value_at_percentile(percentile);
        if exact < hdr::BEYOND_NS {
            prop_assert!(told >= exact, "told {told}, exact {exact}");
            prop_assert!(told - exact <= exact / 1000, "told {told}, exact {exact}");
        }
        prop_assert!(told >= values[0] && told <= values[values.len() - 1]);
        prop_assert!(told <= hdr.value_at_percentile(100.0));
        prop_assert_eq!(hdr.value_at_percentile(100.0), values[values.len() - 1]);
    }

    #[test]
    fn totals_are_exact(values in latencies()) {
        let moments = *recorded(&values).moments();
        prop_assert_eq!(moments.count, values.len() as u64);
        prop_assert_eq!(moments.sum, values.iter().sum::<u64>());
        prop_assert_eq!(Some(&moments.min), values.iter().min());
        prop_assert_eq!(Some(&moments.max), values.iter().max());
        let squares: u128 = values.iter().map(|value| u128::from(*value).pow(2)).sum();
        prop_assert_eq!(moments.sum_squares, squares);
        let mean = values.iter().map(|value| *value as f64).sum::<f64>() / values.len() as f64;
        let spread: f64 = values.iter().map(|value| (*value as f64 - mean).powi(2)).sum();
        if values.len() > 1 {
            let exact = (spread / (values.len() - 1) as f64).sqrt();
            prop_assert!((moments.stddev() - exact).abs() <= exact * 1e-9 + 1.0);
        }
    }

    #[test]
    fn merging_equals_recording_all(first in latencies(), second in latencies()) {
        let both: Vec<u64> = first.iter().chain(&second).copied().collect();
        let mut sum = recorded(&first);
        sum.merge_from(&recorded(&second));
        prop_assert!(sum == recorded(&both));
        let mut plat = PlatHist::from_hdr(&recorded(&first));
        let mut direct = PlatHist::new();
        for value in &second {
            direct.record(*value);
        }
        plat.merge_from(&direct);
        prop_assert_eq!(plat.sparse(), PlatHist::from_hdr(&sum).sparse());
        prop_assert_eq!(plat.moments(), sum.moments());
        sum.clear();
        prop_assert!(sum == Hdr::new());
        plat.clear();
        prop_assert!(plat == PlatHist::new());
    }

    #[test]
    fn plat_of_hdr_equals_plat_of_values(values in latencies()) {
        let mut direct = PlatHist::new();
        for value in &values {
            direct.record(*value);
        }
        prop_assert!(direct == PlatHist::from_hdr(&recorded(&values)));
    }

    #[test]
    fn text_round_trip(values in latencies()) {
        let hdr = recorded(&values);
        let decoded = hlog::decode(&hlog::to_text(&hdr)).unwrap();
        prop_assert_eq!(decoded.geometry, Geometry::OURS);
        prop_assert_eq!(&decoded.counts[..], hdr.counts());
    }

    #[test]
    fn the_crate_reads_what_we_write_and_agrees(values in latencies(), percentile in 0.0..=100.0_f64) {
        let hdr = recorded(&values);
        let bytes = hlog::from_base64(&hlog::to_text(&hdr)).unwrap();
        let theirs: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        prop_assert_eq!(theirs.len(), values.len() as u64);
        let mut made = hdrhistogram::Histogram::<u64>::new_with_bounds(1, hdr::HIGHEST_NS, 3).unwrap();
        for value in &values {
            made.record((*value).min(hdr::BEYOND_NS)).unwrap();
        }
        prop_assert!(made == theirs);
        let told = theirs.value_at_percentile(percentile).clamp(hdr.moments().min, hdr.moments().max);
        if hdr.moments().max < hdr::BEYOND_NS {
            prop_assert_eq!(told, hdr.value_at_percentile(percentile));
        }
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&made, &mut bytes).unwrap();
        let read = hlog::decode(&hlog::base64(&bytes)).unwrap();
        prop_assert_eq!(&read.counts[..], hdr.counts());
    }

    #[test]
    fn long_counts_survive(counts in prop::collection::vec(prop_oneof![Just(0), 0..i64::MAX as u64 / 64], 1..60)) {
        let used = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        let histogram = Decoded { geometry: Geometry::OURS, counts: counts[..used].to_vec() };
        prop_assert_eq!(hlog::decode(&hlog::encode(&histogram)), Ok(histogram));
    }
}
