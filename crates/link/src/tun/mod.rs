//! TUN: IP packets to and from a kernel's own stack.

pub mod sys;
