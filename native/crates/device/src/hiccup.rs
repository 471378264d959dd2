//! The hiccup meter: one sleeping thread per CPU that records how late it wakes.
