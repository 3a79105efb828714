//! Benchmarks of handfast against peers and floors.
