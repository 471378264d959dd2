//! The loop of one job: take operations from the stream, send, reap, record.
