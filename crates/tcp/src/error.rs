use core::fmt;

/// Why a connection is dead.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConnectionError {
    /// A reset answered our SYN: nobody listens there.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// No sign of the peer for the user timeout, R2, or all keep-alive probes.
    TimedOut,
    /// The network said the peer cannot be reached.
    Unreachable(NetError),
    /// The application aborted.
    Aborted,
}

/// What an ICMP error said about the way to the peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum NetError {
    /// No route to the network.
    NetworkUnreachable,
    /// The host does not answer.
    HostUnreachable,
    /// The host has no TCP.
    ProtocolUnreachable,
    /// The host has nobody at that port.
    PortUnreachable,
    /// A filter forbids it.
    Prohibited,
    /// The hop limit ran out on the way.
    TimeExceeded,
    /// A router did not like our header.
    ParameterProblem,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NetError::NetworkUnreachable => "network unreachable",
            NetError::HostUnreachable => "host unreachable",
            NetError::ProtocolUnreachable => "protocol unreachable",
            NetError::PortUnreachable => "port unreachable",
            NetError::Prohibited => "administratively prohibited",
            NetError::TimeExceeded => "hop limit exceeded in transit",
            NetError::ParameterProblem => "a router rejected our header",
        })
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionError::Refused => f.write_str("connection refused"),
            ConnectionError::Reset => f.write_str("connection reset by peer"),
            ConnectionError::TimedOut => f.write_str("connection timed out"),
            ConnectionError::Unreachable(why) => why.fmt(f),
            ConnectionError::Aborted => f.write_str("connection aborted"),
        }
    }
}

impl core::error::Error for ConnectionError {}

/// Why data was not taken (RFC 9293, 3.10.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// Our direction is closed.
    Closing,
    /// The connection is dead; [`ConnectionError`] says why, `None` after a clean end.
    Dead(Option<ConnectionError>),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Closing => f.write_str("this direction is closed already"),
            SendError::Dead(Some(why)) => why.fmt(f),
            SendError::Dead(None) => f.write_str("the connection has ended"),
        }
    }
}

impl core::error::Error for SendError {}

/// Why CLOSE did nothing (RFC 9293, 3.10.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CloseError {
    /// It was closed before.
    Closing,
    /// There is no connection any more.
    Dead,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseError::Closing => "this direction is closed already",
            CloseError::Dead => "the connection has ended",
        })
    }
}

impl core::error::Error for CloseError {}

/// An ICMP error about a segment of ours (RFC 9293, 3.9.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum IcmpError {
    /// Codes 0, 1, 5, time exceeded, parameter problem: noted, never fatal (MUST-56).
    Soft(NetError),
    /// Codes 2 to 4: fatal for a handshake, noted afterwards (RFC 5927, section 5.2).
    Hard(NetError),
    /// Fragmentation needed, packet too big: the next hop takes this many octets.
    TooBig {
        /// Largest IP packet, in octets.
        mtu: u32,
    },
}
