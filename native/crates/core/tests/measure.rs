//! Interval sets and totals against plain lists of values.

use osdyno_core::hdr::Hdr;
use osdyno_core::hlog;
use osdyno_core::measure::{
    DirectionOutcome, IntervalSet, LatencyRecord, PlatRecord, RowPlace, Sample, Totals,
};
use osdyno_core::op::OpKind;
use osdyno_core::plat::PlatHist;
use proptest::prelude::*;

const KINDS: [OpKind; 6] = [
    OpKind::Read,
    OpKind::Write,
    OpKind::Trim,
    OpKind::Flush,
    OpKind::DataFlush,
    OpKind::WriteZeroes,
];

fn place() -> RowPlace {
    RowPlace {
        end_ns: 2_000,
        length_ns: 1_000,
        job: 3,
        warmup: false,
        inflight: 5,
    }
}

/// Operations of closed and open loops, whole, short and failed.
fn sample() -> impl Strategy<Value = Sample> {
    let times = (
        0_u64..1 << 40,
        0_u64..5_000_000,
        0_u64..100_000,
        0_u64..1 << 36,
    );
    let result = prop_oneof![
        4 => Just(4096),
        1 => 0_i32..4096,
        1 => Just(-5),
    ];
    (0..KINDS.len(), times, any::<bool>(), result).prop_map(
        |(kind, (intended_ns, wait, slat, service), open, result)| {
            let sent_ns = intended_ns + wait;
            Sample {
                kind: KINDS[kind],
                intended_ns: if open { intended_ns } else { sent_ns },
                sent_ns,
                submitted_ns: sent_ns + slat,
                completed_ns: sent_ns + slat + service,
                asked: 4096,
                result,
            }
        },
    )
}

fn latency(values: impl Iterator<Item = u64>) -> LatencyRecord {
    let mut hdr = Hdr::new();
    for value in values {
        hdr.record(value);
    }
    LatencyRecord::from(&hdr)
}

fn plat(values: impl Iterator<Item = u64>) -> PlatRecord {
    let mut hist = PlatHist::new();
    for value in values {
        hist.record(value);
    }
    PlatRecord::from(&hist)
}

/// The outcome of one direction, from the list of its samples.
fn naive(samples: &[Sample]) -> DirectionOutcome {
    let good: Vec<&Sample> = samples.iter().filter(|sample| sample.result >= 0).collect();
    let moved = |sample: &Sample| match sample.kind {
        OpKind::Trim | OpKind::WriteZeroes => sample.asked,
        _ => sample.result.unsigned_abs(),
    };
    let each = |of: fn(&Sample) -> u64| {
        good.iter()
            .map(move |sample| of(sample))
            .collect::<Vec<_>>()
    };
    let first = good.iter().map(|sample| sample.sent_ns).min().unwrap_or(0);
    let last = good
        .iter()
        .map(|sample| sample.completed_ns)
        .max()
        .unwrap_or(0);
    DirectionOutcome {
        ios: good.len() as u64,
        bytes: good.iter().map(|sample| u64::from(moved(sample))).sum(),
        short_ios: good
            .iter()
            .filter(|sample| moved(sample) < sample.asked)
            .count() as u64,
        errors: (samples.len() - good.len()) as u64,
        runtime_ns: last - first,
        service: latency(each(|one| one.completed_ns - one.submitted_ns).into_iter()),
        wait: latency(each(|one| one.sent_ns - one.intended_ns).into_iter()),
        response: latency(each(|one| one.completed_ns - one.intended_ns).into_iter()),
        slat: plat(each(|one| one.submitted_ns - one.sent_ns).into_iter()),
        lat: plat(each(|one| one.completed_ns - one.sent_ns).into_iter()),
    }
}

