//! Checks of data read back.
