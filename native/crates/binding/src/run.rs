//! Binding of the run part.