fn only(samples: &[Sample], kinds: &[OpKind]) -> Vec<Sample> {
    let those = samples.iter().filter(|sample| kinds.contains(&sample.kind));
    those.copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn totals_equal_the_list(samples in prop::collection::vec(sample(), 0..200), cut in 1_usize..50) {
        let mut set = IntervalSet::new([true, true, true]);
        let mut totals = Totals::new();
        let mut rows = Vec::new();
        totals.merge(&set);
        for interval in samples.chunks(cut) {
            prop_assert!(set.is_empty());
            for sample in interval {
                set.record(sample);
            }
            rows.extend(set.rows(&place()));
            totals.merge(&set);
            set.clear();
        }
        let outcome = totals.outcome();
        prop_assert_eq!(outcome.read, Some(naive(&only(&samples, &[OpKind::Read]))));
        let writes = only(&samples, &[OpKind::Write, OpKind::WriteZeroes]);
        prop_assert_eq!(outcome.write, Some(naive(&writes)));
        prop_assert_eq!(outcome.trim, Some(naive(&only(&samples, &[OpKind::Trim]))));
        let flushes = only(&samples, &[OpKind::Flush, OpKind::DataFlush]);
        let good = flushes.iter().filter(|sample| sample.result >= 0);
        prop_assert_eq!(outcome.sync, plat(good.map(|one| one.completed_ns - one.sent_ns)));
        let told: u64 = rows.iter().map(|row| row.ios).sum();
        let done = samples.iter().filter(|one| one.result >= 0).count() -
            flushes.iter().filter(|one| one.result >= 0).count();
        prop_assert_eq!(told, done as u64);
    }

    #[test]
    fn a_row_tells_its_interval(samples in prop::collection::vec(sample(), 1..100)) {
        let mut set = IntervalSet::new([true, false, false]);
        let reads = only(&samples, &[OpKind::Read]);
        for sample in &reads {
            set.record(sample);
        }
        let expected = naive(&reads);
        let rows = set.rows(&place());
        prop_assert_eq!(rows.len(), 1);
        let row = &rows[0];
        prop_assert_eq!((row.direction.as_ref(), row.ios, row.bytes), ("read", expected.ios, expected.bytes));
        prop_assert_eq!(&row.service_hdr, &expected.service.hdr);
        prop_assert_eq!(&row.wait_hdr, &expected.wait.hdr);
        prop_assert_eq!(&row.response_hdr, &expected.response.hdr);
        prop_assert_eq!(row.response_max_ns, expected.response.totals.max_ns);
        prop_assert!(row.response_p50_ns <= row.response_p99_ns);
        prop_assert!(row.response_p99_ns <= row.response_max_ns);
        prop_assert_eq!((row.end_ns, row.length_ns, row.job, row.inflight), (2_000, 1_000, 3, 5));
    }
}

#[test]
fn json_has_the_contract_s_names() {
    let mut set = IntervalSet::new([false, true, false]);
    set.record(&Sample {
        kind: OpKind::Write,
        intended_ns: 100,
        sent_ns: 150,
        submitted_ns: 160,
        completed_ns: 1_160,
        asked: 4096,
        result: 512,
    });
    let mut totals = Totals::new();
    totals.merge(&set);
    let Ok(json) = serde_json::to_value(totals.outcome()) else {
        panic!("an outcome is plain data");
    };
    assert!(json["read"].is_null() && json["trim"].is_null());
    let write = &json["write"];
    assert_eq!((&write["ios"], &write["shortIos"]), (&1.into(), &1.into()));
    assert_eq!(write["bytes"], 512);
    assert_eq!(write["runtimeNs"], 1_010);
    assert_eq!(write["response"]["maxNs"], 1_060);
    assert_eq!(write["wait"]["sumNs"], 50);
    assert_eq!(write["service"]["sumSquares"], 1e6);
    assert_eq!(write["slat"]["buckets"], serde_json::json!([[10, 1]]));
    let text = write["response"]["hdr"].as_str().unwrap_or_default();
    assert_eq!(hlog::decode(text).map(|histogram| histogram.total()), Ok(1));
    let Ok(row) = serde_json::to_value(&set.rows(&place())[0]) else {
        panic!("a row is plain data");
    };
    for key in [
        "endNs",
        "serviceP50Ns",
        "responseMaxNs",
        "waitHdr",
        "warmup",
        "inflight",
    ] {
        assert!(!row[key].is_null(), "{key}");
    }
}

#[test]
fn a_direction_that_was_not_announced_is_recorded_all_the_same() {
    let mut set = IntervalSet::new([false; 3]);
    assert!(set.is_empty() && set.rows(&place()).is_empty());
    set.record(&Sample {
        kind: OpKind::Trim,
        intended_ns: 0,
        sent_ns: 0,
        submitted_ns: 0,
        completed_ns: 7,
        asked: 4096,
        result: 0,
    });
    assert_eq!(set.progress(), (1, 4096));
    assert_eq!(set.rows(&place())[0].direction, "trim");
    set.clear();
    assert!(set.is_empty());
}
