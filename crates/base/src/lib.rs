//! Time and seeded randomness, the two things a sans-IO stack must be *given*.
//!
//! A closed list: [`Instant`], [`Duration`] and [`Rng`]. Nothing in here reads a clock or asks
//! the operating system for entropy; both are arguments everywhere in the cores, so that the same
//! code serves a real device and a simulated network, byte for byte repeatable.
#![no_std]
#![forbid(unsafe_code)]

mod instant;
mod rng;
#[cfg(test)]
mod tests;

pub use core::time::Duration;
pub use instant::Instant;
pub use rng::Rng;
