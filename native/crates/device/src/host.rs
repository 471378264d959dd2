//! Where a job's thread runs and its memory comes from.

use std::io;

use crate::control::{HostSpec, MemoryMode, MemoryPolicySpec};
use crate::cpu;

/// Memory that a job pins beside its buffers. Unpinned when dropped.
#[derive(Debug)]
pub struct Pinned {
    base: *mut libc::c_void,
    length: usize,
}

impl Pinned {
    fn new(length: usize) -> io::Result<Self> {
        // SAFETY: an anonymous private mapping at an address of the kernel's choice touches nothing.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let pinned = Self { base, length };
        // SAFETY: the mapping is ours and this long.
        if unsafe { libc::mlock(base, length) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(pinned)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length and ends here.
        unsafe { libc::munmap(self.base, self.length) };
    }
}

/// What failed, and why.
type Failure = (String, io::Error);

fn check(result: libc::c_long, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if result == 0 {
        Ok(())
    } else {
        Err((what(), io::Error::last_os_error()))
    }
}

/// Bits of the masks of nodes that go to and from the kernel: as many nodes as Linux can be built for.
const NODE_BITS: usize = 1024;

/// Sets from which NUMA nodes the calling thread, and threads that it makes from then on, have the pages that
/// they touch first. Pages that are there stay where they are.
///
/// # Errors
/// What the kernel refuses: `EINVAL` for nodes that are not there, have no memory or may not be used,
/// `ENOSYS` without NUMA, `EPERM` in some sandboxes.
pub fn set_memory_policy(policy: &MemoryPolicySpec) -> io::Result<()> {
    // Numbers of `linux/mempolicy.h`.
    let mode: libc::c_int = match policy.mode {
        MemoryMode::Default => 0,
        MemoryMode::Prefer => 1,
        MemoryMode::Bind => 2,
        MemoryMode::Interleave => 3,
        MemoryMode::Local => 4,
    };
    let takes_nodes = !matches!(policy.mode, MemoryMode::Default | MemoryMode::Local);
    set_policy(mode, if takes_nodes { &policy.nodes } else { &[] })
}

fn set_policy(mode: libc::c_int, nodes: &[u32]) -> io::Result<()> {
    let mut mask = [0_u64; NODE_BITS / 64];
    for &node in nodes {
        *mask
            .get_mut(node as usize / 64)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))? |= 1 << (node % 64);
    }
    // Without nodes there MUST be no mask: of one of 0 bits the kernel says EINVAL.
    let (mask, bits) = if nodes.is_empty() {
        (std::ptr::null(), 0)
    } else {
        (mask.as_ptr(), NODE_BITS)
    };
    // SAFETY: the kernel reads `bits` bits of the mask, which outlives the call, or nothing.
    let result = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A thread's memory policy in the kernel's numbers, whatever it is: to be put back as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMemoryPolicy {
    mode: libc::c_int,
    nodes: Vec<u32>,
}

