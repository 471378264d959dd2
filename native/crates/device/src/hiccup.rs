//! The hiccup meter: one sleeping thread per CPU that records how late it wakes. What it sees, every
//! job on that CPU could have suffered: it tells a late generator from a late device.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use osdyno_core::hdr::Hdr;

use crate::clock::{now_ns, sleep_until};
use crate::cpu;

/// Distance between two wake-ups. A wake-up costs 7 us on a virtual machine: 1 ms would take 0.7% of each
/// CPU, more than a meter should.
const TICK_NS: u64 = 2_000_000;

/// Lateness of the wake-ups on one CPU.
#[derive(Debug)]
pub struct Hiccups {
    /// The CPU.
    pub cpu: u32,
    /// Wake-ups by how late they came, ns. Ticks missed altogether count with the time they were late.
    pub lateness: Hdr,
}

/// The running meter. Stops when dropped.
#[derive(Debug)]
pub struct HiccupMeter {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Option<Hiccups>>>,
}

impl HiccupMeter {
    /// Starts a thread on every CPU that this process may use.
    #[must_use]
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = cpu::allowed_cpus()
            .into_iter()
            .filter_map(|cpu| {
                let stop = Arc::clone(&stop);
                std::thread::Builder::new()
                    .name(format!("hiccup-{cpu}"))
                    .stack_size(64 << 10)
                    .spawn(move || watch(cpu, &stop))
                    .ok()
            })
            .collect();
        Self { stop, threads }
    }

    /// Stops the meter; what each CPU showed, ascending.
    #[must_use]
    pub fn finish(mut self) -> Vec<Hiccups> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads
            .drain(..)
            .filter_map(|thread| thread.join().ok().flatten())
            .collect()
    }
}

impl Drop for HiccupMeter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// `None` when the thread cannot be held on its CPU, where it would measure another one.
fn watch(cpu: u32, stop: &AtomicBool) -> Option<Hiccups> {
    cpu::pin(&[cpu]).ok()?;
    cpu::exact_timers();
    let mut lateness = Hdr::new();
    let mut due = now_ns() + TICK_NS;
    while !stop.load(Ordering::Relaxed) {
        sleep_until(due);
        let now = now_ns();
        // A signal may end the sleep early; that is no tick.
        while due <= now {
            lateness.record(now - due);
            due += TICK_NS;
        }
    }
    Some(Hiccups { cpu, lateness })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cpu_shows_its_ticks() {
        let meter = HiccupMeter::start();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let seen = meter.finish();
        assert_eq!(seen.len(), cpu::allowed_cpus().len());
        for hiccups in &seen {
            // Missed ticks are made up for, so the number depends on the span alone.
            assert!(hiccups.lateness.moments().count >= 45);
        }
    }
}
