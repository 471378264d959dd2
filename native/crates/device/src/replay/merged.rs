//! Several traces merged into a file (`merge_blktrace_file`): block traces into a binary block trace, as
//! fio does; as soon as one of them is an iolog, into an iolog of version 3.

use std::fs::File;
use std::io::{BufWriter, Error, Result, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use osdyno_core::op::OpKind;
use osdyno_core::trace::blktrace::{
    ACTION_QUEUE, CATEGORY_DISCARD, CATEGORY_FLUSH, CATEGORY_READ, CATEGORY_WRITE, Event, Order,
    SECTOR_BYTES,
};
use osdyno_core::trace::{Entry, Format, Names, Shape, device_number};

use super::TraceSpec;
use super::iolog::action;
use super::merge::Merge;

const BUFFER: usize = 256 * 1024;
/// Operations between two looks at the flag that ends it.
const LOOK: u64 = 65_536;

/// Writes what the inputs of `spec` hold, merged by time, to `path`: a new file, or over an old one.
/// Answers how many operations that were.
///
/// # Errors
/// A trace cannot be read, or the file not be written; `ended` was set. What was written stays.
pub fn write_merged(spec: &TraceSpec, path: &str, ended: &AtomicBool) -> Result<u64> {
    let mut merge = Merge::open(&spec.inputs, spec.event).map_err(Error::other)?;
    let mut formats = merge.formats().into_iter();
    let binary = formats.all(|format| matches!(format, Format::Blktrace | Format::Blkparse));
    let mut out = BufWriter::with_capacity(BUFFER, File::create(path)?);
    if !binary {
        writeln!(out, "fio version 3 iolog")?;
    }
    let mut count = 0_u64;
    let mut added = 0;
    while let Some((entry, _)) = merge.earliest().map_err(Error::other)? {
        if binary {
            write_event(&mut out, &entry, &merge.names, count)?;
        } else {
            let micros = entry.time_ns / 1000;
            for number in added..merge.names.count() as u32 {
                writeln!(out, "{micros} {} add", merge.names.text(number))?;
            }
            added = merge.names.count() as u32;
            let (name, action) = (merge.names.text(entry.name), action(entry.kind));
            let (offset, length) = (entry.offset, entry.length);
            writeln!(out, "{micros} {name} {action} {offset} {length}")?;
        }
        count += 1;
        if count.is_multiple_of(LOOK) && ended.load(Ordering::Relaxed) {
            return Err(Error::other("stopped"));
        }
    }
    out.flush()?;
    Ok(count)
}

fn write_event(out: &mut impl Write, entry: &Entry, names: &Names, count: u64) -> Result<()> {
    let category = match entry.kind {
        OpKind::Read => CATEGORY_READ,
        OpKind::Write | OpKind::WriteZeroes => CATEGORY_WRITE,
        OpKind::Trim => CATEGORY_WRITE | CATEGORY_DISCARD,
        OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush => CATEGORY_WRITE | CATEGORY_FLUSH,
    };
    let device = device_number(&names.text(entry.name))
        .ok_or_else(|| Error::other("a device number that no block trace can hold"))?;
    // An event's bytes are 32 bits wide.
    for piece in Shape::pieces(entry, 1 << 30) {
        let event = Event {
            sequence: count as u32,
            time_ns: entry.time_ns,
            sector: piece.offset / SECTOR_BYTES,
            bytes: piece.length,
            action: ACTION_QUEUE | category,
            device,
            ..Event::default()
        };
        out.write_all(&event.encode(Order::Little))?;
    }
    Ok(())
}
