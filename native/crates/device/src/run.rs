//! A set of jobs that start together: threads, intervals, stopping, results.
