//! Loss recovery: decides what is lost, and never sends (RFC 5681, 6582, 3042, 6298).

pub(crate) mod limited_transmit;
pub(crate) mod new_reno;
pub(crate) mod scoreboard;
