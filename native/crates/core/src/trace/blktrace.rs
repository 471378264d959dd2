//! blktrace's binary stream: 48 bytes an event, each followed by data of its own length, in the byte
//! order of the machine that traced. Source: `include/uapi/linux/blktrace_api.h`.

use std::io::BufRead;

use super::names::device_name;
use super::{Entry, Names, Passed, TraceError, TraceEvent};
use crate::op::OpKind;

/// The upper 24 bits of an event's first word.
pub const MAGIC: u32 = 0x6561_7400;
/// The lower 8: the only version there ever was.
pub const VERSION: u32 = 0x07;
/// Bytes of an event without its data.
pub const EVENT_BYTES: usize = 48;
/// Sectors of a block trace have 512 bytes on every device.
pub const SECTOR_BYTES: u64 = 512;

/// What happened: the low 16 bits of `action`.
pub const ACTION_QUEUE: u32 = 1;
/// As above.
pub const ACTION_ISSUE: u32 = 7;

/// Categories: the high 16 bits of `action`.
pub const CATEGORY_READ: u32 = 1 << 16;
/// As above.
pub const CATEGORY_WRITE: u32 = 1 << 17;
/// A flush comes before the data.
pub const CATEGORY_FLUSH: u32 = 1 << 18;
/// A command passed through: no block I/O.
pub const CATEGORY_PASSED: u32 = 1 << 25;
/// A message.
pub const CATEGORY_NOTIFY: u32 = 1 << 26;
/// A discard.
pub const CATEGORY_DISCARD: u32 = 1 << 29;
/// Data of a driver.
pub const CATEGORY_DRIVER: u32 = 1 << 30;

/// One event, as recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Number on its CPU.
    pub sequence: u32,
    /// Nanoseconds.
    pub time_ns: u64,
    /// First sector, of 512 bytes.
    pub sector: u64,
    /// Bytes.
    pub bytes: u32,
    /// What happened and in which categories.
    pub action: u32,
    /// Who did it.
    pub pid: u32,
    /// Major number << 20 | minor number.
    pub device: u32,
    /// Where.
    pub cpu: u32,
    /// Completions: errno.
    pub error: u16,
    /// Bytes of data that follow.
    pub data_bytes: u16,
}

/// Byte order of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// x86, arm64.
    Little,
    /// s390, older POWER.
    Big,
}

/// The order that a stream's first four bytes tell; `None`: it is none of blktrace.
#[must_use]
pub fn order_of(head: [u8; 4]) -> Option<Order> {
    let matches = |word: u32| word & 0xffff_ff00 == MAGIC;
    if matches(u32::from_le_bytes(head)) {
        Some(Order::Little)
    } else if matches(u32::from_be_bytes(head)) {
        Some(Order::Big)
    } else {
        None
    }
}

