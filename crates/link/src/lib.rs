//! Links that move packets in batches: memory, impaired, TUN.

#[cfg(target_os = "linux")]
pub mod tun;
