//! Links that move packets in batches: memory, impaired, TUN.
