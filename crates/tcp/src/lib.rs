//! One TCP connection, sans-IO: RFC 9293 and its extensions.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod state;

pub use state::State;
