//! What the buffers of writes hold.
