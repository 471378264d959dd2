//! The runner's clock: `CLOCK_MONOTONIC`'s scale, read from the CPU's time stamp counter where the
//! kernel itself trusts that counter (about half the cost of the system's own call).
//!
//! Readings are `anchor + (counter - anchor counter) * rate`. Whoever reads more than `TEND_NS` after
//! the last anchor sets a new one: it continues where the old one stands (so time never goes back) and
//! changes the rate so that the distance to the kernel's clock vanishes.
//!
//! A process may ask for virtual time before the first reading (`stand_at`): then the clock stands where
//! it was last set, and neither counter nor kernel is read.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// Longest stretch, in nanoseconds, over which one rate is used while the clock is being read.
const TEND_NS: u64 = 250_000_000;
/// Length of the first measurement of the rate; further ones follow at growing distances.
const FIRST_NS: u64 = 2_000_000;
/// Most by which the rate is bent to close a gap to the kernel's clock: 500 parts per million.
const MAX_BEND: f64 = 5e-4;

/// Nanoseconds on the scale of `CLOCK_MONOTONIC`. Never goes back on one thread.
#[inline]
#[must_use]
pub fn now_ns() -> u64 {
    match COUNTER.get() {
        Some(Some(counter)) => counter.read(ticks),
        Some(None) => set_ns().unwrap_or_else(kernel_ns),
        None => start(),
    }
}

/// Where virtual time stands; `REAL` = time is real.
static STANDS_AT_NS: AtomicU64 = AtomicU64::new(REAL);
const REAL: u64 = u64::MAX;

fn set_ns() -> Option<u64> {
    match STANDS_AT_NS.load(Ordering::Acquire) {
        REAL => None,
        ns => Some(ns),
    }
}

/// Makes this process's time virtual, or moves it on: from now on every reading is `ns`, until the next
/// call. An earlier time than the last one changes nothing. `false`: real time was read already.
pub fn stand_at(ns: u64) -> bool {
    let ns = ns.min(REAL - 1);
    if let Some(now) = set_ns() {
        STANDS_AT_NS.store(ns.max(now), Ordering::Release);
        return true;
    }
    let mut first = false;
    COUNTER.get_or_init(|| {
        STANDS_AT_NS.store(ns, Ordering::Release);
        first = true;
        None
    });
    first
}

/// The same without the fence that keeps a reading behind what stands before it, at half the cost: for
/// stamps between two fenced ones, where nothing was loaded that the reading must follow.
#[inline]
#[must_use]
pub fn between_ns() -> u64 {
    match COUNTER.get() {
        Some(Some(counter)) => counter.read(unfenced_ticks),
        _ => now_ns(),
    }
}

/// How the clock is read, for the notes of a run: `tsc`, `clock_gettime` or `virtual`.
#[must_use]
pub fn source() -> &'static str {
    let _ = now_ns();
    match COUNTER.get() {
        Some(Some(_)) => "tsc",
        _ if set_ns().is_some() => "virtual",
        _ => "clock_gettime",
    }
}

/// The kernel's reading of `CLOCK_MONOTONIC`.
#[must_use]
pub fn kernel_ns() -> u64 {
    read_kernel(libc::CLOCK_MONOTONIC)
}

/// Milliseconds of the wall clock since the epoch.
#[must_use]
pub fn epoch_ms() -> u64 {
    read_kernel(libc::CLOCK_REALTIME) / 1_000_000
}

fn read_kernel(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing and the clock id is a constant the kernel knows.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps until a time on this clock; returns early on a signal. Accurate to the thread's timer slack
/// and the wake-up's own delay.
pub fn sleep_until(deadline_ns: u64) {
    // Relative to the kernel's clock at this instant: the two clocks may differ by some hundred ns.
    let now = now_ns();
    if deadline_ns <= now {
        return;
    }
    let target = kernel_ns() + (deadline_ns - now);
    let time = libc::timespec {
        tv_sec: (target / 1_000_000_000) as libc::time_t,
        tv_nsec: (target % 1_000_000_000) as libc::c_long,
    };
    // SAFETY: `time` is valid; no remainder is asked for with an absolute time.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const time,
            std::ptr::null_mut(),
        )
    };
}

static COUNTER: OnceLock<Option<Counter>> = OnceLock::new();

#[cold]
fn start() -> u64 {
    match COUNTER.get_or_init(|| counter_is_trusted().then(Counter::calibrated)) {
        Some(counter) => counter.read(ticks),
        None => set_ns().unwrap_or_else(kernel_ns),
    }
}

