use super::*;

const COUNT: u64 = 262_144;

fn picker(distribution: &Distribution, seed: u64) -> Picker {
    Picker::new(distribution, COUNT, 4096, seed, 0, 0).unwrap()
}

fn hits(distribution: &Distribution, seed: u64) -> Vec<u32> {
    let picker = picker(distribution, seed);
    let mut rng = Rng::new(seed, Use::Offset, 0);
    let mut hits = vec![0; COUNT as usize];
    for _ in 0..COUNT {
        hits[picker.draw(&mut rng) as usize] += 1;
    }
    hits
}

/// What `fio-genzipf -o 10` prints: of the blocks that were hit, by falling hits, the share of hits
/// of the first, second, ... tenth, cumulated, percent.
fn rows(mut hits: Vec<u32>) -> Vec<f64> {
    hits.retain(|count| *count > 0);
    hits.sort_unstable_by(|a, b| b.cmp(a));
    let step = (hits.len() - 1) / 10 + 1;
    let mut sum = 0;
    hits.chunks(step)
        .map(|row| {
            sum += row.iter().sum::<u32>();
            f64::from(sum) * 100.0 / COUNT as f64
        })
        .collect()
}

/// Figures of fio 3.33: `fio-genzipf -t T -i I -b 4096 -g 1 -o 10`, column "Sum %".
#[test]
fn agrees_with_fio_genzipf() {
    let cases: [(Distribution, [f64; 10]); 5] = [
        (
            Distribution::Zipf {
                theta: 1.2,
                center: None,
            },
            [
                88.76, 91.58, 93.40, 94.34, 95.29, 96.23, 97.17, 98.11, 99.06, 100.0,
            ],
        ),
        (
            Distribution::Zipf {
                theta: 0.8,
                center: None,
            },
            [
                51.54, 62.07, 69.96, 76.33, 80.28, 84.22, 88.17, 92.11, 96.06, 100.0,
            ],
        ),
        (
            Distribution::Pareto {
                h: 0.2,
                center: None,
            },
            [
                63.55, 71.37, 77.55, 81.46, 84.55, 87.64, 90.73, 93.82, 96.91, 100.0,
            ],
        ),
        (
            Distribution::Pareto {
                h: 0.9,
                center: None,
            },
            [
                31.84, 52.96, 67.99, 78.61, 85.89, 91.07, 94.47, 96.82, 98.41, 100.0,
            ],
        ),
        (
            Distribution::Normal {
                deviation: 10.0,
                center: None,
            },
            [
                23.95, 41.14, 54.86, 65.92, 75.96, 82.81, 89.67, 93.14, 96.57, 100.0,
            ],
        ),
    ];
    for (distribution, expected) in cases {
        let found = rows(hits(&distribution, 5));
        for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
            let off = (found - expected).abs();
            assert!(
                off < 0.6,
                "{distribution:?} row {row}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn the_centre_holds_the_hottest_block() {
    for center in [0.0, 0.25, 0.9] {
        let hits = hits(
            &Distribution::Zipf {
                theta: 1.2,
                center: Some(center),
            },
            1,
        );
        let hottest = (0..hits.len()).max_by_key(|block| hits[*block]).unwrap();
        assert_eq!(hottest as u64, (COUNT as f64 * center) as u64);
    }
}

#[test]
fn zeta_equals_the_plain_sum() {
    for theta in [0.5, 0.99, 1.2, 2.0] {
        let plain: f64 = (1..=300_000).map(|i| f64::from(i).powf(-theta)).sum();
        let fast = zeta(300_000, theta);
        assert!(
            (fast - plain).abs() < 1e-8 * plain,
            "{theta}: {fast} {plain}"
        );
    }
}

#[test]
fn zones_get_their_share_and_stay_inside() {
    let zone = |access, size| Zone { access, size };
    // Half the accesses to 5%, 30% to the next 15%, 20% to the rest (SNIA's client pattern).
    let zoned = Distribution::Zoned {
        zones: vec![zone(50.0, 5.0), zone(30.0, 15.0), zone(20.0, 80.0)],
    };
    let mib = 1024.0 * 1024.0;
    let absolute = Distribution::ZonedAbs {
        zones: vec![
            zone(50.0, 51.2 * mib),
            zone(30.0, 153.6 * mib),
            zone(20.0, 819.2 * mib),
        ],
    };
    for distribution in [zoned, absolute] {
        let hits = hits(&distribution, 3);
        let share = |from: f64, to: f64| {
            let (from, to) = (from * COUNT as f64, to * COUNT as f64);
            let sum: u32 = hits[from as usize..to as usize].iter().sum();
            f64::from(sum) * 100.0 / COUNT as f64
        };
        assert!((share(0.0, 0.05) - 50.0).abs() < 0.5);
        assert!((share(0.05, 0.2) - 30.0).abs() < 0.5);
        assert!((share(0.2, 1.0) - 20.0).abs() < 0.5);
        assert!(hits[COUNT as usize - 3000..].iter().any(|count| *count > 0));
    }
}

#[test]
fn uniform_passes_chi_square() {
    let picker = Picker::Uniform { count: COUNT };
    for seed in 1..5 {
        let mut rng = Rng::new(seed, Use::Offset, 0);
        let mut bins = [0_u32; 256];
        for _ in 0..1_000_000 {
            bins[(picker.draw(&mut rng) * 256 / COUNT) as usize] += 1;
        }
        let expected = 1_000_000.0 / 256.0;
        let square = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
        let chi_square: f64 = bins.iter().map(square).sum();
        // 255 degrees of freedom: mean 255, deviation 22.6; 0.01% of draws lie outside.
        assert!(
            (170.0..350.0).contains(&chi_square),
            "seed {seed}: {chi_square}"
        );
    }
}

#[test]
fn small_regions_work() {
    for count in 1..40 {
        for distribution in [
            Distribution::Random,
            Distribution::Zipf {
                theta: 1.2,
                center: None,
            },
            Distribution::Pareto {
                h: 0.3,
                center: Some(1.0),
            },
            Distribution::Normal {
                deviation: 99.0,
                center: Some(0.0),
            },
            Distribution::Normal {
                deviation: 0.0,
                center: None,
            },
            Distribution::Zoned {
                zones: [1.0; 100].map(|size| Zone { access: 1.0, size }).into(),
            },
        ] {
            let picker = Picker::new(&distribution, count, 4096, 1, 0, 0).unwrap();
            let mut rng = Rng::new(1, Use::Offset, 0);
            for _ in 0..200 {
                assert!(picker.draw(&mut rng) < count, "{distribution:?} of {count}");
            }
        }
    }
}

#[test]
fn refuses_parameters_that_cannot_be() {
    let zone = |access, size| Zone { access, size };
    for distribution in [
        Distribution::Zipf {
            theta: 1.0,
            center: None,
        },
        Distribution::Zipf {
            theta: -1.0,
            center: None,
        },
        Distribution::Zipf {
            theta: f64::NAN,
            center: None,
        },
        Distribution::Zipf {
            theta: 1.2,
            center: Some(1.5),
        },
        Distribution::Pareto {
            h: 0.0,
            center: None,
        },
        Distribution::Pareto {
            h: 1.0,
            center: None,
        },
        Distribution::Normal {
            deviation: 100.0,
            center: None,
        },
        Distribution::Zoned { zones: vec![] },
        Distribution::Zoned {
            zones: vec![zone(100.0, 101.0)],
        },
        Distribution::ZonedAbs {
            zones: vec![zone(100.0, 2e9)],
        },
        Distribution::ZonedAbs {
            zones: vec![zone(-1.0, 1e6)],
        },
    ] {
        let picker = Picker::new(&distribution, COUNT, 4096, 1, 0, 0);
        assert!(picker.is_err(), "{distribution:?}");
    }
}
