//! Schedules, stalls and backlogs in whole runs of the native job loop.

#![allow(clippy::unwrap_used, reason = "tests")]

mod jobs;

use osdyno_core::spec::Arrival;
use osdyno_device::spec::EngineSpec;

use jobs::{MS, job, run_one, scheduled, synthetic, timed};

#[test]
fn a_schedule_is_kept_whatever_the_device_does() {
    // Ten thousand a second for 0.4 s on a device that completes at once: exactly what was asked.
    let rate = Arrival::Constant {
        rate: 10_000.0,
        by_bytes: false,
    };
    let outcome = run_one(scheduled(
        timed(job(EngineSpec::Null, false, 1000, 64), 400),
        &rate,
    ));
    let read = outcome.measured.read.unwrap();
    // Never more; fewer only by what fell due while another process held the core as the runtime ended.
    assert!((3600..=4002).contains(&read.ios), "{}", read.ios);
    assert_eq!(read.wait.totals.count, read.ios);
    assert_eq!(
        read.wait.totals.sum_ns + read.lat.totals.sum_ns,
        read.response.totals.sum_ns
    );
    let poisson = Arrival::Poisson {
        rate: 200_000.0,
        by_bytes: false,
    };
    let outcome = run_one(scheduled(
        timed(job(EngineSpec::Null, false, 1000, 8), 500),
        &poisson,
    ));
    let read = outcome.measured.read.unwrap();
    // 100,000 expected, deviation 316.
    assert!(read.ios.abs_diff(100_000) < 2000, "{}", read.ios);
    assert!(outcome.end.generator.busy_share <= 1.0);
}

#[test]
fn a_stall_shows_in_response_times_and_not_in_service_times() {
    // A stall of 100 ms in 800 ms at 1000 a second, one operation at a time: 100 operations wait, the
    // k-th of them 100 - k ms.
    let device = synthetic(|model| {
        model.service_ns = 13_000;
        model.stall_at_ns = Some(300 * MS);
        model.stall_for_ns = 100 * MS;
    });
    let rate = Arrival::Constant {
        rate: 1000.0,
        by_bytes: false,
    };
    let outcome = run_one(scheduled(timed(job(device, false, 1000, 1), 800), &rate));
    let read = outcome.measured.read.unwrap();
    assert!(read.ios.abs_diff(800) <= 2, "{}", read.ios);
    let mean_ns = read.response.totals.sum_ns / read.ios;
    assert!(mean_ns > 5 * MS, "mean {mean_ns}");
    assert!(read.response.totals.max_ns >= 95 * MS);
    assert!(read.wait.totals.max_ns >= 90 * MS);
    // One operation alone saw the stall; all that waited were quick once sent.
    let service_mean = (read.service.totals.sum_ns - read.service.totals.max_ns) / read.ios;
    assert!(service_mean < 5 * MS, "{service_mean}");
    assert!(outcome.end.generator.backlog_max >= 50);
}

#[test]
fn a_backlog_at_its_cap_drops_and_says_so() {
    let device = synthetic(|model| model.iops = Some(100.0));
    let rate = Arrival::Constant {
        rate: 50_000.0,
        by_bytes: false,
    };
    let mut job = scheduled(timed(job(device, false, 1000, 1), 300), &rate);
    job.backlog_cap = Some(1000);
    let outcome = run_one(job);
    let generator = outcome.end.generator;
    assert!(generator.dropped_arrivals > 5000, "{generator:?}");
    assert_eq!(generator.backlog_max, 1000);
}

#[test]
fn a_capped_backlog_bounds_the_wait_and_pauses_count_for_the_rate() {
    let device = synthetic(|model| {
        model.service_ns = 1_000_000;
        model.channels = Some(4);
    });
    let rate = Arrival::Constant {
        rate: 10_000.0,
        by_bytes: false,
    };
    let mut job = scheduled(timed(job(device, false, 1000, 4), 400), &rate);
    job.backlog_cap = Some(100);
    let outcome = run_one(job);
    let read = outcome.measured.read.as_ref().unwrap();
    // A queue of 100 in front of 4 slots: at most 25 services of the slowest service seen.
    let bound = 27 * read.service.totals.max_ns.max(1_000_000);
    assert!(
        read.wait.totals.max_ns <= bound,
        "{} {bound}",
        read.wait.totals.max_ns
    );
    assert_eq!(outcome.end.generator.backlog_max, 100);
    assert!(read.runtime_ns >= outcome.end.measured_ns);
}
