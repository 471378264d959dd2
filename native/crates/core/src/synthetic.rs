//! The synthetic device: one model of service time, jitter, stalls, errors and limits.
