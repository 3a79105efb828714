//! Flow control: the windows of both directions (RFC 9293, 3.8.6).

pub(crate) mod autotune;
pub(crate) mod persist;
pub(crate) mod receive;
pub(crate) mod scale;
pub(crate) mod send;
pub(crate) mod silly_window;