impl KeptMemoryPolicy {
    /// That of the calling thread.
    ///
    /// # Errors
    /// `ENOSYS` without NUMA, `EPERM` in some sandboxes.
    pub fn of_this_thread() -> io::Result<Self> {
        let mut mode: libc::c_int = 0;
        let mut mask = [0_u64; NODE_BITS / 64];
        // SAFETY: the kernel writes one number and at most `NODE_BITS` bits.
        let result = unsafe {
            let (mode, mask) = (&raw mut mode, mask.as_mut_ptr());
            libc::syscall(
                libc::SYS_get_mempolicy,
                mode,
                mask,
                NODE_BITS,
                0_usize,
                0_usize,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        let is_set = |node: &u32| mask[*node as usize / 64] >> (node % 64) & 1 == 1;
        let nodes = (0..NODE_BITS as u32).filter(is_set).collect();
        Ok(Self { mode, nodes })
    }

    /// Puts it back, on the calling thread.
    ///
    /// # Errors
    /// As `set_memory_policy`.
    pub fn put_back(&self) -> io::Result<()> {
        set_policy(self.mode, &self.nodes)
    }
}

fn place_memory(policy: &MemoryPolicySpec) -> Result<(), Failure> {
    set_memory_policy(policy).map_err(|error| {
        let MemoryPolicySpec { mode, nodes } = policy;
        (
            format!("memory policy {mode:?} over NUMA nodes {nodes:?}"),
            error,
        )
    })
}

/// Puts the calling thread where it belongs; what it pins lives as long as the answer.
///
/// # Errors
/// What the machine refuses, with its reason.
pub fn place_thread(spec: &HostSpec, cpus: &[u32]) -> Result<Option<Pinned>, Failure> {
    if !cpus.is_empty() {
        cpu::pin(cpus).map_err(|source| (format!("run on CPUs {cpus:?}"), source))?;
    }
    if let Some(policy) = &spec.memory_policy {
        place_memory(policy)?;
    }
    let pinned = (spec.locked_bytes > 0).then(|| Pinned::new(spec.locked_bytes as usize));
    let pinned = pinned.transpose().map_err(|source| {
        let what = format!(
            "pin {} bytes (lockmem; `ulimit -l` may be lower)",
            spec.locked_bytes
        );
        (what, source)
    })?;
    if let Some((class, level)) = spec.io_priority {
        let value = libc::c_int::from(class) << 13 | libc::c_int::from(level);
        // 1 = a thread, by number; 0 = this one.
        // SAFETY: the call takes numbers only.
        let result = unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, value) };
        check(result, || {
            format!("I/O priority class {class}, level {level} (class 1 needs root)")
        })?;
    }
    if spec.nice != 0 {
        // SAFETY: the calls take numbers only; the thread's own value lies between -20 and 19.
        let result = unsafe {
            let nice = libc::getpriority(libc::PRIO_PROCESS, 0) + spec.nice;
            libc::setpriority(libc::PRIO_PROCESS, 0, nice.clamp(-20, 19))
        };
        check(result.into(), || {
            format!("nice {} (below 0 needs root)", spec.nice)
        })?;
    }
    Ok(pinned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a thread of its own: what it changes ends with it.
    fn apart(test: impl FnOnce() + Send + 'static) {
        std::thread::spawn(test).join().unwrap();
    }

    #[test]
    fn nice_and_io_priority_are_the_threads_own() {
        apart(|| {
            let spec = HostSpec {
                nice: 3,
                io_priority: Some((2, 6)),
                ..HostSpec::default()
            };
            // SAFETY: the calls take numbers only.
            let nice = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
            let before = nice();
            assert!(place_thread(&spec, &[]).unwrap().is_none());
            assert_eq!(nice(), (before + 3).min(19));
            // SAFETY: as above.
            let value = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, 0) };
            assert_eq!(value, 2 << 13 | 6);
        });
    }

    #[test]
    fn memory_policies_are_set_and_refused_by_name() {
        apart(|| {
            let with = |mode, nodes| HostSpec {
                memory_policy: Some(MemoryPolicySpec { mode, nodes }),
                ..HostSpec::default()
            };
            let refused = place_thread(&with(MemoryMode::Bind, vec![1000]), &[]);
            assert!(refused.unwrap_err().0.contains("1000"));
            let Err((_, error)) = place_thread(&with(MemoryMode::Bind, vec![0]), &[]) else {
                let mut mode: libc::c_int = -1;
                // SAFETY: the kernel writes one number.
                let result = unsafe {
                    let none = std::ptr::null_mut::<u64>();
                    libc::syscall(libc::SYS_get_mempolicy, &raw mut mode, none, 0, 0, 0)
                };
                assert_eq!((result, mode), (0, 2));
                return;
            };
            // Kernels without NUMA, and sandboxes.
            assert!(matches!(
                error.raw_os_error(),
                Some(libc::ENOSYS | libc::EPERM)
            ));
        });
    }

    #[test]
    fn a_policy_is_handed_down_to_threads_and_put_back() {
        apart(|| {
            let Ok(before) = KeptMemoryPolicy::of_this_thread() else {
                return; // Without NUMA.
            };
            let bound = MemoryPolicySpec {
                mode: MemoryMode::Bind,
                nodes: vec![0],
            };
            set_memory_policy(&bound).unwrap();
            let expected = KeptMemoryPolicy {
                mode: 2,
                nodes: vec![0],
            };
            assert_eq!(KeptMemoryPolicy::of_this_thread().unwrap(), expected);
            for mode in [MemoryMode::Local, MemoryMode::Default] {
                let nodes = Vec::new();
                set_memory_policy(&MemoryPolicySpec { mode, nodes }).unwrap();
            }
            set_memory_policy(&bound).unwrap();
            let made = std::thread::spawn(KeptMemoryPolicy::of_this_thread);
            assert_eq!(made.join().unwrap().unwrap(), expected);
            before.put_back().unwrap();
            assert_eq!(KeptMemoryPolicy::of_this_thread().unwrap(), before);
            assert_ne!(before, expected);
        });
    }

    #[test]
    fn pinned_memory_counts_as_locked() {
        let locked_kib = || -> u64 {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("VmLck"));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            number.and_then(|number| number.parse().ok()).unwrap()
        };
        let spec = HostSpec {
            locked_bytes: 64 << 10,
            ..HostSpec::default()
        };
        let before = locked_kib();
        if let Ok(pinned) = place_thread(&spec, &[]) {
            assert!(locked_kib() >= before + 64);
            drop(pinned);
        }
        let too_much = HostSpec {
            locked_bytes: 1 << 50,
            ..HostSpec::default()
        };
        assert!(place_thread(&too_much, &[]).unwrap_err().0.contains("pin"));
    }
}
