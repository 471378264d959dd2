//! Waiting for the next arrival: sleep while there is time, spin for the rest. How much rest a sleep
//! needs depends on the machine, so it is learned.

/// Bounds of the margin that a sleep leaves before the arrival.
const LEAST_NS: u64 = 5_000;
const MOST_NS: u64 = 400_000;
/// A sleep shorter than this is not worth its system call.
const WORTH_NS: u64 = 15_000;

/// The margin that sleeps leave.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    margin_ns: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { margin_ns: 60_000 }
    }
}

impl Pace {
    /// Until when to sleep for an arrival; `None` = spin.
    #[inline]
    #[must_use]
    pub fn sleep_until(&self, now_ns: u64, arrival_ns: u64) -> Option<u64> {
        let wake_ns = arrival_ns.saturating_sub(self.margin_ns);
        (wake_ns > now_ns + WORTH_NS).then_some(wake_ns)
    }

    /// Learns from a sleep that should have ended at `wanted_ns` and ended at `woke_ns`. Rises at once
    /// to cover what it saw, falls slowly: one late arrival costs more than some spinning.
    pub fn learn(&mut self, wanted_ns: u64, woke_ns: u64) {
        let late = woke_ns.saturating_sub(wanted_ns);
        self.margin_ns = if late >= self.margin_ns {
            late + late / 4
        } else {
            self.margin_ns - (self.margin_ns - late) / 128
        }
        .clamp(LEAST_NS, MOST_NS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_covers_what_was_seen_and_shrinks_after() {
        let mut pace = Pace::default();
        pace.learn(1_000_000, 1_100_000);
        let raised = pace.margin_ns;
        assert!(raised > 100_000);
        for _ in 0..2000 {
            pace.learn(1_000_000, 1_010_000);
        }
        assert!(pace.margin_ns < 20_000, "{}", pace.margin_ns);
        pace.learn(0, 1_000_000_000);
        assert_eq!(pace.margin_ns, MOST_NS);
    }

    #[test]
    fn near_arrivals_are_spun_for() {
        let pace = Pace::default();
        assert_eq!(pace.sleep_until(0, 50_000), None);
        assert_eq!(pace.sleep_until(0, 1_000_000), Some(940_000));
        assert_eq!(pace.sleep_until(2_000_000, 1_000_000), None);
    }
}
