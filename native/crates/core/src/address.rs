//! Addresses: sequential, random with skews, and the map that visits each block once.
