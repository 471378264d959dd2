//! What fio's log files are made of: a row for each operation, for each window, for each window's
//! histogram. The job writes rows into a buffer that it owns and hands the buffer over when it is
//! full; no operation allocates or locks. Off by default, then the job has no `IoLog` at all.
//!
//! Rows travel as doubles (integers below 2^53), a buffer of one kind at a time; the first double of a
//! buffer is its kind. Times are nanoseconds since the job's measuring began.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use osdyno_core::measure::Sample;
use osdyno_core::op::{Op, OpKind};
use osdyno_core::plat;
use serde::{Deserialize, Serialize};

use crate::exchange::JobPort;

/// Buffers of operations: kind 0, rows of time of completion, direction, bytes, offset, slat, clat,
/// lat, file.
pub const EACH: f64 = 0.0;
/// Doubles of such a row.
pub const EACH_COLUMNS: usize = 8;
/// Buffers of windows: kind 1, rows of the window's index in the specification, end, length,
/// direction, operations, bytes, sums of slat, clat and lat, maxima of slat, clat and lat.
pub const WINDOW: f64 = 1.0;
/// Doubles of such a row.
pub const WINDOW_COLUMNS: usize = 12;
/// Buffers of histograms: kind 2, one row: end, direction, bytes of the last operation, counts of
/// `clat` in fio's buckets, 2^coarseness of them together.
pub const HISTOGRAM: f64 = 2.0;

/// Operations in a buffer: 256 KiB.
const ROWS: usize = 4096;
/// Buffers that may wait for whoever drains: 128 MiB a job. What comes then is counted and lost.
const WAITING_MAX: usize = 512;
const SPARES: usize = 2;

/// What a job logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IoLogSpec {
    /// A row for each operation.
    #[serde(default)]
    pub each: bool,
    /// Lengths of windows; each has rows of its own.
    #[serde(default)]
    pub windows_ns: Vec<u64>,
    /// Length of a histogram's window; 0 = none.
    #[serde(default)]
    pub hist_ns: u64,
    /// 0 to 6: 2^this neighbouring buckets become one.
    #[serde(default)]
    pub hist_coarseness: u32,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Between a job and whoever writes its log.
#[derive(Debug, Default)]
pub struct LogPort {
    full: Mutex<VecDeque<Vec<f64>>>,
    spares: Mutex<Vec<Vec<f64>>>,
    waiting: AtomicUsize,
    lost: AtomicU64,
}

impl LogPort {
    fn hand_over(&self, buffer: Vec<f64>) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        locked(&self.full).push_back(buffer);
    }

    /// Calls `with` with the next buffer, kind first; `None` when there is none.
    pub fn drain<T>(&self, with: impl FnOnce(&[f64]) -> T) -> Option<T> {
        let mut buffer = locked(&self.full).pop_front()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let answer = with(&buffer);
        if buffer.first() == Some(&EACH) {
            buffer.truncate(1);
            locked(&self.spares).push(buffer);
        }
        Some(answer)
    }

    /// Operations that no buffer was left for.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn fresh_buffer() -> Vec<f64> {
    let mut buffer = Vec::with_capacity(1 + ROWS * EACH_COLUMNS);
    buffer.push(EACH);
    buffer
}

/// Sums of one direction in a window.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    ios: u64,
    bytes: u64,
    sum_ns: [u64; 3],
    max_ns: [u64; 3],
}

/// A running window.
#[derive(Debug)]
struct Window {
    length_ns: u64,
    start_ns: u64,
    end_ns: u64,
    sums: [Sums; 3],
}

impl Window {
    fn new(length_ns: u64) -> Self {
        let length_ns = length_ns.max(1_000_000);
        Self {
            length_ns,
            start_ns: 0,
            end_ns: length_ns,
            sums: Default::default(),
        }
    }

    /// Ends the window at `at_ns` and begins the one that `next_ns` lies in.
    fn pass(&mut self, index: usize, at_ns: u64, next_ns: u64, port: &LogPort) {
        let mut rows = Vec::new();
        for (direction, sums) in self.sums.iter().enumerate() {
            if sums.ios > 0 {
                if rows.is_empty() {
                    rows.push(WINDOW);
                }
                let head = [
                    index as f64,
                    at_ns as f64,
                    (at_ns - self.start_ns) as f64,
                    direction as f64,
                    sums.ios as f64,
                    sums.bytes as f64,
                ];
                rows.extend_from_slice(&head);
                rows.extend(sums.sum_ns.map(|ns| ns as f64));
                rows.extend(sums.max_ns.map(|ns| ns as f64));
            }
        }
        if !rows.is_empty() {
            port.hand_over(rows);
        }
        self.sums = Default::default();
        self.start_ns = next_ns / self.length_ns * self.length_ns;
        self.end_ns = self.start_ns + self.length_ns;
    }
}

