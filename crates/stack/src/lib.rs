//! A sans-IO TCP/IP stack: interfaces, routes, demultiplexing, listeners, UDP, ICMP.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod address;
pub mod ports;
pub mod rate_limit;
pub mod route;
pub mod source_address;
pub mod timer_wheel;
