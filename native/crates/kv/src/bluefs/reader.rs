//! Reading files.

use std::sync::Arc;

use super::envelope::Piece;
use super::state::Node;
use super::{BlueFs, locked};
use crate::error::Result;

/// A file open for reading.
pub struct FileReader {
    fs: Arc<BlueFs>,
    node: Arc<Node>,
    /// Of an enveloped file: its envelopes when it was opened.
    pieces: Option<Vec<Piece>>,
}

impl FileReader {
    pub(super) fn new(fs: Arc<BlueFs>, node: Arc<Node>) -> Result<Self> {
        let mut reader = Self {
            fs,
            node,
            pieces: None,
        };
        let live = locked(&reader.node.live).clone();
        if live.enveloped {
            reader.pieces = Some(reader.fs.envelopes(&reader.node, &live)?.pieces);
        }
        Ok(reader)
    }

    /// Bytes of content.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.pieces {
            Some(pieces) => pieces.last().map_or(0, |last| last.content + last.length),
            None => locked(&self.node.live).size,
        }
    }

    /// Fills the buffer from this offset, as far as the file goes; returns how far.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let left = self.size().saturating_sub(offset);
        let length = left.min(buffer.len() as u64) as usize;
        if length == 0 {
            return Ok(0);
        }
        let buffer = &mut buffer[..length];
        let extents = locked(&self.node.live).extents.clone();
        let Some(pieces) = &self.pieces else {
            self.fs.read_extents(&extents, offset, buffer)?;
            return Ok(length);
        };
        let mut done = 0;
        let mut index = pieces.partition_point(|piece| piece.content + piece.length <= offset);
        while done < length {
            let piece = pieces[index];
            let skip = offset + done as u64 - piece.content;
            let part = ((piece.length - skip) as usize).min(length - done);
            let target = &mut buffer[done..done + part];
            self.fs.read_extents(&extents, piece.place + skip, target)?;
            done += part;
            index += 1;
        }
        Ok(length)
    }
}

impl Drop for FileReader {
    fn drop(&mut self) {
        self.fs.closed(self.node.ino);
    }
}
