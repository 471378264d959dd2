//! A set of jobs that start together: threads, intervals, stopping, results.
//!
//! What gathers from the ports (`Collector`: over `Vec<Arc<JobPort>>` and the `RunSpec`, with `poll`,
//! `stop` and `result` that never wait) knows nothing of threads, so that the path through TypeScript
//! uses it too: there the jobs are stepped by the event loop of one thread.
