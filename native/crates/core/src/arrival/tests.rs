use super::*;
use proptest::prelude::*;

fn schedule(arrival: &Arrival, seed: u64) -> Schedule {
    Schedule::new(arrival, seed, 0).unwrap().unwrap()
}

/// Times before `until_ns`.
fn times(arrival: &Arrival, seed: u64, until_ns: u64) -> Vec<u64> {
    let mut schedule = schedule(arrival, seed);
    let mut times = Vec::new();
    while schedule.next_ns() < until_ns {
        times.push(schedule.next_ns());
        schedule.advance(4096);
    }
    times
}

const SECOND: u64 = 1_000_000_000;

const fn poisson(rate: f64) -> Arrival {
    Arrival::Poisson {
        rate,
        by_bytes: false,
    }
}

const fn constant(rate: f64) -> Arrival {
    Arrival::Constant {
        rate,
        by_bytes: false,
    }
}

/// fio 3.33 makes 395,150 of 300,000 a second, and no limit of 1.1 million.
#[test]
fn poisson_rates_come_within_half_a_percent() {
    for rate in [1e3, 1e4, 1e5, 3e5, 1e6, 1e7] {
        // Half a million arrivals: 3.5 standard deviations are 0.5%.
        let seconds = 5e5 / rate;
        let count = times(&poisson(rate), 11, (seconds * 1e9) as u64).len();
        let off = count as f64 / 5e5 - 1.0;
        assert!(off.abs() < 0.005, "{rate}: {off}");
    }
}

#[test]
fn constant_rates_do_not_drift() {
    for rate in [1e3, 3e5, 1e6, 7e6 / 3.0, 1e7] {
        let mut schedule = schedule(&constant(rate), 1);
        for index in 0..3_000_000_u64 {
            let ideal = index as f64 * 1e9 / rate;
            let off = schedule.next_ns() as f64 - ideal;
            assert!(
                (-1.1..0.1).contains(&off),
                "{rate}, arrival {index}: {off} ns off"
            );
            schedule.advance(4096);
        }
    }
}

#[test]
fn poisson_gaps_are_exponential() {
    for rate in [1e4, 3e5, 1e6, 1e7] {
        let times = times(&poisson(rate), 17, (2e5 / rate * 1e9) as u64);
        let mut gaps: Vec<f64> = times
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64)
            .collect();
        gaps.sort_by(f64::total_cmp);
        let (count, mean) = (gaps.len() as f64, 1e9 / rate);
        let mut distance = 0.0_f64;
        for (index, gap) in gaps.iter().enumerate() {
            // A gap of whole nanoseconds stands for the interval around it.
            let low = 1.0 - (-(gap - 1.0).max(0.0) / mean).exp();
            let high = 1.0 - (-(gap + 1.0) / mean).exp();
            let (before, after) = (index as f64 / count, (index + 1) as f64 / count);
            distance = distance.max(low - after).max(before - high);
        }
        // Kolmogorov-Smirnov at the 0.1% level.
        assert!(distance < 1.95 / count.sqrt(), "{rate}: {distance}");
    }
}

#[test]
fn poisson_index_of_dispersion_is_one() {
    let rate = 1e6;
    let times = times(&poisson(rate), 23, SECOND);
    for window_ns in [10_000, 100_000] {
        let mut counts = vec![0_u32; (SECOND / window_ns) as usize];
        for time in &times {
            counts[(time / window_ns) as usize] += 1;
        }
        let mean = times.len() as f64 / counts.len() as f64;
        let square = |count: &u32| (f64::from(*count) - mean).powi(2);
        let variance = counts.iter().map(square).sum::<f64>() / counts.len() as f64;
        assert!((variance / mean - 1.0).abs() < 0.05, "{}", variance / mean);
    }
}

#[test]
fn rates_in_bytes_follow_the_bytes() {
    let by_bytes = |poisson| {
        let (rate, by_bytes) = (4e9, true);
        if poisson {
            Arrival::Poisson { rate, by_bytes }
        } else {
            Arrival::Constant { rate, by_bytes }
        }
    };
    for poisson in [false, true] {
        let mut schedule = schedule(&by_bytes(poisson), 3);
        assert_eq!(schedule.next_ns(), 0);
        let mut bytes = 0;
        for index in 0..200_000_u32 {
            let size = 4096 * (1 + index % 16);
            bytes += u64::from(size);
            schedule.advance(size);
        }
        let rate = bytes as f64 / schedule.next_ns() as f64;
        assert!((rate / 4.0 - 1.0).abs() < 0.01, "{rate}");
    }
}

#[test]
fn bursts_send_only_while_on() {
    for poisson in [false, true] {
        let arrival = Arrival::Burst {
            rate: 1e6,
            on_ns: 1_000_000,
            off_ns: 9_000_000,
            poisson,
        };
        let times = times(&arrival, 5, SECOND);
        assert!(times.iter().all(|time| time % 10_000_000 < 1_000_000));
        assert!(
            (times.len() as f64 / 1e5 - 1.0).abs() < 0.015,
            "{}",
            times.len()
        );
        assert!(times.is_sorted());
    }
}

