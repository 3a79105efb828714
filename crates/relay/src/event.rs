//! What a relay tells of its work.

use crate::Denial;
use crate::udp::UdpReport;
use handfast::TcpInfo;
use handfast::stack::icmp::Problem;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Is told what a relay does. Called from its tasks: it must not block.
pub trait RelayObserver: Send + Sync {
    /// Something has happened.
    fn on_event(&self, event: &RelayEvent);
}

/// What a relay has done.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum RelayEvent {
    /// A connection was asked for.
    TcpAsked {
        /// By which later events of the same connection are known.
        id: u64,
        /// The side of the stack.
        program: SocketAddr,
        /// The other side, as the program names it.
        destination: SocketAddr,
    },
    /// The side that was asked has answered, and the connection is there.
    TcpAnswered {
        /// As in [`TcpAsked`](RelayEvent::TcpAsked).
        id: u64,
        /// How long the answer took.
        after: Duration,
    },
    /// No connection has come of it.
    TcpRefused {
        /// As in [`TcpAsked`](RelayEvent::TcpAsked).
        id: u64,
        /// Why not.
        why: Refusal,
    },
    /// A connection that was there is over.
    TcpClosed(Box<TcpReport>),
    /// A flow of datagrams is over.
    UdpFlowClosed(UdpReport),
    /// The host does not permit pings; in words, with a fix. Told once.
    PingUnavailable(String),
}

/// Why no connection has come of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The policy forbids it: the program hears that it is prohibited.
    Policy(Denial),
    /// The destination refuses: the program is refused with a reset.
    Refused,
    /// The destination cannot be reached: the program hears so by ICMP.
    Unreachable(Problem),
    /// The destination is silent: so are we.
    TimedOut,
    /// So many connects were under way that this one, the oldest, gave way to a newer one: the
    /// program hears nothing and asks again.
    GaveWay,
    /// The host has no descriptor, port or memory left: the program hears nothing and asks again.
    Exhausted,
    /// The side that asked has given up meanwhile.
    GivenUp,
}

/// Who opened a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Opened {
    /// The program, to a destination.
    ByProgram,
    /// Somebody on the host's side, to a published port of the program.
    Published,
    /// A server, to the program, for which the program had asked it ([`crate::Relay`] says when).
    ForTransfer,
}

/// How a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum End {
    /// Both sides have closed.
    Closed,
    /// The program has reset it.
    ProgramReset,
    /// The other side has reset it.
    DestinationReset,
    /// The relay was ended first.
    Relay,
    /// What else went wrong, in words.
    Failed(String),
}

/// A connection that is over.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct TcpReport {
    /// As in [`RelayEvent::TcpAsked`].
    pub id: u64,
    /// The side of the stack.
    pub program: SocketAddr,
    /// The other side, as the program names it.
    pub destination: SocketAddr,
    /// A name by which the destination was known when it was asked for.
    pub name: Option<String>,
    /// Who opened it.
    pub opened: Opened,
    /// Octets from the program that the host's socket has taken.
    pub octets_up: u64,
    /// Octets to the program that our connection has taken.
    pub octets_down: u64,
    /// From the answer to the end.
    pub lasted: Duration,
    /// What our connection to the program knew just before it was let go.
    pub info: Option<TcpInfo>,
    /// How it ended.
    pub end: End,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Policy(why) => write!(f, "{why}"),
            Refusal::Refused => f.write_str("refused"),
            Refusal::Unreachable(Problem::NoRoute) => f.write_str("no route"),
            Refusal::Unreachable(Problem::Prohibited) => f.write_str("prohibited by the host"),
            Refusal::Unreachable(_) => f.write_str("unreachable"),
            Refusal::TimedOut => f.write_str("no answer"),
            Refusal::GaveWay => f.write_str("gave way to newer attempts"),
            Refusal::Exhausted => f.write_str("no descriptor, port or memory left"),
            Refusal::GivenUp => f.write_str("given up by who asked"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Closed => "closed",
            End::ProgramReset => "reset by the program",
            End::DestinationReset => "reset by the destination",
            End::Relay => "cut off at the end of the relay",
            End::Failed(why) => why,
        })
    }
}
