//! One aligned block of memory, cut into slots of equal size.

use std::io;
use std::ptr::NonNull;

/// Alignment of an arena's start, and the most that a job may ask for.
pub const ARENA_ALIGN: usize = 2 << 20;
/// Slots are multiples of this, so that every slot suits direct I/O.
pub const SLOT_ALIGN: u32 = 4096;

/// Memory shared by a job, its engine and the kernel. Slots are lent: whoever queued an operation with
/// a slot leaves it alone until the completion. The arena does not enforce that, its users do, which is
/// why access goes through raw pointers or `unsafe`.
#[derive(Debug)]
pub struct Arena {
    base: NonNull<u8>,
    length: usize,
    slot_bytes: u32,
    slot_count: u32,
    map_base: NonNull<u8>,
    map_length: usize,
}

// SAFETY: the arena is plain memory; exclusive use of each slot is the contract of its users.
unsafe impl Send for Arena {}
// SAFETY: as above; the methods of `&Arena` only compute addresses.
unsafe impl Sync for Arena {}

impl Arena {
    /// Maps `slot_count` slots of at least `slot_bytes` (rounded up to `SLOT_ALIGN`), zeroed and touched,
    /// so that no page fault happens later on. The pages are ordinary ones, as fio's are, for what a buffer
    /// is made of shows on the device: 256 KiB in one piece are one segment of a request, in pages 64 of
    /// them. Direct reads of that size on a virtio disk, 16 at a time, ran at 35,000 a second from huge
    /// pages and 11,400 from ordinary ones, with fio (`mem=mmaphuge`) as with us.
    ///
    /// # Errors
    /// `InvalidInput` when the size is 0 or overflows; otherwise what `mmap` answered.
    pub fn new(slot_count: u32, slot_bytes: u32) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let slot_bytes = slot_bytes
            .max(1)
            .checked_next_multiple_of(SLOT_ALIGN)
            .ok_or_else(invalid)?;
        let length = (slot_bytes as usize)
            .checked_mul(slot_count as usize)
            .filter(|&length| length > 0)
            .ok_or_else(invalid)?;
        let map_length = length.checked_add(ARENA_ALIGN).ok_or_else(invalid)?;
        let map_base = map(map_length, 0)?;
        let skip = map_base.as_ptr().align_offset(ARENA_ALIGN);
        // SAFETY: `skip` is below `ARENA_ALIGN`, by which the mapping is longer than `length`.
        let base = unsafe { map_base.add(skip) };
        for offset in (0..length).step_by(SLOT_ALIGN as usize) {
            // SAFETY: `offset` is below `length`, nobody else knows the mapping yet.
            unsafe { base.add(offset).write_volatile(0) };
        }
        Ok(Self {
            base,
            length,
            slot_bytes,
            slot_count,
            map_base,
            map_length,
        })
    }

    /// The same of huge pages of this size, which the kernel has to have set aside.
    ///
    /// # Errors
    /// `InvalidInput` when a size is 0, overflows or is no power of two; otherwise what `mmap` answered:
    /// out of memory when there are too few such pages.
    pub fn of_huge_pages(slot_count: u32, slot_bytes: u32, page_bytes: u64) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let slot_bytes = slot_bytes
            .max(1)
            .checked_next_multiple_of(SLOT_ALIGN)
            .ok_or_else(invalid)?;
        let length = (slot_bytes as usize)
            .checked_mul(slot_count as usize)
            .filter(|&length| length > 0 && page_bytes.is_power_of_two())
            .ok_or_else(invalid)?;
        let map_length = length
            .checked_next_multiple_of(page_bytes as usize)
            .ok_or_else(invalid)?;
        let size = (page_bytes.ilog2() as libc::c_int) << libc::MAP_HUGE_SHIFT;
        let base = map(map_length, libc::MAP_HUGETLB | libc::MAP_POPULATE | size)?;
        Ok(Self {
            base,
            length,
            slot_bytes,
            slot_count,
            map_base: base,
            map_length,
        })
    }

    /// An arena over memory that somebody else owns: slots of a device driven from TypeScript. Alignment
    /// is the owner's business. `None` when the slots are none, or do not fit `length`.
    ///
    /// # Safety
    /// The memory MUST stay valid and in place for the life of the arena.
    #[must_use]
    pub unsafe fn over(
        base: *mut u8,
        length: usize,
        slot_count: u32,
        slot_bytes: u32,
    ) -> Option<Self> {
        let needed = (slot_bytes as usize).checked_mul(slot_count as usize)?;
        let base = NonNull::new(base)?;
        (needed > 0 && needed <= length).then_some(Self {
            base,
            length: needed,
            slot_bytes,
            slot_count,
            map_base: base,
            map_length: 0,
        })
    }

    /// First byte; aligned to `ARENA_ALIGN`.
    #[must_use]
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Bytes of all slots.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Bytes of one slot, a multiple of `SLOT_ALIGN`.
    #[must_use]
    pub fn slot_bytes(&self) -> u32 {
        self.slot_bytes
    }

    /// Number of slots.
    #[must_use]
    pub fn slot_count(&self) -> u32 {
        self.slot_count
    }

    /// First byte of a slot; `slot` must be below `slot_count`.
    #[inline]
    #[must_use]
    pub fn slot_ptr(&self, slot: u32) -> *mut u8 {
        debug_assert!(slot < self.slot_count, "slot out of range");
        self.base
            .as_ptr()
            .wrapping_add(slot as usize * self.slot_bytes as usize)
    }

    /// The first `length` bytes of a slot.
    ///
    /// # Safety
    /// The slot must not be lent to an operation in flight, nor be borrowed otherwise.
    ///
    /// # Panics
    /// When the slot or the length is out of range.
    #[inline]
    #[must_use]
    #[expect(
        clippy::mut_from_ref,
        reason = "slots are lent by contract, see the type"
    )]
    pub unsafe fn slot(&self, slot: u32, length: usize) -> &mut [u8] {
        assert!(
            slot < self.slot_count && length <= self.slot_bytes as usize,
            "slot out of range"
        );
        // SAFETY: in range by the assert; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.slot_ptr(slot), length) }
    }
}

