//! High dynamic range histogram: 3 significant digits, 1 ns to 1 h, exact totals.