/// Counts of one direction in a histogram's window.
#[derive(Debug)]
struct Counts {
    buckets: Box<[u32]>,
    bytes: u32,
    any: bool,
}

#[derive(Debug)]
struct Histograms {
    length_ns: u64,
    end_ns: u64,
    coarseness: u32,
    directions: [Counts; 3],
}

impl Histograms {
    fn new(length_ns: u64, coarseness: u32) -> Self {
        let coarseness = coarseness.min(6);
        let length_ns = length_ns.max(1_000_000);
        let counts = || Counts {
            buckets: vec![0; plat::BUCKETS >> coarseness].into_boxed_slice(),
            bytes: 0,
            any: false,
        };
        Self {
            length_ns,
            end_ns: length_ns,
            coarseness,
            directions: [counts(), counts(), counts()],
        }
    }

    fn pass(&mut self, at_ns: u64, next_ns: u64, port: &LogPort) {
        for (direction, counts) in self.directions.iter_mut().enumerate() {
            if counts.any {
                let mut row = Vec::with_capacity(4 + counts.buckets.len());
                row.extend([
                    HISTOGRAM,
                    at_ns as f64,
                    direction as f64,
                    f64::from(counts.bytes),
                ]);
                row.extend(counts.buckets.iter().map(|&count| f64::from(count)));
                port.hand_over(row);
                counts.buckets.fill(0);
                counts.any = false;
            }
        }
        self.end_ns = (next_ns / self.length_ns + 1) * self.length_ns;
    }
}

/// A job's log.
#[derive(Debug)]
pub struct IoLog {
    port: Arc<JobPort>,
    /// The buffer being filled; `None` when operations are not logged one by one.
    each: Option<Vec<f64>>,
    windows: Vec<Window>,
    histograms: Option<Histograms>,
    /// When measuring began, on the runner's clock; what completed before is not logged.
    from_ns: u64,
}

impl IoLog {
    /// A log for a job, as `spec` wants it.
    #[must_use]
    pub fn new(spec: &IoLogSpec, port: Arc<JobPort>) -> Self {
        if spec.each {
            let spares = (0..SPARES).map(|_| fresh_buffer());
            locked(&port.log.spares).extend(spares);
        }
        Self {
            each: spec.each.then(fresh_buffer),
            windows: spec.windows_ns.iter().map(|&ns| Window::new(ns)).collect(),
            histograms: (spec.hist_ns > 0)
                .then(|| Histograms::new(spec.hist_ns, spec.hist_coarseness)),
            from_ns: u64::MAX,
            port,
        }
    }

    /// Measuring begins at this time on the runner's clock: after the warm-up.
    pub fn begin(&mut self, from_ns: u64) {
        self.from_ns = from_ns;
    }

    /// Logs a completed operation. Flushes and failures have no row.
    #[inline]
    pub fn record(&mut self, sample: &Sample, op: &Op) {
        let direction = match sample.kind {
            OpKind::Read => 0,
            OpKind::Write | OpKind::WriteZeroes => 1,
            OpKind::Trim => 2,
            OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => return,
        };
        if sample.result < 0 || sample.completed_ns < self.from_ns {
            return;
        }
        let at_ns = sample.completed_ns - self.from_ns;
        let times = [
            sample.submitted_ns.saturating_sub(sample.sent_ns),
            sample.completed_ns.saturating_sub(sample.submitted_ns),
            sample.completed_ns.saturating_sub(sample.sent_ns),
        ];
        if let Some(buffer) = &mut self.each {
            buffer.extend_from_slice(&[
                at_ns as f64,
                direction as f64,
                f64::from(op.length),
                op.offset as f64,
                times[0] as f64,
                times[1] as f64,
                times[2] as f64,
                f64::from(op.file),
            ]);
            if buffer.len() > ROWS * EACH_COLUMNS {
                Self::next_buffer(buffer, &self.port.log);
            }
        }
        for (index, window) in self.windows.iter_mut().enumerate() {
            if at_ns >= window.end_ns {
                window.pass(index, window.end_ns, at_ns, &self.port.log);
            }
            let sums = &mut window.sums[direction];
            sums.ios += 1;
            sums.bytes += u64::from(op.length);
            for (place, ns) in times.into_iter().enumerate() {
                sums.sum_ns[place] += ns;
                sums.max_ns[place] = sums.max_ns[place].max(ns);
            }
        }
        if let Some(histograms) = &mut self.histograms {
            if at_ns >= histograms.end_ns {
                histograms.pass(histograms.end_ns, at_ns, &self.port.log);
            }
            let counts = &mut histograms.directions[direction];
            counts.buckets[plat::index(times[1]) >> histograms.coarseness] += 1;
            counts.bytes = op.length;
            counts.any = true;
        }
    }

