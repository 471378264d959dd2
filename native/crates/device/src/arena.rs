//! One aligned block of memory, cut into slots of equal size.
