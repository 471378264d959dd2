//! A timer on the runner's clock for the event loop: libuv's own has a resolution of a millisecond.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use osdyno_device::clock;

use crate::parking::Parking;

/// Calls back once when a time has come.
#[napi]
pub struct NativeTimer {
    /// Both or none. The parking is dropped first: it watches the descriptor.
    open: Option<(Parking, OwnedFd)>,
}

#[napi]
impl NativeTimer {
    /// A timer that is not set; `callback` is called each time it runs out.
    #[napi(constructor)]
    pub fn new(env: Env, callback: Function<(), ()>) -> Result<Self> {
        // SAFETY: takes no pointers; the result is checked.
        let raw = unsafe {
            libc::timerfd_create(
                libc::CLOCK_MONOTONIC,
                libc::TFD_CLOEXEC | libc::TFD_NONBLOCK,
            )
        };
        if raw < 0 {
            return Err(failed());
        }
        // SAFETY: it was just created and nothing else owns it.
        let timer = unsafe { OwnedFd::from_raw_fd(raw) };
        let parking = Parking::new(&env, &callback, Some(raw))?;
        Ok(Self {
            open: Some((parking, timer)),
        })
    }

    /// Sets it, replacing an earlier setting. A time that has passed calls back at once.
    #[napi]
    pub fn set(&mut self, deadline_ns: f64) -> Result<()> {
        if let Some((parking, timer)) = self.open.as_mut() {
            let delay = (deadline_ns - clock::now_ns() as f64).max(1.0) as u64;
            set(timer, delay)?;
            parking.arm(false);
        }
        Ok(())
    }

    /// Unsets it: no call until it is set again. The event loop does not wait for it.
    #[napi]
    pub fn clear(&mut self) -> Result<()> {
        if let Some((parking, timer)) = self.open.as_mut() {
            parking.disarm();
            set(timer, 0)?;
        }
        Ok(())
    }

    /// Frees it.
    #[napi]
    pub fn close(&mut self) {
        self.open = None;
    }
}

/// Nanoseconds from now; 0 stops it.
fn set(timer: &OwnedFd, delay: u64) -> Result<()> {
    let spec = libc::itimerspec {
        it_interval: libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: libc::timespec {
            tv_sec: (delay / 1_000_000_000).cast_signed(),
            tv_nsec: (delay % 1_000_000_000).cast_signed(),
        },
    };
    // SAFETY: `spec` is valid for the call; the old value is not asked for.
    let status =
        unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &raw const spec, ptr::null_mut()) };
    if status == 0 { Ok(()) } else { Err(failed()) }
}

fn failed() -> Error {
    Error::from_reason(format!("timerfd: {}", std::io::Error::last_os_error()))
}