/// The counter ticks at one rate in all power states, and the kernel found it steady across CPUs.
fn counter_is_trusted() -> bool {
    if !cfg!(target_arch = "x86_64") {
        return false;
    }
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let by_kernel = std::fs::read_to_string(source).is_ok_and(|name| name.trim() == "tsc");
    let by_cpu = std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| {
        text.lines()
            .find(|line| line.starts_with("flags"))
            .is_some_and(|line| {
                ["constant_tsc", "nonstop_tsc"]
                    .iter()
                    .all(|flag| line.split_whitespace().any(|word| word == *flag))
            })
    });
    by_kernel && by_cpu
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn ticks() -> u64 {
    let (low, high): (u64, u64);
    // The fence keeps the reading behind what stands before it: without it a virtual CPU that lost its
    // core between the two has been seen to return a counter 120 us older than the data it had just loaded.
    // SAFETY: both instructions exist on every x86-64 CPU; they read the counter and write two registers.
    unsafe {
        core::arch::asm!(
            "lfence",
            "rdtsc",
            out("rax") low,
            out("rdx") high,
            options(nostack, preserves_flags)
        );
    }
    high << 32 | low
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn unfenced_ticks() -> u64 {
    // SAFETY: the instruction exists on every x86-64 CPU and only reads.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn unfenced_ticks() -> u64 {
    ticks()
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn ticks() -> u64 {
    unreachable!("the counter is never trusted on this architecture")
}

/// The counter with its conversion, guarded by a sequence lock: readers retry while `version` is odd
/// or changed. `rate` is nanoseconds per tick times 2^32.
#[derive(Debug)]
struct Counter {
    version: AtomicU64,
    anchor_ticks: AtomicU64,
    anchor_ns: AtomicU64,
    rate: AtomicU64,
    /// Ticks after the anchor at which a reader tends to the clock.
    tend_ticks: AtomicU64,
    tending: AtomicBool,
    /// Where the measurement of the rate begins; only used by whoever holds `tending`.
    first_ticks: AtomicU64,
    first_ns: AtomicU64,
}

/// What a reader needs, taken at once.
#[derive(Clone, Copy)]
struct View {
    anchor_ticks: u64,
    anchor_ns: u64,
    rate: u64,
}

impl View {
    #[inline]
    fn at(self, ticks: u64) -> u64 {
        // A reading that raced with a new anchor may lie a few ticks before it: hold the clock.
        let ticks = ticks.saturating_sub(self.anchor_ticks);
        self.anchor_ns + ((u128::from(ticks) * u128::from(self.rate)) >> 32) as u64
    }
}

impl Counter {
    fn calibrated() -> Self {
        let (ticks_a, ns_a) = pair();
        while kernel_ns() < ns_a + FIRST_NS {
            std::hint::spin_loop();
        }
        let (ticks_b, ns_b) = pair();
        let rate = rate_of(ticks_b - ticks_a, ns_b - ns_a);
        Self {
            version: AtomicU64::new(0),
            anchor_ticks: AtomicU64::new(ticks_b),
            anchor_ns: AtomicU64::new(ns_b),
            rate: AtomicU64::new(rate),
            tend_ticks: AtomicU64::new(ticks_of(FIRST_NS * 4, rate)),
            tending: AtomicBool::new(false),
            first_ticks: AtomicU64::new(ticks_a),
            first_ns: AtomicU64::new(ns_a),
        }
    }

    #[inline]
    fn read(&self, ticks: impl Fn() -> u64) -> u64 {
        loop {
            let before = self.version.load(Ordering::Acquire);
            let view = View {
                anchor_ticks: self.anchor_ticks.load(Ordering::Relaxed),
                anchor_ns: self.anchor_ns.load(Ordering::Relaxed),
                rate: self.rate.load(Ordering::Relaxed),
            };
            let tend = self.tend_ticks.load(Ordering::Relaxed);
            let ticks = ticks();
            fence(Ordering::Acquire);
            if before & 1 == 0 && self.version.load(Ordering::Relaxed) == before {
                if ticks.saturating_sub(view.anchor_ticks) > tend {
                    self.tend();
                }
                return view.at(ticks);
            }
            std::hint::spin_loop();
        }
    }

    /// Sets a new anchor and rate. Whoever finds another thread at it goes on with the old ones.
    #[cold]
    fn tend(&self) {
        if self.tending.swap(true, Ordering::Acquire) {
            return;
        }
        let old = View {
            anchor_ticks: self.anchor_ticks.load(Ordering::Relaxed),
            anchor_ns: self.anchor_ns.load(Ordering::Relaxed),
            rate: self.rate.load(Ordering::Relaxed),
        };
        let (pair_ticks, kernel) = pair();
        let ours = old.at(pair_ticks);
        let first_ticks = self.first_ticks.load(Ordering::Relaxed);
        let first_ns = self.first_ns.load(Ordering::Relaxed);
        let rate = rate_of(pair_ticks - first_ticks, kernel - first_ns);
        let span_ns = (kernel - first_ns).clamp(FIRST_NS, TEND_NS);
        // Behind by more than a bend can close in one span: step forward, which is always allowed.
        let gap = kernel as f64 - ours as f64;
        let (step_ns, bend) = if gap > MAX_BEND * span_ns as f64 {
            (kernel - ours, 0.0)
        } else {
            (0, (gap / span_ns as f64).max(-MAX_BEND))
        };
        self.version.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        // Read again now that no reader goes on with the old view: this thread may have lost its CPU
        // since `pair`, and readings taken meanwhile must not lie after the new anchor's.
        let ticks = ticks();
        let anchor_ns = old.at(ticks) + step_ns;
        self.anchor_ticks.store(ticks, Ordering::Relaxed);
        self.anchor_ns.store(anchor_ns, Ordering::Relaxed);
        self.rate
            .store((rate as f64 * (1.0 + bend)) as u64, Ordering::Relaxed);
        self.tend_ticks
            .store(ticks_of(span_ns, rate), Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
        // The kernel's own rate is steered over minutes, so an old start of the measurement would lag.
        if kernel - first_ns > 8 * TEND_NS {
            self.first_ticks.store(pair_ticks, Ordering::Relaxed);
            self.first_ns.store(kernel, Ordering::Relaxed);
        }
        self.tending.store(false, Ordering::Release);
    }
}

fn rate_of(ticks: u64, ns: u64) -> u64 {
    ((u128::from(ns) << 32) / u128::from(ticks.max(1))) as u64
}

fn ticks_of(ns: u64, rate: u64) -> u64 {
    ((u128::from(ns) << 32) / u128::from(rate.max(1))) as u64
}

/// Counter and kernel clock at the same instant: the tightest of several tries.
fn pair() -> (u64, u64) {
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..8 {
        let before = ticks();
        let ns = kernel_ns();
        let after = ticks();
        let width = after.saturating_sub(before);
        if width < best.0 {
            best = (width, before + width / 2, ns);
        }
    }
    (best.1, best.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_goes_back_across_anchors() {
        let mut last = now_ns();
        let end = last + 700_000_000;
        while last < end {
            let now = now_ns();
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
    }

    #[test]
    fn threads_agree_on_the_order_of_events() {
        let latest = AtomicU64::new(0);
        let end = now_ns() + 300_000_000;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while now_ns() < end {
                        let seen = latest.load(Ordering::SeqCst);
                        let now = now_ns();
                        assert!(now >= seen, "{now} but another thread saw {seen}");
                        latest.fetch_max(now, Ordering::SeqCst);
                    }
                });
            }
        });
    }

    #[test]
    fn agrees_with_the_kernels_clock() {
        let _ = now_ns();
        // Long enough for several anchors; the machine may take the CPU away between two readings,
        // so the tightest of many comparisons counts.
        std::thread::sleep(std::time::Duration::from_millis(600));
        let distance = (0..2000)
            .map(|_| {
                let before = kernel_ns();
                let ours = now_ns();
                let after = kernel_ns();
                if ours < before {
                    before - ours
                } else {
                    ours.saturating_sub(after)
                }
            })
            .min()
            .unwrap();
        assert!(distance < 2_000, "{distance} ns from the kernel's clock");
    }

    #[test]
    fn real_time_does_not_become_virtual() {
        let before = now_ns();
        assert!(!stand_at(0));
        assert!(now_ns() >= before && source() != "virtual");
    }

    #[test]
    fn sleeps_at_least_as_long_as_told() {
        let deadline = now_ns() + 3_000_000;
        while now_ns() < deadline {
            sleep_until(deadline);
        }
        sleep_until(0);
        assert!(kernel_ns() + 2_000 >= deadline);
    }
}
