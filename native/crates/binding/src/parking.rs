//! Waiting on libuv: one callback into JavaScript when a descriptor is readable or at once, and no
//! CPU until then. The node binary exports libuv's functions.

use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;

use napi::bindgen_prelude::*;
use napi::sys;

type Handle = *mut c_void;

/// `uv_handle_type`, part of libuv's stable ABI.
const UV_IDLE: c_int = 6;
const UV_POLL: c_int = 8;
const UV_READABLE: c_int = 1;

unsafe extern "C" {
    fn uv_handle_size(kind: c_int) -> usize;
    fn uv_handle_set_data(handle: Handle, data: *mut c_void);
    fn uv_handle_get_data(handle: Handle) -> *mut c_void;
    fn uv_ref(handle: Handle);
    fn uv_unref(handle: Handle);
    fn uv_close(handle: Handle, closed: extern "C" fn(Handle));
    fn uv_poll_init(uv: *mut sys::uv_loop_s, handle: Handle, fd: c_int) -> c_int;
    fn uv_poll_start(
        handle: Handle,
        events: c_int,
        callback: extern "C" fn(Handle, c_int, c_int),
    ) -> c_int;
    fn uv_poll_stop(handle: Handle) -> c_int;
    fn uv_idle_init(uv: *mut sys::uv_loop_s, handle: Handle) -> c_int;
    fn uv_idle_start(handle: Handle, callback: extern "C" fn(Handle)) -> c_int;
    fn uv_idle_stop(handle: Handle) -> c_int;
}

/// A parked caller: at most one wake-up is outstanding. Lives on the thread of its event loop.
pub struct Parking {
    state: *mut State,
}

struct State {
    env: sys::napi_env,
    /// Weak while nobody waits, so that an owner that is forgotten can be collected.
    callback: sys::napi_ref,
    armed: bool,
    idle: Handle,
    poll: Handle,
    /// The poll handle stays started between wake-ups: starting and stopping it costs system calls.
    polling: bool,
}

impl Parking {
    /// Calls `callback` for each `arm`; watches `fd` if there is one. The owner in JavaScript MUST
    /// hold the callback: here it is held while armed only, so that an owner who forgot to close can
    /// be collected.
    pub fn new(env: &Env, callback: &Function<(), ()>, fd: Option<RawFd>) -> Result<Self> {
        let mut state = Box::new(State {
            env: env.raw(),
            callback: ptr::null_mut(),
            armed: false,
            idle: ptr::null_mut(),
            poll: ptr::null_mut(),
            polling: false,
        });
        // SAFETY: both values belong to this environment and the current scope.
        let status = unsafe {
            sys::napi_create_reference(env.raw(), callback.raw(), 0, &raw mut state.callback)
        };
        check(status, "keep the callback")?;
        let uv = env.get_uv_event_loop()?;
        // The state is freed in `close` only, so that the handles may point to it.
        let parking = Self {
            state: Box::into_raw(state),
        };
        let data = parking.state.cast::<c_void>();
        // SAFETY: the state is alive; handles are allocated at libuv's own size for their kind and
        // are freed in their close callback only.
        unsafe {
            let state = &mut *parking.state;
            state.idle = allocate(UV_IDLE)?;
            uv_idle_init(uv, state.idle);
            uv_handle_set_data(state.idle, data);
            if let Some(fd) = fd {
                let poll = allocate(UV_POLL)?;
                let refused = uv_poll_init(uv, poll, fd);
                if refused != 0 {
                    libc::free(poll);
                    return Err(Error::from_reason(format!(
                        "libuv cannot watch the engine's descriptor (error {refused})"
                    )));
                }
                uv_handle_set_data(poll, data);
                uv_unref(poll);
                state.poll = poll;
            }
        }
        Ok(parking)
    }

    /// Asks for one call: on the loop's next turn if `now`, else when the descriptor is readable or
    /// `arm` or `notify` says so.
    pub fn arm(&mut self, now: bool) {
        // SAFETY: the state lives until `close`; handles and reference are valid until then.
        unsafe {
            let state = &mut *self.state;
            if !state.armed {
                state.armed = true;
                let mut count = 0;
                sys::napi_reference_ref(state.env, state.callback, &raw mut count);
                if !state.poll.is_null() {
                    uv_ref(state.poll);
                }
            }
            if now {
                uv_idle_start(state.idle, on_idle);
            } else if !state.poll.is_null() && !state.polling {
                state.polling = uv_poll_start(state.poll, UV_READABLE, on_readable) == 0;
            }
        }
    }

