//! The psync engine.
