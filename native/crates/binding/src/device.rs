//! Binding of the device part.