#[test]
fn profiles_follow_their_rate() {
    for poisson in [false, true] {
        let arrival = Arrival::Profile {
            points: vec![
                (0, 0.0),
                (SECOND, 1e5),
                (2 * SECOND, 1e5),
                (2 * SECOND, 2e4),
            ],
            poisson,
            repeat: false,
        };
        let times = times(&arrival, 7, 3 * SECOND);
        let between = |from: f64, to: f64| {
            let inside = |time: &&u64| (from * 1e9..to * 1e9).contains(&(**time as f64));
            times.iter().filter(inside).count() as f64
        };
        // The ramp from 0 to 100,000 a second: an eighth of its half in the first half.
        assert!((between(0.0, 0.5) / 12_500.0 - 1.0).abs() < 0.03);
        assert!((between(0.5, 1.0) / 37_500.0 - 1.0).abs() < 0.02);
        assert!((between(1.0, 2.0) / 1e5 - 1.0).abs() < 0.015);
        assert!((between(2.0, 3.0) / 2e4 - 1.0).abs() < 0.025);
        assert!(times.is_sorted());
    }
}

#[test]
fn profiles_repeat_or_end() {
    let points = vec![(0, 1e4), (SECOND, 0.0)];
    let arrival = |repeat| Arrival::Profile {
        points: points.clone(),
        poisson: false,
        repeat,
    };
    let repeated = times(&arrival(true), 1, 4 * SECOND);
    assert!(repeated.len().abs_diff(20_000) <= 4, "{}", repeated.len());
    let mut once = schedule(&arrival(false), 1);
    let mut count = 0;
    while once.next_ns() != u64::MAX {
        count += 1;
        once.advance(4096);
    }
    assert!((4999..=5001).contains(&count), "{count}");
}

#[test]
fn refuses_rates_that_cannot_be() {
    let profile = |points: &[(u64, f64)], repeat| Arrival::Profile {
        points: points.to_vec(),
        poisson: false,
        repeat,
    };
    for arrival in [
        constant(0.0),
        constant(f64::NAN),
        poisson(-1.0),
        poisson(f64::INFINITY),
        Arrival::Burst {
            rate: 1.0,
            on_ns: 0,
            off_ns: 1,
            poisson: false,
        },
        profile(&[], false),
        profile(&[(5, 1.0), (4, 1.0)], false),
        profile(&[(0, -1.0)], false),
        profile(&[(0, 0.0), (9, 0.0)], true),
        profile(&[(0, 1.0)], true),
    ] {
        assert!(Schedule::new(&arrival, 1, 0).is_err(), "{arrival:?}");
    }
}

fn any_arrival() -> impl Strategy<Value = Arrival> {
    prop_oneof![
        Just(constant(1e6)),
        Just(poisson(1e6)),
        Just(Arrival::Burst {
            rate: 2e6,
            on_ns: 20_000,
            off_ns: 20_000,
            poisson: true,
        }),
        Just(Arrival::Profile {
            points: vec![(0, 0.0), (50_000, 2e6), (100_000, 0.0)],
            poisson: true,
            repeat: true,
        }),
    ]
}

proptest! {
    /// Beside a plain queue that holds every arrival.
    #[test]
    fn the_backlog_is_that_of_a_bounded_queue(
        arrival in any_arrival(),
        seed: u64,
        cap in 0_usize..300,
        steps in prop::collection::vec((0_u64..60_000, 0_usize..80, any::<bool>()), 1..60),
    ) {
        let mut arrivals = Arrivals::new(schedule(&arrival, seed), 4096);
        let mut source = schedule(&arrival, seed);
        let mut queue = VecDeque::new();
        let mut now = 0;
        for (wait, takes, drops) in steps {
            now += wait;
            while source.next_ns() <= now {
                queue.push_back(source.next_ns());
                source.advance(4096);
            }
            prop_assert_eq!(arrivals.due(now), queue.len() as u64);
            if drops && queue.len() > cap {
                let excess = queue.len() - cap;
                prop_assert_eq!(arrivals.drop_newest(excess as u64), excess as u64);
                queue.truncate(cap);
                prop_assert_eq!(arrivals.due(now), queue.len() as u64);
            }
            for _ in 0..takes.min(queue.len()) {
                prop_assert_eq!(Some(arrivals.next_ns()), queue.pop_front());
                arrivals.take(4096);
            }
        }
    }
}

#[test]
fn many_separate_drops_keep_memory_constant() {
    let mut arrivals = Arrivals::new(schedule(&constant(1e6), 1), 4096);
    let cap = 10 * GAPS as u64;
    let mut dropped = 0;
    for step in 1..5_000 {
        let now = cap * 1000 + step * 4000;
        let due = arrivals.due(now);
        dropped += arrivals.drop_newest(due.saturating_sub(cap));
        assert!(arrivals.due(now) <= cap);
        assert!(arrivals.gaps.len() <= GAPS && arrivals.gaps.capacity() <= 2 * GAPS);
        arrivals.take(4096);
        arrivals.take(4096);
    }
    // Four come and two go each step: at least two are dropped.
    assert!(dropped >= 2 * 4_998, "{dropped}");
}
