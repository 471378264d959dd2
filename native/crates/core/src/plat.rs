//! The bucket function of fio's latency histograms.
