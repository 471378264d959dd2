//! The op stream: what a job sends, in order, with intended times.
