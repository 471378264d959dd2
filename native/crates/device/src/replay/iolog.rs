//! Recording a job as an iolog of version 3, as fio's `write_iolog` does: appended to the file, with
//! times in microseconds since the job's start, when operations were sent. The job's thread only fills
//! chunks; another one formats and writes them.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Result, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use osdyno_core::op::{Op, OpKind};
use serde::{Deserialize, Serialize};

use super::{CHUNK, Planned};
use crate::cpu;

/// Chunks that may wait to be written: 6 MiB. Beyond, the job waits.
const WAITING: usize = 64;
/// Bytes that are written at once.
const BUFFER: usize = 256 * 1024;

/// Where a job is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IologSpec {
    /// The file; made if it is not there, else appended to.
    pub path: String,
    /// What the job's files are called in it.
    pub names: Vec<String>,
}

/// See the module.
#[derive(Debug)]
pub struct IologWriter {
    chunk: Vec<Planned>,
    /// `None` once the thread is gone.
    full: Option<SyncSender<Vec<Planned>>>,
    empty: Receiver<Vec<Planned>>,
    thread: JoinHandle<Result<()>>,
    end_ns: u64,
    /// Times that the job waited for the file.
    pub waits: u64,
}

impl IologWriter {
    /// Opens the file and writes what comes before the first operation.
    ///
    /// # Errors
    /// The file cannot be opened; there is no thread to be had.
    pub fn open(spec: &IologSpec) -> Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&spec.path)?;
        let (full, receiver) = sync_channel::<Vec<Planned>>(WAITING);
        let (give_back, empty) = sync_channel(WAITING + 2);
        let names = spec.names.clone();
        let thread = std::thread::Builder::new()
            .name("iolog".to_owned())
            .spawn(move || {
                cpu::unpin();
                write_all(file, &names, &receiver, &give_back)
            })?;
        Ok(Self {
            chunk: Vec::with_capacity(CHUNK),
            full: Some(full),
            empty,
            thread,
            end_ns: 0,
            waits: 0,
        })
    }

    /// Notes an operation that was sent at `time_ns` since the job's start.
    #[inline]
    pub fn record(&mut self, op: &Op, time_ns: u64) {
        if self.chunk.len() == CHUNK {
            self.hand_over();
        }
        self.chunk.push(Planned {
            time_ns,
            offset: op.offset,
            length: op.length,
            file: op.file,
            kind: op.kind,
            last: true,
        });
        self.end_ns = time_ns;
    }

    #[cold]
    fn hand_over(&mut self) {
        let fresh = self
            .empty
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(CHUNK));
        let chunk = std::mem::replace(&mut self.chunk, fresh);
        let Some(full) = &self.full else { return };
        let sent = match full.try_send(chunk) {
            Ok(()) => true,
            Err(TrySendError::Full(chunk)) => {
                self.waits += 1;
                full.send(chunk).is_ok()
            }
            Err(TrySendError::Disconnected(_)) => false,
        };
        if !sent {
            // Writing failed: `close` says how.
            self.full = None;
        }
    }

    /// Writes what is left. `end_ns`: the job's end since its start.
    ///
    /// # Errors
    /// Something could not be written.
    pub fn close(mut self, end_ns: u64) -> Result<()> {
        self.chunk.push(end_mark(end_ns.max(self.end_ns)));
        self.hand_over();
        self.full = None;
        self.thread
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("the thread that writes it panicked")))
    }
}

/// A chunk's last row at the job's end: not an operation.
fn end_mark(time_ns: u64) -> Planned {
    Planned {
        time_ns,
        offset: 0,
        length: 0,
        file: 0,
        kind: OpKind::Flush,
        last: false,
    }
}

pub(super) fn action(kind: OpKind) -> &'static str {
    match kind {
        OpKind::Read => "read",
        OpKind::Write | OpKind::WriteZeroes => "write",
        OpKind::Trim => "trim",
        OpKind::Flush => "sync",
        OpKind::DataFlush => "datasync",
        OpKind::RangeFlush => "sync_file_range",
    }
}

fn write_all(
    file: File,
    names: &[String],
    full: &Receiver<Vec<Planned>>,
    give_back: &SyncSender<Vec<Planned>>,
) -> Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, file);
    writeln!(out, "fio version 3 iolog")?;
    for word in ["add", "open"] {
        for name in names {
            writeln!(out, "0 {name} {word}")?;
        }
    }
    // fio writes a flush with the offset that its unit of I/O had before.
    let mut offset = 0;
    while let Ok(mut chunk) = full.recv() {
        for row in &chunk {
            let micros = row.time_ns / 1000;
            if !row.last {
                for name in names {
                    writeln!(out, "{micros} {name} close")?;
                }
                continue;
            }
            let name = names.get(usize::from(row.file)).map_or("?", String::as_str);
            if !matches!(
                row.kind,
                OpKind::Flush | OpKind::DataFlush | OpKind::RangeFlush
            ) {
                offset = row.offset;
            }
            let (action, length) = (action(row.kind), row.length);
            writeln!(out, "{micros} {name} {action} {offset} {length}")?;
        }
        chunk.clear();
        let _ = give_back.try_send(chunk);
    }
    out.flush()
}
