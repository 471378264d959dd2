//! The synthetic device against its own specification, in virtual time.
#![allow(clippy::unwrap_used)]

use osdyno_core::hdr::Hdr;
use osdyno_core::op::OpKind;
use osdyno_core::spec::{Jitter, SyntheticSpec};
use osdyno_core::synthetic::{SyntheticError, SyntheticModel};
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn spec() -> SyntheticSpec {
    SyntheticSpec {
        service_ns: 50_000,
        jitter: Jitter::None,
        stall_at_ns: None,
        stall_for_ns: 0,
        stall_every_ns: None,
        error_rate: 0.0,
        iops: None,
        bandwidth: None,
        channels: None,
        size: 1 << 30,
        seed: 7,
    }
}

fn model(spec: &SyntheticSpec) -> SyntheticModel {
    SyntheticModel::new(spec).unwrap()
}

/// Completions of a closed loop at a depth, in order of admission, until `until_ns`.
fn closed_loop(spec: &SyntheticSpec, depth: usize, bytes: u32, until_ns: u64) -> Vec<u64> {
    let mut model = model(spec);
    let mut slots = vec![0_u64; depth];
    let mut completions = Vec::new();
    loop {
        let slot = (0..depth).min_by_key(|slot| slots[*slot]).unwrap();
        if slots[slot] >= until_ns {
            return completions;
        }
        slots[slot] = model.admit(slots[slot], OpKind::Read, bytes).completes_ns;
        if slots[slot] <= until_ns {
            completions.push(slots[slot]);
        }
    }
}

#[test]
fn a_stall_shows_in_the_response_times() {
    let stalled = SyntheticSpec {
        service_ns: 13_000,
        stall_at_ns: Some(3 * SECOND),
        stall_for_ns: SECOND,
        ..spec()
    };
    let mut model = model(&stalled);
    let mut response = Hdr::new();
    for intended_ns in (0..8000).map(|turn| turn * SECOND / 1000) {
        let admitted = model.admit(intended_ns, OpKind::Read, 4096);
        response.record(admitted.completes_ns - intended_ns);
    }
    let near =
        |value: f64, known: f64| assert!((value / known - 1.0).abs() < 0.02, "{value} {known}");
    near(response.value_at_percentile(99.0) as f64, 922e6);
    near(response.value_at_percentile(99.9) as f64, 993e6);
    near(response.moments().mean(), 63e6);
    near(response.value_at_percentile(50.0) as f64, 13e3);
}

/// The stall rule, a nanosecond at a time.
fn finish_slowly(spec: &SyntheticSpec, start: u64, mut work: u64) -> u64 {
    let at = spec.stall_at_ns.unwrap();
    let stalled = |time: u64| {
        let into = time
            .checked_sub(at)
            .map(|into| spec.stall_every_ns.map_or(into, |every| into % every));
        into.is_some_and(|into| into < spec.stall_for_ns)
    };
    let mut time = start;
    while stalled(time) {
        time += 1;
    }
    while work > 0 {
        if !stalled(time) {
            work -= 1;
        }
        time += 1;
    }
    time
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stalls_stop_work(
        at in 0_u64..50,
        length in 1_u64..20,
        gap in prop::option::of(1_u64..20),
        service_ns in 0_u64..100,
        start in 0_u64..200,
    ) {
        let stalled = SyntheticSpec {
            service_ns,
            stall_at_ns: Some(at),
            stall_for_ns: length,
            stall_every_ns: gap.map(|gap| length + gap),
            ..spec()
        };
        let told = model(&stalled).admit(start, OpKind::Read, 4096).completes_ns;
        prop_assert_eq!(told, finish_slowly(&stalled, start, service_ns));
    }

    #[test]
    fn equal_calls_get_equal_answers(seed in any::<u64>(), gaps in prop::collection::vec(0_u64..100_000, 1..200)) {
        let mixed = SyntheticSpec {
            jitter: Jitter::Exp, error_rate: 0.3, iops: Some(30_000.0), bandwidth: Some(1e8),
            channels: Some(4), stall_at_ns: Some(1_000_000), stall_for_ns: 500_000,
            stall_every_ns: Some(2_000_000), seed, ..spec()
        };
        let (mut one, mut two) = (model(&mixed), model(&mixed));
        let mut now = 0;
        for gap in gaps {
            now += gap;
            let answer = one.admit(now, OpKind::Write, 4096);
            prop_assert_eq!(answer, two.admit(now, OpKind::Write, 4096));
            prop_assert!(answer.completes_ns >= now);
        }
    }

    #[test]
    fn never_more_in_service_than_channels(channels in 1_u32..9, gaps in prop::collection::vec(0_u64..40_000, 1..300)) {
        let limited = SyntheticSpec { channels: Some(channels), ..spec() };
        let mut model = model(&limited);
        let mut now = 0;
        let mut services = Vec::new();
        for gap in gaps {
            now += gap;
            let completes = model.admit(now, OpKind::Read, 4096).completes_ns;
            services.push((completes - 50_000, completes));
            let begun = completes - 50_000;
            let together = services.iter().filter(|(start, end)| *start <= begun && begun < *end);
            prop_assert!(together.count() <= channels as usize);
        }
    }
}

