//! Seeded random numbers (xoshiro256++), independent streams from one seed.
