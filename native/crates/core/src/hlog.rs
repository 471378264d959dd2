//! The compressed V2 form of an HdrHistogram.
