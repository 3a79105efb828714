//! The services and `handfast serve` as clients see them: curl and plain sockets of the kernel, in a
//! network namespace of the test's own, and clients over a second stack of ours.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod files;
mod kernel;
mod memory;
mod small;
mod web;
