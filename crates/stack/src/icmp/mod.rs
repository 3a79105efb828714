//! ICMP for both families (RFC 792, RFC 1122 section 3.2.2, RFC 4443): what arrived, what is
//! answered, and echo requests of our own. Nothing in here keeps a queue or a clock.

mod answer;
mod error;
mod input;
mod ping;
#[cfg(test)]
mod tests;

pub use answer::{is_answerable, write_echo_reply};
pub use error::{Problem, write_error};
pub use input::{IcmpEvent, IcmpInput, parse};
pub use ping::{Identifiers, Ping, write_echo_request};
