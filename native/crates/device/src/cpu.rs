//! CPU time, context switches and faults of a thread; pinning; timer slack.
