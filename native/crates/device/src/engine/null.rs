//! The null engine.