impl Event {
    /// The event in so many bytes; `None` when the magic or the version is not right.
    #[must_use]
    pub fn parse(bytes: &[u8; EVENT_BYTES], order: Order) -> Option<Self> {
        let u32_at = |at: usize| {
            let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            match order {
                Order::Little => u32::from_le_bytes(word),
                Order::Big => u32::from_be_bytes(word),
            }
        };
        let (low, high) = match order {
            Order::Little => (0, 4),
            Order::Big => (4, 0),
        };
        let u64_at = |at: usize| u64::from(u32_at(at + low)) | u64::from(u32_at(at + high)) << 32;
        let u16_at = |at: usize| match order {
            Order::Little => u16::from_le_bytes([bytes[at], bytes[at + 1]]),
            Order::Big => u16::from_be_bytes([bytes[at], bytes[at + 1]]),
        };
        (u32_at(0) == MAGIC | VERSION).then(|| Self {
            sequence: u32_at(4),
            time_ns: u64_at(8),
            sector: u64_at(16),
            bytes: u32_at(24),
            action: u32_at(28),
            pid: u32_at(32),
            device: u32_at(36),
            cpu: u32_at(40),
            error: u16_at(44),
            data_bytes: u16_at(46),
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self, order: Order) -> [u8; EVENT_BYTES] {
        let mut bytes = [0; EVENT_BYTES];
        let mut at = 0;
        let mut put = |little: &[u8]| {
            let place = &mut bytes[at..at + little.len()];
            place.copy_from_slice(little);
            if order == Order::Big {
                place.reverse();
            }
            at += little.len();
        };
        put(&(MAGIC | VERSION).to_le_bytes());
        put(&self.sequence.to_le_bytes());
        put(&self.time_ns.to_le_bytes());
        put(&self.sector.to_le_bytes());
        for word in [self.bytes, self.action, self.pid, self.device, self.cpu] {
            put(&word.to_le_bytes());
        }
        put(&self.error.to_le_bytes());
        put(&self.data_bytes.to_le_bytes());
        bytes
    }
}

/// Reads a stream of events.
#[derive(Debug)]
pub struct BlktraceReader<R> {
    source: R,
    order: Order,
    wanted: u32,
    record: u64,
    /// Time of the first operation: the trace begins with it.
    pub(super) start_ns: Option<u64>,
    /// The device of the event before, and its number.
    device: Option<(u32, u32)>,
    /// A flush went before it.
    held: Option<Entry>,
    pub(super) passed: Passed,
}

impl<R: BufRead> BlktraceReader<R> {
    /// For a source whose first four bytes told the order.
    pub fn new(source: R, order: Order, event: TraceEvent) -> Self {
        Self {
            source,
            order,
            wanted: match event {
                TraceEvent::Queue => ACTION_QUEUE,
                TraceEvent::Issue => ACTION_ISSUE,
            },
            record: 0,
            start_ns: None,
            device: None,
            held: None,
            passed: Passed::default(),
        }
    }

    fn wrong(&self, what: impl Into<String>) -> TraceError {
        TraceError::Format {
            place: format!("record {}", self.record),
            what: what.into(),
        }
    }

    /// The next event, whatever it is, with its data passed over.
    fn event(&mut self) -> Result<Option<Event>, TraceError> {
        if self.source.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.record += 1;
        let cut = "the trace ends in the middle of it; trace again or cut it there";
        let mut bytes = [0; EVENT_BYTES];
        if let Err(error) = self.source.read_exact(&mut bytes) {
            return Err(match error.kind() {
                std::io::ErrorKind::UnexpectedEof => self.wrong(cut),
                _ => error.into(),
            });
        }
        let Some(event) = Event::parse(&bytes, self.order) else {
            return Err(self.wrong("no event of blktrace version 7 stands there"));
        };
        let mut left = usize::from(event.data_bytes);
        while left > 0 {
            let there = self.source.fill_buf()?.len().min(left);
            if there == 0 {
                return Err(self.wrong(cut));
            }
            self.source.consume(there);
            left -= there;
        }
        Ok(Some(event))
    }

    /// The next operation.
    ///
    /// # Errors
    /// A record that is none; reading failed.
    pub fn next(&mut self, names: &mut Names) -> Result<Option<Entry>, TraceError> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        let strange = CATEGORY_PASSED | CATEGORY_NOTIFY | CATEGORY_DRIVER;
        while let Some(event) = self.event()? {
            if event.action & 0xffff != self.wanted || event.action & strange != 0 {
                self.passed.others += 1;
                continue;
            }
            if let Some(entry) = self.entry(&event, names)? {
                return Ok(Some(entry));
            }
            self.passed.empty += 1;
        }
        Ok(None)
    }

    fn entry(&mut self, event: &Event, names: &mut Names) -> Result<Option<Entry>, TraceError> {
        let flushes = event.action & CATEGORY_FLUSH != 0;
        if event.bytes == 0 && !flushes {
            return Ok(None);
        }
        let number = match self.device {
            Some((device, number)) if device == event.device => Some(number),
            _ => {
                let (major, minor) = (event.device >> 20, event.device & 0xf_ffff);
                names.number(device_name(u64::from(major), u64::from(minor)).as_bytes())
            }
        };
        let Some(name) = number else {
            return Err(self.wrong("too many devices"));
        };
        self.device = Some((event.device, name));
        let start = *self.start_ns.get_or_insert(event.time_ns);
        let offset = event.sector.checked_mul(SECTOR_BYTES);
        let offset = offset.filter(|offset| *offset < 1 << 62);
        let Some(offset) = offset else {
            return Err(self.wrong(format!("sector {} is beyond any device", event.sector)));
        };
        let kind = if event.action & CATEGORY_DISCARD != 0 {
            OpKind::Trim
        } else if event.action & CATEGORY_WRITE != 0 {
            OpKind::Write
        } else {
            OpKind::Read
        };
        let transfer = Entry {
            time_ns: event.time_ns.saturating_sub(start),
            kind,
            name,
            offset,
            length: u64::from(event.bytes),
        };
        if !flushes {
            return Ok(Some(transfer));
        }
        self.held = (event.bytes > 0).then_some(transfer);
        Ok(Some(flush_before(transfer)))
    }
}

/// The flush that goes before an operation.
pub(super) fn flush_before(entry: Entry) -> Entry {
    Entry {
        kind: OpKind::Flush,
        offset: 0,
        length: 0,
        ..entry
    }
}
