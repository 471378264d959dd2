//! Cost of recording one sample, ns: `cargo bench -p osdyno-core --bench measure [-- --quick]`.
//!
//! Prints for each kind of load the median and the spread over repeats, and a hash of what was counted,
//! which must not depend on the machine.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use osdyno_core::measure::{IntervalSet, Sample, Totals};
use osdyno_core::op::OpKind;

/// A cheap generator of the bench's own, so that its draws never change with the library.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Samples with latencies spread evenly over `octaves` powers of two above `base_ns`.
fn samples(count: usize, open: bool, base_ns: u64, octaves: u64) -> Vec<Sample> {
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
    let mut now = 1_000_000_000;
    let mut made = Vec::with_capacity(count);
    for _ in 0..count {
        now += draws.next() % 2_000;
        let octave = draws.next() % octaves;
        let service = (base_ns << octave) + draws.next() % (base_ns << octave);
        let submitted_ns = now + 100 + draws.next() % 800;
        made.push(Sample {
            kind: OpKind::Read,
            intended_ns: if open {
                now - 1 - draws.next() % 5_000
            } else {
                now
            },
            sent_ns: now,
            submitted_ns,
            completed_ns: submitted_ns + service,
            asked: 4096,
            result: 4096,
        });
    }
    made
}

fn nanoseconds_each(set: &mut IntervalSet, samples: &[Sample]) -> f64 {
    let started = Instant::now();
    for sample in samples {
        set.record(black_box(sample));
    }
    started.elapsed().as_nanos() as f64 / samples.len() as f64
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (count, repeats) = if quick { (20_000, 5) } else { (1_000_000, 31) };
    println!("{count} samples, {repeats} repeats: median (lowest to highest) ns a sample");
    let loads = [
        ("closed loop, null target", false, 100, 1),
        ("closed loop, NVMe", false, 60_000, 3),
        ("closed loop, 1 us to 16 ms", false, 1_000, 14),
        ("open loop, NVMe", true, 60_000, 3),
    ];
    for (name, open, base_ns, octaves) in loads {
        let samples = samples(count, open, base_ns, octaves);
        let mut set = IntervalSet::new([true, true, false]);
        let mut totals = Totals::new();
        let mut costs = Vec::with_capacity(repeats);
        for _ in 0..repeats {
            costs.push(nanoseconds_each(&mut set, &samples));
            totals.merge(&set);
            set.clear();
        }
        costs.sort_by(f64::total_cmp);
        let json = serde_json::to_string(&totals.outcome()).unwrap_or_default();
        println!(
            "{name:28} {:6.2} ({:.2} to {:.2})  hash {:016x}",
            costs[repeats / 2],
            costs[0],
            costs[repeats - 1],
            hash(&json)
        );
    }
}