/// Anonymous private memory.
fn map(length: usize, flags: libc::c_int) -> io::Result<NonNull<u8>> {
    // SAFETY: an anonymous private mapping at an address of the kernel's choice touches nothing.
    let map = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags,
            -1,
            0,
        )
    };
    if map == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(map.cast::<u8>()).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

impl Drop for Arena {
    fn drop(&mut self) {
        if self.map_length == 0 {
            return;
        }
        // SAFETY: the mapping was made by `new` with this length and ends here.
        unsafe { libc::munmap(self.map_base.as_ptr().cast(), self.map_length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_aligned_apart_and_zeroed() {
        let arena = Arena::new(3, 5000).unwrap();
        assert_eq!(arena.slot_bytes(), 8192);
        assert_eq!(arena.length(), 3 * 8192);
        assert_eq!(arena.base() as usize % ARENA_ALIGN, 0);
        for slot in 0..3 {
            // SAFETY: nothing is in flight.
            let bytes = unsafe { arena.slot(slot, 8192) };
            assert!(bytes.iter().all(|&byte| byte == 0));
            bytes.fill(slot as u8 + 1);
        }
        // SAFETY: nothing is in flight.
        assert!(unsafe { arena.slot(1, 8192) }.iter().all(|&byte| byte == 2));
    }

    #[test]
    fn huge_pages_are_used_or_refused() {
        match Arena::of_huge_pages(3, 5000, 2 << 20) {
            Ok(arena) => {
                assert_eq!(arena.base() as usize % (2 << 20), 0);
                // SAFETY: nothing is in flight.
                unsafe { arena.slot(2, 8192).fill(1) };
            }
            // None are set aside on this machine.
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::ENOMEM)),
        }
        assert!(Arena::of_huge_pages(1, 4096, 3 << 20).is_err());
        assert!(Arena::of_huge_pages(0, 4096, 2 << 20).is_err());
    }

    #[test]
    fn lies_over_foreign_memory() {
        let mut memory = vec![1_u8; 1536];
        let (base, length) = (memory.as_mut_ptr(), memory.len());
        // SAFETY: the vector outlives the arenas.
        unsafe {
            assert!(Arena::over(base, length, 4, 512).is_none());
            assert!(Arena::over(base, length, 0, 512).is_none());
            let arena = Arena::over(base, length, 3, 512).unwrap();
            arena.slot(2, 512).fill(7);
        }
        assert_eq!(
            memory.iter().map(|&b| u32::from(b)).sum::<u32>(),
            1024 + 512 * 7
        );
    }

    #[test]
    fn refuses_nothing_and_too_much() {
        assert!(Arena::new(0, 4096).is_err());
        assert!(Arena::new(u32::MAX, u32::MAX - 4096).is_err());
    }
}
