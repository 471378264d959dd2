//! The synthetic engine.
