//! The loop of one job: take operations from the stream, send, reap, record.
//!
//! The path through TypeScript runs the same loop over `engine::bridge::Bridge`, whose `queue` writes
//! records for TypeScript and whose `reap` takes the completions that TypeScript polled. So the loop is
//! a struct over any `Engine` whose one step never blocks, sleeps or spins (`turn(now_ns)`: reap with
//! `Wait::No`, record, check, fill, queue, commit; its answer says: got something done, wait for
//! completions and/or until a time, or done), and the thread's `run` is nothing but turns and waits.
//! What a step records (intervals, totals, generator, errors, verification, progress) is taken out by
//! the same functions on both paths.
