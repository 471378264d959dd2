//! What a run answers, as JSON; mirrors workloads/run-outcome.ts.