    /// Takes an `arm` back: no call, and the loop does not wait for one.
    pub fn disarm(&mut self) {
        // SAFETY: as in `arm`.
        unsafe {
            if (*self.state).armed {
                stand_down(self.state);
            }
        }
    }

    /// Something is there now: wakes the caller if one is parked.
    pub fn notify(&mut self) {
        // SAFETY: as in `arm`.
        if unsafe { (*self.state).armed } {
            self.arm(true);
        }
    }
}

impl Drop for Parking {
    fn drop(&mut self) {
        // SAFETY: libuv calls no callback but the close callback after `uv_close`, which frees the
        // handle; the state is not used after this.
        unsafe {
            let state = Box::from_raw(self.state);
            for handle in [state.idle, state.poll] {
                if !handle.is_null() {
                    uv_handle_set_data(handle, ptr::null_mut());
                    uv_close(handle, on_closed);
                }
            }
            sys::napi_delete_reference(state.env, state.callback);
        }
    }
}

fn check(status: sys::napi_status, what: &str) -> Result<()> {
    if status == sys::Status::napi_ok {
        return Ok(());
    }
    Err(Error::new(Status::from(status), format!("cannot {what}")))
}

/// Zeroed memory for a handle.
unsafe fn allocate(kind: c_int) -> Result<Handle> {
    // SAFETY: plain calls; the result is checked.
    let handle = unsafe { libc::calloc(1, uv_handle_size(kind)) };
    if handle.is_null() {
        return Err(Error::from_reason("no memory for an event handle"));
    }
    Ok(handle)
}

extern "C" fn on_closed(handle: Handle) {
    // SAFETY: libuv is done with the handle, which came from `calloc`.
    unsafe { libc::free(handle) };
}

extern "C" fn on_idle(handle: Handle) {
    // SAFETY: the handle is open, so its state is alive.
    unsafe {
        uv_idle_stop(handle);
        fire(uv_handle_get_data(handle).cast());
    }
}

extern "C" fn on_readable(handle: Handle, _status: c_int, _events: c_int) {
    // SAFETY: as in `on_idle`.
    unsafe {
        let state = uv_handle_get_data(handle).cast::<State>();
        if (*state).armed {
            fire(state);
        } else {
            // Readable while the caller polls by itself: stop, else the loop would spin on it.
            uv_poll_stop(handle);
            (*state).polling = false;
        }
    }
}

/// Calls the callback once. It may arm again, or close everything: the state is not touched after.
unsafe fn fire(state: *mut State) {
    // SAFETY: the caller got a live state; raw calls with values of this environment.
    unsafe {
        if !(*state).armed {
            return;
        }
        let env = (*state).env;
        let mut scope = ptr::null_mut();
        if sys::napi_open_handle_scope(env, &raw mut scope) != sys::Status::napi_ok {
            return;
        }
        let mut callback = ptr::null_mut();
        let mut global = ptr::null_mut();
        sys::napi_get_reference_value(env, (*state).callback, &raw mut callback);
        stand_down(state);
        sys::napi_get_global(env, &raw mut global);
        if !callback.is_null() {
            call(env, global, callback);
        }
        sys::napi_close_handle_scope(env, scope);
    }
}

/// Ends the wait: the callback may be collected again and the loop may end.
unsafe fn stand_down(state: *mut State) {
    // SAFETY: the caller got a live, armed state.
    unsafe {
        let mut count = 0;
        (*state).armed = false;
        uv_idle_stop((*state).idle);
        if !(*state).poll.is_null() {
            uv_unref((*state).poll);
        }
        sys::napi_reference_unref((*state).env, (*state).callback, &raw mut count);
    }
}

unsafe fn call(env: sys::napi_env, global: sys::napi_value, callback: sys::napi_value) {
    let mut result = ptr::null_mut();
    // SAFETY: values of the open scope; a null async context means none.
    unsafe {
        let status = sys::napi_make_callback(
            env,
            ptr::null_mut(),
            global,
            callback,
            0,
            ptr::null(),
            &raw mut result,
        );
        if status == sys::Status::napi_pending_exception {
            let mut error = ptr::null_mut();
            sys::napi_get_and_clear_last_exception(env, &raw mut error);
            sys::napi_fatal_exception(env, error);
        }
    }
}
