//! What one job measures in one interval, and the totals that intervals merge into.
