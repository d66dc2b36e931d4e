//! DACR-Bench.
