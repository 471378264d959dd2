//! Block sizes by direction.
