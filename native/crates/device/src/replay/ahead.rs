//! The thread that reads a trace ahead of its job.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use osdyno_core::op::OpKind;
use osdyno_core::trace::Shape;

use super::merge::Merge;
use super::{CHUNK, Planned, ReplayError, TraceSpec};
use crate::cpu;

/// What the thread hands over.
#[derive(Debug)]
pub(super) enum Message {
    /// The next operations.
    Chunk(Vec<Planned>),
    /// There are no more.
    End,
    /// The trace cannot be read on.
    Failed(String),
}

/// Both ends of the job's side.
#[derive(Debug)]
pub(super) struct Channels {
    pub full: Receiver<Message>,
    /// Emptied chunks go back through it.
    pub empty: SyncSender<Vec<Planned>>,
}

/// Reads ahead, at most `chunks` chunks. Ends when the channels are dropped.
struct Ahead {
    spec: TraceSpec,
    most_block: u32,
    full: SyncSender<Message>,
    empty: Receiver<Vec<Planned>>,
    chunk: Vec<Planned>,
    chunks_left: usize,
    operations_left: u64,
    bytes_left: u64,
    /// Which file each name of the trace is; found out when a name first comes.
    files: Vec<Option<u16>>,
}

/// Why reading ends.
enum Ended {
    /// The job is gone.
    Alone,
    Failed(String),
}

impl From<ReplayError> for Ended {
    fn from(error: ReplayError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Starts the thread.
///
/// # Errors
/// There is no thread to be had.
pub(super) fn read_ahead(
    spec: TraceSpec,
    most_block: u32,
    chunks: usize,
) -> std::io::Result<Channels> {
    // Room for every chunk and the last word: neither side ever waits to send.
    let (full, full_receiver) = sync_channel(chunks + 2);
    let (empty_sender, empty) = sync_channel(chunks + 2);
    let mut ahead = Ahead {
        operations_left: spec.most_operations.unwrap_or(u64::MAX),
        bytes_left: spec.most_bytes.unwrap_or(u64::MAX),
        spec,
        most_block,
        full,
        empty,
        chunk: Vec::with_capacity(CHUNK),
        chunks_left: chunks.max(2) - 1,
        files: Vec::new(),
    };
    std::thread::Builder::new()
        .name("trace".to_owned())
        .spawn(move || {
            // The job's thread may be bound to a CPU, which is the job's alone.
            cpu::unpin();
            let last = match ahead.read() {
                Ok(()) => Message::End,
                Err(Ended::Failed(message)) => Message::Failed(message),
                Err(Ended::Alone) => return,
            };
            let chunk = std::mem::take(&mut ahead.chunk);
            let _ = ahead.full.send(Message::Chunk(chunk));
            let _ = ahead.full.send(last);
        })?;
    Ok(Channels {
        full: full_receiver,
        empty: empty_sender,
    })
}

impl Ahead {
    fn read(&mut self) -> Result<(), Ended> {
        let mut base_ns = 0;
        let mut pass = 0;
        while self.spec.passes == 0 || pass < self.spec.passes {
            let (end_ns, any) = self.read_pass(base_ns)?;
            if !any || self.operations_left == 0 || self.bytes_left == 0 {
                break;
            }
            base_ns = end_ns;
            pass += 1;
        }
        Ok(())
    }

    /// One pass; when its last operation is sent, and whether there was any.
    fn read_pass(&mut self, base_ns: u64) -> Result<(u64, bool), Ended> {
        let mut merge = Merge::open(&self.spec.inputs, self.spec.event)?;
        let mut shape = Shape::new(&self.spec.shape);
        self.files.clear();
        let (mut end_ns, mut any) = (base_ns, false);
        while let Some((entry, _)) = merge.earliest()? {
            let Some(entry) = shape.apply(entry) else {
                continue;
            };
            let number = entry.name as usize;
            while self.files.len() <= number {
                let name = merge.names.text(self.files.len() as u32);
                let known = self.spec.files.iter().find(|file| file.name == name);
                self.files.push(known.map(|file| file.file));
            }
            let Some(file) = self.files[number] else {
                let name = merge.names.text(entry.name);
                let what = format!(
                    "the trace names {name}, which it did not when it was looked at before the run"
                );
                return Err(Ended::Failed(what));
            };
            any = true;
            end_ns = base_ns.saturating_add(entry.time_ns);
            for piece in Shape::pieces(&entry, self.most_block) {
                self.push(Planned {
                    time_ns: end_ns,
                    offset: piece.offset,
                    length: piece.length,
                    file,
                    kind: entry.kind,
                    last: !piece.more,
                })?;
            }
            self.operations_left -= 1;
            if entry.kind != OpKind::Trim {
                self.bytes_left = self.bytes_left.saturating_sub(entry.length);
            }
            if self.operations_left == 0 || self.bytes_left == 0 {
                break;
            }
        }
        Ok((end_ns, any))
    }

    #[inline]
    fn push(&mut self, planned: Planned) -> Result<(), Ended> {
        if self.chunk.len() == CHUNK {
            let fresh = self.fresh()?;
            let full = std::mem::replace(&mut self.chunk, fresh);
            self.full
                .send(Message::Chunk(full))
                .map_err(|_| Ended::Alone)?;
        }
        self.chunk.push(planned);
        Ok(())
    }

    /// An empty chunk: one that came back, a new one, or the next that comes back.
    fn fresh(&mut self) -> Result<Vec<Planned>, Ended> {
        match self.empty.try_recv() {
            Ok(chunk) => return Ok(chunk),
            Err(TryRecvError::Disconnected) => return Err(Ended::Alone),
            Err(TryRecvError::Empty) => {}
        }
        if self.chunks_left > 0 {
            self.chunks_left -= 1;
            return Ok(Vec::with_capacity(CHUNK));
        }
        self.empty.recv().map_err(|_| Ended::Alone)
    }
}
