//! What `sync_file_range` covers: the bytes of a file from the first to the last that were written since
//! its last flush of any kind. Source: fio's `do_sync_file_range`.

use crate::op::{Op, OpKind, PRIORITY_SHIFT, RANGE_PAGE};
use crate::spec::RangeFlushSpec;

/// See the module.
#[derive(Debug)]
pub(super) struct RangeFlush {
    flags: u8,
    /// By file: where what was written begins and ends.
    written: Box<[Option<(u64, u64)>]>,
}

impl RangeFlush {
    /// `None` if the job asks for none.
    pub fn new(spec: Option<RangeFlushSpec>, files: usize) -> Option<Box<Self>> {
        let spec = spec.filter(|spec| spec.every > 0)?;
        Some(Box::new(Self {
            flags: spec.flags,
            written: vec![None; files].into(),
        }))
    }

    /// Notes a write that is being sent.
    pub fn wrote(&mut self, op: &Op) {
        let (start, end) = (op.offset, op.offset + u64::from(op.length));
        let range = &mut self.written[usize::from(op.file)];
        *range = Some(range.map_or((start, end), |(first, last)| {
            (first.min(start), last.max(end))
        }));
    }

    /// A flush is being sent: fills in what one of a range covers.
    pub fn flushes(&mut self, op: &mut Op) {
        let written = self.written[usize::from(op.file)].take();
        if op.kind != OpKind::RangeFlush {
            return;
        }
        let (start, end) = written.unwrap_or_default();
        let first = start / RANGE_PAGE;
        op.offset = first * RANGE_PAGE;
        // Beyond 16 TiB the rest of the file.
        op.generation = u32::try_from(end.div_ceil(RANGE_PAGE) - first).unwrap_or(u32::MAX);
        op.flags = self.flags << PRIORITY_SHIFT;
    }
}
