//! Devices that keep every write and flush in order, so that any image that a power cut could leave
//! behind can be built and opened again.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use osdyno_core::rng::Rng;

use super::Device;
use super::memory::{MemoryDevice, range};

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A write that returned.
    Write {
        /// Which device of the recording.
        device: usize,
        /// Bytes from the start of the device.
        offset: u64,
        /// What was written.
        data: Vec<u8>,
    },
    /// A flush that returned.
    Flush {
        /// Which device of the recording.
        device: usize,
    },
    /// Something the caller wants to find again, such as an acknowledged commit.
    Mark(u64),
}

/// A history over several devices.
#[derive(Default)]
pub struct Recording {
    events: Mutex<Vec<Event>>,
}

impl Recording {
    /// An empty one.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// A device of this recording; `index` names it in the events.
    pub fn device(self: &Arc<Self>, index: usize, size: u64) -> RecordedDevice {
        RecordedDevice {
            recording: self.clone(),
            index,
            memory: MemoryDevice::new(size),
            omitted: None,
            flushes: Mutex::new(0),
        }
    }

    /// Notes that something happened by now.
    pub fn mark(&self, value: u64) {
        self.lock().push(Event::Mark(value));
    }

    /// Everything so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A device in memory that notes what is done to it.
pub struct RecordedDevice {
    recording: Arc<Recording>,
    index: usize,
    memory: MemoryDevice,
    omitted: Option<u64>,
    flushes: Mutex<u64>,
}

impl RecordedDevice {
    /// A planted defect: each `every`-th flush claims to be done and is not.
    #[must_use]
    pub fn omitting_flushes(mut self, every: u64) -> Self {
        self.omitted = Some(every);
        self
    }
}

impl Device for RecordedDevice {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.memory.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        // Under the lock, so that the order of the events is the order of the effects.
        let mut events = self.recording.lock();
        self.memory.write_at(offset, bytes)?;
        events.push(Event::Write {
            device: self.index,
            offset,
            data: bytes.to_vec(),
        });
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut flushes = self.flushes.lock().unwrap_or_else(PoisonError::into_inner);
        *flushes += 1;
        if self
            .omitted
            .is_none_or(|every| !flushes.is_multiple_of(every))
        {
            self.recording
                .lock()
                .push(Event::Flush { device: self.index });
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        self.memory.size()
    }
}

/// Builds images of one recording at increasing points of time.
pub struct Cutter<'a> {
    events: &'a [Event],
    /// What is certainly on each device by now.
    durable: Vec<Vec<u8>>,
    /// Indexes of events whose writes may be lost.
    open: Vec<Vec<usize>>,
    next: usize,
}

impl<'a> Cutter<'a> {
    /// Before the first event; `sizes` of the devices.
    #[must_use]
    pub fn new(events: &'a [Event], sizes: &[u64]) -> Self {
        Self {
            events,
            durable: sizes.iter().map(|&size| vec![0; size as usize]).collect(),
            open: vec![Vec::new(); sizes.len()],
            next: 0,
        }
    }

    /// Goes on until just before event `until`.
    ///
    /// # Panics
    /// When that lies behind.
    pub fn advance(&mut self, until: usize) {
        assert!(until >= self.next, "a cutter goes forward");
        for index in self.next..until {
            match &self.events[index] {
                Event::Write { device, .. } => self.open[*device].push(index),
                Event::Flush { device } => {
                    for open in std::mem::take(&mut self.open[*device]) {
                        let (offset, data) = write_of(&self.events[open]);
                        place(&mut self.durable[*device], offset, data, 0..data.len());
                    }
                }
                Event::Mark(_) => {}
            }
        }
        self.next = until;
    }

    /// Writes that a power cut now may lose.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.open.iter().map(Vec::len).sum()
    }

    /// One image per device: of each unflushed write, each sector of `sector` bytes is kept or lost
    /// by chance.
    #[must_use]
    pub fn images(&self, rng: &mut Rng, sector: usize) -> Vec<Vec<u8>> {
        let mut images = self.durable.clone();
        // One law per image: all lost, all kept, or some share of them, whole or torn.
        let law = rng.below(6);
        for (image, open) in images.iter_mut().zip(&self.open) {
            for &index in open {
                let (offset, data) = write_of(&self.events[index]);
                let whole = rng.below(2) == 0;
                for start in (0..data.len()).step_by(sector) {
                    let kept = match law {
                        0 => false,
                        1 => true,
                        2 | 3 => whole,
                        _ => rng.below(law) > 1,
                    };
                    if kept {
                        place(image, offset, data, start..(start + sector).min(data.len()));
                    }
                }
            }
        }
        images
    }
}

fn write_of(event: &Event) -> (u64, &[u8]) {
    match event {
        Event::Write { offset, data, .. } => (*offset, data),
        _ => (0, &[]),
    }
}

fn place(image: &mut [u8], offset: u64, data: &[u8], part: Range<usize>) {
    let target = range(offset, data.len(), image.len()).unwrap_or(0..0);
    if let Some(target) = image[target].get_mut(part.clone()) {
        target.copy_from_slice(&data[part]);
    }
}