/// Largest distance between an empirical distribution and a law; below 1.63 / sqrt(n) at the 1% level.
fn ks_distance(mut values: Vec<f64>, law: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let distances = values.iter().enumerate().map(|(rank, value)| {
        let expected = law(*value);
        (expected - rank as f64 / count)
            .abs()
            .max((expected - (rank + 1) as f64 / count).abs())
    });
    distances.fold(0.0, f64::max)
}

/// Distribution function of the normal law (series of the error function; 15 digits near the middle).
fn normal_law(value: f64) -> f64 {
    let (mut term, mut sum) = (value, value);
    for index in 1..200 {
        term *= value * value / f64::from(2 * index + 1);
        sum += term;
    }
    if value.abs() > 8.0 {
        return f64::from(u8::from(value > 0.0));
    }
    0.5 + sum * (-value * value / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

#[test]
fn service_times_follow_their_laws() {
    type Law = fn(f64) -> f64;
    const DRAWS: usize = 40_000;
    let mean = 1e6;
    let laws: [(Jitter, Law); 3] = [
        (Jitter::Exp, |ratio| 1.0 - (-ratio).exp()),
        (Jitter::Uniform, |ratio| (ratio - 0.5).clamp(0.0, 1.0)),
        (Jitter::Lognormal, |ratio| {
            normal_law((ratio.ln() + 0.125) / 0.5)
        }),
    ];
    for (jitter, law) in laws {
        let mut model = model(&SyntheticSpec {
            service_ns: mean as u64,
            jitter,
            ..spec()
        });
        let ratios: Vec<f64> = (0..DRAWS)
            .map(|_| model.admit(0, OpKind::Read, 4096).completes_ns as f64 / mean)
            .collect();
        let average = ratios.iter().sum::<f64>() / DRAWS as f64;
        assert!((average - 1.0).abs() < 0.02, "{jitter:?} mean {average}");
        let distance = ks_distance(ratios, law);
        assert!(
            distance < 1.63 / (DRAWS as f64).sqrt(),
            "{jitter:?} KS {distance}"
        );
    }
}

#[test]
fn the_ks_test_can_fail() {
    let mut model = model(&SyntheticSpec {
        jitter: Jitter::Uniform,
        ..spec()
    });
    let ratios = (0..40_000).map(|_| model.admit(0, OpKind::Read, 0).completes_ns as f64 / 50e3);
    assert!(ks_distance(ratios.collect(), |ratio| 1.0 - (-ratio).exp()) > 0.1);
}

#[test]
fn errors_come_at_their_rate() {
    let mut model = model(&SyntheticSpec {
        error_rate: 0.01,
        ..spec()
    });
    let failed = (0..100_000)
        .filter(|_| !model.admit(0, OpKind::Write, 4096).ok)
        .count();
    // Mean 1000, deviation 31.5: five deviations.
    assert!((842..=1158).contains(&failed), "{failed}");
}

#[test]
fn errors_do_not_change_service_times() {
    let exact = SyntheticSpec {
        jitter: Jitter::Exp,
        ..spec()
    };
    let mut clean = model(&exact);
    let mut faulty = model(&SyntheticSpec {
        error_rate: 0.5,
        ..exact
    });
    for _ in 0..1000 {
        let (one, two) = (
            clean.admit(0, OpKind::Read, 0),
            faulty.admit(0, OpKind::Read, 0),
        );
        assert_eq!(one.completes_ns, two.completes_ns);
    }
}

#[test]
fn limits_hold() {
    // The rate of a saturating closed loop equals the limit, also one with fractions of nanoseconds.
    for rate in [20_000.0, 333_333.3, 700_001.0] {
        let limited = SyntheticSpec {
            iops: Some(rate),
            ..spec()
        };
        let done = closed_loop(&limited, 64, 4096, SECOND).len() as f64;
        assert!((done / rate - 1.0).abs() < 2e-3, "{done} of {rate}");
    }
    for rate in [50e6, 1.7e9] {
        let limited = SyntheticSpec {
            bandwidth: Some(rate),
            ..spec()
        };
        let done = closed_loop(&limited, 64, 65536, SECOND).len() as f64 * 65536.0;
        assert!((done / rate - 1.0).abs() < 2e-3, "{done} of {rate}");
    }
    let channels = SyntheticSpec {
        channels: Some(8),
        ..spec()
    };
    let done = closed_loop(&channels, 64, 4096, SECOND).len() as f64;
    assert!((done / 160_000.0 - 1.0).abs() < 2e-3, "{done}");
    // Below the limits nothing is slowed down.
    let wide = SyntheticSpec {
        iops: Some(100_000.0),
        channels: Some(4),
        bandwidth: Some(1e9),
        ..spec()
    };
    assert!(
        closed_loop(&wide, 1, 4096, SECOND / 10)
            .windows(2)
            .all(|pair| pair[1] - pair[0] == 50_000)
    );
}

#[test]
fn idle_time_earns_no_credit() {
    let mut model = model(&SyntheticSpec {
        service_ns: 0,
        iops: Some(1000.0),
        ..spec()
    });
    model.admit(0, OpKind::Read, 0);
    let late: Vec<u64> = (0..4)
        .map(|_| model.admit(10 * SECOND, OpKind::Read, 0).completes_ns - 10 * SECOND)
        .collect();
    assert_eq!(late, [0, 1_000_000, 2_000_000, 3_000_000]);
}

#[test]
fn a_flush_waits_for_writes_and_sends_no_data() {
    let slow = SyntheticSpec {
        bandwidth: Some(1e6),
        service_ns: 1000,
        ..spec()
    };
    let mut model = model(&slow);
    let write = model.admit(0, OpKind::Write, 1_000_000).completes_ns;
    assert_eq!(write, SECOND);
    assert_eq!(model.admit(5, OpKind::Flush, 0).completes_ns, SECOND);
    assert_eq!(
        model.admit(2 * SECOND, OpKind::Trim, 1 << 30).completes_ns,
        2 * SECOND + 1000
    );
    assert_eq!(
        model
            .admit(2 * SECOND, OpKind::WriteZeroes, 1 << 30)
            .completes_ns,
        2 * SECOND + 1000
    );
}

#[test]
fn impossible_devices_are_refused() {
    let refused = |spec: SyntheticSpec| SyntheticModel::new(&spec).unwrap_err();
    let endless = SyntheticSpec {
        stall_at_ns: Some(0),
        stall_for_ns: 5,
        stall_every_ns: Some(5),
        ..spec()
    };
    assert_eq!(refused(endless), SyntheticError::EndlessStall);
    assert_eq!(
        refused(SyntheticSpec {
            error_rate: 1.5,
            ..spec()
        }),
        SyntheticError::ErrorRate(1.5)
    );
    assert_eq!(
        refused(SyntheticSpec {
            channels: Some(0),
            ..spec()
        }),
        SyntheticError::Channels(0)
    );
    let none = SyntheticError::Limit {
        name: "iops",
        value: 0.0,
    };
    assert_eq!(
        refused(SyntheticSpec {
            iops: Some(0.0),
            ..spec()
        }),
        none
    );
    assert!(
        SyntheticModel::new(&SyntheticSpec {
            bandwidth: Some(f64::NAN),
            ..spec()
        })
        .is_err()
    );
}
