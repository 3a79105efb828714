//! Relays the TCP, UDP and ping of a handfast stack to the sockets of the machine it runs on.
//!
//! Whoever talks to the stack reaches the world through it: every connection is terminated by the
//! stack's own TCP and carried on by a socket of the machine's, accepted only once the destination
//! has answered.
#![forbid(unsafe_code)]

pub mod dns;
mod event;
mod limits;
mod outbound;
pub mod ping;
mod policy;
mod publish;
mod relay;
mod rule;
mod substitutes;
mod tcp;
pub mod udp;

pub use event::{End, Opened, Refusal, RelayEvent, RelayObserver, TcpReport};
pub use limits::{Limits, raise_descriptor_limit};
pub use outbound::{Credentials, Direct, Outbound, OutboundError};
pub use policy::{Denial, Policy, Verdict};
pub use publish::{Publish, PublishError, Transport};
pub use relay::{Relay, RelayBuilder};
pub use rule::{Rule, RuleError};

pub(crate) use relay::Shared;
