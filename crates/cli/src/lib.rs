//! What the `handfast` command is made of.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
pub mod arguments;
#[cfg(target_os = "linux")]
pub mod completions;
#[cfg(target_os = "linux")]
pub mod demo;
#[cfg(target_os = "linux")]
pub mod doctor;
#[cfg(target_os = "linux")]
pub mod kernel_peer;
#[cfg(target_os = "linux")]
pub mod manual;
#[cfg(target_os = "linux")]
pub mod namespace;
#[cfg(target_os = "linux")]
pub mod netlink;
#[cfg(target_os = "linux")]
pub mod proxy;
#[cfg(target_os = "linux")]
pub mod recording;
#[cfg(target_os = "linux")]
pub mod run;
#[cfg(target_os = "linux")]
pub mod serve;
#[cfg(target_os = "linux")]
pub mod services;
#[cfg(target_os = "linux")]
pub mod signals;
pub mod size;
#[cfg(target_os = "linux")]
pub mod terminal;
