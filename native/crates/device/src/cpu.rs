//! CPU time, context switches and faults of a thread; pinning; timer slack.

use std::io;
use std::mem::MaybeUninit;

/// Use of a thread or process so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in user mode, ns.
    pub user_ns: u64,
    /// CPU time in the kernel, ns.
    pub system_ns: u64,
    /// Times it gave the CPU away.
    pub voluntary_switches: u64,
    /// Times the CPU was taken from it.
    pub involuntary_switches: u64,
    /// Faults that needed I/O.
    pub major_faults: u64,
    /// Faults that did not.
    pub minor_faults: u64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            user_ns: self.user_ns + other.user_ns,
            system_ns: self.system_ns + other.system_ns,
            voluntary_switches: self.voluntary_switches + other.voluntary_switches,
            involuntary_switches: self.involuntary_switches + other.involuntary_switches,
            major_faults: self.major_faults + other.major_faults,
            minor_faults: self.minor_faults + other.minor_faults,
        }
    }

    /// What was used since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            system_ns: self.system_ns.saturating_sub(earlier.system_ns),
            voluntary_switches: self
                .voluntary_switches
                .saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(earlier.involuntary_switches),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
        }
    }
}

/// Use of the calling thread.
#[must_use]
pub fn thread_usage() -> Usage {
    usage(libc::RUSAGE_THREAD)
}

/// Use of the whole process, ended threads included.
#[must_use]
pub fn process_usage() -> Usage {
    usage(libc::RUSAGE_SELF)
}

fn usage(who: libc::c_int) -> Usage {
    let mut raw = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `raw` is valid for writing; `who` is one of the two constants.
    unsafe { libc::getrusage(who, raw.as_mut_ptr()) };
    // SAFETY: the call filled it, and all zeroes would be valid too.
    let raw = unsafe { raw.assume_init() };
    let ns = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000;
    Usage {
        user_ns: ns(raw.ru_utime),
        system_ns: ns(raw.ru_stime),
        voluntary_switches: raw.ru_nvcsw as u64,
        involuntary_switches: raw.ru_nivcsw as u64,
        major_faults: raw.ru_majflt as u64,
        minor_faults: raw.ru_minflt as u64,
    }
}

/// CPU time of the calling thread, ns.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPUs the calling thread may run on, ascending.
#[must_use]
pub fn allowed_cpus() -> Vec<u32> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: `set` is valid for writing and its size is given.
    let failed =
        unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) != 0 };
    if failed {
        return Vec::new();
    }
    // SAFETY: filled by the call; all zeroes would be valid too.
    let set = unsafe { set.assume_init() };
    (0..libc::CPU_SETSIZE as u32)
        // SAFETY: the index is below CPU_SETSIZE.
        .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu as usize, &set) })
        .collect()
}

/// Restricts the calling thread to these CPUs.
///
/// # Errors
/// A CPU beyond the kernel's limit, or none of them may be used.
pub fn pin(cpus: &[u32]) -> io::Result<()> {
    pin_thread(0, cpus)
}

/// Restricts a thread of any process of ours to these CPUs, by its id; 0 is the calling thread.
///
/// # Errors
/// A CPU beyond the kernel's limit, none of them may be used, or there is no such thread.
pub fn pin_thread(thread: i32, cpus: &[u32]) -> io::Result<()> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    for &cpu in cpus {
        if cpu >= libc::CPU_SETSIZE as u32 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: the set is zeroed, hence valid; the index is below CPU_SETSIZE.
        unsafe { libc::CPU_SET(cpu as usize, set.assume_init_mut()) };
    }
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: `set` is initialised and its size is given.
    if unsafe { libc::sched_setaffinity(thread, size, set.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Lets the calling thread run wherever the process may: a thread inherits its maker's CPUs.
pub fn unpin() {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: `set` is valid for both calls and its size is given; the process's id names its first
    // thread. When that fails the thread stays where it is.
    unsafe {
        if libc::sched_getaffinity(libc::getpid(), size, set.as_mut_ptr()) == 0 {
            libc::sched_setaffinity(0, size, set.as_ptr());
        }
    }
}

/// Lets timers of the calling thread fire as exactly as the machine can (the default lets them slip by
/// 50 us).
pub fn exact_timers() {
    // SAFETY: the option takes one number; 1 is the smallest that is not "the default".
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64, 0_u64, 0_u64, 0_u64) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_work_shows_in_the_threads_use() {
        let before = thread_usage();
        let cpu_before = thread_cpu_ns();
        while thread_cpu_ns() < cpu_before + 30_000_000 {
            std::hint::black_box(cpu_before);
        }
        let used = thread_usage().since(&before);
        assert!(used.user_ns + used.system_ns >= 10_000_000, "{used:?}");
        assert!(process_usage().user_ns > 0);
    }

    #[test]
    fn pins_to_an_allowed_cpu() {
        std::thread::spawn(|| {
            let all = allowed_cpus();
            let last = *all.last().unwrap();
            pin(&[last]).unwrap();
            assert_eq!(allowed_cpus(), vec![last]);
            assert!(pin(&[1_000_000]).is_err());
        })
        .join()
        .unwrap();
    }
}
