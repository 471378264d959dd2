//! Schedules: when operations are meant to be sent.
