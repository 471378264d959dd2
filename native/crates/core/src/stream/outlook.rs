//! What a stream can say of its future: the backlog, and how far it is.

use super::{ENDING, OpStream};
use crate::arrival::Arrivals;

impl OpStream {
    /// Scheduled operations due at `now_ns` or before and not yet yielded. Exact, except with rates
    /// in bytes over mixed sizes, where operations of mean size are counted. `now_ns` MUST not go
    /// back from call to call.
    pub fn backlog(&mut self, now_ns: u64) -> u64 {
        let now_ns = now_ns.saturating_sub(self.delayed_ns);
        let due = |arrivals: &mut Arrivals| arrivals.due(now_ns);
        let due: u64 = self.arrivals.iter_mut().flatten().map(due).sum();
        if self.attention & ENDING != 0 {
            return 0;
        }
        due.min(self.operations_left)
    }

    /// Drops due arrivals beyond `cap` in the backlog, the newest first (a full queue turns away
    /// who comes; dropping the oldest would hide the longest waits), and returns how many. With
    /// several schedules each keeps its share.
    pub fn drop_backlog(&mut self, now_ns: u64, cap: u64) -> u64 {
        let backlog = self.backlog(now_ns);
        if backlog <= cap {
            return 0;
        }
        let now_ns = now_ns.saturating_sub(self.delayed_ns);
        let mut dropped = 0;
        for arrivals in self.arrivals.iter_mut().flatten() {
            let due = arrivals.due(now_ns);
            let keep = (u128::from(cap) * u128::from(due) / u128::from(backlog)) as u64;
            dropped += arrivals.drop_newest(due - keep.min(due));
        }
        dropped
    }

    /// How far the stream is, `0..=1`; `None` if it has no end of its own.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        if self.attention & ENDING != 0 {
            return Some(1.0);
        }
        let share = |left: u64, all: u64| match all {
            u64::MAX => 0.0,
            all => 1.0 - left as f64 / all as f64,
        };
        if self.bytes_in_loop == u64::MAX && self.operations_in_loop == u64::MAX {
            return None;
        }
        let bytes = share(self.bytes_left, self.bytes_in_loop);
        let operations = share(self.operations_left, self.operations_in_loop);
        let done = f64::from(self.loops - self.loops_left) + bytes.max(operations);
        Some(done / f64::from(self.loops))
    }
}
