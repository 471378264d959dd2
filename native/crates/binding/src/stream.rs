//! Binding of the stream part.
