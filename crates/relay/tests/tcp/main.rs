//! TCP through a relay, with the machine's own sockets at the far end.

mod streams;
mod world;