    /// The buffer is full. One of the spares takes its place; a new one only while whoever drains is
    /// behind.
    #[cold]
    fn next_buffer(buffer: &mut Vec<f64>, port: &LogPort) {
        let spare = locked(&port.spares).pop();
        let behind = port.waiting.load(Ordering::Relaxed) >= WAITING_MAX;
        if let Some(next) = spare.or_else(|| (!behind).then(fresh_buffer)) {
            port.hand_over(std::mem::replace(buffer, next));
        } else {
            port.lost.fetch_add(ROWS as u64, Ordering::Relaxed);
            buffer.truncate(1);
        }
    }

    /// Hands over what is left, at the job's end. A line for the job's notes if something is missing.
    pub fn end(&mut self, now_ns: u64) -> Option<String> {
        let at_ns = now_ns.saturating_sub(self.from_ns);
        let port = &self.port.log;
        if let Some(buffer) = self.each.take()
            && buffer.len() > 1
        {
            port.hand_over(buffer);
        }
        for (index, window) in self.windows.iter_mut().enumerate() {
            let end_ns = at_ns.clamp(window.start_ns, window.end_ns);
            window.pass(index, end_ns, at_ns, port);
        }
        if let Some(histograms) = &mut self.histograms {
            // Rounded up: a line of its own, not a second one of the window before.
            let end_ns = (at_ns.div_ceil(1_000_000) * 1_000_000).min(histograms.end_ns);
            histograms.pass(end_ns, at_ns, port);
        }
        let lost = port.lost();
        (lost > 0).then(|| {
            format!("{lost} operations are missing from the log files: they came faster than they were written")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn op(kind: OpKind, offset: u64) -> Op {
        Op {
            kind,
            flags: 0,
            file: 1,
            length: 4096,
            offset,
            intended_ns: 0,
            sequence: 0,
            generation: 0,
        }
    }

    fn sample(kind: OpKind, sent_ns: u64, clat_ns: u64) -> Sample {
        Sample {
            kind,
            intended_ns: sent_ns,
            sent_ns,
            submitted_ns: sent_ns + 5,
            completed_ns: sent_ns + 5 + clat_ns,
            asked: 4096,
            result: 4096,
        }
    }

    fn log(spec: &IoLogSpec) -> (IoLog, Arc<JobPort>) {
        let port = Arc::new(JobPort::new([true, true, false]));
        let mut log = IoLog::new(spec, Arc::clone(&port));
        log.begin(1000 * MS);
        (log, port)
    }

    fn drained(port: &JobPort) -> Vec<Vec<f64>> {
        std::iter::from_fn(|| port.log.drain(<[f64]>::to_vec)).collect()
    }

    #[test]
    fn each_operation_has_a_row_from_the_end_of_the_warm_up_on() {
        let (mut log, port) = log(&IoLogSpec {
            each: true,
            ..IoLogSpec::default()
        });
        for (kind, sent_ms) in [
            (OpKind::Read, 990),
            (OpKind::Read, 1001),
            (OpKind::Flush, 1002),
            (OpKind::WriteZeroes, 1003),
        ] {
            log.record(&sample(kind, sent_ms * MS, 95), &op(kind, 8192));
        }
        assert!(drained(&port).is_empty());
        assert_eq!(log.end(1010 * MS), None);
        let rows = drained(&port).concat();
        assert_eq!(rows[..2], [EACH, (MS + 100) as f64]);
        assert_eq!(rows[2..9], [0.0, 4096.0, 8192.0, 5.0, 95.0, 100.0, 1.0]);
        assert_eq!(rows[9..11], [(3 * MS + 100) as f64, 1.0]);
        assert_eq!(rows.len(), 1 + 2 * EACH_COLUMNS);
    }

    #[test]
    fn full_buffers_go_over_and_come_back_and_nothing_is_lost() {
        let (mut log, port) = log(&IoLogSpec {
            each: true,
            ..IoLogSpec::default()
        });
        let mut seen = 0;
        for index in 0..20 * ROWS as u64 {
            log.record(
                &sample(OpKind::Read, 1000 * MS + index, 1),
                &op(OpKind::Read, index),
            );
            if index % 3000 == 0 {
                for buffer in drained(&port) {
                    for row in buffer[1..].chunks(EACH_COLUMNS) {
                        assert_eq!(row[3] as u64, seen);
                        seen += 1;
                    }
                }
                assert!(locked(&port.log.spares).len() <= SPARES);
            }
        }
        assert_eq!(log.end(2000 * MS), None);
        let rest = drained(&port);
        seen += rest
            .iter()
            .map(|b| (b.len() as u64 - 1) / EACH_COLUMNS as u64)
            .sum::<u64>();
        assert_eq!(seen, 20 * ROWS as u64);
    }

    #[test]
    fn what_nobody_drains_is_counted_as_lost_and_memory_stays_bounded() {
        let (mut log, port) = log(&IoLogSpec {
            each: true,
            ..IoLogSpec::default()
        });
        let total = (WAITING_MAX as u64 + 10) * ROWS as u64;
        for index in 0..total {
            log.record(
                &sample(OpKind::Read, 1000 * MS + index, 1),
                &op(OpKind::Read, 0),
            );
        }
        let note = log.end(2000 * MS).unwrap();
        let kept: u64 = drained(&port)
            .iter()
            .map(|b| (b.len() as u64 - 1) / EACH_COLUMNS as u64)
            .sum();
        assert_eq!(kept + port.log.lost(), total);
        assert!(note.starts_with(&format!("{} operations", port.log.lost())));
    }

    #[test]
    fn windows_lie_on_a_grid_and_leave_out_what_is_empty() {
        let (mut log, port) = log(&IoLogSpec {
            windows_ns: vec![100 * MS],
            ..IoLogSpec::default()
        });
        for (at_ms, clat) in [(1010, 10), (1099, 30), (1350, 50), (1400, 70)] {
            log.record(
                &sample(OpKind::Read, at_ms * MS, clat),
                &op(OpKind::Read, 0),
            );
        }
        log.end(1450 * MS);
        let rows: Vec<Vec<u64>> = drained(&port)
            .iter()
            .map(|row| row[1..].iter().map(|&value| value as u64).collect())
            .collect();
        let expected = [
            vec![0, 100 * MS, 100 * MS, 0, 2, 8192, 10, 40, 50, 5, 30, 35],
            vec![0, 400 * MS, 100 * MS, 0, 1, 4096, 5, 50, 55, 5, 50, 55],
            vec![0, 450 * MS, 50 * MS, 0, 1, 4096, 5, 70, 75, 5, 70, 75],
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn histograms_are_of_a_window_each_and_coarser_on_request() {
        let (mut log, port) = log(&IoLogSpec {
            hist_ns: 100 * MS,
            hist_coarseness: 3,
            ..IoLogSpec::default()
        });
        for (at_ms, clat) in [(1010, 20), (1020, 21), (1030, 1000), (1210, 20)] {
            log.record(
                &sample(OpKind::Write, at_ms * MS, clat),
                &op(OpKind::Write, 0),
            );
        }
        log.end(1250 * MS);
        let rows = drained(&port);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].len(), 4 + plat::BUCKETS / 8);
        assert_eq!(rows[0][..4], [HISTOGRAM, (100 * MS) as f64, 1.0, 4096.0]);
        assert_eq!(rows[0][4 + 20 / 8] as u64, 2);
        assert_eq!(rows[0][4 + plat::index(1000) / 8] as u64, 1);
        assert_eq!(rows[1][1] as u64, 250 * MS);
        assert_eq!(rows[1][4..].iter().sum::<f64>() as u64, 1);
    }
}
