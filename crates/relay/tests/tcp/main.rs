//! TCP through a relay, with the machine's own sockets at the far end.

mod inbound;
mod refusals;
mod socks;
mod streams;
mod world;
