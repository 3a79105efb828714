//! When to acknowledge (RFC 9293, 3.8.6.3; RFC 5681, 4.2).

pub(crate) mod delayed_ack;
pub(crate) mod dsack;
pub(crate) mod quick_ack;
pub(crate) mod sack_blocks;
