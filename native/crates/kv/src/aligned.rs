//! Growing byte buffers whose memory suits direct I/O.

/// Alignment of the memory, and what device writes are multiples of.
pub const BLOCK_BYTES: usize = 4096;

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Block([u8; BLOCK_BYTES]);

const ZERO: Block = Block([0; BLOCK_BYTES]);

/// Bytes in memory aligned to 4096.
#[derive(Default)]
pub struct AlignedBuffer {
    blocks: Vec<Block>,
    length: usize,
}

impl AlignedBuffer {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `length` zeroes.
    #[must_use]
    pub fn zeroed(length: usize) -> Self {
        Self {
            blocks: vec![ZERO; length.div_ceil(BLOCK_BYTES)],
            length,
        }
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn whole(&self) -> &[u8] {
        let bytes = self.blocks.len() * BLOCK_BYTES;
        // SAFETY: a block is plain bytes without padding, and the vector holds `blocks.len()` of
        // them.
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast(), bytes) }
    }

    fn whole_mut(&mut self) -> &mut [u8] {
        let bytes = self.blocks.len() * BLOCK_BYTES;
        // SAFETY: as in `whole`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast(), bytes) }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.whole()[..self.length]
    }

    /// The bytes, to change.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let length = self.length;
        &mut self.whole_mut()[..length]
    }

    /// The bytes and the zeroes behind them up to the next multiple of a block.
    #[must_use]
    pub fn padded(&self) -> &[u8] {
        &self.whole()[..self.length.next_multiple_of(BLOCK_BYTES)]
    }

    /// Adds bytes at the end.
    pub fn extend(&mut self, bytes: &[u8]) {
        let start = self.length;
        let end = start + bytes.len();
        let blocks = end.div_ceil(BLOCK_BYTES);
        if blocks > self.blocks.len() {
            self.blocks.resize(blocks, ZERO);
        }
        self.whole_mut()[start..end].copy_from_slice(bytes);
        self.length = end;
    }

    /// Drops all whole blocks from the front, so that only the last, partly filled one stays.
    pub fn keep_tail(&mut self) {
        let kept = self.length % BLOCK_BYTES;
        let start = self.length - kept;
        if start > 0 {
            self.whole_mut().copy_within(start..start + kept, 0);
            self.blocks.truncate(usize::from(kept > 0));
        }
        self.length = kept;
        self.whole_mut()[kept..].fill(0);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.length = 0;
    }
}
