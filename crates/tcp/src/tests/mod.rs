//! Connections against each other, and against hand-made segments, on virtual time.

mod harness;
mod transfer;
