//! Writing back cache lines, by the best instruction that the CPU has. Memory that is persistent holds
//! what was written back once a fence has waited for it.

/// Bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;

/// How cache lines are written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteBack {
    /// `clwb`: writes back and may keep the line; several at once.
    Clwb,
    /// `clflushopt`: writes back and evicts; several at once.
    Clflushopt,
    /// `clflush`: writes back and evicts, one after the other.
    Clflush,
}

impl WriteBack {
    /// The instruction's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clwb => "clwb",
            Self::Clflushopt => "clflushopt",
            Self::Clflush => "clflush",
        }
    }
}

/// The best instruction of this CPU; `None` where none is known.
#[must_use]
#[cfg(target_arch = "x86_64")]
pub fn detect() -> Option<WriteBack> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    // Leaf 7 tells of clflushopt in bit 23 and of clwb in bit 24 of EBX, leaf 1 of clflush in bit 19 of
    // EDX (Intel 64 manual, volume 2, CPUID).
    let extended = if __cpuid(0).eax >= 7 {
        __cpuid_count(7, 0).ebx
    } else {
        0
    };
    if extended & (1 << 24) != 0 {
        Some(WriteBack::Clwb)
    } else if extended & (1 << 23) != 0 {
        Some(WriteBack::Clflushopt)
    } else {
        (__cpuid(1).edx & (1 << 19) != 0).then_some(WriteBack::Clflush)
    }
}

/// Starts writing back every line of a range.
///
/// # Safety
/// The range MUST be mapped, the CPU MUST have the instruction.
#[cfg(target_arch = "x86_64")]
pub unsafe fn write_back(by: WriteBack, start: *const u8, length: usize) {
    use std::arch::asm;

    let first = start.addr() & !(LINE - 1);
    for line in (first..start.addr() + length).step_by(LINE) {
        // SAFETY: the line holds a byte of the range; the instructions change no data.
        unsafe {
            match by {
                WriteBack::Clwb => {
                    asm!("clwb [{}]", in(reg) line, options(nostack, preserves_flags));
                }
                WriteBack::Clflushopt => {
                    asm!("clflushopt [{}]", in(reg) line, options(nostack, preserves_flags));
                }
                WriteBack::Clflush => {
                    asm!("clflush [{}]", in(reg) line, options(nostack, preserves_flags));
                }
            }
        }
    }
}

/// Waits until everything that was written back before has arrived.
#[cfg(target_arch = "x86_64")]
pub fn fence() {
    // SAFETY: every x86-64 CPU has it, and it touches nothing.
    unsafe { std::arch::x86_64::_mm_sfence() };
}

/// See above: no instruction is known for this kind of CPU.
#[must_use]
#[cfg(not(target_arch = "x86_64"))]
pub fn detect() -> Option<WriteBack> {
    None
}

/// See above.
///
/// # Safety
/// Never called: `detect` found no instruction.
#[cfg(not(target_arch = "x86_64"))]
pub unsafe fn write_back(_by: WriteBack, _start: *const u8, _length: usize) {}

/// See above.
#[cfg(not(target_arch = "x86_64"))]
pub fn fence() {}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn finds_what_the_kernel_found() {
        let facts = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let flags = facts.lines().find(|line| line.starts_with("flags"));
        let has = |name: &str| flags.is_some_and(|line| line.split(' ').any(|flag| flag == name));
        let best = [WriteBack::Clwb, WriteBack::Clflushopt, WriteBack::Clflush]
            .into_iter()
            .find(|by| has(by.name()));
        assert_eq!(detect(), best);
    }

    #[test]
    fn writing_back_leaves_the_data_alone() {
        let mut bytes = vec![0_u8; 4096];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = (at % 251) as u8;
        }
        let copy = bytes.clone();
        for by in [WriteBack::Clwb, WriteBack::Clflushopt, WriteBack::Clflush] {
            let rank = |by: WriteBack| by as u8;
            if detect().is_some_and(|best| rank(by) >= rank(best)) {
                for (start, length) in [(0, 4096), (1, 1), (63, 2), (100, 0)] {
                    // SAFETY: within the vector; a CPU with a better instruction has the others.
                    unsafe { write_back(by, bytes.as_ptr().add(start), length) };
                }
                fence();
            }
        }
        assert_eq!(bytes, copy);
    }
}
